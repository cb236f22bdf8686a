//! Guests that mean harm: each ends in its own refusal or exit reason, and nobody else notices.

mod bystander;

use std::time::{Duration, Instant};

use theater_core::{
    ActorError, ActorId, ActorRuntime, Authority, Bytes, EventKind, ExitReason, LimitError, StopMode,
};
use theater_wasm::WasmRuntime;

use crate::support::*;

async fn hostile(runtime: &WasmRuntime) -> ActorId {
    root(runtime, "hostile.toml").await
}

/// The reason for which this message ends a hostile actor. Its chain is sound and its last good state there.
async fn ends_with(message: &str) -> ExitReason {
    let runtime = runtime();
    let actor = hostile(&runtime).await;
    let started = Instant::now();
    let error = ask_err(&runtime, actor, message).await;
    let ActorError::Ended { reason, .. } = error else { panic!("{message}: {error}") };
    assert!(started.elapsed() < Duration::from_secs(10), "{message}: {:?}", started.elapsed());
    theater_chain::verify(&events(&runtime, actor).await).expect("a sound chain");
    assert_eq!(state(&runtime, actor).await, None, "the state before the call");
    runtime.shutdown().await;
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_names_requests_and_channels_of_others_are_refused_by_every_function() {
    let runtime = runtime();
    let (actor, victim) = (hostile(&runtime).await, root(&runtime, "worker.toml").await);
    // Ids of requests are each actor's own, from 0 on: this one is not to be the hostile actor's as well.
    for _ in 0..5 {
        ask(&runtime, victim, "total").await;
    }
    let asking = runtime.clone();
    let open = tokio::spawn(async move { asking.request(victim, "defer").await });
    let request = eventually("a request is outstanding", || async {
        ask(&runtime, victim, "outstanding").await.lines().next().map(ToOwned::to_owned)
    })
    .await;
    let forged = [
        victim.to_string(),
        victim.to_string().to_uppercase(),
        format!("urn:uuid:{victim}"),
        format!("{{{victim}}}"),
        actor.to_string(),
        request,
        "../../etc/passwd".to_owned(),
        "/etc/passwd".to_owned(),
        "store:../../x".to_owned(),
        "https://example.com/x".to_owned(),
        "a\u{0}b".to_owned(),
    ];
    let answer = ask(&runtime, actor, &format!("i{}", forged.join(" "))).await;
    assert_eq!(answer.lines().count(), 10 * forged.len(), "{answer}");
    for line in answer.lines() {
        let (function, said) = line.split_once(' ').expect("a function and what it was told");
        assert!(said.starts_with("error: "), "{line}");
        let expected = match function {
            "stop" | "restart" | "state" | "events" => "not a child of this actor",
            "respond" | "cancel" => "no outstanding request",
            "say" | "close" => "no channel",
            _ => continue,
        };
        assert!(said.contains(expected), "{line}");
    }
    assert_eq!(ask(&runtime, victim, "total").await, "0");
    assert!(!open.is_finished(), "the request is still open");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_children_end_at_the_limit() {
    let runtime = runtime();
    let actor = hostile(&runtime).await;
    let answer = ask(&runtime, actor, "cbare.toml").await;
    assert_eq!(answer, "50 error: Actor error: too many children: limits.children is 50");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawn_recursion_ends_at_the_depth_limit_and_leaves_nothing() {
    let runtime = runtime_with(|config| config.max_depth = 8);
    let actor = hostile(&runtime).await;
    let answer = ask(&runtime, actor, "rhostile.toml").await;
    assert!(answer.contains("supervision tree too deep: at most 8 levels"), "{answer}");
    assert_eq!(runtime.children(actor).await.unwrap().len(), 0);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_billion_bytes_is_refused_or_runs_out_of_memory() {
    let runtime = runtime();
    let actor = hostile(&runtime).await;
    let error = runtime.request(actor, Bytes::from(vec![0; 1_000_000_000])).await.unwrap_err();
    assert!(
        matches!(error, ActorError::Limit(LimitError::Message { size: 1_000_000_000, limit: 65_536 })),
        "{error}"
    );
    assert_eq!(ask(&runtime, actor, "n").await, "ok");
    runtime.shutdown().await;
    let reason = ends_with("mnobody").await;
    assert!(matches!(reason, ExitReason::OutOfMemory { limit } if limit == 8 << 20), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_lie_and_texts_that_are_none_trap() {
    for message in ["Mnobody", "G", "u"] {
        let reason = ends_with(message).await;
        assert!(matches!(reason, ExitReason::Trapped { .. }), "{message}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_is_too_large_and_an_error_that_is_too_long_end_whoever_returns_them() {
    let reason = ends_with("g70000").await;
    assert_eq!(reason, ExitReason::StateTooLarge { size: 70_000, limit: 65_536 });
    let reason = ends_with("x110000").await;
    assert!(matches!(reason, ExitReason::EventTooLarge { limit: 98_304, .. }), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_flood_ends_at_the_deadline_and_a_line_that_is_too_long_at_once() {
    let reason = ends_with("l").await;
    assert_eq!(reason, ExitReason::TimedOut { limit: Duration::from_millis(300) });
    // More than may cross the boundary in one call.
    let reason = ends_with("L").await;
    let ExitReason::Trapped { message, .. } = &reason else { panic!("{reason}") };
    assert!(message.contains("too much data is being copied"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_in_a_message_or_in_init_ends_at_the_deadline() {
    assert_eq!(ends_with("e").await, ExitReason::TimedOut { limit: Duration::from_millis(300) });
    let runtime = runtime();
    let start = theater_core::StartFrom::Init(Some("e".into()));
    let request = theater_core::SpawnRequest::new(None, "hostile.toml").start(start);
    let error = runtime.spawn(request).await.unwrap_err();
    assert!(matches!(error, ActorError::StartFailed { reason: ExitReason::TimedOut { .. } }), "{error}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_of_others_cannot_be_used_and_too_many_of_ones_own_are_refused() {
    let runtime = runtime();
    let actor = hostile(&runtime).await;
    let (one, two) = (root(&runtime, "chatter.toml").await, root(&runtime, "chatter.toml").await);
    let channel = ask(&runtime, one, &format!("open {two} hello")).await;
    let answer = ask(&runtime, actor, &format!("j{channel}")).await;
    let refused = format!("error: no channel `{channel}` of this actor");
    assert_eq!(answer, format!("{refused}\n{refused}"));
    assert_eq!(ask(&runtime, two, "heard").await, format!("open {channel} hello\n"));
    let answer = ask(&runtime, actor, &format!("o{two}")).await;
    assert_eq!(answer, "3 error: too many channels: limits.channels of one of the two ends is 4");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_oneself_is_refused_at_once() {
    let runtime = runtime();
    let actor = hostile(&runtime).await;
    let answer = ask(&runtime, actor, &format!("s{actor}")).await;
    assert_eq!(answer, format!("error: request would deadlock: actor {actor} is waiting for this actor"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_calls_back_while_it_is_stopped_is_refused_and_ends_in_time() {
    for (mode, expected) in [("b", ExitReason::Stopped), ("B", ExitReason::Killed)] {
        let runtime = runtime();
        let (actor, other) = (hostile(&runtime).await, root(&runtime, "ping.toml").await);
        runtime.send(actor, format!("{mode}bare.toml {other}")).await.unwrap();
        eventually("it has begun", || async { (events(&runtime, actor).await.len() > 10).then_some(()) })
            .await;
        let started = Instant::now();
        let grace = StopMode::Graceful(Duration::from_millis(250));
        let reason = runtime.stop(Authority::Operator, actor, grace).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(5), "{mode}: {:?}", started.elapsed());
        assert!(
            reason == expected || matches!(reason, ExitReason::TimedOut { .. }) && mode == "B",
            "{mode}: {reason}"
        );
        let told = super::messages::chain::refusals(&runtime, actor, EventKind::REQUEST).await;
        assert_eq!(told.last().map(String::as_str), Some("shutting down"), "{mode}");
        assert_eq!(
            runtime.children(actor).await.unwrap().iter().filter(|child| !child.status.is_ended()).count(),
            0
        );
        assert_eq!(ask(&runtime, other, "hello").await, "hello");
        runtime.shutdown().await;
    }
}

/// The longest that the hostile actor may sleep at a time.
const LONGEST: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sleeps_for_ever_in_init_ends_with_the_start_that_nobody_waits_for_any_more() {
    let runtime = runtime();
    // Compiled here, so that the next start is soon in its `init`.
    hostile(&runtime).await;
    // A start has no deadline of its own; giving it up ends the sleeper.
    let start = theater_core::StartFrom::Init(Some(format!("z{LONGEST}").into()));
    let spawning = runtime.spawn(theater_core::SpawnRequest::new(None, "hostile.toml").start(start));
    let mut watching = runtime.watch();
    let given_up = tokio::time::timeout(Duration::from_secs(1), spawning).await;
    assert!(given_up.is_err(), "it sleeps: {given_up:?}");
    let reason = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Some(theater_wasm::Watched::Event(event)) = watching.next().await
                && let theater_wasm::LifecycleKind::StartFailed { reason } = event.kind
            {
                return reason;
            }
        }
    });
    assert_eq!(reason.await.expect("it ends at once"), ExitReason::Killed);
    // A parent that spawns it is told so after its deadline for host calls.
    let parent = root(
        &runtime,
        "name = \"parent\"\ncomponent = \"supervisor.wasm\"\nlimits = { host_deadline = \"500ms\" }\n\
         handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }, { type = \"timing\" }]",
    )
    .await;
    runtime.send(parent, format!("spawn hostile.toml z{LONGEST}")).await.unwrap();
    let told = eventually("the parent is told", || async {
        let records = supervisor_records(&runtime, parent, EventKind::SPAWN).await;
        records.get(1).map(|outcome| outcome.data.clone().expect("an outcome"))
    });
    let told = String::from_utf8_lossy(&told.await).into_owned();
    assert!(told.contains("did not end within 500ms"), "{told}");
    assert_eq!(ask(&runtime, parent, "list").await, "");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sleeps_for_ever_in_a_request_is_waited_for_until_the_deadline_of_host_calls() {
    let runtime = runtime();
    let actor = hostile(&runtime).await;
    let started = Instant::now();
    let error = ask_err(&runtime, actor, &format!("z{LONGEST}")).await;
    let limit = Duration::from_secs(5);
    assert!(
        matches!(error, ActorError::DeadlineExceeded { operation: "request", limit: l } if l == limit),
        "{error}"
    );
    assert!(started.elapsed() < limit * 2, "{:?}", started.elapsed());
    // It sleeps on, and is killed at once.
    let started = Instant::now();
    let reason = runtime.stop(Authority::Operator, actor, StopMode::Kill).await.unwrap();
    assert_eq!(reason, ExitReason::Killed);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    theater_chain::verify(&events(&runtime, actor).await).expect("a sound chain");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sleeps_for_ever_while_it_is_stopped_is_woken_and_killed_when_its_time_is_over() {
    for (mode, expected) in [("z", ExitReason::Stopped), ("Z", ExitReason::Killed)] {
        let runtime = runtime();
        let actor = hostile(&runtime).await;
        runtime.send(actor, format!("{mode}{LONGEST}")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let started = Instant::now();
        let grace = StopMode::Graceful(Duration::from_millis(250));
        let reason = runtime.stop(Authority::Operator, actor, grace).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(5), "{mode}: {:?}", started.elapsed());
        assert!(
            reason == expected || matches!(reason, ExitReason::TimedOut { .. }) && mode == "Z",
            "{mode}: {reason}"
        );
        let told = super::messages::chain::refusals(&runtime, actor, EventKind::TIMING_SLEEP).await;
        assert_eq!(
            told.first().map(String::as_str),
            Some("the wait was given up because the actor is asked to end"),
            "{mode}"
        );
        theater_chain::verify(&events(&runtime, actor).await).expect("a sound chain");
        runtime.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_in_every_export_end_in_traps_or_cost_the_callback_alone() {
    let runtime = runtime();
    let parent = hostile(&runtime).await;
    // Its `init` panics, and a supervisor learns why.
    let start = theater_core::StartFrom::Init(Some("p".into()));
    let error =
        runtime.spawn(theater_core::SpawnRequest::new(None, "hostile.toml").start(start)).await.unwrap_err();
    assert!(matches!(error, ActorError::StartFailed { reason: ExitReason::Trapped { .. } }), "{error}");
    // A message, a request and an offer end it.
    for export in ["send", "request", "offer"] {
        let actor = hostile(&runtime).await;
        assert_eq!(ask(&runtime, actor, "P").await, "ok");
        match export {
            "send" => runtime.send(actor, "n").await.unwrap(),
            "request" => drop(ask_err(&runtime, actor, "n").await),
            _ => {
                let opener = root(&runtime, "chatter.toml").await;
                let answer = ask(&runtime, opener, &format!("open {actor} hello")).await;
                assert!(answer.contains("is not running: trapped"), "{answer}");
            }
        }
        let reason = exit_of(&runtime, actor).await;
        assert!(matches!(reason, ExitReason::Trapped { .. }), "{export}: {reason}");
    }
    // Hearing of a child's end does not.
    for message in ["e", "p"] {
        assert_eq!(ask(&runtime, parent, "n").await, "ok");
        let line = ask(&runtime, parent, "chostile.toml").await;
        assert!(line.ends_with("too many children: limits.children is 50"), "{line}");
        let child = runtime.children(parent).await.unwrap()[0].id;
        assert_eq!(ask(&runtime, parent, "n").await, "ok");
        ask_err(&runtime, child, message).await;
        runtime.reap(Authority::Operator, child).await.ok();
    }
    assert_eq!(ask(&runtime, parent, "P").await, "ok");
    let last = runtime.children(parent).await.unwrap();
    let living = last.iter().find(|child| !child.status.is_ended()).expect("children live").id;
    runtime.stop(Authority::Operator, living, StopMode::Kill).await.unwrap();
    let failed = eventually("the callback failed", || async {
        let events = events(&runtime, parent).await;
        let call = events.iter().any(|event| {
            event.header.kind == EventKind::RETURN && event.payload.windows(7).any(|text| text == b"trapped")
        });
        call.then_some(())
    });
    failed.await;
    let info = runtime.info(Authority::Operator, parent).await.unwrap();
    assert!(!info.status.is_ended(), "it lives: {:?}", info.status);
    runtime.kill().await;
}
