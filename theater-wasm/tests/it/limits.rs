//! Each limit ends in its own exit reason or refusal; last good state, chain and siblings are untouched.

use std::time::{Duration, Instant};

use theater_core::{ActorError, ExitReason, LimitError};

use crate::support::*;

/// The worker's `command` ends it with a reason that `expected` accepts; everything else stays.
async fn ends(command: &str, expected: fn(&ExitReason) -> bool) {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 5").await;
    let sibling = spawn_child(&runtime, parent, "worker.toml 6").await;

    let started = Instant::now();
    let error = ask_err(&runtime, child, command).await;
    let ActorError::Ended { reason, .. } = &error else { panic!("{command}: {error}") };
    assert!(expected(reason), "{command}: {reason:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{command}: {:?}", started.elapsed());

    assert_eq!(exit_of(&runtime, child).await, *reason);
    assert!(ask(&runtime, parent, &format!("state {child}")).await.starts_with("total=5\n"));
    theater_chain::verify(&events(&runtime, child).await).expect("a sound chain");
    assert_eq!(ask(&runtime, sibling, "total").await, "6");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_traps_with_the_guests_stack() {
    ends("crash", |reason| matches!(reason, ExitReason::Trapped { backtrace, .. } if !backtrace.is_empty()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_code_traps() {
    ends("abort", |reason| matches!(reason, ExitReason::Trapped { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_recursion_traps_and_does_not_harm_the_process() {
    ends("recurse", |reason| matches!(reason, ExitReason::Trapped { .. })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_times_out() {
    ends("spin", |reason| *reason == ExitReason::TimedOut { limit: Duration::from_millis(300) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_growth_runs_out_of_memory() {
    ends("grow", |reason| *reason == ExitReason::OutOfMemory { limit: 8 << 20 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_above_its_limit_is_not_taken() {
    ends("state 70000", |reason| *reason == ExitReason::StateTooLarge { size: 70_000, limit: 65_536 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_above_the_message_limit_ends_whoever_gave_it() {
    ends("reply 70000", |reason| *reason == ExitReason::MessageTooLarge { size: 70_000, limit: 65_536 })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_above_its_limit_ends_whoever_it_is_about_and_a_message_is_refused() {
    let runtime = runtime();
    let worker = root(&runtime, "worker-small-events.toml").await;
    let error = runtime.request(worker, vec![b'x'; 20_000]).await.unwrap_err();
    assert!(matches!(error, ActorError::Limit(LimitError::Event { limit: 16_384, .. })), "{error}");
    assert_eq!(ask(&runtime, worker, "total").await, "0", "the receiver notices nothing");
    let error = runtime.request(worker, "reply 20000").await.unwrap_err();
    assert!(
        matches!(error, ActorError::Ended { reason: ExitReason::EventTooLarge { limit: 16_384, .. }, .. }),
        "{error}"
    );
    theater_chain::verify(&events(&runtime, worker).await).unwrap();
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_above_its_limit_is_refused_and_nobody_notices() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 5").await;
    let error = runtime.request(child, vec![b'x'; 70_000]).await.unwrap_err();
    assert!(
        matches!(error, ActorError::Limit(LimitError::Message { size: 70_000, limit: 65_536 })),
        "{error}"
    );
    assert_eq!(ask(&runtime, child, "total").await, "5");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_refuses_the_sender_or_ends_the_receiver_as_the_manifest_says() {
    let runtime = runtime();
    let refusing = root(&runtime, "worker-small-mailbox.toml").await;
    let mut refused = 0;
    runtime.send(refusing, "spin").await.unwrap();
    for _ in 0..20 {
        match runtime.send(refusing, "add 1").await {
            Ok(()) => {}
            Err(ActorError::Limit(LimitError::Mailbox { limit: 4 })) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused >= 15, "{refused}");

    let exiting = root(&runtime, "worker-mailbox-exit.toml").await;
    runtime.send(exiting, "spin").await.unwrap();
    while runtime.send(exiting, "add 1").await.is_ok() {}
    assert_eq!(exit_of(&runtime, exiting).await, ExitReason::MailboxOverflow { limit: 4 });
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_with_all_its_children_gets_a_typed_refusal() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor-two-children.toml").await;
    let first = spawn_child(&runtime, parent, "worker.toml").await;
    spawn_child(&runtime, parent, "worker.toml").await;
    let answer = ask(&runtime, parent, "spawn worker.toml").await;
    assert_eq!(answer, "error: Actor error: too many children: limits.children is 2");
    ask(&runtime, parent, &format!("stop {first}")).await;
    spawn_child(&runtime, parent, "worker.toml").await;
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_is_too_deep_gets_a_typed_refusal() {
    let runtime = runtime_with(|config| config.max_depth = 3);
    let mut parent = root(&runtime, "supervisor.toml").await;
    for _ in 0..2 {
        parent = spawn_child(&runtime, parent, "supervisor.toml").await;
    }
    let answer = ask(&runtime, parent, "spawn worker.toml").await;
    assert_eq!(answer, "error: Actor error: supervision tree too deep: at most 3 levels");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_as_long_as_it_may_be_takes_no_more_messages_and_loses_none() {
    let manifest = "name = \"app\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n\
        [chain]\nwarn_events = 100\nmax_events = 110\n";
    let runtime = crate::tree::app(manifest);
    let worker = root(&runtime, "app.toml").await;
    let mut added = 0;
    let error = loop {
        match runtime.request(worker, "add 1").await {
            Ok(_) => added += 1,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, ActorError::Limit(LimitError::ChainEvents { length: 110, limit: 110 })),
        "{error}"
    );
    let state = crate::support::state(&runtime, worker).await.expect("a state");
    assert!(state.starts_with(&format!("total={added}\n")), "{state} after {added}");
    assert_eq!(added, 53, "genesis, start, init and its return, and two events for each request");
    runtime.shutdown().await;

    let bytes = manifest.replace("warn_events = 100\nmax_events = 110", "max_bytes = \"4KiB\"");
    let runtime = crate::tree::app(&bytes);
    let worker = root(&runtime, "app.toml").await;
    let error = loop {
        if let Err(error) = runtime.send(worker, "add 1").await {
            break error;
        }
    };
    assert!(matches!(error, ActorError::Limit(LimitError::ChainBytes { limit: 4_096, .. })), "{error}");
    runtime.shutdown().await;
}
