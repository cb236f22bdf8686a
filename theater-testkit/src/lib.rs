//! Tests of supervision, without WebAssembly. `docs/testing.md` of the repository is the guide.
//!
//! - [`MockRuntime`] is an [`ActorRuntime`](theater_core::ActorRuntime) in memory: its actors do what their [`Program`] says, a
//!   [`Schedule`] picks what happens next, and everything that happens stands in its [`Log`].
//! - [`FakeGuest`] is linked to a [`SupervisorHost`](theater_supervisor::SupervisorHost) as a component would be, and calls
//!   its functions as a guest would: with texts, getting texts.
//! - [`fault`] lets operations fail, wait, get lost or happen twice, and stores fill up.
//! - [`disk`] is a simulated disk that loses, tears and reorders what was not synced.
//! - [`system`] runs random commands on a supervisor over the mock, and [`invariants`] says what has to be so in every run.
//! - [`conformance`] has suites for anybody's runtime, store and manifest source.
//! - [`machine`] runs pure rules, one's own among them, in a world where everything comes late, twice or not at all, and
//!   checks thirteen properties of every step.
//! - [`otp`] has an executable reference model of one supervisor, plays scenarios, those recorded from the real OTP among them,
//!   on anything that can perform operations, and says whether a suite notices wrong variants of the rules.
//! - [`strategy`] makes up supervisors, programs, commands, faults, manifests and chains for proptest.
//!
//! # Examples
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use theater_supervisor::SupervisorHost;
//! use theater_testkit::{FakeGuest, MockRuntime};
//!
//! let runtime = MockRuntime::new();
//! let parent = runtime.root();
//! let mut guest = FakeGuest::new(&runtime, parent);
//! SupervisorHost::builder().build().setup_host_functions(&mut guest).await?;
//!
//! let child = guest.spawn("worker", None).await?;
//! assert_eq!(guest.list_children().await?, [child]);
//! assert!(guest.stop_child("somebody else").await.is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;

mod act;
pub mod conformance;
pub mod disk;
pub mod expect;
pub mod fault;
mod guest;
pub mod invariants;
pub mod log;
pub mod machine;
pub mod mock;
pub mod otp;
mod program;
pub mod strategy;
pub mod system;

pub use act::{Act, HostAnswer, HostCall};
pub use guest::FakeGuest;
pub use invariants::{Invariant, Violation, check_invariant, check_invariants};
pub use log::Log;
pub use mock::{MockRuntime, Schedule};
pub use program::{Program, Reaction, StartOutcome, StopBehaviour, crash};
