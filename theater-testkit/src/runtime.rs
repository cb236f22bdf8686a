//! A runtime without actors' code: children that do what the test says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use theater_core::event::payload::Origin;
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, ActorStatus, Authority, Bytes, ChainEvent, ChildExit,
    ChildNotice, EventDraft, EventRange, ExitReason, ExitStream, Incarnation, RestartFrom, SpawnRequest,
    StartFrom, StopMode, async_trait,
};
use tokio::time::{sleep, timeout};

use crate::lives::{Lives, Start};
use crate::program::{Program, StartOutcome, StopBehaviour};

/// An [`ActorRuntime`] in memory. Cheap to clone; all clones are the same runtime.
///
/// It follows the contract of `ActorRuntime`, chains included, except for the faults that a test asks for. It spawns no
/// tasks; ids and times are counted, so runs are alike.
#[derive(Debug, Clone, Default)]
pub struct FakeRuntime {
    lives: Arc<Mutex<Lives>>,
}

impl FakeRuntime {
    /// A runtime without actors. A manifest's reference spells out its program: see [`Program::read`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a program behind a manifest's reference.
    #[must_use]
    pub fn program(self, manifest: &str, program: Program) -> Self {
        self.lives().programs.insert(manifest.to_owned(), program);
        self
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a running root actor.
    #[must_use]
    pub fn root(&self) -> ActorId {
        self.actor(None, "root")
    }

    /// Adds a running child, as its parent's guest would without a supervisor, and without waiting.
    #[must_use]
    pub fn child(&self, parent: ActorId) -> ActorId {
        self.actor(Some(parent), "child")
    }

    fn actor(&self, parent: Option<ActorId>, name: &str) -> ActorId {
        let mut lives = self.lives();
        let id = lives.add(parent, name, None);
        if let Some(start) = lives.begin(id, Origin::Init) {
            // It runs whatever a program of this name says: the test has asked for it.
            let _ = lives.settle(Start { outcome: StartOutcome::Ok, ..start });
        }
        id
    }

    /// Ends the current life of an actor, as a crash would.
    pub fn crash(&self, id: ActorId, reason: ExitReason) {
        self.lives().end(id, None, reason);
    }

    /// Gives an exit to a parent's queue, whether or not it happened.
    pub fn tell_exit(&self, parent: ActorId, exit: ChildExit) {
        self.lives().exits(Some(parent)).push(exit);
    }

    /// Tells the parent of the end of a child's last life once more, against the contract.
    pub fn duplicate_exit(&self, child: ActorId) {
        let lives = self.lives();
        let Some(actor) = lives.actors.get(&child) else { return };
        if let Some(exit) = actor.last_exit.clone() {
            lives.exits(actor.parent).push(exit);
        }
    }

    /// Does not tell the parent when the child ends the next time, against the contract.
    pub fn lose_next_exit(&self, child: ActorId) {
        self.lives().lost_exits.insert(child);
    }

    /// Puts a state in place, as a call that succeeded would.
    pub fn set_state(&self, id: ActorId, state: impl Into<Bytes>) {
        if let Some(actor) = self.lives().actors.get_mut(&id) {
            actor.state = Some(state.into());
        }
    }

    /// Lets the `n`-th record from now on fail, and only that one. 1 is the next.
    pub fn fail_record(&self, n: u64) {
        self.lives().failing_record = Some(n);
    }

    /// Lets every notice fail from now on.
    pub fn fail_notify(&self) {
        self.lives().fail_notify = true;
    }

    /// What was asked of the runtime, in order: the method and the actor's name, or its id if there is none such.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.lives().calls.clone()
    }

    /// What happened to lives, in order: `start NAME LIFE`, `fail NAME LIFE`, `exit NAME LIFE REASON`.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.lives().log.clone()
    }

    /// The notices that a parent was given.
    #[must_use]
    pub fn notices(&self, parent: ActorId) -> Vec<ChildNotice> {
        let lives = self.lives();
        lives.notices.iter().filter(|(to, _)| *to == parent).map(|(_, notice)| notice.clone()).collect()
    }

    /// How many children have a record, one that is starting included.
    #[must_use]
    pub fn records(&self, parent: ActorId) -> usize {
        self.lives().children(parent).count()
    }

    /// Locks for one operation, and notes that it was asked for.
    fn called(&self, operation: &str, id: ActorId) -> MutexGuard<'_, Lives> {
        let mut lives = self.lives();
        let target = lives.actors.get(&id).map_or_else(|| id.to_string(), |actor| actor.name.clone());
        lives.calls.push(format!("{operation} {target}"));
        lives
    }

    async fn start(&self, start: Start) -> Result<ActorInfo, ActorError> {
        let mut give_up = GiveUp { runtime: self, start: Some((start.id, start.life)) };
        match &start.outcome {
            StartOutcome::Hang => start.given_up.notified().await,
            // Whichever comes first: `settle` finds out.
            StartOutcome::Slow(time) => drop(timeout(*time, start.given_up.notified()).await),
            StartOutcome::Panic => panic!("scripted"),
            _ => {}
        }
        give_up.start = None;
        self.lives().settle(start)
    }

    /// Waits until a life that was asked to stop would have done so, for as long as `mode` allows.
    async fn grace(takes: Duration, mode: StopMode) -> ExitReason {
        let patience = match mode {
            StopMode::Graceful(grace) => grace,
            StopMode::Infinity => Duration::MAX,
            _ => return ExitReason::Killed,
        };
        // Even no sleep at all takes until the next tick of the timer.
        if !takes.min(patience).is_zero() {
            sleep(takes.min(patience)).await;
        }
        if takes > patience { ExitReason::Killed } else { ExitReason::Stopped }
    }
}

