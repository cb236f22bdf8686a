//! What is told about a child that its supervisor gave up on: who, why, what came before, and by which rule.

use std::fmt::Write as _;

use serde::Serialize;
use theater_core::event::payload::{self, Call, Exited, HostCall, Return, Started};
use theater_core::{ActorId, ActorRuntime, Authority, Bytes, ChainEvent, EventKind, EventRange, Incarnation};
use theater_wasm::{LifecycleEvent, LifecycleKind, WasmRuntime};

use crate::decision::Decision;
use crate::output::ReasonObject;
use crate::render;
use crate::text::{count, printable};

/// Events of the child's chain that are shown.
const LAST: u64 = 12;

/// A crash report. `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
pub(crate) struct CrashReport {
    r#type: &'static str,
    time: String,
    supervisor: ActorId,
    supervisor_name: String,
    child: Option<ActorId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_id: Option<String>,
    name: Option<String>,
    incarnation: Option<Incarnation>,
    restart: Option<&'static str>,
    reason: Option<ReasonObject>,
    rule: String,
    events: Vec<EventLine>,
    #[serde(skip)]
    frames: Vec<String>,
}

/// One event of a chain, in words.
#[derive(Debug, Serialize)]
struct EventLine {
    seq: u64,
    kind: String,
    text: String,
}

impl CrashReport {
    /// The report about an event, if it is one of giving up. It reads what is recorded and waits for no actor.
    pub(crate) async fn about(event: &LifecycleEvent, runtime: &WasmRuntime) -> Option<Self> {
        let LifecycleKind::Supervision { payload } = &event.kind else { return None };
        let decision = Decision::read(payload);
        if !decision.gives_up() {
            return None;
        }
        let child = decision.child.filter(|child| *child != event.actor);
        let info = match child {
            Some(child) => runtime.info(Authority::Operator, child).await.ok(),
            None => None,
        };
        let chain = match child {
            Some(child) => tail(runtime, child).await,
            None => Vec::new(),
        };
        let exit = chain.iter().rev().find(|event| event.header.kind == EventKind::EXITED);
        let exit = exit.and_then(|event| payload::decode::<Exited>(&event.payload).ok());
        Some(Self {
            r#type: "crash-report",
            time: crate::output::timestamp(event.time),
            supervisor: event.actor,
            supervisor_name: event.name.clone(),
            child,
            child_id: decision.child_id.clone(),
            name: info.as_ref().map(|info| info.name.clone()),
            incarnation: exit.as_ref().map(|exit| exit.incarnation).or(decision.incarnation),
            restart: info.map(|info| info.child_spec.restart.name()),
            frames: exit.as_ref().map(|exit| render::frames(&exit.reason, true)).unwrap_or_default(),
            reason: match &exit {
                Some(exit) => Some(ReasonObject::from(&exit.reason)),
                None => decision.reason.clone().map(ReasonObject::of_text),
            },
            rule: decision.rule(),
            events: chain.iter().map(EventLine::new).collect(),
        })
    }

    /// The report for people, as one block.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("crash report\n");
        let mut line = |label: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {label:<11} {value}");
        };
        let name = printable(self.name.as_deref().unwrap_or("a child that never ran"));
        let id = self.child.map(|id| format!(" {id}")).unwrap_or_default();
        let declared = self.child_id.as_ref().map(|id| format!(" (child `{}`)", printable(id)));
        line("actor", &format!("{name}{id}{}", declared.unwrap_or_default()));
        let life = self.incarnation.map_or_else(|| "none".to_owned(), |life| life.to_string());
        let restart = self.restart.map(|restart| format!(", {restart}")).unwrap_or_default();
        line("life", &format!("{life}{restart}"));
        let reason = self.reason.as_ref().map(|reason| printable(reason.text())).unwrap_or_default();
        line("ended", &reason);
        for frame in &self.frames {
            line("", &format!("  {}", printable(frame)));
        }
        line("supervisor", &format!("{} {}", printable(&self.supervisor_name), self.supervisor));
        line("rule", &format!("{}; the others are stopped, and the supervisor ends", self.rule));
        if !self.events.is_empty() {
            line("chain", &count(self.events.len() as u64, "last event", "last events"));
        }
        for event in &self.events {
            line("", &format!("{:>6}  {}", event.seq, printable(&event.text)));
        }
        text
    }
}

/// The last events of an actor's chain.
async fn tail(runtime: &WasmRuntime, actor: ActorId) -> Vec<ChainEvent> {
    let first = runtime.events(Authority::Operator, actor, EventRange { from: 0, limit: 1 }).await;
    let Some(chain) = first.ok().and_then(|events| events.first().map(|event| event.header.chain_id)) else {
        return Vec::new();
    };
    let store = runtime.chain_store();
    let length = store.head(chain).await.ok().flatten().map_or(0, |head| head.length);
    let range = EventRange { from: length.saturating_sub(LAST), limit: usize::MAX };
    store.read(chain, range).await.unwrap_or_default()
}

impl EventLine {
    fn new(event: &ChainEvent) -> Self {
        let kind = event.header.kind;
        Self { seq: event.header.seq, kind: kind.to_string(), text: describe(kind, &event.payload) }
    }
}

fn describe(kind: EventKind, bytes: &Bytes) -> String {
    let sized = |data: Option<usize>| {
        data.map(|len| format!(", {}", count(len as u64, "byte", "bytes"))).unwrap_or_default()
    };
    let known = match kind {
        EventKind::STARTED => payload::decode::<Started>(bytes)
            .ok()
            .map(|started| format!("life {} started {}", started.incarnation, render::from(started.origin))),
        EventKind::EXITED => payload::decode::<Exited>(bytes)
            .ok()
            .map(|exited| format!("life {} ended: {}", exited.incarnation, exited.reason)),
        EventKind::CALL => payload::decode::<Call<'_>>(bytes).ok().map(|call| {
            format!("call {}{}", call.function, sized(call.data.as_ref().map(|data| data.len())))
        }),
        EventKind::RETURN => {
            payload::decode::<Return<'_>>(bytes).ok().map(|returned| match (returned.error, returned.data) {
                _ if returned.unhandled => "a message was not handled: the actor had ended".to_owned(),
                (Some(error), _) => format!("returned an error: {error}"),
                (None, data) => format!("returned{}", sized(data.map(|data| data.len()))),
            })
        }
        EventKind::LOG => match payload::decode::<HostCall>(bytes) {
            Ok(HostCall::Called { data: Some(data), .. }) => {
                Some(format!("log: {}", String::from_utf8_lossy(&data)))
            }
            _ => None,
        },
        EventKind::SUPERVISION => Some(format!("supervisor: {}", Decision::read(bytes).text())),
        _ => None,
    };
    known.unwrap_or_else(|| format!("{kind}{}", sized(Some(bytes.len()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_in_words_and_unknown_ones_by_their_kind() {
        let call =
            Call { function: "handle-send".into(), from: None, subject: None, data: None, error_type: None };
        assert_eq!(describe(EventKind::CALL, &payload::encode(&call)), "call handle-send");
        let error = payload::encode(&Return { error: Some("no".into()), ..Return::default() });
        assert_eq!(describe(EventKind::RETURN, &error), "returned an error: no");
        assert_eq!(describe(EventKind(65_000), &Bytes::from_static(b"xy")), "kind/65000, 2 bytes");
        assert_eq!(describe(EventKind::EXITED, &Bytes::from_static(b"\xff")), "theater/exited, 1 byte");
    }
}
