//! A runtime without actors' code: children that do what the test says.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use theater_chain::Chain;
use theater_core::event::payload::{self, Exited, Origin, Started};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, ActorStatus, Authority, Bytes, ChainEvent, ChildExit,
    ChildNotice, ChildSpec, EventDraft, EventKind, EventRange, ExitQueue, ExitReason, ExitStream,
    Incarnation, RestartFrom, SpawnRequest, StartFrom, StopMode, async_trait,
};

/// How one start of a child goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartOutcome {
    /// It runs.
    Ok,
    /// Its `init` fails.
    Fail,
    /// Its `init` never ends.
    Hang,
    /// It runs, after this time.
    Slow(Duration),
    /// It runs and dies at once for this reason, before its start is answered.
    Die(ExitReason),
}

/// What a child does. A manifest's reference names one.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// How successive starts go, restarts included; after the last one every start is [`StartOutcome::Ok`].
    pub starts: VecDeque<StartOutcome>,
    /// How the parent's supervisor treats it.
    pub child_spec: ChildSpec,
    /// Whether `stop` is refused with an error.
    pub refuses_stop: bool,
}

impl Program {
    /// A child under this child spec that always starts.
    #[must_use]
    pub fn new(child_spec: ChildSpec) -> Self {
        Self { child_spec, ..Self::default() }
    }

    /// The same with these starts.
    #[must_use]
    pub fn starts(mut self, starts: impl IntoIterator<Item = StartOutcome>) -> Self {
        self.starts = starts.into_iter().collect();
        self
    }

    /// The same, refusing to be stopped.
    #[must_use]
    pub fn refuses_stop(mut self) -> Self {
        self.refuses_stop = true;
        self
    }
}

/// An [`ActorRuntime`] in memory. Cheap to clone; all clones are the same runtime.
///
/// It follows the contract of `ActorRuntime`, chains included. Ids and times are counted, so runs are alike.
#[derive(Debug, Clone, Default)]
pub struct FakeRuntime {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    programs: BTreeMap<String, Program>,
    actors: BTreeMap<ActorId, Actor>,
    next: u64,
    time: u64,
    log: Vec<String>,
    notices: Vec<(ActorId, ChildNotice)>,
    fail_records: u32,
    fail_notices: bool,
    roots: ExitQueue,
}

#[derive(Debug)]
struct Actor {
    parent: Option<ActorId>,
    name: String,
    program: Program,
    state: Option<Bytes>,
    first: Option<Bytes>,
    incarnation: Incarnation,
    status: ActorStatus,
    chain: Chain,
    events: Vec<ChainEvent>,
    exits: ExitQueue,
}

impl FakeRuntime {
    /// A runtime without actors. Every manifest names a temporary child that starts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with a program behind a manifest's reference.
    #[must_use]
    pub fn program(self, manifest: &str, program: Program) -> Self {
        self.shared().programs.insert(manifest.to_owned(), program);
        self
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a running root actor.
    #[must_use]
    pub fn root(&self) -> ActorId {
        let mut shared = self.shared();
        let id = shared.add(None, "root", Program::default(), None);
        shared.begin(id, Origin::Init);
        id
    }

    /// Ends the current life of an actor, as a crash would.
    pub fn crash(&self, id: ActorId, reason: ExitReason) {
        let mut shared = self.shared();
        let life = shared.actors.get(&id).map(|actor| actor.incarnation);
        shared.end(id, life, reason);
    }

    /// Gives an exit to a parent's queue, whether or not it happened.
    pub fn tell_exit(&self, parent: ActorId, exit: ChildExit) {
        if let Some(actor) = self.shared().actors.get(&parent) {
            actor.exits.push(exit);
        }
    }

    /// Puts a state in place, as a call that succeeded would.
    pub fn set_state(&self, id: ActorId, state: impl Into<Bytes>) {
        if let Some(actor) = self.shared().actors.get_mut(&id) {
            actor.state = Some(state.into());
        }
    }

    /// Lets the next `count` records fail.
    pub fn fail_records(&self, count: u32) {
        self.shared().fail_records = count;
    }

    /// Lets every notice fail from now on.
    pub fn fail_notices(&self) {
        self.shared().fail_notices = true;
    }

    /// What happened to lives, in order: `start NAME LIFE`, `fail NAME LIFE`, `exit NAME LIFE REASON`.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.shared().log.clone()
    }

