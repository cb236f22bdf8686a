//! The commands, one file each.

pub(crate) mod check;
pub(crate) mod run;
mod summary;
pub(crate) mod verify;
