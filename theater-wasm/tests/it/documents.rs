//! The documents say what the code does.

use theater_core::{EventKind, HandlerKind, Limits, Manifest};

fn page(name: &str) -> String {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_example_manifest_of_the_reference_parses() {
    let page = page("manifest.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let manifest = Manifest::parse("docs/manifest.md", example).unwrap();
    assert!(manifest.has_handler(HandlerKind::Supervisor));
}

#[test]
fn the_reference_names_every_limit_with_its_default() {
    let page = page("manifest.md");
    let limits = Limits::default();
    for row in [
        format!("| `call_deadline` | `\"{}s\"`", limits.call_deadline.as_secs()),
        format!("| `host_deadline` | `\"{}s\"`", limits.host_deadline.as_secs()),
        format!("| `memory` | `\"{}MiB\"`", limits.memory >> 20),
        format!("| `mailbox` | {} ", limits.mailbox),
        format!("| `message` | `\"{}MiB\"`", limits.message >> 20),
        format!("| `state` | `\"{}MiB\"`", limits.state >> 20),
        format!("| `event` | `\"{}MiB\"`", limits.event >> 20),
        format!("| `channels` | {} ", limits.channels),
        format!("| `children` | {} ", limits.children),
    ] {
        assert!(page.contains(&row), "docs/manifest.md lacks: {row}");
    }
}

#[test]
fn the_chain_format_names_every_kind() {
    let page = page("chain-format.md");
    for kind in EventKind::ALL {
        let name = kind.name().unwrap();
        // Families stand in one row, under their common prefix.
        let family = name.rsplit_once('/').unwrap().0;
        let short = name.strip_prefix("theater/child").unwrap_or(name);
        assert!(
            page.contains(short) || page.contains(&format!("{family}/...")),
            "docs/chain-format.md lacks {name}"
        );
    }
}

#[test]
fn the_python_verifier_of_the_format_page_agrees_with_ours() {
    let page = page("chain-format.md");
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    // It needs Python and one package; a machine without them can read it all the same.
    let blake3 = std::process::Command::new("python3").args(["-c", "import blake3"]).output();
    if !blake3.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "LEFT OUT: python3 with the package blake3 is not here, so the page's verifier was not run"
        );
        return;
    }
    let (mut chain, genesis) = theater_chain::Chain::genesis("anything".into(), 1, 1);
    let events =
        [genesis, chain.append(EventKind::LOG, "one".into(), 2), chain.append(EventKind::LOG, "".into(), 3)];
    let actor = theater_core::ActorId::from_parts(1, [1; 10]);
    let folder = tempfile::tempdir().unwrap();
    let (script, good, bad) =
        (folder.path().join("v.py"), folder.path().join("good"), folder.path().join("bad"));
    let mut export = Vec::new();
    theater_chain::jsonl::write_events(&mut export, actor, &events).unwrap();
    std::fs::write(&script, program).unwrap();
    std::fs::write(&good, &export).unwrap();
    std::fs::write(&bad, String::from_utf8(export).unwrap().replace("\"time\":2", "\"time\":4")).unwrap();
    let run = |file| std::process::Command::new("python3").arg(&script).arg(file).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&run(&good).stdout).trim(), "verified: 1 actors, 3 events");
    let refused = run(&bad);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 2: event hash"));

    // Pruned as the chain says, and pruned further than that.
    let pruned = theater_core::event::payload::Pruned { before: 2, events: 1, bytes: 3 };
    let mut events = events.to_vec();
    let pruned = theater_core::event::payload::encode(&pruned);
    events
        .extend([chain.append(EventKind::LOG, "two".into(), 4), chain.append(EventKind::PRUNED, pruned, 5)]);
    let export = |events: &[theater_core::ChainEvent], file| {
        let mut export = Vec::new();
        theater_chain::jsonl::write_events(&mut export, actor, events).unwrap();
        std::fs::write(file, export).unwrap();
    };
    events[1].payload = Vec::new().into();
    export(&events, &good);
    assert_eq!(String::from_utf8_lossy(&run(&good).stdout).trim(), "verified: 1 actors, 5 events");
    events[3].payload = Vec::new().into();
    export(&events, &bad);
    let refused = run(&bad);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("line 4: payload missing"));
}

