//! A restart by rule that fails. OTP: `try_again_restart`.

use RestartPolicy::{Permanent, Transient};

use super::*;

#[test]
fn a_restart_that_failed_is_tried_again_and_every_try_counts() {
    let mut bench = Bench::with(2, &[Permanent]);
    bench.exited(1, 1, trapped());
    assert_eq!(bench.start_failed(1), ["retry later 1"]);
    assert_eq!(bench.retry(1), ["report 1.1: restart 2 of 2", "restart 1"]);
    assert_eq!(bench.start_failed(1), ["retry later 1"]);
    assert_eq!(bench.retry(1), ["report 1.1: give up", "finish: escalated by 1, start-failed"]);
}

#[test]
fn tries_that_are_far_enough_apart_go_on() {
    let mut bench = Bench::with(1, &[Transient]);
    bench.exited(1, 1, trapped());
    for _ in 0..10 {
        bench.now += PERIOD_MS + 1;
        assert_eq!(bench.start_failed(1), ["retry later 1"]);
        assert_eq!(bench.retry(1), ["report 1.1: restart 1 of 1", "restart 1"]);
    }
    assert!(bench.started(1, 12).is_empty());
    assert!(bench.retry(1).is_empty(), "it runs, there is nothing to try");
}

#[test]
fn a_call_to_stop_between_two_tries_cancels_the_next() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.exited(1, 1, trapped());
    bench.start_failed(1);
    assert_eq!(bench.call_stop(7, 1), ["stop 1"]);
    assert!(bench.retry(1).is_empty(), "while the stop is under way");
    assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
    assert!(bench.retry(1).is_empty(), "after it");
}

#[test]
fn a_call_to_stop_while_a_try_is_under_way_waits_and_cancels_the_next() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.exited(1, 1, trapped());
    assert!(bench.call_stop(7, 1).is_empty());
    assert_eq!(bench.start_failed(1), ["retry later 1", "stop 1"]);
    assert_eq!(bench.stop_ended(1), ["reply 7: ok"]);
    assert!(bench.retry(1).is_empty());
}

#[test]
fn a_call_to_restart_between_two_tries_takes_their_place() {
    let mut bench = Bench::with(1, &[Permanent]);
    bench.exited(1, 1, trapped());
    bench.start_failed(1);
    assert_eq!(bench.call_restart(7, 1), ["restart 1"]);
    assert!(bench.retry(1).is_empty());
    assert_eq!(bench.started(1, 3), ["reply 7: ok"]);
    assert!(bench.retry(1).is_empty());
}

#[test]
fn other_calls_are_answered_between_two_tries() {
    let mut bench = Bench::with(9, &[Permanent, Permanent]);
    bench.exited(1, 1, trapped());
    bench.start_failed(1);
    assert_eq!(bench.call_stop(7, 2), ["stop 2"]);
    assert_eq!(bench.call_start(8), ["start 3 for 8"]);
    assert_eq!(bench.stop_ended(2), ["reply 7: ok"]);
    assert_eq!(bench.started(3, 1), ["reply 8: ok"]);
    assert_eq!(bench.retry(1), ["report 1.1: restart 2 of 9", "restart 1"]);
}

#[test]
fn a_first_start_that_failed_is_not_tried_again_and_leaves_no_child() {
    let mut bench = Bench::new(9);
    bench.call_start(7);
    assert_eq!(bench.start_failed(1), ["reply 7: the actor did not start: init failed: no"]);
    assert_eq!(bench.children(), 0);
}

#[test]
fn a_restart_by_a_call_that_failed_is_not_tried_again_and_does_not_count() {
    let mut bench = Bench::with(1, &[Permanent, Permanent]);
    bench.call_restart(7, 1);
    bench.exited(1, 1, ExitReason::Stopped);
    assert_eq!(bench.start_failed(1), ["reply 7: the actor did not start: init failed: no"]);
    assert!(bench.retry(1).is_empty());
    assert_eq!(bench.children(), 2);
    assert_eq!(bench.exited(2, 1, trapped())[1], "report 2.1: restart 1 of 1");
}

#[test]
fn an_exit_kept_from_a_start_that_failed_is_not_taken_for_that_of_the_next_life() {
    let mut bench = Bench::with(9, &[Permanent]);
    bench.exited(1, 1, trapped());
    // A runtime that tells the end of a life that never ran, against its contract.
    bench.exited(1, 2, trapped());
    bench.start_failed(1);
    bench.retry(1);
    assert!(bench.started(1, 3).is_empty());
}
