//! Guests of WASI whose calls are run again: after the end of their process, and from the beginning.

use std::sync::Arc;

use theater_chain::{LogOptions, SegmentedStore};
use theater_core::event::payload::HostCall;
use theater_core::{ActorRuntime, Authority, EventKind, MapSource};
use theater_testkit::disk::SimDisk;
use theater_wasm::WasmRuntime;

use super::{WASI, logged, of_kind, probe, source};
use crate::host_support::builder;
use crate::support::*;

/// A process on this disk.
pub(super) fn process(disk: &SimDisk, source: MapSource) -> WasmRuntime {
    let (store, _) =
        SegmentedStore::open_on(Arc::new(disk.clone()), LogOptions::default()).expect("a sound log");
    builder(source).chain_store(Arc::new(store)).build().expect("a runtime")
}

/// Another process, on a copy of the disk that was made while the one before it ran, and with what it had running.
pub(super) async fn killed_and_revived(
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
        (canon lift (core func $instance "call") (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
    (func $send (param "state" (option (list u8))) (param "params" (tuple (list u8)))
        (result (result (tuple (option (list u8))) (error string)))
        (canon lift (core func $instance "call") (memory (core memory $instance "memory")) (realloc (core func $instance "realloc"))))
    (instance $actor (export "init" (func $init)))
    (export "theater:simple/actor" (instance $actor))
    (instance $client (export "handle-send" (func $send)))
    (export "theater:simple/message-server-client" (instance $client)))"#;

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
