//! The machine against OTP's supervisor: as recorded, and as a model that was written independently says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use theater_testkit::otp::{self, Mutation, Scenario};

/// How many random scenarios are tried, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 10_000;

fn recorded() -> Vec<Scenario> {
    otp::parse(otp::GOLDEN).expect("the recordings are well-formed")
}

/// How many of these scenarios go otherwise by each wrong variant of the rules.
fn noticed(scenarios: &[Scenario]) -> BTreeMap<Mutation, usize> {
    let differs =
        |scenario: &&Scenario, mutation| otp::agree(scenario, &otp::model(scenario, Some(mutation))).is_err();
    let count = |mutation| scenarios.iter().filter(|scenario| differs(scenario, mutation)).count();
    Mutation::ALL.into_iter().map(|mutation| (mutation, count(mutation))).collect()
}

/// Fails if one is noticed by fewer than `least`.
fn demand(noticed: &BTreeMap<Mutation, usize>, scenarios: usize, least: usize) {
    for (mutation, count) in noticed {
        println!("{mutation:50} noticed by {count} of {scenarios}");
    }
    let survivors: Vec<_> = noticed.iter().filter(|(_, count)| **count < least).collect();
    assert!(survivors.is_empty(), "noticed by fewer than {least} of {scenarios}: {survivors:?}");
}

#[test]
fn every_recorded_scenario_goes_the_same_way_on_the_machine() {
    let recorded = recorded();
    assert_eq!(recorded.len(), 22);
    for scenario in recorded {
        otp::agree(&scenario, &otp::record(&scenario)).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

#[test]
fn every_recorded_scenario_goes_the_same_way_by_the_model() {
    for scenario in recorded() {
        otp::agree(&scenario, &otp::model(&scenario, None))
            .unwrap_or_else(|difference| panic!("{difference}"));
    }
}

#[test]
fn the_recorded_scenarios_notice_each_wrong_variant_of_the_rules() {
    let recorded = recorded();
    // They were chosen for five with other wrong variants of the same names.
    demand(&noticed(&recorded), recorded.len(), 4);
}

#[test]
fn random_scenarios_notice_each_wrong_variant_of_the_rules() {
    let mut runner = TestRunner::deterministic();
    let strategy = otp::strategy::scenarios();
    let scenario = |_| strategy.new_tree(&mut runner).expect("nothing is rejected").current();
    let scenarios: Vec<_> = (0..1_500).map(scenario).collect();
    demand(&noticed(&scenarios), scenarios.len(), 10);
}

proptest! {
    // A failure shows its scenario, which makes a better test of its own than a file of seeds.
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { CASES },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_scenarios_go_the_same_way_on_the_machine_and_by_the_model(scenario in otp::strategy::scenarios()) {
        if let Err(difference) = otp::agree(&scenario, &otp::record(&scenario)) {
            return Err(TestCaseError::fail(difference.to_string()));
        }
    }
}
