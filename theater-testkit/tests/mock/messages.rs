//! Mailboxes, reactions and acts.

use super::*;
use theater_testkit::log::What;
use theater_testkit::{Act, HostCall};

/// The messages of a kind, by their numbers.
fn numbers(mock: &MockRuntime, pick: impl Fn(&What) -> Option<u64>) -> Vec<u64> {
    mock.log().entries().iter().filter_map(|entry| pick(&entry.what)).collect()
}

fn handled(mock: &MockRuntime) -> Vec<u64> {
    numbers(mock, |what| match what {
        What::MessageHandled { message, .. } => Some(*message),
        _ => None,
    })
}

fn returned(mock: &MockRuntime) -> Vec<u64> {
    numbers(mock, |what| match what {
        What::MessageReturned { message } => Some(*message),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn an_actor_does_with_a_message_what_its_program_says() {
    let program = permanent()
        .on("remember", Act::SetState("kept".into()))
        .on("crash", Act::Crash)
        .on("finish", Act::Complete(None));
    let mock = MockRuntime::new().program("worker", program);
    let id = mock.spawn(SpawnRequest::new(None, "worker")).await.unwrap().id;
    mock.send(id, "remember").unwrap();
    mock.send(id, "what is this?").unwrap();
    mock.settle(100).await.unwrap();
    assert_eq!(mock.tree().find(id).unwrap().state.as_deref(), Some(&b"kept"[..]));
    mock.send(id, "crash").unwrap();
    mock.settle(100).await.unwrap();
    assert_eq!(mock.history().last().unwrap(), "exit worker 1 trapped");
    assert_eq!(handled(&mock).len(), 3);
    mock.send(id, "remember").unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn messages_wait_while_an_actor_is_busy_and_survive_its_restart() {
    let program = permanent().on("busy", Act::Busy(SECOND)).on("crash", Act::Crash);
    let mock = MockRuntime::new().program("worker", program);
    let root = mock.root();
    mock.supervise(root, rules(Strategy::OneForOne));
    let id = spawn(&mock, root, "worker").await;
    for message in ["busy", "crash", "after", "busy"] {
        mock.send(id, message).unwrap();
    }
    mock.settle(100).await.unwrap();
    assert_eq!(handled(&mock).len(), 1, "it is busy");
    mock.advance(2 * SECOND).await.unwrap();
    assert_eq!(handled(&mock).len(), 4, "{}", mock.log());
    assert!(returned(&mock).is_empty());
    expect(&mock.log()).in_order([exited("worker"), started("worker").life(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_nobody_will_handle_and_a_halt_keeps_it() {
    for (halt, kept) in [(false, 0), (true, 1)] {
        let program = permanent().on("busy", Act::Busy(SECOND));
        let mock = MockRuntime::new().program("worker", program);
        let id = mock.spawn(SpawnRequest::new(None, "worker")).await.unwrap().id;
        mock.send(id, "busy").unwrap();
        mock.settle(100).await.unwrap();
        mock.send(id, "later").unwrap();
        if halt {
            mock.halt(Authority::Operator, id, StopMode::Kill).await.unwrap();
        } else {
            mock.stop(Authority::Operator, id, StopMode::Kill).await.unwrap();
        }
        assert_eq!((handled(&mock).len(), returned(&mock).len()), (1, 1 - kept));
        mock.restart(Authority::Operator, id, theater_core::RestartFrom::LastGood).await.unwrap();
        mock.settle(100).await.unwrap();
        assert_eq!(handled(&mock).len(), 1 + kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_calls_the_seven_functions_and_the_log_has_them() {
    let mock = MockRuntime::new();
    let root = mock.root();
    mock.supervise(root, rules(Strategy::OneForOne));
    mock.act(root, Act::Call(HostCall::Spawn { manifest: "worker".into(), init: None })).await.unwrap();
    let child = mock.tree().find(root).unwrap().children[0].info.id.to_string();
    let guest = mock.guest(root);
    assert_eq!(guest.list_children().await.unwrap(), std::slice::from_ref(&child));
    guest.restart_child(&child).await.unwrap();
    guest.stop_child(&child).await.unwrap();
    guest.get_child_state(&child).await.unwrap();
    guest.get_child_events(&child).await.unwrap();
    guest.resume("worker", Some(b"state")).await.unwrap();
    let called: Vec<_> = mock
        .log()
        .entries()
        .iter()
        .filter_map(|entry| match &entry.what {
            What::HostCalled { function, .. } => Some(*function),
            _ => None,
        })
        .collect();
    assert_eq!(
        called,
        [
            "spawn",
            "list-children",
            "restart-child",
            "stop-child",
            "get-child-state",
            "get-child-events",
            "resume"
        ]
    );
    let answered = mock.log().filter(|entry| matches!(entry.what, What::HostAnswered { answer: Ok(_), .. }));
    assert_eq!(answered.len(), 7);
}
