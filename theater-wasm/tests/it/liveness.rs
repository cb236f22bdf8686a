//! One stuck actor delays nobody, and nothing waits for itself.

use std::time::{Duration, Instant};

use theater_core::{ActorError, ActorRuntime, Authority, ExitReason, StopMode};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_spin_on_every_core_delay_nobodys_timers_or_calls() {
    let runtime = runtime();
    let quiet = root(&runtime, "worker.toml").await;
    let mut spinning = Vec::new();
    for _ in 0..4 {
        let spinner = root(&runtime, "worker-patient.toml").await;
        runtime.send(spinner, "spin").await.unwrap();
        spinning.push(spinner);
    }
    let mut latest = Duration::ZERO;
    for _ in 0..50 {
        let due = Instant::now() + Duration::from_millis(5);
        tokio::time::sleep(Duration::from_millis(5)).await;
        latest = latest.max(due.elapsed());
        ask(&runtime, quiet, "add 1").await;
    }
    // With wasmtime's own yield this is 60 ms at the median and 600 ms with 10 ms ticks.
    assert!(latest < Duration::from_millis(250), "a timer fired {latest:?} late");
    assert_eq!(ask(&runtime, quiet, "total").await, "50");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_tree_stops_within_its_deadline_although_children_ignore_it() {
    let runtime = runtime_with(|config| config.shutdown_deadline = Duration::from_millis(500));
    let parent = root(&runtime, "supervisor.toml").await;
    let mut children = Vec::new();
    for _ in 0..3 {
        let child = spawn_child(&runtime, parent, "worker-patient.toml").await;
        runtime.send(child, "spin").await.unwrap();
        children.push(child);
    }
    let idle = spawn_child(&runtime, parent, "worker.toml").await;
    let started = Instant::now();
    runtime.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    for child in children {
        assert!(matches!(exit_of(&runtime, child).await, ExitReason::Killed | ExitReason::ParentStopped));
    }
    assert!(exit_of(&runtime, idle).await.is_clean());
    assert!(matches!(exit_of(&runtime, parent).await, ExitReason::Stopped | ExitReason::Killed));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_does_not_wait_for_a_guest_that_spins_nor_for_a_stop_that_does() {
    let runtime = std::sync::Arc::new(runtime());
    let id = root(&runtime, "worker-patient.toml").await;
    ask(&runtime, id, "total").await;
    runtime.send(id, "spin").await.unwrap();
    eventually("it spins", || async {
        let calls = events(&runtime, id).await;
        calls.iter().any(|event| event.payload.ends_with(b"spin")).then_some(())
    })
    .await;
    // Its chain has the message when the mailbox does. Whoever spins has taken it out.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let patient = tokio::spawn({
        let runtime = runtime.clone();
        async move { runtime.stop(Authority::Operator, id, StopMode::Infinity).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    assert_eq!(runtime.stop(Authority::Operator, id, StopMode::Kill).await.unwrap(), ExitReason::Killed);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(patient.await.unwrap().unwrap(), ExitReason::Killed);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_on_oneself_and_on_ancestors_are_refused_at_once() {
    let runtime = runtime();
    let top = root(&runtime, "supervisor.toml").await;
    let middle = spawn_child(&runtime, top, "supervisor.toml").await;
    let started = Instant::now();
    for target in [middle, top] {
        for operation in ["stop", "restart", "state", "events"] {
            let answer = ask(&runtime, middle, &format!("{operation} {target}")).await;
            assert!(answer.starts_with("error: Actor error: not a child"), "{operation}: {answer}");
        }
    }
    let answer = ask(&runtime, middle, &format!("ask {middle} list")).await;
    assert!(answer.contains("would deadlock"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(ask(&runtime, top, "list").await, middle.to_string());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_requests_end_with_a_typed_error() {
    let runtime = runtime();
    let one = root(&runtime, "supervisor.toml").await;
    let other = root(&runtime, "supervisor.toml").await;
    // `one` asks `other`, which asks `one`, which is still waiting.
    let answer = ask(&runtime, one, &format!("ask {other} ask {one} list")).await;
    assert!(answer.contains("would deadlock"), "{answer}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_asks_the_parent_which_waits_for_it_is_refused() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let started = Instant::now();
    let answer = ask(&runtime, parent, &format!("spawn worker.toml ask-init {parent}")).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(answer.contains("would deadlock"), "{answer}");
    assert_eq!(ask(&runtime, parent, "list").await, "");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_nobody_waits_for_any_more_leaves_nothing_running() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let request = theater_core::SpawnRequest::new(Some(parent), "worker-patient.toml")
        .start(theater_core::StartFrom::Init(Some("spin-init".into())));
    let spawned = tokio::time::timeout(Duration::from_millis(100), runtime.spawn(request)).await;
    assert!(spawned.is_err(), "init loops");
    eventually("the child is gone", || async {
        runtime.children(parent).await.unwrap().is_empty().then_some(())
    })
    .await;
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_operations_on_one_actor_take_effect_one_after_the_other() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 1").await;
    let by = Authority::Parent(parent);
    let restarts = (0..8).map(|_| {
        let runtime = runtime.clone();
        tokio::spawn(async move { runtime.restart(by, child, Default::default()).await })
    });
    let mut lives = Vec::new();
    for restart in restarts.collect::<Vec<_>>() {
        lives.push(restart.await.unwrap().unwrap().incarnation.0);
    }
    lives.sort_unstable();
    assert_eq!(lives, (2..=9).collect::<Vec<_>>());
    assert_eq!(ask(&runtime, child, "total").await, "1");
    theater_chain::verify(&events(&runtime, child).await).unwrap();
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_completes_takes_its_descendants_with_it() {
    let runtime = runtime();
    let top = root(&runtime, "supervisor.toml").await;
    let middle = spawn_child(&runtime, top, "supervisor.toml").await;
    let leaf = spawn_child(&runtime, middle, "worker.toml").await;
    runtime.send(middle, "quit done").await.ok();
    let answer = runtime.request(middle, "quit done").await;
    drop(answer);
    assert!(matches!(exit_of(&runtime, middle).await, ExitReason::Completed { .. }));
    assert!(exit_of(&runtime, leaf).await.is_requested());
    assert!(matches!(
        runtime.request(leaf, "total").await.unwrap_err(),
        ActorError::Ended { .. } | ActorError::UnknownActor { .. }
    ));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_hears_in_order_and_one_that_does_not_listen_is_told_what_it_missed_and_holds_up_nobody() {
    use theater_wasm::{LifecycleKind, Watched};
    let runtime = runtime_with(|config| config.watch_capacity = 64);
    let actor = root(&runtime, "supervisor.toml").await;
    let (mut listening, mut deaf) = (runtime.watch(), runtime.watch());
    for n in 0..200 {
        assert_eq!(ask(&runtime, actor, &format!("log {n}")).await, "ok");
        let Some(Watched::Event(event)) = listening.next().await else { panic!("it was told of {n}") };
        let LifecycleKind::Log { message } = event.kind else { panic!("{:?}", event.kind) };
        assert_eq!(message, n.to_string());
    }
    assert_eq!(deaf.next().await, Some(Watched::Gap(200 - 64)));
    let Some(Watched::Event(event)) = deaf.next().await else { panic!("the rest is there") };
    assert!(matches!(&event.kind, LifecycleKind::Log { message } if message == "136"), "{:?}", event.kind);
    runtime.shutdown().await;
}
