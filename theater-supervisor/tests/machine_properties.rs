//! Properties of the machine under random calls, crashes, failures and orders of events.
//!
//! A small runtime keeps the truth about lives. It performs what the machine asks for later, in any order, and
//! what it tells comes even later: exits of one child in their order, everything else in none. So every race that
//! a real runtime can produce comes up, and many that it cannot.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, ChildSpec, ExitReason, Incarnation, RestartPolicy,
    SupervisionSpec,
};
use theater_supervisor::{
    Action, CallId, ChildKey, Decision, Input, Machine, Outcome, Request, SupervisionReport, Tick, restarts,
};

const PERIOD: u64 = 1_000;

#[derive(Debug, Clone)]
enum Command {
    Start,
    Restart(usize),
    Stop(usize),
    /// A life ends by itself. The machine hears of it later.
    Crash(usize, ExitReason),
    Advance(u64),
    /// The runtime performs one of the operations that were asked for.
    Perform(usize, Performance),
    /// The machine is told one thing.
    Tell(usize),
    /// The machine is told an exit again.
    TellAgain(usize),
    Retry(usize),
    Shutdown,
}

/// How an operation goes.
#[derive(Debug, Clone, Copy)]
struct Performance {
    fails: bool,
    policy: RestartPolicy,
}

#[derive(Debug)]
enum Operation {
    Start { key: ChildKey },
    Restart { key: ChildKey, id: ActorId },
    Stop { key: ChildKey, id: ActorId },
}

/// The truth about one child.
#[derive(Debug)]
struct Child {
    policy: RestartPolicy,
    incarnation: u64,
    /// `None` while it lives.
    ended: Option<ExitReason>,
}

/// What the machine has been told about one child.
#[derive(Debug, Default)]
struct View {
    incarnation: u64,
    lives: bool,
    /// Whether an operation that the machine has asked for has not been answered.
    under_way: bool,
    /// Whether that is a stop because the supervisor ends.
    ends: bool,
}

#[derive(Debug)]
struct World {
    machine: Machine,
    intensity: u32,
    now: u64,
    children: BTreeMap<ActorId, Child>,
    /// In the order in which the guest got to know them.
    known: Vec<ActorId>,
    views: BTreeMap<ActorId, View>,
    operations: Vec<Operation>,
    under_way: BTreeSet<ChildKey>,
    keys: BTreeMap<ChildKey, ActorId>,
    answers: Vec<Input>,
    exits: BTreeMap<ActorId, VecDeque<Input>>,
    told: Vec<Input>,
    retries: Vec<ChildKey>,
    replies: BTreeMap<u64, u32>,
    attempts: Vec<u64>,
    ending: bool,
    last_stopped: Option<ChildKey>,
    finished: Option<Outcome>,
    /// Everything that the machine has done, to compare two runs.
    log: Vec<String>,
}

impl World {
    fn new(intensity: u32) -> Self {
        let spec = SupervisionSpec::new(intensity, Duration::from_millis(PERIOD));
        Self {
            machine: Machine::new(spec),
            intensity,
            now: 5_000,
            children: BTreeMap::new(),
            known: Vec::new(),
            views: BTreeMap::new(),
            operations: Vec::new(),
            under_way: BTreeSet::new(),
            keys: BTreeMap::new(),
            answers: Vec::new(),
            exits: BTreeMap::new(),
            told: Vec::new(),
            retries: Vec::new(),
            replies: BTreeMap::new(),
            attempts: Vec::new(),
            ending: false,
            last_stopped: None,
            finished: None,
            log: Vec::new(),
        }
    }

    fn run(&mut self, command: Command) {
        match command {
            Command::Start => self.call(Request::Start),
            Command::Restart(n) => {
                if let Some(info) = self.pick(n) {
                    self.call(Request::Restart(info));
                }
            }
            Command::Stop(n) => {
                if let Some(info) = self.pick(n) {
                    self.call(Request::Stop(info));
                }
            }
            Command::Crash(n, reason) => {
                let living = self.children.iter().filter(|(_, child)| child.ended.is_none());
                let living: Vec<_> = living.map(|(id, _)| *id).collect();
                if let Some(id) = living.get(n % living.len().max(1)) {
                    self.end_life(*id, reason);
                }
            }
            Command::Advance(by) => self.now += by,
            Command::Perform(n, performance) => self.perform(n, performance),
            Command::Tell(n) => self.tell(n),
            Command::TellAgain(n) => {
                if let Some(input) = self.told.get(n % self.told.len().max(1)) {
                    let actions = self.step(input.clone());
                    // A child that was forgotten is a stranger: its end is news again, but nobody's rule.
                    let news = |action: &Action| matches!(action, Action::Notify(_));
                    assert!(actions.iter().all(news), "an exit that was told again led to {actions:?}");
                }
            }
            Command::Retry(n) => {
                if !self.retries.is_empty() {
                    let child = self.retries.remove(n % self.retries.len());
                    self.step(Input::Retry { child });
                }
            }
            Command::Shutdown => {
                self.ending = true;
                self.step(Input::Shutdown);
            }
        }
    }

