//! Supervisors below supervisors.

use super::*;
use theater_core::ExitReason;

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_gives_up_ends_and_its_own_supervisor_starts_it_again() {
    let inner = permanent().supervises(SupervisionSpec::new(1, 10 * SECOND));
    let mock = MockRuntime::new().program("inner", inner);
    let root = mock.root();
    mock.supervise(root, rules(Strategy::OneForOne));
    let inner = spawn(&mock, root, "inner").await;
    let leaf = spawn(&mock, inner, "permanent leaf").await;
    for _ in 0..2 {
        mock.crash(leaf, crash());
        mock.settle(1_000).await.unwrap();
    }
    let log = mock.log();
    expect(&log).in_order([
        started("permanent leaf").life(2),
        exited("permanent leaf").life(2),
        exited("inner"),
        started("inner").life(2),
    ]);
    let reasons: Vec<_> = log
        .entries()
        .iter()
        .filter_map(|entry| match &entry.what {
            theater_testkit::log::What::Exited { id, reason, .. } if *id == inner => Some(reason.clone()),
            _ => None,
        })
        .collect();
    assert!(matches!(&reasons[..], [ExitReason::Escalated { child, .. }] if *child == leaf), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_stopped_stops_its_children_in_its_own_order_and_time() {
    let lingers = |seconds| permanent().stop(StopBehaviour::Slow(Duration::from_secs(seconds)));
    let mock = MockRuntime::new().program("one", lingers(2)).program("two", lingers(1));
    let root = mock.root();
    mock.supervise(root, rules(Strategy::OneForOne));
    for name in ["one", "two"] {
        spawn(&mock, root, name).await;
    }
    let begin = tokio::time::Instant::now();
    let stop = || mock.stop(Authority::Operator, root, StopMode::Infinity);
    let (first, second) = tokio::join!(stop(), stop());
    assert_eq!((first.unwrap().name(), second.unwrap().name()), ("stopped", "stopped"));
    assert_eq!(begin.elapsed(), 3 * SECOND);
    assert_eq!(mock.history()[3..], ["exit two 1 stopped", "exit one 1 stopped", "exit root 1 stopped"]);
}

#[tokio::test(start_paused = true)]
async fn a_tree_is_drawn_with_names_lives_and_ends() {
    let mock = MockRuntime::new();
    let root = mock.root();
    let child = mock.child(root);
    let _ = mock.child(child);
    mock.crash(child, crash());
    let drawn = "root 1 running\n  child 1 ended: trapped: scripted\n    child 1 ended: its parent stopped\n";
    assert_eq!(mock.tree().to_string(), drawn);
}
