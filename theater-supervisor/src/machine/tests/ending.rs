//! The supervisor itself ends: asked to, or because it gave up.

use RestartPolicy::{Permanent, Temporary, Transient};

use super::*;

#[test]
fn giving_up_is_reported_and_stops_the_others_latest_first_and_one_at_a_time() {
    let mut bench = Bench::with(0, &[Permanent, Temporary, Permanent, Transient]);
    assert_eq!(bench.exited(3, 1, trapped()), ["notify 3.1 trapped", "report 3.1: give up", "stop 4"]);
    assert!(bench.exited(4, 1, ExitReason::Stopped).is_empty());
    assert_eq!(bench.stop_ended(4), ["stop 2"]);
    assert_eq!(bench.stop_ended(2), ["stop 1"]);
    assert_eq!(bench.stop_ended(1), ["finish: escalated by 3, trapped"]);
    assert!(bench.shutdown().is_empty());
    assert_eq!(bench.children(), 0);
}

#[test]
fn a_shutdown_stops_the_children_latest_first_and_one_at_a_time() {
    let mut bench = Bench::with(9, &[Permanent, Transient, Temporary]);
    assert_eq!(bench.shutdown(), ["stop 3"]);
    assert!(bench.shutdown().is_empty(), "asked again");
    assert_eq!(bench.stop_ended(3), ["stop 2"]);
    assert_eq!(bench.stop_ended(2), ["stop 1"]);
    assert_eq!(bench.stop_ended(1), ["finish: shutdown"]);
}

#[test]
fn a_supervisor_without_children_ends_at_once() {
    assert_eq!(Bench::new(1).shutdown(), ["finish: shutdown"]);
}

#[test]
fn a_restarted_child_keeps_its_place_and_a_new_one_goes_to_the_end() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.exited(1, 1, trapped());
    bench.started(1, 2);
    bench.call_start(7);
    bench.started(3, 1);
    assert_eq!(bench.shutdown(), ["stop 3"]);
    assert_eq!(bench.stop_ended(3), ["stop 2"]);
    assert_eq!(bench.stop_ended(2), ["stop 1"]);
}

#[test]
fn a_shutdown_gives_up_a_start_that_is_under_way_and_stops_what_started_all_the_same() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.call_start(7);
    assert_eq!(bench.shutdown(), ["abandon 2"]);
    assert_eq!(bench.started(2, 1), ["reply 7: ok", "stop 2"]);
    assert_eq!(bench.stop_ended(2), ["stop 1"]);
    assert_eq!(bench.stop_ended(1), ["finish: shutdown"]);
}

#[test]
fn a_shutdown_gives_up_a_restart_that_is_under_way_and_does_not_try_again() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.exited(2, 1, trapped());
    assert_eq!(bench.shutdown(), ["abandon 2"]);
    assert_eq!(bench.start_failed(2), ["stop 1"]);
    assert!(bench.retry(2).is_empty());
    assert_eq!(bench.stop_ended(1), ["finish: shutdown"]);
}

#[test]
fn a_shutdown_waits_for_a_stop_that_is_under_way_and_answers_it() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.call_stop(7, 2);
    assert!(bench.shutdown().is_empty());
    assert_eq!(bench.stop_ended(2), ["reply 7: ok", "stop 1"]);
    assert_eq!(bench.stop_ended(1), ["finish: shutdown"]);
}

#[test]
fn an_operation_on_an_early_child_is_waited_for_when_its_turn_comes() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.exited(1, 1, trapped());
    assert_eq!(bench.shutdown(), ["abandon 1", "stop 2"]);
    assert!(bench.stop_ended(2).is_empty(), "child 1 is being started");
    assert_eq!(bench.started(1, 2), ["stop 1"]);
    assert_eq!(bench.stop_ended(1), ["finish: shutdown"]);
}

#[test]
fn a_pending_retry_holds_nothing_up() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.exited(1, 1, trapped());
    bench.start_failed(1);
    assert_eq!(bench.shutdown(), ["finish: shutdown"]);
    assert!(bench.retry(1).is_empty());
}

#[test]
fn a_child_that_crashes_while_the_supervisor_ends_is_not_restarted() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.shutdown();
    let actions = bench.exited(1, 1, trapped());
    assert!(!actions.iter().any(|action| action.starts_with("restart")), "{actions:?}");
    assert_eq!(bench.exited(2, 1, trapped()), ["notify 2.1 trapped"]);
    assert_eq!(bench.stop_ended(2), ["finish: shutdown"]);
}

#[test]
fn giving_up_while_the_supervisor_ends_does_not_change_its_outcome() {
    let mut bench = Bench::with(0, &[Permanent, Permanent]);
    bench.shutdown();
    bench.exited(1, 1, trapped());
    assert_eq!(bench.stop_ended(2), ["finish: shutdown"]);
}

#[test]
fn calls_while_the_supervisor_ends_are_refused_and_so_are_those_that_wait() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.call_stop(1, 2);
    assert!(bench.call_restart(2, 2).is_empty());
    assert_eq!(bench.shutdown(), ["reply 2: shutting down"]);
    assert_eq!(bench.call_start(3), ["reply 3: shutting down"]);
    assert_eq!(bench.call_restart(4, 1), ["reply 4: shutting down"]);
    assert_eq!(bench.call_stop(5, 1), ["reply 5: shutting down"]);
    assert_eq!(bench.stop_ended(2), ["reply 1: ok", "stop 1"]);
    assert_eq!(bench.stop_ended(1), ["finish: shutdown"]);
    assert_eq!(bench.call_start(6), ["reply 6: shutting down"], "also after the end");
}

#[test]
fn a_stop_that_fails_while_the_supervisor_ends_is_tried_once_more_and_does_not_hold_it_up() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.shutdown();
    assert_eq!(bench.stop_refused(2), ["stop 2"], "once more, without asking it");
    assert_eq!(bench.stop_refused(2), ["stop 1"]);
    assert_eq!(bench.stop_refused(1), ["stop 1"]);
    assert_eq!(bench.stop_refused(1), ["finish: shutdown"]);
}

#[test]
fn an_early_exit_that_exceeds_the_intensity_ends_the_supervisor() {
    let mut bench = Bench::new(0);
    bench.call_start(7);
    bench.exited(1, 1, trapped());
    let expected =
        ["reply 7: ok", "notify 1.1 trapped", "report 1.1: give up", "finish: escalated by 1, trapped"];
    assert_eq!(bench.started(1, 1), expected);
}