    fn pick(&self, n: usize) -> Option<ActorInfo> {
        self.known.get(n % self.known.len().max(1)).map(|id| self.info(*id))
    }

    fn info(&self, id: ActorId) -> ActorInfo {
        let child = &self.children[&id];
        let status = child.ended.clone().map_or(ActorStatus::Running, ActorStatus::Ended);
        ActorInfo::new(id, None, "child", status)
            .with_incarnation(Incarnation(child.incarnation))
            .with_child_spec(ChildSpec::new(child.policy))
    }

    fn call(&mut self, request: Request) {
        let call = self.replies.len() as u64 + 1;
        self.replies.insert(call, 0);
        self.step(Input::Call { call: CallId(call), request });
    }

    fn end_life(&mut self, id: ActorId, reason: ExitReason) {
        let Some(child) = self.children.get_mut(&id).filter(|child| child.ended.is_none()) else { return };
        child.ended = Some(reason.clone());
        let exit = Input::Exited { id, incarnation: Incarnation(child.incarnation), reason };
        self.exits.entry(id).or_default().push_back(exit);
    }

    fn perform(&mut self, n: usize, performance: Performance) {
        if self.operations.is_empty() {
            return;
        }
        let failed = || ActorError::StartFailed { reason: ExitReason::InitFailed { error: "no".into() } };
        match self.operations.remove(n % self.operations.len()) {
            Operation::Start { key } if performance.fails => {
                self.answers.push(Input::StartFailed { child: key, error: failed() });
            }
            Operation::Start { key } => {
                let id = ActorId::from_parts(self.children.len() as u64 + 1, [0; 10]);
                self.children.insert(id, Child { policy: performance.policy, incarnation: 1, ended: None });
                self.answers.push(Input::Started { child: key, info: self.info(id) });
            }
            Operation::Restart { key, id } => {
                self.end_life(id, ExitReason::Stopped);
                let child = self.children.get_mut(&id).expect("the machine names children that it was told");
                // A life whose start fails counts, and its end is told by nothing but the answer.
                child.incarnation += 1;
                if performance.fails {
                    child.ended = Some(ExitReason::StartFailed { error: "no".into() });
                    self.answers.push(Input::StartFailed { child: key, error: failed() });
                } else {
                    child.ended = None;
                    self.answers.push(Input::Started { child: key, info: self.info(id) });
                }
            }
            // Told at once: a refusal from before the supervisor began to end says nothing about the time after.
            Operation::Stop { key, .. } if performance.fails && !self.ending => {
                let error = Some(ActorError::Unsupported { operation: "stop" });
                self.answer(Input::StopEnded { child: key, error });
            }
            Operation::Stop { key, id } => {
                self.end_life(id, ExitReason::Stopped);
                self.answers.push(Input::StopEnded { child: key, error: None });
            }
        }
    }

    /// Tells the machine the n-th of all that can be told now.
    fn tell(&mut self, n: usize) {
        self.exits.retain(|_, exits| !exits.is_empty());
        let count = self.answers.len() + self.exits.len();
        if count == 0 {
            return;
        }
        let n = n % count;
        if n < self.answers.len() {
            let answer = self.answers.remove(n);
            self.answer(answer);
        } else {
            let (id, exits) = self.exits.iter_mut().nth(n - self.answers.len()).expect("counted");
            let (id, exit) = (*id, exits.pop_front().expect("those without were removed"));
            self.exit(id, exit);
        }
    }

