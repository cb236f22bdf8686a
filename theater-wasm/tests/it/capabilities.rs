//! Each actor may do what it was given, and a child at most what its parent may.

use theater_core::{ActorError, ActorRuntime, EventKind, SpawnRequest};

use crate::host_support::*;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_not_granted_is_refused_before_the_start_with_the_lines_to_add() {
    let granted = [
        ("timing", "theater:simple/timing"),
        ("random", "theater:simple/random"),
        ("environment", "theater:simple/environment"),
        ("store", "theater:simple/store"),
    ];
    for (missing, import) in granted {
        let handlers: Vec<_> = granted
            .iter()
            .filter(|(kind, _)| *kind != missing)
            .map(|(kind, _)| format!("{{ type = \"{kind}\" }}"))
            .collect();
        let manifest =
            format!("name = \"toolbox\"\ncomponent = \"toolbox.wasm\"\nhandlers = [{}]", handlers.join(", "));
        let runtime = builder(source(&[("toolbox.toml", &manifest)])).build().expect("a runtime");
        let error = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.unwrap_err().to_string();
        let expected = format!(
            "component toolbox.wasm: import {import} is not provided; add `[[handlers]]` with `type = \"{missing}\"` to the manifest"
        );
        assert_eq!(error, expected);
        let checked = runtime.check("toolbox.toml").await.expect("the tree is known");
        let problem = checked[0].problem.as_ref().expect("the same problem").to_string();
        assert_eq!(problem, expected);
    }
}

/// A supervisor with these handlers besides what it needs, and children to spawn.
async fn desk(
    handlers: &str,
    children: &[(&str, &str)],
) -> (theater_wasm::WasmRuntime, theater_core::ActorId) {
    let desk = format!(
        "name = \"desk\"\ncomponent = \"supervisor.wasm\"\n\
         handlers = [{{ type = \"message-server\" }}, {{ type = \"supervisor\" }}{handlers}]"
    );
    let mut manifests = vec![("desk.toml", &*desk)];
    manifests.extend(children);
    let runtime = builder(source(&manifests)).build().expect("a runtime");
    let desk = root(&runtime, "desk.toml").await;
    (runtime, desk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_asks_for_more_than_its_parent_has_is_refused_with_the_difference_and_that_is_recorded()
{
    let more = toolbox(ALL);
    let within = toolbox(&ALL.replace("60000", "1000"));
    let given = format!(", {}", ALL.replace("60000", "1000"));
    let (runtime, desk) = desk(&given, &[("more.toml", &more), ("within.toml", &within)]).await;
    for command in ["spawn", "resume"] {
        let answer = ask(&runtime, desk, &format!("{command} more.toml x")).await;
        assert_eq!(
            answer,
            "error: Actor error: `toolbox` asks for more than `desk` has: timing.max_sleep_duration 60000 is more than \
             the parent's 1000; write `max_sleep_duration = 60000` under handler `timing` in the manifest of `desk`, or \
             take it out of this one"
        );
    }
    assert_eq!(ask(&runtime, desk, "list").await, "");
    let records = supervisor_records(&runtime, desk, EventKind::SPAWN).await;
    let last = records.last().expect("a record").data.clone().expect("an outcome");
    assert!(String::from_utf8_lossy(&last).contains("asks for more than `desk` has"));
    let child = spawn_child(&runtime, desk, "within.toml").await;
    assert_eq!(call(&runtime, child, &["environment", "get", "COLOUR"]).await, "red");
    // The embedding program acts on the parent's behalf, and the parent's bound counts.
    let error = runtime.spawn(SpawnRequest::new(Some(desk), "more.toml")).await.unwrap_err();
    assert!(matches!(error, ActorError::NotGranted(_)), "{error}");
    // It has no bound itself.
    root(&runtime, "more.toml").await;
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_of_a_parent_without_a_handler_does_not_get_it() {
    let (runtime, desk) = desk("", &[("toolbox.toml", &toolbox(ALL))]).await;
    let answer = ask(&runtime, desk, "spawn toolbox.toml x").await;
    assert!(
        answer.contains(
            "handler `timing` is not the parent's to give; add `[[handlers]]` with `type = \"timing\"` to the manifest of `desk`"
        ),
        "{answer}"
    );
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pure_supervisor_below_a_bounded_actor_passes_the_bound_on() {
    let group = "name = \"group\"\n[[children]]\nid = \"t\"\nmanifest = \"toolbox.toml\"";
    let manifests = [("group.toml", group), ("toolbox.toml", &*toolbox(ALL))];
    let (runtime, bounded) = desk("", &manifests).await;
    let answer = ask(&runtime, bounded, "spawn group.toml x").await;
    assert!(answer.contains("`toolbox` asks for more than `desk` has: handler `timing`"), "{answer}");
    assert_eq!(ask(&runtime, bounded, "list").await, "");
    runtime.shutdown().await;
    let (runtime, bounded) = desk(&format!(", {ALL}"), &manifests).await;
    spawn_child(&runtime, bounded, "group.toml").await;
    // A group that the embedding program starts has no bound.
    root(&runtime, "group.toml").await;
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_child_that_asks_for_too_much_is_refused_before_anything_starts() {
    let app =
        "name = \"app\"\ncomponent = \"bare.wasm\"\n[[children]]\nid = \"t\"\nmanifest = \"toolbox.toml\"";
    let runtime =
        builder(source(&[("app.toml", app), ("toolbox.toml", &toolbox(ALL))])).build().expect("a runtime");
    let expected = "toolbox.toml:3: `toolbox` asks for more than `app` has: handler `message-server` is not the parent's to give; \
                    add `[[handlers]]` with `type = \"message-server\"` to the manifest of `app`";
    let error = runtime.spawn(SpawnRequest::new(None, "app.toml")).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    let error = runtime.check("app.toml").await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert!(runtime.children(theater_core::ActorId::from_parts(1, [1; 10])).await.is_err());
}

/// A build without the feature says which one it is.
#[cfg(not(feature = "http-client"))]
#[tokio::test]
async fn a_handler_that_this_build_lacks_is_refused_with_the_feature_to_build() {
    let app = "name = \"app\"\ncomponent = \"bare.wasm\"\nhandlers = [{ type = \"http-client\" }]";
    let runtime = builder(source(&[("app.toml", app)])).build().expect("a runtime");
    let error = runtime.spawn(SpawnRequest::new(None, "app.toml")).await.unwrap_err().to_string();
    assert!(error.starts_with("app.toml:3: handler `http-client` is not in this build"), "{error}");
    assert!(error.contains("the feature `http-client` of theater-wasm"), "{error}");
}
