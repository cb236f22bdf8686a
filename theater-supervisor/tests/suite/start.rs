//! Starting, and the calls.

use theater_testkit::otp::{InitOutcome, Op, OpResult::*, Start, Strategy::OneForOne};

use crate::bench::*;

/// `start.empty`
#[test]
fn a_supervisor_without_children_starts_and_ends_when_told() {
    let it = given(OneForOne, 1, &[]).when([Op::StopSupervisor]);
    assert_eq!(it.scenario.init, InitOutcome::Ok);
    assert_eq!((it.results(), it.lives()), (vec![Shutdown], false));
}

/// `start.ignore_child`
#[test]
fn a_child_that_ignores_its_start_is_kept_without_a_process() {
    let it = given(OneForOne, 1, &[])
        .when([Op::StartChild(permanent(1).starts(&[Start::Ignore])), Op::StartChild(permanent(2))]);
    assert_eq!(it.results(), [OkIgnored, Ok]);
    assert_eq!(it.list(1), "1 undefined, 2 running");
    assert_eq!(it.counts(1), [2, 1, 0, 2]);
}

/// `start.ignore_temporary`
#[test]
fn a_temporary_child_that_ignores_its_start_is_not_kept() {
    let ignoring = temporary(1).starts(&[Start::Ignore]);
    let declared = given(OneForOne, 1, &[ignoring.clone(), temporary(2)]).when([Op::DeleteChild(9)]);
    assert_eq!((declared.list(0).as_str(), declared.counts(0)), ("2 running", &[1, 1, 0, 1][..]));
    let started = given(OneForOne, 1, &[]).when([Op::StartChild(ignoring), Op::StartChild(temporary(2))]);
    assert_eq!((started.list(1).as_str(), started.counts(1)), ("2 running", &[1, 1, 0, 1][..]));
}

/// `start.fails` (section 1.2: no retry, no intensity)
#[test]
fn a_declared_child_that_does_not_start_ends_the_others_latest_first_and_the_supervisor() {
    let it =
        given(OneForOne, 9, &[permanent(1), permanent(2), permanent(3).starts(&[Start::Error])]).when([]);
    assert_eq!(it.scenario.init, InitOutcome::FailedToStartChild(3));
    assert_eq!(it.started(), "start 1.0; start 2.0; fail 3.0; exit 2.0 shutdown; exit 1.0 shutdown");
}

/// `start_child.error`
#[test]
fn start_child_whose_start_fails_keeps_no_spec() {
    let it = given(OneForOne, 1, &[])
        .when([Op::StartChild(permanent(1).starts(&[Start::Error])), Op::StartChild(permanent(1))]);
    assert_eq!(it.results(), [StartError, Ok]);
    assert_eq!((it.list(0).as_str(), it.list(1).as_str()), ("", "1 running"));
}

/// `restart_child.error`
#[test]
fn restart_child_whose_start_fails_leaves_the_child_listed_and_stopped() {
    let child = permanent(1).starts(&[Start::Ok, Start::Error]);
    let it = given(OneForOne, 1, &[child]).when([Op::TerminateChild(1), Op::RestartChild(1)]);
    assert_eq!(it.results(), [Ok, StartError]);
    assert_eq!(it.list(1), "1 undefined");
}

/// `adm.cycle`
#[test]
fn every_call_answers_as_the_table_says_in_each_state_of_a_child() {
    let it = given(OneForOne, 1, &[permanent(1)]).when([
        Op::StartChild(permanent(1)),
        Op::RestartChild(1),
        Op::DeleteChild(1),
        Op::TerminateChild(2),
        Op::RestartChild(2),
        Op::DeleteChild(2),
        Op::TerminateChild(1),
        Op::TerminateChild(1),
        Op::StartChild(permanent(1)),
        Op::RestartChild(1),
        Op::TerminateChild(1),
        Op::DeleteChild(1),
        Op::StartChild(permanent(1)),
    ]);
    let expected = [
        AlreadyStarted,
        Running,
        Running,
        NotFound,
        NotFound,
        NotFound,
        Ok,
        Ok,
        AlreadyPresent,
        Ok,
        Ok,
        Ok,
        Ok,
    ];
    assert_eq!(it.results(), expected);
    assert_eq!(it.list(it.last()), "1 running");
}

/// `order`: a new child goes to the end, a restarted one keeps its place, one that was deleted and started again goes to
/// the end.
#[test]
fn places_in_the_start_order_are_kept_as_long_as_the_spec() {
    let it = given(OneForOne, 9, &[permanent(1), permanent(2)]).when([
        Op::StartChild(permanent(3)),
        Op::Crash(1, theater_testkit::otp::Exit::Boom),
        Op::TerminateChild(2),
        Op::RestartChild(2),
        Op::TerminateChild(1),
        Op::DeleteChild(1),
        Op::StartChild(permanent(1)),
        Op::StopSupervisor,
    ]);
    assert_eq!(it.list(3), "1 running, 2 running, 3 running");
    assert_eq!(it.list(6), "2 running, 3 running, 1 running");
    assert_eq!(it.events(7), "exit 1.2 shutdown; exit 3.0 shutdown; exit 2.1 shutdown");
}

/// `temp.spec`
#[test]
fn the_id_of_a_temporary_child_that_ended_can_be_used_again() {
    use theater_testkit::otp::{Exit, Strategy};
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        for end in [
            Op::Crash(1, Exit::Normal),
            Op::Crash(1, Exit::Boom),
            Op::Crash(1, Exit::Killed),
            Op::TerminateChild(1),
        ] {
            let it = given(strategy, 1, &[temporary(1)]).when([end, Op::StartChild(temporary(1))]);
            assert_eq!(it.results(), [Ok, Ok], "{strategy:?}");
            assert_eq!((it.list(0).as_str(), it.list(1).as_str()), ("", "1 running"));
        }
        let it = given(strategy, 1, &[permanent(1)]).when([
            Op::StartChild(permanent(1)),
            Op::TerminateChild(1),
            Op::StartChild(permanent(1)),
        ]);
        assert_eq!(it.results(), [AlreadyStarted, Ok, AlreadyPresent]);
    }
}
