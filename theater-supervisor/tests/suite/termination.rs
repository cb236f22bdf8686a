//! How a child ends, and what each restart policy makes of it.

use theater_testkit::otp::{Exit, Op, OpResult, Strategy};

use crate::bench::*;

const CLEAN: [Exit; 3] = [Exit::Normal, Exit::Shutdown, Exit::ShutdownWith];
const ABNORMAL: [Exit; 2] = [Exit::Boom, Exit::Killed];

/// `perm.*`
#[test]
fn a_permanent_child_is_started_again_however_it_ended() {
    for reason in CLEAN.into_iter().chain(ABNORMAL) {
        let it = given(Strategy::OneForOne, 1, &[permanent(1)]).when([Op::Crash(1, reason)]);
        assert_eq!((it.list(0).as_str(), it.counts(0)), ("1 running", &[1, 1, 0, 1][..]), "{reason:?}");
    }
}

/// `trans.clean`
#[test]
fn a_transient_child_that_ended_cleanly_stays_listed_and_can_be_restarted() {
    for reason in CLEAN {
        let it =
            given(Strategy::OneForOne, 0, &[transient(1)]).when([Op::Crash(1, reason), Op::RestartChild(1)]);
        assert_eq!((it.list(0).as_str(), it.counts(0)), ("1 undefined", &[1, 0, 0, 1][..]), "{reason:?}");
        assert_eq!((it.results()[1], it.list(1).as_str()), (OpResult::Ok, "1 running"));
    }
}

/// `trans.abnormal`
#[test]
fn a_transient_child_that_failed_is_started_again() {
    for reason in ABNORMAL {
        let it = given(Strategy::OneForOne, 1, &[transient(1)]).when([Op::Crash(1, reason)]);
        assert_eq!(it.list(0), "1 running", "{reason:?}");
    }
}

/// `temp.*`
#[test]
fn a_temporary_child_is_gone_however_it_ended() {
    for reason in CLEAN.into_iter().chain(ABNORMAL) {
        let it = given(Strategy::OneForOne, 0, &[temporary(1)]).when([Op::Crash(1, reason)]);
        assert_eq!((it.list(0).as_str(), it.counts(0)), ("", &[0, 0, 0, 0][..]), "{reason:?}");
        assert!(it.lives());
    }
}

/// `temp.bystander`
#[test]
fn a_temporary_bystander_of_a_group_restart_is_stopped_and_not_started() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        let it = given(strategy, 2, &[permanent(1), temporary(2)]).when([Op::Crash(1, Exit::Boom)]);
        assert_eq!(it.events(0), "exit 1.0 boom; exit 2.0 shutdown; start 1.1");
        assert_eq!((it.list(0).as_str(), it.lives()), ("1 running", true));
    }
}
