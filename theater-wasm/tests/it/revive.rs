//! Trees that are brought back after the process ended, on real components and a real log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use theater_chain::{ChainStore, LogOptions, SegmentedStore};
use theater_core::event::payload::{self, Started};
use theater_core::source::ContentDigest;
use theater_core::{ActorError, ActorId, ActorRuntime, EventKind, ExitReason, MapSource, SpawnRequest};
use theater_testkit::disk::SimDisk;
use theater_wasm::{ReviveError, Revived, WasmRuntime};

use crate::support::{ask, components, engine, events, eventually, spawn_child, state};
use crate::tree::{descendant, incarnation, verify_chains};

/// An app on a disk that outlives its processes.
pub(crate) struct App {
    disk: SimDisk,
    pub(crate) source: MapSource,
    /// That of the last process.
    store: Mutex<Option<Arc<SegmentedStore>>>,
}

/// Worker and supervisor guests, and one manifest more.
pub(crate) fn app(manifest: &str) -> App {
    let file = |name: &str| std::fs::read(components().join(name)).expect("a component that is checked in");
    let source = MapSource::new()
        .with("app.toml", manifest.to_owned())
        .with("worker.toml", file("worker.toml"))
        .with("worker-permanent.toml", file("worker-permanent.toml"))
        .with("worker.wasm", file("worker.wasm"))
        .with("chatter.toml", file("chatter.toml"))
        .with("chatter.wasm", file("chatter.wasm"))
        .with("supervisor.wasm", file("supervisor.wasm"));
    App { disk: SimDisk::new(), source, store: Mutex::default() }
}

pub(crate) const SUPERVISOR: &str = "name = \"app\"\ncomponent = \"supervisor.wasm\"\n\
    handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }]\n[supervision]\nintensity = 3\nperiod = \"1m\"\n";

fn worker(rest: &str) -> String {
    format!(
        "name = \"app\"\ncomponent = \"worker.wasm\"\nhandlers = [{{ type = \"message-server\" }}]\n{rest}"
    )
}

impl App {
    /// A process that uses the disk.
    fn process(&self) -> WasmRuntime {
        let (store, _) =
            SegmentedStore::open_on(Arc::new(self.disk.clone()), LogOptions::default()).expect("a sound log");
        let store = Arc::new(store);
        *self.store.lock().expect("nobody panicked with it") = Some(Arc::clone(&store));
        let store: Arc<dyn ChainStore> = store;
        WasmRuntime::builder(self.source.clone())
            .engine(engine())
            .chain_store(store)
            .build()
            .expect("a runtime")
    }

    /// Ends the process as kill -9 does: what it had written is there, and nothing more is. The next one goes on.
    pub(crate) async fn killed(&mut self, process: WasmRuntime) -> WasmRuntime {
        self.disk = self.disk.copy();
        process.kill().await;
        self.process()
    }

    /// Ends the process in good order. The next one goes on.
    pub(crate) async fn stopped(&self, process: WasmRuntime) -> WasmRuntime {
        self.stop(process).await;
        self.process()
    }

    async fn stop(&self, process: WasmRuntime) {
        process.shutdown().await;
        let store = self.store.lock().expect("nobody panicked with it").take().expect("there is a process");
        store.close().expect("a disk that works");
    }

    pub(crate) async fn start(&self) -> (WasmRuntime, ActorId) {
        let process = self.process();
        let root = process.spawn(SpawnRequest::new(None, "app.toml")).await.expect("the root starts").id;
        (process, root)
    }
}

