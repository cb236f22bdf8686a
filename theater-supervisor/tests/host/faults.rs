//! A runtime that breaks its contract, or cannot keep it, and what still holds.

use super::*;
use theater_core::{ChildExit, Incarnation};
use theater_testkit::fault::{FaultKind, FaultRule, Operation};
use theater_testkit::{Program, crash};

/// The next end of the child is not told.
fn lost_exit(child: &str) -> FaultRule {
    FaultRule::new(Operation::Exit, FaultKind::Lose).on(id(child)).nth(1)
}

/// The `n`-th record from now on is not taken.
fn failing_record(n: u64) -> FaultRule {
    FaultRule::new(Operation::Record, FaultKind::Fail).nth(n)
}

#[tokio::test(start_paused = true)]
async fn an_exit_that_is_told_twice_or_late_changes_nothing() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent", None).await.unwrap();
    it.runtime.crash(id(&child), crash());
    it.runtime.tell_last_exit_again(id(&child));
    settle().await;
    assert_eq!(it.life(&child).await, (2, false));
    it.runtime.tell_last_exit_again(id(&child));
    it.runtime.tell_exit(it.parent, ChildExit::new(id(&child), Incarnation::FIRST, crash()));
    settle().await;
    assert_eq!(it.life(&child).await, (2, false));
    assert_eq!(it.runtime.notices(it.parent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exit_of_somebody_elses_child_is_no_reason_to_start_anything() {
    let it = supervised(MockRuntime::new()).await;
    let foreign = it.runtime.child(it.runtime.root());
    it.runtime.crash(foreign, crash());
    let before = it.runtime.history().len();
    it.runtime.tell_exit(it.parent, ChildExit::new(foreign, Incarnation::FIRST, crash()));
    settle().await;
    assert!(it.log_after(before).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_exit_was_lost_can_be_restarted_and_is_supervised_again() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent", None).await.unwrap();
    let _lost = it.runtime.inject(lost_exit(&child));
    it.runtime.crash(id(&child), crash());
    settle().await;
    assert_eq!(it.life(&child).await, (1, true), "nobody can know");
    it.guest.restart_child(&child).await.unwrap();
    assert_eq!(it.life(&child).await, (2, false));
    it.runtime.crash(id(&child), crash());
    settle().await;
    assert_eq!(it.life(&child).await, (3, false));
}

#[tokio::test(start_paused = true)]
async fn lost_exits_hold_up_neither_a_stop_nor_a_shutdown() {
    let it = supervised(MockRuntime::new()).await;
    let (mut children, mut lost) = (Vec::new(), Vec::new());
    for name in ["permanent a", "permanent b", "permanent c"] {
        let child = it.guest.spawn(name, None).await.unwrap();
        lost.push(it.runtime.inject(lost_exit(&child)));
        children.push(child);
    }
    it.guest.stop_child(&children[1]).await.unwrap();
    it.runtime.crash(id(&children[2]), crash());
    settle().await;
    it.shutdown.shutdown();
    it.supervisor.await.unwrap().unwrap();
    assert_eq!(it.runtime.history().pop().unwrap(), "exit permanent a 1 stopped");
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_is_not_taken_harms_nobody() {
    let it = supervised(MockRuntime::new()).await;
    let _deaf = it.runtime.inject(FaultRule::new(Operation::Notify, FaultKind::Fail));
    let child = it.guest.spawn("permanent", None).await.unwrap();
    for life in [2, 3] {
        it.runtime.crash(id(&child), crash());
        settle().await;
        assert_eq!(it.life(&child).await, (life, false));
    }
    assert_eq!(it.runtime.call_names().iter().filter(|call| *call == "notify root").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_recorded_is_refused_and_nothing_happens() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("worker", None).await.unwrap();
    let (log, events) = (it.runtime.history(), it.records().await.len());
    let expected = Err(format!("Actor error: event chain of {}", it.parent));
    for function in 0..7 {
        let _full = it.runtime.inject(failing_record(1));
        let before = it.runtime.call_names().len();
        let answer = match function {
            0 => it.guest.spawn("worker", None).await.map(drop),
            1 => it.guest.resume("worker", None).await.map(drop),
            2 => it.guest.list_children().await.map(drop),
            3 => it.guest.restart_child(&child).await,
            4 => it.guest.stop_child(&child).await,
            5 => it.guest.get_child_state(&child).await.map(drop),
            _ => it.guest.get_child_events(&child).await.map(drop),
        };
        assert_eq!(answer, expected, "function {function}");
        assert_eq!(it.runtime.call_names()[before..], ["record root"], "function {function}");
    }
    assert_eq!((it.runtime.history(), it.records().await.len()), (log, events));
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_cannot_be_recorded_is_an_error_and_its_child_stays_supervised() {
    let it = supervised(MockRuntime::new()).await;
    let _full = it.runtime.inject(failing_record(2));
    it.guest.spawn("permanent", None).await.unwrap_err();
    // It has happened, so it can be found.
    let children = it.guest.list_children().await.unwrap();
    assert_eq!(children.len(), 1);
    it.runtime.crash(id(&children[0]), crash());
    settle().await;
    assert_eq!(it.life(&children[0]).await, (2, false));
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_cannot_be_recorded_is_carried_out_all_the_same() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent", None).await.unwrap();
    let _full = it.runtime.inject(failing_record(1));
    it.runtime.crash(id(&child), crash());
    settle().await;
    assert_eq!(it.life(&child).await, (2, false));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_refused_is_an_error_for_the_guest_and_holds_up_no_shutdown() {
    let stubborn = Program::default().refuses_stop();
    let it = supervised(MockRuntime::new().program("stubborn", stubborn)).await;
    it.guest.spawn("worker", None).await.unwrap();
    let child = it.guest.spawn("stubborn", None).await.unwrap();
    let error = it.guest.stop_child(&child).await.unwrap_err();
    assert_eq!(error, "Actor error: this runtime does not support stop");
    it.shutdown.shutdown();
    it.supervisor.await.unwrap().unwrap();
    assert_eq!(it.runtime.history().pop().unwrap(), "exit worker 1 stopped");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_is_ended_while_it_waits_leaves_its_child_supervised() {
    let it = supervised(MockRuntime::new()).await;
    let waiting =
        tokio::time::timeout(Duration::from_millis(10), it.guest.spawn("permanent slow 100ms die", None));
    assert!(waiting.await.is_err());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let children = it.guest.list_children().await.unwrap();
    assert_eq!(children.len(), 1);
    it.runtime.crash(id(&children[0]), crash());
    settle().await;
    assert_eq!(it.life(&children[0]).await, (3, false), "started again after it died, and after the crash");
}

#[tokio::test(start_paused = true)]
async fn a_start_in_which_the_runtime_panics_is_an_error_for_the_guest() {
    let it = supervised(MockRuntime::new()).await;
    let answer = tokio::time::timeout(Duration::from_secs(3_600), it.guest.spawn("panic", None)).await;
    answer.expect("within its deadline").unwrap_err();
    assert!(it.guest.list_children().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_which_the_runtime_panics_holds_up_no_shutdown() {
    let it = supervised(MockRuntime::new()).await;
    it.guest.spawn("worker", None).await.unwrap();
    let child = it.guest.spawn("permanent ok panic", None).await.unwrap();
    it.runtime.crash(id(&child), crash());
    settle().await;
    it.shutdown.shutdown();
    let ended = tokio::time::timeout(Duration::from_secs(3_600), it.supervisor).await;
    ended.expect("within its deadline").unwrap().unwrap();
    assert_eq!(it.runtime.history().pop().unwrap(), "exit worker 1 stopped");
}
