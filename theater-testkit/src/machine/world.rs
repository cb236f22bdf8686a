//! A runtime that keeps the truth about lives, and a machine that is told it late and in any order.
//!
//! What the machine asks for is performed later, in any order; what it is told of that comes later still: exits of one
//! child in their order, everything else in none. So every race that a real runtime can produce comes up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use theater_core::{ActorId, ActorInfo, ActorStatus, ChildSpec, ExitReason, Incarnation, StopMode};
use theater_supervisor::{
    Action, By, CallId, ChildKey, ChildView, DeclaredChild, Input, Request, Target, Tick,
};

use super::command::{Command, How, Setup, Whom};
use super::property::Property;
use super::rules::{Rules, Seen};
use super::run::{Moment, Run};
use super::supervisor::Supervisor;
use crate::strategy;

/// The truth about one child.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) spec: ChildSpec,
    pub(super) incarnation: u64,
    /// `None` while it lives.
    pub(super) ended: Option<ExitReason>,
    pub(super) progressed: Option<bool>,
    /// Whether the runtime has forgotten it.
    pub(super) reaped: bool,
    /// Whether its last stop was refused: the next is not.
    pub(super) refused: bool,
}

pub(super) type Truth = BTreeMap<ActorId, Actor>;

pub(super) fn lives(truth: &Truth, id: ActorId) -> bool {
    truth.get(&id).is_some_and(|actor| actor.ended.is_none())
}

#[derive(Debug, Clone)]
pub(super) enum Work {
    Start { id: Option<Arc<str>>, call: Option<CallId> },
    Restart { id: ActorId, mode: StopMode },
    Stop { id: ActorId, mode: StopMode },
}

#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) key: ChildKey,
    pub(super) work: Work,
    pub(super) hangs: bool,
    pub(super) abandoned: bool,
}

#[derive(Debug)]
pub(super) struct World<S> {
    supervisor: S,
    pub(super) rules: Rules,
    pub(super) now: u64,
    pub(super) truth: Truth,
    /// In the order in which they were started.
    pub(super) actors: Vec<ActorId>,
    /// Those whose start has been answered: nobody could name the others.
    pub(super) known: Vec<ActorId>,
    pub(super) specs: BTreeMap<CallId, ChildSpec>,
    pub(super) named: BTreeMap<Arc<str>, ChildSpec>,
    pub(super) operations: Vec<Operation>,
    pub(super) answers: Vec<Input>,
    pub(super) exits: BTreeMap<ActorId, VecDeque<Input>>,
    pub(super) told: Vec<Input>,
    pub(super) retries: Vec<(ChildKey, u32, u64)>,
    pub(super) calls: u64,
    /// Every step, where somebody wants to see.
    trace: Option<Vec<Moment>>,
}

impl<S: Supervisor> World<S> {
    /// A supervisor that has been told to begin.
    pub(super) fn new(supervisor: S, setup: &Setup, trace: bool) -> Self {
        let mut world = Self {
            supervisor,
            rules: Rules::new(setup.spec),
            now: 5_000,
            truth: BTreeMap::new(),
            actors: Vec::new(),
            known: Vec::new(),
            specs: BTreeMap::new(),
            named: BTreeMap::new(),
            operations: Vec::new(),
            answers: Vec::new(),
            exits: BTreeMap::new(),
            told: Vec::new(),
            retries: Vec::new(),
            calls: 0,
            trace: trace.then(Vec::new),
        };
        let children = setup.declared.iter().zip(0_u8..).map(|(spec, n)| {
            let id: Arc<str> = n.to_string().into();
            world.named.insert(Arc::clone(&id), *spec);
            DeclaredChild::new(id, *spec)
        });
        let children = children.collect();
        world.step(Input::Begin { children });
        world
    }

    /// Performs commands, lets the system come to rest, ends it, and says what went on.
    pub(super) fn run(mut self, commands: &[Command]) -> Run {
        for command in commands {
            self.perform(command);
        }
        self.settle();
        self.end();
        let Rules { violations, labels, step, .. } = self.rules;
        Run { violations, labels, steps: step, trace: self.trace.unwrap_or_default() }
    }

