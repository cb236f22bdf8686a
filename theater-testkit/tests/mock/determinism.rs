//! The same run twice, and other runs by other schedules.

use std::collections::BTreeSet;

use proptest::prelude::{Just, ProptestConfig, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::{Strategy as Generate, ValueTree};
use proptest::test_runner::TestRunner;
use theater_testkit::strategy;
use theater_testkit::system::{SystemRun, SystemSetup, run};

use theater_core::Strategy;
use theater_testkit::Schedule;

use super::rules;

/// Everything that a run has to say, as bytes.
fn bytes(run: &SystemRun) -> Vec<u8> {
    let mut text = run.log.to_string();
    text.push_str(&run.tree.to_string());
    let mut bytes = text.into_bytes();
    for event in run.chains.iter().flat_map(|(_, events)| events) {
        bytes.extend_from_slice(&event.hash.0);
        bytes.extend_from_slice(&event.payload);
    }
    bytes
}

fn schedule() -> impl Generate<Value = Schedule> {
    prop_oneof![
        Just(Schedule::Fifo),
        strategy::seed().prop_map(Schedule::Random),
        strategy::schedule_choices().prop_map(Schedule::Choices),
    ]
}

fn setup() -> impl Generate<Value = SystemSetup> {
    let parts = (strategy::supervision_spec(), strategy::fault_plan(), schedule(), strategy::seed());
    parts.prop_map(|(supervision, faults, schedule, seed)| {
        let mut setup = SystemSetup::new(supervision);
        (setup.faults, setup.schedule, setup.seed) = (faults, schedule, seed);
        setup
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn the_same_seed_and_commands_give_the_same_log_and_chains_byte_for_byte(
        setup in setup(),
        commands in strategy::commands(0..30),
    ) {
        let (one, two) = (run(&setup, &commands)?, run(&setup, &commands)?);
        prop_assert_eq!(bytes(&one), bytes(&two));
    }

    #[test]
    fn every_system_comes_to_rest(setup in setup(), commands in strategy::commands(0..40)) {
        run(&setup, &commands)?;
    }
}

#[test]
fn schedules_lead_to_different_runs() {
    let mut runner = TestRunner::deterministic();
    let commands = strategy::commands(15..30);
    let commands: Vec<_> = (0..20).map(|_| commands.new_tree(&mut runner).unwrap().current()).collect();
    let mut differing = 0;
    for commands in &commands {
        let mut seen = BTreeSet::new();
        for seed in 0..6 {
            let mut setup = SystemSetup::new(rules(Strategy::OneForOne));
            setup.schedule = Schedule::Random(seed);
            seen.insert(bytes(&run(&setup, commands).unwrap()));
        }
        differing += usize::from(seen.len() > 1);
    }
    assert!(differing >= 10, "only {differing} of 20 cases depend on the schedule");
}

#[test]
fn choices_that_are_all_zero_are_first_in_first_out() {
    let mut runner = TestRunner::deterministic();
    let commands = strategy::commands(10..20).new_tree(&mut runner).unwrap().current();
    let run_by = |schedule| {
        let mut setup = SystemSetup::new(rules(Strategy::RestForOne));
        setup.schedule = schedule;
        run(&setup, &commands).unwrap().tree.to_string()
    };
    assert_eq!(run_by(Schedule::Choices(vec![0; 10_000])), run_by(Schedule::Choices(Vec::new())));
}
