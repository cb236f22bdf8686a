//! The rules of one supervisor, in a world where everything comes late, in any order, twice, or not at all.
//!
//! [`run`] takes a [`Setup`] and [`Command`]s, random ones from [`setup`] and [`commands`] for example, and plays them on the
//! [`Machine`](theater_supervisor::Machine), with a runtime that keeps the truth about lives and tells the supervisor late. Each step is
//! checked against thirteen properties ([`Property`]), which are stated about what can be seen: inputs, actions, and the list
//! of children. What does not hold is data: [`Violation`].
//!
//! Own rules implement [`Supervisor`], or are the machine's, [`altered`]; they go through [`run_on`], [`check`] or [`trace`].

mod command;
mod decisions;
mod group;
mod inputs;
mod operations;
mod property;
mod rules;
mod run;
mod supervisor;
mod world;

pub use command::{Command, How, Setup, Whom, command, commands, setup};
pub use property::Property;
pub use run::{Failure, Moment, Run, Violation, check, machine, run, run_on, trace};
pub use supervisor::{Altered, Supervisor, altered};
