//! The actors of a mock runtime and their lives. Every step here is one step under the runtime's lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use theater_chain::Chain;
use theater_core::event::payload::{self, Exited, Origin, Started};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, Authority, Bound, Bytes, ChainEvent, ChildExit, ChildNotice,
    EventKind, ExitQueue, ExitReason, Incarnation, RestartFrom, ShutdownController,
};
use theater_supervisor::SupervisorHost;
use tokio::sync::watch;
use tokio::time::Instant;

use super::call::Call;
use super::chaos::Faults;
use super::mailbox::Message;
use super::queue::{Queue, Ready};
use crate::fault::{FaultKind, Operation};
use crate::log::{Log, What};
use crate::program::{Program, StartOutcome};

#[derive(Debug, Default)]
pub(super) struct Lives {
    pub(super) programs: BTreeMap<String, Program>,
    /// By id, which is start order: ids are counted.
    pub(super) actors: BTreeMap<ActorId, Actor>,
    /// The children of each actor that has some, in start order.
    below: BTreeMap<ActorId, BTreeSet<ActorId>>,
    pub(super) seed: u64,
    pub(super) queue: Queue,
    pub(super) faults: Faults,
    pub(super) log: Log,
    pub(super) history: Vec<String>,
    pub(super) calls: Vec<Call>,
    /// How many calls there were, those included that were taken.
    pub(super) called: usize,
    pub(super) notices: Vec<(ActorId, ChildNotice)>,
    root_exits: ExitQueue,
    /// Numbers messages and host calls.
    pub(super) numbered: u64,
    begin: Option<Instant>,
    next: u64,
    time: u64,
}

#[derive(Debug)]
pub(super) struct Actor {
    pub(super) parent: Option<ActorId>,
    pub(super) name: String,
    pub(super) program: Program,
    pub(super) state: Option<Bytes>,
    /// What the first life was started with.
    first: Option<Bytes>,
    pub(super) incarnation: Incarnation,
    pub(super) status: ActorStatus,
    chain: Chain,
    pub(super) events: Vec<ChainEvent>,
    pub(super) exits: ExitQueue,
    pub(super) last_exit: Option<ChildExit>,
    /// Until when its current call goes on.
    pub(super) busy_until: Option<Instant>,
    pub(super) mailbox: VecDeque<Message>,
    /// Whether the mailbox takes messages though no life runs: the next is on its way.
    pub(super) keeps_mailbox: bool,
    /// Whether a task is handling its messages.
    pub(super) delivering: bool,
    /// The host functions of its current life, and their supervisor where one runs.
    pub(super) host: Option<SupervisorHost>,
    pub(super) supervising: Option<Supervising>,
    /// The last life that has ended, for those who wait for an end.
    ended: watch::Sender<End>,
}

/// A supervisor that runs.
#[derive(Debug)]
pub(super) struct Supervising {
    pub(super) shutdown: ShutdownController,
    /// Whether it has ended.
    pub(super) ended: watch::Receiver<bool>,
}

/// The last life that has ended, and why.
pub(super) type End = Option<(Incarnation, ExitReason)>;

/// A start that is under way.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) id: ActorId,
    pub(super) life: Incarnation,
    pub(super) outcome: StartOutcome,
    pub(super) origin: Origin,
    /// The state that the life begins with.
    pub(super) state: Option<Bytes>,
    pub(super) ended: watch::Receiver<End>,
}

impl Lives {
    /// To wait for the end of the actor's current life.
    pub(super) fn life_ended(&self, id: ActorId) -> Option<(Incarnation, watch::Receiver<End>)> {
        self.actors.get(&id).map(|actor| (actor.incarnation, actor.ended.subscribe()))
    }

    /// Virtual time since the runtime was first used.
    pub(super) fn now(&mut self) -> Duration {
        let now = Instant::now();
        now - *self.begin.get_or_insert(now)
    }

    pub(super) fn note(&mut self, what: What) {
        let at = self.now();
        self.log.push(at, what);
    }

