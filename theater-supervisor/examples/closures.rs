//! A runtime of one's own: actors that are plain Rust closures on tokio tasks, supervised like any others.
//!
//! `cargo run -p theater-supervisor --example closures`
//!
//! [`Closures`] implements [`ActorRuntime`]; nothing else is needed to get the seven host functions and the restart rules
//! of [`SupervisorHost`]. Read it in this order: [`Table`] has the actors and the steps that the contract wants to be one
//! step, `impl ActorRuntime` puts them together, and `main` plays the parent actor. The exit code is 0 only if everything
//! that it tells is so.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use theater_chain::{Chain, verify};
use theater_core::event::payload::{self, Exited, Origin, Started};
use theater_core::{
    ActorError, ActorHandle, ActorId, ActorInfo, ActorRuntime, ActorStatus, Authority, Bytes, Caller,
    ChainEvent, ChildExit, ChildSpec, EventDraft, EventKind, EventRange, ExitQueue, ExitReason, ExitStream,
    Incarnation, ManifestError, ManifestErrorKind, RestartFrom, RestartPolicy, ShutdownController,
    SpawnRequest, StartFrom, StopMode, SupervisionSpec, async_trait,
};
use theater_supervisor::SupervisorHost;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};

/// What an actor does with a message: from its state and the message to its next state, or a panic.
type Behaviour = Arc<dyn Fn(i64, i64) -> i64 + Send + Sync>;
/// A message, and where the next state goes.
type Message = (i64, oneshot::Sender<i64>);
/// Held while a message is being handled.
type Busy = Arc<tokio::sync::Mutex<()>>;

/// What stands for a manifest here: a reference names one of these.
#[derive(Clone)]
struct Program {
    child_spec: ChildSpec,
    behaviour: Behaviour,
}

/// One actor, over all its lives.
struct Actor {
    parent: Option<ActorId>,
    name: String,
    program: Program,
    /// What the first life was started with.
    first: i64,
    /// The last good state.
    state: i64,
    incarnation: Incarnation,
    status: ActorStatus,
    chain: Chain,
    events: Vec<ChainEvent>,
    /// The exits of its children.
    exits: ExitQueue,
    /// The current life's; without a receiver once that has ended.
    mailbox: mpsc::Sender<Message>,
    busy: Busy,
}

impl Actor {
    fn info(&self, id: ActorId) -> ActorInfo {
        ActorInfo::new(id, self.parent, &self.name, self.status.clone())
            .with_incarnation(self.incarnation)
            .with_child_spec(self.program.child_spec)
    }

    fn record(&mut self, kind: EventKind, payload: Bytes) -> ChainEvent {
        let event = self.chain.append(kind, payload, now());
        self.events.push(event.clone());
        event
    }
}

/// All actors. Every method is one step under one lock, which is all that the contract says about races.
#[derive(Default)]
struct Table {
    /// By id, which is start order because ids are counted.
    actors: BTreeMap<ActorId, Actor>,
    root_exits: ExitQueue,
    started: u64,
}

impl Table {
    /// Who may act on whom. The same answer for an actor that is not covered and for one that does not exist.
    fn covered(&mut self, by: Authority, id: ActorId) -> Result<&mut Actor, ActorError> {
        self.actors.get_mut(&id).filter(|actor| by.covers(actor.parent)).ok_or_else(|| by.refusal(id))
    }

    /// The exits below a parent; `None` if there is no such parent.
    fn exits(&self, parent: Option<ActorId>) -> Option<&ExitQueue> {
        match parent {
            None => Some(&self.root_exits),
            Some(id) => self.actors.get(&id).map(|actor| &actor.exits),
        }
    }

    /// Nothing is started below an actor that has ended.
    fn takes_children(&self, parent: Option<ActorId>) -> Result<(), ActorError> {
        let living = |id| self.actors.get(&id).is_some_and(|actor: &Actor| !actor.status.is_ended());
        if parent.is_none_or(living) { Ok(()) } else { Err(ActorError::ShuttingDown) }
    }

