//! Calls of host functions that are run again: answered from their records, with the same outputs, and nothing done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_chain::{LogOptions, MemoryStore, SegmentedStore};
use theater_core::event::payload::{HostCall, decode};
use theater_core::{ActorRuntime, ChainEvent, EventKind, SpawnRequest};
use theater_testkit::disk::SimDisk;
use theater_wasm::WasmRuntime;

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
    let again = WasmRuntime::builder(files())
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

/// A process on this disk, with the log open that is to be closed before the next.
fn process(disk: &SimDisk) -> WasmRuntime {
    let handlers = ALL.replace("max_bytes = 64", "seed = 42, max_bytes = 64");
    let (store, _) =
        SegmentedStore::open_on(Arc::new(disk.clone()), LogOptions::default()).expect("a sound log");
    let runtime = builder(source(&[("toolbox.toml", &toolbox(&handlers))])).chain_store(Arc::new(store));
    runtime.build().expect("a runtime")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_end_of_the_process_interrupted_goes_on_with_what_it_had_been_answered() {
    let disk = SimDisk::new();
    let before = process(&disk);
    let id = before.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
    let work = "random\tuuid\nstore\tnew\nenvironment\tget\tCOLOUR\ntiming\tsleep\t1500\nrandom\tuuid";
    before.send(id, work).await.expect("it is in the mailbox");
    let variable = EventKind::ENVIRONMENT_GET_VAR;
    let drawn = eventually("it sleeps", || async {
        let events = events(&before, id).await;
        events
            .iter()
            .any(|event| event.header.kind == variable)
            .then(|| answers(&events, EventKind::GENERATE_UUID))
    })
    .await;
    let store = before.chain_store();
    store.until_durable(store.accepted()).await.expect("a disk that works");
    let disk = disk.copy();
    before.kill().await;

    let after = process(&disk);
    let revived = after.revive("toolbox.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    assert_eq!(revived.expect("there is a tree").root.id, id);
    let state = eventually("the call ends", || async { state(&after, id).await }).await;
    let lines: Vec<_> = state.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[2], lines[3]), (5, &*drawn[0], "red", "ok"), "{state}");
    assert_ne!(lines[4], lines[0], "the next life draws other values");
    let all = answers(&events(&after, id).await, EventKind::GENERATE_UUID);
    assert_eq!(all, [lines[0], lines[4]], "what it had been answered was not asked for again");
    after.kill().await;
}

/// What the calls of one function were answered.
fn answers(events: &[ChainEvent], kind: EventKind) -> Vec<String> {
    let of_kind = events.iter().filter(|event| event.header.kind == kind);
    let answer = |event: &ChainEvent| match decode(&event.payload) {
        Ok(HostCall::Answered { data: Some(data), .. }) => Some(String::from_utf8_lossy(&data).into_owned()),
        _ => None,
    };
    of_kind.filter_map(answer).collect()
}
