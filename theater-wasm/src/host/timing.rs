//! `theater:simple/timing`: the runtime's clock, and waits that hold up nobody but the actor itself.

use std::sync::Arc;
use std::time::Duration;

use theater_core::EventKind;
use wasmtime::component::Linker;

use super::bindings::theater::simple::timing;
use super::record::subject;
use super::services::{Refusal, Services};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/timing";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, INTERFACE, |instance| {
        timing::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

/// Waits, if the grant allows it. Ends early when the actor is asked to end, so that its call can end. A kill drops the
/// future. While a guest waits it uses no processor time, so the call's deadline does not count.
async fn wait(services: Arc<Services>, millis: u64) -> Result<(), Refusal> {
    let grant = services.timing.ok_or(Refusal::NotGranted)?;
    if millis > grant.max_sleep {
        return Err(Refusal::TooLong { asked: millis, limit: grant.max_sleep });
    }
    if millis < grant.min_sleep {
        return Err(Refusal::TooShort { asked: millis, limit: grant.min_sleep });
    }
    tokio::select! {
        biased;
        () = services.stop.cancelled() => Err(Refusal::Ending),
        () = tokio::time::sleep(Duration::from_millis(millis)) => Ok(()),
    }
}

impl timing::Host for ActorStore {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        let now = self.observed(EventKind::TIMING_NOW, String::new(), |services| async move {
            services.timing.ok_or(Refusal::NotGranted)?;
            Ok(services.now())
        });
        now.await?.map_err(wasmtime::Error::msg)
    }

    async fn sleep(&mut self, duration: u64) -> wasmtime::Result<Result<(), String>> {
        let subject = subject(&[&duration.to_string()]);
        self.observed(EventKind::TIMING_SLEEP, subject, |services| wait(services, duration)).await
    }

    async fn deadline(&mut self, timestamp: u64) -> wasmtime::Result<Result<(), String>> {
        let subject = subject(&[&timestamp.to_string()]);
        self.observed(EventKind::TIMING_DEADLINE, subject, |services| async move {
            services.timing.ok_or(Refusal::NotGranted)?;
            match timestamp.saturating_sub(services.now()) {
                0 => Ok(()),
                millis => wait(services, millis).await,
            }
        })
        .await
    }
}
