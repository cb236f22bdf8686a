//! Running a suite: as a report, or one case as a test.

use super::backend::Clock;
use super::case::{Case, isolated};
use super::report::{Outcome, Report};

/// Cases that are left out, each with a reason.
pub(crate) type Skips<'a> = &'a [(&'a str, &'a str)];

/// A suite and how it is run.
#[derive(Debug)]
pub(crate) struct Suite<S: 'static, N: 'static> {
    /// The trait that its cases are about.
    pub(crate) name: &'static str,
    pub(crate) cases: &'static [Case<S, N>],
    pub(crate) clock: Clock,
    /// Why a subject cannot be asked for something, if it cannot.
    pub(crate) lacks: fn(&S, N) -> Option<&'static str>,
}

impl<S, N: Copy + Send + Sync> Suite<S, N> {
    /// Runs all cases, each on a subject, a thread and a tokio runtime of its own.
    #[track_caller]
    pub(crate) fn report(&self, make: impl Fn() -> S + Clone + Send + 'static, skips: Skips<'_>) -> Report {
        self.check(skips);
        let mut report = Report::new(self.name);
        for case in self.cases {
            report.add(case.name, case.clause, self.outcome(case, make.clone(), skips));
        }
        report
    }

    /// Runs one case; panics if it fails.
    #[track_caller]
    pub(crate) fn one(&self, name: &str, make: impl FnOnce() -> S + Send + 'static, skips: Skips<'_>) {
        let case = self.cases.iter().find(|case| case.name == name);
        let case = case.expect("the tests and the table are one list");
        match self.outcome(case, make, skips) {
            Outcome::Passed => {}
            Outcome::Skipped(reason) => println!("skipped {name}: {reason}"),
            Outcome::Failed(message) => panic!("{} is broken: {message}", case.clause),
        }
    }

    /// Runs all cases and prints those that did not pass, and the sum; panics if one fails.
    #[track_caller]
    pub(crate) fn print(&self, make: impl Fn() -> S + Clone + Send + 'static, skips: Skips<'_>) {
        let report = self.report(make, skips);
        println!("{report}");
        assert!(report.passed(), "{report}");
    }

    /// Panics unless each skip is one of a case, with a reason.
    #[track_caller]
    fn check(&self, skips: Skips<'_>) {
        for (name, reason) in skips {
            assert!(self.cases.iter().any(|case| case.name == *name), "there is no case `{name}` to skip");
            assert!(!reason.trim().is_empty(), "the case `{name}` is skipped without a reason");
        }
    }

    fn outcome(
        &self,
        case: &Case<S, N>,
        make: impl FnOnce() -> S + Send + 'static,
        skips: Skips<'_>,
    ) -> Outcome {
        if let Some((_, reason)) = skips.iter().find(|(name, _)| *name == case.name) {
            return Outcome::Skipped((*reason).to_owned());
        }
        let (needs, run, lacks) = (case.needs, case.run, self.lacks);
        let (lacking, missing) = std::sync::mpsc::channel();
        let verdict = isolated(self.clock, move || async move {
            let subject = make();
            if let Some(reason) = needs.iter().find_map(|need| lacks(&subject, *need)) {
                // The other end waits for this case.
                let _ = lacking.send(reason.to_owned());
                return Ok(());
            }
            run(subject).await
        });
        match (missing.try_recv(), verdict) {
            (Ok(reason), _) => Outcome::Skipped(reason),
            (_, Ok(())) => Outcome::Passed,
            (_, Err(failure)) => Outcome::Failed(failure.to_string()),
        }
    }
}

/// The module that the macros of the suites expand to. `$run` has `run_one` and `print_report`.
#[doc(hidden)]
#[macro_export]
macro_rules! __suite_tests {
    (
        { $name:ident, $subject:expr, $run:tt, { $($skip:expr),* } }
        $($file:ident { $($clause:literal { $($case:ident $needs:tt)* })* })*
    ) => {
        mod $name {
            #[allow(unused_imports, reason = "the subject may be named by a full path")]
            use super::*;

            const SKIPS: &[(&str, &str)] = &[$($skip),*];

            $(
                mod $file {
                    #[allow(unused_imports, reason = "the subject may be named by a full path")]
                    use super::*;

                    $($(
                        #[test]
                        fn $case() {
                            let name = concat!(stringify!($file), "::", stringify!($case));
                            $crate::__suite_call!($run run_one(name, || $subject, super::SKIPS));
                        }
                    )*)*
                }
            )*

            #[test]
            fn report() {
                $crate::__suite_call!($run print_report(|| $subject, SKIPS));
            }
        }
    };
}

/// Calls a function of the module in brackets.
#[doc(hidden)]
#[macro_export]
macro_rules! __suite_call {
    ([$($module:tt)*] $function:ident $arguments:tt) => {
        $($module)*::$function $arguments
    };
}
