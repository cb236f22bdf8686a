//! The mock runtime under the conformance suite, and what the suite itself promises.

use std::sync::Arc;

use theater_chain::{Durability, LogOptions, MemoryStore, SegmentedStore};
use theater_testkit::conformance::{CASES, Outcome, run_conformance, run_conformance_except};
use theater_testkit::disk::SimDisk;
use theater_testkit::fault::FaultyStore;
use theater_testkit::mock::MockBackend;
use theater_testkit::{chain_store_tests, conformance_tests, manifest_source_tests};

#[path = "conformance/sources.rs"]
mod sources;
#[path = "conformance/sqlite.rs"]
mod sqlite;

conformance_tests!(mock, MockBackend::new());
chain_store_tests!(memory, MemoryStore::new());
chain_store_tests!(faulty_without_faults, FaultyStore::new(MemoryStore::new()));
chain_store_tests!(segmented, segmented(LogOptions::default()));
chain_store_tests!(segmented_in_small_segments, segmented(small_segments()));
chain_store_tests!(sqlite_full, sqlite::open(Durability::Full));
chain_store_tests!(sqlite_relaxed, sqlite::open(Durability::Relaxed));
manifest_source_tests!(map, sources::InMemory::default());

/// A log, with its threads, on a disk in memory.
fn segmented(options: LogOptions) -> SegmentedStore {
    SegmentedStore::open_on(Arc::new(SimDisk::new()), options).expect("an empty disk").0
}

fn small_segments() -> LogOptions {
    let mut options = LogOptions::default();
    options.first_segment = 4 << 10;
    options.largest_segment = 64 << 10;
    options
}

#[test]
fn the_report_has_every_case_once_as_a_table_and_as_json() {
    let skip = ("exits::each_end_is_told_exactly_once", "to see how a skip is told");
    let report = run_conformance_except(MockBackend::new, &[skip]);
    let names: Vec<_> = report.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, CASES.iter().map(|case| case.name).collect::<Vec<_>>());
    assert_eq!(report.skips().map(|case| case.name.as_str()).collect::<Vec<_>>(), [skip.0]);
    let row = format!("| Exits | `{}` | skipped | {} |", skip.0, skip.1);
    assert!(report.to_markdown().contains(&row), "{}", report.to_markdown());
    let json = report.to_json();
    let case = json["cases"].as_array().unwrap().iter().find(|case| case["name"] == skip.0).unwrap();
    assert_eq!((&case["clause"], &case["outcome"]["skipped"]), (&"Exits".into(), &skip.1.into()));
}

#[test]
#[should_panic(expected = "there is no case `exits::of_the_moon` to skip")]
fn a_skip_of_a_case_that_does_not_exist_is_refused() {
    run_conformance_except(MockBackend::new, &[("exits::of_the_moon", "why not")]);
}

#[test]
#[should_panic(expected = "is skipped without a reason")]
fn a_skip_without_a_reason_is_refused() {
    run_conformance_except(MockBackend::new, &[("exits::root_actors_end_too", " ")]);
}

#[test]
fn every_clause_has_cases_and_no_name_comes_twice() {
    let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CASES.len());
    let report = run_conformance(MockBackend::new);
    assert!(report.cases.iter().all(|case| case.outcome == Outcome::Passed), "{report}");
}