    fn answer(&mut self, input: Input) {
        let key = match &input {
            Input::Started { child, info } => {
                if !self.known.contains(&info.id) {
                    self.known.push(info.id);
                }
                self.keys.insert(*child, info.id);
                *child
            }
            Input::StartFailed { child, .. } | Input::StopEnded { child, .. } => *child,
            other => panic!("not an answer: {other:?}"),
        };
        assert!(self.under_way.remove(&key), "answered twice");
        if let Some(id) = self.keys.get(&key) {
            let view = self.views.entry(*id).or_default();
            view.under_way = false;
            match &input {
                Input::Started { info, .. } => (view.incarnation, view.lives) = (info.incarnation.0, true),
                Input::StartFailed { .. } | Input::StopEnded { error: None, .. } => view.lives = false,
                _ => {}
            }
        }
        self.step(input);
    }

    fn exit(&mut self, id: ActorId, input: Input) {
        let Input::Exited { incarnation, reason, .. } = &input else { panic!("not an exit: {input:?}") };
        let (incarnation, reason) = (incarnation.0, reason.clone());
        self.told.push(input.clone());
        let policy = self.children[&id].policy;
        let view = self.views.entry(id).or_default();
        // The rule is to be followed: the machine knows that this life runs, and nothing is being done with the child.
        let news = view.lives && view.incarnation == incarnation && !view.under_way && !self.ending;
        if view.incarnation == incarnation {
            view.lives = false;
        }
        let actions = self.step(input);
        if news {
            let tried = actions.iter().any(|action| {
                matches!(action, Action::Report(SupervisionReport { child, decision, .. })
                    if *child == id && !matches!(decision, Decision::Leave))
            });
            assert_eq!(tried, restarts(policy, &reason), "{policy:?} {reason:?}: {actions:?}");
        }
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        self.machine.step(Tick(self.now), input, &mut actions);
        self.log.push(format!("{actions:?}"));
        for action in &actions {
            self.take(action);
        }
        actions
    }

    fn take(&mut self, action: &Action) {
        if let Action::Reply { call, .. } = action {
            *self.replies.get_mut(&call.0).expect("a call that was made") += 1;
            return;
        }
        assert_eq!(self.finished, None, "{action:?} after the end");
        match action {
            Action::Start { child, .. } => {
                assert!(!self.ending, "a start while the supervisor ends");
                assert!(self.under_way.insert(*child), "two operations on one child");
                self.operations.push(Operation::Start { key: *child });
            }
            Action::Restart { child, id, .. } => {
                assert!(!self.ending, "a restart while the supervisor ends");
                self.begin(*child, *id);
                self.operations.push(Operation::Restart { key: *child, id: *id });
            }
            Action::Stop { child, id, .. } => {
                if self.ending {
                    let before = self.last_stopped.replace(*child);
                    assert!(
                        before.is_none_or(|before| *child < before),
                        "{child:?} stopped after {before:?}"
                    );
                    assert!(
                        !self.views.values().any(|view| view.under_way && view.ends),
                        "two stops at a time"
                    );
                }
                self.begin(*child, *id);
                let ending = self.ending;
                self.views.entry(*id).and_modify(|view| view.ends = ending);
                self.operations.push(Operation::Stop { key: *child, id: *id });
            }
            Action::RetryLater { child } => {
                assert!(!self.ending, "a retry while the supervisor ends");
                self.retries.push(*child);
            }
            Action::Report(report) => self.report(report),
            Action::Finish(outcome) => {
                assert!(self.ending, "the end without a cause");
                assert!(self.under_way.is_empty(), "the end while something is under way");
                let living = self.children.iter().filter(|(_, child)| child.ended.is_none());
                assert_eq!(living.count(), 0, "children that outlive their supervisor");
                self.finished = Some(outcome.clone());
            }
            _ => {}
        }
    }

    fn begin(&mut self, key: ChildKey, id: ActorId) {
        assert!(self.under_way.insert(key), "two operations under one key");
        self.keys.insert(key, id);
        let view = self.views.get_mut(&id).expect("a child that the machine was told");
        assert!(!view.under_way, "two operations on one child");
        view.under_way = true;
    }

    fn report(&mut self, report: &SupervisionReport) {
        if report.decision == Decision::Leave {
            return;
        }
        assert_ne!(self.children[&report.child].policy, RestartPolicy::Temporary, "{report:?}");
        assert!(!self.ending, "{report:?} while the supervisor ends");
        self.attempts.push(self.now);
        let within = self.attempts.iter().filter(|attempt| self.now - **attempt <= PERIOD).count();
        let allowed = usize::try_from(self.intensity).expect("small");
        match report.decision {
            Decision::GiveUp { .. } => {
                self.ending = true;
                assert_eq!(within, allowed + 1, "gave up too early");
            }
            Decision::Restart { count, .. } => {
                assert!(within <= allowed, "{within} restarts within a period, {allowed} are allowed");
                assert_eq!(usize::try_from(count).ok(), Some(within));
            }
            _ => {}
        }
    }

