//! What goes wrong in a runtime, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One rule of a fault plan: which operations go wrong, when, and how.
///
/// It is plain data: it can be compared, written down, and read again.
///
/// # Examples
/// ```
/// use theater_testkit::fault::{FaultSpec, FaultKind, Operation, When};
///
/// let fault = FaultSpec { operation: Operation::Record, when: When::Nth(2), kind: FaultKind::Fail };
/// let text = serde_json::to_string(&fault)?;
/// assert_eq!(text, r#"{"operation":"record","when":{"nth":2},"kind":"fail"}"#);
/// assert_eq!(serde_json::from_str::<FaultSpec>(&text)?, fault);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FaultSpec {
    /// Which operations.
    pub operation: Operation,
    /// Which of them.
    pub when: When,
    /// What happens to them.
    pub kind: FaultKind,
}

/// Something that a runtime does for a supervisor: the methods of [`ActorRuntime`](theater_core::ActorRuntime), the exits that it
/// tells, and the events that its store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are those of the methods")]
pub enum Operation {
    Spawn,
    Restart,
    Stop,
    Halt,
    Info,
    Children,
    State,
    Events,
    Record,
    Notify,
    Reap,
    /// An exit on its way to the parent's supervisor.
    Exit,
    /// An event on its way to the store.
    Append,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Spawn,
        Self::Restart,
        Self::Stop,
        Self::Halt,
        Self::Info,
        Self::Children,
        Self::State,
        Self::Events,
        Self::Record,
        Self::Notify,
        Self::Reap,
        Self::Exit,
        Self::Append,
    ];
}

/// Which of the operations of a kind a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum When {
    /// The n-th, from 1, and no other.
    Nth(u64),
    /// From the n-th on, from 1, all.
    From(u64),
    /// Each with this probability, in thousandths.
    Rate(u16),
}

/// What happens to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FaultKind {
    /// It fails with an error, and has no effect.
    Fail,
    /// It takes as many milliseconds longer.
    Delay(u64),
    /// What was to be told is lost.
    Lose,
    /// What was to be told is told twice.
    Duplicate,
    /// It has its effect, and the actor that it is about crashes.
    Crash,
    /// The store has no room left, for this and everything after it.
    Full,
}

impl Operation {
    /// The method's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Halt => "halt",
            Self::Info => "info",
            Self::Children => "children",
            Self::State => "state",
            Self::Events => "events",
            Self::Record => "record",
            Self::Notify => "notify",
            Self::Reap => "reap",
            Self::Exit => "exit",
            Self::Append => "append",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fail => f.write_str("fail"),
            Self::Delay(millis) => write!(f, "delay by {millis} ms"),
            Self::Lose => f.write_str("lose"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Crash => f.write_str("crash after"),
            Self::Full => f.write_str("full at"),
        }
    }
}

impl When {
    /// Whether the `n`-th operation, from 1, is hit. `chance` is any random number.
    #[must_use]
    pub fn hits(self, n: u64, chance: u64) -> bool {
        match self {
            Self::Nth(nth) => n == nth,
            Self::From(first) => n >= first,
            Self::Rate(thousandths) => chance % 1_000 < u64::from(thousandths),
        }
    }
}

impl FaultSpec {
    /// Whether such a fault can happen to such an operation: only what is told can be lost or told twice, only a store
    /// fills up, and an exit cannot fail.
    #[must_use]
    pub fn makes_sense(&self) -> bool {
        match self.kind {
            FaultKind::Lose | FaultKind::Duplicate => {
                matches!(self.operation, Operation::Exit | Operation::Notify)
            }
            FaultKind::Full => self.operation == Operation::Append,
            FaultKind::Fail => self.operation != Operation::Exit,
            FaultKind::Crash => {
                matches!(self.operation, Operation::Spawn | Operation::Restart | Operation::Notify)
            }
            FaultKind::Delay(_) => self.operation != Operation::Append,
        }
    }
}
