//! Properties of the machine in a world where everything comes late, in any order, twice, or not at all.
//!
//! Each property is a test of its own over random commands; see `theater_testkit::machine` for what they say exactly. That the
//! checks can fail is a test, too: each machine that a saboteur has broken is noticed.

#[path = "properties/regressions.rs"]
mod regressions;
#[path = "properties/saboteur.rs"]
mod saboteur;
#[path = "properties/time.rs"]
mod time;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use saboteur::{Broken, Fault};
use theater_testkit::machine::{self, Command, Property, Setup, Violation, commands, run, setup};

/// How many commands there are in a case, at most.
const COMMANDS: usize = 150;

/// How many cases each property is tried on, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 1_000;

fn config() -> ProptestConfig {
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if given { ProptestConfig::default().cases } else { CASES };
    // A failure shows its commands, which make a better test of their own than a file of seeds.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn holds(property: Property, setup: &Setup, commands: &[Command]) -> Result<(), TestCaseError> {
    machine::check(&machine::machine, setup, commands, &[property])
        .map_err(|failure| TestCaseError::fail(failure.to_string()))
}

macro_rules! properties {
    ($($name:ident: $property:ident,)*) => {
        proptest! {
            #![proptest_config(config())]
            $(
                #[test]
                fn $name(setup in setup(), commands in commands(0..COMMANDS)) {
                    holds(Property::$property, &setup, &commands)?;
                }
            )*
        }

        #[test]
        fn no_property_is_without_a_test() {
            assert_eq!(Property::ALL, [$(Property::$property),*]);
        }
    };
}

properties! {
    p1_no_child_outlives_its_supervisor_or_lives_without_one: NoOrphan,
    p2_every_end_of_a_life_leads_to_a_decision_and_every_decision_to_what_it_says: NoLostChild,
    p3_no_actor_is_two_children: OneParent,
    p4_ids_are_unique_places_are_kept_and_counts_are_those_of_the_list: Ids,
    p5_one_thing_is_done_with_a_child_at_a_time_and_old_exits_change_nothing: OneIncarnation,
    p6_children_are_stopped_latest_first_as_they_are_to_be_and_none_is_started_at_the_end: StopOrder,
    p7_calls_are_answered_as_otp_answers_them_and_name_lives_that_run: Handles,
    p8_who_is_restarted_is_what_the_table_says: Policy,
    p9_no_window_has_more_restarts_than_allowed_and_none_is_refused_too_early: Intensity,
    p10_waits_stay_within_their_bounds_and_begin_anew_after_a_recovery: Backoff,
    p11_restarts_start_from_where_they_are_to_and_the_guard_counts_right: State,
    every_call_has_one_reply_and_begin_and_end_come_once: Replies,
    the_guest_hears_of_every_end_once_that_it_did_not_ask_for: Notices,
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_same_inputs_at_the_same_times_give_the_same_actions(setup in setup(), commands in commands(0..COMMANDS)) {
        let log = || format!("{:?}", machine::trace(&machine::machine, &setup, &commands));
        prop_assert_eq!(log(), log());
    }
}

fn random_cases(count: usize) -> Vec<(Setup, Vec<Command>)> {
    let mut runner = TestRunner::deterministic();
    let strategy = (setup(), commands(0..COMMANDS));
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("nothing is rejected").current()).collect()
}

#[test]
fn every_broken_machine_is_noticed_by_the_property_that_it_breaks() {
    // Whatever the machine itself does wrong says nothing about a saboteur.
    let cases = random_cases(1_200).into_iter().map(|(setup, commands)| {
        let known = run(&setup, &commands).violations;
        (setup, commands, known)
    });
    let cases: Vec<_> = cases.collect();
    let mut unnoticed = Vec::new();
    for (fault, property) in Fault::ALL {
        let notices = |(setup, commands, known): &&(Setup, Vec<Command>, BTreeMap<Property, Violation>)| {
            let broken = |setup: &Setup| Broken::new(setup, fault);
            let violations = machine::run_on(&broken, setup, commands).violations;
            violations.contains_key(&property) && !known.contains_key(&property)
        };
        let noticed = cases.iter().filter(notices).count();
        println!("{:26} {property:20} noticed by {noticed} of {}", format!("{fault:?}"), cases.len());
        if noticed < 3 {
            unnoticed.push((fault, noticed));
        }
    }
    assert!(unnoticed.is_empty(), "noticed too rarely: {unnoticed:?}");
}

/// The random runs are worth something only if they come to the interesting places.
#[test]
fn the_random_runs_reach_what_they_are_for() {
    let mut labels = BTreeMap::<_, u32>::new();
    for (setup, commands) in random_cases(1_200) {
        for (label, count) in run(&setup, &commands).labels {
            *labels.entry(label).or_default() += count;
        }
    }
    println!("{labels:#?}");
    for label in [
        "auto-shutdown",
        "call about a child that is not listed",
        "call while restarting",
        "call while something is done with the child",
        "call while the supervisor is busy",
        "crash during a stop that was refused",
        "exit before its start was answered",
        "exit told again, or too late",
        "gave up",
        "poisoned",
        "restart",
        "retry that was cancelled",
        "wait",
    ] {
        let count = labels.get(label).copied().unwrap_or_default();
        assert!(count >= 10, "{label}: {count}");
    }
}
