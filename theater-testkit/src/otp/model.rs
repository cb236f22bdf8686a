//! A second opinion on the rules: OTP's `supervisor` as one process that does one thing after the other.
//!
//! It is written from a description of OTP's source, shares nothing with the machine but the format of scenarios, and
//! is as plain as possible: a list of children, a mailbox, and a call for each thing that a supervisor does. Time
//! stands still in it, so every restart counts for ever.

mod calls;

use std::collections::{BTreeMap, VecDeque};

use super::mutation::Mutation;
use super::play::{Player, play};
use super::scenario::{
    AutoShutdown, ChildLine, ChildPlan, ChildType, Event, Exit, Flags, InitOutcome, Op, OpResult, Restart,
    Scenario, Shutdown, Start, State, Step, Strategy,
};

/// Plays a scenario's setup and operations by the model, and returns the scenario as it went there: by the rules, or by
/// a wrong variant of them.
#[must_use]
pub fn model(scenario: &Scenario, mutation: Option<Mutation>) -> Scenario {
    play(Model { mutation, ..Model::new(&scenario.flags) }, scenario)
}

/// What OTP keeps as a child's `pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pid {
    Undefined,
    Restarting,
    /// The attempt that runs.
    Running(u64),
}

#[derive(Debug, Clone)]
struct Child {
    spec: ChildPlan,
    pid: Pid,
}

impl Child {
    fn is_temporary(&self) -> bool {
        self.spec.restart == Restart::Temporary
    }
}

/// What the processes of one id do: it is not the supervisor's.
#[derive(Debug, Clone, Default)]
struct Lives {
    plan: VecDeque<Start>,
    stubborn: bool,
    attempts: u64,
    alive: Option<u64>,
}

#[derive(Debug, Clone)]
enum Message {
    Exit(u32, u64, Exit),
    Retry(u32),
}

/// A start that failed.
struct Failed;

/// An executable reference model of one supervisor, as OTP has it.
///
/// Operations go in one after the other, and each [`Step`] says what was answered, what happened, and which children there
/// are then. It knows no time, so every restart counts for ever, and no races: each operation is performed when the one before has come
/// to rest.
///
/// # Examples
/// ```
/// use theater_testkit::otp::{ChildPlan, Event, Exit, Flags, Model, Op, Player, State};
/// # use theater_core::{ChildSpec, RestartPolicy, SupervisionSpec};
///
/// let child = ChildPlan { id: 1, ..(&ChildSpec::new(RestartPolicy::Permanent)).into() };
/// let mut model = Model::new(&Flags::from(&SupervisionSpec::default()));
/// model.init(&[child]);
///
/// let step = model.step(&Op::Crash(1, Exit::Boom));
/// assert_eq!(step.events, [Event::Exit(1, 0, Exit::Boom), Event::Start(1, 1)]);
///
/// // One restart is allowed.
/// let step = model.step(&Op::Crash(1, Exit::Boom));
/// assert!(!step.alive && !model.is_alive());
/// ```
#[derive(Debug, Clone)]
pub struct Model {
    flags: Flags,
    mutation: Option<Mutation>,
    /// In start order.
    children: Vec<Child>,
    lives: BTreeMap<u32, Lives>,
    mailbox: VecDeque<Message>,
    restarts: u32,
    events: Vec<Event>,
    alive: bool,
}

impl Model {
    /// A supervisor under these flags, that has not begun.
    #[must_use]
    pub fn new(flags: &Flags) -> Self {
        Self {
            flags: flags.clone(),
            mutation: None,
            children: Vec::new(),
            lives: BTreeMap::new(),
            mailbox: VecDeque::new(),
            restarts: 0,
            events: Vec::new(),
            alive: true,
        }
    }

    /// The same with one rule wrong.
    #[must_use]
    pub fn with_mutation(mut self, mutation: Mutation) -> Self {
        self.mutation = Some(mutation);
        self
    }

    /// Its children, in start order.
    #[must_use]
    pub fn children(&self) -> Vec<ChildLine> {
        let line = |child: &Child| ChildLine {
            id: child.spec.id,
            state: match child.pid {
                Pid::Undefined => State::Undefined,
                Pid::Restarting => State::Restarting,
                Pid::Running(_) => State::Running,
            },
            child_type: child.spec.child_type,
        };
        self.children.iter().map(line).collect()
    }

