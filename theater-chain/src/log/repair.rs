//! Making a damaged log usable again, without deleting anything.
//!
//! A log whose durable part is damaged is not opened. [`plan`] says what could be kept of it and what would be lost, and changes nothing;
//! [`apply`] does it. What is kept is the longest sound beginning of the store's order: no event stays without those that were taken
//! before it, in whichever chain. Damaged files, and whole ones behind the damage, are set aside in the folder `damaged`.
//! [`export_rest`] saves the sound events behind the damage as an export.
//!
//! A sidecar or a blob that no event names costs no event. A torn end is no damage: the next opening cuts it.

mod apply;
mod plan;
mod rest;

use std::io::{self, Write};
use std::path::Path;

use theater_core::{ActorId, ChainId};

use super::audit::FolderDamage;
use super::open::{self, OpenError};
use super::state::FOLDER;
use crate::store::Lsn;
use crate::vfs::{RealVfs, Vfs};

/// The folder of what was set aside, in the data folder.
pub const DAMAGED: &str = "damaged";

/// What a repair does, or would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairPlan {
    /// What is wrong. Nothing is to be done if this is empty.
    pub damages: Vec<FolderDamage>,
    /// What is done, in this order.
    pub steps: Vec<RepairStep>,
    /// The last event that is kept; 0 if none is.
    pub last: Lsn,
    /// How many events are lost, as far as the files tell.
    pub lost: u64,
    /// The chains that lose events, in the order of their ids.
    pub losses: Vec<ChainLoss>,
    /// The term that the log has afterwards, so that no later process has one that was used.
    epoch: u32,
}

/// One thing that a repair does. No other file is touched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairStep {
    /// A copy of the file is set aside, and then its end is cut off.
    Cut {
        /// The segment.
        file: String,
        /// What is kept, in bytes.
        len: u64,
    },
    /// A segment without events is begun, which holds the store's term.
    Begin {
        /// The segment.
        file: String,
    },
    /// The file is set aside.
    SetAside {
        /// The file.
        file: String,
    },
}

/// What a chain loses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainLoss {
    /// The chain.
    pub chain: ChainId,
    /// Its actor, where that is known.
    pub actor: Option<ActorId>,
    /// How many of its events are kept, from the first.
    pub kept: u64,
    /// How many are lost, as far as the files tell.
    pub lost: u64,
    /// How many of the lost are sound, and would be in an export of the rest.
    pub sound: u64,
}

/// What was written of the rest behind the damage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RestReport {
    /// Events that were written.
    pub written: u64,
    /// Sound events that were not, because nothing says whose they are.
    pub nameless: u64,
    /// Events whose payload is lost, and places where something is that is no event any more.
    pub unsound: u64,
}

/// Why a log was not repaired, or its rest not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The log cannot be looked at, or a process uses it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder is not as it was when the plan was made. Nothing was changed.
    #[error("the data folder has changed since the repair was planned: plan it anew")]
    Changed,
    /// The system did not do what was needed. The rest can be done by planning and applying again.
    #[error("could not {operation} {file}")]
    Io {
        /// What.
        operation: &'static str,
        /// With which file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Says what could be kept of the log in a data folder, and what would be lost. Changes nothing.
///
/// # Errors
/// If there is no log, or it cannot be looked at.
pub fn plan(folder: impl AsRef<Path>) -> Result<RepairPlan, RepairError> {
    plan_on(&RealVfs::read_only(check(folder.as_ref())?))
}

/// Plans a repair on any disk: see [`plan`].
///
/// # Errors
/// If it cannot be looked at.
pub fn plan_on(vfs: &dyn Vfs) -> Result<RepairPlan, RepairError> {
    Ok(plan::plan(vfs)?.0)
}

/// Does what was planned. No process may use the folder.
///
/// It can be interrupted at any point: until it is through the log is not opened, and planning and applying again goes on.
///
/// # Errors
/// [`InUse`](OpenError::InUse); [`Changed`](RepairError::Changed).
pub fn apply(folder: impl AsRef<Path>, plan: &RepairPlan) -> Result<(), RepairError> {
    let folder = check(folder.as_ref())?;
    let lock = open::lock(folder)?;
    let vfs = RealVfs::new(folder)
        .map_err(|error| OpenError::io("look at", &folder.display().to_string(), error))?;
    let applied = apply_on(&vfs, plan);
    drop(lock);
    applied
}

/// Does what was planned on any disk. Whoever calls sees to it that no process uses it.
///
/// # Errors
/// As [`apply`].
pub fn apply_on(vfs: &dyn Vfs, plan: &RepairPlan) -> Result<(), RepairError> {
    apply::apply(vfs, plan)
}

/// Writes the sound events behind the damage as JSON lines, in the store's order: what a repair would lose and can be read. To be called
/// before the repair.
///
/// Each event's own hash proves it. The file as a whole is no export that verifies: what was before its events is missing.
///
/// # Errors
/// If the log cannot be looked at; those of the writer.
pub fn export_rest(folder: impl AsRef<Path>, out: impl Write) -> Result<RestReport, RepairError> {
    export_rest_on(&RealVfs::read_only(check(folder.as_ref())?), out)
}

/// Writes the sound events behind the damage on any disk: see [`export_rest`].
///
/// # Errors
/// As [`export_rest`].
pub fn export_rest_on(vfs: &dyn Vfs, out: impl Write) -> Result<RestReport, RepairError> {
    rest::export(vfs, out)
}

fn check(folder: &Path) -> Result<&Path, OpenError> {
    if folder.join(FOLDER).is_dir() {
        Ok(folder)
    } else {
        Err(OpenError::NoLog { folder: folder.display().to_string() })
    }
}
