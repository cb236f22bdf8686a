//! Playing a scenario on the machine.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorId, ChildSpec, ExitReason, Incarnation, RestartPolicy, StopMode, SupervisionSpec,
};
use theater_supervisor::{
    Action, By, CallId, ChildError, ChildKey, ChildState, DeclaredChild, Input, Machine, Outcome, Request,
    Target, Tick, Verdict,
};

use super::scenario::{
    AutoShutdown, ChildLine, ChildPlan, ChildType, Event, Exit, Flags, InitOutcome, Op, OpResult, Restart,
    Scenario, Shutdown, Start, State, Step, Strategy,
};

/// Plays a scenario's setup and operations on the machine, and returns the scenario as it went there.
#[must_use]
pub fn record(scenario: &Scenario) -> Scenario {
    let mut world = World::new(&scenario.flags);
    let children = scenario.children.iter().map(|plan| {
        world.plans.insert(plan.id, Lives::new(plan));
        DeclaredChild::new(plan.id.to_string(), child_spec(plan))
    });
    let children = children.collect();
    world.run(Input::Begin { children });
    let init = match &world.finished {
        Some(Outcome::NotStarted { id, .. }) => {
            InitOutcome::FailedToStartChild(id.parse().expect("ids are numbers"))
        }
        _ => InitOutcome::Ok,
    };
    let init_events = std::mem::take(&mut world.events);
    // After it has ended there is nobody to ask, and the recordings end there.
    let steps = scenario
        .steps
        .iter()
        .map_while(|step| (world.finished.is_none()).then(|| world.take_step(&step.op)))
        .collect();
    Scenario { init, init_events, steps, ..scenario.clone() }
}

/// Where a scenario went otherwise than it says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// The scenario's number.
    pub n: u64,
    /// The step, from 0; `None` for the start.
    pub step: Option<usize>,
    /// What the scenario says, and what happened, field by field, where they differ.
    pub differences: Vec<(&'static str, String, String)>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => writeln!(f, "scenario {}, step {step}:", self.n)?,
            None => writeln!(f, "scenario {}, start:", self.n)?,
        }
        for (field, expected, found) in &self.differences {
            writeln!(f, "  {field}")?;
            writeln!(f, "  - {expected}")?;
            writeln!(f, "  + {found}")?;
        }
        Ok(())
    }
}

/// Compares a scenario with how it went; the first difference.
///
/// # Errors
/// The first step that differs.
pub fn agree(expected: &Scenario, found: &Scenario) -> Result<(), Disagreement> {
    let n = expected.n;
    let mut differences = Vec::new();
    differ(&mut differences, "init", &expected.init, &found.init);
    differ(&mut differences, "events", &expected.init_events, &found.init_events);
    if !differences.is_empty() {
        return Err(Disagreement { n, step: None, differences });
    }
    for (index, step) in expected.steps.iter().enumerate() {
        let Some(other) = found.steps.get(index) else {
            differ(&mut differences, "steps", &expected.steps.len(), &found.steps.len());
            return Err(Disagreement { n, step: Some(index), differences });
        };
        differ(&mut differences, "op", &step.op, &other.op);
        differ(&mut differences, "result", &step.result, &other.result);
        differ(&mut differences, "events", &step.events, &other.events);
        differ(&mut differences, "alive", &step.alive, &other.alive);
        differ(&mut differences, "exit_reason", &step.exit_reason, &other.exit_reason);
        differ(&mut differences, "children", &step.children, &other.children);
        differ(&mut differences, "counts", &step.counts, &other.counts);
        if !differences.is_empty() {
            return Err(Disagreement { n, step: Some(index), differences });
        }
    }
    Ok(())
}

fn differ<T: PartialEq + serde::Serialize>(
    differences: &mut Vec<(&'static str, String, String)>,
    field: &'static str,
    expected: &T,
    found: &T,
) {
    if expected != found {
        let text = |value: &T| serde_json::to_string(value).expect("plain values");
        differences.push((field, text(expected), text(found)));
    }
}

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

/// A world in which every action is performed at once: OTP's supervisor, which waits for its children.
struct World {
    machine: Machine,
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

impl World {
    fn new(flags: &Flags) -> Self {
        let strategy = match flags.strategy {
            Strategy::OneForOne => theater_core::Strategy::OneForOne,
            Strategy::OneForAll => theater_core::Strategy::OneForAll,
            Strategy::RestForOne => theater_core::Strategy::RestForOne,
        };
        let auto_shutdown = match flags.auto_shutdown {
            AutoShutdown::Never => theater_core::AutoShutdown::Never,
            AutoShutdown::AnySignificant => theater_core::AutoShutdown::AnySignificant,
            AutoShutdown::AllSignificant => theater_core::AutoShutdown::AllSignificant,
        };
        let spec = SupervisionSpec::new(flags.intensity, Duration::from_secs(flags.period))
            .with_strategy(strategy)
            .with_auto_shutdown(auto_shutdown);
        Self {
            machine: Machine::new(spec),
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

    fn take_step(&mut self, op: &Op) -> Step {
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
                self.call(Request::Start { id, child_spec: Some(child_spec(plan)) })
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
                child_type: match view.child_spec.child_type {
                    theater_core::ChildType::Worker => ChildType::Worker,
                    theater_core::ChildType::Supervisor => ChildType::Supervisor,
                },
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

fn child_spec(plan: &ChildPlan) -> ChildSpec {
    let restart = match plan.restart {
        Restart::Permanent => RestartPolicy::Permanent,
        Restart::Transient => RestartPolicy::Transient,
        Restart::Temporary => RestartPolicy::Temporary,
    };
    let shutdown = match plan.shutdown {
        Shutdown::BrutalKill => theater_core::Shutdown::Kill,
        Shutdown::Infinity => theater_core::Shutdown::Infinity,
        Shutdown::After(millis) => theater_core::Shutdown::After(Duration::from_millis(millis)),
    };
    let child_type = match plan.child_type {
        ChildType::Worker => theater_core::ChildType::Worker,
        ChildType::Supervisor => theater_core::ChildType::Supervisor,
    };
    ChildSpec::new(restart).with_shutdown(shutdown).with_type(child_type).with_significant(plan.significant)
}
