//! Nobody can touch an actor that is not its own child: same answer for all, recorded, no effect.

use theater_core::{ActorError, ActorId, ActorRuntime, Authority, EventKind, RestartFrom, StopMode};

use crate::support::*;

const OPERATIONS: [(&str, EventKind); 4] = [
    ("stop", EventKind::STOP_CHILD),
    ("restart", EventKind::RESTART_CHILD),
    ("state", EventKind::GET_CHILD_STATE),
    ("events", EventKind::GET_CHILD_EVENTS),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_target_that_is_not_an_own_child_gets_the_same_recorded_refusal() {
    let runtime = runtime();
    let caller = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, caller, "supervisor.toml").await;
    let grandchild = spawn_child(&runtime, child, "worker.toml 1").await;
    let other = root(&runtime, "supervisor.toml").await;
    let strangers_child = spawn_child(&runtime, other, "worker.toml 2").await;
    let dead = spawn_child(&runtime, other, "worker.toml 3").await;
    ask(&runtime, other, &format!("stop {dead}")).await;
    let unknown = ActorId::from_parts(1, [9; 10]);

    let targets = [
        strangers_child.to_string(),
        grandchild.to_string(),
        caller.to_string(),
        other.to_string(),
        unknown.to_string(),
        dead.to_string(),
        child.to_string().to_uppercase(),
        child.to_string().replace('-', ""),
        format!("urn:uuid:{child}"),
        "../../etc/passwd".to_owned(),
        "x".repeat(10_000),
    ];
    for (operation, kind) in OPERATIONS {
        for target in &targets {
            let before = supervisor_records(&runtime, caller, kind).await.len();
            let answer = ask(&runtime, caller, &format!("{operation} {target}")).await;
            let shown = ActorError::not_a_child(target).to_string();
            assert_eq!(answer, format!("error: Actor error: {shown}"), "{operation} {target}");
            let records = supervisor_records(&runtime, caller, kind).await;
            assert_eq!(records.len(), before + 2, "{operation}: the call and its refusal are recorded");
        }
    }
    for (id, total) in [(strangers_child, "2"), (grandchild, "1")] {
        let info = runtime.info(Authority::Operator, id).await.unwrap();
        assert_eq!((info.incarnation.0, info.status), (1, theater_core::ActorStatus::Running));
        assert_eq!(ask(&runtime, id, "total").await, total);
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_itself_checks_parenthood_whatever_the_host_functions_do() {
    let runtime = runtime();
    let one = root(&runtime, "supervisor.toml").await;
    let other = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, one, "worker.toml 1").await;
    let by = Authority::Parent(other);

    let refused = |error: ActorError| assert!(matches!(error, ActorError::NotAChild { .. }), "{error}");
    refused(runtime.stop(by, child, StopMode::Kill).await.unwrap_err());
    refused(runtime.restart(by, child, RestartFrom::Initial).await.unwrap_err());
    refused(runtime.info(by, child).await.unwrap_err());
    refused(runtime.state(by, child).await.unwrap_err());
    refused(runtime.events(by, child, Default::default()).await.unwrap_err());
    refused(runtime.reap(by, child).await.unwrap_err());
    refused(runtime.info(Authority::Parent(child), child).await.unwrap_err());
    assert_eq!(ask(&runtime, child, "total").await, "1");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_supervisors_do_not_see_each_others_children() {
    let runtime = runtime();
    let one = root(&runtime, "supervisor.toml").await;
    let other = root(&runtime, "supervisor.toml").await;
    let child = spawn_child(&runtime, one, "worker.toml").await;
    assert_eq!(ask(&runtime, one, "list").await, child.to_string());
    assert_eq!(ask(&runtime, other, "list").await, "");
    runtime.shutdown().await;
}
