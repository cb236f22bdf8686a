//! Components that are too large for the pool: they have places of their own, and not without end.

use theater_core::{
    ActorError, ActorRuntime, Authority, ExitReason, LimitError, MapSource, SpawnRequest, StopMode,
};
use theater_wasm::{ActorEngine, EngineConfig, WasmRuntime};

use crate::support::*;

/// The worker with a custom section of zeros behind it, which makes it larger than the pool takes.
fn large(component: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(components().join(component)).expect("it is checked in");
    let content = [&b"\x07padding"[..], &vec![0; 5 << 20]].concat();
    let (mut size, mut length) = (content.len(), Vec::new());
    while size >= 0x80 {
        length.push(size as u8 & 0x7f | 0x80);
        size >>= 7;
    }
    length.push(size as u8);
    bytes.push(0);
    bytes.extend(length);
    bytes.extend(content);
    bytes
}

fn runtime(max_large_actors: u32) -> WasmRuntime {
    let mut config = EngineConfig::default();
    (config.max_actors, config.max_large_actors) = (2, max_large_actors);
    let engine = ActorEngine::new(&config).expect("an engine");
    let manifest =
        "name = \"large\"\ncomponent = \"large.wasm\"\nhandlers = [{ type = \"message-server\" }]\n";
    let source = MapSource::new()
        .with("large.toml", manifest)
        .with("large.wasm", large("worker.wasm"))
        .with("small.toml", manifest.replace("large.wasm", "small.wasm"))
        .with("small.wasm", std::fs::read(components().join("worker.wasm")).expect("it is checked in"));
    WasmRuntime::builder(source).engine(engine).build().expect("a runtime")
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_with_large_components_have_places_of_their_own_and_are_told_when_there_is_none() {
    let runtime = runtime(3);
    let mut actors = Vec::new();
    for _ in 0..3 {
        actors.push(root(&runtime, "large.toml").await);
    }
    let refused = runtime.spawn(SpawnRequest::new(None, "large.toml")).await.expect_err("there is no place");
    assert!(matches!(refused, ActorError::Limit(LimitError::LargeActors { limit: 3 })), "{refused}");
    assert_eq!(
        refused.to_string(),
        "too many actors with large components: this runtime runs at most 3 of them"
    );
    // More of them than the pool has places, and the pool has its own still.
    let small = root(&runtime, "small.toml").await;
    assert_eq!(ask(&runtime, small, "add 1").await, "1");

    // One that crashed or ended has no place any more.
    ask_err(&runtime, actors[0], "crash").await;
    let next = root(&runtime, "large.toml").await;
    assert_eq!(ask(&runtime, next, "add 2").await, "2");
    let stopped = runtime.stop(Authority::Operator, actors[1], StopMode::Kill).await.expect("it ends");
    assert_eq!(stopped, ExitReason::Killed);
    let next = root(&runtime, "large.toml").await;
    // What makes an instance end makes it end here too.
    let error = ask_err(&runtime, next, "grow").await.to_string();
    assert!(error.contains("out of memory"), "{error}");
    let error = ask_err(&runtime, actors[2], "recurse").await.to_string();
    assert!(error.contains("trapped"), "{error}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_without_places_for_large_components_refuses_them() {
    let runtime = runtime(0);
    let refused = runtime.spawn(SpawnRequest::new(None, "large.toml")).await.expect_err("there is no place");
    assert!(matches!(refused, ActorError::Limit(LimitError::LargeActors { limit: 0 })), "{refused}");
    root(&runtime, "small.toml").await;
    runtime.shutdown().await;
}
