//! The poison-pill guard: a state from which an actor crashes again and again is not restored for ever.

use theater_core::{ExitReason, RestartFrom};

use super::child::Child;

/// What the guard says to a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing.
    Pass,
    /// This many crashes in a row: even the initial state does not help.
    GiveUp { crashes: u32 },
}

/// Notes the end of a life.
///
/// A life that was restored from an earlier state, crashed, and saw no call succeed counts against that state. A life in which a
/// call succeeded clears the count: the state that it left is another one. After `limit` crashes in a row the next
/// restart is from `init`; after as many from there the supervisor gives up. Children whose restarts start from
/// `init` anyway are left to the intensity alone, as in OTP.
pub(super) fn note(
    child: &mut Child,
    limit: Option<u32>,
    reason: &ExitReason,
    progressed: Option<bool>,
) -> Guard {
    let Some(limit) = limit.filter(|_| child.origin != RestartFrom::Initial) else {
        return Guard::Pass;
    };
    // A backend that does not say whether calls succeeded gets no guard.
    if progressed != Some(false) {
        child.stuck = super::child::Stuck::default();
        return Guard::Pass;
    }
    if reason.is_clean() || !child.restored {
        return Guard::Pass;
    }
    child.stuck.crashes = child.stuck.crashes.saturating_add(1);
    if u32::from(child.stuck.crashes) < limit {
        return Guard::Pass;
    }
    if child.stuck.initial {
        return Guard::GiveUp { crashes: u32::from(child.stuck.crashes) };
    }
    child.stuck = super::child::Stuck { crashes: 0, initial: true };
    Guard::Pass
}
