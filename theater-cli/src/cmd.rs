//! The commands, one file each.

pub(crate) mod run;
mod summary;
pub(crate) mod verify;
