//! Hash-chained event logs: hashing, appending, verifying, storing and exporting.
//!
//! - [`hash`] computes hashes; nothing else does.
//! - [`Chain`] seals events onto a head. Pure: time comes in, events come out.
//! - [`verify()`] and [`Verifier`] check a chain event by event and name the first fault.
//! - [`ChainStore`] keeps chains; [`MemoryStore`] does so in memory, [`SegmentedStore`] on a disk.
//! - [`LogReader`] reads what a [`SegmentedStore`] writes, from another process and without a lock.
//! - [`verify_folder`] checks everything that a data folder holds, and [`repair`] makes a damaged one usable again.
//! - With the feature `sqlite`, `SqliteStore` does so in a file of SQLite, and `export_sqlite` makes such a file of any store.
//! - [`jsonl`] is the export format, one event a line, and [`verify_export`] checks a whole export with the anchors of
//!   its supervision tree.
//!
//! The format is on one page: `docs/chain-format.md`.

#![forbid(unsafe_code)]

mod chain;
mod export;
#[cfg(not(feature = "flaws"))]
mod flaw;
#[cfg(feature = "flaws")]
#[doc(hidden)]
pub mod flaw;
mod growth;
pub mod hash;
mod import;
pub mod jsonl;
mod log;
mod segment;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod verify;
pub mod vfs;

pub use chain::{Chain, Head};
pub use export::{ExportError, ExportErrorKind, ExportReport, verify_export};
pub use growth::{
    ChainBudget, ChainTotals, Charge, PruneChainError, PrunePolicy, RetireChainError, prune_chain,
    retire_chain,
};
pub use import::{ImportError, ImportReport, import};
pub use log::{
    Cut, Events, FolderDamage, FolderError, FolderReport, LogOptions, LogReader, LogSummary, OpenError,
    Recovery, SegmentedStore, SteppedStore, repair, verify_folder, verify_folder_on,
};
#[cfg(feature = "sqlite")]
pub use sqlite::{Exported, SqliteExportError, SqliteOptions, SqliteReader, SqliteStore, export_sqlite};
pub use store::{
    AppendError, ChainReader, ChainStore, Damage, Durability, EventStream, Lsn, MemoryStore, Poisoned,
    PruneError, PruneReport, ReadError, RetireError, Tail, Tailed,
};
pub use verify::{ChainError, ChainErrorKind, Verifier, verify, verify_anchor};