    /// The listed children of a kind, for whoever looks for a target.
    pub(super) fn ids(&self, state: Option<State>) -> Vec<u32> {
        let listed = self.children().into_iter().filter(|line| state.is_none_or(|state| line.state == state));
        listed.map(|line| line.id).collect()
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    fn index(&self, id: u32) -> Option<usize> {
        self.children.iter().position(|child| child.spec.id == id)
    }

    fn begin(&mut self, children: &[ChildPlan]) -> InitOutcome {
        self.children =
            children.iter().map(|spec| Child { spec: spec.clone(), pid: Pid::Undefined }).collect();
        for spec in children {
            self.bring(spec);
        }
        for spec in children {
            let Ok(pid) = self.spawn(spec.id) else {
                self.end(Mutation::InitialFailureLeavesSiblings);
                return InitOutcome::FailedToStartChild(spec.id);
            };
            self.put(spec.id, pid);
        }
        InitOutcome::Ok
    }

    // Processes.

    /// A spec tells how the processes of its id will do. They are counted on.
    fn bring(&mut self, spec: &ChildPlan) {
        let lives = self.lives.entry(spec.id).or_default();
        lives.plan = spec.plan.iter().copied().collect();
        lives.stubborn = spec.stubborn;
    }

    fn spawn(&mut self, id: u32) -> Result<Pid, Failed> {
        let lives = self.lives.entry(id).or_default();
        let attempt = lives.attempts;
        lives.attempts += 1;
        let outcome = lives.plan.pop_front().unwrap_or(Start::Ok);
        if outcome == Start::Ok {
            lives.alive = Some(attempt);
            self.events.push(Event::Start(id, attempt));
            return Ok(Pid::Running(attempt));
        }
        self.events.push(Event::StartFailed(id, attempt, outcome));
        if outcome == Start::Ignore { Ok(Pid::Undefined) } else { Err(Failed) }
    }

    fn crash(&mut self, ids: &[u32], exit: Exit) -> OpResult {
        let before = self.mailbox.len();
        for id in ids {
            if let Some(attempt) = self.lives.get_mut(id).and_then(|lives| lives.alive.take()) {
                self.events.push(Event::Exit(*id, attempt, exit));
                self.mailbox.push_back(Message::Exit(*id, attempt, exit));
            }
        }
        if self.mailbox.len() == before { OpResult::NotFound } else { OpResult::Ok }
    }

    /// OTP: `shutdown/1`, which waits. A process that died before is no event: its message in the mailbox is stale from now on.
    fn stop(&mut self, index: usize) {
        let child = &mut self.children[index];
        child.pid = Pid::Undefined;
        let id = child.spec.id;
        let lives = self.lives.entry(id).or_default();
        if let Some(attempt) = lives.alive.take() {
            let killed = child.spec.shutdown == Shutdown::BrutalKill || lives.stubborn;
            self.events.push(Event::Exit(id, attempt, if killed { Exit::Killed } else { Exit::Shutdown }));
        }
    }

    /// The children from this one on, in the order in which they are stopped.
    fn stop_from(&mut self, first: usize) {
        let mut order: Vec<_> = (first..self.children.len()).collect();
        if !self.is(Mutation::StopInStartOrder) {
            order.reverse();
        }
        for index in order {
            self.stop(index);
        }
    }

    fn stop_all(&mut self) {
        self.stop_from(0);
        self.alive = false;
    }

    fn end(&mut self, leaving: Mutation) {
        if self.is(leaving) {
            self.alive = false;
        } else {
            self.stop_all();
        }
    }

    /// Notes what a start gave. A temporary child whose start was ignored is dropped.
    fn put(&mut self, id: u32, pid: Pid) {
        let Some(index) = self.index(id) else { return };
        let ignored = pid == Pid::Undefined && self.children[index].is_temporary();
        self.children[index].pid = pid;
        if ignored && !self.is(Mutation::IgnoredTemporaryKept) {
            self.children.remove(index);
        }
    }

    // Exits.

    fn exited(&mut self, id: u32, attempt: u64, exit: Exit) {
        let Some(index) = self.index(id) else { return };
        if self.children[index].pid != Pid::Running(attempt) && !self.is(Mutation::StaleExitHandled) {
            return;
        }
        let restart = match (self.children[index].spec.restart, exit) {
            (Restart::Permanent, Exit::Normal) => !self.is(Mutation::PermanentLeftOnNormal),
            (Restart::Permanent, _) => true,
            (Restart::Transient, Exit::ShutdownWith) => self.is(Mutation::TransientRestartedOnShutdown),
            (Restart::Transient, Exit::Normal | Exit::Shutdown) | (Restart::Temporary, _) => false,
            (Restart::Transient, Exit::Killed | Exit::Boom) => true,
        };
        if restart {
            self.restart(index, false);
        } else {
            let significant = self.children[index].spec.significant;
            self.delete_pid(index);
            self.auto_shutdown(significant);
        }
    }

    /// OTP: `del_child/2`.
    fn delete_pid(&mut self, index: usize) {
        self.children[index].pid = Pid::Undefined;
        if self.children[index].is_temporary() && !self.is(Mutation::TemporaryKept) {
            self.children.remove(index);
        }
    }

    /// After the end of a child.
    fn auto_shutdown(&mut self, significant: bool) {
        let occupied = |child: &Child| child.spec.significant && child.pid != Pid::Undefined;
        let due = match self.flags.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => !self.children.iter().any(occupied),
        };
        if significant && due {
            self.stop_all();
        }
    }

