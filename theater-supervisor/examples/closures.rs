//! A runtime of one's own: actors that are plain Rust closures on tokio tasks, supervised like any others.
//!
//! `cargo run -p theater-supervisor --example closures`
//!
//! [`Closures`] implements [`ActorRuntime`]; nothing else is needed to get the seven host functions and the restart rules
//! of [`SupervisorHost`]. `main` plays the parent actor: it spawns two counters, crashes one, sees it started again with
//! its id and its last good state, and is refused for an actor that is not its child. The exit code is 0 only if all of
//! that is so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use theater_chain::{Chain, verify};
use theater_core::event::payload::{self, Exited, Origin, Started};
use theater_core::{
    ActorError, ActorHandle, ActorId, ActorInfo, ActorRuntime, ActorStatus, Authority, Bytes, Caller,
    ChainEvent, ChildExit, ChildSpec, EventDraft, EventKind, EventRange, ExitQueue, ExitReason, ExitStream,
    Incarnation, ManifestError, ManifestErrorKind, RestartFrom, RestartPolicy, ShutdownController,
    SpawnRequest, StartFrom, StopMode, SupervisionSpec, async_trait,
};
use theater_supervisor::SupervisorHost;
use tokio::sync::{mpsc, oneshot};

/// What an actor does with a message: from its state and the message to the new state, or a panic.
type Behaviour = fn(i64, i64) -> i64;
/// A message and where the new state goes.
type Message = (i64, oneshot::Sender<i64>);

/// What stands for a manifest here: a name, with the child spec and the code behind it.
const PROGRAMS: [(&str, RestartPolicy, Behaviour); 2] =
    [("counter", RestartPolicy::Transient, counter), ("guest", RestartPolicy::Temporary, counter)];

fn counter(total: i64, message: i64) -> i64 {
    total.checked_div(message).expect("a counter cannot count zero");
    total + message
}

/// A runtime of closures. Cheap to clone.
#[derive(Debug, Clone, Default)]
struct Closures {
    actors: Arc<Mutex<BTreeMap<ActorId, Actor>>>,
    ids: Arc<AtomicU64>,
    root_exits: ExitQueue,
}

#[derive(Debug)]
struct Actor {
    parent: Option<ActorId>,
    name: String,
    child_spec: ChildSpec,
    behaviour: Behaviour,
    first: i64,
    /// The last good state. It outlives lives, as the chain does.
    state: i64,
    incarnation: Incarnation,
    status: ActorStatus,
    chain: Chain,
    events: Vec<ChainEvent>,
    exits: ExitQueue,
    mailbox: Option<mpsc::Sender<Message>>,
}

impl Actor {
    fn info(&self, id: ActorId) -> ActorInfo {
        ActorInfo::new(id, self.parent, &self.name, self.status.clone())
            .with_incarnation(self.incarnation)
            .with_child_spec(self.child_spec)
    }

    fn record(&mut self, kind: EventKind, payload: Bytes) -> ChainEvent {
        let time = u64::try_from(self.events.len()).expect("few events");
        let event = self.chain.append(kind, payload, time);
        self.events.push(event.clone());
        event
    }
}

