//! `wasi:io/poll`: waits that hold up nobody but the actor itself, and which of them are over.

use std::time::Duration;

use theater_core::EventKind;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{Host as _, HostPollable as _};

use super::define::{define, interface};
use crate::host::record::{Answer, outcome};
use crate::host::services::Refusal;
use crate::store::ActorStore;

type Pollable = Resource<DynPollable>;

/// How long a wait takes at most once the actor is asked to end: no time that matters, and enough that a guest that waits again and
/// again fills no chain.
const ENDING: Duration = Duration::from_millis(10);

pub(super) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    let mut poll = interface(linker, "wasi:io/poll")?;
    define::<(Vec<Pollable>,), (Vec<u32>,)>(&mut poll, "poll", |mut store, (pollables,)| {
        Box::new(async move { Ok((store.data_mut().poll_all(pollables).await?,)) })
    })?;
    define::<(Pollable,), (bool,)>(&mut poll, "[method]pollable.ready", |mut store, (pollable,)| {
        Box::new(async move { Ok((store.data_mut().is_ready(pollable).await?,)) })
    })?;
    define::<(Pollable,), ()>(&mut poll, "[method]pollable.block", |mut store, (pollable,)| {
        Box::new(async move { store.data_mut().poll_all(vec![pollable]).await.map(drop) })
    })
}

impl ActorStore {
    /// Waits until one of them is over, and says which are. While a guest waits it uses no processor time, so the call's deadline
    /// does not count; a kill drops the future. When the actor is asked to end, all of them are over: there is no error to tell the
    /// guest, and so its call can end.
    async fn poll_all(&mut self, pollables: Vec<Pollable>) -> wasmtime::Result<Vec<u32>> {
        let asked = pollables.len().to_string();
        if let Some(over) = self.polled_before(&asked)? {
            return Ok(over);
        }
        let services = self.services().cloned();
        let Some((services, (grant, _))) = services.and_then(|all| all.wasi.map(|wasi| (all, wasi))) else {
            return self.polled(asked, Err(Refusal::NotGranted)).await;
        };
        let all = 0..u32::try_from(pollables.len()).unwrap_or(u32::MAX);
        let ending = async {
            services.stop.cancelled().await;
            tokio::time::sleep(ENDING).await;
        };
        let over = tokio::select! {
            biased;
            over = self.ctx().table.poll(pollables) => Ok(over?),
            () = ending => Ok(all.collect()),
            () = tokio::time::sleep(Duration::from_millis(grant.max_sleep)) => {
                Err(Refusal::Waited { limit: grant.max_sleep })
            }
        };
        self.polled(asked, over).await
    }

    async fn is_ready(&mut self, pollable: Pollable) -> wasmtime::Result<bool> {
        if let Some(ready) = self.polled_before("ready")? {
            return Ok(ready);
        }
        let ready = self.ctx().table.ready(pollable).await?;
        self.polled("ready".to_owned(), Ok(ready)).await
    }

    /// What the record says, where this call is run again.
    fn polled_before<T: Answer>(&mut self, asked: &str) -> wasmtime::Result<Option<T>> {
        let Some(outcome) = self.scripted_answer(EventKind::WASI_POLL)? else { return Ok(None) };
        let answer = self.recorded_outcome(EventKind::WASI_POLL, Some(asked), &outcome)?;
        answer.map(Some).map_err(wasmtime::Error::msg)
    }

    async fn polled<T: Answer>(&mut self, asked: String, answer: Result<T, Refusal>) -> wasmtime::Result<T> {
        let answer = crate::host::to_guest(answer);
        self.must_record(EventKind::WASI_POLL, outcome(asked, &answer)).await?;
        answer.map_err(wasmtime::Error::msg)
    }
}