    /// The notices that a parent was given.
    #[must_use]
    pub fn notices(&self, parent: ActorId) -> Vec<ChildNotice> {
        let shared = self.shared();
        shared.notices.iter().filter(|(to, _)| *to == parent).map(|(_, notice)| notice.clone()).collect()
    }

    /// How many children have a record.
    #[must_use]
    pub fn records(&self, parent: ActorId) -> usize {
        self.shared().actors.values().filter(|actor| actor.parent == Some(parent)).count()
    }

    /// How the next start of an actor goes. A life that will not run is counted all the same.
    fn next_start(&self, id: ActorId) -> StartOutcome {
        let mut shared = self.shared();
        let starts = shared.actors.get_mut(&id).and_then(|actor| actor.program.starts.pop_front());
        starts.unwrap_or(StartOutcome::Ok)
    }

    async fn start(&self, id: ActorId, origin: Origin) -> Result<ActorInfo, ActorError> {
        let outcome = self.next_start(id);
        match &outcome {
            StartOutcome::Hang => std::future::pending().await,
            StartOutcome::Slow(time) => tokio::time::sleep(*time).await,
            _ => {}
        }
        let mut shared = self.shared();
        if outcome == StartOutcome::Fail {
            let reason = ExitReason::InitFailed { error: "scripted".to_owned() };
            shared.fail(id, reason.clone());
            return Err(ActorError::StartFailed { reason });
        }
        shared.begin(id, origin);
        let info = shared.info(id);
        if let StartOutcome::Die(reason) = outcome {
            shared.end(id, None, reason);
        }
        info.ok_or(ActorError::UnknownActor { id })
    }

    fn with<T>(
        &self,
        by: Authority,
        id: ActorId,
        act: impl FnOnce(&mut Actor) -> T,
    ) -> Result<T, ActorError> {
        let mut shared = self.shared();
        let actor = shared.actors.get_mut(&id).filter(|actor| by.covers(actor.parent));
        actor.map(act).ok_or_else(|| by.refusal(id))
    }
}

impl Shared {
    fn add(
        &mut self,
        parent: Option<ActorId>,
        name: &str,
        program: Program,
        state: Option<Bytes>,
    ) -> ActorId {
        self.next += 1;
        let id = ActorId::from_parts(self.next, [1; 10]);
        let (chain, genesis) = Chain::genesis(Bytes::from(id.to_string()), 1, self.time);
        let actor = Actor {
            parent,
            name: name.to_owned(),
            program,
            first: state.clone(),
            state,
            incarnation: Incarnation(0),
            status: ActorStatus::Starting,
            chain,
            events: vec![genesis],
            exits: ExitQueue::new(),
        };
        self.actors.insert(id, actor);
        id
    }

    fn info(&self, id: ActorId) -> Option<ActorInfo> {
        let actor = self.actors.get(&id)?;
        let info = ActorInfo::new(id, actor.parent, &actor.name, actor.status.clone());
        Some(info.with_incarnation(actor.incarnation).with_child_spec(actor.program.child_spec))
    }

    fn record(&mut self, id: ActorId, kind: EventKind, payload: Bytes) -> Option<ChainEvent> {
        self.time += 1;
        let time = self.time;
        let actor = self.actors.get_mut(&id)?;
        let event = actor.chain.append(kind, payload, time);
        actor.events.push(event.clone());
        Some(event)
    }

