//! `theater:simple/runtime`: the actor's log, its own chain, its own end.

use theater_core::event::payload::{HostCall, Instantiation, decode, encode};
use theater_core::{
    ActorError, Authority, Bytes, ChainEvent, EventDraft, EventKind, EventRange, ExitReason, LimitError,
};
use wasmtime::component::Linker;

use super::bindings::theater::simple::{runtime, types};
use super::to_guest;
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/runtime";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, "theater:simple/types", |types| {
        types::add_to_linker_instance::<_, super::OfStore>(types, |store| store)
    })?;
    super::under_both_names(linker, INTERFACE, |instance| {
        runtime::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

impl types::Host for ActorStore {}

impl ActorStore {
    /// Records what the guest did. Where that is not possible the guest may not go on: what it does next would
    /// not be on its chain.
    pub(crate) async fn must_record(&mut self, kind: EventKind, payload: Bytes) -> wasmtime::Result<()> {
        self.must_record_at(kind, payload).await.map(drop)
    }

    /// The same, and says where the record stands.
    pub(crate) async fn must_record_at(&mut self, kind: EventKind, payload: Bytes) -> wasmtime::Result<u64> {
        if self.script.is_some() {
            // Whoever runs a call again asks the script first.
            return Err(self.not_an_outcome(kind));
        }
        let draft = match self.next_of_instantiation() {
            None => EventDraft::new(kind, payload),
            Some(number) => {
                let record = Instantiation { number, kind: kind.0, payload };
                EventDraft::new(EventKind::INSTANTIATION, encode(&record))
            }
        };
        let recorded = match self.messenger() {
            Some(messenger) => messenger.record(draft),
            None => {
                let (id, runtime) = (self.caller().id, self.caller().runtime.clone());
                runtime.record(id, draft).await.map(|event| event.header.seq)
            }
        };
        match recorded {
            Ok(seq) => Ok(seq),
            Err(ActorError::Limit(LimitError::Event { size, limit })) => {
                Err(self.fail(ExitReason::EventTooLarge { size, limit }))
            }
            Err(error) => Err(self.fail(ExitReason::ChainFailed { error: error.to_string() })),
        }
    }

    /// Ends this life: a record of a host call is not what such a record is.
    pub(crate) fn not_an_outcome(&mut self, kind: EventKind) -> wasmtime::Error {
        let message = format!("the record of {kind} cannot be used");
        self.fail(ExitReason::Diverged { event: None, message })
    }

    async fn own_chain(&mut self) -> wasmtime::Result<Vec<ChainEvent>> {
        let failed = |store: &mut Self, error: &dyn std::error::Error| {
            store.fail(ExitReason::ChainFailed { error: error.to_string() })
        };
        if let Some(recorded) = self.scripted_answer(EventKind::GET_CHAIN)? {
            let length = match decode(&recorded) {
                Ok(HostCall::Answered { data: Some(length), .. }) => {
                    std::str::from_utf8(&length).ok().and_then(|length| length.parse().ok())
                }
                _ => None,
            };
            let Some(length) = length else { return Err(self.not_an_outcome(EventKind::GET_CHAIN)) };
            return match self.scripted_chain(length).await {
                Ok(events) => Ok(events),
                Err(error) => Err(failed(self, &error)),
            };
        }
        let (id, runtime) = (self.caller().id, self.caller().runtime.clone());
        let events = match runtime.events(Authority::Operator, id, EventRange::ALL).await {
            Ok(events) => events,
            Err(error) => return Err(failed(self, &error)),
        };
        // The answer is the chain up to here, so its length says all.
        let length = Bytes::from(events.len().to_string());
        let answered = HostCall::Answered { subject: None, data: Some(length) };
        self.must_record(EventKind::GET_CHAIN, encode(&answered)).await?;
        Ok(events)
    }
}

impl runtime::Host for ActorStore {
    async fn log(&mut self, msg: String) -> wasmtime::Result<()> {
        let payload = encode(&HostCall::Called { subject: None, data: Some(Bytes::from(msg)) });
        if self.scripted_call(EventKind::LOG, &payload)? {
            return Ok(());
        }
        self.must_record(EventKind::LOG, payload).await
    }

    async fn get_chain(&mut self) -> wasmtime::Result<types::Chain> {
        let events = self.own_chain().await?;
        let events = events
            .into_iter()
            .map(|event| types::MetaEvent {
                hash: short(event.hash.0),
                event: types::Event {
                    event_type: event.event_type(),
                    parent: event.parent_hash().map(|hash| short(hash.0)),
                    data: event.payload.into(),
                },
            })
            .collect();
        Ok(types::Chain { events })
    }

    async fn shutdown(&mut self, data: Option<Vec<u8>>) -> wasmtime::Result<Result<(), String>> {
        let data = data.map(Bytes::from);
        let payload = encode(&HostCall::Called { subject: None, data: data.clone() });
        let limit = self.limits().message;
        if let Some(size) = data.as_ref().map(|data| data.len() as u64).filter(|size| *size > limit) {
            let refused = to_guest(Err(ActorError::Limit(LimitError::Message { size, limit })));
            if let (Err(error), None) = (&refused, self.scripted_answer(EventKind::SHUTDOWN)?) {
                let payload = encode(&HostCall::Refused { subject: None, error: error.clone() });
                self.must_record(EventKind::SHUTDOWN, payload).await?;
            }
            return Ok(refused);
        }
        if !self.scripted_call(EventKind::SHUTDOWN, &payload)? {
            self.must_record(EventKind::SHUTDOWN, payload).await?;
        }
        self.request_shutdown(data);
        Ok(Ok(()))
    }
}

/// The original system's 64-bit hashes: the first eight bytes, little endian.
fn short(hash: [u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(bytes)
}
