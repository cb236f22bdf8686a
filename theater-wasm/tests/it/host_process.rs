//! `theater:simple/process`, with programs that every Unix system has.

mod bounds;
mod ends;
mod outputs;
mod refusals;
mod replay;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use theater_core::{ActorId, ActorRuntime, MapSource, SpawnRequest};
use theater_wasm::{RuntimeBuilder, WasmRuntime};

use crate::support::*;

/// What most tests need, with a folder besides.
fn granted(folder: &Path) -> String {
    format!("allowed_programs = [\"sh\", \"cat\", \"/bin/sh\"], allowed_paths = [{folder:?}]")
}

/// A manifest of the actor with these settings of `process`, and whatever else.
fn manifest(settings: &str, more: &str) -> String {
    format!(
        "name = \"processes\"\ncomponent = \"processes.wasm\"\nhandlers = [{{ type = \"message-server\" }}, \
         {{ type = \"timing\" }}, {{ type = \"process\", {settings} }}]\n{more}\n"
    )
}

fn source(manifests: &[(&str, &str)]) -> MapSource {
    let mut source = MapSource::new();
    for name in ["processes.wasm", "processes-june.wasm", "supervisor.wasm"] {
        let component = std::fs::read(components().join(name)).expect("a component that is checked in");
        source = source.with(name, component);
    }
    for (name, manifest) in manifests {
        source = source.with(*name, (*manifest).to_owned());
    }
    source
}

/// A runtime whose environment is the same wherever the tests are run.
fn builder(source: MapSource) -> RuntimeBuilder {
    let environment = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    WasmRuntime::builder(source).engine(engine()).config(|config| config.environment = Arc::new(environment))
}

/// A runtime with one such actor.
async fn with(settings: &str, more: &str) -> (WasmRuntime, ActorId) {
    let source = source(&[("processes.toml", &manifest(settings, more))]);
    let runtime = builder(source).build().expect("a runtime");
    let id = runtime.spawn(SpawnRequest::new(None, "processes.toml")).await.expect("it starts").id;
    (runtime, id)
}

/// The same with what most tests need.
async fn usual() -> (WasmRuntime, ActorId) {
    with(&granted(Path::new("/")), "").await
}

/// Says something to the actor and returns its answer.
async fn call(runtime: &WasmRuntime, id: ActorId, words: &[&str]) -> String {
    ask(runtime, id, &words.join("\t")).await
}

/// Starts `sh -c` with a script.
async fn shell(runtime: &WasmRuntime, id: ActorId, settings: &[&str], script: &str) -> String {
    let words = [&["spawn", "sh"], settings, &["--", "-c", script]].concat();
    let pid = call(runtime, id, &words).await;
    assert!(pid.parse::<u64>().is_ok(), "{script}: {pid}");
    pid
}

/// What the actor has heard when a line says this.
async fn heard(runtime: &WasmRuntime, id: ActorId, line: &str) -> Vec<String> {
    eventually(line, || async {
        let heard = call(runtime, id, &["heard"]).await;
        let lines: Vec<_> = heard.lines().map(ToOwned::to_owned).collect();
        lines.iter().any(|heard| heard == line).then_some(lines)
    })
    .await
}

/// How many programs the system has with this among their arguments.
fn running(marker: &str) -> usize {
    let ps = std::process::Command::new("ps").args(["-A", "-o", "args="]).output().expect("ps runs");
    assert!(ps.status.success(), "{}", String::from_utf8_lossy(&ps.stderr));
    String::from_utf8_lossy(&ps.stdout).lines().filter(|line| line.contains(marker)).count()
}

async fn runs(marker: &str, count: usize) {
    eventually(&format!("{count} run {marker}"), || async { (running(marker) == count).then_some(()) }).await;
}
