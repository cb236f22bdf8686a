//! What scripted actors do, as data.

mod spelling;

use std::collections::VecDeque;
use std::time::Duration;

use theater_core::capability::{Capabilities, Grant};
use theater_core::{Bytes, ChildSpec, ExitReason, HandlerKind, SupervisionSpec};

use crate::act::Act;

/// How one start of an actor goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartOutcome {
    /// It runs.
    Ok,
    /// Its `init` answers with an error.
    Fail,
    /// It ends itself cleanly in its `init`: OTP's `ignore`.
    Ignore,
    /// Its `init` never ends.
    Hang,
    /// It runs, after this time.
    Slow(Duration),
    /// Its `init` traps.
    Trap,
    /// It runs and dies at once for this reason, perhaps before its start is answered.
    Die(ExitReason),
    /// The runtime itself panics, against its contract.
    Panic,
}

/// What an actor does when it is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum StopBehaviour {
    /// It stops.
    #[default]
    Clean,
    /// Its current call goes on for this long.
    Slow(Duration),
    /// Its current call never ends: only a kill helps.
    Refuse,
}

/// What an actor does with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaction {
    /// The message that it answers to, exactly.
    pub message: Bytes,
    /// What it does then.
    pub act: Act,
}

/// What an actor does, from its starts to its stop.
///
/// A manifest's reference spells one out: see [`Program::read`] and [`Program::reference`].
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Program {
    /// Names it, among others that do the same. One word.
    pub name: String,
    /// How successive starts of an actor go, restarts included; after the last one every start is [`StartOutcome::Ok`]. Where a
    /// first start fails, and so leaves no actor, the next actor of a mock runtime's registered program goes on with the rest.
    pub starts: VecDeque<StartOutcome>,
    /// How the parent's supervisor treats it.
    pub child_spec: ChildSpec,
    /// What it does when it is asked to stop.
    pub stop: StopBehaviour,
    /// What it does with messages. The first that fits counts; a message that none fits does nothing.
    pub reactions: Vec<Reaction>,
    /// How it treats its own children, if it supervises any.
    pub supervision: Option<SupervisionSpec>,
    /// Handlers that it asks for, with their default settings, besides what its backend needs to run it.
    pub may: Vec<HandlerKind>,
    /// Whether the runtime answers every `stop` of it with an error, against its contract.
    pub refuses_stop: bool,
}

impl Program {
    /// An actor under this child spec that always starts.
    #[must_use]
    pub fn new(child_spec: ChildSpec) -> Self {
        Self { child_spec, ..Self::default() }
    }

    /// The same under this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same with these starts.
    #[must_use]
    pub fn starts(mut self, starts: impl IntoIterator<Item = StartOutcome>) -> Self {
        self.starts = starts.into_iter().collect();
        self
    }

    /// The same, taking this long to stop when asked. What is longer than the grace ends by a kill.
    #[must_use]
    pub fn stop_takes(mut self, time: Duration) -> Self {
        self.stop = StopBehaviour::Slow(time);
        self
    }

    /// The same with this behaviour when it is asked to stop.
    #[must_use]
    pub fn stop(mut self, stop: StopBehaviour) -> Self {
        self.stop = stop;
        self
    }

    /// The same with one more reaction.
    #[must_use]
    pub fn on(mut self, message: impl Into<Bytes>, act: Act) -> Self {
        self.reactions.push(Reaction { message: message.into(), act });
        self
    }

    /// The same, supervising its children by these rules.
    #[must_use]
    pub fn supervises(mut self, supervision: SupervisionSpec) -> Self {
        self.supervision = Some(supervision);
        self
    }

    /// What it asks for.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.may.iter().map(|kind| Grant::with_defaults(*kind)))
    }

    /// The same, with a runtime that refuses to stop it.
    #[must_use]
    pub fn refuses_stop(mut self) -> Self {
        self.refuses_stop = true;
        self
    }
}

/// The reason of a crash, where any will do.
#[must_use]
pub fn crash() -> ExitReason {
    ExitReason::Trapped { message: "scripted".to_owned(), backtrace: Vec::new() }
}
