//! Starts, stops, steps and rest.

use super::*;

#[tokio::test(start_paused = true)]
async fn each_start_goes_as_the_program_says() {
    let outcomes = [
        (StartOutcome::Fail, "the start failed: init failed: scripted"),
        (StartOutcome::Trap, "the start failed: trapped: scripted"),
        (StartOutcome::Ignore, "the start failed: completed"),
    ];
    for (outcome, error) in outcomes {
        let mock = MockRuntime::new().program("worker", Program::default().starts([outcome]));
        let refused = mock.spawn(SpawnRequest::new(None, "worker")).await.unwrap_err();
        assert!(
            error.ends_with(&refused.to_string()) || refused.to_string().contains(&error[18..]),
            "{refused}"
        );
        assert!(mock.tree().roots.is_empty(), "nothing is left of it");
    }
    let mock = MockRuntime::new().program("slow", Program::default().starts([StartOutcome::Slow(SECOND)]));
    let begin = tokio::time::Instant::now();
    mock.spawn(SpawnRequest::new(None, "slow")).await.unwrap();
    assert_eq!(begin.elapsed(), SECOND);

    let mock = MockRuntime::new().program("short", Program::default().starts([StartOutcome::Die(crash())]));
    let short = mock.spawn(SpawnRequest::new(None, "short")).await.unwrap();
    assert!(mock.tree().find(short.id).unwrap().info.status.is_ended());
    expect(&mock.log()).in_order([started("short"), exited("short")]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_seen_at_rest_and_leaves_nothing_when_it_is_given_up() {
    let mock = MockRuntime::new().program("hangs", Program::default().starts([StartOutcome::Hang]));
    let root = mock.root();
    let starting = mock.clone();
    let start = tokio::spawn(async move { starting.spawn(SpawnRequest::new(Some(root), "hangs")).await });
    let rest = mock.settle(100).await.unwrap();
    assert_eq!((rest.starting.len(), mock.records(root)), (1, 1));
    start.abort();
    assert!(mock.settle(100).await.unwrap().starting.is_empty());
    assert_eq!(mock.records(root), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_as_long_as_the_program_says_and_no_longer_than_the_grace() {
    let stops = [
        (StopBehaviour::Clean, Duration::ZERO, "stopped"),
        (StopBehaviour::Slow(SECOND), SECOND, "stopped"),
        (StopBehaviour::Slow(3 * SECOND), 2 * SECOND, "killed"),
        (StopBehaviour::Refuse, 2 * SECOND, "killed"),
    ];
    for (stop, time, reason) in stops {
        let mock = MockRuntime::new().program("worker", Program::default().stop(stop));
        let id = mock.spawn(SpawnRequest::new(None, "worker")).await.unwrap().id;
        let begin = tokio::time::Instant::now();
        let ended = mock.stop(Authority::Operator, id, StopMode::Graceful(2 * SECOND)).await.unwrap();
        assert_eq!((begin.elapsed(), ended.name()), (time, reason), "{stop:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_system_that_restarts_for_ever_is_reported_as_stuck() {
    let dies = std::iter::once(StartOutcome::Ok).chain((0..500).map(|_| StartOutcome::Die(crash())));
    let mock = MockRuntime::new().program("dies", permanent().starts(dies));
    let root = mock.root();
    mock.supervise(root, SupervisionSpec::new(1_000_000, SECOND));
    let child = spawn(&mock, root, "dies").await;
    mock.settle(100).await.unwrap();
    mock.crash(child, crash());
    let stuck = mock.settle(200).await.unwrap_err();
    assert!(stuck.steps > 200, "{stuck}");
    assert!(stuck.to_string().contains("Exited"), "{stuck}");
    assert!(mock.settle(1_000_000).await.is_ok(), "the deaths are used up");
}

#[tokio::test(start_paused = true)]
async fn by_hand_one_thing_happens_at_a_step() {
    let mock = MockRuntime::builder().manual().build();
    let starting = mock.clone();
    let start = tokio::spawn(async move { starting.spawn(SpawnRequest::new(None, "worker")).await });
    tokio::task::yield_now().await;
    assert!(mock.history().is_empty());
    assert!(mock.step().await.unwrap().starts_with("the end of a start of "));
    assert_eq!((mock.history().len(), start.is_finished()), (1, false), "the answer is on its way");
    assert!(mock.step().await.unwrap().starts_with("an answer about "));
    assert!(start.is_finished());
    assert_eq!(mock.step().await, None);
}

#[tokio::test(start_paused = true)]
async fn those_that_crash_together_are_dead_before_anybody_hears_of_it() {
    let mock = MockRuntime::new();
    let root = mock.root();
    mock.supervise(root, rules(Strategy::OneForOne));
    let (one, two) = (spawn(&mock, root, "permanent one").await, spawn(&mock, root, "permanent two").await);
    mock.crash_together(&[one, two], crash());
    mock.settle(1_000).await.unwrap();
    let ends = [exited("permanent one"), exited("permanent two")];
    let again = [started("permanent one").life(2), started("permanent two").life(2)];
    expect(&mock.log()).in_order(ends.into_iter().chain(again));
}

#[tokio::test(start_paused = true)]
async fn calls_are_recorded_with_their_answers_and_times() {
    let mock = MockRuntime::new();
    let root = mock.root();
    let child = mock.child(root);
    tokio::time::sleep(SECOND).await;
    mock.info(Authority::Parent(root), child).await.unwrap();
    mock.info(Authority::Parent(child), root).await.unwrap_err();
    let calls = mock.take_calls();
    assert_eq!(calls.iter().map(ToString::to_string).collect::<Vec<_>>(), ["info child", "info root"]);
    assert_eq!(
        (calls[0].actor, calls[0].by, calls[0].at),
        (Some(child), Some(Authority::Parent(root)), SECOND)
    );
    assert_eq!(calls[0].answer, Some(Ok(())));
    assert!(calls[1].answer.as_ref().unwrap().as_ref().unwrap_err().contains("not a child"));
    assert!(mock.calls().is_empty());
}