impl Closures {
    fn actors(&self) -> MutexGuard<'_, BTreeMap<ActorId, Actor>> {
        self.actors.lock().expect("no closure runs under the lock")
    }

    /// The contract's one check: who may act on whom. The same answer for a stranger and for nobody.
    fn with<T>(
        &self,
        by: Authority,
        id: ActorId,
        act: impl FnOnce(&mut Actor) -> T,
    ) -> Result<T, ActorError> {
        let mut actors = self.actors();
        let actor = actors.get_mut(&id).filter(|actor| by.covers(actor.parent));
        actor.map(act).ok_or_else(|| by.refusal(id))
    }

    /// Begins a life: a task with a mailbox. A panic in the behaviour ends the life and nothing else.
    fn begin(&self, id: ActorId, origin: Origin) -> ActorInfo {
        let (mailbox, mut messages) = mpsc::channel::<Message>(16);
        let mut actors = self.actors();
        let actor = actors.get_mut(&id).expect("the caller holds its id");
        actor.incarnation = actor.incarnation.next();
        actor.status = ActorStatus::Running;
        actor.mailbox = Some(mailbox);
        let started = Started { incarnation: actor.incarnation, origin, state_len: Some(8) };
        actor.record(EventKind::STARTED, payload::encode(&started));
        let (behaviour, incarnation, mut state) = (actor.behaviour, actor.incarnation, actor.state);
        let runtime = self.clone();
        tokio::spawn(async move {
            while let Some((message, reply)) = messages.recv().await {
                match std::panic::catch_unwind(|| behaviour(state, message)) {
                    Ok(next) => {
                        state = next;
                        runtime.commit(id, incarnation, next);
                        // Whoever asked may have gone.
                        let _ = reply.send(next);
                    }
                    Err(_) => {
                        let message = "the closure panicked".to_owned();
                        let reason = ExitReason::Trapped { message, backtrace: Vec::new() };
                        return runtime.end(id, incarnation, reason);
                    }
                }
            }
        });
        actor.info(id)
    }

    /// Keeps the state after a message that succeeded.
    fn commit(&self, id: ActorId, incarnation: Incarnation, state: i64) {
        if let Some(actor) = self.actors().get_mut(&id).filter(|actor| actor.incarnation == incarnation) {
            actor.state = state;
        }
    }

    /// Ends a life, once: recorded first, told afterwards. Descendants end with it.
    fn end(&self, id: ActorId, incarnation: Incarnation, reason: ExitReason) {
        let mut actors = self.actors();
        let children: Vec<_> =
            actors.iter().rev().filter(|(_, child)| child.parent == Some(id)).map(|(id, _)| *id).collect();
        for child in children {
            end_one(&mut actors, &self.root_exits, child, None, ExitReason::ParentStopped);
        }
        end_one(&mut actors, &self.root_exits, id, Some(incarnation), reason);
    }
}

fn end_one(
    actors: &mut BTreeMap<ActorId, Actor>,
    root_exits: &ExitQueue,
    id: ActorId,
    incarnation: Option<Incarnation>,
    reason: ExitReason,
) {
    let Some(actor) = actors.get_mut(&id) else { return };
    // An end that comes late, for an older life or a second time, changes nothing.
    if actor.status.is_ended() || incarnation.is_some_and(|life| life != actor.incarnation) {
        return;
    }
    actor.status = ActorStatus::Ended(reason.clone());
    actor.mailbox = None;
    let exited = Exited { incarnation: actor.incarnation, reason: reason.clone() };
    actor.record(EventKind::EXITED, payload::encode(&exited));
    let exit = ChildExit::new(id, actor.incarnation, reason);
    let parent = actor.parent;
    match parent.and_then(|parent| actors.get(&parent)) {
        Some(parent) => parent.exits.push(exit),
        None => root_exits.push(exit),
    }
}

#[async_trait]
impl ActorRuntime for Closures {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        let name = request.manifest.as_str();
        let Some((_, restart, behaviour)) = PROGRAMS.iter().find(|(program, ..)| *program == name) else {
            return Err(ManifestError::new(name, ManifestErrorKind::NotFound).into());
        };
        let (StartFrom::Init(bytes) | StartFrom::State(bytes)) = request.start;
        let first = bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse().ok()).unwrap_or(0);
        let id = ActorId::from_parts(self.ids.fetch_add(1, Ordering::Relaxed), [7; 10]);
        let (chain, genesis) = Chain::genesis(Bytes::from(id.to_string()), 1, 0);
        let actor = Actor {
            parent: request.parent,
            name: name.to_owned(),
            child_spec: ChildSpec::new(*restart),
            behaviour: *behaviour,
            first,
            state: first,
            incarnation: Incarnation(0),
            status: ActorStatus::Starting,
            chain,
            events: vec![genesis],
            exits: ExitQueue::new(),
            mailbox: None,
        };
        self.actors().insert(id, actor);
        Ok(self.begin(id, Origin::Init))
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        let incarnation = self.with(by, id, |actor| actor.incarnation)?;
        self.end(id, incarnation, ExitReason::Stopped);
        self.with(by, id, |actor| {
            if from == RestartFrom::Initial {
                actor.state = actor.first;
            }
        })?;
        Ok(self.begin(id, Origin::LastGood))
    }

    /// A closure cannot be interrupted, so every mode is the same here: the mailbox closes, and the message that is being
    /// handled, if there is one, has no effect any more.
    async fn stop(&self, by: Authority, id: ActorId, _mode: StopMode) -> Result<ExitReason, ActorError> {
        let incarnation = self.with(by, id, |actor| actor.incarnation)?;
        self.end(id, incarnation, ExitReason::Stopped);
        self.with(by, id, |actor| match &actor.status {
            ActorStatus::Ended(reason) => reason.clone(),
            _ => ExitReason::Stopped,
        })
    }

    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        self.with(by, id, |actor| actor.info(id))
    }

    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        let actors = self.actors();
        let children = actors.iter().filter(|(_, actor)| actor.parent == Some(parent));
        Ok(children.map(|(id, actor)| actor.info(*id)).collect())
    }

    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        self.with(by, id, |actor| Some(Bytes::from(actor.state.to_string())))
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
        self.with(Authority::Operator, id, |actor| actor.record(draft.kind, draft.payload))
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        match parent {
            None => self.root_exits.stream(),
            Some(id) => self.actors().get(&id).map_or_else(ExitStream::ended, |actor| actor.exits.stream()),
        }
    }

    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        if !self.with(by, id, |actor| actor.status.is_ended())? {
            return Err(ActorError::StillRunning { id });
        }
        self.actors().remove(&id);
        Ok(())
    }
}

