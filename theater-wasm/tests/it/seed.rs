//! The seven functions, each promise of their documentation, called by a real guest.

use theater_core::{ActorRuntime, ActorStatus, Authority, EventKind, ExitReason};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn spawn_answers_after_init_with_the_id_of_a_running_child() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 40").await;

    let info = runtime.info(Authority::Parent(parent), child).await.unwrap();
    assert_eq!((info.status, info.parent), (ActorStatus::Running, Some(parent)));
    assert_eq!(ask(&runtime, child, "add 2").await, "42");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn spawn_reports_the_real_error_of_init_and_leaves_nothing() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    for (start, expected) in
        [("fail-init", "init failed"), ("trap-init", "trapped"), ("spin-init", "timed out")]
    {
        let answer = ask(&runtime, parent, &format!("spawn worker.toml {start}")).await;
        assert!(answer.starts_with("error: ") && answer.contains(expected), "{start}: {answer}");
    }
    assert_eq!(ask(&runtime, parent, "list").await, "");
    assert!(runtime.children(parent).await.unwrap().is_empty());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resume_puts_the_state_in_place_without_calling_init() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let first = spawn_child(&runtime, parent, "worker.toml 5").await;
    ask(&runtime, first, "add 10").await;
    let kept = ask(&runtime, parent, &format!("state {first}")).await;
    assert_eq!(ask(&runtime, parent, &format!("stop {first}")).await, "ok");

    let answer = ask(&runtime, parent, &format!("resume worker.toml {kept}")).await;
    let second: theater_core::ActorId = answer.parse().unwrap_or_else(|_| panic!("{answer}"));
    assert_ne!(first, second);
    assert_eq!(ask(&runtime, second, "total").await, "15");
    let called: Vec<_> = events(&runtime, second).await.iter().map(|event| event.header.kind).collect();
    assert_eq!(called[..2], [EventKind::GENESIS, EventKind::STARTED]);
    assert!(state(&runtime, second).await.unwrap().starts_with("total=15\n"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn list_children_names_the_live_children_in_start_order() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let mut children = Vec::new();
    for _ in 0..5 {
        children.push(spawn_child(&runtime, parent, "worker.toml").await);
    }
    ask(&runtime, parent, &format!("stop {}", children.remove(2))).await;
    ask(&runtime, parent, &format!("restart {}", children[0])).await;
    let expected: Vec<_> = children.iter().map(ToString::to_string).collect();
    assert_eq!(ask(&runtime, parent, "list").await, expected.join("\n"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restart_keeps_id_chain_and_last_good_state() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 7").await;
    ask(&runtime, child, "add 1").await;
    let before = events(&runtime, child).await;

    assert_eq!(ask(&runtime, parent, &format!("restart {child}")).await, "ok");

    let info = runtime.info(Authority::Parent(parent), child).await.unwrap();
    assert_eq!((info.incarnation.0, info.status), (2, ActorStatus::Running));
    assert_eq!(ask(&runtime, child, "total").await, "8");
    let after = events(&runtime, child).await;
    assert_eq!(after[..before.len()], before, "the chain goes on, it is not begun again");
    theater_chain::verify(&after).unwrap();
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_failed_can_be_read_and_started_again_by_its_parent() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 7").await;
    ask_err(&runtime, child, "crash").await;
    assert!(matches!(exit_of(&runtime, child).await, ExitReason::Trapped { .. }));

    assert!(ask(&runtime, parent, &format!("state {child}")).await.starts_with("total=7\n"));
    assert!(ask(&runtime, parent, &format!("events {child}")).await.contains("theater/exited"));
    assert_eq!(ask(&runtime, parent, "list").await, "");
    assert_eq!(ask(&runtime, parent, &format!("restart {child}")).await, "ok");
    assert_eq!(ask(&runtime, child, "total").await, "7");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_the_child_and_everything_below_it_latest_first() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let middle = spawn_child(&runtime, parent, "supervisor.toml").await;
    let first = spawn_child(&runtime, middle, "worker.toml").await;
    let second = spawn_child(&runtime, middle, "worker.toml").await;
    let mut watch = runtime.watch();

    assert_eq!(ask(&runtime, parent, &format!("stop {middle}")).await, "ok");

    let mut order = Vec::new();
    while let Some(theater_wasm::Watched::Event(event)) = watch.try_next() {
        if let theater_wasm::LifecycleKind::Exited { .. } = event.kind {
            order.push(event.actor);
        }
    }
    assert_eq!(order, [second, first, middle]);
    assert_eq!(ask(&runtime, parent, "list").await, "");
    assert_eq!(
        ask(&runtime, parent, &format!("stop {middle}")).await,
        "ok",
        "stopping what has ended is no error"
    );
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_child_state_of_a_busy_child_does_not_wait_for_it() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker-patient.toml 3").await;
    runtime.send(child, "spin").await.unwrap();

    let started = std::time::Instant::now();
    assert!(ask(&runtime, parent, &format!("state {child}")).await.starts_with("total=3\n"));
    assert!(ask(&runtime, parent, &format!("events {child}")).await.contains("theater/call"));
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "{:?}", started.elapsed());
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_child_events_is_chronological_linked_and_verifies() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml").await;
    ask(&runtime, child, "add 1").await;
    ask(&runtime, child, "add 1").await;

    let seen = ask(&runtime, parent, &format!("events {child}")).await;
    let mut previous = "-".to_owned();
    for line in seen.lines() {
        let mut fields = line.split_whitespace();
        let (_kind, hash, parent_hash) = (fields.next(), fields.next().unwrap(), fields.next().unwrap());
        assert_eq!(parent_hash, previous, "{seen}");
        previous = hash.to_owned();
    }
    let stored = events(&runtime, child).await;
    assert_eq!(seen.lines().count(), stored.len());
    assert!(stored.windows(2).all(|pair| pair[0].header.time <= pair[1].header.time));
    let head = theater_chain::verify(&stored).unwrap();
    assert_eq!(head.hash.to_string(), previous);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_child_that_crashes_is_restarted_by_the_rule_with_its_last_good_state() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker-permanent.toml 20").await;
    ask(&runtime, child, "add 1").await;

    let error = ask_err(&runtime, child, "crash").await;
    assert!(error.to_string().contains("trapped"), "{error}");

    assert_eq!(ask(&runtime, child, "total").await, "21", "the mailbox is kept across the restart");
    assert_eq!(runtime.info(Authority::Operator, child).await.unwrap().incarnation.0, 2);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_whose_child_crashes_too_often_gives_up_with_its_own_reason() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let other = spawn_child(&runtime, parent, "worker.toml").await;
    let child = spawn_child(&runtime, parent, "worker-permanent.toml").await;
    // supervisor.toml allows fewer than this many within its period.
    for _ in 0..20 {
        if runtime.request(child, "crash").await.is_err_and(|error| {
            matches!(error, theater_core::ActorError::Ended { reason: ExitReason::ParentStopped, .. })
        }) {
            break;
        }
    }
    let reason = exit_of(&runtime, parent).await;
    assert!(matches!(&reason, ExitReason::Escalated { child: culprit, .. } if *culprit == child), "{reason}");
    assert!(exit_of(&runtime, other).await.is_requested());
    runtime.shutdown().await;
}
