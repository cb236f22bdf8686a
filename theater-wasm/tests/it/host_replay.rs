//! Calls of host functions that are run again: answered from their records, with the same outputs, and nothing done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_chain::MemoryStore;
use theater_core::{ActorRuntime, EventKind, SpawnRequest};

use crate::host_support::*;
use crate::support::*;

/// Every function, with answers and refusals.
fn everything(store: &str, hash: &str) -> String {
    let at = |function: &str, rest: &str| format!("store\t{function}\t{store}\t{rest}");
    [
        "timing\tnow".to_owned(),
        "timing\tsleep\t2000".to_owned(),
        "timing\tsleep\t99999999".to_owned(),
        "timing\tdeadline\t1".to_owned(),
        "random\tbytes\t32".to_owned(),
        "random\tbytes\t9999".to_owned(),
        "random\trange\t0\t1000".to_owned(),
        "random\tfloat".to_owned(),
        "random\tuuid".to_owned(),
        "environment\tget\tCOLOUR".to_owned(),
        "environment\tget\tHOME".to_owned(),
        "environment\tlist".to_owned(),
        "environment\texists\tCOLOUR".to_owned(),
        "store\tnew".to_owned(),
        at("store", "content"),
        at("get", hash),
        at("exists", hash),
        at("label", &format!("label\t{hash}")),
        at("get-by-label", "label"),
        at("remove-from-label", &format!("label\t{hash}")),
        at("get-by-label", "label"),
        at("store-at-label", "label\tother"),
        at("replace-content-at-label", "label\tcontent"),
        at("replace-at-label", &format!("second\t{hash}")),
        at("list-labels", ""),
        at("list-all-content", ""),
        at("calculate-total-size", ""),
        at("remove-label", "label"),
        at("get", "../../etc/passwd"),
    ]
    .join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_gives_its_recorded_answer_when_its_call_is_run_again() {
    let chains = Arc::new(MemoryStore::new());
    let handlers = ALL.replace("allowed_prefixes", "allow_list_all = true, allowed_prefixes");
    let files = || source(&[("toolbox.toml", &toolbox(&handlers))]);
    let runtime = builder(files()).chain_store(chains.clone()).build().expect("a runtime");
    let id = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
    let store = call(&runtime, id, &["store", "new"]).await;
    let hash = blake3::hash(b"content").to_hex().to_string();
    let answer = ask(&runtime, id, &everything(&store, &hash)).await;
    let refused = answer.lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!(refused, 3, "{answer}");
    let of = |kind: &EventKind| (80..=117).contains(&kind.0);
    let recorded = events(&runtime, id).await.iter().filter(|event| of(&event.header.kind)).count();
    // 29 functions and the store before them; those with an effect twice.
    assert_eq!(recorded, 30 + 9);
    let seen: std::collections::BTreeSet<_> =
        events(&runtime, id).await.iter().map(|event| event.header.kind).filter(of).collect();
    assert_eq!(seen.len(), EventKind::ALL.iter().filter(|kind| of(kind)).count(), "each function is there");
    runtime.shutdown().await;

    // Another process: no environment, no stores, no clock to speak of, and everything comes out as before.
    let again = theater_wasm::WasmRuntime::builder(files())
        .engine(engine())
        .chain_store(chains)
        .config(|config| {
            config.environment = Arc::default();
            config.clock = Arc::new(|| 1);
        })
        .build()
        .expect("a runtime");
    let begin = Instant::now();
    let rerun = again.rerun(id, "toolbox.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    assert_eq!((rerun.calls, rerun.failed), (3, 0));
    assert_eq!(rerun.host_records, 39);
    assert!(begin.elapsed() < Duration::from_millis(2_000), "nobody slept again: {:?}", begin.elapsed());
    assert_eq!(rerun.state.as_deref(), Some(answer.as_bytes()));
}
