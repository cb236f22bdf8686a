//! Actors that call host functions: `toolbox.wasm` those of timing, random, environment and store; and folders for others.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use theater_core::{ActorId, ActorRuntime, MapSource, SpawnRequest};
use theater_wasm::{RuntimeBuilder, WasmRuntime};

use crate::support::{ask, components, engine};

pub(crate) const ALL: &str = "{ type = \"timing\", max_sleep_duration = 60000 }, \
    { type = \"random\", max_bytes = 64, max_int = 1000 }, \
    { type = \"environment\", allowed_vars = [\"COLOUR\", \"ABSENT\"], allowed_prefixes = [\"APP_\"], denied_vars = [\"APP_KEY\"] }, \
    { type = \"store\" }";

/// A manifest of the toolbox with these handlers.
pub(crate) fn toolbox(handlers: &str) -> String {
    format!(
        "name = \"toolbox\"\ncomponent = \"toolbox.wasm\"\nhandlers = [{{ type = \"message-server\" }}, {handlers}]\n"
    )
}

/// Components, and manifests by name.
pub(crate) fn source(manifests: &[(&str, &str)]) -> MapSource {
    let file = |name: &str| std::fs::read(components().join(name)).expect("a component that is checked in");
    let mut source = MapSource::new();
    for name in ["toolbox.wasm", "supervisor.wasm", "worker.wasm", "bare.wasm", "files.wasm", "fetcher.wasm"]
    {
        source = source.with(name, file(name));
    }
    for (name, manifest) in manifests {
        source = source.with(*name, (*manifest).to_owned());
    }
    source
}

/// A runtime on a fixed environment, so that no test depends on where it is run.
pub(crate) fn builder(source: MapSource) -> RuntimeBuilder {
    let environment = [("COLOUR", "red"), ("APP_NAME", "desk"), ("APP_KEY", "secret"), ("HOME", "/root")];
    let environment: BTreeMap<_, _> =
        environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    WasmRuntime::builder(source).engine(engine()).config(|config| config.environment = Arc::new(environment))
}

/// A runtime with one toolbox.
pub(crate) async fn with(handlers: &str) -> (WasmRuntime, ActorId) {
    let runtime = builder(source(&[("toolbox.toml", &toolbox(handlers))])).build().expect("a runtime");
    let id = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
    (runtime, id)
}

/// Calls one function and returns what the guest got.
pub(crate) async fn call(runtime: &WasmRuntime, id: ActorId, words: &[&str]) -> String {
    ask(runtime, id, &words.join("\t")).await
}

/// Calls one function that must be refused, and returns what the guest was told.
pub(crate) async fn refusal(runtime: &WasmRuntime, id: ActorId, words: &[&str]) -> String {
    let answer = call(runtime, id, words).await;
    let refusal = answer.strip_prefix("error: ").unwrap_or_else(|| panic!("{words:?} gave {answer}"));
    refusal.to_owned()
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

pub(crate) fn write(path: impl AsRef<Path>, contents: &str) {
    fs::write(path, contents).expect("a file");
}

/// A folder with secrets in it, and in `inner` a folder with links that lead to them, and `mine`.
pub(crate) fn folder_with_ways_out() -> (tempfile::TempDir, PathBuf) {
    let outer = folder();
    let inner = outer.path().join("inner");
    fs::create_dir_all(inner.join("sub")).expect("folders");
    fs::create_dir(outer.path().join("other")).expect("a folder");
    write(outer.path().join("secret"), "the secret");
    write(outer.path().join("other/secret"), "the secret");
    write(inner.join("mine"), "mine");
    let link = |to: &Path, name: &str| symlink(to, inner.join(name)).expect("a link");
    link("../secret".as_ref(), "link");
    link(&outer.path().join("secret"), "absolute");
    link("../other".as_ref(), "folder");
    link("folder".as_ref(), "twice");
    link("/proc/self/root".as_ref(), "magic");
    link("/proc/self/fd".as_ref(), "open");
    link("sub/../../other".as_ref(), "through");
    (outer, inner)
}
