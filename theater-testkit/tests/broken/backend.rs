//! A correct runtime with one thing broken.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, Authority, Bytes, ChainEvent, ChildExit, ChildNotice,
    EventDraft, EventRange, ExitQueue, ExitReason, ExitStream, ManifestRef, RestartFrom, SpawnRequest,
    StopMode, async_trait,
};
use theater_testkit::conformance::{Capability, Clock, TestBackend};
use theater_testkit::{Act, HostAnswer, HostCall, Program};

use crate::inner::{self, InnerBackend};

/// The correct runtime.
pub(crate) type Inner = Arc<dyn ActorRuntime>;

pub(crate) type Answer<T> = Result<T, ActorError>;

/// One way to break the contract: what it does not touch goes to the correct runtime as it is.
#[async_trait]
pub(crate) trait Damage: fmt::Debug + Send + Sync + 'static {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        inner.spawn(request).await
    }

    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        inner.restart(by, id, from).await
    }

    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        inner.stop(by, id, mode).await
    }

    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        inner.info(by, id).await
    }

    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        inner.children(parent).await
    }

    async fn state(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<Option<Bytes>> {
        inner.state(by, id).await
    }

    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        inner.events(by, id, range).await
    }

    async fn record(&self, inner: &Inner, id: ActorId, draft: EventDraft) -> Answer<ChainEvent> {
        inner.record(id, draft).await
    }

    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        inner.exits(parent)
    }

    async fn reap(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<()> {
        inner.reap(by, id).await
    }

    /// What is told of an actor, by whichever method.
    fn told(&self, info: ActorInfo) -> ActorInfo {
        info
    }

    async fn act(&self, inside: &InnerBackend, actor: ActorId, act: Act) -> Answer<()> {
        inside.act(actor, act).await
    }
}

/// Breaks nothing.
#[derive(Debug)]
pub(crate) struct Sound;

impl Damage for Sound {}

/// The runtime as the cases see it.
#[derive(Debug)]
struct Broken {
    inner: Inner,
    damage: Arc<dyn Damage>,
}

#[async_trait]
impl ActorRuntime for Broken {
    async fn spawn(&self, request: SpawnRequest) -> Answer<ActorInfo> {
        self.damage.spawn(&self.inner, request).await.map(|info| self.damage.told(info))
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Answer<ActorInfo> {
        self.damage.restart(&self.inner, by, id, from).await.map(|info| self.damage.told(info))
    }

    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        self.damage.stop(&self.inner, by, id, mode).await
    }

    async fn halt(&self, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        self.inner.halt(by, id, mode).await
    }

    async fn info(&self, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        self.damage.info(&self.inner, by, id).await.map(|info| self.damage.told(info))
    }

    async fn children(&self, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let children = self.damage.children(&self.inner, parent).await?;
        Ok(children.into_iter().map(|info| self.damage.told(info)).collect())
    }

    async fn state(&self, by: Authority, id: ActorId) -> Answer<Option<Bytes>> {
        self.damage.state(&self.inner, by, id).await
    }

    async fn events(&self, by: Authority, id: ActorId, range: EventRange) -> Answer<Vec<ChainEvent>> {
        self.damage.events(&self.inner, by, id, range).await
    }

    async fn record(&self, id: ActorId, draft: EventDraft) -> Answer<ChainEvent> {
        self.damage.record(&self.inner, id, draft).await
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        self.damage.exits(&self.inner, parent)
    }

    async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Answer<()> {
        self.inner.notify(parent, notice).await
    }

    async fn reap(&self, by: Authority, id: ActorId) -> Answer<()> {
        self.damage.reap(&self.inner, by, id).await
    }
}

/// The backend under test: the correct one behind the damage.
pub(crate) struct BrokenBackend {
    inside: InnerBackend,
    runtime: Arc<Broken>,
}

impl BrokenBackend {
    pub(crate) fn new(damage: Arc<dyn Damage>) -> Self {
        let inside = inner::backend();
        let runtime = Arc::new(Broken { inner: inside.runtime(), damage });
        Self { inside, runtime }
    }
}

#[async_trait]
impl TestBackend for BrokenBackend {
    fn clock() -> Clock {
        InnerBackend::clock()
    }

    fn runtime(&self) -> Arc<dyn ActorRuntime> {
        self.runtime.clone()
    }

    fn program(&self, program: &Program) -> ManifestRef {
        self.inside.program(program)
    }

    async fn act(&self, actor: ActorId, act: Act) -> Answer<()> {
        self.runtime.damage.act(&self.inside, actor, act).await
    }

    async fn call(&self, actor: ActorId, call: HostCall) -> Result<HostAnswer, String> {
        inner::call(self.runtime(), actor, call).await
    }

    fn lacks(&self, capability: Capability) -> Option<&'static str> {
        match capability {
            // The guests of the correct runtime would not see what is broken.
            Capability::Supervision => Some("guests are called from outside"),
            other => self.inside.lacks(other),
        }
    }
}

/// Takes the exits of the correct runtime, to give them on otherwise.
#[derive(Debug, Default)]
pub(crate) struct Pumps {
    queues: Mutex<BTreeMap<Option<ActorId>, ExitQueue>>,
}

impl Pumps {
    /// A stream of what `give` makes of each exit. What waits already is there at once.
    pub(crate) fn stream(
        &self,
        inner: &Inner,
        parent: Option<ActorId>,
        mut give: impl FnMut(ChildExit, &ExitQueue) + Send + 'static,
    ) -> ExitStream {
        let mut queues = lock(&self.queues);
        if let Some(queue) = queues.get(&parent) {
            return queue.stream();
        }
        let queue = ExitQueue::new();
        queues.insert(parent, queue.clone());
        let stream = queue.stream();
        let mut exits = inner.exits(parent);
        while let Some(exit) = exits.try_next() {
            give(exit, &queue);
        }
        tokio::spawn(async move {
            while let Some(exit) = exits.next().await {
                give(exit, &queue);
            }
            queue.close();
        });
        stream
    }

    /// Where the exits of a parent's children go, if anybody has asked for them.
    pub(crate) fn queue(&self, parent: Option<ActorId>) -> Option<ExitQueue> {
        lock(&self.queues).get(&parent).cloned()
    }
}

/// The mutexes here hold plain values, which are whole at every moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the correct runtime says of an actor to whoever may know everything.
pub(crate) async fn known(inner: &Inner, id: ActorId) -> Option<ActorInfo> {
    inner.info(Authority::Operator, id).await.ok()
}
