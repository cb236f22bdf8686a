//! References with digests: what they are about is what runs, and the chain says what ran.

use theater_core::event::payload::{self, Genesis, Origin, Sources, Started};
use theater_core::source::ContentDigest;
use theater_core::{
    ActorError, ActorId, ActorRuntime, EventKind, ManifestErrorKind, MapSource, SpawnRequest,
};
use theater_supervisor::SupervisorOutcome;
use theater_wasm::WasmRuntime;

use crate::support::*;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(components().join(name)).expect("the example components are checked in")
}

fn digest(content: impl AsRef<[u8]>) -> ContentDigest {
    ContentDigest::of(content.as_ref())
}

fn pinned(name: &str, content: impl AsRef<[u8]>) -> String {
    format!("{name}#blake3={}", digest(content))
}

fn worker(component: &str, more: &str) -> String {
    format!(
        "name = \"app\"\ncomponent = \"{component}\"\nhandlers = [{{ type = \"message-server\" }}]\n{more}"
    )
}

fn runtime(app: &str) -> WasmRuntime {
    let source = MapSource::new()
        .with("app.toml", app.to_owned())
        .with("worker.toml", file("worker.toml"))
        .with("worker.wasm", file("worker.wasm"))
        .with("supervisor.wasm", file("supervisor.wasm"))
        .with("state", "7");
    WasmRuntime::builder(source).engine(engine()).build().expect("a runtime")
}

async fn refused(app: &str) -> ActorError {
    runtime(app).spawn(SpawnRequest::new(None, "app.toml")).await.expect_err("a refusal")
}

async fn genesis(runtime: &WasmRuntime, id: ActorId) -> Genesis {
    let events = events(runtime, id).await;
    payload::decode(&events[0].payload).expect("a genesis event")
}

#[tokio::test]
async fn the_chain_says_what_the_manifest_the_component_the_state_and_the_snapshot_were() {
    let app = worker("worker.wasm", "init_state = \"state\"\nsnapshot = \"state\"\n");
    let runtime = runtime(&app);
    let id = root(&runtime, "app.toml").await;
    let genesis = genesis(&runtime, id).await;
    let sources = Sources {
        manifest: digest(&app),
        component: Some(digest(file("worker.wasm"))),
        init_state: Some(digest("7")),
        snapshot: Some(digest("7")),
    };
    assert_eq!(genesis.sources.as_ref(), Some(&sources));
    assert_eq!(
        (genesis.manifest, genesis.component),
        (digest(&app).to_string(), digest(file("worker.wasm")).to_string())
    );
    let started: Started = payload::decode(&events(&runtime, id).await[1].payload).expect("a start");
    assert_eq!(
        (started.origin, started.sources),
        (Origin::Init, None),
        "it says no more than the genesis event"
    );
    runtime.kill().await;
}

#[tokio::test]
async fn a_child_that_stands_in_its_parents_manifest_is_recorded_with_the_whole_text() {
    let app = "name = \"app\"\n[[children]]\nid = \"w\"\ncomponent = \"worker.wasm\"\ninitial_state = \"5\"\n\
               handlers = [{ type = \"message-server\" }]\n";
    let runtime = runtime(app);
    let id = root(&runtime, "app.toml").await;
    let sources = genesis(&runtime, id).await.sources.expect("it is recorded");
    assert_eq!((sources.manifest, sources.component), (digest(app), None));
    let child = runtime.children(id).await.expect("a record")[0].id;
    let genesis = genesis(&runtime, child).await;
    let sources = genesis.sources.expect("it is recorded");
    assert_eq!((sources.manifest, sources.init_state), (digest(app), Some(digest("5"))));
    assert_ne!(genesis.manifest, digest(app).to_string(), "its own place in it counts there");
    assert_eq!(ask(&runtime, child, "total").await, "5");
    runtime.kill().await;
}

#[tokio::test]
async fn another_component_or_state_than_the_reference_says_does_not_start() {
    let good = worker(
        &pinned("worker.wasm", file("worker.wasm")),
        &format!("init_state = \"{}\"\n", pinned("state", "7")),
    );
    let started = runtime(&good);
    let id = root(&started, &pinned("app.toml", &good)).await;
    assert_eq!(ask(&started, id, "total").await, "7");
    started.kill().await;
    for (app, name) in [
        (worker(&pinned("worker.wasm", "x"), ""), "worker.wasm"),
        (worker("worker.wasm", &format!("init_state = \"{}\"\n", pinned("state", "x"))), "state"),
        (worker("worker.wasm", &format!("snapshot = \"{}\"\n", pinned("state", "x"))), "state"),
    ] {
        let ActorError::Manifest(error) = refused(&app).await else { panic!("{app}") };
        let ManifestErrorKind::DigestMismatch { expected, found } = error.kind else { panic!("{error}") };
        assert_eq!((&*error.origin, expected), (name, digest("x")), "{app}");
        assert_ne!(found, expected);
    }
}

#[tokio::test]
async fn a_guest_that_spawns_by_digest_gets_that_or_is_told_and_its_chain_says_so() {
    let app = "name = \"app\"\ncomponent = \"supervisor.wasm\"\n\
               handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }]\n";
    let runtime = runtime(app);
    let id = root(&runtime, "app.toml").await;
    let reference = pinned("worker.toml", file("worker.toml"));
    let child = spawn_child(&runtime, id, &format!("{reference} 3")).await;
    assert_eq!(ask(&runtime, child, "total").await, "3");
    let placement = genesis(&runtime, child).await.placement.expect("it is recorded");
    assert_eq!(placement.manifest, reference, "whoever brings it back compares again");

    let other = pinned("worker.toml", "x");
    let told = ask(&runtime, id, &format!("spawn {other}")).await;
    for digest in [digest("x"), digest(file("worker.toml"))] {
        assert!(told.contains(&digest.to_string()), "{told}");
    }
    let broken = ask(&runtime, id, "spawn worker.toml#blake3=77").await;
    assert!(broken.contains("64 lowercase hexadecimal digits"), "{broken}");
    let records = supervisor_records(&runtime, id, EventKind::SPAWN).await;
    let outcomes = records.iter().filter(|record| record.event_type.ends_with("/outcome"));
    let refusals: Vec<_> = outcomes
        .map(|record| payload::decode(record.data.as_deref().expect("details")).expect("an outcome"))
        .filter_map(|outcome| match outcome {
            SupervisorOutcome::Refused(error) => Some(error),
            _ => None,
        })
        .collect();
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    assert!(told.contains(&refusals[0]) && broken.contains(&refusals[1]), "{told} {broken} {refusals:?}");
    runtime.kill().await;
}

#[tokio::test]
async fn a_check_tells_the_digests_of_everything_that_was_loaded() {
    let app = worker("worker.wasm", "init_state = \"state\"\n");
    let checked = runtime(&app).check("app.toml").await.expect("a tree");
    let sources = checked[0].sources.as_ref().expect("everything is there");
    assert_eq!((sources.manifest, sources.init_state), (digest(&app), Some(digest("7"))));
    let lost = worker("gone.wasm", "");
    let checked = runtime(&lost).check("app.toml").await.expect("a tree");
    assert!(checked[0].sources.is_none() && checked[0].problem.is_some());
}
