//! The random scenarios are worth something only if they come to the interesting places, and often.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use theater_testkit::otp::{self, Event, InitOutcome, Op, OpResult, Scenario, Start, State};

const SCENARIOS: usize = 3_000;

fn name(op: &Op) -> &'static str {
    match op {
        Op::Crash(..) => "crash",
        Op::CrashBoth(..) => "crash_both",
        Op::StartChild(_) => "start_child",
        Op::TerminateChild(_) => "terminate_child",
        Op::RestartChild(_) => "restart_child",
        Op::DeleteChild(_) => "delete_child",
        Op::StopSupervisor => "stop_supervisor",
    }
}

/// What comes up in a scenario.
fn labels(scenario: &Scenario) -> Vec<String> {
    let mut labels = Vec::new();
    let flags = &scenario.flags;
    if scenario.init != InitOutcome::Ok {
        labels.push("init failed".to_owned());
    }
    // The latest spec of each id: it may have been deleted and started otherwise.
    let mut specs: BTreeMap<_, _> = scenario.children.iter().map(|child| (child.id, child)).collect();
    for step in &scenario.steps {
        labels.push(format!("{} {:?}", name(&step.op), step.result));
        match &step.op {
            Op::StartChild(spec) if step.result == OpResult::Ok => {
                specs.insert(spec.id, spec);
            }
            Op::Crash(id, exit) => {
                let Some(spec) = specs.get(id) else { continue };
                labels.push(format!("{:?} {:?} {exit:?}", flags.strategy, spec.restart));
                if spec.significant {
                    labels.push(format!("{:?} {:?} significant", flags.auto_shutdown, spec.restart));
                }
            }
            _ => {}
        }
        let starts = step.events.iter().filter(|event| matches!(event, Event::Start(..))).count();
        if starts > 1 {
            labels.push(format!("{:?} starts several", flags.strategy));
        }
        for event in &step.events {
            if let Event::StartFailed(_, _, how) = event {
                labels.push(format!("{:?} {} {how:?}", flags.strategy, name(&step.op)));
            }
        }
        if !step.alive {
            labels.push(format!("ends by {}", name(&step.op)));
        }
    }
    labels
}

/// Every label that has to come up.
fn demanded() -> Vec<String> {
    let mut demanded: Vec<_> = [
        "init failed",
        "crash Ok",
        "crash_both Ok",
        "stop_supervisor Shutdown",
        "ends by crash",
        "ends by crash_both",
        "OneForAll starts several",
        "RestForOne starts several",
        "AnySignificant Transient significant",
        "AnySignificant Temporary significant",
        "AllSignificant Transient significant",
        "AllSignificant Temporary significant",
    ]
    .map(str::to_owned)
    .into();
    let answers: [(&str, &[OpResult]); 4] = [
        (
            "start_child",
            &[
                OpResult::Ok,
                OpResult::OkIgnored,
                OpResult::StartError,
                OpResult::AlreadyStarted,
                OpResult::AlreadyPresent,
            ],
        ),
        ("terminate_child", &[OpResult::Ok, OpResult::NotFound]),
        (
            "restart_child",
            &[OpResult::Ok, OpResult::OkIgnored, OpResult::StartError, OpResult::Running, OpResult::NotFound],
        ),
        ("delete_child", &[OpResult::Ok, OpResult::Running, OpResult::NotFound]),
    ];
    for (op, results) in answers {
        demanded.extend(results.iter().map(|result| format!("{op} {result:?}")));
    }
    for strategy in ["OneForOne", "OneForAll", "RestForOne"] {
        for restart in ["Permanent", "Transient", "Temporary"] {
            for exit in ["Normal", "Shutdown", "ShutdownWith", "Killed", "Boom"] {
                demanded.push(format!("{strategy} {restart} {exit}"));
            }
        }
        for how in [Start::Error, Start::Ignore] {
            for op in ["crash", "crash_both", "start_child", "restart_child"] {
                demanded.push(format!("{strategy} {op} {how:?}"));
            }
        }
    }
    demanded
}

fn random_scenarios() -> Vec<Scenario> {
    let mut runner = TestRunner::deterministic();
    let strategy = otp::strategy::scenarios();
    let scenario = |_| strategy.new_tree(&mut runner).expect("nothing is rejected").current();
    (0..SCENARIOS).map(scenario).collect()
}

#[test]
fn random_scenarios_reach_every_answer_and_every_kind_of_exit() {
    let mut counts: BTreeMap<_, usize> = demanded().into_iter().map(|label| (label, 0)).collect();
    for label in random_scenarios().iter().flat_map(labels) {
        if let Some(count) = counts.get_mut(&label) {
            *count += 1;
        }
    }
    for (label, count) in &counts {
        println!("{count:6} {label}");
    }
    counts.retain(|_, count| *count < 20);
    assert!(counts.is_empty(), "starved, of {SCENARIOS} scenarios: {counts:?}");
}

#[test]
fn no_scenario_asks_for_what_otp_refuses_or_never_ends() {
    for scenario in random_scenarios() {
        let started = scenario.steps.iter().filter_map(|step| match &step.op {
            Op::StartChild(spec) => Some(spec),
            _ => None,
        });
        for spec in scenario.children.iter().chain(started) {
            assert!(!spec.significant || spec.restart != otp::Restart::Permanent, "{spec:?}");
            assert!(
                !spec.significant || scenario.flags.auto_shutdown != otp::AutoShutdown::Never,
                "{spec:?}"
            );
            assert!(!spec.stubborn || spec.shutdown != otp::Shutdown::Infinity, "{spec:?}");
        }
        // Each step is taken when the supervisor has come to rest: nothing waits for a retry.
        let lines = scenario.steps.iter().flat_map(|step| &step.children);
        assert!(lines.into_iter().all(|line| line.state != State::Restarting));
    }
}
