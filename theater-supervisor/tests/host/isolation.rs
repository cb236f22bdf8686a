//! Nobody but an own child can be named: one answer for everybody else, on the record, without effect.

use super::*;
use theater_core::ActorError;
use theater_core::error::printable;

#[tokio::test(start_paused = true)]
async fn whoever_is_not_an_own_child_gets_one_answer_two_records_and_no_effect() {
    let runtime = MockRuntime::new();
    let above = runtime.root();
    let caller = runtime.child(above);
    let sibling = runtime.child(above);
    let it = supervised_actor(runtime, caller).await;
    let child = it.guest.spawn("worker", None).await.unwrap();
    let grandchild = it.runtime.child(id(&child));
    let stranger = it.runtime.root();
    let foreign = it.runtime.child(stranger);
    let dead = it.runtime.child(stranger);
    it.runtime.crash(dead, theater_testkit::crash());

    let table = [
        ("a stranger", stranger.to_string()),
        ("a stranger's child", foreign.to_string()),
        ("a dead stranger", dead.to_string()),
        ("a grandchild", grandchild.to_string()),
        ("a sibling", sibling.to_string()),
        ("the caller itself", caller.to_string()),
        ("the caller's parent", above.to_string()),
        ("nobody", ActorId::from_parts(99, [9; 10]).to_string()),
        ("nothing", String::new()),
        ("an own child in uppercase", child.to_uppercase()),
        ("an own child without hyphens", child.replace('-', "")),
        ("an own child as a URN", format!("urn:uuid:{child}")),
        ("an own child with a space", format!("{child} ")),
        ("the nil id", "00000000-0000-0000-0000-000000000000".to_owned()),
        ("a path", "../../etc/passwd".to_owned()),
        ("control characters", "\0\u{1b}[2J\n".to_owned()),
        ("a long text", "é".repeat(500)),
    ];
    let log = it.runtime.history();
    for (who, target) in &table {
        let refusal = format!("Actor error: {}", ActorError::not_a_child(target));
        let answer = Err(refusal.clone());
        let before = it.records().await.len();
        assert_eq!(it.guest.restart_child(target).await, answer, "{who}");
        assert_eq!(it.guest.stop_child(target).await, answer, "{who}");
        assert_eq!(it.guest.get_child_state(target).await.map(drop), answer, "{who}");
        assert_eq!(it.guest.get_child_events(target).await.map(drop), answer, "{who}");

        let records = it.records().await.split_off(before);
        let types: Vec<_> = records.iter().map(|record| record.event_type.as_str()).collect();
        let functions = ["restart-child", "stop-child", "get-child-state", "get-child-events"];
        let expected = functions.iter().flat_map(|function| {
            ["call", "outcome"].map(|step| format!("theater:simple/supervisor/{function}/{step}"))
        });
        assert_eq!(types, expected.collect::<Vec<_>>(), "{who}");
        for pair in records.chunks(2) {
            assert!(pair.iter().all(|record| record.actor_id == printable(target)), "{who}");
            assert_eq!(outcome(&pair[1]), SupervisorOutcome::Refused(refusal.clone()), "{who}");
        }
    }
    assert_eq!(it.runtime.history(), log, "no life began or ended");
    let acted = |call: &String| call.starts_with("stop") || call.starts_with("restart");
    assert!(!it.runtime.call_names().iter().any(acted), "the runtime was not even asked");
    assert_eq!(it.guest.list_children().await.unwrap(), [child]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_runs_for_one_actor_does_not_act_for_another() {
    let runtime = MockRuntime::new();
    let (one, other) = (runtime.root(), runtime.root());
    let host = SupervisorHost::builder().build();
    let (_keep, receiver) = ShutdownController::new();
    drop(tokio::spawn(host.start(ActorHandle::new(one, Arc::new(runtime.clone())), receiver)));
    let child = linked(&runtime, one, &host).await.spawn("permanent", None).await.unwrap();
    let guest = linked(&runtime, other, &host).await;
    guest.stop_child(&child).await.unwrap_err();
    let own = guest.spawn("permanent", None).await.unwrap();
    runtime.crash(id(&own), theater_testkit::crash());
    settle().await;
    assert!(guest.list_children().await.unwrap().is_empty(), "nobody supervises it");
}
