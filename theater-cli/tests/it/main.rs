//! The built `theater` command, on real apps and real files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chains;
mod check;
mod contents;
mod control;
mod crashes;
mod data;
mod files;
mod orders;
mod refusals;
mod signals;
mod sources;
mod support;
mod verify;