/// How long the current call goes on when the actor is asked to stop.
fn stop_takes(stop: StopBehaviour) -> Duration {
    match stop {
        StopBehaviour::Clean => Duration::ZERO,
        StopBehaviour::Slow(time) => time,
        StopBehaviour::Refuse => Duration::MAX,
    }
}

/// A start whose future is dropped leaves nothing running.
struct GiveUp<'a> {
    runtime: &'a FakeRuntime,
    start: Option<(ActorId, Incarnation)>,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if let Some((id, life)) = self.start {
            self.runtime.lives().fail(id, life, ExitReason::Killed);
        }
    }
}

#[async_trait]
impl ActorRuntime for FakeRuntime {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        let (origin, state) = match request.start {
            StartFrom::Init(state) => (Origin::Init, state),
            StartFrom::State(None) => (Origin::Init, None),
            StartFrom::State(state) => (Origin::Given, state),
        };
        let name = request.manifest.as_str();
        let start = {
            let mut lives = self.lives();
            lives.calls.push(format!("spawn {name}"));
            if !lives.takes_children(request.parent) {
                return Err(ActorError::ShuttingDown);
            }
            let id = lives.add(request.parent, name, state);
            if let (Some(spec), Some(actor)) = (request.child_spec, lives.actors.get_mut(&id)) {
                actor.program.child_spec = spec;
            }
            lives.begin(id, origin).ok_or(ActorError::UnknownActor { id })?
        };
        self.start(start).await
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        let (life, waits) = {
            let mut lives = self.called("restart", id);
            let actor = lives.covered(by, id)?;
            let waits = (actor.status == ActorStatus::Running)
                .then(|| (stop_takes(actor.program.stop), actor.program.child_spec.shutdown.into()));
            (actor.incarnation, waits)
        };
        let reason = match waits {
            Some((takes, mode)) => Self::grace(takes, mode).await,
            None => ExitReason::Stopped,
        };
        let start = {
            let mut lives = self.lives();
            let parent = lives.covered(by, id)?.parent;
            if !lives.takes_children(parent) {
                return Err(ActorError::ShuttingDown);
            }
            lives.end(id, Some(life), reason);
            let actor = lives.covered(by, id)?;
            if !actor.status.is_ended() {
                // Another restart came between and has started a life: that one is as good.
                return lives.info(id).ok_or_else(|| by.refusal(id));
            }
            let origin = lives.rewind(id, &from);
            lives.begin(id, origin).ok_or_else(|| by.refusal(id))?
        };
        self.start(start).await
    }

    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let (life, takes) = {
            let mut lives = self.called("stop", id);
            let actor = lives.covered(by, id)?;
            if let ActorStatus::Ended(reason) = &actor.status {
                return Ok(reason.clone());
            }
            if actor.program.refuses_stop {
                return Err(ActorError::Unsupported { operation: "stop" });
            }
            (actor.incarnation, stop_takes(actor.program.stop))
        };
        let reason = Self::grace(takes, mode).await;
        let mut lives = self.lives();
        lives.end(id, Some(life), reason.clone());
        Ok(match &lives.covered(by, id)?.status {
            ActorStatus::Ended(reason) => reason.clone(),
            _ => reason,
        })
    }

    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        let mut lives = self.called("info", id);
        lives.covered(by, id)?;
        lives.info(id).ok_or_else(|| by.refusal(id))
    }

    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        let lives = self.called("children", parent);
        if !lives.actors.contains_key(&parent) {
            return Err(ActorError::UnknownActor { id: parent });
        }
        Ok(lives.children(parent).filter_map(|id| lives.info(id)).collect())
    }

    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        self.called("state", id).covered(by, id).map(|actor| actor.state.clone())
    }

    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError> {
        let mut lives = self.called("events", id);
        let events = &lives.covered(by, id)?.events;
        Ok(events[range.within(events.len())].to_vec())
    }

    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
        let mut lives = self.called("record", id);
        lives.failing_record = lives.failing_record.map(|n| n.saturating_sub(1));
        if lives.failing_record == Some(0) {
            lives.failing_record = None;
            let source = Arc::new(std::io::Error::other("scripted"));
            return Err(ActorError::Chain { id, source });
        }
        lives.record(id, draft.kind, draft.payload).ok_or(ActorError::UnknownActor { id })
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        let lives = self.lives();
        match parent {
            Some(id) if !lives.actors.contains_key(&id) => ExitStream::ended(),
            parent => lives.exits(parent).stream(),
        }
    }

    async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Result<(), ActorError> {
        let mut lives = self.called("notify", parent);
        if lives.fail_notify {
            return Err(ActorError::Unsupported { operation: "notify" });
        }
        match &lives.covered(Authority::Operator, parent)?.status {
            ActorStatus::Ended(reason) => Err(ActorError::Ended { id: parent, reason: reason.clone() }),
            _ => {
                lives.notices.push((parent, notice));
                Ok(())
            }
        }
    }

    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        let mut lives = self.called("reap", id);
        if !lives.covered(by, id)?.status.is_ended() {
            return Err(ActorError::StillRunning { id });
        }
        lives.forget(id);
        Ok(())
    }
}
