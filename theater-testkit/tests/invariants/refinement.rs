//! P19: the driver over the mock runtime does what the model of OTP's supervisor says, and so does the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::proptest;
use theater_core::{ActorError, ActorId, ActorRuntime, Authority, ExitReason, SpawnRequest, StopMode};
use theater_supervisor::{ChildError, ChildState, SupervisorHandle, Verdict};
use theater_testkit::log::What;
use theater_testkit::otp::{
    self, ChildLine, ChildPlan, Event, Exit, Flags, InitOutcome, Op, OpResult, Player, Scenario, Start,
    State, Step,
};
use theater_testkit::{MockRuntime, Program, StartOutcome, StopBehaviour};
use tokio::runtime::Runtime;

use crate::config;

/// Longer than any grace in the scenarios, and far shorter than their period.
const LONG: Duration = Duration::from_secs(40);

/// The grace of a child in the scenarios that has one.
const GRACE: Duration = Duration::from_secs(5);

/// Plays scenarios on `SupervisorHost` over the mock runtime.
struct DriverPlayer {
    tokio: Runtime,
    mock: MockRuntime,
    root: ActorId,
    handle: SupervisorHandle,
    /// Entries of the log that steps have told already.
    told: usize,
    names: BTreeMap<ActorId, u32>,
    /// How many lives of an id have begun, and which of them the current life of an actor is.
    attempts: BTreeMap<u32, u64>,
    current: BTreeMap<ActorId, u64>,
}

impl DriverPlayer {
    fn new(flags: &Flags) -> Self {
        let tokio =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let mock = MockRuntime::new();
        let root = mock.root();
        let handle = tokio.block_on(async {
            mock.supervise(root, flags.into());
            mock.supervisor(root).expect("it was just started")
        });
        Self {
            tokio,
            mock,
            root,
            handle,
            told: 0,
            names: BTreeMap::new(),
            attempts: BTreeMap::new(),
            current: BTreeMap::new(),
        }
    }

    fn call(&self, work: impl Future<Output = Verdict> + Send + 'static) -> Verdict {
        self.tokio.block_on(async {
            let call = tokio::spawn(work);
            self.pass().await;
            call.await.unwrap()
        })
    }

    /// Lets time pass until nothing is being done with any child. One crash may lead to as many restarts of a group as
    /// the intensity allows, each of which waits out the grace of every stubborn child.
    async fn pass(&self) {
        self.mock.advance(LONG).await.unwrap();
        while self.is_at_work().await {
            self.mock.advance(GRACE).await.unwrap();
        }
    }

    async fn is_at_work(&self) -> bool {
        let children = self.handle.which_children().await.unwrap_or_default();
        children.iter().any(|view| matches!(view.state, ChildState::Starting | ChildState::Stopping))
    }

    fn start(&self, plan: &ChildPlan) -> Verdict {
        let starts = plan.plan.iter().map(|start| match start {
            Start::Ok => StartOutcome::Ok,
            Start::Error => StartOutcome::Fail,
            Start::Ignore => StartOutcome::Ignore,
        });
        let mut program = Program::new(plan.into()).starts(starts);
        if plan.stubborn {
            program = program.stop(StopBehaviour::Refuse);
        }
        let (handle, id, spec) = (self.handle.clone(), plan.id.to_string(), plan.into());
        // What is there already is not started anew, and keeps what it has to do.
        if !self.list().iter().any(|line| line.id == plan.id) {
            self.mock.bring(&id, program);
        }
        self.call(async move { handle.start_child(&id, spec, SpawnRequest::new(None, id.clone())).await })
    }

