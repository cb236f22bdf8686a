//! WASI 0.2: `wasi-probe.wasm`, which calls what a message names.

use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_chain::{ChainStore, LogOptions, MemoryStore, SegmentedStore};
use theater_core::event::payload::{HostCall, decode};
use theater_core::{
    ActorError, ActorId, ActorRuntime, Authority, ChainEvent, EventKind, ExitReason, MapSource, SpawnRequest,
    StopMode,
};
use theater_testkit::disk::SimDisk;
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

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_whose_instance_kept_what_it_had_asked_for_once_comes_back_from_behind_a_snapshot() {
    let manifest = probe(WASI) + "[snapshots]\ninline = 0\nevents = 10\n";
    let disk = SimDisk::new();
    let before = process(&disk, source(&manifest));
    let id = root(&before, "probe.toml").await;
    let snapshots = async || {
        let events = events(&before, id).await;
        events.iter().filter(|event| event.header.kind == EventKind::SNAPSHOT).count()
    };
    let kept = ask(&before, id, "once\nmonotonic").await;
    while snapshots().await == 0 {
        ask(&before, id, "once\nmonotonic").await;
    }
    // What is run again begins with a call that had not asked for the number, since its instance had it.
    let last = ask(&before, id, "once\nmonotonic").await;
    assert_eq!(last.lines().next(), kept.lines().next());
    let after = killed_and_revived(before, disk, "probe.toml", source(&manifest)).await;
    assert_eq!(state(&after, id).await, Some(last));
    after.kill().await;
}

/// Draws a number while it is instantiated, which is its state after every call.
const EARLY: &str = r#"(component
    (import "wasi:random/random@0.2.12" (instance $random (export "get-random-u64" (func (result u64)))))
    (core func $draw (canon lower (func $random "get-random-u64")))
    (core module $module
        (import "host" "draw" (func $draw (result i64)))
        (memory (export "memory") 2)
        (global $next (mut i32) (i32.const 4096))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
            (local $given i32)
            (local.set $given (global.get $next))
            (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
            (local.get $given))
        (func $start (i64.store (i32.const 16) (call $draw)))
        (start $start)
        (func (export "call") (param i32 i32 i32 i32 i32) (result i32)
            (i32.store8 (i32.const 64) (i32.const 0))
            (i32.store8 (i32.const 68) (i32.const 1))
            (i32.store (i32.const 72) (i32.const 16))
            (i32.store (i32.const 76) (i32.const 8))
            (i32.const 64)))
    (core instance $instance (instantiate $module (with "host" (instance (export "draw" (func $draw))))))
    (func $init (param "state" (option (list u8))) (param "params" (tuple string))
        (result (result (tuple (option (list u8))) (error string)))
        (canon lift (core func $instance "call") (memory $instance "memory") (realloc (func $instance "realloc"))))
    (func $send (param "state" (option (list u8))) (param "params" (tuple (list u8)))
        (result (result (tuple (option (list u8))) (error string)))
        (canon lift (core func $instance "call") (memory $instance "memory") (realloc (func $instance "realloc"))))
    (instance $actor (export "init" (func $init)))
    (export "theater:simple/actor" (instance $actor))
    (instance $client (export "handle-send" (func $send)))
    (export "theater:simple/message-server-client" (instance $client)))"#;

/// A process on this disk.
fn process(disk: &SimDisk, source: MapSource) -> WasmRuntime {
    let (store, _) =
        SegmentedStore::open_on(Arc::new(disk.clone()), LogOptions::default()).expect("a sound log");
    builder(source).chain_store(Arc::new(store)).build().expect("a runtime")
}

