//! What a backend has to do, as test cases for anybody's backend.
//!
//! Three suites: one for [`ActorRuntime`](theater_core::ActorRuntime), which sees the runtime under test through
//! [`TestBackend`]; [one](store) for [`ChainStore`](theater_chain::ChainStore); [one](source) for
//! [`ManifestSource`](theater_core::ManifestSource).
//! Each case proves one sentence and names the clause of the contract that it belongs to.
//!
//! [`conformance_tests!`](crate::conformance_tests) makes a `#[test]` of every case, [`run_conformance`] runs the same cases and
//! gives a [`Report`]. A case that a backend cannot be asked is skipped, with a reason, and stands in the report.
//!
//! # Examples
//! ```
//! use theater_testkit::conformance::run_conformance;
//! use theater_testkit::mock::MockBackend;
//!
//! let report = run_conformance(MockBackend::new);
//! assert!(report.passed(), "{report}");
//! println!("{}", report.to_markdown());
//! ```

mod backend;
mod case;
mod report;
mod run;
mod runtime;
pub mod source;
pub mod store;
mod verdict;

pub use backend::{Capability, Clock, TestBackend};
pub use case::{CASE_LIMIT, Case, Failure, Verdict};
pub use report::{CaseResult, Outcome, Report};
pub use runtime::{CASES, Subject, run_conformance, run_conformance_except};
#[doc(hidden)]
pub use runtime::{print_report, run_one};