/// The Rust files of a crate.
fn sources(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of a crate") {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_test_that_the_page_of_guarantees_names_is_there() {
    let page = page("guarantees.md");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut of_crates = std::collections::HashMap::new();
    let mut named = 0;
    for name in page.split('`').skip(1).step_by(2).filter(|name| name.starts_with("theater-")) {
        // The page speaks of a suite as a whole too.
        let [crate_name, file, test] = name.split("::").collect::<Vec<_>>()[..] else {
            assert_eq!(name, "theater-testkit::conformance");
            continue;
        };
        let files = of_crates.entry(crate_name).or_insert_with(|| {
            let mut found = Vec::new();
            for folder in ["src", "tests"] {
                sources(&root.join(crate_name).join(folder), &mut found);
            }
            found
        });
        let is_test = |text: &str| {
            let before = text.find(&format!("fn {test}(")).map(|at| &text[..at]);
            before.is_some_and(|before| before[before.len().saturating_sub(120)..].contains("test"))
        };
        let there = files
            .iter()
            .filter(|path| path.file_stem().is_some_and(|stem| stem == file))
            .any(|path| is_test(&std::fs::read_to_string(path).unwrap()));
        assert!(there, "docs/guarantees.md names {name}, which is no test");
        named += 1;
    }
    assert!(named > 50, "{named}");
    for row in 1..=28 {
        assert!(page.contains(&format!("\n| {row} | ")), "docs/guarantees.md lacks row {row}");
    }
}

#[test]
fn every_function_of_the_interfaces_is_imported_by_a_component_that_starts() {
    use wasmtime::component::types::ComponentItem;
    let engine = crate::support::engine();
    let mut imported = std::collections::BTreeSet::new();
    // Other tests start them.
    for guest in ["worker", "chatter", "supervisor", "scripted", "files", "fetcher"] {
        let path = crate::support::components().join(format!("{guest}.wasm"));
        let component =
            wasmtime::component::Component::new(engine.wasmtime(), std::fs::read(path).unwrap()).unwrap();
        for (interface, item) in component.component_type().imports(engine.wasmtime()) {
            let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
            for (function, item) in instance.exports(engine.wasmtime()) {
                if matches!(item.ty, ComponentItem::ComponentFunc(_)) {
                    imported.insert(format!("{interface}.{function}"));
                }
            }
        }
    }
    let mut declared = 0;
    for file in ["runtime.wit", "supervisor.wit", "message-server.wit", "filesystem.wit", "http.wit"] {
        let text = std::fs::read_to_string(format!("{}/../wit/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut interface = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("interface ") {
                interface = name.trim_end_matches([' ', '{']);
            }
            let Some((function, _)) = line.split_once(": func(") else { continue };
            // What guests export is called in every test.
            if matches!(interface, "message-server-client" | "supervisor-handlers") {
                continue;
            }
            let name = format!("theater:simple/{interface}.{function}");
            assert!(imported.contains(&name), "{name} is imported by none of: {imported:?}");
            declared += 1;
        }
    }
    assert_eq!(declared, 3 + 7 + 8 + 9 + 1);
}

#[test]
fn nothing_claims_a_hot_swap_or_a_command_that_is_not_there() {
    let root = format!("{}/..", env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![std::path::PathBuf::from(format!("{root}/README.md"))];
    for entry in std::fs::read_dir(format!("{root}/docs")).unwrap() {
        pages.push(entry.unwrap().path());
    }
    for path in pages.iter().filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        if path.ends_with("guarantees.md") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap().to_lowercase();
        for claim in
            ["hot swap", "hot-swap", "hot reload", "update-component", "theater create", "theater new"]
        {
            assert!(!text.contains(claim), "{} speaks of: {claim}", path.display());
        }
    }
    let wit = std::fs::read_to_string(format!("{root}/wit/runtime.wit")).unwrap();
    assert!(!wit.contains("update"), "{wit}");
}
