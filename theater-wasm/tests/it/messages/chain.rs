//! What messages look like on chains.

use theater_core::event::payload::{Call, HostCall, Return, decode};
use theater_core::{ActorId, EventKind};
use theater_wasm::WasmRuntime;

use crate::support::events;

/// A message that an actor's mailbox accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) seq: u64,
    pub(crate) function: String,
    pub(crate) from: Option<ActorId>,
    pub(crate) subject: Option<String>,
    pub(crate) text: String,
}

/// What an actor's mailbox accepted, in its order.
pub(crate) async fn accepted(runtime: &WasmRuntime, id: ActorId) -> Vec<Accepted> {
    let mut all = Vec::new();
    for event in events(runtime, id).await {
        if event.header.kind != EventKind::CALL {
            continue;
        }
        let call: Call<'_> = decode(&event.payload).expect("a call");
        let text = call.data.map(|data| String::from_utf8_lossy(&data).into_owned()).unwrap_or_default();
        all.push(Accepted {
            seq: event.header.seq,
            function: call.function.into_owned(),
            from: call.from,
            subject: call.subject.map(std::borrow::Cow::into_owned),
            text,
        });
    }
    all
}

/// How often each accepted call returned, and with which error the last time.
pub(crate) async fn returns_of(runtime: &WasmRuntime, id: ActorId, call: u64) -> Vec<Option<String>> {
    let events = events(runtime, id).await;
    let returns = events.iter().filter(|event| event.header.kind == EventKind::RETURN);
    let returns = returns.map(|event| decode::<Return<'_>>(&event.payload).expect("a return"));
    returns
        .filter(|record| record.call == Some(call))
        .map(|record| record.error.map(std::borrow::Cow::into_owned))
        .collect()
}

/// What an actor was refused by functions of this kind.
pub(crate) async fn refusals(runtime: &WasmRuntime, id: ActorId, kind: EventKind) -> Vec<String> {
    let events = events(runtime, id).await;
    let records = events.iter().filter(|event| event.header.kind == kind);
    records
        .filter_map(|event| match decode(&event.payload).expect("a host call") {
            HostCall::Refused { error, .. } => Some(error),
            _ => None,
        })
        .collect()
}
