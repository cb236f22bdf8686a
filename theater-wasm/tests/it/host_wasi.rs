//! WASI 0.2: `wasi-probe.wasm`, which calls what a message names.

mod again;
mod files;

use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_chain::{ChainStore, MemoryStore};
use theater_core::event::payload::{HostCall, decode};
use theater_core::{
    ActorError, ActorId, ActorRuntime, Authority, ChainEvent, EventKind, ExitReason, MapSource, SpawnRequest,
    StopMode,
};
use theater_wasm::WasmRuntime;

use crate::host_support::builder;
use crate::support::*;

/// A manifest of the probe with these handlers.
fn probe(handlers: &str) -> String {
    format!("name = \"probe\"\ncomponent = \"wasi-probe.wasm\"\nhandlers = [{handlers}]\n")
}

fn source(manifest: &str) -> MapSource {
    let file = |name: &str| std::fs::read(components().join(name)).expect("a component that is checked in");
    MapSource::new()
        .with("probe.toml", manifest.to_owned())
        .with("wasi-probe.wasm", file("wasi-probe.wasm"))
        .with("supervisor.wasm", file("supervisor.wasm"))
}

const WASI: &str = "{ type = \"wasi\" }, { type = \"message-server\" }";

async fn with(manifest: &str) -> (WasmRuntime, ActorId) {
    let runtime = builder(source(manifest)).build().expect("a runtime");
    let id = root(&runtime, "probe.toml").await;
    (runtime, id)
}

fn of_kind(events: &[ChainEvent], kind: EventKind) -> Vec<HostCall> {
    let of_kind = events.iter().filter(|event| event.header.kind == kind);
    of_kind.map(|event| decode(&event.payload).expect("a host call")).collect()
}

/// The lines of the log, each with its stream.
fn logged(events: &[ChainEvent]) -> Vec<(String, String)> {
    let line = |call| match call {
        HostCall::Called { subject, data } => {
            let text = String::from_utf8_lossy(&data.unwrap_or_default()).into_owned();
            (subject.unwrap_or_default(), text)
        }
        other => panic!("{other:?}"),
    };
    of_kind(events, EventKind::LOG).into_iter().map(line).collect()
}