    fn crash(&self, ids: &[u32], exit: Exit) -> OpResult {
        let tree = self.mock.tree();
        let running = |id: &u32| {
            let mut nodes = tree.nodes().filter(|node| !node.info.status.is_ended());
            nodes.find(|node| node.info.name == id.to_string()).map(|node| node.info.id)
        };
        let actors: Vec<_> = ids.iter().filter_map(running).collect();
        let Some(first) = actors.first() else { return OpResult::NotFound };
        let reason = match exit {
            Exit::Normal => ExitReason::Completed { data: None },
            Exit::Shutdown => ExitReason::Stopped,
            Exit::ShutdownWith => ExitReason::AutoShutdown { child: *first },
            Exit::Killed => ExitReason::Killed,
            Exit::Boom => theater_testkit::crash(),
        };
        self.tokio.block_on(async {
            self.mock.crash_together(&actors, reason);
            self.pass().await;
        });
        OpResult::Ok
    }

    fn list(&self) -> Vec<ChildLine> {
        let children = self.tokio.block_on(self.handle.which_children()).unwrap_or_default();
        let line = |view: &theater_supervisor::ChildView| ChildLine {
            id: view.id.as_ref().and_then(|id| id.parse().ok()).expect("ids are numbers"),
            state: match view.state {
                ChildState::Running => State::Running,
                ChildState::Restarting => State::Restarting,
                _ => State::Undefined,
            },
            child_type: view.child_spec.child_type.into(),
        };
        children.iter().rev().map(line).collect()
    }

    /// What has happened to children since the last time.
    fn events(&mut self) -> Vec<Event> {
        let log = self.mock.log();
        let mut events = Vec::new();
        for entry in &log.entries()[self.told..] {
            match &entry.what {
                What::Begins { id, name, .. } => {
                    let Ok(number) = name.parse() else { continue };
                    self.names.insert(*id, number);
                    let attempts = self.attempts.entry(number).or_default();
                    self.current.insert(*id, *attempts);
                    *attempts += 1;
                }
                What::Started { id, .. } => {
                    events.extend(self.life(id).map(|(number, attempt)| Event::Start(number, attempt)));
                }
                What::StartFailed { id, reason, .. } => {
                    let ignored = matches!(reason, ExitReason::Completed { .. });
                    let outcome = if ignored { Start::Ignore } else { Start::Error };
                    events.extend(
                        self.life(id).map(|(number, attempt)| Event::StartFailed(number, attempt, outcome)),
                    );
                }
                What::Exited { id, reason, .. } => {
                    let exit = match reason {
                        ExitReason::Completed { .. } => Exit::Normal,
                        ExitReason::AutoShutdown { .. } => Exit::ShutdownWith,
                        ExitReason::Killed => Exit::Killed,
                        ExitReason::Trapped { .. } => Exit::Boom,
                        _ => Exit::Shutdown,
                    };
                    events.extend(self.life(id).map(|(number, attempt)| Event::Exit(number, attempt, exit)));
                }
                _ => {}
            }
        }
        self.told = log.len();
        events
    }

    fn life(&self, id: &ActorId) -> Option<(u32, u64)> {
        Some((*self.names.get(id)?, *self.current.get(id)?))
    }

    fn stop(&self) {
        self.tokio.block_on(async {
            let (mock, root) = (self.mock.clone(), self.root);
            let stop =
                tokio::spawn(async move { mock.stop(Authority::Operator, root, StopMode::Infinity).await });
            self.mock.advance(10 * LONG).await.unwrap();
            stop.await.unwrap().unwrap();
        });
    }
}

