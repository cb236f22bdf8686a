//! Playing scenarios on pure rules, such as the machine's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use theater_core::{ActorError, ActorId, ChildSpec, ExitReason, Incarnation, StopMode};
use theater_supervisor::{
    Action, By, CallId, ChildError, ChildKey, ChildState, DeclaredChild, Input, Machine, Outcome, Request,
    Target, Tick, Verdict,
};

use super::play::Player;
use super::scenario::{
    ChildLine, ChildPlan, Event, Exit, Flags, InitOutcome, Op, OpResult, Start, State, Step,
};
use crate::machine::Supervisor;

/// The lives of one id.
#[derive(Debug)]
struct Lives {
    plan: VecDeque<Start>,
    stubborn: bool,
    attempts: u64,
    /// The attempt that runs.
    alive: Option<u64>,
    actor: Option<ActorId>,
}

impl Lives {
    fn new(plan: &ChildPlan) -> Self {
        Self {
            plan: plan.plan.iter().copied().collect(),
            stubborn: plan.stubborn,
            attempts: 0,
            alive: None,
            actor: None,
        }
    }
}

/// Plays scenarios on pure rules: a world in which every action is performed at once, as OTP's supervisor waits for its
/// children.
///
/// # Examples
/// ```
/// use theater_testkit::otp::{self, RulesPlayer};
///
/// let scenario = &otp::parse(otp::GOLDEN)?[0];
/// otp::agree(scenario, &otp::play(RulesPlayer::new(&scenario.flags), scenario))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RulesPlayer<S = Machine> {
    machine: S,
    plans: BTreeMap<u32, Lives>,
    ids: BTreeMap<ChildKey, u32>,
    actors: u64,
    /// What the supervisor is told next. Answers to what it does itself come before everything else.
    inputs: VecDeque<Input>,
    events: Vec<Event>,
    verdict: Option<Verdict>,
    /// A child that a call brings along, until it is started.
    brought: Option<ChildPlan>,
    finished: Option<Outcome>,
}

impl RulesPlayer {
    /// The [`Machine`] under these flags.
    #[must_use]
    pub fn new(flags: &Flags) -> Self {
        Self::on(Machine::new(flags.into()))
    }
}

impl<S: Supervisor> RulesPlayer<S> {
    /// Own rules, which have to go by the flags of the scenario: `SupervisionSpec::from` reads them.
    #[must_use]
    pub fn on(supervisor: S) -> Self {
        Self {
            machine: supervisor,
            plans: BTreeMap::new(),
            ids: BTreeMap::new(),
            actors: 0,
            inputs: VecDeque::new(),
            events: Vec::new(),
            verdict: None,
            brought: None,
            finished: None,
        }
    }

    fn perform(&mut self, op: &Op) -> OpResult {
        let by_id = |id: &u32| Target::Id(id.to_string().into());
        match op {
            Op::Crash(id, exit) => {
                let Some(input) = self.crash(*id, *exit) else { return OpResult::NotFound };
                self.run(input);
                OpResult::Ok
            }
            Op::CrashBoth(one, other) => {
                let both = [self.crash(*one, Exit::Boom), self.crash(*other, Exit::Boom)];
                let mut both = both.into_iter().flatten();
                let Some(first) = both.next() else { return OpResult::NotFound };
                self.inputs.extend(both);
                self.run(first);
                OpResult::Ok
            }
            Op::StartChild(plan) => {
                self.brought = Some(plan.clone());
                let id = Some(plan.id.to_string().into());
                self.call(Request::Start { id, child_spec: Some(plan.into()) })
            }
            Op::TerminateChild(id) => self.call(Request::Terminate(by_id(id))),
            Op::RestartChild(id) => self.call(Request::Restart(by_id(id))),
            Op::DeleteChild(id) => self.call(Request::Delete(by_id(id))),
            Op::StopSupervisor => {
                self.run(Input::Shutdown);
                OpResult::Shutdown
            }
        }
    }

    fn call(&mut self, request: Request) -> OpResult {
        let starts = matches!(request, Request::Start { .. } | Request::Restart(_));
        self.run(Input::Call { call: CallId(0), by: By::Operator, request });
        // What was refused is not started later.
        self.brought = None;
        match self.verdict.take().expect("every call is answered") {
            Ok(None) if starts => OpResult::OkIgnored,
            Ok(_) => OpResult::Ok,
            Err(ChildError::AlreadyStarted { .. }) => OpResult::AlreadyStarted,
            Err(ChildError::AlreadyPresent { .. }) => OpResult::AlreadyPresent,
            Err(ChildError::NotFound { .. }) => OpResult::NotFound,
            Err(ChildError::Running) => OpResult::Running,
            Err(ChildError::Restarting) => OpResult::Restarting,
            Err(ChildError::Actor(ActorError::ShuttingDown)) => OpResult::Noproc,
            Err(_) => OpResult::StartError,
        }
    }

    /// A child ends by itself; what the supervisor will hear of it.
    fn crash(&mut self, id: u32, exit: Exit) -> Option<Input> {
        let lives = self.plans.get_mut(&id)?;
        let attempt = lives.alive.take()?;
        self.events.push(Event::Exit(id, attempt, exit));
        Some(exited(lives.actor?, attempt, exit))
    }

