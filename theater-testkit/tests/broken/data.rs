//! The suites for stores and sources reject what is broken, each for the clause that it breaks.

use theater_testkit::conformance::Report;
use theater_testkit::conformance::source::run_source_conformance;
use theater_testkit::conformance::store::run_store_conformance;

use crate::{sources, stores};

/// That the report rejects the flaw for this clause.
fn rejected(flaw: &str, clause: &str, report: &Report) {
    println!("{flaw:34} {clause:20} {}", report.broken_clauses().join(", "));
    assert!(report.broken_clauses().contains(&clause), "{flaw} breaks {clause}: {report}");
}

#[test]
fn a_sound_store_passes_and_broken_ones_are_rejected_for_what_they_break() {
    let sound = run_store_conformance(|| stores::BrokenStore::new(stores::Flaw::None));
    assert!(sound.passed(), "{sound}");
    for (flaw, clause) in stores::Flaw::ALL {
        let report = run_store_conformance(|| stores::BrokenStore::new(*flaw));
        rejected(&format!("{flaw:?}"), clause, &report);
    }
}

#[test]
fn a_sound_source_passes_and_broken_ones_are_rejected_for_what_they_break() {
    let sound = run_source_conformance(|| sources::Folders::new(sources::Flaw::None));
    assert!(sound.passed(), "{sound}");
    for (flaw, clause) in sources::Flaw::ALL {
        let report = run_source_conformance(|| sources::Folders::new(*flaw));
        rejected(&format!("{flaw:?}"), clause, &report);
    }
}
