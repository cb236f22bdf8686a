//! The layers of the workspace: a dependency in the wrong direction fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on inside the workspace, development dependencies aside.
const LAYERS: &[(&str, &[&str])] = &[
    ("theater-core", &[]),
    ("theater-chain", &["theater-core"]),
    ("theater-supervisor", &["theater-core"]),
    ("theater-wasm", &["theater-core", "theater-chain", "theater-supervisor"]),
    ("theater-testkit", &["theater-core", "theater-chain", "theater-supervisor"]),
    ("theater-cli", &["theater-core", "theater-chain", "theater-supervisor", "theater-wasm"]),
];

/// Packages that may be reached from these crates only.
const CONFINED: &[(&str, &[&str])] = &[
    ("wasmtime", &["theater-wasm", "theater-cli"]),
    ("wasmtime-wasi", &["theater-wasm", "theater-cli"]),
    ("clap", &["theater-cli"]),
    ("tracing-subscriber", &["theater-cli"]),
];

/// Packages that only these crates may name themselves.
const NAMED: &[(&str, &[&str])] = &[
    ("wasmtime", &["theater-wasm"]),
    ("wasmtime-wasi", &["theater-wasm"]),
    ("anyhow", &["theater-cli"]),
    ("rusqlite", &["theater-chain"]),
    ("ureq", &["theater-wasm"]),
    ("rustix", &["theater-wasm"]),
    ("hyper", &["theater-wasm"]),
];

/// Packages and what they depend on, development dependencies aside.
struct Graph(BTreeMap<String, BTreeSet<String>>);

impl Graph {
    fn read() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version=1", "--all-features", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let list = |value: &Value| value.as_array().expect("a list").clone();
        let names: BTreeMap<_, _> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let to = edges.entry(names[&text(&node["id"])].clone()).or_default();
            for dependency in list(&node["deps"]) {
                if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                    to.insert(names[&text(&dependency["pkg"])].clone());
                }
            }
        }
        Self(edges)
    }

    fn direct(&self, from: &str) -> &BTreeSet<String> {
        self.0.get(from).unwrap_or_else(|| panic!("no package {from}"))
    }

    fn reachable(&self, from: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next = vec![from];
        while let Some(package) = next.pop() {
            for dependency in self.0.get(package).into_iter().flatten() {
                if seen.insert(dependency.as_str()) {
                    next.push(dependency);
                }
            }
        }
        seen
    }
}

#[test]
fn every_crate_depends_on_lower_layers_only() {
    let graph = Graph::read();
    for (name, allowed) in LAYERS {
        for dependency in graph.direct(name).iter().filter(|dependency| dependency.starts_with("theater-")) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn the_engine_and_the_command_line_stay_in_their_crates() {
    let graph = Graph::read();
    for (name, _) in LAYERS {
        let reachable = graph.reachable(name);
        for (package, allowed) in CONFINED {
            assert!(
                allowed.contains(name) || !reachable.contains(package),
                "{package} is reachable from {name}, but only {allowed:?} may reach it"
            );
        }
        for (package, allowed) in NAMED {
            assert!(
                allowed.contains(name) || !graph.direct(name).contains(*package),
                "{name} depends on {package}, but only {allowed:?} may"
            );
        }
    }
}
