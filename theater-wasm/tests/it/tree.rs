//! Declared trees in memory, and ways to look at them.

use theater_chain::{jsonl, verify_export};
use theater_core::{ActorId, ActorInfo, ActorRuntime, Authority, EventRange, MapSource};
use theater_wasm::{LifecycleEvent, LifecycleKind, LifecycleStream, WasmRuntime, Watched};

use crate::support::{components, engine};

/// A manifest of the worker guest.
pub(crate) const WORKER: &str = "name = \"worker\"\ncomponent = \"worker.wasm\"\n\
    handlers = [{ type = \"message-server\" }]\nlimits = { call_deadline = \"300ms\", memory = \"8MiB\" }\n";

/// A runtime with the example components, `worker.toml`, and this `app.toml`.
pub(crate) fn app(text: &str) -> WasmRuntime {
    with_files(text, &[])
}

/// The same with more files.
pub(crate) fn with_files(text: &str, files: &[(&str, &str)]) -> WasmRuntime {
    configured(text, files, |_| {})
}

/// The same with other settings.
pub(crate) fn configured(
    text: &str,
    files: &[(&str, &str)],
    change: impl FnOnce(&mut theater_wasm::RuntimeConfig),
) -> WasmRuntime {
    let component = |name: &str| std::fs::read(components().join(name)).expect("it is checked in");
    let mut source = MapSource::new()
        .with("worker.wasm", component("worker.wasm"))
        .with("supervisor.wasm", component("supervisor.wasm"))
        .with("chatter.wasm", component("chatter.wasm"))
        .with("worker.toml", WORKER)
        .with("app.toml", text.to_owned());
    for (name, content) in files {
        source = source.with(*name, (*content).to_owned());
    }
    let settings = |config: &mut theater_wasm::RuntimeConfig| {
        config.watch_capacity = 1 << 16;
        change(config);
    };
    WasmRuntime::builder(source).engine(engine()).config(settings).build().expect("a runtime")
}

/// The live children of an actor, in start order.
pub(crate) async fn live(runtime: &WasmRuntime, parent: ActorId) -> Vec<ActorInfo> {
    let children = runtime.children(parent).await.expect("a record");
    children.into_iter().filter(|child| !child.status.is_ended()).collect()
}

/// The live descendant that these places lead to, counted from 0 among live siblings.
pub(crate) async fn descendant(runtime: &WasmRuntime, root: ActorId, places: &[usize]) -> ActorId {
    let mut id = root;
    for place in places {
        let children = live(runtime, id).await;
        id = children.get(*place).unwrap_or_else(|| panic!("no child {place}: {children:?}")).id;
    }
    id
}

pub(crate) async fn incarnation(runtime: &WasmRuntime, id: ActorId) -> u64 {
    runtime.info(Authority::Operator, id).await.expect("a record").incarnation.0
}

/// Checks every chain of the runtime, and that they agree about each other. Returns how many actors there were.
pub(crate) async fn verify_chains(runtime: &WasmRuntime) -> u64 {
    let store = runtime.chain_store();
    let mut export = Vec::new();
    for chain in store.chains().await.expect("a list in memory") {
        let events = store.read(chain, EventRange::ALL).await.expect("it is there");
        let actor = jsonl::actor_of(&events[0]).expect("a genesis event");
        jsonl::write_events(&mut export, actor, &events).expect("memory takes it");
    }
    let report = verify_export(&export[..]).unwrap_or_else(|error| panic!("{error}"));
    report.actors
}

/// What happened, as a test names it: `started store`, `stopped cache`.
fn line(event: &LifecycleEvent) -> Option<String> {
    match &event.kind {
        LifecycleKind::Started { .. } => Some(format!("started {}", event.name)),
        LifecycleKind::StartFailed { .. } => Some(format!("not started {}", event.name)),
        LifecycleKind::Exited { reason } => Some(format!("{} {}", reason.name(), event.name)),
        _ => None,
    }
}

/// That just this happened, in this order. An actor's record says a thing before its watchers are told it.
pub(crate) async fn told(stream: &mut LifecycleStream, expected: &[&str]) {
    let mut story = Vec::new();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while story.len() < expected.len()
        && let Ok(Some(Watched::Event(event))) = tokio::time::timeout_at(deadline, stream.next()).await
    {
        story.extend(line(&event));
    }
    while let Some(Watched::Event(event)) = stream.try_next() {
        story.extend(line(&event));
    }
    assert_eq!(story, expected);
}
