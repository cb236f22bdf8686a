//! Own rules in the world of the machine: what is wrong with them is found, and shrinks.

use proptest::test_runner::{Config, TestError, TestRunner};
use theater_core::ExitReason;
use theater_supervisor::{Action, Decision, Input, Machine};
use theater_testkit::machine::{self, Command, Property, Setup, Supervisor};
use theater_testkit::otp::{self, RulesPlayer};

/// A restart policy of somebody's own: the machine's, but a child that was killed is left alone, as if it had ended
/// cleanly.
fn leaves_the_killed_alone(machine: Machine) -> impl Supervisor {
    machine::altered(machine, |machine, now, mut input, actions| {
        if let Input::Exited { reason, .. } = &mut input
            && **reason == ExitReason::Killed
        {
            *reason = ExitReason::Completed { data: None }.into();
        }
        machine.step(now, input, actions);
    })
}

fn lenient(setup: &Setup) -> impl Supervisor + use<> {
    leaves_the_killed_alone(machine::machine(setup))
}

/// The smallest case in which a property does not hold on these rules.
fn smallest<S: Supervisor>(
    make: impl Fn(&Setup) -> S,
    properties: &[Property],
    cases: u32,
) -> Option<(Setup, Vec<Command>, String)> {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRunner::deterministic().new_rng());
    let random = (machine::setup(), machine::commands(0..150));
    let result = runner.run(&random, |(setup, commands)| {
        machine::check(&make, &setup, &commands, properties)
            .map_err(|failure| proptest::test_runner::TestCaseError::fail(failure.to_string()))
    });
    match result {
        Err(TestError::Fail(why, (setup, commands))) => Some((setup, commands, why.message().to_owned())),
        _ => None,
    }
}

#[test]
fn a_policy_of_ones_own_that_is_not_otps_is_found_and_shrinks_to_a_few_commands() {
    let (setup, commands, why) = smallest(lenient, &[Property::Policy], 2_000).expect("it is found");
    println!("{setup:?}\n{commands:?}\n{why}");
    assert!(why.starts_with("P8 policy, step "), "{why}");
    assert!(commands.len() <= 5 && setup.declared.len() <= 1, "{commands:?}");
    assert!(commands.iter().any(|command| matches!(
        command,
        Command::Crash(_, ExitReason::Killed, _) | Command::CrashBoth(_, _, ExitReason::Killed)
    )));
}

#[test]
fn a_policy_of_ones_own_keeps_all_the_properties_that_it_does_not_change() {
    let kept: Vec<_> = Property::ALL
        .into_iter()
        // What is told to the guest, and what the guard counts, follows from the reason, too.
        .filter(|property| ![Property::Policy, Property::Notices, Property::State].contains(property))
        .collect();
    assert!(smallest(lenient, &kept, 500).is_none());
}

#[test]
fn a_trace_has_every_step_and_ends_with_the_supervisor() {
    let (setup, commands, _) = smallest(lenient, &[Property::Policy], 2_000).expect("it is found");
    let run = machine::trace(&machine::machine, &setup, &commands);
    assert_eq!(run.verdict(), Ok(()));
    assert_eq!(run.trace.len(), run.steps);
    assert!(matches!(run.trace[0].input, Input::Begin { .. }));
    let last = run.trace.iter().rev().find(|moment| !moment.actions.is_empty()).expect("something was done");
    assert!(last.children.is_empty());
    let finished = run.trace.iter().flat_map(|moment| &moment.actions);
    assert_eq!(finished.filter(|action| matches!(action, Action::Finish(_))).count(), 1);
}

#[test]
fn a_failure_shows_every_step_up_to_the_violation_and_none_after_it() {
    let (setup, commands, _) = smallest(lenient, &[Property::Policy], 2_000).expect("it is found");
    let failure = machine::check(&lenient, &setup, &commands, &[Property::Policy]).unwrap_err();
    assert_eq!(failure.trace.len(), failure.violation.step + 1);
    let last = failure.trace.last().expect("it is not empty");
    let left =
        |action: &Action| matches!(action, Action::Report(report) if report.decision == Decision::Leave);
    assert!(last.actions.iter().any(left), "{failure}");
}

#[test]
fn own_rules_are_held_against_the_recordings_from_otp() {
    let make = |flags: &otp::Flags| leaves_the_killed_alone(Machine::new(flags.into()));
    let found = otp::suite(&|flags| Box::new(RulesPlayer::on(make(flags))));
    let difference = found.expect_err("OTP restarts what was killed").to_string();
    assert!(difference.contains("events") || difference.contains("children"), "{difference}");
}