/// Everything whose answer is another each time.
const EVERYTHING: &str = "wall\nmonotonic\nrandom 16\nrandom-u64\ninsecure 16\ninsecure-u64\nseed\nonce\n\
    sleep 30\nsleep-until 1\nsleep-on 20\npoll 0 60000 0\nready 60000\nready output\npoll 60000 output\nvariables\n\
    world\nprint one\ncomplain two\ntcp\nudp\nlookup localhost\ninput";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_sees_through_wasi_is_recorded_and_a_rerun_sees_it_again() {
    let chains = Arc::new(MemoryStore::new());
    let handlers = "{ type = \"wasi\" }, { type = \"environment\", allowed_vars = [\"COLOUR\"] }";
    let files = || source(&probe(handlers));
    let clock = || Arc::new(|| 1_764_000_000_123_456_789);
    let runtime = builder(files()).chain_store(chains.clone()).config(|config| config.clock = clock());
    let runtime = runtime.build().expect("a runtime");
    let id = root(&runtime, "probe.toml").await;
    // What the instance keeps of a call that failed is there in the next.
    ask_err(&runtime, id, "once\nwall\nprint before\nfail on purpose").await;
    let first = ask(&runtime, id, EVERYTHING).await;
    let second = ask(&runtime, id, EVERYTHING).await;
    let lines: Vec<_> = first.lines().collect();
    assert_eq!(lines[0], "1764000000.123456789", "the runtime's clock");
    assert_eq!((lines[2].len(), lines[8]), (32, "ok"), "{first}");
    assert_eq!(lines[11..15], ["[0, 2]", "false", "true", "[1]"], "{first}");
    assert_eq!(lines[15], "COLOUR=red");
    let differing = |line: &usize| first.lines().nth(*line) != second.lines().nth(*line);
    assert_eq!((0..lines.len()).filter(differing).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let recorded = events(&runtime, id).await;
    for kind in [
        EventKind::WASI_WALL_CLOCK,
        EventKind::WASI_MONOTONIC_CLOCK,
        EventKind::WASI_RANDOM,
        EventKind::WASI_POLL,
        EventKind::WASI_ENVIRONMENT,
    ] {
        assert!(!of_kind(&recorded, kind).is_empty(), "{kind}");
    }
    theater_chain::verify(&recorded).expect("a sound chain");
    runtime.shutdown().await;

    // Another process with another clock and no variables: nothing of it is looked at, and nobody sleeps.
    let again = WasmRuntime::builder(files()).engine(engine()).chain_store(chains.clone()).config(|config| {
        config.environment = Arc::default();
        config.clock = Arc::new(|| 1);
    });
    let again = again.build().expect("a runtime");
    let written = chains.accepted();
    let rerun = again.rerun(id, "probe.toml").await;
    let rerun = rerun.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error)));
    assert_eq!((rerun.calls, rerun.failed), (3, 1));
    assert_eq!(rerun.state.as_deref(), Some(second.as_bytes()));
    assert_eq!(chains.accepted(), written, "and nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_world_of_a_guest_is_empty_and_the_same_everywhere() {
    let (runtime, id) = with(&probe(WASI)).await;
    assert_eq!(ask(&runtime, id, "variables").await, "", "there are more in the process");
    let world = ask(&runtime, id, "world").await;
    let second = "Datetime { seconds: 0, nanoseconds: 1 }";
    assert_eq!(world, format!("[] None 0 false 1 {second}"));
    assert!(ask(&runtime, id, "input").await.contains("Closed"));
    let seed = ask(&runtime, id, "seed").await;
    assert_eq!(ask(&runtime, id, "seed").await, seed, "an actor's own");
    let other = root(&runtime, "probe.toml").await;
    assert_ne!(ask(&runtime, other, "seed").await, seed, "and no other's");
    let kinds: Vec<_> = events(&runtime, id).await.iter().map(|event| event.header.kind).collect();
    assert!(kinds.iter().all(|kind| kind.0 < EventKind::LOG.0), "what is no news is not recorded: {kinds:?}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_refused_with_an_error_and_not_a_trap() {
    let (runtime, id) = with(&probe(WASI)).await;
    let answer = ask(&runtime, id, "tcp\nudp\nlookup localhost\nlookup 127.0.0.1").await;
    let names =
        ["access-denied", "access-denied", "permanent-resolver-failure", "permanent-resolver-failure"];
    let refused = |(line, name): (&str, &str)| line.starts_with("refused: ") && line.contains(name);
    assert_eq!(answer.lines().count(), names.len());
    assert!(answer.lines().zip(names).all(refused), "{answer}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_in_the_log_line_by_line_while_the_call_still_runs() {
    let (runtime, id) = with(&probe(WASI)).await;
    runtime
        .send(id, "print one\nprint-on two\nprint  and a half\ncomplain three\nprint-on four\nsleep 60000")
        .await
        .expect("sent");
    let line = |stream: &str, text: &str| (stream.to_owned(), text.to_owned());
    let mut expected = vec![line("stdout", "one"), line("stdout", "two and a half"), line("stderr", "three")];
    eventually("the lines are there", || async {
        (logged(&events(&runtime, id).await) == expected).then_some(())
    })
    .await;
    let stopped = runtime.stop(Authority::Operator, id, StopMode::Graceful(Duration::from_secs(20))).await;
    assert_eq!(stopped.expect("it ends"), ExitReason::Stopped);
    expected.push(line("stdout", "four"));
    assert_eq!(logged(&events(&runtime, id).await), expected, "the end of a call ends a line");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_a_guest_that_crashes_or_exits_are_in_its_log() {
    for (end, reason) in [
        ("crash", "unreachable"),
        (
            "exit badly",
            "called wasi:cli/exit with code 1; an actor ends itself with theater:simple/runtime.shutdown",
        ),
        ("exit well", "called wasi:cli/exit with code 0"),
        ("poll-nothing", "empty poll list"),
        ("print-too-much", "more to a stream than check-write had allowed"),
        (
            "random 9999999",
            "9999999 bytes are more than one call of wasi:random may ask for, which is 1048576",
        ),
        ("waits 10001", "resource table has no free keys"),
    ] {
        let (runtime, id) = with(&probe(WASI)).await;
        let error = ask_err(&runtime, id, &format!("print before\nprint-on last words\n{end}")).await;
        let ActorError::Ended { reason: ExitReason::Trapped { message, .. }, .. } = error else {
            panic!("{end}: {error}")
        };
        assert!(message.contains(reason), "{end}: {message}");
        let lines: Vec<_> = logged(&events(&runtime, id).await).into_iter().map(|(_, line)| line).collect();
        assert!(
            lines.contains(&"before".to_owned()) && lines.contains(&"last words".to_owned()),
            "{lines:?}"
        );
        runtime.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_without_end_ends_at_the_deadline_and_slows_nobody() {
    let manifest = probe(WASI) + "[limits]\ncall_deadline = \"300ms\"\n";
    // Long lines, and nothing but ends of lines.
    for words in ["x", "_", "xxxxxxx_"] {
        let (runtime, id) = with(&manifest).await;
        let bystander = root(&runtime, "probe.toml").await;
        let begin = Instant::now();
        let flooding = runtime.clone();
        let flood = tokio::spawn(async move { flooding.request(id, format!("flood {words}")).await });
        let answer = ask(&runtime, bystander, "world").await;
        assert!(!answer.is_empty() && begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        let error = flood.await.expect("no panic").expect_err("it has no end");
        assert!(matches!(error, ActorError::Ended { reason: ExitReason::TimedOut { .. }, .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
        let lines = logged(&events(&runtime, id).await);
        assert!(!lines.is_empty() && lines.iter().all(|(_, line)| line.len() <= 8 << 10));
        runtime.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_ends_its_wait_when_it_is_asked_to_end_and_holds_up_nobody() {
    // Once, and again and again until a clock says so.
    for wait in ["sleep 60000", "poll 60000 50000", "sleep-on 60000"] {
        let (runtime, id) = with(&probe(WASI)).await;
        runtime.send(id, wait).await.expect("it is in the mailbox");
        eventually("it waits", || async {
            let events = events(&runtime, id).await;
            (wait != "sleep-on 60000" || !of_kind(&events, EventKind::WASI_MONOTONIC_CLOCK).is_empty())
                .then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begin = Instant::now();
        let grace = Duration::from_millis(if wait == "sleep-on 60000" { 500 } else { 20_000 });
        let reason = runtime.stop(Authority::Operator, id, StopMode::Graceful(grace)).await.expect("it ends");
        assert!(begin.elapsed() < Duration::from_secs(5), "{wait}: {:?}", begin.elapsed());
        let polls = of_kind(&events(&runtime, id).await, EventKind::WASI_POLL);
        match wait {
            // It does not take the wait for over, so it is killed when its time is over, and has not filled its chain till then.
            "sleep-on 60000" => {
                assert_eq!(reason, ExitReason::Killed);
                assert!((2..60).contains(&polls.len()), "{}", polls.len());
            }
            _ => {
                assert_eq!(reason, ExitReason::Stopped);
                assert_eq!(polls.len(), 1, "{wait}");
            }
        }
        runtime.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_is_killed_at_once_and_its_wait_uses_no_processor_time() {
    let (runtime, id) = with(&(probe(WASI) + "[limits]\ncall_deadline = \"100ms\"\n")).await;
    assert_eq!(ask(&runtime, id, "sleep 400").await, "ok", "longer than the deadline");
    runtime.send(id, "sleep 60000").await.expect("it is in the mailbox");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    let reason = runtime.stop(Authority::Operator, id, StopMode::Kill).await.expect("it ends");
    assert_eq!(reason, ExitReason::Killed);
    assert!(begin.elapsed() < Duration::from_secs(5));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_longer_than_the_manifest_allows_ends_the_guest() {
    let short = WASI.replace("\"wasi\"", "\"wasi\", max_sleep_duration = 50");
    let (runtime, id) = with(&probe(&short)).await;
    assert_eq!(ask(&runtime, id, "sleep 40\npoll 20 60000").await, "ok\n[0]");
    let error = ask_err(&runtime, id, "sleep 60000").await.to_string();
    assert!(
        error.contains("not over after 50 ms, the longest that wasi.max_sleep_duration allows"),
        "{error}"
    );
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wasi_is_not_linked_without_its_handler_and_what_it_does_not_have_is_not_provided() {
    let refusal = async |source: MapSource| {
        let runtime = builder(source).build().expect("a runtime");
        let refused = runtime.spawn(SpawnRequest::new(None, "probe.toml")).await;
        theater_core::error::with_causes(&refused.expect_err("an import that is not there"))
    };
    let text = refusal(source(&probe("{ type = \"timing\" }"))).await;
    assert!(text.contains("wasi:") && text.contains("@0.2.3"), "{text}");
    assert!(text.contains("add `[[handlers]]` with `type = \"wasi\"` to the manifest"), "{text}");

    // The same component, which asks for other packages and versions: the names are as long.
    let probe_with = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let bytes = std::fs::read(components().join("wasi-probe.wasm")).expect("it is checked in");
        let mut patched = bytes.clone();
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from.as_bytes()) {
                patched[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
        }
        assert_ne!(patched, bytes, "{from}");
        source(&probe(WASI)).with("wasi-probe.wasm", patched)
    };
    for (from, to) in
        [("wasi:random/random", "wasi:http/outgoing"), ("wasi:random/insecure", "wasi:clocks/timezone")]
    {
        let text = refusal(probe_with(from, to)).await;
        assert!(text.contains(to), "{text}");
        assert!(text.contains("wasi:{cli,clocks,filesystem,io,random,sockets}@0.2"), "{text}");
    }
    let text = refusal(probe_with("@0.2.3", "@0.3.3")).await;
    assert!(text.contains("@0.3.3") && text.contains("this runtime provides"), "{text}");
    for version in ["@0.2.0", "@0.2.1", "@0.2.9"] {
        let runtime = builder(probe_with("@0.2.3", version)).build().expect("a runtime");
        let id = root(&runtime, "probe.toml").await;
        assert_eq!(ask(&runtime, id, "sleep 1\npoll 0\nprint hello").await, "ok\n[0]\nok", "{version}");
        runtime.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_has_at_most_its_parents_wasi() {
    let parent = |handlers: &str| {
        let handlers = format!("{handlers}{{ type = \"message-server\" }}, {{ type = \"supervisor\" }}");
        format!("name = \"parent\"\ncomponent = \"supervisor.wasm\"\nhandlers = [{handlers}]\n")
    };
    for (has, expected) in [
        ("", "handler `wasi` is not the parent's to give"),
        (
            "{ type = \"wasi\", max_sleep_duration = 5 }, ",
            "wasi.max_sleep_duration 3600000 is more than the parent's 5",
        ),
    ] {
        let runtime =
            builder(source(&probe(WASI)).with("parent.toml", parent(has))).build().expect("a runtime");
        let id = root(&runtime, "parent.toml").await;
        let answer = ask(&runtime, id, "spawn probe.toml").await;
        assert!(answer.contains(expected), "{answer}");
        runtime.shutdown().await;
    }
}
