//! What a supervisor writes into its actor's chain.

use serde::{Deserialize, Serialize};
use theater_core::event::payload::{self, PayloadError};
use theater_core::{
    ActorId, AutoShutdown, Bytes, ChainEvent, EventDraft, EventHash, EventKind, Incarnation, RestartFrom,
    Strategy,
};

/// A record about supervision: the payload of every event of the kinds `theater:simple/supervisor/*` and
/// `theater/supervision`.
///
/// `event_type` says what `data` is: a [`SupervisorCall`] for `.../call`, a [`SupervisorOutcome`] for `.../outcome`, a
/// [`SupervisionReport`] for `theater/supervision`; each encoded as CBOR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisorEvent {
    /// What the record is about, such as `theater:simple/supervisor/spawn/call`.
    pub event_type: String,
    /// The child that it concerns; empty where there is none.
    pub actor_id: String,
    /// The details.
    #[serde(with = "serde_bytes")]
    pub data: Option<Vec<u8>>,
}

impl SupervisorEvent {
    /// Reads the record in an event.
    ///
    /// # Errors
    /// If the event is not about supervision.
    pub fn read(event: &ChainEvent) -> Result<Self, PayloadError> {
        payload::decode(&event.payload)
    }

    fn draft<T: Serialize>(kind: EventKind, suffix: &str, actor_id: String, details: &T) -> EventDraft {
        let data = Some(payload::encode(details).to_vec());
        let event = Self { event_type: format!("{kind}{suffix}"), actor_id, data };
        EventDraft::new(kind, payload::encode(&event))
    }

    /// The record of a call.
    #[must_use]
    pub fn call(kind: EventKind, target: String, call: &SupervisorCall) -> EventDraft {
        Self::draft(kind, "/call", target, call)
    }

    /// The record of its outcome.
    #[must_use]
    pub fn outcome(kind: EventKind, target: String, outcome: &SupervisorOutcome) -> EventDraft {
        Self::draft(kind, "/outcome", target, outcome)
    }

    pub(crate) fn report(report: &SupervisionReport) -> EventDraft {
        Self::draft(EventKind::SUPERVISION, "", report.child.to_string(), report)
    }
}

/// What the guest asked for. Written before anything happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SupervisorCall {
    /// `spawn`.
    Spawn {
        /// The manifest's reference.
        manifest: String,
        /// Bytes for `init`.
        init_bytes: Option<Bytes>,
    },
    /// `resume`.
    Resume {
        /// The manifest's reference.
        manifest: String,
        /// The state.
        state_bytes: Option<Bytes>,
    },
    /// A function that names a child, or none at all.
    Child,
}

/// How the guest was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SupervisorOutcome {
    /// Done.
    Done,
    /// The child's id.
    Child(ActorId),
    /// The children's ids.
    Children(Vec<ActorId>),
    /// The child's state.
    State(Option<Bytes>),
    /// The child's events: how many, and the hash of the last. They stand on the child's own chain.
    Events {
        /// How many.
        count: u64,
        /// The hash of the last.
        head: Option<EventHash>,
    },
    /// Refused or failed, with what the guest was told.
    Refused(String),
}

/// What the rules decided when a child's life ended, or its start failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SupervisionReport {
    /// The child.
    pub child: ActorId,
    /// The child's id in its supervisor's manifest; `None` if it was spawned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_id: Option<String>,
    /// The life that ended, or the one before the start that failed.
    pub incarnation: Incarnation,
    /// Why, as text.
    pub reason: String,
    /// What happens now.
    pub decision: Decision,
}

impl SupervisionReport {
    /// A report about a child that was spawned.
    #[must_use]
    pub fn new(child: ActorId, incarnation: Incarnation, reason: String, decision: Decision) -> Self {
        Self { child, child_id: None, incarnation, reason, decision }
    }

    /// The same about a child that has this id in its supervisor's manifest.
    #[must_use]
    pub fn with_child_id(mut self, child_id: Option<String>) -> Self {
        self.child_id = child_id;
        self
    }
}

/// What happens with a child whose life ended, or whose start failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Decision {
    /// It is started again now.
    Restart {
        /// Restarts within the window, this one included.
        count: u32,
        /// How many are allowed.
        intensity: u32,
        /// The window in milliseconds.
        period_ms: u64,
        /// Who is restarted.
        strategy: Strategy,
        /// How many other children are restarted with it.
        siblings: u32,
        /// Where its next life starts from.
        from: RestartFrom,
    },
    /// It will be started again when this time has passed. It counts then, not now.
    Wait {
        /// How long, in milliseconds.
        delay_ms: u64,
    },
    /// It stays ended: its child spec says so.
    Leave,
    /// The supervisor ends its children and itself, because this significant child has ended.
    AutoShutdown {
        /// The rule.
        mode: AutoShutdown,
    },
    /// The supervisor gives up: it ends its other children and itself.
    GiveUp {
        /// Why.
        cause: GiveUpCause,
    },
}

/// Why a supervisor gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GiveUpCause {
    /// This restart would have been one too many.
    Intensity {
        /// How many restarts were allowed.
        intensity: u32,
        /// The window in milliseconds.
        period_ms: u64,
    },
    /// The child crashed again and again from its initial state, without a call that succeeded.
    Poison {
        /// How many crashes in a row.
        crashes: u32,
    },
}
