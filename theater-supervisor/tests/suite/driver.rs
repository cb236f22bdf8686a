//! The cases that need time, nesting or many children: the driver over the testkit's runtime, in paused time.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorHandle, ActorId, AutoShutdown, Backoff, ChildSpec, ChildType, ExitReason, RestartPolicy,
    Shutdown, ShutdownController, SpawnRequest, Strategy, SupervisionSpec,
};
use theater_supervisor::{
    ChildError, ChildState, SupervisorError, SupervisorHandle, SupervisorHost, SupervisorHostBuilder,
};
use theater_testkit::fault::{FaultKind, FaultRule, Operation};
use theater_testkit::{MockRuntime, Program, StartOutcome, crash};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A supervisor that runs.
struct It {
    runtime: MockRuntime,
    supervisor: SupervisorHandle,
    shutdown: ShutdownController,
    task: JoinHandle<Result<(), SupervisorError>>,
}

fn given(spec: SupervisionSpec) -> It {
    over(MockRuntime::new(), spec, |builder| builder)
}

fn over(
    runtime: MockRuntime,
    spec: SupervisionSpec,
    more: impl FnOnce(SupervisorHostBuilder) -> SupervisorHostBuilder,
) -> It {
    let root = runtime.root();
    let handle = ActorHandle::new(root, Arc::new(runtime.clone()));
    let host = more(SupervisorHost::builder().supervision(spec)).build();
    let (shutdown, receiver) = ShutdownController::new();
    let task = tokio::spawn(host.start(handle, receiver));
    It { runtime, supervisor: host.handle(), shutdown, task }
}

fn spec(strategy: Strategy, intensity: u32, period: Duration) -> SupervisionSpec {
    SupervisionSpec::new(intensity, period).with_strategy(strategy)
}

fn permanent() -> ChildSpec {
    ChildSpec::new(RestartPolicy::Permanent)
}

impl It {
    /// Starts a child that does what `program` says.
    async fn start(&self, id: &str, child_spec: ChildSpec, program: &str) -> ActorId {
        let started = self.supervisor.start_child(id, child_spec, SpawnRequest::new(None, program)).await;
        started.expect("it starts").expect("it runs")
    }

    async fn state_of(&self, id: &str) -> Option<ChildState> {
        let children = self.supervisor.which_children().await.expect("the supervisor lives");
        children.into_iter().find(|child| child.id.as_deref() == Some(id)).map(|child| child.state)
    }

    async fn end(self) -> Result<(), SupervisorError> {
        self.shutdown.shutdown();
        self.task.await.expect("the driver does not panic")
    }

    fn log(&self) -> Vec<String> {
        self.runtime.history()
    }
}

async fn settle() {
    sleep(Duration::from_millis(10)).await;
}

/// `stop.timeout`: the grace is waited for exactly, then the child is killed.
#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_stop_is_killed_when_its_time_is_over() {
    let stubborn = Program::default().stop_takes(Duration::from_secs(3_600));
    let it =
        over(MockRuntime::new().program("stubborn", stubborn), SupervisionSpec::default(), |builder| builder);
    it.start("1", permanent().with_shutdown(Shutdown::After(SECOND)), "one").await;
    it.start("2", permanent().with_shutdown(Shutdown::After(SECOND)), "stubborn").await;
    let (runtime, begin) = (it.runtime.clone(), Instant::now());
    it.end().await.unwrap();
    assert_eq!(begin.elapsed(), SECOND);
    assert_eq!(runtime.history()[3..], ["exit stubborn 1 killed", "exit one 1 stopped"]);
}

/// `stop.infinity`
#[tokio::test(start_paused = true)]
async fn a_child_with_infinity_is_waited_for_however_long_it_takes() {
    let slow = Program::default().stop_takes(Duration::from_secs(3_600));
    let it = over(MockRuntime::new().program("slow", slow), SupervisionSpec::default(), |builder| builder);
    it.start("1", permanent().with_shutdown(Shutdown::Infinity), "slow").await;
    let (runtime, begin) = (it.runtime.clone(), Instant::now());
    it.end().await.unwrap();
    assert_eq!(begin.elapsed(), Duration::from_secs(3_600));
    assert_eq!(runtime.history()[2..], ["exit slow 1 stopped"]);
}

