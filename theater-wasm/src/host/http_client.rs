//! `theater:simple/http-client`: requests to hosts that the manifest names.

use std::sync::Arc;
use std::time::Duration;

use theater_core::event::payload::{self, encode};
use theater_core::{Bytes, EventKind};

use super::bindings::theater::simple::http_client::{self, HttpRequest, HttpResponse};
use super::bindings::theater::simple::http_types;
use super::record::subject;
use super::services::{Refusal, Services};
use crate::http::{Bounds, Request, shown};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/http-client";

pub(crate) fn add_to_linker(linker: &mut wasmtime::component::Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, super::HTTP_TYPES, |types| {
        http_types::add_to_linker_instance::<_, super::OfStore>(types, |store| store)
    })?;
    super::under_both_names(linker, INTERFACE, |instance| {
        http_client::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

impl http_types::Host for ActorStore {}

/// Sends what was recorded as `recorded` bytes: what cannot be recorded in full is not sent.
async fn send(
    services: Arc<Services>,
    request: payload::HttpRequest,
    recorded: u64,
) -> Result<payload::HttpResponse, Refusal> {
    let grant = services.http.as_ref().ok_or(Refusal::NotGranted)?;
    let most = services.content_limit;
    let limit = grant.max_request.unwrap_or(most).min(most);
    if recorded > limit {
        return Err(Refusal::LargeRequest { size: recorded, limit });
    }
    let payload::HttpRequest { method, uri, headers, body } = request;
    let request = Request::new(&method, &uri, &headers, body, grant)?;
    let bounds = Bounds {
        duration: Duration::from_millis(grant.max_duration),
        response: grant.max_response.unwrap_or(most).min(most),
    };
    Ok(services.provider.http.send(request, bounds, &services.stop).await?)
}

impl http_client::Host for ActorStore {
    async fn send_http(&mut self, req: HttpRequest) -> wasmtime::Result<Result<HttpResponse, String>> {
        let HttpRequest { method, uri, headers, body } = req;
        let subject = subject(&[&method, &shown(&uri)]);
        let request = payload::HttpRequest { method, uri, headers, body: body.map(Bytes::from) };
        let given = encode(&request);
        let recorded = given.len() as u64;
        let sent = self.effected(EventKind::SEND_HTTP, subject, Some(given), |services| {
            send(services, request, recorded)
        });
        Ok(sent.await?.map(|response| HttpResponse {
            status: response.status,
            headers: response.headers,
            body: response.body.map(Vec::from),
        }))
    }
}
