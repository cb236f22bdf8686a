//! The host functions and the driver, over the testkit's runtime and tokio's paused time.

use std::sync::Arc;
use std::time::Duration;

use theater_core::event::payload;
use theater_core::{
    ActorError, ActorHandle, ActorId, ActorRuntime, Authority, ChildExit, ChildSpec, EventRange, ExitReason,
    Incarnation, RestartPolicy, ShutdownController, SupervisionSpec,
};
use theater_supervisor::{SupervisorError, SupervisorEvent, SupervisorHost};
use theater_testkit::{FakeGuest, FakeRuntime, Program, StartOutcome};
use tokio::task::JoinHandle;

struct Fixture {
    runtime: FakeRuntime,
    parent: ActorId,
    guest: FakeGuest,
    shutdown: ShutdownController,
    supervisor: JoinHandle<theater_supervisor::Result<()>>,
}

fn trap() -> ExitReason {
    ExitReason::Trapped { message: "boom".to_owned(), backtrace: Vec::new() }
}

/// A parent whose supervisor runs: two restarts within five seconds.
async fn supervised(runtime: FakeRuntime) -> Fixture {
    let parent = runtime.root();
    let host = SupervisorHost::builder()
        .supervision(SupervisionSpec::new(2, Duration::from_secs(5)))
        .deadline(Duration::from_secs(10))
        .build();
    let mut guest = FakeGuest::new(&runtime, parent);
    host.setup_host_functions(&mut guest).await.expect("it links");
    let (shutdown, receiver) = ShutdownController::new();
    let supervisor = tokio::spawn(host.start(ActorHandle::new(parent, Arc::new(runtime.clone())), receiver));
    Fixture { runtime, parent, guest, shutdown, supervisor }
}

/// A runtime with a child of each restart policy.
fn programs() -> FakeRuntime {
    FakeRuntime::new()
        .program("permanent", Program::new(ChildSpec::new(RestartPolicy::Permanent)))
        .program("transient", Program::new(ChildSpec::new(RestartPolicy::Transient)))
}

/// Lets everything that can run do so; paused time moves a little.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn id(text: &str) -> ActorId {
    text.parse().expect("the guest was given an id")
}