/// `tmpl.parallel_stop`: one after the other would take 7 s.
#[tokio::test(start_paused = true)]
async fn the_children_of_a_dynamic_supervisor_are_stopped_at_once() {
    let takes = |seconds| Program::default().stop_takes(Duration::from_secs(seconds));
    let runtime = MockRuntime::new().program("one", takes(1)).program("five", takes(5));
    let it = over(runtime, spec(Strategy::SimpleOneForOne, 1, SECOND), |builder| builder);
    let two = permanent().with_shutdown(Shutdown::After(Duration::from_secs(2)));
    for program in ["one", "one", "five"] {
        it.start("x", two, program).await;
    }
    let begin = Instant::now();
    it.end().await.unwrap();
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
}

/// `intensity.window`: at the edge, to the millisecond.
#[tokio::test(start_paused = true)]
async fn a_crash_after_the_period_is_forgiven_and_one_at_its_end_is_not() {
    for (gap, lives) in [(999, false), (1_000, false), (1_001, true)] {
        let it = given(spec(Strategy::OneForOne, 1, SECOND));
        let child = it.start("1", permanent(), "one").await;
        for _ in 0..2 {
            it.runtime.crash(child, crash());
            sleep(Duration::from_millis(gap)).await;
        }
        settle().await;
        assert_eq!(!it.task.is_finished(), lives, "{gap} ms");
    }
}

/// `retry.responsive` (`hanging_restart_loop`): a start that takes long and fails.
#[tokio::test(start_paused = true)]
async fn calls_are_answered_between_the_tries_of_a_restart() {
    let starts = std::iter::once(StartOutcome::Ok).chain((0..99).map(|_| StartOutcome::Fail));
    let runtime = MockRuntime::new().program("bad", Program::default().starts(starts));
    let mut rules = spec(Strategy::OneForOne, 9, SECOND);
    rules.backoff = Some(Backoff::new(2 * SECOND, 2 * SECOND));
    let it = over(runtime, rules, |builder| builder);
    let child = it.start("1", permanent(), "bad").await;
    it.runtime.crash(child, crash());
    for _ in 0..3 {
        sleep(2 * SECOND).await;
        assert_eq!(it.state_of("1").await, Some(ChildState::Restarting));
        let counts = it.supervisor.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active, counts.workers), (1, 0, 1));
        let again = it.supervisor.start_child("1", permanent(), SpawnRequest::new(None, "bad")).await;
        assert!(matches!(again, Err(ChildError::AlreadyPresent { .. })), "{again:?}");
        assert!(matches!(it.supervisor.restart_child("1").await, Err(ChildError::Restarting)));
        assert!(matches!(it.supervisor.delete_child("1").await, Err(ChildError::Restarting)));
    }
    it.supervisor.terminate_child("1").await.unwrap();
    let before = it.log();
    sleep(10 * SECOND).await;
    assert_eq!(it.log(), before, "the loop has ended");
    it.end().await.unwrap();
}

