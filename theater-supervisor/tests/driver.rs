//! What the driver makes of a runtime that panics, hangs or is slow, and of what comes at the wrong time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use theater_core::{
    ActorError, ActorHandle, ActorId, ActorInfo, ActorRuntime, Authority, Bytes, Caller, ChainEvent,
    ChildNotice, ChildSpec, EventDraft, EventKind, EventRange, ExitReason, ExitStream, RestartFrom,
    RestartPolicy, Shutdown, ShutdownController, SpawnRequest, StopMode, SupervisionSpec, async_trait,
};
use theater_supervisor::{Result, SupervisorError, SupervisorHost};
use theater_testkit::{MockRuntime, Program, StartOutcome};
use tokio::task::JoinHandle;

/// The testkit's runtime with faults that break the contract of `ActorRuntime`.
#[derive(Debug, Default)]
struct Faulty {
    inner: MockRuntime,
    /// How often each of these will panic.
    spawn_panics: AtomicU32,
    restart_panics: AtomicU32,
    stop_panics: AtomicU32,
    notify_panics: AtomicU32,
    /// How often `notify` will hang.
    notify_hangs: AtomicU32,
    /// How long a record of a decision takes.
    record_takes: Duration,
}

fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1)).is_ok()
}

fn panic_if(count: &AtomicU32) {
    assert!(!take(count), "scripted");
}

#[async_trait]
impl ActorRuntime for Faulty {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        panic_if(&self.spawn_panics);
        self.inner.spawn(request).await
    }
    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        panic_if(&self.restart_panics);
        self.inner.restart(by, id, from).await
    }
    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        panic_if(&self.stop_panics);
        self.inner.stop(by, id, mode).await
    }
    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        self.inner.info(by, id).await
    }
    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        self.inner.children(parent).await
    }
    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        self.inner.state(by, id).await
    }
    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError> {
        self.inner.events(by, id, range).await
    }
    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
        if draft.kind == EventKind::SUPERVISION {
            tokio::time::sleep(self.record_takes).await;
        }
        self.inner.record(id, draft).await
    }
    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        self.inner.exits(parent)
    }
    async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Result<(), ActorError> {
        panic_if(&self.notify_panics);
        if take(&self.notify_hangs) {
            std::future::pending::<()>().await;
        }
        self.inner.notify(parent, notice).await
    }
    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        self.inner.reap(by, id).await
    }
}

struct Fixture {
    runtime: MockRuntime,
    host: SupervisorHost,
    caller: Caller,
    shutdown: ShutdownController,
    supervisor: JoinHandle<Result<()>>,
}

/// A parent whose supervisor runs: five restarts within five seconds, ten seconds for each operation.
fn supervised(faulty: Faulty) -> Fixture {
    let runtime = faulty.inner.clone();
    let faulty: Arc<dyn ActorRuntime> = Arc::new(faulty);
    let caller = Caller::new(runtime.root(), Arc::clone(&faulty));
    let host = SupervisorHost::builder()
        .supervision(SupervisionSpec::new(5, Duration::from_secs(5)))
        .deadline(Duration::from_secs(10))
        .build();
    let (shutdown, receiver) = ShutdownController::new();
    let supervisor = tokio::spawn(host.start(ActorHandle::new(caller.id, faulty), receiver));
    Fixture { runtime, host, caller, shutdown, supervisor }
}

impl Fixture {
    async fn spawn(&self, program: &str) -> Result<ActorId> {
        in_time(self.host.spawn(&self.caller, program.to_owned(), None)).await
    }

    async fn end(self) -> Result<()> {
        self.shutdown.shutdown();
        in_time(self.supervisor).await.expect("the driver does not panic")
    }

    async fn is_ended(&self, child: ActorId) -> bool {
        self.runtime.info(Authority::Operator, child).await.expect("it has a record").status.is_ended()
    }
}

/// A runtime with a child of each restart policy, the temporary one under any other name.
fn programs() -> MockRuntime {
    MockRuntime::new()
        .program("permanent", Program::new(ChildSpec::new(RestartPolicy::Permanent)))
        .program("transient", Program::new(ChildSpec::new(RestartPolicy::Transient)))
}

fn trap() -> ExitReason {
    ExitReason::Trapped { message: "boom".to_owned(), backtrace: Vec::new() }
}

