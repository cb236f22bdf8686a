//! Components and manifests of mid-2025, as they are.

use theater_core::{ActorId, ActorRuntime, Authority, SpawnRequest, StopMode};
use theater_wasm::{FileSource, WasmRuntime};

use crate::support::{ask, ask_err, components, engine, eventually, root, spawn_child};

/// As `colinrozzi/chat-state` had it in May 2025, its machine paths shortened.
const NESTED: &str = include_str!("../../../theater-core/tests/manifests/chat-state.toml");

/// The same in the dialect of July 2025, with what the templates of the time wrote besides.
const FLAT: &str = r#"name = "chat-state"
version = "0.1.0"
component_path = "/abs/path/target/wasm32-unknown-unknown/release/chat_state.wasm"
init_state = "/abs/path/init.json"
save_chain = true

[interface]
implements = "theater:simple/actor"
requires = []

[permission_policy.file_system]
type = "inherit"

[[handler]]
type = "message-server"
[[handler]]
type = "runtime"
[[handler]]
type = "timing"
max_sleep_duration = 3600000
min_sleep_duration = 1
[[handler]]
type = "supervisor"
[[handler]]
type = "store"
[[handler]]
type = "random"
max_bytes = 1048576
max_int = 9223372036854775807
allow_crypto_secure = false
"#;

/// The component of the package as it was published in June 2025.
fn published() -> Vec<u8> {
    std::fs::read(components().join("published.wasm")).expect("it is checked in")
}

/// The same, built against another version of the package: the versions are of one length.
fn of_version(version: &str) -> Vec<u8> {
    let mut component = published();
    let (from, to) = (b"@0.1.0", format!("@{version}").into_bytes());
    assert_eq!(from.len(), to.len());
    let places: Vec<_> =
        (0..component.len() - from.len()).filter(|at| component[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "its interfaces have a version");
    for at in places {
        component[at..at + to.len()].copy_from_slice(&to);
    }
    component
}

/// A runtime in its developer's folder, which is another one here than the manifest's text says.
struct Developer {
    runtime: WasmRuntime,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Developer {
    type Target = WasmRuntime;

    fn deref(&self) -> &WasmRuntime {
        &self.runtime
    }
}

fn runtime(manifest: &str, component: Vec<u8>) -> Developer {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().canonicalize().expect("it is there");
    let release = here.join("target/wasm32-unknown-unknown/release");
    std::fs::create_dir_all(&release).expect("a folder");
    std::fs::write(release.join("chat_state.wasm"), component).expect("room on the disk");
    std::fs::write(here.join("init.json"), "7").expect("room on the disk");
    let manifest = manifest.replace("/abs/path", here.to_str().expect("a path"));
    std::fs::write(here.join("chat-state.toml"), manifest).expect("room on the disk");
    let source = FileSource::new(&here).expect("a folder");
    Developer {
        runtime: WasmRuntime::builder(source).engine(engine()).build().expect("a runtime"),
        _folder: folder,
    }
}

/// Uses everything that an actor could import in mid-2025.
async fn use_all(runtime: &WasmRuntime) {
    let parent = root(runtime, "chat-state.toml").await;
    assert_eq!(ask(runtime, parent, "add 5").await, "12", "it began with its initial state");
    assert_eq!(ask(runtime, parent, "keep a text").await, "a text");
    assert_eq!(ask(runtime, parent, "sleep").await, "true");
    assert_eq!(ask(runtime, parent, "random").await, "16 true 36");
    assert!(ask(runtime, parent, "chain").await.parse::<u64>().expect("a number") > 10);

    let child = spawn_child(runtime, parent, "chat-state.toml").await;
    assert_eq!(ask(runtime, parent, "children").await, child.to_string());
    assert_eq!(ask(runtime, parent, &format!("ask {child} add 1")).await, "8");
    assert_eq!(ask(runtime, parent, &format!("send {child} add 1")).await, "ok");
    assert_eq!(ask(runtime, child, "add 0").await, "9");
    assert_eq!(ask(runtime, parent, &format!("state {child}")).await, "9\n");
    assert!(ask(runtime, parent, &format!("events {child}")).await.parse::<u64>().expect("a number") > 4);
    assert_eq!(ask(runtime, parent, &format!("restart {child}")).await, "ok");
    assert_eq!(ask(runtime, child, "add 0").await, "9", "with its last known state");
    assert_eq!(ask(runtime, parent, &format!("stop {child}")).await, "ok");
    assert_eq!(ask(runtime, parent, "children").await, "");

    let resumed: ActorId =
        ask(runtime, parent, "resume chat-state.toml 40").await.parse().expect("the id of a child");
    assert_eq!(ask(runtime, resumed, "add 2").await, "42");
    ask_err(runtime, resumed, "crash").await;
    ask_notices(runtime, parent, &format!("error {resumed} WitErrorType::Internal\n")).await;
    runtime.shutdown().await;
}

/// Waits until the actor has been told just this.
async fn ask_notices(runtime: &WasmRuntime, parent: ActorId, expected: &str) {
    eventually(expected, || async { (ask(runtime, parent, "notices").await == expected).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_mid_2025_runs_with_its_manifest_as_it_is_in_either_dialect() {
    for manifest in [NESTED, FLAT] {
        use_all(&runtime(manifest, published())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_patch_of_the_published_version_runs_and_no_other_version() {
    use_all(&runtime(NESTED, of_version("0.1.7"))).await;

    let later = runtime(NESTED, of_version("0.2.0"));
    let error = later.spawn(SpawnRequest::new(None, "chat-state.toml")).await.expect_err("another package");
    let said = theater_core::error::with_causes(&error);
    assert!(
        said.contains("theater:simple/") && said.contains("@0.2.0") && said.contains("as 0.1, not as 0.2.0"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_without_handle_child_external_stop_misses_those_stops_and_nothing_else() {
    let runtime = runtime(NESTED, published());
    let parent = root(&runtime, "chat-state.toml").await;
    let stopped = spawn_child(&runtime, parent, "chat-state.toml").await;
    let quits = spawn_child(&runtime, parent, "chat-state.toml").await;
    runtime.stop(Authority::Operator, stopped, StopMode::Kill).await.expect("it ends");
    ask(&runtime, quits, "quit with this").await;
    ask_notices(&runtime, parent, &format!("exit {quits} with this\n")).await;
    assert_eq!(ask(&runtime, parent, "children").await, "");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_versioned_import_was_not_granted_is_refused_with_the_line_to_add() {
    let manifest = NESTED
        .replace("type = \"timing\"", "type = \"environment\"")
        .replace("max_sleep_duration = 3600000\nmin_sleep_duration = 1\n", "");
    let runtime = runtime(&manifest, published());
    let error =
        runtime.spawn(SpawnRequest::new(None, "chat-state.toml")).await.expect_err("it imports timing");
    let said = theater_core::error::with_causes(&error);
    assert!(said.contains("theater:simple/timing@0.1.0") && said.contains("type = \"timing\""), "{said}");
}
