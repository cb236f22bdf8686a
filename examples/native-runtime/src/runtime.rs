//! `NativeRuntime`: the `ActorRuntime`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use theater_core::event::payload::Origin;
use theater_core::{
    ActorError, ActorHandle, ActorId, ActorInfo, ActorRuntime, ActorStatus, Authority, Bytes, Caller,
    ChainEvent, EventDraft, EventRange, ExitReason, ExitStream, Incarnation, ManifestError,
    ManifestErrorKind, RestartFrom, ShutdownController, SpawnRequest, StartFrom, StopMode, async_trait,
};
use theater_supervisor::SupervisorHost;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

use crate::behaviour::Behaviour;
use crate::life::{MAILBOX, NewLife};
use crate::table::{Busy, Life, Table};

type Resolve = dyn Fn(&str) -> Option<Behaviour> + Send + Sync;

/// Runs actors that are Rust closures. Cheap to clone; all clones are the same runtime. Needs a tokio runtime.
#[derive(Clone)]
pub struct NativeRuntime {
    resolve: Arc<Resolve>,
    table: Arc<Mutex<Table>>,
}

impl fmt::Debug for NativeRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeRuntime").finish_non_exhaustive()
    }
}

impl NativeRuntime {
    /// A runtime with these behaviours: what stands for a manifest here is a name.
    #[must_use]
    pub fn new(behaviours: impl IntoIterator<Item = (&'static str, Behaviour)>) -> Self {
        let behaviours: BTreeMap<_, _> = behaviours.into_iter().collect();
        Self::resolving(move |name| behaviours.get(name).cloned())
    }

    /// A runtime that finds the behaviour behind a reference so.
    #[must_use]
    pub fn resolving(resolve: impl Fn(&str) -> Option<Behaviour> + Send + Sync + 'static) -> Self {
        Self { resolve: Arc::new(resolve), table: Arc::default() }
    }

    /// Sends a message and waits for the answer. Messages are no business of supervision, so `ActorRuntime` has none: each
    /// runtime has its own.
    ///
    /// # Errors
    /// [`UnknownActor`](ActorError::UnknownActor); [`Ended`](ActorError::Ended), also if it ends over the message;
    /// [`Guest`](ActorError::Guest) if it answers with an error.
    pub async fn request(&self, id: ActorId, message: impl Into<Bytes>) -> Result<Bytes, ActorError> {
        let mailbox = {
            let mut table = self.table();
            let actor = table.covered(Authority::Operator, id)?;
            actor.life.as_ref().map(|life| life.mailbox.clone())
        };
        let (answer, answered) = oneshot::channel();
        if let Some(mailbox) = mailbox
            && mailbox.send((message.into(), answer)).await.is_ok()
            && let Ok(answered) = answered.await
        {
            return answered.map_err(|error| ActorError::Guest { id, error });
        }
        let reason = match &self.table().covered(Authority::Operator, id)?.status {
            ActorStatus::Ended(reason) => reason.clone(),
            _ => ExitReason::Stopped,
        };
        Err(ActorError::Ended { id, reason })
    }

    /// The seven functions of `theater:simple/supervisor` for an actor's current life, and the caller to call them with.
    ///
    /// # Errors
    /// [`UnknownActor`](ActorError::UnknownActor), [`Ended`](ActorError::Ended).
    pub fn guest(&self, id: ActorId) -> Result<(SupervisorHost, Caller), ActorError> {
        let mut table = self.table();
        let actor = table.covered(Authority::Operator, id)?;
        match (&actor.life, &actor.status) {
            (Some(life), _) => Ok((life.host.clone(), Caller::new(id, Arc::new(self.clone())))),
            (None, ActorStatus::Ended(reason)) => Err(ActorError::Ended { id, reason: reason.clone() }),
            (None, _) => Err(ActorError::UnknownActor { id }),
        }
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        // No closure runs under the lock, and the table is whole after every step.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the next life: a task, and another that sees how it ends. The life counts from here on.
    fn begin(
        &self,
        table: &mut Table,
        id: ActorId,
        origin: Origin,
        bytes: Option<Bytes>,
    ) -> Result<Starting, ActorError> {
        let actor = table.covered(Authority::Operator, id)?;
        actor.incarnation = actor.incarnation.next();
        actor.status = ActorStatus::Starting;
        // What happened to the children of an earlier life is no news for this one.
        actor.exits.clear();
        let (life, behaviour) = (actor.incarnation, actor.behaviour.clone());
        let (mailbox, messages) = mpsc::channel(MAILBOX);
        let (started, running) = oneshot::channel();
        let (ended, failed) = oneshot::channel();
        let busy = Busy::default();
        let (host, shutdown) = self.supervise(id, life, &behaviour);
        let new = NewLife { id, life, behaviour, origin, bytes, busy: busy.clone(), messages, started };
        let task = tokio::spawn(new.live(self.clone()));
        actor.life = Some(Life { task: task.abort_handle(), mailbox, busy, host, shutdown });
        let runtime = self.clone();
        tokio::spawn(async move {
            let reason = match task.await {
                Ok(reason) => reason,
                Err(error) if error.is_panic() => trapped(&*error.into_panic()),
                // Aborted: whoever did that has ended the life.
                Err(_) => return,
            };
            runtime.table().end(id, life, reason.clone());
            let _ = ended.send(reason);
        });
        Ok(Starting { runtime: self.clone(), id, life, running, failed, over: false })
    }

    /// The host functions of a life, with its supervisor running where it has one.
    fn supervise(
        &self,
        id: ActorId,
        life: Incarnation,
        behaviour: &Behaviour,
    ) -> (SupervisorHost, Option<ShutdownController>) {
        let Some(supervision) = behaviour.supervision else {
            return (SupervisorHost::builder().build(), None);
        };
        let host = SupervisorHost::builder().supervision(supervision).build();
        let (shutdown, receiver) = ShutdownController::new();
        let driving = host.start(ActorHandle::new(id, Arc::new(self.clone())), receiver);
        let runtime = self.clone();
        tokio::spawn(async move {
            if let Err(error) = driving.await {
                // It gave up: its actor ends with it.
                runtime.table().end(id, life, error.exit_reason(supervision.escalation));
            }
        });
        (host, Some(shutdown))
    }

    /// Lets the current call end, for as long as `mode` allows. While the guard is held none is begun.
    async fn quiet(busy: Option<Busy>, mode: StopMode) -> (Option<OwnedMutexGuard<()>>, ExitReason) {
        let Some(busy) = busy else { return (None, ExitReason::Stopped) };
        let patience = match mode {
            StopMode::Graceful(grace) => grace,
            StopMode::Infinity => Duration::MAX,
            _ => return (None, ExitReason::Killed),
        };
        match tokio::time::timeout(patience, busy.lock_owned()).await {
            Ok(guard) => (Some(guard), ExitReason::Stopped),
            Err(_) => (None, ExitReason::Killed),
        }
    }
}

/// A start that is under way. Dropped before its end, it leaves nothing running.
struct Starting {
    runtime: NativeRuntime,
    id: ActorId,
    life: Incarnation,
    running: oneshot::Receiver<()>,
    failed: oneshot::Receiver<ExitReason>,
    over: bool,
}

impl Starting {
    /// Waits until `init` has ended, and answers with its real error.
    async fn answer(mut self) -> Result<ActorInfo, ActorError> {
        let started = (&mut self.running).await.is_ok();
        let failed = if started { None } else { (&mut self.failed).await.ok() };
        self.over = true;
        let table = self.runtime.table();
        match (started, failed, table.info(self.id)) {
            (true, _, Some(info)) => Ok(info),
            (_, Some(reason), _) => Err(ActorError::StartFailed { reason }),
            // Somebody has ended it meanwhile: alone, or with its parent.
            (_, None, Some(ActorInfo { status: ActorStatus::Ended(reason), .. })) => {
                Err(ActorError::StartFailed { reason })
            }
            _ => Err(ActorError::ShuttingDown),
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if !self.over {
            self.runtime.table().end(self.id, self.life, ExitReason::Killed);
        }
    }
}

fn trapped(panic: &(dyn std::any::Any + Send)) -> ExitReason {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    ExitReason::Trapped { message: text.unwrap_or_else(|| "a panic".to_owned()), backtrace: Vec::new() }
}

#[async_trait]
impl ActorRuntime for NativeRuntime {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        if let Some(id) = request.revive {
            // Nothing here outlives the runtime.
            return Err(ActorError::UnknownActor { id });
        }
        let name = request.manifest.as_str();
        let Some(behaviour) = (self.resolve)(name) else {
            return Err(ManifestError::new(name, ManifestErrorKind::NotFound).into());
        };
        let (origin, bytes) = match request.start {
            StartFrom::State(Some(bytes)) => (Origin::Given, Some(bytes)),
            StartFrom::Init(bytes) => (Origin::Init, bytes),
            StartFrom::State(None) => (Origin::Init, None),
        };
        let child_spec = request.child_spec.unwrap_or(behaviour.child_spec);
        let starting = {
            let mut table = self.table();
            table.takes_children(request.parent)?;
            table.admit(request.parent, name, &behaviour)?;
            let id = table.add(request.parent, name, behaviour, child_spec, bytes.clone())?;
            self.begin(&mut table, id, origin, bytes)?
        };
        starting.answer().await
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        let restarting = self.table().covered(by, id)?.restarting.clone();
        let _one_at_a_time = restarting.lock_owned().await;
        let (busy, life, mode) = {
            let mut table = self.table();
            let actor = table.covered(by, id)?;
            let busy = actor.life.as_ref().map(|life| life.busy.clone());
            (busy, actor.incarnation, actor.child_spec.shutdown.into())
        };
        let (_quiet, reason) = Self::quiet(busy, mode).await;
        let starting = {
            // From the check to the beginning of the next life it is one step.
            let mut table = self.table();
            let parent = table.covered(by, id)?.parent;
            table.takes_children(parent)?;
            table.end(id, life, reason);
            let actor = table.covered(by, id)?;
            let (origin, bytes) = match (&actor.state, from) {
                (Some(state), RestartFrom::LastGood) => (Origin::LastGood, Some(state.clone())),
                // No snapshots here, so they are the beginning, as the contract says.
                _ => (Origin::Init, actor.first.clone()),
            };
            self.begin(&mut table, id, origin, bytes)?
        };
        starting.answer().await
    }

    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let (busy, life) = {
            let mut table = self.table();
            let actor = table.covered(by, id)?;
            (actor.life.as_ref().map(|life| life.busy.clone()), actor.incarnation)
        };
        let (_quiet, reason) = Self::quiet(busy, mode).await;
        let mut table = self.table();
        table.end(id, life, reason.clone());
        match &table.covered(by, id)?.status {
            // Perhaps it had ended before, for a reason of its own.
            ActorStatus::Ended(reason) => Ok(reason.clone()),
            // A restart came between: the life that was to end has ended.
            _ => Ok(reason),
        }
    }

    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        let mut table = self.table();
        table.covered(by, id)?;
        table.info(id).ok_or_else(|| by.refusal(id))
    }

    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        let mut table = self.table();
        let children = table.covered(Authority::Operator, parent)?.children.clone();
        Ok(children.into_iter().filter_map(|child| table.info(child)).collect())
    }

    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        self.table().covered(by, id).map(|actor| actor.state.clone())
    }

    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError> {
        let (store, chain) = {
            let mut table = self.table();
            let chain = table.covered(by, id)?.chain.head().chain_id;
            (table.store(), chain)
        };
        let read = store.read(chain, range).await;
        read.map_err(|error| ActorError::Chain { id, source: Arc::new(std::io::Error::other(error)) })
    }

    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
        self.table().record(id, draft.kind, draft.payload)
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        self.table().exits(parent).map_or_else(ExitStream::ended, theater_core::ExitQueue::stream)
    }

    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        let mut table = self.table();
        if !table.covered(by, id)?.status.is_ended() {
            return Err(ActorError::StillRunning { id });
        }
        table.forget(id);
        Ok(())
    }
}
