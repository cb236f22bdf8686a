//! Names that actors register: one actor's each, across lives, until it has ended for good.

use theater_core::event::payload::{HostCall, Started, decode};
use theater_core::{ActorError, ActorRuntime, Authority, EventKind, RestartFrom, SpawnRequest};

use crate::revive::{SUPERVISOR, app, revive};
use crate::support::*;
use crate::tree::{descendant, incarnation, with_files};

/// A manifest of this guest that registers this name.
fn named(guest: &str, name: &str) -> String {
    format!(
        "name = \"{guest}\"\ncomponent = \"{guest}.wasm\"\nregister = \"{name}\"\n\
        handlers = [{{ type = \"message-server\" }}]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_stands_wherever_a_guest_gives_an_actors_id_and_the_record_says_whose_it_was() {
    let runtime = with_files(&named("chatter", "desk"), &[("other.toml", &named("chatter", "other"))]);
    let (desk, other) = (root(&runtime, "app.toml").await, root(&runtime, "other.toml").await);
    assert_eq!((runtime.whereis("desk"), runtime.whereis("nobody")), (Some(desk), None));
    assert_eq!(ask(&runtime, other, "send desk count").await, "ok");
    assert_eq!(ask(&runtime, other, "ask desk count").await, "2");
    let channel = ask(&runtime, other, "open desk hello").await;
    assert!(channel.starts_with("channel-"), "{channel}");
    assert_eq!(ask(&runtime, other, "ask nobody count").await, "error: no actor `nobody`");
    for kind in [EventKind::SEND, EventKind::REQUEST, EventKind::OPEN_CHANNEL] {
        let events = events(&runtime, other).await;
        let records = events.iter().filter(|event| event.header.kind == kind);
        let records: Vec<HostCall> = records.map(|event| decode(&event.payload).unwrap()).take(2).collect();
        let [HostCall::Called { subject: called, .. }, HostCall::Answered { subject: answered, .. }] =
            &records[..]
        else {
            panic!("{records:?}")
        };
        assert_eq!((called.as_deref(), answered), (Some("desk"), &Some(desk.to_string())));
    }
    let again = runtime.rerun(other, "other.toml").await;
    assert!(again.is_ok(), "{again:?}");
    let info = runtime.info(Authority::Operator, desk).await.unwrap();
    assert_eq!(info.registered.map(String::from).as_deref(), Some("desk"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_refused_before_anything_is_started_and_free_when_its_actor_has_ended_for_good() {
    let runtime = with_files(&named("worker", "desk"), &[]);
    let first = root(&runtime, "app.toml").await;
    let chains = runtime.chain_store().chains().await.unwrap().len();
    let error = runtime.spawn(SpawnRequest::new(None, "app.toml")).await.unwrap_err();
    assert!(matches!(&error, ActorError::NameTaken { name } if name.as_str() == "desk"), "{error}");
    assert!(!error.to_string().contains(&first.to_string()), "whose it is, is not told: {error}");
    assert_eq!(runtime.chain_store().chains().await.unwrap().len(), chains);

    runtime.send(first, "crash").await.unwrap();
    exit_of(&runtime, first).await;
    let second = eventually("the name is free", || async {
        runtime.spawn(SpawnRequest::new(None, "app.toml")).await.ok()
    })
    .await
    .id;
    assert_eq!(runtime.whereis("desk"), Some(second));
    let error = runtime.restart(Authority::Operator, first, RestartFrom::LastGood).await.unwrap_err();
    assert!(matches!(error, ActorError::NameTaken { .. }), "{error}");
    ask(&runtime, second, "quit").await;
    exit_of(&runtime, second).await;
    eventually("the first starts again", || async {
        runtime.restart(Authority::Operator, first, RestartFrom::LastGood).await.ok()
    })
    .await;
    assert_eq!(runtime.whereis("desk"), Some(first));
    runtime.shutdown().await;
    assert_eq!(runtime.whereis("desk"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_the_name_free() {
    let runtime = with_files(&named("worker", "desk"), &[]);
    let failing =
        SpawnRequest::new(None, "app.toml").start(theater_core::StartFrom::Init(Some("fail-init".into())));
    assert!(matches!(runtime.spawn(failing).await.unwrap_err(), ActorError::StartFailed { .. }));
    assert_eq!(runtime.whereis("desk"), None);
    let desk = root(&runtime, "app.toml").await;
    assert_eq!(runtime.whereis("desk"), Some(desk));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_kept_over_restarts_and_when_the_tree_is_brought_back_and_stands_on_the_chain() {
    let manifest = format!(
        "{SUPERVISOR}[[children]]\nid = \"desk\"\ncomponent = \"worker.wasm\"\nregister = \"desk\"\n\
        handlers = [{{ type = \"message-server\" }}]\n"
    );
    let mut app = app(&manifest);
    let (process, top) = app.start().await;
    let desk = descendant(&process, top, &[0]).await;
    process.send(desk, "crash").await.unwrap();
    // Also while it waits for its next life.
    assert_eq!(ask(&process, top, "ask desk add 5").await, "5");
    assert_eq!((process.whereis("desk"), incarnation(&process, desk).await), (Some(desk), 2));
    let process = app.killed(process).await;
    assert_eq!(process.whereis("desk"), None);
    revive(&process).await;
    assert_eq!(process.whereis("desk"), Some(desk));
    assert_eq!(ask(&process, top, "ask desk add 5").await, "10");
    let starts = events(&process, desk).await;
    let starts = starts.iter().filter(|event| event.header.kind == EventKind::STARTED);
    let names: Vec<_> = starts.map(|event| decode::<Started>(&event.payload).unwrap().registered).collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|name| name.as_ref().is_some_and(|name| name.as_str() == "desk")), "{names:?}");
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_template_that_registers_a_name_the_second_spawn_is_refused() {
    let manifest = "name = \"app\"\ncomponent = \"supervisor.wasm\"\n\
        handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }]\n\
        [supervision]\nstrategy = \"simple-one-for-one\"\n\
        [[children]]\nid = \"errand\"\ncomponent = \"worker.wasm\"\nregister = \"errand\"\n\
        handlers = [{ type = \"message-server\" }]\n";
    let runtime = with_files(manifest, &[]);
    let top = root(&runtime, "app.toml").await;
    let first = spawn_child(&runtime, top, "errand").await;
    let answer = ask(&runtime, top, "spawn errand").await;
    assert!(answer.starts_with("error: ") && answer.contains("the name `errand` is registered"), "{answer}");
    assert_eq!(ask(&runtime, top, "list").await, first.to_string());
    assert_eq!(
        ask(&runtime, top, "stop errand").await,
        "error: Actor error: not a child of this actor: `errand` (list-children names its children)"
    );
    runtime.shutdown().await;
}
