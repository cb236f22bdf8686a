//! Running the suite for `ActorRuntime`.

use std::sync::Arc;

use super::backend::TestBackend;
use super::case::{Case, isolated};
use super::report::{Outcome, Report};
use super::runtime::{CASES, Subject};

/// Cases that are left out, each with a reason.
type Skips<'a> = &'a [(&'a str, &'a str)];

const SUITE: &str = "ActorRuntime";

/// Runs every case of the suite for [`ActorRuntime`](theater_core::ActorRuntime), each on a backend of its own.
///
/// Each case has its own thread and its own tokio runtime, in which `make` is called. A panic is a failure, and so is a
/// case that takes longer than [`CASE_LIMIT`](super::CASE_LIMIT).
pub fn run_conformance<B: TestBackend>(make: impl Fn() -> B + Clone + Send + 'static) -> Report {
    run_conformance_except(make, &[])
}

/// The same without some cases: their names, each with the reason.
///
/// # Panics
/// If a case does not exist, or a reason is empty.
pub fn run_conformance_except<B: TestBackend>(
    make: impl Fn() -> B + Clone + Send + 'static,
    skips: &[(&str, &str)],
) -> Report {
    check_skips(skips);
    let mut report = Report::new(SUITE);
    for case in CASES {
        report.add(case.name, case.clause, outcome(case, make.clone(), skips));
    }
    report
}

fn outcome<B: TestBackend>(
    case: &Case<Subject>,
    make: impl FnOnce() -> B + Send + 'static,
    skips: Skips<'_>,
) -> Outcome {
    if let Some((_, reason)) = skips.iter().find(|(name, _)| *name == case.name) {
        return Outcome::Skipped((*reason).to_owned());
    }
    let (needs, run) = (case.needs, case.run);
    let (lacking, lacks) = std::sync::mpsc::channel();
    let verdict = isolated(B::clock(), move || async move {
        let backend = make();
        if let Some(reason) = needs.iter().find_map(|need| backend.lacks(*need)) {
            // The other end waits for this case.
            let _ = lacking.send(reason.to_owned());
            return Ok(());
        }
        run(Subject::new(Arc::new(backend))).await
    });
    match (lacks.try_recv(), verdict) {
        (Ok(reason), _) => Outcome::Skipped(reason),
        (_, Ok(())) => Outcome::Passed,
        (_, Err(failure)) => Outcome::Failed(failure.to_string()),
    }
}

/// Runs one case, for a test of its own.
///
/// # Panics
/// If the case fails, or does not exist.
#[track_caller]
pub fn run_one<B: TestBackend>(
    name: &str,
    make: impl FnOnce() -> B + Send + 'static,
    skips: &[(&str, &str)],
) {
    let case = CASES.iter().find(|case| case.name == name).expect("the tests and the table are one list");
    match outcome(case, make, skips) {
        Outcome::Passed => {}
        Outcome::Skipped(reason) => println!("skipped {name}: {reason}"),
        Outcome::Failed(message) => panic!("{} is broken: {message}", case.clause),
    }
}

/// Prints what is skipped, and the sum.
///
/// # Panics
/// If a case fails.
#[track_caller]
pub fn print_report<B: TestBackend>(make: impl Fn() -> B + Clone + Send + 'static, skips: &[(&str, &str)]) {
    let report = run_conformance_except(make, skips);
    println!("{report}");
    assert!(report.passed(), "{report}");
}

/// Checks that each skip is one of a case, with a reason.
///
/// # Panics
/// If one is not.
#[track_caller]
pub fn check_skips(skips: &[(&str, &str)]) {
    for (name, reason) in skips {
        assert!(CASES.iter().any(|case| case.name == *name), "there is no case `{name}` to skip");
        assert!(!reason.trim().is_empty(), "the case `{name}` is skipped without a reason");
    }
}

/// Makes a test of every case of the suite for [`ActorRuntime`](theater_core::ActorRuntime).
///
/// `conformance_tests!(mine, MyBackend::new())` is a module `mine` with one test for each case, such as
/// `mine::exits::each_end_is_told_exactly_once`, and a test `mine::report`, which runs them once more and prints the cases
/// that were skipped and the sum (`cargo test mine::report -- --nocapture`). Cases can be left out by their names, with a reason:
///
/// ```
/// # mod tests {
/// use theater_testkit::conformance_tests;
/// use theater_testkit::mock::MockBackend;
///
/// conformance_tests!(mock, MockBackend::new());
/// conformance_tests!(
///     most,
///     MockBackend::new(),
///     skip = { "liveness::a_busy_actor_can_be_killed": "shown elsewhere" }
/// );
/// # }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident, $backend:expr $(,)?) => {
        $crate::conformance_tests!($name, $backend, skip = {});
    };
    ($name:ident, $backend:expr, skip = { $($case:literal: $reason:literal),* $(,)? } $(,)?) => {
        $crate::__runtime_cases! {
            [$crate::__conformance_tests] { $name, $backend, { $(($case, $reason)),* } }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    (
        { $name:ident, $backend:expr, { $($skip:expr),* } }
        $($clause:literal: $file:ident { $($case:ident $needs:tt)* })*
    ) => {
        mod $name {
            #[allow(unused_imports, reason = "the backend may be named by a full path")]
            use super::*;

            const SKIPS: &[(&str, &str)] = &[$($skip),*];

            $(
                mod $file {
                    #[allow(unused_imports, reason = "the backend may be named by a full path")]
                    use super::*;

                    $(
                        #[test]
                        fn $case() {
                            let name = concat!(stringify!($file), "::", stringify!($case));
                            $crate::conformance::run_one(name, || $backend, super::SKIPS);
                        }
                    )*
                }
            )*

            #[test]
            fn report() {
                $crate::conformance::print_report(|| $backend, SKIPS);
            }
        }
    };
}
