//! The invariants: they hold in random runs, and each is broken by logs that show the contrary.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "invariants/broken.rs"]
mod broken;
#[path = "invariants/refinement.rs"]
mod refinement;

use proptest::prelude::{Just, ProptestConfig, TestCaseError, prop_oneof, proptest};
use proptest::strategy::Strategy as Generate;
use theater_testkit::system::{SystemSetup, run};
use theater_testkit::{Log, Schedule, check_invariants, strategy};

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