pub(crate) async fn revive(process: &WasmRuntime) -> Revived {
    let revived = process.revive("app.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    let revived = revived.expect("there is a tree");
    assert!(revived.failed.is_empty(), "{:?}", revived.failed);
    revived
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_comes_back_with_its_id_chain_and_state_after_a_kill_and_after_a_clean_stop() {
    let mut app = app(&worker(""));
    let (process, root) = app.start().await;
    assert_eq!(ask(&process, root, "add 5").await, "5");
    let process = app.killed(process).await;
    let revived = revive(&process).await;
    assert_eq!((revived.root.id, revived.root.incarnation.0), (root, 2));
    assert_eq!(
        (revived.actors.len(), revived.actors[0].calls_run_again),
        (1, 0),
        "a small state is on the chain"
    );
    assert_eq!(ask(&process, root, "add 2").await, "7");
    let process = app.stopped(process).await;
    let revived = revive(&process).await;
    assert_eq!((revived.root.id, revived.root.incarnation.0), (root, 3));
    assert_eq!(revived.actors[0].ended, Some(ExitReason::Stopped));
    assert_eq!(ask(&process, root, "total").await, "7");
    verify_chains(&process).await;
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_state_is_found_again_by_running_its_calls_once_more() {
    let mut app = app(&worker(""));
    let (process, root) = app.start().await;
    assert_eq!(ask(&process, root, "add 5").await, "5");
    assert_eq!(ask(&process, root, "state 3000").await, "ok");
    assert_eq!(ask(&process, root, "state 4000").await, "ok");
    let before = state(&process, root).await;
    let process = app.killed(process).await;
    let revived = revive(&process).await;
    assert_eq!(revived.actors[0].calls_run_again, 2);
    assert_eq!(state(&process, root).await, before);
    let process = app.killed(process).await;
    let revived = revive(&process).await;
    assert_eq!(revived.actors[0].calls_run_again, 0, "it was written when it was found");
    assert_eq!(state(&process, root).await, before);
    assert_eq!(ask(&process, root, "add 1").await, "6");
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_written_as_the_manifest_says_and_at_a_clean_stop() {
    let mut app = app(&worker("[snapshots]\ninline = 0\nevents = 10\n"));
    let (process, root) = app.start().await;
    for _ in 0..50 {
        ask(&process, root, "add 1").await;
    }
    let process = app.killed(process).await;
    let revived = revive(&process).await;
    let again = revived.actors[0].calls_run_again;
    assert!((1..=6).contains(&again), "{again} calls were run again");
    assert_eq!(ask(&process, root, "add 1").await, "51");
    let process = app.stopped(process).await;
    assert_eq!(revive(&process).await.actors[0].calls_run_again, 0);
    assert_eq!(ask(&process, root, "total").await, "51");
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_were_accepted_are_handled_after_a_kill_each_once() {
    let mut app = app(&worker("[limits]\ncall_deadline = \"20s\"\n"));
    let (process, root) = app.start().await;
    process.send(root, "slow 300").await.expect("accepted");
    for _ in 0..20 {
        process.send(root, "add 1").await.expect("accepted");
    }
    let process = app.killed(process).await;
    let revived = revive(&process).await;
    assert!(revived.actors[0].messages >= 20, "{} messages wait", revived.actors[0].messages);
    assert_eq!(ask(&process, root, "total").await, "20");
    let process = app.killed(process).await;
    assert_eq!(revive(&process).await.actors[0].messages, 0);
    assert_eq!(ask(&process, root, "total").await, "20");
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_at_a_clean_stop_are_handled_afterwards_and_requests_are_not() {
    let app = app(&worker("[limits]\ncall_deadline = \"20s\"\n"));
    let (process, root) = app.start().await;
    process.send(root, "slow 300").await.expect("accepted");
    process.send(root, "add 1").await.expect("accepted");
    let (asking, other) = (process.clone(), root);
    let asked = tokio::spawn(async move { asking.request(other, "add 100").await });
    eventually("the request waits", || async {
        let events = crate::support::events(&process, root).await;
        let calls = events.iter().filter(|event| event.header.kind == theater_core::EventKind::CALL).count();
        (calls >= 4).then_some(())
    })
    .await;
    app.stop(process).await;
    assert!(matches!(asked.await.expect("no panic"), Err(ActorError::Ended { .. })));
    let process = app.process();
    revive(&process).await;
    assert_eq!(ask(&process, root, "total").await, "1");
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_interrupted_goes_on_where_it_was_and_repeats_no_effect() {
    let mut app = app(SUPERVISOR);
    let (process, root) = app.start().await;
    let child = spawn_child(&process, root, "worker.toml 0").await;
    // The root waits for the child, which is busy: its request has been sent, and not answered.
    process.send(child, "slow 30").await.expect("accepted");
    process.send(root, format!("ask {child} add 7")).await.expect("accepted");
    eventually("the root asks", || async {
        let events = crate::support::events(&process, child).await;
        let calls = events.iter().filter(|event| event.header.kind == theater_core::EventKind::CALL).count();
        (calls >= 3).then_some(())
    })
    .await;
    let process = app.killed(process).await;
    let revived = revive(&process).await;
    assert_eq!(revived.actors.len(), 2);
    assert_eq!(ask(&process, child, "total").await, "7", "the request was accepted, and is handled once");
    let asked = crate::support::events(&process, root).await;
    let refused = asked.iter().any(|event| {
        event.header.kind == theater_core::EventKind::REQUEST
            && event.payload.windows(15).any(|text| text == b"outcome unknown")
    });
    assert!(refused, "the root was told that nobody knows");
    verify_chains(&process).await;
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_tree_comes_back_whole_with_the_children_that_were_spawned_and_without_those_that_were_stopped()
 {
    let mut app = app(&format!(
        "{SUPERVISOR}\
        [[children]]\nid = \"a\"\nmanifest = \"worker.toml\"\n\
        [[children]]\nid = \"done\"\nmanifest = \"worker.toml\"\nrestart = \"transient\"\n\
        [[children]]\nid = \"sup\"\n\
        [[children.children]]\nid = \"b\"\nmanifest = \"worker.toml\"\n"
    ));
    let (process, root) = app.start().await;
    let (a, done) = (descendant(&process, root, &[0]).await, descendant(&process, root, &[1]).await);
    let b = descendant(&process, root, &[2, 0]).await;
    let spawned = spawn_child(&process, root, "worker-permanent.toml 10").await;
    let stopped = spawn_child(&process, root, "worker.toml 20").await;
    ask(&process, root, &format!("stop {stopped}")).await;
    ask(&process, done, "quit").await;
    crate::support::exit_of(&process, done).await;
    for (actor, add) in [(a, "add 1"), (b, "add 2"), (spawned, "add 3")] {
        ask(&process, actor, add).await;
    }
    let list = ask(&process, root, "list").await;
    let mut process = app.killed(process).await;
    for round in 0..3 {
        let revived = revive(&process).await;
        let ids: Vec<_> = revived.actors.iter().map(|actor| actor.id).collect();
        assert_eq!((ids.len(), ids[0]), (5, root), "{ids:?}");
        assert_eq!(ask(&process, root, "list").await, list);
        for (actor, total) in [(a, "1"), (b, "2"), (spawned, "13")] {
            assert_eq!(ask(&process, actor, "total").await, total);
            assert_eq!(incarnation(&process, actor).await, 2 + round);
        }
        assert!(ask(&process, root, &format!("state {stopped}")).await.starts_with("error: "));
        verify_chains(&process).await;
        if round == 1 {
            process = app.stopped(process).await;
        } else {
            process = app.killed(process).await;
        }
    }
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_before_the_kill_count_against_the_intensity() {
    let mut app = app(SUPERVISOR);
    let (process, root) = app.start().await;
    let child = spawn_child(&process, root, "worker-permanent.toml 0").await;
    for life in 2..=3 {
        process.send(child, "crash").await.expect("accepted");
        eventually("the next life", || async { (incarnation(&process, child).await >= life).then_some(()) })
            .await;
    }
    let process = app.killed(process).await;
    revive(&process).await;
    // Two are in the window already, three are allowed: the second from now on is one too many.
    process.send(child, "crash").await.expect("accepted");
    eventually("the third restart", || async { (incarnation(&process, child).await >= 5).then_some(()) })
        .await;
    process.send(child, "crash").await.expect("accepted");
    let reason = crate::support::exit_of(&process, root).await;
    assert!(matches!(reason, ExitReason::Escalated { .. }), "{reason}");
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_completed_is_not_brought_back_and_one_that_crashed_goes_on_from_its_last_good_state() {
    let mut app = app(&worker(""));
    let (process, root) = app.start().await;
    ask(&process, root, "add 4").await;
    process.send(root, "crash").await.expect("accepted");
    crate::support::exit_of(&process, root).await;
    let process = app.killed(process).await;
    assert_eq!(revive(&process).await.root.id, root);
    assert_eq!(ask(&process, root, "total").await, "4");
    ask(&process, root, "quit").await;
    crate::support::exit_of(&process, root).await;
    let process = app.killed(process).await;
    assert!(process.revive("app.toml").await.expect("a sound log").is_none());
    assert!(process.revive("other.toml").await.expect("a sound log").is_none());
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_component_takes_a_state_that_is_written_and_no_other() {
    let mut app = app(&worker(""));
    let (process, root) = app.start().await;
    ask(&process, root, "add 4").await;
    ask(&process, root, "state 2000").await;
    let process = app.killed(process).await;
    let whole = app.source.clone();
    // A custom section changes the digest and nothing else.
    let mut other = std::fs::read(components().join("worker.wasm")).expect("a component");
    other.extend([0, 2, 1, b'x']);
    app.source = whole.clone().with("worker.wasm", other.clone());
    let process = app.killed(process).await;
    let error = process.revive("app.toml").await.expect_err("calls have to be run again");
    assert!(matches!(error, ReviveError::OtherComponent { actor, .. } if actor == root), "{error}");
    let changed = std::mem::replace(&mut app.source, whole);
    let process = app.killed(process).await;
    revive(&process).await;
    app.stop(process).await;
    app.source = changed;
    let process = app.process();
    revive(&process).await;
    assert_eq!(ask(&process, root, "total").await, "4");
    // The genesis event says what the actor began as, each first life of a process what it goes on as.
    let events = events(&process, root).await;
    let starts = events.iter().filter(|event| event.header.kind == EventKind::STARTED);
    let starts: Vec<Started> =
        starts.map(|event| payload::decode(&event.payload).expect("a start")).collect();
    let component = |start: &Started| start.sources.as_ref().and_then(|sources| sources.component);
    let whole = ContentDigest::of(&std::fs::read(components().join("worker.wasm")).expect("a component"));
    assert_eq!(component(&starts[0]), None);
    assert_eq!(component(&starts[starts.len() - 2]), Some(whole));
    assert_eq!(component(&starts[starts.len() - 1]), Some(ContentDigest::of(&other)));
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_actor_runs_again_from_its_genesis_with_the_same_outputs_and_state() {
    let mut app = app(SUPERVISOR);
    let (process, root) = app.start().await;
    let child = spawn_child(&process, root, "worker-permanent.toml 0").await;
    // A reference with a digest, one with another digest, and one with none that is one.
    let worker = std::fs::read(components().join("worker.toml")).expect("a manifest that is checked in");
    let digest = |content: &[u8]| format!("worker.toml#blake3={}", ContentDigest::of(content));
    spawn_child(&process, root, &format!("{} 0", digest(&worker))).await;
    for reference in [digest(b"another"), "worker.toml#blake3=0".to_owned()] {
        let told = ask(&process, root, &format!("spawn {reference}")).await;
        assert!(told.contains("blake3"), "{told}");
    }
    for message in ["add 5", "state 3000", "add 7", "reply 100", "id", "outstanding"] {
        ask(&process, child, message).await;
    }
    process.send(child, "crash").await.expect("accepted");
    eventually("the next life", || async { (incarnation(&process, child).await >= 2).then_some(()) }).await;
    ask(&process, child, &format!("ask {root} list")).await;
    for message in [
        "list".to_owned(),
        format!("events {child}"),
        format!("state {child}"),
        format!("ask {child} total"),
        format!("send {child} add 1"),
        "state nobody".to_owned(),
        "spawn missing.toml".to_owned(),
        "log hello".to_owned(),
        "chain".to_owned(),
        "notices".to_owned(),
    ] {
        ask(&process, root, &message).await;
    }
    ask(&process, child, "total").await;
    let states = (state(&process, root).await, state(&process, child).await);
    let mut process = app.killed(process).await;
    for _ in 0..2 {
        for (actor, manifest, expected) in
            [(root, "app.toml", &states.0), (child, "worker-permanent.toml", &states.1)]
        {
            let rerun = process.rerun(actor, manifest).await.unwrap_or_else(|error| {
                panic!("{manifest}: {}", theater_core::error::with_causes(&error));
            });
            let found = rerun.state.map(|state| String::from_utf8(state.to_vec()).expect("text"));
            assert_eq!(found.as_ref(), expected.as_ref());
            assert!(rerun.calls >= 9, "{} calls", rerun.calls);
        }
        // The same again with lives on the chain that were brought back.
        revive(&process).await;
        process = app.killed(process).await;
    }
    process.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_before_it_is_durable() {
    let app = app(&worker(""));
    let (process, root) = app.start().await;
    for total in 1..=20_u64 {
        assert_eq!(ask(&process, root, "add 1").await, total.to_string());
        // What a loss of power leaves at this moment has the call behind the answer.
        for seed in 0..3 {
            let after = App { disk: app.disk.copy(), source: app.source.clone(), store: Mutex::default() };
            after.disk.crash(seed);
            let next = after.process();
            revive(&next).await;
            let found: u64 = ask(&next, root, "total").await.parse().expect("a number");
            assert!(found >= total, "{found} after the answer {total}");
            next.kill().await;
        }
    }
    tokio::time::timeout(Duration::from_secs(10), process.kill()).await.expect("the end");
}
