//! The commands, one file each.

pub(crate) mod chain;
pub(crate) mod check;
#[cfg(unix)]
pub(crate) mod message;
pub(crate) mod repair;
pub(crate) mod run;
#[cfg(unix)]
pub(crate) mod status;
mod summary;
pub(crate) mod verify;

use std::io;

use anyhow::Context;

use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};

/// What came of writing to standard output: whoever reads it may have had enough.
fn written(outcome: io::Result<()>) -> Result<Exit, Failure> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::BrokenPipe),
        outcome => {
            outcome.context("could not write to standard output").or_exit(Exit::Io).map(|()| Exit::Success)
        }
    }
}
