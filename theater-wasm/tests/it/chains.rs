//! What stands on the chains: every call and outcome, and the anchors of the tree.

use std::collections::BTreeMap;

use theater_core::event::payload::{self, ChildAnchor, Genesis};
use theater_core::{ActorRuntime, Authority, EventKind};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_seven_functions_leaves_its_call_and_its_outcome() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml 1").await;
    ask(&runtime, parent, "resume worker.toml total=1").await;
    ask(&runtime, parent, "list").await;
    for command in ["restart", "state", "events", "stop"] {
        let answer = ask(&runtime, parent, &format!("{command} {child}")).await;
        assert!(!answer.starts_with("error"), "{command}: {answer}");
    }
    for kind in [
        EventKind::SPAWN,
        EventKind::RESUME,
        EventKind::LIST_CHILDREN,
        EventKind::RESTART_CHILD,
        EventKind::STOP_CHILD,
        EventKind::GET_CHILD_STATE,
        EventKind::GET_CHILD_EVENTS,
    ] {
        assert_eq!(supervisor_records(&runtime, parent, kind).await.len(), 2, "{kind}");
    }
    for id in [parent, child] {
        theater_chain::verify(&events(&runtime, id).await).unwrap();
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_anchors_itself_at_each_start_and_end_of_a_childs_life() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml").await;
    ask(&runtime, parent, &format!("restart {child}")).await;
    ask(&runtime, parent, &format!("stop {child}")).await;

    let chain = events(&runtime, child).await;
    let genesis: Genesis = payload::decode(&chain[0].payload).unwrap();
    assert_eq!((genesis.actor, genesis.parent.map(|anchor| anchor.actor)), (child, Some(parent)));
    let mut kinds = BTreeMap::new();
    for event in events(&runtime, parent).await {
        let kind = event.header.kind;
        if ![EventKind::CHILD_STARTED, EventKind::CHILD_RESTARTED, EventKind::CHILD_EXITED].contains(&kind) {
            continue;
        }
        *kinds.entry(kind).or_insert(0) += 1;
        let anchor = payload::decode::<ChildAnchor>(&event.payload).unwrap().anchor;
        let last = &chain[usize::try_from(anchor.length).unwrap() - 1];
        assert_eq!((anchor.actor, anchor.chain, anchor.head), (child, chain[0].header.chain_id, last.hash));
    }
    let expected =
        [(EventKind::CHILD_STARTED, 1), (EventKind::CHILD_RESTARTED, 1), (EventKind::CHILD_EXITED, 2)];
    assert_eq!(kinds, BTreeMap::from(expected));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parents_chain_never_holds_its_childs_payloads() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml").await;
    let before = size(&runtime, parent).await;
    for _ in 0..50 {
        ask(&runtime, child, &format!("add {}", 1)).await;
    }
    assert_eq!(size(&runtime, parent).await, before, "a busy child writes nothing into its parent's chain");
    runtime.shutdown().await;
}

async fn size(runtime: &theater_wasm::WasmRuntime, id: theater_core::ActorId) -> usize {
    events(runtime, id).await.iter().map(|event| event.payload.len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_reads_its_own_chain() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let seen: usize = ask(&runtime, parent, "chain").await.parse().unwrap();
    // Since then: the answer's own record and the return of the request.
    assert_eq!(events(&runtime, parent).await.len(), seen + 2);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reaping_forgets_the_actor_and_keeps_its_chain() {
    let runtime = runtime();
    let parent = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, parent, "worker.toml").await;
    let chain = events(&runtime, child).await[0].header.chain_id;
    let by = Authority::Parent(parent);
    assert!(runtime.reap(by, child).await.is_err(), "it runs");
    ask(&runtime, parent, &format!("stop {child}")).await;
    runtime.reap(by, child).await.unwrap();
    assert!(runtime.info(by, child).await.is_err());
    let kept = runtime.chain_store().read(chain, Default::default()).await.unwrap();
    theater_chain::verify(&kept).unwrap();
    runtime.shutdown().await;
}
