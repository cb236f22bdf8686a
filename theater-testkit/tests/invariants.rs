//! The invariants: they hold in random runs, and each is broken by logs that show the contrary.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "invariants/broken.rs"]
mod broken;
#[path = "invariants/refinement.rs"]
mod refinement;

use std::time::Duration;

use proptest::prelude::{Just, ProptestConfig, TestCaseError, prop_oneof, proptest};
use proptest::strategy::Strategy as Generate;
use theater_core::{Strategy, SupervisionSpec};
use theater_testkit::fault::{FaultKind, FaultSpec, Operation, When};
use theater_testkit::log::What;
use theater_testkit::strategy::{Cmd, Target};
use theater_testkit::system::{SystemSetup, run};
use theater_testkit::{Log, Program, Schedule, check_invariants, crash, strategy};

fn schedule() -> impl Generate<Value = Schedule> {
    prop_oneof![
        Just(Schedule::Fifo),
        strategy::seed().prop_map(Schedule::Random),
        strategy::schedule_choices().prop_map(Schedule::Choices),
    ]
}

fn config() -> ProptestConfig {
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if given { ProptestConfig::default().cases } else { 600 };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A failure shows the part that breaks the invariant, and the whole log for whoever wants to know why.
fn holds(log: &Log) -> Result<(), TestCaseError> {
    check_invariants(log)
        .map_err(|violation| TestCaseError::fail(format!("{violation}\nthe whole log:\n{log}")))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_hold_in_random_runs_without_faults(
        supervision in strategy::supervision_spec(),
        schedule in schedule(),
        seed in strategy::seed(),
        commands in strategy::commands(0..40),
    ) {
        let mut setup = SystemSetup::new(supervision);
        (setup.schedule, setup.seed) = (schedule, seed);
        holds(&run(&setup, &commands)?.log)?;
    }

    #[test]
    fn those_that_survive_faults_hold_in_random_runs_with_faults(
        supervision in strategy::supervision_spec(),
        faults in strategy::fault_plan(),
        schedule in schedule(),
        commands in strategy::commands(0..40),
    ) {
        let mut setup = SystemSetup::new(supervision);
        (setup.schedule, setup.faults) = (schedule, faults);
        holds(&run(&setup, &commands)?.log)?;
    }
}

/// While a slow record keeps the supervisor from answering, a list and calls that change the children queue up: what they
/// change and change back must not come between the list and the counts.
#[test]
fn a_list_and_its_counts_are_of_one_moment_also_with_calls_right_behind() {
    let rules = SupervisionSpec::new(3, Duration::from_secs(1)).with_strategy(Strategy::OneForOne);
    let slow = FaultSpec { operation: Operation::Record, when: When::From(1), kind: FaultKind::Delay(10) };
    let child = || Cmd::Start(Box::new(Program::read("transient")));
    let commands = [
        child(),
        child(),
        Cmd::Advance(Duration::from_secs(1)),
        Cmd::Terminate(Target::FIRST),
        Cmd::Advance(Duration::from_secs(1)),
        Cmd::Crash(Target::LAST, crash()),
        Cmd::List,
        Cmd::Terminate(Target::FIRST),
        Cmd::Restart(Target::FIRST),
        Cmd::Terminate(Target::FIRST),
        Cmd::Advance(Duration::from_secs(1)),
    ];
    for seed in 0..200 {
        let mut setup = SystemSetup::new(rules);
        (setup.schedule, setup.faults) = (Schedule::Random(seed), vec![slow]);
        let log = run(&setup, &commands).unwrap().log;
        let listed = |what: &What| matches!(what, What::Listed { .. });
        assert!(log.entries().iter().any(|entry| listed(&entry.what)), "seed {seed} lists nothing:\n{log}");
        check_invariants(&log).unwrap_or_else(|violation| panic!("seed {seed}: {violation}\n{log}"));
    }
}
