//! Strategies, escalation and failing restarts.

use theater_testkit::otp::{Exit, Op, OpResult, Start, Strategy::*};

use crate::bench::*;

fn boom(id: u32) -> Op {
    Op::Crash(id, Exit::Boom)
}

/// `o4o.base`
#[test]
fn one_for_one_restarts_the_child_alone_until_the_intensity_is_exceeded() {
    let it = given(OneForOne, 2, &[permanent(1), permanent(2)]).when([boom(1), boom(1), boom(1)]);
    assert_eq!(it.events(0), "exit 1.0 boom; start 1.1");
    assert_eq!(it.events(2), "exit 1.2 boom; exit 2.0 shutdown");
    assert!(!it.lives());
}

/// `o4o.escalation`
#[test]
fn a_restart_that_always_fails_exceeds_the_intensity_and_ends_the_sibling_too() {
    let fails = [Start::Ok, Start::Error, Start::Error, Start::Error, Start::Error, Start::Error];
    let it = given(OneForOne, 4, &[permanent(1).starts(&fails), permanent(2)]).when([boom(1)]);
    assert_eq!(it.events(0), "exit 1.0 boom; fail 1.1; fail 1.2; fail 1.3; fail 1.4; exit 2.0 shutdown");
    assert!(!it.lives());
}

/// Section 1.4: a group restart counts once, children that die together count each under one-for-one.
#[test]
fn children_that_die_together_count_each_under_one_for_one_and_once_in_a_group() {
    let children = [permanent(1), permanent(2)];
    assert!(!given(OneForOne, 1, &children).when([Op::CrashBoth(1, 2)]).lives());
    for strategy in [OneForAll, RestForOne] {
        assert!(given(strategy, 1, &children).when([Op::CrashBoth(1, 2)]).lives(), "{strategy:?}");
    }
}

/// `o4a.base`
#[test]
fn one_for_all_stops_all_others_latest_first_and_starts_all_in_order() {
    let it =
        given(OneForAll, 2, &[permanent(1), permanent(2), permanent(3)]).when([boom(2), boom(1), boom(3)]);
    let expected = "exit 2.0 boom; exit 3.0 shutdown; exit 1.0 shutdown; start 1.1; start 2.1; start 3.1";
    assert_eq!(it.events(0), expected);
    assert!(!it.lives());
}

/// Section 1.5
#[test]
fn a_group_restart_starts_those_too_that_had_ended_or_were_terminated() {
    let it = given(OneForAll, 2, &[transient(1), permanent(2), permanent(3)]).when([
        Op::Crash(1, Exit::Normal),
        Op::TerminateChild(3),
        boom(2),
    ]);
    assert_eq!(it.events(2), "exit 2.0 boom; start 1.1; start 2.1; start 3.1");
}

/// `o4a.escalation`
#[test]
fn one_for_all_whose_other_child_never_starts_again_ends() {
    let fails = [Start::Ok, Start::Error, Start::Error, Start::Error, Start::Error];
    let it = given(OneForAll, 2, &[permanent(1), permanent(2).starts(&fails)]).when([boom(1)]);
    assert!(!it.lives());
}

/// `o4a.retry`
#[test]
fn one_for_all_stops_what_it_had_started_before_it_tries_again() {
    let second = permanent(2).starts(&[Start::Ok, Start::Error]);
    let it = given(OneForAll, 9, &[permanent(1), second]).when([boom(1)]);
    let expected =
        "exit 1.0 boom; exit 2.0 shutdown; start 1.1; fail 2.1; exit 1.1 shutdown; start 1.2; start 2.2";
    assert_eq!(it.events(0), expected);
}

/// `r4o.base`
#[test]
fn rest_for_one_restarts_the_child_and_those_after_it() {
    let it = given(RestForOne, 2, &[permanent(1), permanent(2), permanent(3)]).when([boom(2), boom(3)]);
    assert_eq!(it.events(0), "exit 2.0 boom; exit 3.0 shutdown; start 2.1; start 3.1");
    assert_eq!(it.events(1), "exit 3.1 boom; start 3.2");
}

/// `r4o.escalation`
#[test]
fn rest_for_one_whose_later_child_never_starts_again_ends() {
    let fails = [Start::Ok, Start::Error, Start::Error, Start::Error];
    assert!(!given(RestForOne, 1, &[permanent(1), permanent(2).starts(&fails)]).when([boom(1)]).lives());
}

/// `r4o.retry`
#[test]
fn rest_for_one_goes_on_from_the_child_that_failed_and_leaves_those_before_it() {
    let second = permanent(2).starts(&[Start::Ok, Start::Error]);
    let it = given(RestForOne, 9, &[permanent(1), second]).when([boom(1)]);
    assert_eq!(it.events(0), "exit 1.0 boom; exit 2.0 shutdown; start 1.1; fail 2.1; start 2.2");
}

/// `order`
#[test]
fn children_start_in_the_order_of_the_list_whatever_their_ids_and_stop_in_reverse() {
    let ids = [4, 1, 5, 2, 3];
    let it = given(RestForOne, 1, &ids.map(permanent)).when([boom(5), Op::StopSupervisor]);
    assert_eq!(it.started(), "start 4.0; start 1.0; start 5.0; start 2.0; start 3.0");
    assert_eq!(
        it.events(0),
        "exit 5.0 boom; exit 3.0 shutdown; exit 2.0 shutdown; start 5.1; start 2.1; start 3.1"
    );
    assert_eq!(
        it.events(1),
        "exit 3.1 shutdown; exit 2.1 shutdown; exit 5.1 shutdown; exit 1.0 shutdown; exit 4.0 shutdown"
    );
    assert_eq!(it.results()[1], OpResult::Shutdown);
}

/// Section 1.5: a restart that is ignored leaves the child without a process.
#[test]
fn a_restart_that_is_ignored_leaves_the_child_down_and_is_not_tried_again() {
    let it = given(OneForOne, 9, &[permanent(1).starts(&[Start::Ok, Start::Ignore])]).when([boom(1)]);
    assert_eq!((it.events(0).as_str(), it.list(0).as_str()), ("exit 1.0 boom; ignore 1.1", "1 undefined"));
}
