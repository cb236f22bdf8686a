//! The suites for stores and sources reject what is broken, each for the clause that it breaks.

use std::collections::BTreeSet;

use theater_testkit::conformance::source::{self, run_source_conformance};
use theater_testkit::conformance::store::{self, run_store_conformance};
use theater_testkit::conformance::{Case, Report};

use crate::{sources, stores};

/// What reports said of flaws.
#[derive(Default)]
struct Findings {
    failed: BTreeSet<String>,
}

impl Findings {
    /// Takes a report, which has to reject the flaw for this clause.
    fn rejected(&mut self, flaw: &str, clause: &str, report: &Report) {
        let named = report.failures().filter(|case| case.clause == clause);
        let cases: Vec<_> = named.map(|case| format!("`{}`", case.name)).collect();
        println!("| {flaw} | {clause} | {} |", cases.join(", "));
        assert!(!cases.is_empty(), "{flaw} breaks {clause}: {report}");
        self.failed.extend(report.failures().map(|case| case.name.clone()));
    }

    /// The cases that no flaw made fail.
    fn idle<S, N>(&self, cases: &'static [Case<S, N>]) -> Vec<&'static str> {
        cases.iter().map(|case| case.name).filter(|name| !self.failed.contains(*name)).collect()
    }
}

#[test]
fn broken_stores_are_rejected_for_what_they_break_and_every_case_rejects_one() {
    let sound = run_store_conformance(|| stores::BrokenStore::new(stores::Flaw::None));
    assert!(sound.passed(), "{sound}");
    let mut findings = Findings::default();
    for (flaw, clause) in stores::Flaw::ALL {
        let report = run_store_conformance(|| stores::BrokenStore::new(*flaw));
        findings.rejected(&format!("{flaw:?}"), clause, &report);
    }
    assert_eq!(findings.idle(store::CASES), [""; 0], "no broken store shows that these can fail");
}

#[test]
fn broken_sources_are_rejected_for_what_they_break_and_every_case_rejects_one() {
    let sound = run_source_conformance(|| sources::Folders::new(sources::Flaw::None));
    assert!(sound.passed(), "{sound}");
    let mut findings = Findings::default();
    for (flaw, clause) in sources::Flaw::ALL {
        let report = run_source_conformance(|| sources::Folders::new(*flaw));
        findings.rejected(&format!("{flaw:?}"), clause, &report);
    }
    assert_eq!(findings.idle(source::CASES), [""; 0], "no broken source shows that these can fail");
}
