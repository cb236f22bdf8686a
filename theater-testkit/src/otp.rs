//! Scenarios of OTP's `supervisor`: recorded from the real one, or made up, to hold a supervisor against.
//!
//! A [`Scenario`] is a supervisor's setup and a list of steps, with what happened in each. [`record`] plays one on the
//! [`Machine`](theater_supervisor::Machine) and returns what happened there, [`model()`] does the same by an independent
//! statement of the rules, or by one of its wrong variants, and [`agree`] compares. [`strategy`] makes up scenarios.
//!
//! One step is taken after the other, each when the supervisor has come to rest, as in the recordings. So a
//! scenario says nothing about races; properties do.

mod model;
mod mutation;
mod play;
mod scenario;
pub mod strategy;

pub use model::model;
pub use mutation::Mutation;
pub use play::{Disagreement, agree, record};
pub use scenario::{
    AutoShutdown, ChildLine, ChildPlan, ChildType, Event, Exit, Flags, InitOutcome, Op, OpResult, ParseError,
    Restart, Scenario, Shutdown, Start, State, Step, Strategy, parse,
};

/// The recorded scenarios that come with this crate: 22 of 3,000, chosen so that each of 18 wrong variants of the rules
/// disagrees with at least five of them. From OTP 25.2.3.
pub const GOLDEN: &str = include_str!("../fixtures/otp_supervisor.jsonl");
