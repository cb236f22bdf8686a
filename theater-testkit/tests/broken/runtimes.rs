//! The suite for runtimes rejects what is broken, each for the clause that it breaks.

use std::sync::Arc;

use theater_testkit::conformance::run_conformance;

use crate::backend::{BrokenBackend, Sound};
use crate::table::DEFECTS;

#[test]
fn the_sound_backend_passes() {
    let report = run_conformance(|| BrokenBackend::new(Arc::new(Sound)));
    assert!(report.passed(), "{report}");
}

#[test]
fn every_broken_backend_is_rejected_for_the_clause_that_it_breaks() {
    let mut unnoticed = Vec::new();
    for defect in DEFECTS {
        let damage = defect.damage;
        let report = run_conformance(move || BrokenBackend::new(damage()));
        let clauses = report.broken_clauses();
        let named = clauses.contains(&defect.clause);
        println!("{:52} {:14} {}", defect.name, defect.clause, clauses.join(", "));
        if !named {
            unnoticed.push(format!(
                "{} breaks {}, rejected for [{}]",
                defect.name,
                defect.clause,
                clauses.join(", ")
            ));
        }
    }
    assert!(unnoticed.is_empty(), "not rejected for what they break:\n{}", unnoticed.join("\n"));
}
