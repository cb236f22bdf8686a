//! The properties, on as many cases as a run of CI has time for.

use std::sync::Mutex;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use theater_chain::Durability;

use crate::case::case;
use crate::world::{Stats, run};

/// Cases of each of the four tests here, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 2_500;

fn property(durability: Durability) {
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    let cases = if given { Config::default().cases } else { CASES };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let all = Mutex::new(Stats::default());
    let result = TestRunner::new(config).run(&case(durability), |case| {
        let stats = run(&case).map_err(|violation| TestCaseError::fail(violation.to_string()))?;
        all.lock().expect("no case panics").add(stats);
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\n{case:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    let all = all.into_inner().expect("no case panics");
    println!("{durability}, {cases} cases: {all:?}");
    all.assert_everything_came_up(cases as usize);
}

impl Stats {
    fn add(&mut self, more: Self) {
        self.crashes += more.crashes;
        self.kills += more.kills;
        self.crashes_in_recovery += more.crashes_in_recovery;
        self.cuts += more.cuts;
        self.events_cut += more.events_cut;
        self.acknowledged += more.acknowledged;
        self.poisoned += more.poisoned;
        self.stalled += more.stalled;
        self.refused += more.refused;
        self.blobs += more.blobs;
        self.segments = self.segments.max(more.segments);
        self.damage_reported += more.damage_reported;
        self.damage_cut += more.damage_cut;
    }

    /// Cases in which nothing happens prove nothing.
    fn assert_everything_came_up(&self, cases: usize) {
        assert!(self.crashes >= 3 * cases, "{self:?}");
        let often = [
            self.kills,
            self.crashes_in_recovery,
            self.cuts,
            self.events_cut,
            self.acknowledged,
            self.poisoned,
            self.blobs,
            self.damage_reported,
        ];
        assert!(often.iter().all(|count| *count >= cases / 50), "{self:?}");
        let sometimes = [self.stalled, self.refused, self.damage_cut];
        assert!(sometimes.iter().all(|count| *count >= cases / 500), "{self:?}");
        assert!(self.segments >= 4, "{self:?}");
    }
}

#[test]
fn a_fully_durable_log_keeps_all_invariants_through_three_crashes_and_more() {
    property(Durability::Full);
}

#[test]
fn a_fully_durable_log_keeps_all_invariants_on_as_many_other_cases() {
    property(Durability::Full);
}

#[test]
fn a_relaxed_log_keeps_all_invariants_through_three_crashes_and_more() {
    property(Durability::Relaxed);
}

#[test]
fn a_relaxed_log_keeps_all_invariants_on_as_many_other_cases() {
    property(Durability::Relaxed);
}
