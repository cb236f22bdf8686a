//! The rules at work: restarts, giving up, shutting down.

use super::*;
use theater_core::{ActorError, ExitReason};
use theater_supervisor::{Decision, SupervisionReport, SupervisorError};
use theater_testkit::{Program, crash};

fn report(record: &SupervisorEvent) -> SupervisionReport {
    assert_eq!(record.event_type, "theater/supervision");
    payload::decode(record.data.as_ref().expect("a report has details")).expect("it is a report")
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_answered_by_a_restart_and_the_guest_is_told_once() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("transient", None).await.unwrap();
    it.runtime.set_state(id(&child), "good");
    let before = it.runtime.call_names().len();
    it.runtime.crash(id(&child), crash());
    settle().await;
    let calls = it.runtime.call_names().split_off(before);
    let at = |wanted: &str| calls.iter().position(|call| call == wanted).unwrap();
    assert!(at("record root") < at("restart transient"), "on the record before it happens: {calls:?}");
    assert_eq!(it.life(&child).await, (2, false));
    assert_eq!(it.guest.get_child_state(&child).await.unwrap().as_deref(), Some(&b"good"[..]));
    let notices = it.runtime.notices(it.parent);
    assert_eq!((notices.len(), notices[0].child, &notices[0].reason), (1, id(&child), &crash()));
    let decision = report(&it.records().await[2]).decision;
    let expected = Decision::Restart {
        count: 1,
        intensity: 2,
        period_ms: 5_000,
        strategy: theater_core::Strategy::OneForOne,
        siblings: 0,
        from: theater_core::RestartFrom::LastGood,
    };
    assert_eq!(decision, expected);
}

#[tokio::test(start_paused = true)]
async fn a_temporary_child_and_a_transient_one_that_completed_are_left_where_they_are() {
    let it = supervised(MockRuntime::new()).await;
    let temporary = it.guest.spawn("temporary", None).await.unwrap();
    let transient = it.guest.spawn("transient", None).await.unwrap();
    it.runtime.crash(id(&temporary), crash());
    it.runtime.crash(id(&transient), ExitReason::Completed { data: None });
    settle().await;
    assert_eq!((it.life(&temporary).await, it.life(&transient).await), ((1, true), (1, true)));
    assert_eq!(it.runtime.notices(it.parent).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_dies_right_after_its_start_is_started_again() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent die", None).await.unwrap();
    settle().await;
    assert_eq!(it.life(&child).await, (2, false));
    assert_eq!(it.runtime.notices(it.parent).len(), 1);

    let temporary = it.guest.spawn("temporary die", None).await.unwrap();
    settle().await;
    assert_eq!(it.life(&temporary).await, (1, true));
    assert_eq!(it.runtime.notices(it.parent).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_dies_right_after_its_restart_is_started_again() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent ok die", None).await.unwrap();
    it.runtime.crash(id(&child), crash());
    settle().await;
    assert_eq!(it.life(&child).await, (3, false));
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_hangs_is_given_up_and_tried_again() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent ok hang", None).await.unwrap();
    it.runtime.crash(id(&child), crash());
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(it.life(&child).await, (3, false));
    assert_eq!(
        it.runtime.history()[2..],
        ["exit permanent ok hang 1 trapped", "fail permanent ok hang 2", "start permanent ok hang 3"]
    );
}

#[tokio::test(start_paused = true)]
async fn stop_child_of_a_permanent_child_is_not_answered_by_a_restart() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent", None).await.unwrap();
    it.guest.stop_child(&child).await.unwrap();
    settle().await;
    assert_eq!(it.life(&child).await, (1, true));
    assert!(it.runtime.notices(it.parent).is_empty(), "what it asked for is no news for the guest");
}

#[tokio::test(start_paused = true)]
async fn restart_child_is_answered_by_one_restart_and_not_counted() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent", None).await.unwrap();
    for life in 2..7 {
        it.guest.restart_child(&child).await.unwrap();
        settle().await;
        assert_eq!(it.life(&child).await, (life, false));
    }
    assert!(!it.supervisor.is_finished());
}

