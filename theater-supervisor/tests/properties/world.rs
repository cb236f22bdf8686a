//! A runtime that keeps the truth about lives, and a machine that is told it late and in any order.
//!
//! What the machine asks for is performed later, in any order; what it is told of that comes later still: exits of one
//! child in their order, everything else in none. So every race that a real runtime can produce comes up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proptest::sample::Index;
use theater_core::{ActorId, ActorInfo, ActorStatus, ChildSpec, ExitReason, Incarnation, StopMode};
use theater_supervisor::{
    Action, By, CallId, ChildKey, ChildView, DeclaredChild, Input, Machine, Request, Target, Tick,
};

use crate::command::{Command, How, Setup, Whom};
use crate::property::Property;
use crate::rules::{Rules, Seen};
use crate::saboteur::Saboteur;

/// The truth about one child.
#[derive(Debug, Clone)]
pub(crate) struct Actor {
    pub(crate) spec: ChildSpec,
    pub(crate) incarnation: u64,
    /// `None` while it lives.
    pub(crate) ended: Option<ExitReason>,
    pub(crate) progressed: Option<bool>,
    /// Whether the runtime has forgotten it.
    pub(crate) reaped: bool,
    /// Whether its last stop was refused: the next is not.
    pub(crate) refused: bool,
}

pub(crate) type Truth = BTreeMap<ActorId, Actor>;

pub(crate) fn lives(truth: &Truth, id: ActorId) -> bool {
    truth.get(&id).is_some_and(|actor| actor.ended.is_none())
}

#[derive(Debug, Clone)]
pub(crate) enum Work {
    Start { id: Option<Arc<str>>, call: Option<CallId> },
    Restart { id: ActorId, mode: StopMode },
    Stop { id: ActorId, mode: StopMode },
}

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) key: ChildKey,
    pub(crate) work: Work,
    pub(crate) hangs: bool,
    pub(crate) abandoned: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) saboteur: Option<Saboteur>,
    pub(crate) rules: Rules,
    pub(crate) now: u64,
    pub(crate) truth: Truth,
    /// In the order in which they were started.
    pub(crate) actors: Vec<ActorId>,
    /// Those whose start has been answered: nobody could name the others.
    pub(crate) known: Vec<ActorId>,
    pub(crate) specs: BTreeMap<CallId, ChildSpec>,
    pub(crate) named: BTreeMap<Arc<str>, ChildSpec>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) answers: Vec<Input>,
    pub(crate) exits: BTreeMap<ActorId, VecDeque<Input>>,
    pub(crate) told: Vec<Input>,
    pub(crate) retries: Vec<(ChildKey, u32, u64)>,
    pub(crate) calls: u64,
    /// Everything that the machine did, where somebody wants to compare.
    pub(crate) log: Option<String>,
}

/// Runs commands, lets the system come to rest, ends it, and returns what went on.
pub(crate) fn run(setup: &Setup, commands: &[Command], saboteur: Option<Saboteur>, log: bool) -> World {
    let mut world = World::new(setup, saboteur, log);
    for command in commands {
        world.perform(command);
    }
    world.settle();
    world.end();
    world
}

impl World {
    fn new(setup: &Setup, saboteur: Option<Saboteur>, log: bool) -> Self {
        let spec = saboteur.as_ref().map_or(setup.spec, |saboteur| saboteur.spec(setup.spec));
        let mut world = Self {
            machine: Machine::new(spec).with_seed(setup.seed),
            saboteur,
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
            log: log.then(String::new),
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
                if !self.operations.is_empty() {
                    self.operate(which.index(self.operations.len()), *how);
                }
            }
            Command::Tell(which) => {
                let count = self.answers.len() + self.exits.len();
                if count > 0 {
                    self.tell(which.index(count));
                }
            }
            Command::TellAgain(which) => {
                if let Some(input) = pick(&self.told, *which) {
                    self.step(input);
                }
            }
            Command::Retry(which) => {
                if !self.retries.is_empty() {
                    self.retry(which.index(self.retries.len()));
                }
            }
            Command::Advance(by) => self.now += by,
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
        let views = self.machine.which_children();
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

    pub(crate) fn end_life(&mut self, id: ActorId, reason: ExitReason, progressed: Option<bool>) {
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
            if ended && self.machine.awaits_exit(id, Incarnation(actor.incarnation)) {
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
        if let Some(saboteur) = &mut self.saboteur {
            saboteur.step(&mut self.machine, Tick(self.now), input.clone(), &mut actions);
        } else {
            self.machine.step(Tick(self.now), input.clone(), &mut actions);
        }
        if let Some(log) = &mut self.log {
            use std::fmt::Write as _;
            writeln!(log, "{} {input:?} {actions:?}", self.now).expect("a text takes everything");
        }
        let mut views: Vec<ChildView> = self.machine.which_children();
        views.reverse();
        let mut counts = self.machine.count_children();
        if let Some(saboteur) = &self.saboteur {
            saboteur.list(&mut views, &mut counts);
        }
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

fn pick<T: Clone>(all: &[T], which: Index) -> Option<T> {
    (!all.is_empty()).then(|| which.get(all).clone())
}