/// The same while it retries without a wait: the shutdown gets through.
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_a_restart_that_hangs() {
    let hangs = Program::default().starts([StartOutcome::Ok, StartOutcome::Hang]);
    let it =
        over(MockRuntime::new().program("bad", hangs), spec(Strategy::OneForAll, 9, SECOND), |builder| {
            builder
        });
    let child = it.start("1", permanent(), "bad").await;
    it.start("2", permanent(), "two").await;
    it.runtime.crash(child, crash());
    sleep(SECOND).await;
    let begin = Instant::now();
    it.end().await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

/// `auto.cascade`: the end of an inner supervisor that shut down with its significant child reaches the outer one.
#[tokio::test(start_paused = true)]
async fn the_auto_shutdown_of_a_significant_supervisor_ends_its_own() {
    for significant in [true, false] {
        let rules = SupervisionSpec::default().with_auto_shutdown(AutoShutdown::AnySignificant);
        let it = given(rules);
        let inner_spec = ChildSpec::new(RestartPolicy::Transient)
            .with_type(ChildType::Supervisor)
            .with_significant(significant);
        let inner = it.start("inner", inner_spec, "inner").await;
        let host = SupervisorHost::builder().supervision(rules).build();
        let (_controller, receiver) = ShutdownController::new();
        let task = tokio::spawn(host.start(ActorHandle::new(inner, Arc::new(it.runtime.clone())), receiver));
        let worker = ChildSpec::new(RestartPolicy::Transient).with_significant(true);
        let started = host.handle().start_child("w", worker, SpawnRequest::new(None, "w")).await;
        it.runtime.crash(started.unwrap().unwrap(), ExitReason::Completed { data: None });
        let end = task.await.unwrap().unwrap_err();
        let SupervisorError::ActorError(ActorError::AutoShutdown { child }) = end else { panic!("{end}") };
        // The runtime ends the actor with its supervisor.
        it.runtime.crash(inner, ExitReason::AutoShutdown { child });
        settle().await;
        assert_eq!(it.task.is_finished(), significant);
    }
}

/// `tmpl.base`, `tmpl.escalation`
#[tokio::test(start_paused = true)]
async fn a_dynamic_supervisor_restarts_the_child_alone_and_gives_up_like_any() {
    let it = given(spec(Strategy::SimpleOneForOne, 1, SECOND));
    let (one, two) = (it.start("x", permanent(), "one").await, it.start("x", permanent(), "two").await);
    it.runtime.crash(one, crash());
    settle().await;
    assert_eq!(it.log()[3..], ["exit one 1 trapped", "start one 2"]);
    it.runtime.crash(two, crash());
    assert!(it.task.await.unwrap().is_err());
}

/// `start.ignore_template`, `tmpl.memory`, `adm.template`
#[tokio::test(start_paused = true)]
async fn a_dynamic_supervisor_keeps_nothing_of_children_that_ignored_ended_or_were_terminated() {
    let it = given(spec(Strategy::SimpleOneForOne, 9, SECOND));
    let ignoring = it.supervisor.start_child("x", permanent(), SpawnRequest::new(None, "ignore")).await;
    assert!(matches!(ignoring, Ok(None)), "{ignoring:?}");
    let failing = it.supervisor.start_child("x", permanent(), SpawnRequest::new(None, "error")).await;
    assert!(failing.is_err());
    assert_eq!(it.supervisor.count_children().await.unwrap().specs, 0);
    let transient = ChildSpec::new(RestartPolicy::Transient);
    let ended = it.start("x", transient, "one").await;
    let stopped = it.start("x", permanent(), "two").await;
    it.runtime.crash(ended, ExitReason::Completed { data: None });
    settle().await;
    let child = it.supervisor.child(&it.runtime, stopped).await.unwrap();
    assert!(matches!(it.supervisor.restart_child(child.clone()).await, Err(ChildError::SimpleOneForOne)));
    assert!(matches!(it.supervisor.delete_child(child.clone()).await, Err(ChildError::SimpleOneForOne)));
    assert!(matches!(it.supervisor.terminate_child("x").await, Err(ChildError::NotFound { .. })));
    it.supervisor.terminate_child(child.clone()).await.unwrap();
    assert_eq!(it.supervisor.count_children().await.unwrap().specs, 0);
    it.supervisor.terminate_child(child).await.expect("one that has ended is no error");
    it.end().await.unwrap();
}

/// Elixir: `max_children`; a child that waits for a restart counts.
#[tokio::test(start_paused = true)]
async fn no_more_children_than_max_children_are_started() {
    let mut rules = spec(Strategy::SimpleOneForOne, 9, SECOND);
    rules.max_children = Some(2);
    rules.backoff = Some(Backoff::new(SECOND, SECOND));
    let it = given(rules);
    let (one, _) = (it.start("x", permanent(), "one").await, it.start("x", permanent(), "two").await);
    let start = || it.supervisor.start_child("x", permanent(), SpawnRequest::new(None, "three"));
    assert!(matches!(start().await, Err(ChildError::MaxChildren { limit: 2 })));
    it.runtime.crash(one, crash());
    settle().await;
    assert!(matches!(start().await, Err(ChildError::MaxChildren { limit: 2 })), "it waits for its restart");
    sleep(2 * SECOND).await;
    let one = it.supervisor.child(&it.runtime, one).await.unwrap();
    it.supervisor.terminate_child(one).await.unwrap();
    start().await.unwrap();
}

/// P10, in virtual time.
#[tokio::test(start_paused = true)]
async fn restarts_wait_longer_each_time_until_a_life_has_lasted() {
    let mut rules = spec(Strategy::OneForOne, 99, SECOND);
    rules.backoff = Some(Backoff::new(Duration::from_millis(100), Duration::from_millis(400)));
    let it = given(rules);
    let child = it.start("1", permanent(), "one").await;
    let mut waits = Vec::new();
    for lasts in [0, 0, 0, 0, 250, 0] {
        sleep(Duration::from_millis(lasts)).await;
        it.runtime.crash(child, crash());
        let (begin, lives) = (Instant::now(), it.log().len());
        while it.log().len() == lives {
            sleep(Duration::from_millis(1)).await;
        }
        waits.push(u64::try_from(begin.elapsed().as_millis()).unwrap() / 50 * 50);
    }
    assert_eq!(waits, [100, 200, 400, 400, 100, 200]);
}

/// A lost exit is found by comparison; a duplicate one changes nothing (bugs 16 and 21 of section 3.5).
#[tokio::test(start_paused = true)]
async fn a_lost_exit_is_found_and_a_duplicate_one_changes_nothing() {
    let it = over(MockRuntime::new(), spec(Strategy::OneForOne, 9, SECOND), |builder| {
        builder.reconcile_every(5 * SECOND)
    });
    let child = it.start("1", permanent(), "one").await;
    let lost = FaultRule::new(Operation::Exit, FaultKind::Lose).on(child).nth(1);
    let _lost = it.runtime.inject(lost);
    it.runtime.crash(child, crash());
    sleep(4 * SECOND).await;
    assert_eq!(it.log().last().unwrap(), "exit one 1 trapped");
    sleep(2 * SECOND).await;
    assert_eq!(it.log().last().unwrap(), "start one 2");
    it.runtime.crash(child, crash());
    it.runtime.tell_last_exit_again(child);
    sleep(20 * SECOND).await;
    assert_eq!(it.log().last().unwrap(), "start one 3", "restarted once");
}

/// A stop that the runtime refuses is tried once more as a kill, and then holds nothing up.
#[tokio::test(start_paused = true)]
async fn a_stop_that_is_refused_holds_up_neither_a_group_restart_nor_a_shutdown() {
    let runtime = MockRuntime::new().program("rock", Program::default().refuses_stop());
    let it = over(runtime, spec(Strategy::OneForAll, 9, SECOND), |builder| builder);
    let one = it.start("1", permanent(), "one").await;
    it.start("2", permanent(), "rock").await;
    it.runtime.crash(one, crash());
    settle().await;
    assert_eq!(it.state_of("1").await, Some(ChildState::Running));
    assert!(it.log().contains(&"start one 2".to_owned()));
    it.end().await.unwrap();
}

/// `retry` by name: a child that never ran is started from what it was started with.
#[tokio::test(start_paused = true)]
async fn a_named_child_that_ignored_its_start_can_be_restarted() {
    let it = given(SupervisionSpec::default());
    let program = SpawnRequest::new(None, "ignore");
    assert!(matches!(it.supervisor.start_child("1", permanent(), program).await, Ok(None)));
    assert_eq!(it.state_of("1").await, Some(ChildState::Down));
    assert!(matches!(it.supervisor.restart_child("1").await, Ok(None)), "the fake's program begins anew");
    it.end().await.unwrap();
}

/// `scale.template`, `scale.static`, `count.scale`
#[tokio::test(start_paused = true)]
async fn thousands_of_children_are_counted_and_stopped() {
    for strategy in [Strategy::OneForOne, Strategy::SimpleOneForOne] {
        let it = given(spec(strategy, 1, SECOND));
        for n in 0..2_000 {
            it.start(&n.to_string(), permanent(), "one").await;
        }
        let counts = it.supervisor.count_children().await.unwrap();
        assert_eq!((counts.specs, counts.active, counts.workers), (2_000, 2_000, 2_000));
        let runtime = it.runtime.clone();
        it.end().await.unwrap();
        assert_eq!(runtime.history().iter().filter(|line| line.starts_with("exit")).count(), 2_000);
    }
}

/// `temp.memory`: nothing is kept of temporary children.
#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_temporary_children_that_have_ended() {
    let it = given(SupervisionSpec::default());
    for n in 0..500 {
        let child = it.start(&n.to_string(), ChildSpec::new(RestartPolicy::Temporary), "one").await;
        it.runtime.crash(child, crash());
    }
    settle().await;
    assert_eq!(it.supervisor.count_children().await.unwrap().specs, 0);
}