    fn perform(&mut self, command: &Command) {
        match command {
            Command::Start { id, spec, given, by } => {
                let id: Option<Arc<str>> = id.map(|n| n.to_string().into());
                self.specs.insert(CallId(self.calls + 1), *spec);
                self.call(*by, Request::Start { id, child_spec: given.then_some(*spec) });
            }
            Command::Terminate(whom) => self.call_about(*whom, Request::Terminate),
            Command::Restart(whom) => self.call_about(*whom, Request::Restart),
            Command::Renew(whom) => self.call_about(*whom, Request::Renew),
            Command::Delete(whom) => self.call_about(*whom, Request::Delete),
            Command::Crash(which, reason, progressed) => {
                if let Some(id) = pick(&self.living(), *which) {
                    self.end_life(id, reason.clone(), *progressed);
                }
            }
            Command::CrashBoth(one, other, reason) => {
                for which in [one, other] {
                    if let Some(id) = pick(&self.living(), *which) {
                        self.end_life(id, reason.clone(), None);
                    }
                }
            }
            Command::WearOut(which) => {
                let Some(id) = pick(&self.living(), *which) else { return };
                for _ in 0..5 {
                    self.end_life(id, ExitReason::OutOfMemory { limit: 1 }, Some(false));
                    self.drain();
                }
            }
            Command::Lose(which) => {
                let ids: Vec<_> = self.exits.keys().copied().collect();
                if let Some(exits) = pick(&ids, *which).and_then(|id| self.exits.get_mut(&id)) {
                    exits.pop_front();
                }
                self.exits.retain(|_, exits| !exits.is_empty());
            }
            Command::Reconcile => self.reconcile(),
            Command::Perform(which, how) => {
                if let Some(index) = which.index(self.operations.len()) {
                    self.operate(index, *how);
                }
            }
            Command::Tell(which) => {
                let count = self.answers.len() + self.exits.len();
                if let Some(index) = which.index(count) {
                    self.tell(index);
                }
            }
            Command::TellAgain(which) => {
                if let Some(input) = pick(&self.told, *which) {
                    self.step(input);
                }
            }
            Command::Retry(which) => {
                if let Some(index) = which.index(self.retries.len()) {
                    self.retry(index);
                }
            }
            Command::Advance(by) => self.now += u64::try_from(by.as_millis()).expect("jumps are short"),
            Command::Shutdown => self.step(Input::Shutdown),
        }
    }

    fn living(&self) -> Vec<ActorId> {
        self.actors.iter().copied().filter(|id| lives(&self.truth, *id)).collect()
    }

    fn call(&mut self, by: By, request: Request) {
        self.calls += 1;
        self.step(Input::Call { call: CallId(self.calls), by, request });
    }

    fn call_about(&mut self, whom: Whom, request: fn(Target) -> Request) {
        let views = self.supervisor.which_children();
        let target = if whom.as_actor {
            // Children that are listed, and some that may have been forgotten.
            let recent = self.known.iter().rev().take(2).copied();
            let known = views.iter().filter_map(|view| view.actor).chain(recent);
            let known: Vec<_> = known.filter(|id| !self.truth[id].reaped).collect();
            pick(&known, whom.child).map(|id| Target::Actor(self.info(id)))
        } else {
            let mut names: Vec<_> = views.iter().filter_map(|view| view.id.clone()).collect();
            names.push("nobody".into());
            pick(&names, whom.child).map(Target::Id)
        };
        if let Some(target) = target {
            self.call(whom.by, request(target));
        }
    }

    fn info(&self, id: ActorId) -> ActorInfo {
        let actor = &self.truth[&id];
        let status = actor.ended.clone().map_or(ActorStatus::Running, ActorStatus::Ended);
        ActorInfo::new(id, None, "child", status)
            .with_incarnation(Incarnation(actor.incarnation))
            .with_child_spec(actor.spec)
    }

    pub(super) fn end_life(&mut self, id: ActorId, reason: ExitReason, progressed: Option<bool>) {
        let Some(actor) = self.truth.get_mut(&id).filter(|actor| actor.ended.is_none()) else { return };
        (actor.ended, actor.progressed) = (Some(reason), progressed);
        let exit = exit_of(id, actor);
        self.exits.entry(id).or_default().push_back(exit);
    }

    /// Tells the machine one of all that can be told now.
    fn tell(&mut self, n: usize) {
        if n < self.answers.len() {
            let answer = self.answers.remove(n);
            self.step(answer);
            return;
        }
        let (_, exits) = self.exits.iter_mut().nth(n - self.answers.len()).expect("counted");
        let exit = exits.pop_front().expect("empty ones are removed");
        self.exits.retain(|_, exits| !exits.is_empty());
        self.told.push(exit.clone());
        self.step(exit);
    }

