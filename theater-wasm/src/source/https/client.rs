//! One fetch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use theater_core::source::{Address, FetchError};
use theater_core::{Bytes, ManifestErrorKind};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::tls::{InvalidRoots, TlsRoots};

/// Fetches, blocking. Cheap to clone.
#[derive(Clone)]
pub(super) struct Client {
    agent: ureq::Agent,
    deadline: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(roots: &TlsRoots, deadline: Duration) -> Result<Self, InvalidRoots> {
        let roots = match roots {
            TlsRoots::Mozilla => RootCerts::WebPki,
            TlsRoots::Pem(text) => RootCerts::Specific(Arc::new(certificates(text)?)),
        };
        let config = ureq::Agent::config_builder()
            .https_only(true)
            // A redirect comes back as an answer, and is refused here.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            // The environment must not decide where content comes from.
            .proxy(None)
            .timeout_global(Some(deadline))
            .user_agent(concat!("theater/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Self { agent: config.new_agent(), deadline })
    }

    /// The content at an address.
    pub(super) fn get(&self, address: &Address, limit: u64) -> Result<Bytes, ManifestErrorKind> {
        let mut response =
            self.agent.get(address.to_string()).call().map_err(|error| self.kind(error, limit))?;
        let status = response.status().as_u16();
        match status {
            200 => {}
            404 | 410 => return Err(ManifestErrorKind::NotFound),
            300..=399 => return Err(FetchError::Redirect { status }.into()),
            _ => return Err(FetchError::Status { status }.into()),
        }
        if let Some(size) = response.body().content_length().filter(|size| *size > limit) {
            return Err(ManifestErrorKind::TooLarge { size, limit });
        }
        // What the server announces need not be what comes.
        let body = response.body_mut().with_config().limit(limit.saturating_add(1)).read_to_vec();
        let content = body.map_err(|error| self.kind(error, limit))?;
        let size = content.len() as u64;
        if size > limit { Err(ManifestErrorKind::TooLarge { size, limit }) } else { Ok(content.into()) }
    }

    fn kind(&self, error: ureq::Error, limit: u64) -> ManifestErrorKind {
        match error {
            ureq::Error::Timeout(_) => FetchError::TooSlow { limit: self.deadline }.into(),
            ureq::Error::BodyExceedsLimit(size) => ManifestErrorKind::TooLarge { size, limit },
            other => FetchError::Transport { message: theater_core::error::with_causes(&other) }.into(),
        }
    }
}

fn certificates(text: &str) -> Result<Vec<Certificate<'static>>, InvalidRoots> {
    let items: Result<Vec<_>, _> = parse_pem(text.as_bytes()).collect();
    let certificates: Vec<_> = items
        .map_err(|_| InvalidRoots)?
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() { Err(InvalidRoots) } else { Ok(certificates) }
}