    pub(super) fn add(&mut self, parent: Option<ActorId>, name: &str, state: Option<Bytes>) -> ActorId {
        self.next += 1;
        // With letters, so that another spelling of it is another text.
        let mut tail = [0xab; 10];
        tail[2..].copy_from_slice(&(self.seed ^ 0xabab_abab_abab_abab).to_be_bytes());
        let id = ActorId::from_parts(self.next, tail);
        let program = self.program(name);
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
            last_exit: None,
            busy_until: None,
            mailbox: VecDeque::new(),
            keeps_mailbox: false,
            delivering: false,
            host: None,
            supervising: None,
            ended: watch::Sender::new(None),
        };
        self.actors.insert(id, actor);
        if let Some(parent) = parent {
            self.below.entry(parent).or_default().insert(id);
        }
        id
    }

    /// Whether a child of this name asks for no more than its parent has.
    pub(super) fn admit(&self, parent: Option<ActorId>, name: &str) -> Result<(), ActorError> {
        let bound = parent
            .and_then(|parent| self.actors.get(&parent))
            .map_or(Bound::NONE, |parent| Bound::of(&parent.name, parent.program.capabilities()));
        Ok(bound.admit_grants(name, &self.program(name).capabilities())?)
    }

    fn program(&self, name: &str) -> Program {
        self.programs.get(name).cloned().unwrap_or_else(|| Program::read(name))
    }

    /// The children of an actor that have a record, in start order.
    pub(super) fn children(&self, parent: ActorId) -> impl DoubleEndedIterator<Item = ActorId> {
        self.below.get(&parent).into_iter().flatten().copied()
    }

    /// The contract's one check: the actor, if it is there and the authority covers it.
    pub(super) fn covered(&mut self, by: Authority, id: ActorId) -> Result<&mut Actor, ActorError> {
        self.actors.get_mut(&id).filter(|actor| by.covers(actor.parent)).ok_or_else(|| by.refusal(id))
    }

    pub(super) fn info(&self, id: ActorId) -> Option<ActorInfo> {
        let actor = self.actors.get(&id)?;
        let info = ActorInfo::new(id, actor.parent, &actor.name, actor.status.clone());
        Some(info.with_incarnation(actor.incarnation).with_child_spec(actor.program.child_spec))
    }

    pub(super) fn record(&mut self, id: ActorId, kind: EventKind, payload: Bytes) -> Option<ChainEvent> {
        self.time += 1;
        let time = self.time;
        let actor = self.actors.get_mut(&id)?;
        let event = actor.chain.append(kind, payload, time);
        actor.events.push(event.clone());
        self.note(What::Recorded { id, event: Box::new(event.clone()) });
        Some(event)
    }

    /// Whether something may start below this parent.
    pub(super) fn takes_children(&self, parent: Option<ActorId>) -> bool {
        parent.is_none_or(|id| self.actors.get(&id).is_some_and(|parent| !parent.status.is_ended()))
    }

    /// Begins the next life. It counts from here on, however its start goes.
    pub(super) fn begin(&mut self, id: ActorId, origin: Origin, from: Option<RestartFrom>) -> Option<Start> {
        let actor = self.actors.get_mut(&id)?;
        // It is put in place when the life runs: one that does not come to run leaves the last good state.
        let state = if from.is_some() && origin == Origin::Init { &actor.first } else { &actor.state };
        let state = state.clone();
        actor.incarnation = actor.incarnation.next();
        actor.status = ActorStatus::Starting;
        actor.busy_until = None;
        // What happened to the children of an earlier life is no news for this one.
        actor.exits.clear();
        let outcome = actor.program.starts.pop_front().unwrap_or(StartOutcome::Ok);
        let ended = actor.ended.subscribe();
        let start = Start { id, life: actor.incarnation, outcome, origin, state: state.clone(), ended };
        let begins = What::Begins {
            id,
            incarnation: actor.incarnation,
            parent: actor.parent,
            name: actor.name.clone(),
            child_spec: actor.program.child_spec,
            from,
            state,
        };
        let below = self.below.get(&id).cloned().unwrap_or_default();
        self.queue.forget_exits(|child| below.contains(&child));
        self.note(begins);
        Some(start)
    }

    /// Where the next life of an actor starts from.
    pub(super) fn origin(&self, id: ActorId, from: RestartFrom) -> Origin {
        let state = self.actors.get(&id).and_then(|actor| actor.state.as_ref());
        if from == RestartFrom::LastGood && state.is_some() { Origin::LastGood } else { Origin::Init }
    }

    /// Ends a start, well or not.
    pub(super) fn settle(&mut self, start: Start) -> Result<ActorInfo, ActorError> {
        let Start { id, life, outcome, origin, state, ended } = start;
        let Some(actor) = self.actors.get_mut(&id) else {
            // Its first start was ended, by its parent's end or by somebody else, and nothing is left of it.
            return Err(match ended.borrow().clone() {
                Some((_, reason)) if reason != ExitReason::ParentStopped => {
                    ActorError::StartFailed { reason }
                }
                _ => ActorError::ShuttingDown,
            });
        };
        match &actor.status {
            ActorStatus::Starting if actor.incarnation == life => {}
            ActorStatus::Ended(reason) => return Err(ActorError::StartFailed { reason: reason.clone() }),
            _ => return Err(ActorError::StartFailed { reason: ExitReason::Stopped }),
        }
        let failure = match outcome {
            StartOutcome::Fail => Some(ExitReason::InitFailed { error: "scripted".to_owned() }),
            StartOutcome::Trap => Some(crate::program::crash()),
            StartOutcome::Ignore => Some(ExitReason::Completed { data: None }),
            _ => None,
        };
        let refused =
            matches!(self.meet(Operation::Append, Some(id)), Some(FaultKind::Fail | FaultKind::Full));
        let failure = failure.or_else(|| {
            refused.then(|| ExitReason::ChainFailed { error: "the store takes no more: scripted".to_owned() })
        });
        if let Some(reason) = failure {
            self.fail(id, life, reason.clone());
            return Err(ActorError::StartFailed { reason });
        }
        let Some(actor) = self.actors.get_mut(&id) else { return Err(ActorError::ShuttingDown) };
        actor.status = ActorStatus::Running;
        actor.state = state;
        let started = Started::new(life, origin, actor.state.as_ref());
        self.history.push(format!("start {} {life}", actor.name));
        self.record(id, EventKind::STARTED, payload::encode(&started));
        self.note(What::Started { id, incarnation: life });
        let info = self.info(id);
        if let StartOutcome::Die(reason) = outcome {
            self.end(id, Some(life), reason);
        }
        info.ok_or(ActorError::UnknownActor { id })
    }

    /// Ends a life that never ran. Nobody is told but whoever asked for the start; of a first one nothing is left.
    pub(super) fn fail(&mut self, id: ActorId, life: Incarnation, reason: ExitReason) {
        let starting =
            |actor: &&mut Actor| actor.incarnation == life && actor.status == ActorStatus::Starting;
        let Some(actor) = self.actors.get_mut(&id).filter(starting) else { return };
        actor.status = ActorStatus::Ended(reason.clone());
        actor.ended.send_replace(Some((life, reason.clone())));
        self.history.push(format!("fail {} {life}", actor.name));
        let exited = Exited::new(life, reason.clone());
        self.record(id, EventKind::EXITED, payload::encode(&exited));
        self.note(What::StartFailed { id, incarnation: life, reason });
        self.end_children(id);
        if life == Incarnation::FIRST {
            self.go_on(id);
            self.forget(id);
        }
    }

    /// A program that was registered goes on after a first start that left no actor: the next has the starts that are left.
    fn go_on(&mut self, id: ActorId) {
        if let Some(actor) = self.actors.get(&id)
            && let Some(program) = self.programs.get_mut(&actor.name)
        {
            program.starts.clone_from(&actor.program.starts);
        }
    }

    /// Ends a life and everything below it. A life that is not the current one has ended already.
    pub(super) fn end(&mut self, id: ActorId, life: Option<Incarnation>, reason: ExitReason) {
        let Some(actor) = self.actors.get(&id) else { return };
        let current = actor.incarnation;
        if actor.status.is_ended() || life.is_some_and(|life| life != current) {
            return;
        }
        if actor.status == ActorStatus::Starting {
            return self.fail(id, current, reason);
        }
        // Children end first where the end was asked for; a crash does not wait for them.
        let asked_for = reason.is_requested();
        if asked_for {
            self.end_children(id);
        }
        self.end_alone(id, reason);
        if !asked_for {
            self.end_children(id);
        }
    }

    fn end_children(&mut self, id: ActorId) {
        for child in self.children(id).rev().collect::<Vec<_>>() {
            self.end(child, None, ExitReason::ParentStopped);
        }
    }

    fn end_alone(&mut self, id: ActorId, reason: ExitReason) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        let (incarnation, parent) = (actor.incarnation, actor.parent);
        let exit = ChildExit::new(id, incarnation, reason.clone());
        actor.status = ActorStatus::Ended(reason.clone());
        actor.last_exit = Some(exit.clone());
        actor.ended.send_replace(Some((incarnation, reason.clone())));
        actor.host = None;
        if let Some(supervising) = actor.supervising.take() {
            supervising.shutdown.shutdown();
        }
        self.history.push(format!("exit {} {incarnation} {}", actor.name, reason.name()));
        // Recorded before anybody is told.
        let exited = Exited::new(incarnation, reason.clone());
        self.record(id, EventKind::EXITED, payload::encode(&exited));
        self.note(What::Exited { id, incarnation, reason: reason.clone() });
        self.life_left_mailbox(id, &reason);
        self.tell(parent, exit);
    }

    /// Brings an exit on its way to the parent's supervisor.
    fn tell(&mut self, parent: Option<ActorId>, exit: ChildExit) {
        let (id, incarnation) = (exit.id, exit.incarnation);
        let times = match self.meet(Operation::Exit, Some(id)) {
            Some(FaultKind::Lose) => 0,
            Some(FaultKind::Duplicate) => 2,
            _ => 1,
        };
        let exits = self.exits(parent);
        for _ in 0..times {
            if self.queue.is_direct() {
                self.note(What::ExitTold { parent, id, incarnation });
                exits.push(exit.clone());
            } else {
                self.queue.tell(exits.clone(), exit.clone());
            }
        }
    }

    /// Lets the next thing happen that is ready.
    pub(super) fn fire(&mut self) -> Option<Ready> {
        let ready = self.queue.fire()?;
        if let Ready::Exit(id, incarnation) = ready {
            let parent = self.actors.get(&id).and_then(|actor| actor.parent);
            self.note(What::ExitTold { parent, id, incarnation });
        }
        Some(ready)
    }

    /// The queue for the exits below a parent. That of an unknown one goes nowhere.
    pub(super) fn exits(&self, parent: Option<ActorId>) -> ExitQueue {
        match parent {
            None => self.root_exits.clone(),
            Some(id) => self.actors.get(&id).map(|actor| actor.exits.clone()).unwrap_or_default(),
        }
    }

    /// Removes a record and those below it.
    pub(super) fn forget(&mut self, id: ActorId) {
        for child in self.children(id).collect::<Vec<_>>() {
            self.forget(child);
        }
        self.return_messages(id);
        let Some(actor) = self.actors.remove(&id) else { return };
        self.below.remove(&id);
        if let Some(siblings) = actor.parent.and_then(|parent| self.below.get_mut(&parent)) {
            siblings.remove(&id);
        }
        actor.exits.close();
        self.queue.forget_exits(|other| other == id);
        self.exits(actor.parent).forget(id);
        self.note(What::Reaped { id });
    }
}