    /// What the driver does from time to time: it compares what the runtime says with what the machine believes.
    fn reconcile(&mut self) {
        for id in self.actors.clone() {
            let actor = &self.truth[&id];
            let ended = actor.ended.is_some() && !actor.reaped;
            if ended && self.supervisor.awaits_exit(id, Incarnation(actor.incarnation)) {
                let exit = exit_of(id, actor);
                self.step(exit);
            }
        }
    }

    fn retry(&mut self, index: usize) {
        let (child, attempt, due) = self.retries.remove(index);
        self.now = self.now.max(due);
        self.step(Input::Retry { child, attempt });
    }

    fn step(&mut self, input: Input) {
        if let Input::Started { id, .. } = &input
            && !self.known.contains(id)
        {
            self.known.push(*id);
        }
        let mut actions = Vec::new();
        self.supervisor.step(Tick(self.now), input.clone(), &mut actions);
        let mut views: Vec<ChildView> = self.supervisor.which_children();
        views.reverse();
        if let Some(trace) = &mut self.trace {
            let (input, actions, children) = (input.clone(), actions.clone(), views.clone());
            trace.push(Moment { at: self.now, input, actions, children });
        }
        let counts = self.supervisor.count_children();
        let seen =
            Seen { now: self.now, input: &input, actions: &actions, views, counts, truth: &self.truth };
        self.rules.check(seen);
        for action in actions {
            self.take(action);
        }
    }

    fn take(&mut self, action: Action) {
        let (key, work) = match action {
            Action::Start { child, id, call } => {
                self.spec_of(id.as_ref(), call);
                (child, Work::Start { id, call })
            }
            Action::Restart { child, id, mode, .. } => (child, Work::Restart { id, mode }),
            Action::Stop { child, id, mode, .. } => (child, Work::Stop { id, mode }),
            Action::Abandon { child } => {
                for operation in self.operations.iter_mut().filter(|operation| operation.key == child) {
                    operation.abandoned = true;
                }
                return;
            }
            Action::RetryLater { child, attempt, delay } => {
                // A wait is over when the whole of it has passed.
                let delay = delay.as_nanos().div_ceil(1_000_000);
                let due = self.now + u64::try_from(delay).expect("waits are short");
                return self.retries.push((child, attempt, due));
            }
            Action::Reap { id } => {
                if let Some(actor) = self.truth.get_mut(&id).filter(|actor| actor.ended.is_some()) {
                    actor.reaped = true;
                }
                return;
            }
            _ => return,
        };
        self.operations.push(Operation { key, work, hangs: false, abandoned: false });
    }

    /// Comes to rest, and sees whether everything is as it should be.
    fn settle(&mut self) {
        if self.drain() {
            self.rules.at_rest(&self.truth);
        } else {
            self.rules.violate(Property::NoLostChild, || "it does not come to rest".to_owned());
        }
    }

    /// Lets everything happen that is under way, until nothing is. `false` if there is no end to it.
    fn drain(&mut self) -> bool {
        // Each round gets something done, and no child needs more than a few.
        for _ in 0..2_000 {
            let ready = self.operations.iter().position(|operation| !operation.hangs || operation.abandoned);
            if let Some(index) = ready {
                self.operate(index, How::Well);
            } else if !self.answers.is_empty() || !self.exits.is_empty() {
                self.tell(0);
            } else if !self.retries.is_empty() {
                let first = self.retries.iter().enumerate().min_by_key(|(_, (_, _, due))| *due);
                let index = first.map(|(index, _)| index).expect("there is one");
                self.retry(index);
            } else {
                self.reconcile();
                if self.operations.iter().all(|operation| operation.hangs && !operation.abandoned)
                    && self.retries.is_empty()
                {
                    return true;
                }
            }
        }
        false
    }

    /// Ends the supervisor, if it has not ended, and answers everything.
    fn end(&mut self) {
        self.step(Input::Shutdown);
        self.settle();
        // One that has ended refuses everything.
        self.call(By::Guest, Request::Start { id: None, child_spec: None });
        self.step(Input::Shutdown);
        self.rules.at_end(&self.truth);
    }
}

fn exit_of(id: ActorId, actor: &Actor) -> Input {
    let reason = Arc::new(actor.ended.clone().expect("its life has ended"));
    Input::Exited { id, incarnation: Incarnation(actor.incarnation), reason, progressed: actor.progressed }
}

fn pick<T: Clone>(all: &[T], which: strategy::Target) -> Option<T> {
    which.of(all).cloned()
}
