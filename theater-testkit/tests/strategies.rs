//! Random cases are worth something only if each kind comes up, and says truly what it is.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use theater_core::{Manifest, RestartPolicy, Shutdown, Strategy as Who};
use theater_testkit::fault::FaultSpec;
use theater_testkit::strategy::{self, Cmd, ManifestFault, Meaning, Tampering, Tree};
use theater_testkit::{Program, StartOutcome, StopBehaviour};

/// How many cases each property is tried on, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 500;

fn config() -> ProptestConfig {
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if given { ProptestConfig::default().cases } else { CASES };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn some<T: Debug>(count: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("nothing is rejected").current()).collect()
}

/// The first word of a value's debug text: its variant.
fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn variants<T: Debug>(values: &[T]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(variant(value)).or_default() += 1;
    }
    counts
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_legal_manifest_is_accepted_and_reads_back_as_it_was_meant(legal in strategy::manifest()) {
        let manifest = Manifest::parse("a.toml", &legal.text)
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", legal.text)))?;
        prop_assert_eq!(Meaning::of(&manifest), legal.means, "{}", legal.text);
    }

    #[test]
    fn an_illegal_manifest_is_refused_for_what_is_wrong_with_it(illegal in strategy::illegal_manifest()) {
        let error = Manifest::parse("a.toml", &illegal.text);
        let said = error.as_ref().is_err_and(|error| illegal.fault.is_said_by(&error.kind));
        prop_assert!(said, "{:?}: {error:?}\n{}", illegal.fault, illegal.text);
    }

    #[test]
    fn a_chain_is_sound_and_one_that_was_tampered_with_is_refused_where_it_was(
        chain in strategy::tampered_chain(4..24)
    ) {
        let head = theater_chain::verify(&chain.original).expect("it is sound");
        prop_assert_eq!(head.length as usize, chain.original.len());
        let refused = theater_chain::verify(&chain.events);
        let error = refused.expect_err("it was tampered with");
        let near = chain.at..=chain.at + 1;
        prop_assert!(near.contains(&(error.index as usize)), "{}: {error}, at {}", chain.tampering, chain.at);
    }

    #[test]
    fn a_chain_whose_end_was_cut_off_is_sound_and_is_noticed_by_who_remembers_its_head(
        chain in strategy::chain(2..24), keep in strategy::target()
    ) {
        let head = theater_chain::verify(&chain).expect("it is sound");
        let keep = 1 + keep.index(chain.len() - 1).expect("it has two events");
        prop_assert!(theater_chain::verify(&chain[..keep]).is_ok());
        prop_assert!(theater_chain::verify_anchor(&chain[..keep], head.length, head.hash).is_err());
    }

    #[test]
    fn every_child_of_a_tree_is_one_that_its_supervisor_takes(tree in strategy::tree(4, 3)) {
        fn check(tree: &Tree) -> Result<(), TestCaseError> {
            prop_assert!(tree.children.is_empty() || tree.program.supervision.is_some());
            for child in &tree.children {
                let spec = child.program.child_spec;
                let supervision = tree.program.supervision.expect("it has children");
                prop_assert_eq!(spec, strategy::fit(spec, &supervision));
                prop_assert!(!spec.significant || spec.restart != RestartPolicy::Permanent);
                check(child)?;
            }
            Ok(())
        }
        prop_assert!(tree.depth() <= 4 && tree.size() <= 1 + 3 + 9 + 27);
        prop_assert_eq!(tree.programs().count(), tree.size());
        check(&tree)?;
    }

    #[test]
    fn a_fault_is_data_that_reads_back(plan in strategy::fault_plan()) {
        let text = serde_json::to_string(&plan).expect("plain values");
        prop_assert_eq!(&serde_json::from_str::<Vec<FaultSpec>>(&text).expect("it was written"), &plan);
        prop_assert!(plan.iter().all(FaultSpec::makes_sense));
    }

    #[test]
    fn a_program_is_spelled_and_read_and_stops_in_the_end(program in strategy::program()) {
        prop_assert_eq!(&Program::read(&program.reference()), &program);
        let endless = program.stop == StopBehaviour::Refuse && program.child_spec.shutdown == Shutdown::Infinity;
        prop_assert!(!endless);
    }
}

