//! What goes wrong in a runtime, as data.

use proptest::collection::vec;
use proptest::strategy::Strategy;
use serde::{Deserialize, Serialize};

use super::weighted::weighted;

/// One rule of a fault plan: which operations go wrong, when, and how.
///
/// It is plain data: it can be compared, written down, and read again.
///
/// # Examples
/// ```
/// use theater_testkit::strategy::{FaultSpec, FaultKind, Operation, When};
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

/// What goes wrong with the operations of a runtime, each with those that it can happen to.
const FAULTS: &[(u32, (FaultKind, &[Operation]))] = {
    use FaultKind::{Crash, Delay, Duplicate, Fail, Full, Lose};
    use Operation::{Append, Exit, Notify, Reap, Record, Restart, Spawn, State, Stop};
    &[
        (4, (Fail, &[Record, Spawn, Restart, Stop, State, Notify, Reap, Append])),
        (2, (Delay(10), &[Spawn, Restart, Stop, Record, Exit])),
        (1, (Delay(1_000), &[Spawn, Restart, Stop, Record, Exit])),
        (2, (Duplicate, &[Exit, Notify])),
        (2, (Lose, &[Exit, Notify])),
        (2, (Crash, &[Spawn, Restart, Notify])),
        (1, (Full, &[Append])),
    ]
};

/// A few faults that [make sense](FaultSpec::makes_sense), most of them once: a system in which everything fails shows
/// nothing.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy::{self, FaultSpec};
///
/// proptest!(|(plan in strategy::fault_plan())| {
///     prop_assert!(plan.iter().all(FaultSpec::makes_sense));
/// });
/// ```
pub fn fault_plan() -> impl Strategy<Value = Vec<FaultSpec>> + Clone {
    vec(fault(), 0..4)
}

/// One fault that [makes sense](FaultSpec::makes_sense).
fn fault() -> impl Strategy<Value = FaultSpec> + Clone {
    let when = weighted(&[(6, 0), (1, 1), (2, 2)]);
    (weighted(FAULTS), super::target(), when, 1..12_u16).prop_map(|((kind, operations), target, when, n)| {
        let operation = *target.of(operations).expect("each fault has operations that it can happen to");
        let when = match when {
            0 => When::Nth(u64::from(n)),
            1 => When::From(u64::from(n)),
            _ => When::Rate(10 * n),
        };
        FaultSpec { operation, when, kind }
    })
}
