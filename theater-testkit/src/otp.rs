//! Scenarios of OTP's `supervisor`: recorded from the real one, or made up, to hold a supervisor against.
//!
//! A [`Scenario`] is a supervisor's setup and a list of steps, with what happened in each. [`play`] plays one on a
//! [`Player`] and returns what happened there, and [`agree`] compares. Players are the [`Model`], an independent statement of
//! the rules, and its wrong variants; the [`Machine`](theater_supervisor::Machine) or own pure rules, by a [`RulesPlayer`]; and whatever
//! else can perform operations. [`strategy`] makes up scenarios.
//!
//! [`Reference`] is the model for `proptest-state-machine`, and
//! [`assert_suite_catches_all_mutants!`](crate::assert_suite_catches_all_mutants) says whether a suite is worth something.
//!
//! One step is taken after the other, each when the supervisor has come to rest, as in the recordings. So a
//! scenario says nothing about races; properties do.

mod convert;
mod model;
mod mutants;
mod mutation;
mod play;
mod player;
mod reference;
mod scenario;
pub mod strategy;

pub use model::{Model, model};
pub use mutants::{MakePlayer, WeakSuite, check_check, check_suite, suite};
pub use mutation::Mutation;
pub use play::{Disagreement, Player, agree, play, record};
pub use player::RulesPlayer;
pub use reference::Reference;
pub use scenario::{
    AutoShutdown, ChildLine, ChildPlan, ChildType, Event, Exit, Flags, InitOutcome, Op, OpResult, ParseError,
    Restart, Scenario, Shutdown, Start, State, Step, Strategy, parse,
};

/// The recorded scenarios that come with this crate: 22 of 3,000, chosen so that each of 18 wrong variants of the rules
/// disagrees with at least five of them. From OTP 25.2.3.
pub const GOLDEN: &str = include_str!("../fixtures/otp_supervisor.jsonl");