async fn records(runtime: &FakeRuntime, actor: ActorId) -> Vec<SupervisorEvent> {
    let events = runtime.events(Authority::Operator, actor, EventRange::ALL).await.expect("a chain");
    events.iter().filter_map(|event| SupervisorEvent::read(event).ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_seven_functions_do_what_they_say() {
    let it = supervised(programs()).await;
    let one = it.guest.spawn("worker").await.unwrap();
    let two = it.guest.resume("worker", b"kept").await.unwrap();
    assert_eq!(it.guest.list_children().await.unwrap(), [one.clone(), two.clone()]);
    assert_eq!(it.guest.get_child_state(&two).await.unwrap().as_deref(), Some(&b"kept"[..]));
    it.guest.restart_child(&two).await.unwrap();
    let kinds = it.guest.get_child_events(&two).await.unwrap();
    assert_eq!(kinds, ["theater/genesis", "theater/started", "theater/exited", "theater/started"]);
    it.guest.stop_child(&one).await.unwrap();
    it.guest.stop_child(&one).await.unwrap();
    assert_eq!(it.guest.list_children().await.unwrap(), [two]);
    it.guest.restart_child(&one).await.unwrap();
    assert_eq!(it.runtime.info(Authority::Parent(it.parent), id(&one)).await.unwrap().incarnation.0, 2);
}

#[tokio::test(start_paused = true)]
async fn every_call_and_its_outcome_are_recorded_and_the_details_can_be_read() {
    let it = supervised(programs()).await;
    let child = it.guest.spawn("worker").await.unwrap();
    it.guest.get_child_state("nobody").await.unwrap_err();
    let records = records(&it.runtime, it.parent).await;
    let types: Vec<_> = records.iter().map(|record| record.event_type.as_str()).collect();
    assert_eq!(
        types,
        [
            "theater:simple/supervisor/spawn/call",
            "theater:simple/supervisor/spawn/outcome",
            "theater:simple/supervisor/get-child-state/call",
            "theater:simple/supervisor/get-child-state/outcome",
        ]
    );
    let outcome: theater_supervisor::SupervisorOutcome =
        payload::decode(records[1].data.as_ref().unwrap()).unwrap();
    assert_eq!(outcome, theater_supervisor::SupervisorOutcome::Child(id(&child)));
    assert_eq!(records[3].actor_id, "nobody");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_an_own_child_gets_one_answer_a_record_and_no_effect() {
    let it = supervised(programs()).await;
    let child = it.guest.spawn("worker").await.unwrap();
    let stranger = it.runtime.root();
    let mut other = FakeGuest::new(&it.runtime, stranger);
    SupervisorHost::builder().build().setup_host_functions(&mut other).await.unwrap();
    let foreign = other.spawn("worker").await.unwrap();
    let mut inner = FakeGuest::new(&it.runtime, id(&child));
    SupervisorHost::builder().build().setup_host_functions(&mut inner).await.unwrap();
    let grandchild = inner.spawn("worker").await.unwrap();
    let dead = other.spawn("worker").await.unwrap();
    other.stop_child(&dead).await.unwrap();
    let log = it.runtime.log();

    let unknown = ActorId::from_parts(99, [9; 10]).to_string();
    for target in [
        &foreign,
        &grandchild,
        &dead,
        &it.parent.to_string(),
        &stranger.to_string(),
        &unknown,
        &child.replace('-', ""),
        "",
        "urn:uuid:x",
        &"é".repeat(500),
    ] {
        let before = records(&it.runtime, it.parent).await.len();
        let expected = format!("Actor error: {}", ActorError::not_a_child(target));
        assert_eq!(it.guest.stop_child(target).await.unwrap_err(), expected);
        assert_eq!(it.guest.restart_child(target).await.unwrap_err(), expected);
        assert_eq!(it.guest.get_child_state(target).await.unwrap_err(), expected);
        assert_eq!(it.guest.get_child_events(target).await.unwrap_err(), expected);
        assert_eq!(records(&it.runtime, it.parent).await.len(), before + 8);
    }
    assert_eq!(it.runtime.log(), log);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_given_up_at_its_deadline_and_leaves_nothing() {
    let runtime = programs().program("hanging", Program::default().starts([StartOutcome::Hang]));
    let it = supervised(runtime).await;
    let begin = tokio::time::Instant::now();
    let error = it.guest.spawn("hanging").await.unwrap_err();
    assert_eq!(error, "Actor error: spawn did not end within 10s");
    assert!(begin.elapsed() < Duration::from_secs(11));
    assert_eq!(it.runtime.records(it.parent), 0);
    // Nobody else waits meanwhile.
    it.guest.spawn("worker").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_answered_by_a_restart_and_the_guest_is_told_once_after_the_record() {
    let it = supervised(programs()).await;
    let child = id(&it.guest.spawn("transient").await.unwrap());
    it.runtime.set_state(child, "good");
    it.runtime.crash(child, trap());
    settle().await;
    let info = it.runtime.info(Authority::Operator, child).await.unwrap();
    assert_eq!((info.incarnation.0, info.status.is_ended()), (2, false));
    assert_eq!(it.runtime.state(Authority::Operator, child).await.unwrap().unwrap(), "good");
    let notices = it.runtime.notices(it.parent);
    assert_eq!((notices.len(), notices[0].child, &notices[0].reason), (1, child, &trap()));
    let last = records(&it.runtime, it.parent).await.pop().unwrap();
    assert_eq!((last.event_type.as_str(), last.actor_id), ("theater/supervision", child.to_string()));

    // Told again, or of an older life: nothing.
    it.runtime.tell_exit(it.parent, ChildExit::new(child, Incarnation::FIRST, trap()));
    settle().await;
    assert_eq!(it.runtime.info(Authority::Operator, child).await.unwrap().incarnation.0, 2);
    assert_eq!(it.runtime.notices(it.parent).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_dies_before_its_start_is_answered_is_not_lost() {
    let program = Program::new(ChildSpec::new(RestartPolicy::Permanent)).starts([StartOutcome::Die(trap())]);
    let it = supervised(programs().program("brief", program)).await;
    let child = id(&it.guest.spawn("brief").await.unwrap());
    settle().await;
    let info = it.runtime.info(Authority::Operator, child).await.unwrap();
    assert_eq!((info.incarnation.0, info.status.is_ended()), (2, false));
}

#[tokio::test(start_paused = true)]
async fn what_the_guest_does_is_not_answered_by_the_rules() {
    let it = supervised(programs()).await;
    let child = it.guest.spawn("permanent").await.unwrap();
    it.guest.stop_child(&child).await.unwrap();
    settle().await;
    assert!(it.runtime.info(Authority::Operator, id(&child)).await.unwrap().status.is_ended());
    assert!(it.runtime.notices(it.parent).is_empty());
    it.guest.restart_child(&child).await.unwrap();
    settle().await;
    assert_eq!(it.runtime.info(Authority::Operator, id(&child)).await.unwrap().incarnation.0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_failed_restart_is_tried_again_until_the_intensity_is_exceeded() {
    let ok_then_two_failures = [StartOutcome::Ok, StartOutcome::Fail, StartOutcome::Fail];
    let program = Program::new(ChildSpec::new(RestartPolicy::Permanent)).starts(ok_then_two_failures);
    let it = supervised(programs().program("broken", program)).await;
    let other = it.guest.spawn("worker").await.unwrap();
    let last = it.guest.spawn("permanent").await.unwrap();
    let broken = id(&it.guest.spawn("broken").await.unwrap());
    it.runtime.crash(broken, trap());
    let error = it.supervisor.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, SupervisorError::ActorError(ActorError::Escalated { child, intensity: 2, .. }) if *child == broken),
        "{error}"
    );
    let log = it.runtime.log();
    let tail: Vec<_> = log.iter().skip_while(|line| !line.starts_with("fail")).map(String::as_str).collect();
    assert_eq!(
        tail,
        ["fail broken 2", "fail broken 3", "exit permanent 1 stopped", "exit worker 1 stopped"],
        "the others are stopped latest first"
    );
    drop((other, last));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_stops_the_children_latest_first_and_refuses_what_comes_later() {
    let runtime = programs()
        .program("a", Program::default())
        .program("b", Program::new(ChildSpec::new(RestartPolicy::Permanent)))
        .program("c", Program::default());
    let it = supervised(runtime).await;
    for name in ["a", "b", "c"] {
        it.guest.spawn(name).await.unwrap();
    }
    it.shutdown.shutdown();
    it.supervisor.await.unwrap().unwrap();
    let log = it.runtime.log();
    assert_eq!(log[log.len() - 3..], ["exit c 1 stopped", "exit b 1 stopped", "exit a 1 stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_refused_is_an_error_for_the_guest_and_holds_up_no_shutdown() {
    let it = supervised(programs().program("stubborn", Program::default().refuses_stop())).await;
    let stubborn = it.guest.spawn("stubborn").await.unwrap();
    let error = it.guest.stop_child(&stubborn).await.unwrap_err();
    assert_eq!(error, "Actor error: this runtime does not support stop");
    it.guest.spawn("worker").await.unwrap();
    it.shutdown.shutdown();
    it.supervisor.await.unwrap().unwrap();
    assert_eq!(it.runtime.log().last().unwrap(), "exit worker 1 stopped");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_does_not_happen() {
    let it = supervised(programs()).await;
    it.runtime.fail_records(1);
    let error = it.guest.spawn("worker").await.unwrap_err();
    assert_eq!(error, "Actor error: this runtime does not support record");
    assert_eq!(it.runtime.records(it.parent), 0);
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_is_not_taken_harms_nobody() {
    let it = supervised(programs()).await;
    it.runtime.fail_notices();
    let child = id(&it.guest.spawn("permanent").await.unwrap());
    it.runtime.crash(child, trap());
    settle().await;
    assert_eq!(it.runtime.info(Authority::Operator, child).await.unwrap().incarnation.0, 2);
}

#[tokio::test(start_paused = true)]
async fn optional_exports_may_be_missing_and_one_of_a_wrong_type_is_an_error() {
    let runtime = FakeRuntime::new();
    let parent = runtime.root();
    let host = SupervisorHost::builder().build();
    host.add_export_functions(&mut FakeGuest::new(&runtime, parent)).await.unwrap();
    let mut wrong = FakeGuest::new(&runtime, parent).export("handle-child-exit", false);
    let error = host.add_export_functions(&mut wrong).await.unwrap_err();
    assert!(matches!(error, SupervisorError::HandlerError(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_host_runs_once() {
    let runtime = FakeRuntime::new();
    let handle = ActorHandle::new(runtime.root(), Arc::new(runtime.clone()));
    let host = SupervisorHost::builder().build();
    let (shutdown, receiver) = ShutdownController::new();
    let first = tokio::spawn(host.start(handle.clone(), receiver.clone()));
    let second = host.start(handle, receiver).await.unwrap_err();
    assert!(matches!(second, SupervisorError::HandlerError(_)), "{second}");
    shutdown.shutdown();
    first.await.unwrap().unwrap();
}