/// A second crash while a group is being restarted leads to one more restart, not to two at once (bug 17 of
/// section 3.5; R2 of section 3.6).
#[tokio::test(start_paused = true)]
async fn a_sibling_that_is_slow_to_stop_is_waited_for_and_nothing_is_restarted_twice() {
    let slow = Program::default().stop_takes(Duration::from_millis(200));
    let it =
        over(MockRuntime::new().program("slow", slow), spec(Strategy::OneForAll, 2, SECOND), |builder| {
            builder
        });
    let one = it.start("1", permanent(), "one").await;
    it.start("2", permanent(), "slow").await;
    let three = it.start("3", permanent(), "three").await;
    it.runtime.crash(one, crash());
    it.runtime.crash(three, crash());
    sleep(SECOND).await;
    assert_eq!(
        it.log()[4..],
        [
            "exit one 1 trapped",
            "exit three 1 trapped",
            "exit slow 1 stopped",
            "start one 2",
            "start slow 2",
            "start three 2"
        ]
    );
}

/// `auto.tmpl`
#[tokio::test(start_paused = true)]
async fn the_end_of_significant_dynamic_children_ends_their_supervisor() {
    for (mode, ends) in [(AutoShutdown::AnySignificant, 1), (AutoShutdown::AllSignificant, 2)] {
        let it = given(spec(Strategy::SimpleOneForOne, 9, SECOND).with_auto_shutdown(mode));
        let significant = ChildSpec::new(RestartPolicy::Temporary).with_significant(true);
        let mut children = Vec::new();
        for program in ["one", "two"] {
            children.push(it.start("x", significant, program).await);
        }
        for (ended, child) in children.into_iter().enumerate() {
            assert_eq!(it.task.is_finished(), ended >= ends, "{mode:?}, {ended} ended");
            it.runtime.crash(child, crash());
            settle().await;
        }
        assert!(it.task.is_finished());
    }
}

/// `stop.own_reason`: a child that ends with a reason of its own while it is being stopped.
#[tokio::test(start_paused = true)]
async fn a_child_that_crashes_while_it_is_stopped_keeps_its_reason_and_changes_nothing_else() {
    for strategy in [Strategy::OneForOne, Strategy::SimpleOneForOne] {
        let slow = Program::default().stop_takes(2 * SECOND);
        let it = over(MockRuntime::new().program("slow", slow), spec(strategy, 9, SECOND), |builder| builder);
        let child = it.start("1", permanent(), "slow").await;
        it.shutdown.shutdown();
        sleep(SECOND).await;
        it.runtime.crash(child, crash());
        it.task.await.unwrap().expect("it was asked to end");
        assert_eq!(it.runtime.history()[2..], ["exit slow 1 trapped"]);
    }
}
