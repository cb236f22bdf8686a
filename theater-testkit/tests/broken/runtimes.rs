//! The suite for runtimes rejects what is broken, each for the clause that it breaks.

use std::collections::BTreeSet;
use std::sync::Arc;

use theater_testkit::conformance::{CASES, run_conformance};

use crate::backend::{BrokenBackend, Sound};
use crate::table::DEFECTS;

#[test]
fn the_sound_backend_passes() {
    let report = run_conformance(|| BrokenBackend::new(Arc::new(Sound)));
    assert!(report.passed(), "{report}");
}

#[test]
fn every_broken_backend_is_rejected_for_the_clause_that_it_breaks_and_every_case_rejects_one() {
    let mut unnoticed = Vec::new();
    let mut failed = BTreeSet::new();
    println!("| defect | clause | cases of that clause that fail | other clauses |\n|---|---|---|---|");
    for defect in DEFECTS {
        let damage = defect.damage;
        let report = run_conformance(move || BrokenBackend::new(damage()));
        let named: Vec<_> = report.failures().filter(|case| case.clause == defect.clause).collect();
        let cases: Vec<_> = named.iter().map(|case| format!("`{}`", case.name)).collect();
        let mut others = report.broken_clauses();
        others.retain(|clause| *clause != defect.clause);
        println!("| {} | {} | {} | {} |", defect.name, defect.clause, cases.join(", "), others.join(", "));
        if named.is_empty() {
            unnoticed.push(format!("{} breaks {}: {report}", defect.name, defect.clause));
        }
        failed.extend(report.failures().map(|case| case.name.clone()));
    }
    assert!(unnoticed.is_empty(), "not rejected for what they break:\n{}", unnoticed.join("\n"));
    let idle: Vec<_> = CASES.iter().map(|case| case.name).filter(|name| !failed.contains(*name)).collect();
    assert!(idle.is_empty(), "no broken backend shows that these cases can fail: {}", idle.join(", "));
}
