//! Time to the millisecond, and memory over a long time.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorId, Backoff, ChildSpec, ExitReason, Incarnation, RestartPolicy, Strategy, SupervisionSpec,
};
use theater_supervisor::{Action, By, CallId, ChildKey, Decision, Input, Machine, Request, Target, Tick};

const PERIOD: u64 = 1_000;

const STRATEGIES: [Strategy; 4] =
    [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::SimpleOneForOne];

/// A machine and the runtime that it needs, which does everything at once and well.
#[derive(Debug)]
struct Bench {
    machine: Machine,
    now: u64,
    actors: u64,
    calls: u64,
    lives: std::collections::BTreeMap<ActorId, u64>,
    /// What the machine decided, in order.
    decisions: Vec<Decision>,
    retries: Vec<(ChildKey, u32)>,
    restart: RestartPolicy,
}

impl Bench {
    fn new(spec: SupervisionSpec, restart: RestartPolicy) -> Self {
        Self {
            machine: Machine::new(spec),
            now: 10_000,
            actors: 0,
            calls: 0,
            lives: std::collections::BTreeMap::new(),
            decisions: Vec::new(),
            retries: Vec::new(),
            restart,
        }
    }

    fn step(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.step(Tick(self.now), input, &mut actions);
        for action in actions {
            match action {
                Action::Start { child, .. } => {
                    self.actors += 1;
                    let id = ActorId::from_parts(self.actors, [0; 10]);
                    self.started(child, id);
                }
                Action::Restart { child, id, .. } => self.started(child, id),
                Action::Stop { child, id, .. } => {
                    self.end_life(id, ExitReason::Stopped);
                    self.step(Input::StopEnded { child, error: None });
                }
                Action::Report(report) => self.decisions.push(report.decision),
                Action::RetryLater { child, attempt, .. } => self.retries.push((child, attempt)),
                _ => {}
            }
        }
    }

    fn started(&mut self, child: ChildKey, id: ActorId) {
        let life = self.lives.entry(id).or_default();
        *life += 1;
        let (incarnation, child_spec) = (Incarnation(*life), ChildSpec::new(self.restart));
        self.step(Input::Started { child, id, incarnation, child_spec });
    }

    fn call(&mut self, request: Request) {
        self.calls += 1;
        self.step(Input::Call { call: CallId(self.calls), by: By::Guest, request });
    }

    /// Starts a child; its actor.
    fn start(&mut self, id: Option<Arc<str>>) -> ActorId {
        self.call(Request::Start { id, child_spec: None });
        ActorId::from_parts(self.actors, [0; 10])
    }

    fn end_life(&mut self, id: ActorId, reason: ExitReason) {
        let incarnation = Incarnation(self.lives[&id]);
        self.step(Input::Exited { id, incarnation, reason: Arc::new(reason), progressed: None });
    }

    fn crash(&mut self, id: ActorId) {
        self.end_life(id, ExitReason::OutOfMemory { limit: 1 });
    }

    fn retry(&mut self) {
        let (child, attempt) = self.retries.pop().expect("a restart waits");
        self.step(Input::Retry { child, attempt });
    }
}

#[test]
fn the_window_closes_one_millisecond_after_the_period() {
    for strategy in STRATEGIES {
        for (gap, restarts) in [(PERIOD - 1, false), (PERIOD, false), (PERIOD + 1, true)] {
            let spec = SupervisionSpec::new(1, Duration::from_millis(PERIOD)).with_strategy(strategy);
            let mut bench = Bench::new(spec, RestartPolicy::Permanent);
            let child = bench.start(None);
            bench.crash(child);
            bench.now += gap;
            bench.crash(child);
            let last = bench.decisions.last().expect("a decision about each crash");
            let restarted = matches!(last, Decision::Restart { count: 1, .. });
            assert_eq!(restarted, restarts, "{strategy:?}, {gap} ms: {last:?}");
            assert_eq!(bench.machine.is_finished(), !restarts, "{strategy:?}, {gap} ms");
        }
    }
}

#[test]
fn a_row_of_waits_ends_with_a_life_as_long_as_reset_after_and_no_shorter() {
    for strategy in STRATEGIES {
        for (lasted, expected) in [(149, 200), (150, 100), (151, 100)] {
            let mut spec = SupervisionSpec::new(1_000, Duration::from_millis(PERIOD)).with_strategy(strategy);
            let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(200));
            assert_eq!(backoff.reset_after, Duration::from_millis(150));
            spec.backoff = Some(backoff);
            let mut bench = Bench::new(spec, RestartPolicy::Permanent);
            let child = bench.start(None);
            bench.crash(child);
            bench.retry();
            bench.now += lasted;
            bench.crash(child);
            let last = bench.decisions.last();
            assert_eq!(last, Some(&Decision::Wait { delay_ms: expected }), "{strategy:?}, {lasted} ms");
        }
    }
}

#[test]
fn restarts_just_outside_the_window_go_on_for_ever_and_just_inside_end_it() {
    for (gap, survives) in [(PERIOD / 2 + 1, true), (PERIOD / 2, false)] {
        let mut bench =
            Bench::new(SupervisionSpec::new(2, Duration::from_millis(PERIOD)), RestartPolicy::Permanent);
        let child = bench.start(None);
        for _ in 0..1_000 {
            if bench.machine.is_finished() {
                break;
            }
            bench.crash(child);
            bench.now += gap;
        }
        assert_eq!(!bench.machine.is_finished(), survives, "a crash every {gap} ms");
    }
}

#[test]
fn a_machine_whose_children_are_gone_holds_as_much_as_before() {
    for strategy in STRATEGIES {
        let spec = SupervisionSpec::new(1, Duration::from_millis(PERIOD)).with_strategy(strategy);
        let mut bench = Bench::new(spec, RestartPolicy::Temporary);
        let round = |bench: &mut Bench| {
            let crashes = bench.start(None);
            let ends = bench.start(Some("named".into()));
            bench.crash(crashes);
            bench.end_life(ends, ExitReason::Completed { data: None });
            let stopped = bench.start(Some("stopped".into()));
            let info =
                theater_core::ActorInfo::new(stopped, None, "child", theater_core::ActorStatus::Running)
                    .with_child_spec(ChildSpec::new(RestartPolicy::Temporary));
            bench.call(Request::Terminate(Target::Actor(info)));
            assert_eq!(bench.machine.count_children().specs, 0, "{strategy:?}");
            assert!(bench.machine.which_children().is_empty(), "{strategy:?}");
            bench.decisions.clear();
            // Everything that it keeps is in its debug text.
            format!("{:?}", bench.machine).len()
        };
        let first = round(&mut bench);
        let last = (0..1_000).map(|_| round(&mut bench)).last().expect("there were rounds");
        // Numbers have grown, and what they count has not.
        assert!(last < first + 100, "{strategy:?}: {first} then {last}");
    }
}
