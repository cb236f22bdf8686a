//! What goes wrong in a runtime, at random.

use proptest::collection::vec;
use proptest::strategy::Strategy;

use super::weighted::weighted;
use crate::fault::{FaultKind, FaultSpec, Operation, When};

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
/// use theater_testkit::{fault::FaultSpec, strategy};
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
