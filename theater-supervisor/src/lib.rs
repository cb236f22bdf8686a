//! Erlang-style supervision over any [`ActorRuntime`](theater_core::ActorRuntime).
//!
//! Two halves:
//! - **The rules.** [`Machine`] decides, without clock, I/O or async, what happens when a child ends: see [`restarts`] for
//!   when it is started again and [`Intensity`] for how often. The driver behind [`SupervisorHost::start`] performs
//!   what the machine decides and decides nothing itself.
//! - **The host functions.** [`SupervisorHost`] is what a supervising actor sees as `theater:simple/supervisor`: seven
//!   functions, each refused for anything but an own child and recorded in the caller's chain.
//!
//! `examples/native-runtime` of the repository implements `ActorRuntime` with plain closures and gets both.

#![forbid(unsafe_code)]

mod driver;
mod error;
mod event;
mod host;
mod machine;

pub use error::{ChildError, Result, SupervisorError};
pub use event::{
    Decision, GiveUpCause, SupervisionReport, SupervisorCall, SupervisorEvent, SupervisorOutcome,
};
pub use host::{ChildRef, SupervisorHandle, SupervisorHost, SupervisorHostBuilder, SupervisorHostConfig};
pub use machine::{
    Action, By, CallId, ChildCounts, ChildKey, ChildState, ChildView, DeclaredChild, Input, Intensity,
    Machine, Outcome, Report, Request, Target, Tick, Verdict, delay, restarts,
};
