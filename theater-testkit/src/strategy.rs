//! Random cases for proptest: supervisors, children, programs, commands, faults, manifests and chains.
//!
//! Targets are indices that are resolved when their turn comes ([`Target`]), so every sublist of commands is a case, and
//! a failure shrinks to a few. Choices by weight shrink towards the simplest.

mod exit;
mod spec;
mod target;
mod weighted;

pub use exit::exit_reason;
pub use spec::{PERIOD, child_spec, fit, supervision_spec};
pub use target::{Target, schedule_choices, seed, target, time_jump};
pub(crate) use weighted::weighted;
