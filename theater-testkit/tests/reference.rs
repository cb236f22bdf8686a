//! The model as a reference: for `proptest-state-machine`, and as the measure of a suite.

use std::panic::catch_unwind;

use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use theater_testkit::assert_suite_catches_all_mutants;
use theater_testkit::otp::{self, Flags, Model, Mutation, Op, Player, Reference, RulesPlayer, Scenario};

/// Something under test, held against the reference.
trait Subject: 'static {
    type Player: Player + 'static;
    fn make(flags: &Flags) -> Self::Player;
}

struct Against<S>(S);

impl<S: Subject> StateMachineTest for Against<S> {
    type SystemUnderTest = S::Player;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> S::Player {
        let mut player = S::make(reference.flags());
        assert_eq!(&player.init(reference.children()), reference.begun());
        player
    }

    fn apply(mut player: S::Player, reference: &Reference, op: Op) -> S::Player {
        assert_eq!(Some(&player.step(&op)), reference.last());
        player
    }
}

struct TheMachine;

impl Subject for TheMachine {
    type Player = RulesPlayer;
    fn make(flags: &Flags) -> RulesPlayer {
        RulesPlayer::new(flags)
    }
}

struct AMutant;

impl Subject for AMutant {
    type Player = Model;
    fn make(flags: &Flags) -> Model {
        Model::new(flags).with_mutation(Mutation::StopInStartOrder)
    }
}

type Machine = Against<TheMachine>;

prop_state_machine! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_machine_does_what_the_reference_does(sequential 1..20 => Machine);
}

#[test]
fn a_mutant_is_found_and_its_case_shrinks_to_a_step_or_two() {
    let mut runner = TestRunner::new_with_rng(
        Config { failure_persistence: None, ..Config::default() },
        TestRunner::deterministic().new_rng(),
    );
    let cases = Reference::sequential_strategy(1..20);
    let found = runner.run(&cases, |(state, ops, seen)| {
        Against::<AMutant>::test_sequential(Config::default(), state, ops, seen);
        Ok(())
    });
    let Err(proptest::test_runner::TestError::Fail(_, (reference, ops, _))) = found else {
        panic!("nobody noticed that children are stopped in the wrong order: {found:?}");
    };
    assert!(ops.len() <= 2 && reference.children().len() <= 6, "{ops:?} on {reference:?}");
    assert!(!reference.children().is_empty(), "nobody to stop in the wrong order: {ops:?}");
}

#[test]
fn the_suite_that_comes_with_the_kit_catches_all_mutants() {
    assert_suite_catches_all_mutants!();
}

#[test]
fn a_check_of_what_happened_catches_all_mutants_where_it_knows_the_rules() {
    assert_suite_catches_all_mutants!(check = |found: &Scenario| otp::agree(found, &otp::record(found)));
}

#[test]
fn a_suite_that_accepts_everything_is_refused_and_each_mutant_is_named() {
    let weak = otp::check_check(|_: &Scenario| Ok::<(), String>(())).unwrap_err();
    assert_eq!(weak.survivors, Mutation::ALL);
    let text = weak.to_string();
    assert!(Mutation::ALL.iter().all(|mutation| text.contains(&mutation.to_string())), "{text}");
    let failed =
        catch_unwind(|| assert_suite_catches_all_mutants!(check = |_: &Scenario| Ok::<(), String>(())));
    assert!(failed.is_err());
}

#[test]
fn a_suite_that_refuses_everything_is_refused() {
    let weak = otp::check_check(|_: &Scenario| Err::<(), _>("no")).unwrap_err();
    assert_eq!((weak.refuses_the_right_one.as_deref(), weak.survivors.len()), (Some("no"), 0));
}

#[test]
fn a_supervisor_that_has_ended_answers_the_same_way_everywhere() {
    let flags = otp::parse(otp::GOLDEN).expect("the recordings are well-formed").swap_remove(0).flags;
    let end = |player: &mut dyn Player| {
        player.init(&[]);
        [Op::StopSupervisor, Op::TerminateChild(1), Op::StopSupervisor].map(|op| player.step(&op))
    };
    let (model, machine) = (end(&mut Model::new(&flags)), end(&mut RulesPlayer::new(&flags)));
    assert_eq!(model, machine);
    assert_eq!(model[1].result, otp::OpResult::Noproc);
}