/// Another process, on a copy of the disk that was made while the one before it ran, and with what it had running.
async fn killed_and_revived(
    before: WasmRuntime,
    disk: SimDisk,
    manifest: &str,
    source: MapSource,
) -> WasmRuntime {
    let store = before.chain_store();
    store.until_durable(store.accepted()).await.expect("a disk that works");
    let disk = disk.copy();
    before.kill().await;
    let after = process(&disk, source);
    let revived = after.revive(manifest.to_owned()).await;
    revived.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error))).expect("a tree");
    after
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_the_end_of_the_process_interrupted_goes_on_with_what_the_guest_had_seen() {
    let disk = SimDisk::new();
    let before = process(&disk, source(&probe(WASI)));
    let id = root(&before, "probe.toml").await;
    let work = "random 8\nmonotonic\nprint before\nsleep 1000\nmonotonic\nrandom 8\nprint after";
    before.send(id, work).await.expect("it is in the mailbox");
    let recorded = eventually("it sleeps", || async {
        let events = events(&before, id).await;
        (!logged(&events).is_empty()).then_some(events)
    })
    .await;
    let [HostCall::Answered { data: Some(drawn), .. }] = &of_kind(&recorded, EventKind::WASI_RANDOM)[..]
    else {
        panic!("one answer: {recorded:?}")
    };
    let after = killed_and_revived(before, disk, "probe.toml", source(&probe(WASI))).await;
    let state = eventually("the call ends", || async { state(&after, id).await }).await;
    let lines: Vec<_> = state.lines().collect();
    assert_eq!(lines[0], drawn.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    assert_ne!(lines[5], lines[0]);
    let time = |line: usize| lines[line].parse::<u64>().expect("a time");
    assert!(time(4) - time(1) >= 1_000_000_000, "the clock has not gone back: {state}");
    let log: Vec<_> = logged(&events(&after, id).await).into_iter().map(|(_, line)| line).collect();
    assert_eq!(log, ["before", "after"], "each once");
    after.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_component_does_while_it_is_instantiated_is_recorded_and_a_rerun_sees_it_again() {
    // No state of it is on the chain whole before the end of a life.
    let manifest = "name = \"early\"\ncomponent = \"early.wasm\"\nhandlers = [{ type = \"wasi\" }]\n\
        [snapshots]\ninline = 0\n[child_spec]\nrestart = \"permanent\"\n";
    let component = wat::parse_str(EARLY).expect("a component");
    let source = MapSource::new().with("early.toml", manifest).with("early.wasm", component);
    let (disk, bytes) = (SimDisk::new(), async |runtime: &WasmRuntime, id| {
        runtime.state(Authority::Operator, id).await.expect("a record").expect("a number")
    });
    let before = process(&disk, source.clone());
    let id = root(&before, "early.toml").await;
    let drawn = bytes(&before, id).await;
    for message in ["one", "two"] {
        before.send(id, message).await.expect("it is in the mailbox");
    }
    let returned = async |runtime: &WasmRuntime, count| {
        eventually("the calls return", || async {
            let events = events(runtime, id).await;
            let returned = events.iter().filter(|event| event.header.kind == EventKind::RETURN).count();
            (returned == count).then_some(())
        })
        .await;
    };
    returned(&before, 3).await;
    let instantiated = async |runtime: &WasmRuntime| {
        let events = events(runtime, id).await;
        events.iter().filter(|event| event.header.kind == EventKind::INSTANTIATION).count()
    };
    assert_eq!(instantiated(&before).await, 1);
    let rerun = before.rerun(id, "early.toml").await;
    let rerun = rerun.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error)));
    assert_eq!((rerun.state, rerun.calls), (Some(drawn.clone()), 3));
    assert_eq!(instantiated(&before).await, 1, "it drew nothing for real");

    // It comes back with the state that its calls had left, by running them again. Its next instance draws another number.
    let after = killed_and_revived(before, disk, "early.toml", source).await;
    assert_eq!(bytes(&after, id).await, drawn);
    after.send(id, "three").await.expect("it is in the mailbox");
    returned(&after, 4).await;
    eventually("the state is another", || async { (bytes(&after, id).await != drawn).then_some(()) }).await;
    assert_eq!(instantiated(&after).await, 2);
    let rerun = after.rerun(id, "early.toml").await;
    let rerun = rerun.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error)));
    assert_eq!((rerun.state, rerun.calls), (Some(bytes(&after, id).await), 4));
    after.kill().await;
}
