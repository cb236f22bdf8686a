//! A runtime over the example components, and short ways to talk to its actors.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use theater_core::event::payload;
use theater_core::{
    ActorError, ActorId, ActorRuntime, Authority, ChainEvent, EventKind, EventRange, ExitReason, SpawnRequest,
};
use theater_supervisor::SupervisorEvent;
use theater_wasm::{ActorEngine, EngineConfig, FileSource, RuntimeConfig, WasmRuntime};

pub(crate) fn components() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/components"))
}

/// One engine for all tests of the process: each would reserve its own address space otherwise.
pub(crate) fn engine() -> ActorEngine {
    static ENGINE: OnceLock<ActorEngine> = OnceLock::new();
    ENGINE.get_or_init(|| ActorEngine::new(&EngineConfig::default()).expect("an engine")).clone()
}

pub(crate) fn runtime() -> WasmRuntime {
    runtime_with(|_| {})
}

pub(crate) fn runtime_with(config: impl FnOnce(&mut RuntimeConfig)) -> WasmRuntime {
    let source = FileSource::new(components()).expect("the example components are checked in");
    WasmRuntime::builder(source).engine(engine()).config(config).build().expect("a runtime")
}

/// Starts a root actor.
pub(crate) async fn root(runtime: &WasmRuntime, manifest: &str) -> ActorId {
    runtime.spawn(SpawnRequest::new(None, manifest)).await.expect("the root starts").id
}

/// Asks an actor and returns its answer as text.
pub(crate) async fn ask(runtime: &WasmRuntime, id: ActorId, message: &str) -> String {
    let answer = runtime.request(id, message.to_owned()).await;
    String::from_utf8(answer.unwrap_or_else(|error| panic!("{message}: {error}")).to_vec()).expect("text")
}

/// Asks an actor and returns the error that comes instead of an answer.
pub(crate) async fn ask_err(runtime: &WasmRuntime, id: ActorId, message: &str) -> ActorError {
    runtime.request(id, message.to_owned()).await.expect_err("an error instead of an answer")
}

/// Makes a supervisor guest spawn a child through the host function.
pub(crate) async fn spawn_child(runtime: &WasmRuntime, parent: ActorId, line: &str) -> ActorId {
    let answer = ask(runtime, parent, &format!("spawn {line}")).await;
    answer.parse().unwrap_or_else(|_| panic!("spawn {line}: {answer}"))
}

/// Waits until the actor's current life has ended and returns why.
pub(crate) async fn exit_of(runtime: &WasmRuntime, id: ActorId) -> ExitReason {
    eventually("the actor ends", || async {
        match runtime.info(Authority::Operator, id).await.expect("a record").status {
            theater_core::ActorStatus::Ended(reason) => Some(reason),
            _ => None,
        }
    })
    .await
}

/// Polls until `check` gives something, for at most ten seconds.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl Fn() -> F) -> T {
    for _ in 0..2_000 {
        if let Some(value) = check().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what}: not within ten seconds");
}

pub(crate) async fn events(runtime: &WasmRuntime, id: ActorId) -> Vec<ChainEvent> {
    runtime.events(Authority::Operator, id, EventRange::ALL).await.expect("a chain")
}

/// The records of one supervisor function in an actor's chain, oldest first.
pub(crate) async fn supervisor_records(
    runtime: &WasmRuntime,
    id: ActorId,
    kind: EventKind,
) -> Vec<SupervisorEvent> {
    let events = events(runtime, id).await;
    let of_kind = events.iter().filter(|event| event.header.kind == kind);
    of_kind.map(|event| payload::decode(&event.payload).expect("a supervisor event")).collect()
}

pub(crate) async fn state(runtime: &WasmRuntime, id: ActorId) -> Option<String> {
    let state = runtime.state(Authority::Operator, id).await.expect("a record");
    state.map(|state| String::from_utf8(state.to_vec()).expect("text"))
}
