//! `theater:simple/supervisor`: conversions only. The functions are `SupervisorHost`'s.

use theater_core::event::payload;
use theater_core::{Bytes, ChainEvent, EventKind};
use theater_supervisor::{
    SupervisorCall, SupervisorError, SupervisorEvent, SupervisorHost, SupervisorOutcome,
};
use wasmtime::component::Linker;

use super::bindings::theater::simple::{supervisor, types};
use super::to_guest;
use crate::script::{Scripted, UNKNOWN};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/supervisor";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, INTERFACE, |instance| {
        supervisor::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

impl ActorStore {
    fn supervision(&self) -> Result<(SupervisorHost, theater_core::Caller), SupervisorError> {
        let host = self.supervisor().cloned().ok_or_else(|| {
            SupervisorError::HandlerError("this actor was instantiated without a supervisor host".to_owned())
        })?;
        Ok((host, self.caller().clone()))
    }
}

/// What a function gave before, where the call that makes it is run again.
enum Before {
    /// Nothing: it is done now.
    Nothing,
    Outcome(SupervisorOutcome),
    /// It was begun, and its outcome is not known.
    Unknown,
}

impl ActorStore {
    fn before(&mut self, kind: EventKind, target: &str, call: &SupervisorCall) -> wasmtime::Result<Before> {
        if self.script.is_none() {
            return Ok(Before::Nothing);
        }
        let target = theater_core::error::printable(target);
        let called = SupervisorEvent::call(kind, target, call).payload;
        Ok(match self.scripted(kind, &called)? {
            Scripted::Live => Before::Nothing,
            Scripted::Unknown => Before::Unknown,
            Scripted::Answered(record) => {
                let outcome = payload::decode::<SupervisorEvent>(&record)
                    .ok()
                    .and_then(|record| payload::decode(&record.data?).ok());
                match outcome {
                    Some(outcome) => Before::Outcome(outcome),
                    None => return Err(self.not_an_outcome(kind)),
                }
            }
        })
    }

    /// Records that an outcome is not known, and tells the guest.
    async fn unknown(&mut self, kind: EventKind, target: &str) -> wasmtime::Result<String> {
        let target = theater_core::error::printable(target);
        let refused = SupervisorOutcome::Refused(UNKNOWN.to_owned());
        self.must_record(kind, SupervisorEvent::outcome(kind, target, &refused).payload).await?;
        Ok(UNKNOWN.to_owned())
    }
}

/// Runs one of the host's functions and gives the guest its result as text. Meanwhile others can see that this actor
/// waits for its supervisor. `$read` makes of a recorded outcome what the guest was given.
macro_rules! supervise {
    ($self:ident, $kind:expr, $target:expr, $recorded:expr, |$host:ident, $caller:ident| $call:expr, $read:pat => $value:expr) => {{
        match $self.before($kind, $target, &$recorded)? {
            Before::Outcome($read) => Ok($value),
            Before::Outcome(SupervisorOutcome::Refused(error)) => Err(error),
            Before::Outcome(_) => return Err($self.not_an_outcome($kind)),
            Before::Unknown => Err($self.unknown($kind, $target).await?),
            Before::Nothing => {
                let _waiting = $self.messenger().map(|messenger| messenger.supervising());
                to_guest(match $self.supervision() {
                    Ok(($host, $caller)) => $call.await,
                    Err(error) => Err(error),
                })
            }
        }
    }};
}

impl supervisor::Host for ActorStore {
    async fn spawn(
        &mut self,
        manifest: String,
        init_bytes: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<String, String>> {
        let init_bytes = init_bytes.map(Bytes::from);
        let call = SupervisorCall::Spawn { manifest: manifest.clone(), init_bytes: init_bytes.clone() };
        Ok(supervise!(
            self, EventKind::SPAWN, "", call,
            |host, caller| host.spawn(&caller, manifest, init_bytes.map(Vec::from)),
            SupervisorOutcome::Child(id) => id
        )
        .map(|id| id.to_string()))
    }

    async fn resume(
        &mut self,
        manifest: String,
        init_state: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<String, String>> {
        let state_bytes = init_state.map(Bytes::from);
        let call = SupervisorCall::Resume { manifest: manifest.clone(), state_bytes: state_bytes.clone() };
        Ok(supervise!(
            self, EventKind::RESUME, "", call,
            |host, caller| host.resume(&caller, manifest, state_bytes.map(Vec::from)),
            SupervisorOutcome::Child(id) => id
        )
        .map(|id| id.to_string()))
    }

    async fn list_children(&mut self) -> wasmtime::Result<Vec<String>> {
        // The interface has no error here, and a wrong list would be worse than none.
        supervise!(
            self, EventKind::LIST_CHILDREN, "", SupervisorCall::Child,
            |host, caller| host.list_children(&caller),
            SupervisorOutcome::Children(ids) => ids
        )
        .map(|ids| ids.iter().map(ToString::to_string).collect())
        .map_err(wasmtime::Error::msg)
    }

    async fn stop_child(&mut self, child_id: String) -> wasmtime::Result<Result<(), String>> {
        Ok(supervise!(
            self, EventKind::STOP_CHILD, &child_id, SupervisorCall::Child,
            |host, caller| host.stop_child(&caller, &child_id),
            SupervisorOutcome::Done => ()
        ))
    }

    async fn restart_child(&mut self, child_id: String) -> wasmtime::Result<Result<(), String>> {
        Ok(supervise!(
            self, EventKind::RESTART_CHILD, &child_id, SupervisorCall::Child,
            |host, caller| host.restart_child(&caller, &child_id),
            SupervisorOutcome::Done => ()
        ))
    }

    async fn get_child_state(
        &mut self,
        child_id: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, String>> {
        Ok(supervise!(
            self, EventKind::GET_CHILD_STATE, &child_id, SupervisorCall::Child,
            |host, caller| host.get_child_state(&caller, &child_id),
            SupervisorOutcome::State(state) => state
        )
        .map(|state| state.map(Vec::from)))
    }

    async fn get_child_events(
        &mut self,
        child_id: String,
    ) -> wasmtime::Result<Result<Vec<types::ChainEvent>, String>> {
        Ok(supervise!(
            self, EventKind::GET_CHILD_EVENTS, &child_id, SupervisorCall::Child,
            |host, caller| host.get_child_events(&caller, &child_id),
            SupervisorOutcome::Events { count, head } => {
                // They stand on the child's own chain.
                let events = self.scripted_child_chain(&child_id, count).await.unwrap_or_default();
                if events.last().map(|event| event.hash) != head || events.len() as u64 != count {
                    return Err(self.not_an_outcome(EventKind::GET_CHILD_EVENTS));
                }
                events
            }
        )
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