    /// Ends a life, once, with everything below it: first where the end was asked for, afterwards where it just happened.
    fn end(&mut self, id: ActorId, life: Incarnation, reason: ExitReason) {
        // An end that comes late, for an older life or a second time, changes nothing.
        let current = |actor: &&Actor| actor.incarnation == life && !actor.status.is_ended();
        if self.actors.get(&id).filter(current).is_none() {
            return;
        }
        let asked_for = reason.is_requested();
        if asked_for {
            self.end_children(id);
        }
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.status = ActorStatus::Ended(reason.clone());
        // Its task ends when it finds no sender any more.
        actor.mailbox = mpsc::channel(1).0;
        let exited = Exited { incarnation: life, reason: reason.clone() };
        // First recorded, then told.
        actor.record(EventKind::EXITED, payload::encode(&exited));
        let parent = actor.parent;
        if let Some(exits) = self.exits(parent) {
            exits.push(ChildExit::new(id, life, reason));
        }
        if !asked_for {
            self.end_children(id);
        }
    }

    fn end_children(&mut self, parent: ActorId) {
        let children = self.actors.iter().rev().filter(|(_, actor)| actor.parent == Some(parent));
        for (id, life) in children.map(|(id, actor)| (*id, actor.incarnation)).collect::<Vec<_>>() {
            self.end(id, life, ExitReason::ParentStopped);
        }
    }

    fn forget(&mut self, id: ActorId) {
        let children = self.actors.iter().filter(|(_, actor)| actor.parent == Some(id));
        for child in children.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.forget(child);
        }
        let Some(actor) = self.actors.remove(&id) else { return };
        actor.exits.close();
        if let Some(exits) = self.exits(actor.parent) {
            exits.forget(id);
        }
    }
}

/// A runtime of closures. Cheap to clone.
#[derive(Clone)]
struct Closures {
    programs: Arc<BTreeMap<&'static str, Program>>,
    table: Arc<Mutex<Table>>,
}

impl fmt::Debug for Closures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closures").field("programs", &self.programs.keys()).finish_non_exhaustive()
    }
}

