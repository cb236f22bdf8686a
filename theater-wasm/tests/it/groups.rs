//! Group restarts and the restart of supervisors, on real components: what is kept, and who hears of it.

use theater_core::{ActorError, ActorRuntime, Authority, RestartFrom, StopMode};
use theater_wasm::WasmRuntime;

use crate::support::{ask, ask_err, events, eventually, exit_of, root, state};
use crate::tree::{app, descendant, incarnation, live, verify_chains, with_files};

const BY: Authority = Authority::Operator;

/// A supervising guest over workers of these names.
fn desk(rules: &str, ids: &[&str]) -> WasmRuntime {
    let children: String =
        ids.iter().map(|id| format!("[[children]]\nid = \"{id}\"\nmanifest = \"worker.toml\"\n")).collect();
    app(&format!(
        "name = \"desk\"\ncomponent = \"supervisor.wasm\"\n\
         handlers = [{{ type = \"message-server\" }}, {{ type = \"supervisor\" }}]\n[supervision]\n{rules}\n{children}"
    ))
}

async fn runs(runtime: &WasmRuntime, id: theater_core::ActorId, life: u64) {
    eventually("it runs", || async {
        let info = runtime.info(BY, id).await.expect("a record");
        let running = info.status == theater_core::ActorStatus::Running && info.incarnation.0 == life;
        running.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guest_hears_once_of_each_end_in_a_group_restart() {
    let runtime = desk("strategy = \"one-for-all\"\nintensity = 9", &["a", "b", "c"]);
    let desk = root(&runtime, "app.toml").await;
    let ids: Vec<_> = live(&runtime, desk).await.iter().map(|child| child.id).collect();
    ask_err(&runtime, ids[1], "crash").await;
    runs(&runtime, ids[2], 2).await;
    let heard = eventually("three notices", || async {
        let text = ask(&runtime, desk, "notices").await;
        (text.lines().count() >= 3).then_some(text)
    })
    .await;
    let mut lines: Vec<_> = heard.lines().map(ToOwned::to_owned).collect();
    assert!(lines.remove(0).starts_with(&format!("error {}", ids[1])), "{heard}");
    lines.sort();
    let mut expected = [ids[0], ids[2]].map(|id| format!("external-stop {id}"));
    expected.sort();
    assert!(lines.iter().zip(&expected).all(|(line, start)| line.starts_with(start)), "{heard}");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(ask(&runtime, desk, "notices").await, heard, "once");
    runtime.shutdown().await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guests_own_restart_and_stop_of_a_declared_child_are_not_answered_by_the_rules() {
    let runtime = desk("intensity = 0", &["a", "b"]);
    let desk = root(&runtime, "app.toml").await;
    let ids: Vec<_> = live(&runtime, desk).await.iter().map(|child| child.id).collect();
    ask(&runtime, ids[0], "add 4").await;
    assert_eq!(ask(&runtime, desk, &format!("restart {}", ids[0])).await, "ok");
    assert_eq!(incarnation(&runtime, ids[0]).await, 2);
    assert_eq!(ask(&runtime, ids[0], "total").await, "4");
    assert_eq!(ask(&runtime, desk, &format!("stop {}", ids[1])).await, "ok");
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(live(&runtime, desk).await.len(), 1, "a permanent child that was stopped stays so");
    assert_eq!(ask(&runtime, desk, &format!("restart {}", ids[1])).await, "ok", "until it is restarted");
    assert_eq!(ask(&runtime, desk, "notices").await, "", "its own doings are no news to it");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_actor_takes_messages_and_its_next_life_handles_them() {
    let runtime = desk("intensity = 9", &["a"]);
    let desk = root(&runtime, "app.toml").await;
    let child = descendant(&runtime, desk, &[0]).await;
    ask(&runtime, child, "add 1").await;
    // Away from its supervisor, which would restart it.
    let lone = runtime.spawn(theater_core::SpawnRequest::new(None, "worker.toml")).await.unwrap().id;
    ask(&runtime, lone, "add 1").await;
    runtime.halt(BY, lone, StopMode::Kill).await.unwrap();
    runtime.send(lone, "add 5").await.expect("it will be started again");
    runtime.restart(BY, lone, RestartFrom::LastGood).await.unwrap();
    assert_eq!(ask(&runtime, lone, "total").await, "6");

    runtime.halt(BY, lone, StopMode::Kill).await.unwrap();
    let waiting = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.request(lone, "total").await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    runtime.stop(BY, lone, StopMode::Kill).await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, ActorError::Ended { .. }), "a stop makes it final: {error}");
    assert!(runtime.send(lone, "add 5").await.is_err());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_that_is_restarted_starts_its_declared_children_as_new_actors() {
    let runtime = desk("intensity = 9", &["a", "b"]);
    let desk = root(&runtime, "app.toml").await;
    let before: Vec<_> = live(&runtime, desk).await.iter().map(|child| child.id).collect();
    ask(&runtime, before[0], "add 3").await;
    runtime.restart(BY, desk, RestartFrom::LastGood).await.unwrap();
    let after: Vec<_> = live(&runtime, desk).await.iter().map(|child| child.id).collect();
    assert_eq!(after.len(), 2, "they run when the restart is answered");
    assert!(before.iter().all(|id| !after.contains(id)));
    assert_eq!(ask(&runtime, after[0], "total").await, "0");
    assert!(state(&runtime, before[0]).await.unwrap().starts_with("total=3\n"), "the former stay readable");
    assert_eq!(exit_of(&runtime, before[1]).await.name(), "parent-stopped");
    assert!(events(&runtime, before[0]).await.len() > 3);
    runtime.shutdown().await;
    verify_chains(&runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_child_that_hangs_in_its_init_fails_its_supervisors_start_by_its_own_limit() {
    let text = "name = \"desk\"\ncomponent = \"supervisor.wasm\"\n\
        handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }]\n\
        [[children]]\nid = \"slow\"\ncomponent = \"worker.wasm\"\ninit_state = \"state\"\n\
        handlers = [{ type = \"message-server\" }]\nlimits = { call_deadline = \"400ms\" }\n";
    let runtime = with_files(text, &[("state", "spin-init")]);
    let mut exits = runtime.exits(None);
    let starting = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.spawn(theater_core::SpawnRequest::new(None, "app.toml")).await }
    });
    let error = starting.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("child `slow` did not start"), "{error}");
    assert!(error.to_string().contains("timed out"), "{error}");
    assert!(exits.try_next().is_none(), "a first start that fails tells nobody but its caller");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedding_program_has_otps_calls_to_every_supervisor() {
    let runtime = desk("intensity = 0", &["a", "b"]);
    let desk = root(&runtime, "app.toml").await;
    let supervisor = runtime.supervisor(desk).unwrap();
    let ids = |children: &[theater_supervisor::ChildView]| -> Vec<String> {
        children.iter().map(|child| child.id.as_ref().map(ToString::to_string).unwrap_or_default()).collect()
    };
    assert_eq!(ids(&supervisor.which_children().await.unwrap()), ["b", "a"], "latest start first");
    let worker = theater_core::SpawnRequest::new(None, "worker.toml");
    let spec = theater_core::ChildSpec::new(theater_core::RestartPolicy::Permanent);
    let third = supervisor.start_child("c", spec, worker).await.unwrap().unwrap();
    assert_eq!(ask(&runtime, third, "add 2").await, "2");
    supervisor.terminate_child("a").await.unwrap();
    let counts = supervisor.count_children().await.unwrap();
    assert_eq!((counts.specs, counts.active), (3, 2));
    supervisor.restart_child("a").await.unwrap();
    assert!(supervisor.delete_child("a").await.is_err(), "it runs");
    supervisor.terminate_child("a").await.unwrap();
    supervisor.delete_child("a").await.unwrap();
    assert_eq!(ids(&supervisor.which_children().await.unwrap()), ["c", "b"]);
    eventually("the record is gone, too", || async {
        (runtime.children(desk).await.unwrap().len() == 2).then_some(())
    })
    .await;
    assert!(matches!(runtime.supervisor(third), Err(ActorError::Unsupported { .. })));
    runtime.shutdown().await;
    assert!(matches!(runtime.supervisor(desk), Err(ActorError::Ended { .. })));
    assert!(supervisor.count_children().await.is_err());
    verify_chains(&runtime).await;
}