    fn restart(&mut self, index: usize, again: bool) {
        if !(again && self.is(Mutation::RetriesNotCounted)) {
            self.restarts += 1;
        }
        if self.restarts > self.flags.intensity + u32::from(self.is(Mutation::IntensityOffByOne)) {
            self.delete_pid(index);
            self.end(Mutation::EscalationLeavesSiblings);
            return;
        }
        match self.flags.strategy {
            Strategy::OneForAll => self.restart_from(0, index, again),
            Strategy::RestForOne if !self.is(Mutation::RestIsOne) => self.restart_from(index, index, again),
            Strategy::OneForOne | Strategy::RestForOne => self.restart_one(index),
        }
    }

    fn restart_one(&mut self, index: usize) {
        let id = self.children[index].spec.id;
        match self.spawn(id) {
            Ok(pid) => self.children[index].pid = pid,
            Err(Failed) => self.try_again(id),
        }
        if self.is(Mutation::RestartedMovesToEnd) {
            let child = self.children.remove(index);
            self.children.push(child);
        }
    }

    /// OTP: `restart_multiple_children/3`.
    fn restart_from(&mut self, first: usize, culprit: usize, again: bool) {
        let culprit = self.children[culprit].spec.id;
        let group = || self.children[first..].iter();
        let ran: Vec<_> =
            group().filter(|child| child.pid != Pid::Undefined).map(|child| child.spec.id).collect();
        let significant = group().any(|child| child.spec.significant && child.spec.id != culprit);
        if !(again && self.is(Mutation::RetryKeepsStarted)) {
            self.stop_from(first);
        }
        let mut index = 0;
        let keep = self.is(Mutation::TemporaryBystanderRestarted);
        self.children.retain(|child| {
            index += 1;
            index <= first || keep || !child.is_temporary()
        });
        let mut ids: Vec<_> = self.children[first..].iter().map(|child| child.spec.id).collect();
        if self.is(Mutation::GroupReversed) {
            ids.reverse();
        }
        for id in ids {
            let left = self.is(Mutation::StoppedSiblingLeft) && !ran.contains(&id);
            let runs =
                self.index(id).is_some_and(|index| matches!(self.children[index].pid, Pid::Running(_)));
            if left || runs {
                continue;
            }
            let Ok(pid) = self.spawn(id) else {
                self.try_again(id);
                break;
            };
            self.put(id, pid);
        }
        if self.is(Mutation::AutoShutdownOnBystander) {
            self.auto_shutdown(significant);
        }
    }

    /// The next attempt comes after everything that waits already.
    fn try_again(&mut self, id: u32) {
        if let Some(index) = self.index(id) {
            self.children[index].pid = Pid::Restarting;
            self.mailbox.push_back(Message::Retry(id));
        }
    }

    fn retry(&mut self, id: u32) {
        if let Some(index) = self.index(id).filter(|index| self.children[*index].pid == Pid::Restarting) {
            self.restart(index, true);
        }
    }
}

impl Player for Model {
    fn init(&mut self, children: &[ChildPlan]) -> (InitOutcome, Vec<Event>) {
        let init = self.begin(children);
        (init, std::mem::take(&mut self.events))
    }

    fn step(&mut self, op: &Op) -> Step {
        if !self.alive {
            return Step::after_the_end(op);
        }
        let result = match op {
            Op::Crash(id, exit) => self.crash(&[*id], *exit),
            Op::CrashBoth(one, other) => self.crash(&[*one, *other], Exit::Boom),
            Op::StartChild(spec) => self.start_child(spec),
            Op::TerminateChild(id) => self.terminate_child(*id),
            Op::RestartChild(id) => self.restart_child(*id),
            Op::DeleteChild(id) => self.delete_child(*id),
            Op::StopSupervisor => {
                self.stop_all();
                OpResult::Shutdown
            }
        };
        while let Some(message) = self.mailbox.pop_front().filter(|_| self.alive) {
            match message {
                Message::Exit(id, attempt, exit) => self.exited(id, attempt, exit),
                Message::Retry(id) => self.retry(id),
            }
        }
        let children = if self.alive { self.children() } else { Vec::new() };
        let count = |what: &dyn Fn(&ChildLine) -> bool| children.iter().filter(|line| what(line)).count();
        let counts = vec![
            children.len(),
            count(&|line| line.state == State::Running),
            count(&|line| line.child_type == ChildType::Supervisor),
            count(&|line| line.child_type == ChildType::Worker),
        ];
        Step {
            op: op.clone(),
            result,
            events: std::mem::take(&mut self.events),
            alive: self.alive,
            exit_reason: (!self.alive && *op != Op::StopSupervisor).then(|| "shutdown".to_owned()),
            counts: if self.alive { counts } else { Vec::new() },
            children,
        }
    }

    fn is_alive(&self) -> bool {
        self.alive
    }
}