impl Closures {
    fn new(programs: impl IntoIterator<Item = (&'static str, Program)>) -> Self {
        Self { programs: Arc::new(programs.into_iter().collect()), table: Arc::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no closure runs under the lock, and nothing else panics")
    }

    /// Begins the next life: a task with a mailbox. A closure has no `init`, so a start cannot fail from here on.
    fn begin(&self, table: &mut Table, id: ActorId, origin: Origin) -> Result<ActorInfo, ActorError> {
        let actor = table.covered(Authority::Operator, id)?;
        let (mailbox, messages) = mpsc::channel(16);
        actor.incarnation = actor.incarnation.next();
        actor.status = ActorStatus::Running;
        actor.mailbox = mailbox;
        actor.busy = Busy::default();
        let state_len = Some(size_of_val(&actor.state) as u64);
        let started = Started { incarnation: actor.incarnation, origin, state_len };
        actor.record(EventKind::STARTED, payload::encode(&started));
        tokio::spawn(self.clone().live(
            id,
            actor.incarnation,
            actor.program.behaviour.clone(),
            actor.state,
            actor.busy.clone(),
            messages,
        ));
        Ok(actor.info(id))
    }

    /// One life. A panic of the closure ends it, and nothing else.
    async fn live(
        self,
        id: ActorId,
        life: Incarnation,
        behaviour: Behaviour,
        mut state: i64,
        busy: Busy,
        mut messages: mpsc::Receiver<Message>,
    ) {
        while let Some((message, reply)) = messages.recv().await {
            let _handling = busy.lock().await;
            let handled = catch_unwind(AssertUnwindSafe(|| behaviour(state, message)));
            let mut table = self.table();
            let Ok(next) = handled else {
                let message = "the closure panicked".to_owned();
                return table.end(id, life, ExitReason::Trapped { message, backtrace: Vec::new() });
            };
            // A life that was killed meanwhile leaves no trace of this message.
            let current = |actor: &&mut Actor| actor.incarnation == life && !actor.status.is_ended();
            let Some(actor) = table.actors.get_mut(&id).filter(current) else { return };
            actor.state = next;
            state = next;
            // Whoever asked may have gone.
            let _ = reply.send(next);
        }
    }

    /// Lets the message that is being handled end, for as long as `mode` allows. While the guard is held none is begun.
    async fn quiet(busy: Busy, mode: StopMode) -> (Option<OwnedMutexGuard<()>>, ExitReason) {
        match mode {
            StopMode::Graceful(grace) => match tokio::time::timeout(grace, busy.lock_owned()).await {
                Ok(guard) => (Some(guard), ExitReason::Stopped),
                Err(_) => (None, ExitReason::Killed),
            },
            StopMode::Infinity => (Some(busy.lock_owned().await), ExitReason::Stopped),
            _ => (None, ExitReason::Killed),
        }
    }
}

#[async_trait]
impl ActorRuntime for Closures {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        let name = request.manifest.as_str();
        let Some(program) = self.programs.get(name) else {
            return Err(ManifestError::new(name, ManifestErrorKind::NotFound).into());
        };
        let (origin, bytes) = match request.start {
            StartFrom::State(Some(bytes)) => (Origin::Given, Some(bytes)),
            StartFrom::Init(bytes) | StartFrom::State(bytes) => (Origin::Init, bytes),
        };
        let first = bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0);
        let mut table = self.table();
        table.takes_children(request.parent)?;
        table.started += 1;
        // A real runtime takes a clock and randomness for ids, and its genesis says more: `payload::Genesis`.
        let id = ActorId::from_parts(table.started, [0xac; 10]);
        let (chain, genesis) = Chain::genesis(Bytes::from(id.to_string()), 1, now());
        let actor = Actor {
            parent: request.parent,
            name: name.to_owned(),
            program: program.clone(),
            first,
            state: first,
            incarnation: Incarnation(0),
            status: ActorStatus::Starting,
            chain,
            events: vec![genesis],
            exits: ExitQueue::new(),
            mailbox: mpsc::channel(1).0,
            busy: Busy::default(),
        };
        table.actors.insert(id, actor);
        self.begin(&mut table, id, origin)
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        let (busy, mode) = {
            let mut table = self.table();
            let actor = table.covered(by, id)?;
            (actor.busy.clone(), actor.program.child_spec.shutdown.into())
        };
        let (_quiet, reason) = Self::quiet(busy, mode).await;
        // From the check to the next life it is one step.
        let mut table = self.table();
        let actor = table.covered(by, id)?;
        let (parent, life) = (actor.parent, actor.incarnation);
        table.takes_children(parent)?;
        table.end(id, life, reason);
        let actor = table.covered(by, id)?;
        // What happened to the children of an earlier life is no news for the next.
        actor.exits.clear();
        let mut origin = Origin::LastGood;
        if from == RestartFrom::Initial {
            (actor.state, origin) = (actor.first, Origin::Init);
        }
        self.begin(&mut table, id, origin)
    }

    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let (busy, life) = {
            let mut table = self.table();
            let actor = table.covered(by, id)?;
            (actor.busy.clone(), actor.incarnation)
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
        self.table().covered(by, id).map(|actor| actor.info(id))
    }

    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        let mut table = self.table();
        table.covered(Authority::Operator, parent)?;
        let children = table.actors.iter().filter(|(_, actor)| actor.parent == Some(parent));
        Ok(children.map(|(id, actor)| actor.info(*id)).collect())
    }

    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        self.table().covered(by, id).map(|actor| Some(Bytes::from(actor.state.to_string())))
    }

    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError> {
        self.table().covered(by, id).map(|actor| actor.events[range.within(actor.events.len())].to_vec())
    }

    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
        self.table().covered(Authority::Operator, id).map(|actor| actor.record(draft.kind, draft.payload))
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        self.table().exits(parent).map_or_else(ExitStream::ended, ExitQueue::stream)
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

