//! `supervisor-handlers`: told once per end of a life, after the record; a failing callback harms nobody.

use theater_core::{ActorRuntime, Authority, StopMode};

use crate::support::*;

/// The callbacks that a supervisor guest has got so far, once there are `count`.
async fn notices(
    runtime: &theater_wasm::WasmRuntime,
    id: theater_core::ActorId,
    count: usize,
) -> Vec<String> {
    eventually("the callbacks come", || async {
        let text = ask(runtime, id, "notices").await;
        let lines: Vec<_> = text.lines().map(ToOwned::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_hears_of_failures_of_completions_and_of_stops_by_others_but_not_of_its_own() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let crashing = spawn_child(&runtime, parent, "worker.toml").await;
    let finishing = spawn_child(&runtime, parent, "worker.toml").await;
    let taken = spawn_child(&runtime, parent, "worker.toml").await;
    let own = spawn_child(&runtime, parent, "worker.toml").await;

    ask_err(&runtime, crashing, "crash").await;
    let first = notices(&runtime, parent, 1).await;
    assert!(first[0].starts_with(&format!("error {crashing} internal")), "{first:?}");

    runtime.send(finishing, "quit bye").await.unwrap();
    let second = notices(&runtime, parent, 2).await;
    assert!(second[1].starts_with(&format!("exit {finishing}")) && second[1].ends_with("bye"), "{second:?}");

    runtime.stop(Authority::Operator, taken, StopMode::Kill).await.unwrap();
    let third = notices(&runtime, parent, 3).await;
    assert!(third[2].starts_with(&format!("external-stop {taken}")), "{third:?}");

    ask(&runtime, parent, &format!("stop {own}")).await;
    ask(&runtime, parent, "list").await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert_eq!(notices(&runtime, parent, 3).await.len(), 3);
    runtime.shutdown().await;
}
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_fails_costs_the_parent_nothing_but_the_callback() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor-small-state.toml").await;
    let sibling = spawn_child(&runtime, parent, "worker.toml 5").await;
    // Each failure makes the parent's state longer, until the callback returns more than limits.state.
    for _ in 0..15 {
        let child = spawn_child(&runtime, parent, "worker.toml").await;
        ask_err(&runtime, child, "crash").await;
        exit_of(&runtime, child).await;
    }
    let failed = eventually("a callback fails", || async {
        let events = events(&runtime, parent).await;
        let returns = events.iter().filter(|event| event.header.kind == theater_core::EventKind::RETURN);
        let failures = returns.filter(|event| {
            let text = String::from_utf8_lossy(&event.payload);
            text.contains("state too large")
        });
        Some(failures.count()).filter(|count| *count > 0)
    })
    .await;
    assert!(failed > 0);

    assert_eq!(ask(&runtime, parent, "list").await, sibling.to_string());
    assert_eq!(ask(&runtime, sibling, "total").await, "5");
    assert!(ask(&runtime, parent, "notices").await.lines().count() > 3, "what it heard before is kept");
    let info = runtime.info(Authority::Operator, parent).await.unwrap();
    assert_eq!((info.incarnation.0, info.status), (1, theater_core::ActorStatus::Running));
    theater_chain::verify(&events(&runtime, parent).await).unwrap();
    runtime.shutdown().await;
}
