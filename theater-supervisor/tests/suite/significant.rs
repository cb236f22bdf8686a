//! Significant children and auto-shutdown.

use theater_testkit::otp::{AutoShutdown, ChildPlan, Exit, Op, Strategy::OneForOne};

use crate::bench::*;

const ENDS: [Exit; 3] = [Exit::Normal, Exit::Boom, Exit::Killed];

fn lives(mode: AutoShutdown, children: &[ChildPlan], ops: impl IntoIterator<Item = Op>) -> bool {
    given(OneForOne, 9, children).auto_shutdown(mode).when(ops).lives()
}

/// `auto.nonsig`
#[test]
fn the_end_of_a_child_that_is_not_significant_ends_nobody() {
    for mode in [AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        for child in [temporary(1), transient(1)] {
            for reason in ENDS {
                assert!(lives(mode, &[child.clone(), permanent(2)], [Op::Crash(1, reason)]), "{mode:?}");
            }
            assert!(lives(mode, &[child.clone(), permanent(2)], [Op::TerminateChild(1)]));
        }
    }
}

/// `auto.temp`
#[test]
fn a_significant_temporary_child_ends_the_supervisor_however_it_ended_by_itself() {
    let children = [temporary(1).significant(), temporary(2).significant(), permanent(3)];
    for reason in ENDS {
        assert!(!lives(AutoShutdown::AnySignificant, &children, [Op::Crash(1, reason)]), "{reason:?}");
        let (one, both) = ([Op::Crash(1, reason)], [Op::Crash(1, reason), Op::Crash(2, reason)]);
        assert!(lives(AutoShutdown::AllSignificant, &children, one), "{reason:?}");
        assert!(!lives(AutoShutdown::AllSignificant, &children, both), "{reason:?}");
    }
    for mode in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
        assert!(lives(mode, &children, [Op::TerminateChild(1), Op::TerminateChild(2)]), "{mode:?}");
    }
}

/// `auto.trans`
#[test]
fn a_significant_transient_child_ends_the_supervisor_when_it_ended_cleanly() {
    let children = [transient(1).significant(), transient(2).significant(), permanent(3)];
    for reason in [Exit::Boom, Exit::Killed] {
        assert!(lives(AutoShutdown::AnySignificant, &children, [Op::Crash(1, reason)]), "it is restarted");
    }
    assert!(!lives(AutoShutdown::AnySignificant, &children, [Op::Crash(1, Exit::Normal)]));
    assert!(lives(AutoShutdown::AllSignificant, &children, [Op::Crash(1, Exit::Normal)]));
    let both = [Op::Crash(1, Exit::Normal), Op::Crash(2, Exit::Shutdown)];
    assert!(!lives(AutoShutdown::AllSignificant, &children, both));
    assert!(lives(AutoShutdown::AnySignificant, &children, [Op::TerminateChild(1)]));
}

/// Section 1.9: the others are stopped as at any end.
#[test]
fn an_auto_shutdown_stops_the_others_latest_first() {
    let it = given(OneForOne, 9, &[permanent(1), transient(2).significant(), permanent(3)])
        .auto_shutdown(AutoShutdown::AnySignificant)
        .when([Op::Crash(2, Exit::Normal)]);
    assert_eq!(it.events(0), "exit 2.0 normal; exit 3.0 shutdown; exit 1.0 shutdown");
    assert_eq!(it.scenario.steps[0].exit_reason.as_deref(), Some("shutdown"));
}

/// Section 1.9: a group's stops end nobody.
#[test]
fn the_stop_of_a_significant_bystander_ends_nobody() {
    use theater_testkit::otp::Strategy::OneForAll;
    let it = given(OneForAll, 9, &[permanent(1), temporary(2).significant()])
        .auto_shutdown(AutoShutdown::AnySignificant)
        .when([Op::Crash(1, Exit::Boom)]);
    assert!(it.lives());
}