#[test]
fn every_kind_of_command_comes_up() {
    let counts = variants(&some(5_000, strategy::command()));
    assert!(counts.len() == 15 && counts.values().all(|count| *count >= 20), "{counts:?}");
}

#[test]
fn commands_by_strangers_are_about_every_function_that_names_a_child() {
    let commands = some(5_000, strategy::command()).into_iter().filter_map(|command| match command {
        Cmd::AsStranger(_, command) => Some(*command),
        _ => None,
    });
    let counts = variants(&commands.collect::<Vec<_>>());
    assert!(counts.len() == 6 && counts.values().all(|count| *count >= 20), "{counts:?}");
}

#[test]
fn every_kind_of_start_and_stop_comes_up() {
    let programs = some(2_000, strategy::program());
    let starts: Vec<_> = programs.iter().flat_map(|program| &program.starts).collect();
    let counts = variants(&starts);
    assert!(counts.len() == 7 && counts.values().all(|count| *count >= 20), "{counts:?}");
    let stops = variants(&programs.iter().map(|program| program.stop).collect::<Vec<_>>());
    assert!(stops.len() == 3 && stops.values().all(|count| *count >= 20), "{stops:?}");
    let run = programs
        .iter()
        .filter(|program| program.starts.front().is_none_or(|start| *start == StartOutcome::Ok));
    assert!(run.count() > 1_000, "a system in which nothing starts shows nothing");
}

#[test]
fn every_kind_of_supervisor_comes_up() {
    let specs = some(2_000, strategy::supervision_spec());
    for who in [Who::OneForOne, Who::OneForAll, Who::RestForOne, Who::SimpleOneForOne] {
        assert!(specs.iter().filter(|spec| spec.strategy == who).count() > 200, "{who:?}");
    }
    let distinct: HashSet<_> = specs.iter().collect();
    assert!(distinct.len() > 1_000, "{}", distinct.len());
    let children: HashSet<_> = some(2_000, strategy::child_spec()).into_iter().collect();
    assert!(children.len() > 80, "{}", children.len());
}

#[test]
fn every_fault_of_a_manifest_and_every_tampering_comes_up() {
    let faults: HashSet<_> =
        some(1_000, strategy::illegal_manifest()).iter().map(|illegal| illegal.fault).collect();
    assert_eq!(faults.len(), ManifestFault::ALL.len());
    let chains = some(1_000, strategy::tampered_chain(4..9));
    let kinds: HashSet<_> = chains.iter().map(|chain| chain.tampering).collect();
    assert_eq!(kinds.len(), Tampering::ALL.len());
    assert!(chains.iter().all(|chain| chain.events != chain.original));
}

#[test]
fn legal_manifests_have_pure_supervisors_and_inline_children_among_them() {
    let means: Vec<_> = some(1_000, strategy::manifest()).into_iter().map(|legal| legal.means).collect();
    let pure = means.iter().filter(|means| means.component.is_none()).count();
    let inline = |means: &&Meaning| {
        let children = means.children.iter();
        children.clone().any(|(_, _, source)| matches!(source, strategy::ChildMeaning::Inline(_)))
    };
    let inline = means.iter().filter(inline).count();
    assert!(pure > 100 && inline > 100, "{pure} {inline}");
}

#[test]
fn time_jumps_meet_the_edges_of_their_window() {
    let jumps: BTreeSet<_> = some(200, strategy::time_jump(strategy::PERIOD)).into_iter().collect();
    let millis: Vec<_> = jumps.iter().map(|jump| jump.as_millis()).collect();
    assert_eq!(millis, [1, 250, 999, 1_000, 1_001]);
}
