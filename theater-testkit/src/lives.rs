//! The actors of a fake runtime and their lives. Every step here is one step under the runtime's lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use theater_chain::Chain;
use theater_core::event::payload::{self, Exited, Origin, Started};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, Authority, Bytes, ChainEvent, ChildExit, ChildNotice,
    EventKind, ExitQueue, ExitReason, Incarnation, RestartFrom,
};
use tokio::sync::Notify;

use crate::program::{Program, StartOutcome};

#[derive(Debug, Default)]
pub(crate) struct Lives {
    pub(crate) programs: BTreeMap<String, Program>,
    /// By id, which is start order: ids are counted.
    pub(crate) actors: BTreeMap<ActorId, Actor>,
    /// The children of each actor that has some, in start order.
    below: BTreeMap<ActorId, BTreeSet<ActorId>>,
    pub(crate) log: Vec<String>,
    pub(crate) calls: Vec<String>,
    pub(crate) notices: Vec<(ActorId, ChildNotice)>,
    /// How many records from now on the one is that fails.
    pub(crate) failing_record: Option<u64>,
    pub(crate) fail_notify: bool,
    pub(crate) lost_exits: BTreeSet<ActorId>,
    pub(crate) root_exits: ExitQueue,
    next: u64,
    time: u64,
}

#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) parent: Option<ActorId>,
    pub(crate) name: String,
    pub(crate) program: Program,
    pub(crate) state: Option<Bytes>,
    /// What the first life was started with.
    first: Option<Bytes>,
    pub(crate) incarnation: Incarnation,
    pub(crate) status: ActorStatus,
    chain: Chain,
    pub(crate) events: Vec<ChainEvent>,
    pub(crate) exits: ExitQueue,
    pub(crate) last_exit: Option<ChildExit>,
    /// Tells a start that is under way that its life has been ended.
    given_up: Arc<Notify>,
}

/// A start that is under way.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) id: ActorId,
    pub(crate) life: Incarnation,
    pub(crate) outcome: StartOutcome,
    pub(crate) origin: Origin,
    pub(crate) given_up: Arc<Notify>,
}

