//! What cannot run is refused before anything starts: what, where, and what to do about it.

use theater_core::{ActorError, ActorRuntime, MapSource, SpawnRequest, StartFrom};
use theater_wasm::WasmRuntime;

use crate::support::*;

fn component(name: &str) -> Vec<u8> {
    std::fs::read(components().join(name)).expect("the example components are checked in")
}

/// The error of starting `manifest`, with these components beside it.
async fn refused(manifest: &str) -> String {
    let source = MapSource::new()
        .with("app.toml", manifest.to_owned())
        .with("worker.wasm", component("worker.wasm"))
        .with("bare.wasm", component("bare.wasm"))
        .with("needy.wasm", component("needy.wasm"))
        .with("supervisor.wasm", component("supervisor.wasm"))
        .with("processes.wasm", component("processes.wasm"))
        .with("text.wasm", "this is not a component")
        .with("module.wasm", &b"\0asm\x01\0\0\0"[..])
        .with("empty.wasm", &b"\0asm\x0d\0\x01\0"[..])
        .with("large.state", vec![b'x'; 100_000]);
    let runtime = WasmRuntime::builder(source).engine(engine()).build().expect("a runtime");
    let error = runtime.spawn(SpawnRequest::new(None, "app.toml")).await.expect_err("a refusal");
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text} / {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn each_bad_app_is_refused_with_what_where_and_what_to_do() {
    let cases = [
        ("name = \"a\"\ncomponent = 7", vec!["app.toml:2", "`component` must be"]),
        ("name = \"a\"\ncomponent = \"worker.wasm\"\ncolour = 1", vec!["app.toml:3", "unknown key `colour`"]),
        (
            "name = \"a\"\ncomponent = \"worker.wasm\"",
            vec!["worker.wasm", "theater:simple/message-server-host", "type = \"message-server\""],
        ),
        ("name = \"a\"\ncomponent = \"gone.wasm\"", vec!["gone.wasm", "not found"]),
        ("name = \"a\"\ncomponent = \"../gone.wasm\"", vec!["../gone.wasm", "outside"]),
        ("name = \"a\"\ncomponent = \"text.wasm\"", vec!["text.wasm", "not a WebAssembly component"]),
        ("name = \"a\"\ncomponent = \"module.wasm\"", vec!["module.wasm", "not a WebAssembly component"]),
        (
            "name = \"a\"\ncomponent = \"empty.wasm\"",
            vec!["empty.wasm", "theater:simple/actor.init", "missing"],
        ),
        (
            "name = \"a\"\ncomponent = \"needy.wasm\"\n[[handlers]]\ntype = \"message-server\"",
            vec!["needy.wasm", "is not provided"],
        ),
        (
            "name = \"a\"\ncomponent = \"supervisor.wasm\"\n[[handlers]]\ntype = \"message-server\"",
            vec!["supervisor.wasm", "theater:simple/supervisor", "type = \"supervisor\""],
        ),
        (
            "name = \"a\"\ncomponent = \"worker.wasm\"\n[[handlers]]\ntype = \"http-framework\"",
            vec!["app.toml:4", "`http-framework` is not provided"],
        ),
        (
            "name = \"a\"\ncomponent = \"bare.wasm\"\ninit_state = \"large.state\"\n[limits]\nstate = \"64KiB\"",
            vec!["state too large: 100000 bytes"],
        ),
        ("name = \"a\"\ncomponent = \"worker.wasm\"\n[limits]\nmemory = \"3GiB\"", vec!["memory", "at most"]),
    ];
    for (manifest, expected) in cases {
        let text = refused(manifest).await;
        for part in expected {
            assert!(text.contains(part), "{manifest}\n=> {text}\nlacks {part}");
        }
    }
}

#[cfg(all(unix, not(feature = "process")))]
#[tokio::test]
async fn a_build_without_programs_refuses_a_manifest_that_asks_for_them_and_says_which_feature_is_missing() {
    let granted = "name = \"a\"\ncomponent = \"worker.wasm\"\n[[handlers]]\ntype = \"process\"";
    let text = refused(granted).await;
    let expected = "app.toml:4: handler `process` is not in this build, which lacks the feature `process` of theater-wasm; \
        build the command with `cargo build --package theater-cli --features process`";
    assert!(text.starts_with(expected), "{text}");
    let imports = "name = \"a\"\ncomponent = \"processes.wasm\"\n\
        handlers = [{ type = \"message-server\" }, { type = \"timing\" }]";
    let text = refused(imports).await;
    let hint = "import theater:simple/process is not provided; build theater-wasm with the feature `process`, and add \
        `[[handlers]]` with `type = \"process\"` to the manifest";
    assert!(text.contains(hint), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_gets_the_same_errors_as_results_and_they_stand_on_its_chain() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    for (manifest, expected) in [
        ("gone.toml", "not found"),
        ("../../Cargo.toml", "outside"),
        ("/etc/passwd", "outside"),
        ("worker.wasm", "not UTF-8"),
        ("needy.toml", "is not provided"),
    ] {
        let answer = ask(&runtime, parent, &format!("spawn {manifest}")).await;
        assert!(answer.starts_with("error: ") && answer.contains(expected), "{manifest}: {answer}");
        let last = supervisor_records(&runtime, parent, theater_core::EventKind::SPAWN).await.pop().unwrap();
        let recorded = String::from_utf8_lossy(&last.data.unwrap()).into_owned();
        assert!(recorded.contains(expected), "{manifest}: {recorded}");
    }
    let request = SpawnRequest::new(Some(parent), "worker.toml")
        .start(StartFrom::State(Some(vec![b'1'; 70_000].into())));
    let error = runtime.spawn(request).await.unwrap_err();
    assert!(
        matches!(error, ActorError::Limit(theater_core::LimitError::State { size: 70_000, .. })),
        "{error}"
    );
    assert_eq!(ask(&runtime, parent, "list").await, "");
    runtime.shutdown().await;
}
