//! What happened in a run: one total order of everything that crossed the seam between supervision and a runtime.

use std::fmt;
use std::time::Duration;

use theater_core::{
    ActorId, Bytes, ChainEvent, ChildSpec, ExitReason, Incarnation, RestartFrom, StopMode, SupervisionSpec,
};

/// What happened, in order.
///
/// A mock runtime writes one; a test may write one by hand. Invariants are checked on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// When, in virtual time since the runtime was made.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// The start of a life begins. A first life is also the beginning of the actor.
    Begins {
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// The actor's parent.
        parent: Option<ActorId>,
        /// The actor's name.
        name: String,
        /// How it is to be treated.
        child_spec: ChildSpec,
        /// Where it starts from; `None` for a first life.
        from: Option<RestartFrom>,
        /// The state that it begins with.
        state: Option<Bytes>,
    },
    /// A life runs.
    Started {
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
    },
    /// A life did not come to run.
    StartFailed {
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// Why.
        reason: ExitReason,
    },
    /// A life is asked to end, or is ended without asking.
    StopAsked {
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// How.
        mode: StopMode,
    },
    /// A life has ended.
    Exited {
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// Why.
        reason: ExitReason,
    },
    /// The parent's supervisor has been given the notice of an end.
    ExitTold {
        /// The parent.
        parent: Option<ActorId>,
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
    },
    /// A call succeeded and left this state.
    StateSet {
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// The state.
        state: Bytes,
    },
    /// A message was accepted for an actor.
    MessageTaken {
        /// The actor.
        id: ActorId,
        /// Numbers the message, over all actors.
        message: u64,
        /// Who sent it, if an actor did.
        sender: Option<ActorId>,
    },
    /// A message was handled, well or not.
    MessageHandled {
        /// The actor.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// The message.
        message: u64,
    },
    /// A message that was accepted was given back, with an error.
    MessageReturned {
        /// The message.
        message: u64,
    },
    /// An event was appended to an actor's chain.
    Recorded {
        /// The actor.
        id: ActorId,
        /// The event.
        event: Box<ChainEvent>,
    },
    /// The record of an actor is gone.
    Reaped {
        /// The actor.
        id: ActorId,
    },
    /// An actor begins to supervise.
    Supervises {
        /// The actor.
        id: ActorId,
        /// By which rules.
        supervision: SupervisionSpec,
        /// The children that it declares, by their ids.
        declared: Vec<(String, ChildSpec)>,
    },
    /// A supervisor has ended, with its reason as text.
    SupervisorEnded {
        /// The actor.
        id: ActorId,
        /// How, as the driver says it.
        outcome: String,
    },
    /// A guest calls a host function.
    HostCalled {
        /// The caller.
        caller: ActorId,
        /// Numbers the call.
        call: u64,
        /// The function.
        function: &'static str,
        /// The text that was given for a child, or for a manifest, where the function takes one.
        target: Option<String>,
    },
    /// A guest was answered.
    HostAnswered {
        /// The caller.
        caller: ActorId,
        /// The call.
        call: u64,
        /// The answer; an error as the guest got it.
        answer: Result<crate::act::HostAnswer, String>,
    },
    /// A supervisor lists its children, latest start first, as OTP's `which_children`.
    Listed {
        /// The supervisor.
        id: ActorId,
        /// What it says.
        children: Vec<theater_supervisor::ChildView>,
        /// What its counts are, at the same moment.
        counts: theater_supervisor::ChildCounts,
    },
    /// Nothing more happens unless somebody does something.
    AtRest,
    /// A fault was played: what is promised does not hold for what it touched.
    Fault {
        /// What it did.
        what: String,
    },
    /// The size that a supervisor keeps, in entries, for whoever watches that it does not grow.
    Size {
        /// The supervisor.
        id: ActorId,
        /// How many.
        entries: usize,
    },
}

impl Log {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what happened.
    pub fn push(&mut self, at: Duration, what: What) {
        self.entries.push(Entry { at, what });
    }

    /// Everything, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries that this is so for, as a log.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Entry) -> bool) -> Self {
        Self { entries: self.entries.iter().filter(|entry| keep(entry)).cloned().collect() }
    }
}

impl FromIterator<Entry> for Log {
    fn from_iter<T: IntoIterator<Item = Entry>>(entries: T) -> Self {
        Self { entries: entries.into_iter().collect() }
    }
}

impl fmt::Display for Log {
    /// One line an entry.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} ms  {:?}", self.at.as_millis(), self.what)
    }
}