fn result(verdict: Verdict, starts: bool) -> OpResult {
    match verdict {
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

impl Player for DriverPlayer {
    fn init(&mut self, children: &[ChildPlan]) -> (InitOutcome, Vec<Event>) {
        for plan in children {
            if result(self.start(plan), true) == OpResult::StartError {
                self.stop();
                return (InitOutcome::FailedToStartChild(plan.id), self.events());
            }
        }
        (InitOutcome::Ok, self.events())
    }

    fn step(&mut self, op: &Op) -> Step {
        if !self.is_alive() {
            return Step::after_the_end(op);
        }
        let handle = self.handle.clone();
        let result = match op {
            Op::Crash(id, exit) => self.crash(&[*id], *exit),
            Op::CrashBoth(one, other) => self.crash(&[*one, *other], Exit::Boom),
            Op::StartChild(plan) => result(self.start(plan), true),
            Op::TerminateChild(id) => {
                let id = id.to_string();
                result(self.call(async move { handle.terminate_child(&*id).await }), false)
            }
            Op::RestartChild(id) => {
                let id = id.to_string();
                result(self.call(async move { handle.restart_child(&*id).await }), true)
            }
            Op::DeleteChild(id) => {
                let id = id.to_string();
                result(self.call(async move { handle.delete_child(&*id).await }), false)
            }
            Op::StopSupervisor => {
                self.stop();
                OpResult::Shutdown
            }
        };
        let alive = self.is_alive();
        let children = if alive { self.list() } else { Vec::new() };
        let counts = self.tokio.block_on(self.handle.count_children());
        let counts = counts.ok().filter(|_| alive);
        let counts = counts.map(|it| vec![it.specs, it.active, it.supervisors, it.workers]);
        Step {
            op: op.clone(),
            result,
            events: self.events(),
            alive,
            exit_reason: (!alive && *op != Op::StopSupervisor).then(|| "shutdown".to_owned()),
            children,
            counts: counts.unwrap_or_default(),
        }
    }

    fn is_alive(&self) -> bool {
        self.mock.tree().find(self.root).is_some_and(|node| !node.info.status.is_ended())
    }
}

/// Up to the first two deaths at once: what a start that is under way then comes to is a race in the driver, which hears of
/// both deaths first, and none in OTP's one process.
fn agrees(scenario: &Scenario) -> Result<(), otp::Disagreement> {
    let races = scenario.steps.iter().position(|step| matches!(step.op, Op::CrashBoth(..)));
    let steps = scenario.steps[..races.unwrap_or(scenario.steps.len())].to_vec();
    let scenario = &Scenario { steps, ..scenario.clone() };
    otp::agree(scenario, &otp::play(DriverPlayer::new(&scenario.flags), scenario))
}

#[test]
fn the_recorded_scenarios_go_the_same_way_through_the_driver() {
    for scenario in otp::parse(otp::GOLDEN).unwrap() {
        agrees(&scenario).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

/// Every restart of the group waits out the grace of two stubborn children, and four of them fail.
#[test]
fn a_crash_whose_restarts_take_longer_than_any_one_grace_goes_the_same_way_through_the_driver() {
    let child = |id, plan: &[Start], stubborn| ChildPlan {
        id,
        restart: otp::Restart::Permanent,
        shutdown: otp::Shutdown::After(5_000),
        child_type: otp::ChildType::Worker,
        significant: false,
        plan: plan.to_vec(),
        stubborn,
    };
    let late = child(4, &[Start::Ignore, Start::Error, Start::Error, Start::Error], false);
    let ops = [Op::StartChild(late), Op::Crash(2, Exit::Boom)];
    let scenario = Scenario {
        n: 0,
        flags: Flags {
            strategy: otp::Strategy::OneForAll,
            intensity: 5,
            period: 3_600,
            auto_shutdown: otp::AutoShutdown::Never,
        },
        children: vec![
            child(1, &[Start::Ok], true),
            child(2, &[Start::Ok], false),
            child(3, &[Start::Ok, Start::Error], true),
        ],
        init: InitOutcome::Ok,
        init_events: Vec::new(),
        steps: ops.iter().map(Step::after_the_end).collect(),
    };
    let scenario = otp::model(&scenario, None);
    assert_eq!(scenario.steps.len(), 2);
    agrees(&scenario).unwrap_or_else(|difference| panic!("{difference}"));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_scenarios_go_the_same_way_through_the_driver(scenario in otp::strategy::scenarios()) {
        agrees(&scenario)?;
    }
}
