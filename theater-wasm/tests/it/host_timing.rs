//! `theater:simple/timing`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_core::event::payload::{HostCall, decode};
use theater_core::{ActorRuntime, Authority, EventKind, ExitReason, SpawnRequest, StopMode};

use crate::host_support::*;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn now_is_the_runtimes_clock_in_milliseconds() {
    let source = source(&[("toolbox.toml", &toolbox(ALL))]);
    let fixed = builder(source).config(|config| config.clock = Arc::new(|| 1_764_000_000_123_456_789));
    let runtime = fixed.build().expect("a runtime");
    let id = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
    assert_eq!(call(&runtime, id, &["timing", "now"]).await, "1764000000123");
    // A time that has passed is no wait.
    assert_eq!(call(&runtime, id, &["timing", "deadline", "1764000000123"]).await, "ok");
    assert_eq!(call(&runtime, id, &["timing", "deadline", "0"]).await, "ok");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleep_takes_its_time_and_more_or_less_than_the_manifest_allows_is_refused() {
    let (runtime, id) =
        with(&ALL.replace("max_sleep_duration = 60000", "max_sleep_duration = 50, min_sleep_duration = 20"))
            .await;
    let begin = Instant::now();
    assert_eq!(call(&runtime, id, &["timing", "sleep", "40"]).await, "ok");
    assert!(begin.elapsed() >= Duration::from_millis(40));
    for (function, asked, expected) in [
        ("sleep", "51", "51 ms is longer than timing.max_sleep_duration allows, which is 50 ms"),
        ("sleep", "18446744073709551615", "is longer than timing.max_sleep_duration"),
        ("sleep", "19", "19 ms is shorter than timing.min_sleep_duration allows, which is 20 ms"),
        ("deadline", "18446744073709551615", "is longer than timing.max_sleep_duration"),
    ] {
        let refusal = refusal(&runtime, id, &["timing", function, asked]).await;
        assert!(refusal.contains(expected), "{refusal}");
    }
    let kinds: Vec<_> = events(&runtime, id).await.iter().map(|event| event.header.kind).collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == EventKind::TIMING_SLEEP).count(),
        4,
        "each call is recorded once"
    );
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_actor_ends_its_sleep_when_it_is_asked_to_end_and_holds_up_nobody() {
    let (runtime, id) = with(ALL).await;
    let bystander = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
    runtime.send(id, "timing\tsleep\t60000").await.expect("it is in the mailbox");
    // Answered while the other one sleeps.
    assert_eq!(call(&runtime, bystander, &["environment", "exists", "COLOUR"]).await, "true");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    let reason = runtime.stop(Authority::Operator, id, StopMode::Graceful(Duration::from_secs(20))).await;
    assert_eq!(reason.expect("it ends"), ExitReason::Stopped);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let last =
        events(&runtime, id).await.into_iter().rfind(|event| event.header.kind == EventKind::TIMING_SLEEP);
    let Ok(HostCall::Refused { subject, error }) = decode(&last.expect("a record").payload) else {
        panic!("the wait was given up")
    };
    assert_eq!(subject.as_deref(), Some("60000"));
    assert_eq!(error, "the wait was given up because the actor is asked to end");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sleeping_actor_is_killed_at_once() {
    let (runtime, id) = with(ALL).await;
    runtime.send(id, "timing\tsleep\t60000").await.expect("it is in the mailbox");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    assert_eq!(
        runtime.stop(Authority::Operator, id, StopMode::Kill).await.expect("it ends"),
        ExitReason::Killed
    );
    assert!(begin.elapsed() < Duration::from_secs(5));
    runtime.kill().await;
}
