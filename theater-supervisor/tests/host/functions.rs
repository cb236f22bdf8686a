//! The seven functions: what they do, what they answer, what they leave on the chain.

use super::*;
use theater_supervisor::{SupervisorCall, SupervisorError};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn spawn_answers_with_the_id_of_a_child_that_runs() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("worker", Some(b"first")).await.unwrap();
    let info = it.info(&child).await;
    assert_eq!((info.parent, info.name.as_str()), (Some(it.parent), "worker"));
    assert_eq!(it.life(&child).await, (1, false));
    let records = it.records().await;
    let call: SupervisorCall = payload::decode(records[0].data.as_ref().unwrap()).unwrap();
    let init_bytes = Some(b"first".to_vec().into());
    assert_eq!(call, SupervisorCall::Spawn { manifest: "worker".to_owned(), init_bytes });
    assert_eq!(outcome(&records[1]), SupervisorOutcome::Child(id(&child)));
}

#[tokio::test(start_paused = true)]
async fn spawn_and_resume_answer_with_the_real_reason_of_a_failure_and_leave_nothing() {
    let it = supervised(MockRuntime::new()).await;
    let expected = "Actor error: the actor did not start: init failed: scripted";
    assert_eq!(it.guest.spawn("error", None).await.unwrap_err(), expected);
    assert_eq!(it.guest.resume("error", Some(b"state")).await.unwrap_err(), expected);
    assert_eq!(it.runtime.records(it.parent), 0);
    assert_eq!(outcome(&it.records().await[1]), SupervisorOutcome::Refused(expected.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_is_waited_for_and_holds_up_nobody_else() {
    let it = supervised(MockRuntime::new()).await;
    let begin = Instant::now();
    let both = async { tokio::join!(it.guest.spawn("slow 100ms", None), it.guest.spawn("quick", None)) };
    let (slow, quick) = both.await;
    assert_eq!(begin.elapsed().as_millis() / 100, 1);
    assert_eq!(it.runtime.history()[1..], ["start quick 1", "start slow 100ms 1"]);
    slow.unwrap();
    quick.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_ends_with_its_deadline_and_leaves_nothing() {
    let it = supervised(MockRuntime::new()).await;
    let begin = Instant::now();
    let error = it.guest.spawn("hang", None).await.unwrap_err();
    assert_eq!(error, "Actor error: spawn did not end within 10s");
    assert!(begin.elapsed() < DEADLINE + Duration::from_secs(1));
    assert_eq!(it.runtime.records(it.parent), 0);
    it.guest.spawn("worker", None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn resume_starts_from_the_state_that_it_is_given() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.resume("worker", Some(b"kept")).await.unwrap();
    assert_eq!(it.guest.get_child_state(&child).await.unwrap().as_deref(), Some(&b"kept"[..]));
    let empty = it.guest.resume("worker", None).await.unwrap();
    assert_eq!(it.guest.get_child_state(&empty).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn list_children_names_those_that_have_not_ended_in_start_order() {
    let it = supervised(MockRuntime::new()).await;
    assert!(it.guest.list_children().await.unwrap().is_empty());
    let mut children = Vec::new();
    for name in ["a", "b", "c"] {
        children.push(it.guest.spawn(name, None).await.unwrap());
    }
    it.guest.stop_child(&children.remove(1)).await.unwrap();
    assert_eq!(it.guest.list_children().await.unwrap(), children);
}

#[tokio::test(start_paused = true)]
async fn restart_child_keeps_id_chain_and_last_good_state() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("worker", None).await.unwrap();
    it.runtime.set_state(id(&child), "good");
    it.guest.restart_child(&child).await.unwrap();
    assert_eq!(it.life(&child).await, (2, false));
    assert_eq!(it.guest.get_child_state(&child).await.unwrap().as_deref(), Some(&b"good"[..]));
    let kinds = it.guest.get_child_events(&child).await.unwrap();
    assert_eq!(kinds, ["theater/genesis", "theater/started", "theater/exited", "theater/started"]);
}

#[tokio::test(start_paused = true)]
async fn restart_child_of_an_ended_child_starts_it_with_the_same_id() {
    let it = supervised(MockRuntime::new()).await;
    // A temporary child is one that the supervisor has forgotten by then.
    for spec in ["temporary", "transient", "permanent"] {
        let child = it.guest.spawn(spec, None).await.unwrap();
        it.guest.stop_child(&child).await.unwrap();
        settle().await;
        assert_eq!(it.life(&child).await, (1, true));
        it.guest.restart_child(&child).await.unwrap();
        assert_eq!(it.life(&child).await, (2, false));
        assert!(it.guest.list_children().await.unwrap().contains(&child));
    }
}

#[tokio::test(start_paused = true)]
async fn restart_child_answers_with_the_real_reason_when_the_next_life_does_not_start() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("permanent ok error", None).await.unwrap();
    let error = it.guest.restart_child(&child).await.unwrap_err();
    assert_eq!(error, "Actor error: the actor did not start: init failed: scripted");
    settle().await;
    assert_eq!(it.life(&child).await, (2, true), "no rule tries again what a call has asked for");
    it.guest.restart_child(&child).await.unwrap();
    assert_eq!(it.life(&child).await, (3, false));
}

#[tokio::test(start_paused = true)]
async fn restart_child_ends_with_its_deadline_when_the_next_life_hangs() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("ok hang", None).await.unwrap();
    let error = it.guest.restart_child(&child).await.unwrap_err();
    // Ten seconds and the five that the child has to end.
    assert!(error.ends_with("did not end within 15s"), "{error}");
    settle().await;
    assert_eq!(it.life(&child).await, (2, true));
}

#[tokio::test(start_paused = true)]
async fn stop_child_ends_a_child_within_its_grace_and_a_second_time_is_no_error() {
    let patient = theater_testkit::Program::default().stop_takes(Duration::from_secs(3));
    let busy = theater_testkit::Program::default().stop_takes(Duration::from_secs(60));
    let it = supervised(MockRuntime::new().program("patient", patient).program("busy", busy)).await;
    for (name, reason) in [("patient", "stopped"), ("busy", "killed")] {
        let child = it.guest.spawn(name, None).await.unwrap();
        it.guest.stop_child(&child).await.unwrap();
        it.guest.stop_child(&child).await.unwrap();
        assert_eq!(it.runtime.history().pop().unwrap(), format!("exit {name} 1 {reason}"));
    }
}

#[tokio::test(start_paused = true)]
async fn stop_child_ends_the_descendants_before_the_child() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("worker", None).await.unwrap();
    let inner = unsupervised(&it.runtime, id(&child)).await;
    inner.spawn("a", None).await.unwrap();
    inner.spawn("b", None).await.unwrap();
    let before = it.runtime.history().len();
    it.guest.stop_child(&child).await.unwrap();
    let expected = ["exit b 1 parent-stopped", "exit a 1 parent-stopped", "exit worker 1 stopped"];
    assert_eq!(it.log_after(before), expected);
}

#[tokio::test(start_paused = true)]
async fn the_state_and_the_events_of_an_ended_child_can_be_read() {
    let it = supervised(MockRuntime::new()).await;
    let child = it.guest.spawn("worker", None).await.unwrap();
    assert_eq!(it.guest.get_child_state(&child).await.unwrap(), None);
    it.runtime.set_state(id(&child), "last");
    it.runtime.crash(id(&child), theater_testkit::crash());
    assert_eq!(it.guest.get_child_state(&child).await.unwrap().as_deref(), Some(&b"last"[..]));
    let kinds = it.guest.get_child_events(&child).await.unwrap();
    assert_eq!(kinds, ["theater/genesis", "theater/started", "theater/exited"]);
    let SupervisorOutcome::Events { count: 3, head: Some(head) } =
        outcome(it.records().await.last().unwrap())
    else {
        panic!("the record says how many events were read, and the last one's hash")
    };
    let events = it.runtime.events(Authority::Operator, id(&child), EventRange::ALL).await.unwrap();
    assert_eq!(head, events[2].hash);
}

#[tokio::test(start_paused = true)]
async fn functions_of_a_host_that_was_not_started_act_directly_and_no_rule_answers() {
    let runtime = MockRuntime::new();
    let parent = runtime.root();
    let guest = unsupervised(&runtime, parent).await;
    let one = guest.spawn("permanent", None).await.unwrap();
    let two = guest.resume("worker", Some(b"kept")).await.unwrap();
    assert_eq!(guest.list_children().await.unwrap(), [one.clone(), two.clone()]);
    guest.restart_child(&two).await.unwrap();
    assert_eq!(guest.get_child_state(&two).await.unwrap().as_deref(), Some(&b"kept"[..]));
    assert_eq!(guest.get_child_events(&two).await.unwrap().len(), 4);
    runtime.crash(id(&one), theater_testkit::crash());
    settle().await;
    assert_eq!(guest.list_children().await.unwrap(), std::slice::from_ref(&two));
    guest.stop_child(&two).await.unwrap();
    assert_eq!(guest.spawn("hang", None).await.unwrap_err(), "Actor error: spawn did not end within 10s");
    assert_eq!(runtime.records(parent), 2, "the start that was given up has left nothing");
    assert_eq!(records(&runtime, parent).await.len(), 18);
}

#[tokio::test(start_paused = true)]
async fn optional_exports_may_be_missing_and_one_of_a_wrong_type_is_an_error() {
    let runtime = MockRuntime::new();
    let parent = runtime.root();
    let host = SupervisorHost::builder().build();
    host.add_export_functions(&mut FakeGuest::new(&runtime, parent)).await.unwrap();
    let mut right = FakeGuest::new(&runtime, parent).export("handle-child-error", true);
    host.add_export_functions(&mut right).await.unwrap();
    let mut wrong = FakeGuest::new(&runtime, parent).export("handle-child-exit", false);
    let error = host.add_export_functions(&mut wrong).await.unwrap_err();
    assert!(matches!(error, SupervisorError::HandlerError(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_host_runs_once() {
    let runtime = MockRuntime::new();
    let handle = ActorHandle::new(runtime.root(), Arc::new(runtime.clone()));
    let host = SupervisorHost::builder().build();
    let (shutdown, receiver) = ShutdownController::new();
    let first = tokio::spawn(host.start(handle.clone(), receiver.clone()));
    let second = host.start(handle, receiver).await.unwrap_err();
    assert!(matches!(second, SupervisorError::HandlerError(_)), "{second}");
    shutdown.shutdown();
    first.await.unwrap().unwrap();
}