#[tokio::test(start_paused = true)]
async fn too_many_restarts_end_the_supervisor_after_the_other_children_latest_first() {
    let slow = Program::default().stop_takes(Duration::from_secs(2));
    let it = supervised(MockRuntime::new().program("slow", slow)).await;
    it.guest.spawn("first", None).await.unwrap();
    let looping = it.guest.spawn("permanent", None).await.unwrap();
    it.guest.spawn("slow", None).await.unwrap();
    it.guest.spawn("last", None).await.unwrap();
    let before = it.runtime.history().len();
    for _ in 0..3 {
        it.runtime.crash(id(&looping), crash());
        settle().await;
    }
    let error = it.supervisor.await.unwrap().unwrap_err();
    let SupervisorError::ActorError(ActorError::Escalated { child, intensity: 2, period, reason }) = error
    else {
        panic!("not an escalation: {error}")
    };
    assert_eq!((child, period, reason), (id(&looping), Duration::from_secs(5), crash()));
    let log = it.runtime.history().split_off(before);
    let ends = ["exit last 1 stopped", "exit slow 1 stopped", "exit first 1 stopped"];
    assert_eq!(log[log.len() - 4], "exit permanent 3 trapped");
    assert_eq!(log[log.len() - 3..], ends);
    let records = records(&it.runtime, it.parent).await;
    let given_up = Decision::GiveUp {
        cause: theater_supervisor::GiveUpCause::Intensity { intensity: 2, period_ms: 5_000 },
    };
    assert_eq!(report(records.last().unwrap()).decision, given_up);
}

#[tokio::test(start_paused = true)]
async fn a_failed_restart_is_tried_again_until_the_intensity_is_exceeded() {
    let it = supervised(MockRuntime::new()).await;
    it.guest.spawn("other", None).await.unwrap();
    let broken = it.guest.spawn("permanent ok error error", None).await.unwrap();
    let before = it.runtime.history().len();
    it.runtime.crash(id(&broken), crash());
    let error = it.supervisor.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, SupervisorError::ActorError(ActorError::Escalated { child, .. }) if *child == id(&broken)),
        "{error}"
    );
    let log = it.runtime.history().split_off(before);
    assert_eq!(
        log[1..],
        ["fail permanent ok error error 2", "fail permanent ok error error 3", "exit other 1 stopped"]
    );
}

#[tokio::test(start_paused = true)]
async fn restarts_that_are_far_enough_apart_go_on() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent", None).await.unwrap();
    for life in 2..10 {
        it.runtime.crash(id(&child), crash());
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(it.life(&child).await, (life, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_stops_the_children_latest_first_and_refuses_what_comes_meanwhile() {
    let slow = Program::default().stop_takes(Duration::from_secs(2));
    let it = supervised(MockRuntime::new().program("slow", slow)).await;
    for name in ["a", "permanent", "slow", "d"] {
        it.guest.spawn(name, None).await.unwrap();
    }
    let before = it.runtime.history().len();
    it.shutdown.shutdown();
    settle().await;
    let meanwhile = it.guest.spawn("late", None).await;
    assert_eq!(meanwhile.unwrap_err(), "Actor error: shutting down");
    it.supervisor.await.unwrap().unwrap();
    let ends = ["exit d 1 stopped", "exit slow 1 stopped", "exit permanent 1 stopped", "exit a 1 stopped"];
    assert_eq!(it.runtime.history().split_off(before), ends);
    assert!(it.guest.list_children().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_up_a_start_that_is_under_way_and_leaves_nothing_of_it() {
    let it = supervised(MockRuntime::new()).await;
    let both = async {
        tokio::join!(it.guest.spawn("slow 200ms", None), async {
            settle().await;
            it.shutdown.shutdown();
        })
    };
    let (started, ()) = both.await;
    assert_eq!(started.unwrap_err(), "Actor error: shutting down");
    it.supervisor.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(it.guest.list_children().await.unwrap().is_empty());
}
