//! Verifying a whole data folder: every byte of every file is looked at, whatever a sidecar says.
//!
//! - `segment` checks one segment with its sidecar, on its own.
//! - `blob` checks the payloads that have files of their own.
//! - `folder` does so for all of them on all cores, and checks that they go together.

mod blob;
mod folder;
mod segment;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use theater_core::{ActorId, ChainId};

use super::open::{Cut, OpenError};
use super::state::FOLDER;
use crate::store::{Damage, Lsn};
use crate::vfs::{RealVfs, Vfs};

pub(super) use folder::{Audit, audit};
pub(super) use segment::SegmentAudit;

/// What was found in a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderReport {
    /// Chains.
    pub chains: usize,
    /// Events.
    pub events: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Segments.
    pub segments: usize,
    /// Payloads with a file of their own.
    pub blobs: usize,
    /// The term of the process that wrote last; 0 if none has.
    pub epoch: u32,
    /// The last event's place.
    pub last: Lsn,
    /// Up to where the files say that events are durable; see [`LogSummary::durable`](crate::LogSummary::durable).
    pub durable: Lsn,
    /// Whether the log was closed.
    pub closed: bool,
    /// What is behind the last record and is none: a torn end that the next opening cuts, or what a running process was just
    /// writing. It was never called durable.
    pub torn: Option<Cut>,
    /// Files that are no part of the log: left over from a process that ended, set aside by a repair, or not ours at all.
    pub leftovers: Vec<String>,
    /// Events that are older than the one before them in their chain: a clock that was set back. No fault.
    pub time_regressions: u64,
}

/// One thing that is wrong in a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderDamage {
    /// Where and what.
    pub damage: Damage,
    /// The place in the store's order of the event that it concerns, where that is known.
    pub lsn: Option<Lsn>,
    /// The actor whose chain it concerns, where that is known.
    pub actor: Option<ActorId>,
}

impl std::fmt::Display for FolderDamage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.damage.fmt(f)?;
        match (self.actor, self.damage.chain) {
            (Some(actor), _) => write!(f, " (actor {actor})"),
            (None, Some(chain)) => write!(f, " (chain {chain})"),
            (None, None) => Ok(()),
        }
    }
}

/// Why a data folder was not found sound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It could not be looked at.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// It is damaged.
    #[error("{}", told(damages))]
    Damaged {
        /// What is wrong, in the order of the log; at least one.
        damages: Vec<FolderDamage>,
        /// What else was found.
        report: Box<FolderReport>,
    },
}

fn told(damages: &[FolderDamage]) -> String {
    match damages {
        [] => "damaged".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    }
}

/// Counts bytes, and tells of it.
struct Progress<'a> {
    done: AtomicU64,
    all: u64,
    tell: &'a (dyn Fn(u64, u64) + Sync),
}

impl Progress<'_> {
    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (self.tell)(done.min(self.all), self.all);
    }
}

/// Verifies everything in a data folder: records and their order, sidecars, blobs, the hashes of payloads and events, and that
/// events follow each other in their chains. Nothing is changed, and a process may write to the log meanwhile.
///
/// `progress` is told how many bytes of how many are done. It is called from several threads.
///
/// # Errors
/// [`NoLog`](OpenError::NoLog); everything that is damaged.
///
/// # Examples
/// ```
/// use theater_chain::{Chain, ChainStore, LogOptions, SegmentedStore, verify_folder};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let (store, _) = SegmentedStore::open(folder, LogOptions::default())?;
/// store.create(Chain::genesis("who I am".into(), store.epoch(), 1_000).1)?;
/// store.close()?;
///
/// let report = verify_folder(folder, |done, all| assert!(done <= all))?;
/// assert_eq!((report.chains, report.events, report.closed), (1, 1, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify_folder(
    folder: impl AsRef<Path>,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<FolderReport, FolderError> {
    let folder = folder.as_ref();
    if !folder.join(FOLDER).is_dir() {
        return Err(OpenError::NoLog { folder: folder.display().to_string() }.into());
    }
    verify_folder_on(&RealVfs::read_only(folder), progress)
}

/// Verifies everything on any disk: see [`verify_folder`].
///
/// # Errors
/// Everything that is damaged.
pub fn verify_folder_on(
    vfs: &dyn Vfs,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<FolderReport, FolderError> {
    let Audit { report, damages, .. } = audit(vfs, &progress)?;
    if damages.is_empty() {
        Ok(report)
    } else {
        Err(FolderError::Damaged { damages, report: Box::new(report) })
    }
}

/// A damage before the actors are known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    damage: Damage,
    lsn: Option<u64>,
}

impl Fault {
    fn new(
        file: &str,
        offset: u64,
        chain: Option<ChainId>,
        lsn: Option<u64>,
        what: impl Into<String>,
    ) -> Self {
        Self { damage: Damage { file: file.to_owned(), offset, chain, what: what.into() }, lsn }
    }
}