    /// Tells the supervisor something and performs what it does until it has come to rest.
    fn run(&mut self, input: Input) {
        self.inputs.push_front(input);
        while let Some(input) = self.inputs.pop_front() {
            let mut actions = Vec::new();
            self.machine.step(Tick(0), input, &mut actions);
            for action in actions {
                self.act(action);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { child, id, .. } => {
                let id = id.and_then(|id| id.parse().ok()).expect("all children have numbers for ids");
                self.ids.insert(child, id);
                if let Some(plan) = self.brought.take_if(|plan| plan.id == id) {
                    let attempts = self.plans.get(&id).map_or(0, |lives| lives.attempts);
                    self.plans.insert(id, Lives { attempts, ..Lives::new(&plan) });
                }
                self.start(child, id);
            }
            Action::Restart { child, .. } => self.start(child, self.ids[&child]),
            Action::Stop { child, mode, .. } => self.stop(child, mode),
            // It comes after the exits that wait.
            Action::RetryLater { child, attempt, .. } => {
                self.inputs.push_back(Input::Retry { child, attempt });
            }
            Action::Reply { verdict, .. } => self.verdict = Some(verdict),
            Action::Finish(outcome) => self.finished = Some(outcome),
            _ => {}
        }
    }

    fn start(&mut self, child: ChildKey, id: u32) {
        let lives = self.plans.get_mut(&id).expect("only planned children are started");
        let attempt = lives.attempts;
        lives.attempts += 1;
        let outcome = lives.plan.pop_front().unwrap_or(Start::Ok);
        let answer = match outcome {
            Start::Ok => {
                self.events.push(Event::Start(id, attempt));
                lives.alive = Some(attempt);
                let actor = *lives.actor.get_or_insert_with(|| {
                    self.actors += 1;
                    ActorId::from_parts(self.actors, [0; 10])
                });
                Input::Started {
                    child,
                    id: actor,
                    incarnation: Incarnation(attempt + 1),
                    child_spec: ChildSpec::default(),
                }
            }
            failure => {
                self.events.push(Event::StartFailed(id, attempt, failure));
                match failure {
                    Start::Ignore => Input::Ignored { child },
                    _ => {
                        let reason = ExitReason::InitFailed { error: "planned".to_owned() };
                        Input::StartFailed { child, error: ActorError::StartFailed { reason } }
                    }
                }
            }
        };
        self.inputs.push_front(answer);
    }

    fn stop(&mut self, child: ChildKey, mode: StopMode) {
        let id = self.ids[&child];
        let lives = self.plans.get_mut(&id).expect("only planned children are stopped");
        self.inputs.push_front(Input::StopEnded { child, error: None });
        if let Some(attempt) = lives.alive.take() {
            let killed = mode == StopMode::Kill || lives.stubborn;
            let exit = if killed { Exit::Killed } else { Exit::Shutdown };
            self.events.push(Event::Exit(id, attempt, exit));
            self.inputs.push_front(exited(lives.actor.expect("it runs"), attempt, exit));
        }
    }

    fn list(&self) -> Vec<ChildLine> {
        let mut lines: Vec<_> = self
            .machine
            .which_children()
            .iter()
            .map(|view| ChildLine {
                id: view.id.as_ref().and_then(|id| id.parse().ok()).expect("all children have numbers"),
                state: match view.state {
                    ChildState::Running => State::Running,
                    ChildState::Restarting => State::Restarting,
                    _ => State::Undefined,
                },
                child_type: view.child_spec.child_type.into(),
            })
            .collect();
        // Start order, as in the recordings.
        lines.reverse();
        lines
    }
}

fn exited(id: ActorId, attempt: u64, exit: Exit) -> Input {
    let reason = match exit {
        Exit::Normal => ExitReason::Completed { data: None },
        Exit::Shutdown => ExitReason::Stopped,
        Exit::ShutdownWith => ExitReason::AutoShutdown { child: id },
        Exit::Killed => ExitReason::Killed,
        Exit::Boom => ExitReason::Trapped { message: "boom".to_owned(), backtrace: Vec::new() },
    };
    Input::Exited { id, incarnation: Incarnation(attempt + 1), reason: Arc::new(reason), progressed: None }
}

impl<S: Supervisor> Player for RulesPlayer<S> {
    fn init(&mut self, children: &[ChildPlan]) -> (InitOutcome, Vec<Event>) {
        let children = children.iter().map(|plan| {
            self.plans.insert(plan.id, Lives::new(plan));
            DeclaredChild::new(plan.id.to_string(), plan.into())
        });
        let children = children.collect();
        self.run(Input::Begin { children });
        let init = match &self.finished {
            Some(Outcome::NotStarted { id, .. }) => {
                InitOutcome::FailedToStartChild(id.parse().expect("ids are numbers"))
            }
            _ => InitOutcome::Ok,
        };
        (init, std::mem::take(&mut self.events))
    }

    fn step(&mut self, op: &Op) -> Step {
        if !self.is_alive() {
            return Step::after_the_end(op);
        }
        let result = self.perform(op);
        let alive = self.finished.is_none();
        let counts = self.machine.count_children();
        Step {
            op: op.clone(),
            result,
            events: std::mem::take(&mut self.events),
            alive,
            // The recordings know no other: OTP's supervisor gives up with `shutdown`, too. Where it was told to end it is
            // the result that says so.
            exit_reason: (!alive && *op != Op::StopSupervisor).then(|| "shutdown".to_owned()),
            children: if alive { self.list() } else { Vec::new() },
            counts: if alive {
                vec![counts.specs, counts.active, counts.supervisors, counts.workers]
            } else {
                Vec::new()
            },
        }
    }

    fn is_alive(&self) -> bool {
        self.finished.is_none()
    }
}