    fn begin(&mut self, id: ActorId, origin: Origin) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.incarnation = actor.incarnation.next();
        actor.status = ActorStatus::Running;
        let state_len = actor.state.as_ref().map(|state| state.len() as u64);
        let started = Started { incarnation: actor.incarnation, origin, state_len };
        self.log.push(format!("start {} {}", actor.name, actor.incarnation));
        self.record(id, EventKind::STARTED, payload::encode(&started));
    }

    /// A start that failed: the life counts, and nothing runs.
    fn fail(&mut self, id: ActorId, reason: ExitReason) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.incarnation = actor.incarnation.next();
        self.log.push(format!("fail {} {}", actor.name, actor.incarnation));
        if actor.incarnation == Incarnation::FIRST {
            self.actors.remove(&id);
        } else {
            actor.status = ActorStatus::Ended(reason);
        }
    }

    /// Ends a life and everything below, latest first. A life that is not the current one has ended already.
    fn end(&mut self, id: ActorId, life: Option<Incarnation>, reason: ExitReason) {
        let Some(actor) = self.actors.get(&id) else { return };
        if actor.status.is_ended() || life.is_some_and(|life| life != actor.incarnation) {
            return;
        }
        let children = self.actors.iter().rev().filter(|(_, child)| child.parent == Some(id));
        for child in children.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(child, None, ExitReason::ParentStopped);
        }
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.status = ActorStatus::Ended(reason.clone());
        let (incarnation, parent) = (actor.incarnation, actor.parent);
        self.log.push(format!("exit {} {incarnation} {}", actor.name, reason.name()));
        self.record(id, EventKind::EXITED, payload::encode(&Exited { incarnation, reason: reason.clone() }));
        let exit = ChildExit::new(id, incarnation, reason);
        match parent.and_then(|parent| self.actors.get(&parent)) {
            Some(parent) => parent.exits.push(exit),
            None => self.roots.push(exit),
        }
    }
}

/// A first start that is given up leaves nothing.
struct GiveUp<'a> {
    runtime: &'a FakeRuntime,
    id: Option<ActorId>,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.runtime.shared().actors.remove(&id);
        }
    }
}

#[async_trait]
impl ActorRuntime for FakeRuntime {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        let (origin, state) = match request.start {
            StartFrom::Init(state) => (Origin::Init, state),
            StartFrom::State(state) => (Origin::Given, state),
        };
        let name = request.manifest.as_str();
        let id = {
            let mut shared = self.shared();
            let program = shared.programs.get(name).cloned().unwrap_or_default();
            shared.add(request.parent, name, program, state)
        };
        let mut give_up = GiveUp { runtime: self, id: Some(id) };
        let started = self.start(id, origin).await;
        give_up.id = None;
        started
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        let life = self.with(by, id, |actor| actor.incarnation)?;
        self.shared().end(id, Some(life), ExitReason::Stopped);
        self.with(by, id, |actor| {
            if from == RestartFrom::Initial {
                actor.state = actor.first.clone();
            }
        })?;
        self.start(id, Origin::LastGood).await
    }

    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let refuses = self.with(by, id, |actor| actor.program.refuses_stop)?;
        if refuses {
            return Err(ActorError::Unsupported { operation: "stop" });
        }
        let reason = if mode == StopMode::Kill { ExitReason::Killed } else { ExitReason::Stopped };
        self.shared().end(id, None, reason);
        self.with(by, id, |actor| match &actor.status {
            ActorStatus::Ended(reason) => reason.clone(),
            _ => ExitReason::Stopped,
        })
    }

    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        self.with(by, id, |_| ())?;
        self.shared().info(id).ok_or_else(|| by.refusal(id))
    }

    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        let shared = self.shared();
        // Before its first start has ended well it is nobody's child.
        let is_child =
            |actor: &Actor| actor.parent == Some(parent) && actor.incarnation >= Incarnation::FIRST;
        let children = shared.actors.iter().filter(|(_, actor)| is_child(actor));
        Ok(children.filter_map(|(id, _)| shared.info(*id)).collect())
    }

    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        self.with(by, id, |actor| actor.state.clone())
    }

    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError> {
        self.with(by, id, |actor| actor.events[range.within(actor.events.len())].to_vec())
    }

    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
        let mut shared = self.shared();
        if shared.fail_records > 0 {
            shared.fail_records -= 1;
            return Err(ActorError::Unsupported { operation: "record" });
        }
        shared.record(id, draft.kind, draft.payload).ok_or(ActorError::UnknownActor { id })
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        let shared = self.shared();
        match parent {
            None => shared.roots.stream(),
            Some(id) => shared.actors.get(&id).map_or_else(ExitStream::ended, |actor| actor.exits.stream()),
        }
    }

    async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Result<(), ActorError> {
        let mut shared = self.shared();
        if shared.fail_notices {
            return Err(ActorError::Unsupported { operation: "notify" });
        }
        shared.notices.push((parent, notice));
        Ok(())
    }

    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        if !self.with(by, id, |actor| actor.status.is_ended())? {
            return Err(ActorError::StillRunning { id });
        }
        self.shared().actors.remove(&id);
        Ok(())
    }
}