/// Nanoseconds since the Unix epoch.
fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}

/// Messages are no business of supervision, so `ActorRuntime` has none: each runtime has its own.
impl Closures {
    /// Sends a message and returns the next state; `None` if the actor does not run, or ended over it.
    async fn send(&self, id: ActorId, message: i64) -> Option<i64> {
        let mailbox = self.table().covered(Authority::Operator, id).ok()?.mailbox.clone();
        let (reply, answer) = oneshot::channel();
        mailbox.send((message, reply)).await.ok()?;
        answer.await.ok()
    }

    /// Waits until the actor runs its `life`-th life.
    async fn runs_life(&self, id: ActorId, life: u64) -> Result<(), Box<dyn std::error::Error>> {
        let waiting = async {
            loop {
                let info = self.info(Authority::Operator, id).await?;
                if info.incarnation.0 == life && !info.status.is_ended() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await?
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The panic is part of the story; its message is not.
    std::panic::set_hook(Box::new(|_| {}));
    let adding: Behaviour = Arc::new(|total, message| {
        assert_ne!(message, 0, "a counter cannot count zero");
        total + message
    });
    let program = |restart| Program { child_spec: ChildSpec::new(restart), behaviour: adding.clone() };
    let runtime = Closures::new([
        ("counter", program(RestartPolicy::Transient)),
        ("root", program(RestartPolicy::Temporary)),
    ]);
    let parent = runtime.spawn(SpawnRequest::new(None, "root")).await?.id;
    let stranger = runtime.spawn(SpawnRequest::new(None, "root")).await?.id;

    // What an engine does for an actor that supervises: one host for its life, and its supervisor running.
    let host = SupervisorHost::builder().supervision(SupervisionSpec::new(3, Duration::from_secs(5))).build();
    let (shutdown, receiver) = ShutdownController::new();
    let handle = ActorHandle::new(parent, Arc::new(runtime.clone()));
    let supervisor = tokio::spawn(host.start(handle, receiver));
    let caller = Caller::new(parent, Arc::new(runtime.clone()));

    // What the actor's guest code would do through `theater:simple/supervisor`.
    let one = host.spawn(&caller, "counter".to_owned(), Some(b"10".to_vec())).await?;
    let two = host.spawn(&caller, "counter".to_owned(), None).await?;
    println!("parent  {parent}\nstarted {one}, a counter from 10\nstarted {two}, a counter from 0");
    check(host.list_children(&caller).await? == [one, two], "children are listed in start order")?;

    check(runtime.send(one, 5).await == Some(15), "ten and five is fifteen")?;
    check(runtime.send(one, 0).await.is_none(), "zero crashes the counter")?;
    runtime.runs_life(one, 2).await?;
    println!("crashed {one} with a message, and the rule started it again");
    check(runtime.send(one, 1).await == Some(16), "it has its id and its last good state")?;
    check(runtime.send(two, 1).await == Some(1), "its sibling noticed nothing")?;

    let refused = host.stop_child(&caller, &stranger.to_string()).await;
    println!("refused {}", refused.err().ok_or("a stranger was stopped")?);
    check(runtime.send(stranger, 4).await == Some(4), "the stranger goes on")?;

    host.stop_child(&caller, &two.to_string()).await?;
    let kept = host.get_child_state(&caller, &two.to_string()).await?;
    check(kept.as_deref() == Some(b"1"), "the state of a stopped child can be read")?;
    println!("stopped {two}; its last state was 1");

    shutdown.shutdown();
    supervisor.await??;
    check(host.list_children(&caller).await?.is_empty(), "the supervisor ended its children")?;
    let events = runtime.events(Authority::Operator, parent, EventRange::ALL).await?;
    let decided = events.iter().filter(|event| event.header.kind == EventKind::SUPERVISION).count();
    check(decided == 1, "the one decision is on the parent's chain")?;
    println!("sound   the parent's chain of {} events", verify(&events)?.length);
    Ok(())
}

fn check(holds: bool, fact: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("not so: {fact}")) }
}