impl Lives {
    pub(crate) fn add(&mut self, parent: Option<ActorId>, name: &str, state: Option<Bytes>) -> ActorId {
        self.next += 1;
        // With letters, so that another spelling of it is another text.
        let id = ActorId::from_parts(self.next, [0xab; 10]);
        let program = self.programs.get(name).cloned().unwrap_or_else(|| Program::read(name));
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
            given_up: Arc::default(),
        };
        self.actors.insert(id, actor);
        if let Some(parent) = parent {
            self.below.entry(parent).or_default().insert(id);
        }
        id
    }

    /// The children of an actor that have a record, in start order.
    pub(crate) fn children(&self, parent: ActorId) -> impl DoubleEndedIterator<Item = ActorId> {
        self.below.get(&parent).into_iter().flatten().copied()
    }

    /// The contract's one check: the actor, if it is there and the authority covers it.
    pub(crate) fn covered(&mut self, by: Authority, id: ActorId) -> Result<&mut Actor, ActorError> {
        self.actors.get_mut(&id).filter(|actor| by.covers(actor.parent)).ok_or_else(|| by.refusal(id))
    }

    pub(crate) fn info(&self, id: ActorId) -> Option<ActorInfo> {
        let actor = self.actors.get(&id)?;
        let info = ActorInfo::new(id, actor.parent, &actor.name, actor.status.clone());
        Some(info.with_incarnation(actor.incarnation).with_child_spec(actor.program.child_spec))
    }

    pub(crate) fn record(&mut self, id: ActorId, kind: EventKind, payload: Bytes) -> Option<ChainEvent> {
        self.time += 1;
        let time = self.time;
        let actor = self.actors.get_mut(&id)?;
        let event = actor.chain.append(kind, payload, time);
        actor.events.push(event.clone());
        Some(event)
    }

    /// Whether something may start below this parent.
    pub(crate) fn takes_children(&self, parent: Option<ActorId>) -> bool {
        parent.is_none_or(|id| self.actors.get(&id).is_some_and(|parent| !parent.status.is_ended()))
    }

    /// Begins the next life. It counts from here on, however its start goes.
    pub(crate) fn begin(&mut self, id: ActorId, origin: Origin) -> Option<Start> {
        let actor = self.actors.get_mut(&id)?;
        actor.incarnation = actor.incarnation.next();
        actor.status = ActorStatus::Starting;
        actor.given_up = Arc::default();
        // What happened to the children of an earlier life is no news for this one.
        actor.exits.clear();
        let outcome = actor.program.starts.pop_front().unwrap_or(StartOutcome::Ok);
        let given_up = Arc::clone(&actor.given_up);
        Some(Start { id, life: actor.incarnation, outcome, origin, given_up })
    }

    /// Puts the state in place that the next life starts from, and says where that was.
    pub(crate) fn rewind(&mut self, id: ActorId, from: &RestartFrom) -> Origin {
        let Some(actor) = self.actors.get_mut(&id) else { return Origin::Init };
        if *from == RestartFrom::LastGood && actor.state.is_some() {
            return Origin::LastGood;
        }
        actor.state = actor.first.clone();
        Origin::Init
    }

    /// Ends a start, well or not.
    pub(crate) fn settle(&mut self, start: Start) -> Result<ActorInfo, ActorError> {
        let Start { id, life, outcome, origin, .. } = start;
        // Gone: its parent ended during the first start.
        let Some(actor) = self.actors.get_mut(&id) else { return Err(ActorError::ShuttingDown) };
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
        if let Some(reason) = failure {
            self.fail(id, life, reason.clone());
            return Err(ActorError::StartFailed { reason });
        }
        actor.status = ActorStatus::Running;
        let state_len = actor.state.as_ref().map(|state| state.len() as u64);
        self.log.push(format!("start {} {life}", actor.name));
        let started = Started { incarnation: life, origin, state_len };
        self.record(id, EventKind::STARTED, payload::encode(&started));
        let info = self.info(id);
        if let StartOutcome::Die(reason) = outcome {
            self.end(id, Some(life), reason);
        }
        info.ok_or(ActorError::UnknownActor { id })
    }

    /// Ends a life that never ran. Nobody is told but whoever asked for the start; of a first one nothing is left.
    pub(crate) fn fail(&mut self, id: ActorId, life: Incarnation, reason: ExitReason) {
        let starting =
            |actor: &&mut Actor| actor.incarnation == life && actor.status == ActorStatus::Starting;
        let Some(actor) = self.actors.get_mut(&id).filter(starting) else { return };
        actor.status = ActorStatus::Ended(reason.clone());
        actor.given_up.notify_one();
        self.log.push(format!("fail {} {life}", actor.name));
        self.record(id, EventKind::EXITED, payload::encode(&Exited { incarnation: life, reason }));
        self.end_children(id);
        if life == Incarnation::FIRST {
            self.forget(id);
        }
    }

    /// Ends a life and everything below it. A life that is not the current one has ended already.
    pub(crate) fn end(&mut self, id: ActorId, life: Option<Incarnation>, reason: ExitReason) {
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
        self.log.push(format!("exit {} {incarnation} {}", actor.name, reason.name()));
        // Recorded before anybody is told.
        self.record(id, EventKind::EXITED, payload::encode(&Exited { incarnation, reason }));
        if !self.lost_exits.remove(&id) {
            self.exits(parent).push(exit);
        }
    }

    /// The queue for the exits below a parent. That of an unknown one goes nowhere.
    pub(crate) fn exits(&self, parent: Option<ActorId>) -> ExitQueue {
        match parent {
            None => self.root_exits.clone(),
            Some(id) => self.actors.get(&id).map(|actor| actor.exits.clone()).unwrap_or_default(),
        }
    }

    /// Removes a record and those below it.
    pub(crate) fn forget(&mut self, id: ActorId) {
        for child in self.children(id).collect::<Vec<_>>() {
            self.forget(child);
        }
        let Some(actor) = self.actors.remove(&id) else { return };
        self.below.remove(&id);
        if let Some(siblings) = actor.parent.and_then(|parent| self.below.get_mut(&parent)) {
            siblings.remove(&id);
        }
        actor.exits.close();
        self.exits(actor.parent).forget(id);
    }
}