    /// Ends the supervisor, if it has not ended, and answers everything.
    fn end(&mut self) {
        if self.finished.is_none() {
            self.run(Command::Shutdown);
        }
        let succeeds = Performance { fails: false, policy: RestartPolicy::Permanent };
        // Each round gets something done, and no child takes more than a start, a restart and a stop.
        for _ in 0..1_000 {
            self.run(Command::Perform(0, succeeds));
            self.run(Command::Tell(0));
            self.run(Command::Retry(0));
        }
        assert!(self.finished.is_some(), "the supervisor did not end");
        assert!(self.operations.is_empty() && self.answers.is_empty(), "something was never answered");
        self.run(Command::Start);
        self.run(Command::Shutdown);
        for (call, replies) in &self.replies {
            assert_eq!(*replies, 1, "replies to call {call}");
        }
        assert_eq!(self.machine.child_count(), 0);
    }
}

fn policy() -> impl Strategy<Value = RestartPolicy> {
    prop_oneof![
        3 => Just(RestartPolicy::Permanent),
        2 => Just(RestartPolicy::Transient),
        1 => Just(RestartPolicy::Temporary),
    ]
}

fn reason() -> impl Strategy<Value = ExitReason> {
    prop_oneof![
        Just(ExitReason::Completed { data: None }),
        Just(ExitReason::Stopped),
        Just(ExitReason::Killed),
        Just(ExitReason::OutOfMemory { limit: 1 }),
        Just(ExitReason::Trapped { message: "unreachable".into(), backtrace: Vec::new() }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let performance = (prop::bool::weighted(0.2), policy());
    prop_oneof![
        8 => Just(Command::Start),
        4 => any::<usize>().prop_map(Command::Restart),
        4 => any::<usize>().prop_map(Command::Stop),
        10 => (any::<usize>(), reason()).prop_map(|(n, reason)| Command::Crash(n, reason)),
        6 => prop::sample::select(vec![1, PERIOD / 2, PERIOD - 1, PERIOD, PERIOD + 1]).prop_map(Command::Advance),
        16 => (any::<usize>(), performance)
            .prop_map(|(n, (fails, policy))| Command::Perform(n, Performance { fails, policy })),
        24 => any::<usize>().prop_map(Command::Tell),
        2 => any::<usize>().prop_map(Command::TellAgain),
        8 => any::<usize>().prop_map(Command::Retry),
    ]
}

/// Commands, with a shutdown at any point: most of the time at the end.
fn commands() -> impl Strategy<Value = Vec<Command>> {
    (prop::collection::vec(command(), 0..120), any::<usize>(), prop::bool::weighted(0.3)).prop_map(
        |(mut commands, at, early)| {
            if early {
                commands.insert(at % (commands.len() + 1), Command::Shutdown);
            }
            commands
        },
    )
}

fn run(intensity: u32, commands: &[Command]) -> World {
    let mut world = World::new(intensity);
    for command in commands {
        world.run(command.clone());
    }
    world.end();
    world
}

proptest! {
    // A failure shows its commands, which make a better test of their own than a file of seeds.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold_and_the_end_is_orderly(
        intensity in prop::sample::select(vec![0, 1, 2, 5, 1_000]),
        commands in commands(),
    ) {
        run(intensity, &commands);
    }

    #[test]
    fn the_same_inputs_at_the_same_times_give_the_same_actions(
        intensity in 0..6_u32,
        commands in commands(),
    ) {
        prop_assert_eq!(run(intensity, &commands).log, run(intensity, &commands).log);
    }
}

/// The random runs are worth something only if they come to the interesting places.
#[test]
fn the_random_runs_reach_what_they_are_for() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut restarts, mut escalations, mut retries) = (0, 0, 0);
    for _ in 0..200 {
        let commands = commands().new_tree(&mut runner).expect("a strategy without filters").current();
        let world = run(2, &commands);
        restarts += world.attempts.len();
        escalations += usize::from(matches!(world.finished, Some(Outcome::Escalated { .. })));
        retries += world.log.iter().filter(|actions| actions.contains("RetryLater")).count();
    }
    assert!(restarts > 100 && escalations > 10 && retries > 10, "{restarts} {escalations} {retries}");
}
