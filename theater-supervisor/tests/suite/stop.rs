//! Stopping.

use theater_testkit::otp::{Exit, Op, Shutdown, Strategy::OneForOne};

use crate::bench::*;

/// `stop.infinity`
#[test]
fn children_with_infinity_end_when_they_are_asked_to() {
    let worker = permanent(1).shut_down(Shutdown::Infinity);
    let it = given(OneForOne, 1, &[worker, permanent(2).supervisor()]).when([Op::StopSupervisor]);
    assert_eq!(it.events(0), "exit 2.0 shutdown; exit 1.0 shutdown");
}

/// `stop.timeout`, without the time
#[test]
fn a_child_that_ignores_the_request_is_killed_and_the_others_are_not() {
    let it = given(OneForOne, 1, &[permanent(1), permanent(2).stubborn()]).when([Op::StopSupervisor]);
    assert_eq!(it.events(0), "exit 2.0 killed; exit 1.0 shutdown");
}

/// `stop.brutal`
#[test]
fn a_child_with_brutal_kill_is_killed_without_being_asked() {
    let brutal = permanent(2).shut_down(Shutdown::BrutalKill);
    let it = given(OneForOne, 1, &[permanent(1), brutal, permanent(3)]).when([Op::StopSupervisor]);
    assert_eq!(it.events(0), "exit 3.0 shutdown; exit 2.0 killed; exit 1.0 shutdown");
}

/// Section 1.7: a child that died by itself just before needs no stop.
#[test]
fn a_child_that_died_just_before_the_end_is_not_stopped_again() {
    let it = given(OneForOne, 0, &[permanent(1), permanent(2), permanent(3)]).when([Op::CrashBoth(2, 3)]);
    assert_eq!(it.events(0), "exit 2.0 boom; exit 3.0 boom; exit 1.0 shutdown");
    assert!(!it.lives());
}

/// Section 1.7: `terminate_child` counts no restart and is answered by none.
#[test]
fn terminating_a_permanent_child_is_not_answered_by_a_restart() {
    let it = given(OneForOne, 0, &[permanent(1)]).when([Op::TerminateChild(1), Op::RestartChild(1)]);
    assert_eq!((it.events(0).as_str(), it.events(1).as_str()), ("exit 1.0 shutdown", "start 1.1"));
    assert!(it.lives());
    let crashed = given(OneForOne, 0, &[permanent(1)]).when([Op::Crash(1, Exit::Normal)]);
    assert!(!crashed.lives());
}