/// An hour of paused time is for ever.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(3_600), work).await.expect("it waits for ever")
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_start_in_which_the_runtime_panics_fails_and_wedges_nothing() {
    let it = supervised(Faulty { inner: programs(), spawn_panics: 1.into(), ..Faulty::default() });
    let error = it.spawn("permanent").await.unwrap_err();
    assert_eq!(error.to_string(), "Actor error: the runtime panicked in spawn");
    it.spawn("permanent").await.unwrap();
    it.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_which_the_runtime_panics_counts_and_is_tried_again() {
    let it = supervised(Faulty { inner: programs(), restart_panics: 2.into(), ..Faulty::default() });
    let child = it.spawn("permanent").await.unwrap();
    it.runtime.crash(child, trap());
    settle().await;
    assert!(!it.is_ended(child).await);
    it.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_always_panics_in_restart_ends_the_supervisor_by_its_intensity() {
    let it = supervised(Faulty { inner: programs(), restart_panics: 99.into(), ..Faulty::default() });
    let child = it.spawn("permanent").await.unwrap();
    it.runtime.crash(child, trap());
    let error = in_time(it.supervisor).await.unwrap().unwrap_err();
    assert!(matches!(error, SupervisorError::ActorError(ActorError::Escalated { .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_which_the_runtime_panics_is_an_error_and_holds_up_no_shutdown() {
    let it = supervised(Faulty { inner: programs(), stop_panics: 2.into(), ..Faulty::default() });
    let (first, second) = (it.spawn("worker").await.unwrap(), it.spawn("worker").await.unwrap());
    let error = in_time(it.host.stop_child(&it.caller, &second.to_string())).await.unwrap_err();
    assert_eq!(error.to_string(), "Actor error: the runtime panicked in stop");
    let runtime = it.runtime.clone();
    // The other panic meets the second child again, this time in the shutdown.
    it.end().await.unwrap();
    assert!(runtime.info(Authority::Operator, first).await.unwrap().status.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_hangs_or_panics_does_not_keep_later_ones_from_the_guest() {
    for faulty in [
        Faulty { inner: programs(), notify_hangs: 1.into(), ..Faulty::default() },
        Faulty { inner: programs(), notify_panics: 1.into(), ..Faulty::default() },
    ] {
        let it = supervised(faulty);
        let child = it.spawn("permanent").await.unwrap();
        it.runtime.crash(child, trap());
        settle().await;
        assert!(!it.is_ended(child).await, "restarts do not wait for notices");
        it.runtime.crash(child, trap());
        tokio::time::sleep(Duration::from_secs(11)).await;
        let lives: Vec<_> =
            it.runtime.notices(it.caller.id).iter().map(|notice| notice.incarnation.0).collect();
        assert_eq!(lives, [2]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_guest_is_told_of_an_end_after_the_decision_is_recorded() {
    let slow = Duration::from_millis(20);
    let it = supervised(Faulty { inner: programs(), record_takes: slow, ..Faulty::default() });
    let child = it.spawn("transient").await.unwrap();
    it.runtime.crash(child, trap());
    while it.runtime.notices(it.caller.id).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let events = it.runtime.events(Authority::Operator, it.caller.id, EventRange::ALL).await.unwrap();
    assert!(events.iter().any(|event| event.header.kind == EventKind::SUPERVISION));
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_end_is_refused_and_has_no_effect() {
    let it = supervised(Faulty { inner: programs(), ..Faulty::default() });
    let child = it.spawn("permanent").await.unwrap().to_string();
    it.shutdown.shutdown();
    in_time(it.supervisor).await.unwrap().unwrap();
    let refused =
        |result: Result<()>| matches!(result, Err(SupervisorError::ActorError(ActorError::ShuttingDown)));
    assert!(refused(it.host.spawn(&it.caller, "worker".to_owned(), None).await.map(drop)));
    assert!(refused(it.host.resume(&it.caller, "worker".to_owned(), None).await.map(drop)));
    assert!(refused(it.host.restart_child(&it.caller, &child).await));
    assert!(refused(it.host.stop_child(&it.caller, &child).await));
    assert_eq!(it.host.list_children(&it.caller).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_crash_of_a_life_that_an_operator_started_is_answered_by_the_rules() {
    let it = supervised(Faulty { inner: programs(), ..Faulty::default() });
    let child = it.spawn("transient").await.unwrap();
    it.runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await.unwrap();
    settle().await;
    it.runtime.crash(child, trap());
    settle().await;
    assert!(!it.is_ended(child).await);
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_hangs_is_given_up_also_for_a_child_with_infinite_grace() {
    let mut spec = ChildSpec::new(RestartPolicy::Permanent);
    spec.shutdown = Shutdown::Infinity;
    let starts = [StartOutcome::Ok, StartOutcome::Hang];
    let inner = programs().program("patient", Program::new(spec).starts(starts));
    let it = supervised(Faulty { inner, ..Faulty::default() });
    let child = it.spawn("patient").await.unwrap();
    it.runtime.crash(child, trap());
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(!it.is_ended(child).await, "the next try went well");
    it.end().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_is_ended_during_its_call_wedges_nothing() {
    let slow = StartOutcome::Slow(Duration::from_secs(2));
    let inner = programs().program("slow", Program::default().starts([slow]));
    let it = supervised(Faulty { inner, ..Faulty::default() });
    let call = it.host.spawn(&it.caller, "slow".to_owned(), None);
    tokio::time::timeout(Duration::from_secs(1), call).await.expect_err("it takes longer");
    it.spawn("worker").await.unwrap();
    let (host, caller) = (it.host.clone(), it.caller.clone());
    it.end().await.unwrap();
    assert_eq!(host.list_children(&caller).await.unwrap(), []);
}
