//! Faults: when they hit, what they do, and that they end with their guards.

use super::*;
use theater_chain::{AppendError, Chain, ChainStore, MemoryStore};
use theater_core::{EventDraft, EventKind};
use theater_testkit::fault::{FaultKind, FaultRule, FaultyStore, Operation, StoreFault};

async fn record(mock: &MockRuntime, id: ActorId) -> bool {
    mock.record(id, EventDraft::new(EventKind::LOG, "x".into())).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_rule_hits_the_nth_call_those_from_the_nth_on_or_those_that_a_predicate_picks() {
    let mock = MockRuntime::new();
    let (one, two) = (mock.root(), mock.root());
    let fails = || FaultRule::new(Operation::Record, FaultKind::Fail);
    let mut hits = Vec::new();
    for rule in [fails().nth(2), fails().from(3), fails().on(two)] {
        let guard = mock.inject(rule);
        let mut taken = Vec::new();
        for id in [one, two, one, two] {
            taken.push(record(&mock, id).await);
        }
        hits.push((taken, guard.fired()));
    }
    assert_eq!(
        hits,
        [
            (vec![true, false, true, true], 1),
            (vec![true, true, false, false], 2),
            (vec![true, false, true, false], 2)
        ]
    );
    assert!(record(&mock, two).await, "no guard is left");
    assert_eq!(mock.chain(two).len(), 2 + 1 + 1 + 1, "what failed had no effect");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_on_the_whole_and_is_the_same_for_the_same_seed() {
    let mut patterns = Vec::new();
    for seed in [1, 1, 2] {
        let mock = MockRuntime::builder().seed(seed).build();
        let id = mock.root();
        let _fault = mock.inject(FaultRule::new(Operation::Record, FaultKind::Fail).rate(250));
        let mut pattern = Vec::new();
        for _ in 0..1_000 {
            pattern.push(record(&mock, id).await);
        }
        let failed = pattern.iter().filter(|taken| !**taken).count();
        assert!((200..300).contains(&failed), "{failed} of 1,000");
        patterns.push(pattern);
    }
    assert_eq!(patterns[0], patterns[1]);
    assert_ne!(patterns[0], patterns[2]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_delays_loses_doubles_or_crashes() {
    let mock = MockRuntime::new();
    let root = mock.root();
    mock.supervise(root, rules(Strategy::OneForOne));
    let begin = tokio::time::Instant::now();
    let slow = mock.inject(FaultRule::new(Operation::Spawn, FaultKind::Delay(1_500)));
    let child = spawn(&mock, root, "permanent child").await;
    assert_eq!(begin.elapsed(), Duration::from_millis(1_500));
    drop(slow);

    let doubled = mock.inject(FaultRule::new(Operation::Exit, FaultKind::Duplicate));
    mock.crash(child, crash());
    mock.settle(1_000).await.unwrap();
    assert_eq!(doubled.fired(), 1);
    expect(&mock.log()).times(started("permanent child"), 2);
    drop(doubled);

    let lost = mock.inject(FaultRule::new(Operation::Exit, FaultKind::Lose));
    mock.crash(child, crash());
    mock.settle(1_000).await.unwrap();
    assert_eq!(lost.fired(), 1);
    expect(&mock.log()).times(started("permanent child"), 2);
    drop(lost);

    let crashes = mock.inject(FaultRule::new(Operation::Spawn, FaultKind::Crash));
    spawn(&mock, root, "temporary short").await;
    mock.settle(1_000).await.unwrap();
    assert_eq!(crashes.fired(), 1);
    expect(&mock.log()).in_order([started("temporary short"), exited("temporary short")]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_filled_up_takes_nothing_more_until_the_fault_ends() {
    let mock = MockRuntime::new();
    let id = mock.root();
    let full = mock.inject(FaultRule::new(Operation::Append, FaultKind::Full).nth(2));
    assert_eq!(
        [record(&mock, id).await, record(&mock, id).await, record(&mock, id).await],
        [true, false, false]
    );
    let refused = mock.spawn(SpawnRequest::new(None, "worker")).await.unwrap_err();
    assert!(refused.to_string().contains("takes no more"), "{refused}");
    drop(full);
    assert!(record(&mock, id).await);
}

#[test]
fn a_faulty_store_refuses_and_never_loses() {
    let store = FaultyStore::new(MemoryStore::new());
    let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 1);
    let mut head = store.create(genesis).unwrap();
    let mut taken = 0;
    let refuses_third = store.inject(StoreFault::FailNth(3));
    let full = store.inject(StoreFault::FullAfter(5));
    for _ in 0..8 {
        let mut next = chain;
        let event = next.append(EventKind::LOG, "x".into(), 2);
        match store.append(head, event) {
            Ok(now) => (head, chain, taken) = (now, next, taken + 1),
            Err(error) => assert_eq!(error, AppendError::Full),
        }
    }
    assert_eq!((taken, refuses_third.fired(), full.fired()), (4, 1, 3));
    drop((refuses_third, full));
    store.append(head, chain.append(EventKind::LOG, "x".into(), 2)).unwrap();
}