impl Closures {
    /// Sends a message and returns the new state; `None` if the actor ended over it.
    async fn count(&self, id: ActorId, message: i64) -> Option<i64> {
        let mailbox = self.with(Authority::Operator, id, |actor| actor.mailbox.clone()).ok()??;
        let (reply, answer) = oneshot::channel();
        mailbox.send((message, reply)).await.ok()?;
        answer.await.ok()
    }

    /// Waits until the actor runs its `life`-th life.
    async fn life(&self, id: ActorId, life: u64) {
        let lives =
            || self.with(Authority::Operator, id, |actor| (actor.incarnation.0, actor.status.is_ended()));
        while lives().is_ok_and(|now| now != (life, false)) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The panic is part of the story; its message is not.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = Closures::default();
    let parent = runtime.spawn(SpawnRequest::new(None, "guest")).await?.id;
    let stranger = runtime.spawn(SpawnRequest::new(None, "guest")).await?.id;

    // What an engine does for an actor that supervises: one host for its life, and its supervisor running.
    let period = std::time::Duration::from_secs(5);
    let host = SupervisorHost::builder().supervision(SupervisionSpec::new(3, period)).build();
    let (shutdown, receiver) = ShutdownController::new();
    let handle = ActorHandle::new(parent, Arc::new(runtime.clone()));
    let supervisor = tokio::spawn(host.start(handle, receiver));
    let caller = Caller::new(parent, Arc::new(runtime.clone()));

    // What the actor's guest code would do through `theater:simple/supervisor`.
    let one = host.spawn(&caller, "counter".to_owned(), Some(b"10".to_vec())).await?;
    let two = host.spawn(&caller, "counter".to_owned(), None).await?;
    println!("{parent} has the children {one} and {two}");
    check(host.list_children(&caller).await? == [one, two], "children are listed in start order")?;

    check(runtime.count(one, 5).await == Some(15), "ten and five is fifteen")?;
    check(runtime.count(one, 0).await.is_none(), "zero crashes the counter")?;
    runtime.life(one, 2).await;
    println!("{one} crashed and was started again");
    check(runtime.count(one, 1).await == Some(16), "it has its id and its last good state")?;
    check(runtime.count(two, 1).await == Some(1), "its sibling noticed nothing")?;

    let refused = host.stop_child(&caller, &stranger.to_string()).await;
    let error = refused.err().ok_or("a stranger was stopped")?;
    println!("refused for a stranger: {error}");
    check(runtime.count(stranger, 4).await == Some(4), "the stranger goes on")?;

    host.stop_child(&caller, &two.to_string()).await?;
    let kept = host.get_child_state(&caller, &two.to_string()).await?;
    check(kept.as_deref() == Some(b"1"), "the state of a stopped child can be read")?;
    for id in [parent, one, two] {
        let events = runtime.events(Authority::Operator, id, EventRange::ALL).await?;
        println!("the chain of {id} has {} events and verifies", verify(&events)?.length);
    }

    shutdown.shutdown();
    supervisor.await??;
    check(host.list_children(&caller).await?.is_empty(), "the supervisor ended its children")?;
    Ok(())
}

fn check(holds: bool, fact: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("not so: {fact}")) }
}
