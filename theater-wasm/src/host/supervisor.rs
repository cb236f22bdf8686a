//! `theater:simple/supervisor`: conversions only. The functions are `SupervisorHost`'s.

use theater_core::ChainEvent;
use theater_supervisor::{SupervisorError, SupervisorHost};

use super::bindings::theater::simple::{supervisor, types};
use super::to_guest;
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/supervisor";

pub(crate) fn add_to_linker(linker: &mut wasmtime::component::Linker<ActorStore>) -> wasmtime::Result<()> {
    supervisor::add_to_linker::<ActorStore, wasmtime::component::HasSelf<ActorStore>>(linker, |store| store)
}

impl ActorStore {
    fn supervision(&self) -> Result<(SupervisorHost, theater_core::Caller), SupervisorError> {
        let host = self.supervisor().cloned().ok_or_else(|| {
            SupervisorError::HandlerError("this actor was instantiated without a supervisor host".to_owned())
        })?;
        Ok((host, self.caller().clone()))
    }
}

/// Runs one of the host's functions and gives the guest its result as text. Meanwhile others can see that this actor
/// waits for its supervisor.
macro_rules! supervise {
    ($self:ident, |$host:ident, $caller:ident| $call:expr) => {{
        let _waiting = $self.messenger().map(|messenger| messenger.supervising());
        to_guest(match $self.supervision() {
            Ok(($host, $caller)) => $call.await,
            Err(error) => Err(error),
        })
    }};
}

impl supervisor::Host for ActorStore {
    async fn spawn(
        &mut self,
        manifest: String,
        init_bytes: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<String, String>> {
        Ok(supervise!(self, |host, caller| host.spawn(&caller, manifest, init_bytes))
            .map(|id| id.to_string()))
    }

    async fn resume(
        &mut self,
        manifest: String,
        init_state: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<String, String>> {
        Ok(supervise!(self, |host, caller| host.resume(&caller, manifest, init_state))
            .map(|id| id.to_string()))
    }

    async fn list_children(&mut self) -> wasmtime::Result<Vec<String>> {
        // The interface has no error here, and a wrong list would be worse than none.
        supervise!(self, |host, caller| host.list_children(&caller))
            .map(|ids| ids.iter().map(ToString::to_string).collect())
            .map_err(wasmtime::Error::msg)
    }

    async fn stop_child(&mut self, child_id: String) -> wasmtime::Result<Result<(), String>> {
        Ok(supervise!(self, |host, caller| host.stop_child(&caller, &child_id)))
    }

    async fn restart_child(&mut self, child_id: String) -> wasmtime::Result<Result<(), String>> {
        Ok(supervise!(self, |host, caller| host.restart_child(&caller, &child_id)))
    }

    async fn get_child_state(
        &mut self,
        child_id: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, String>> {
        Ok(supervise!(self, |host, caller| host.get_child_state(&caller, &child_id))
            .map(|state| state.map(Vec::from)))
    }

    async fn get_child_events(
        &mut self,
        child_id: String,
    ) -> wasmtime::Result<Result<Vec<types::ChainEvent>, String>> {
        Ok(supervise!(self, |host, caller| host.get_child_events(&caller, &child_id))
            .map(|events| events.into_iter().map(event).collect()))
    }
}

fn event(event: ChainEvent) -> types::ChainEvent {
    types::ChainEvent {
        hash: event.hash.0.to_vec(),
        parent_hash: event.parent_hash().map(|hash| hash.0.to_vec()),
        event_type: event.event_type(),
        timestamp: event.unix_millis(),
        data: event.payload.into(),
    }
}
