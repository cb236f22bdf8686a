//! Hash-chained event logs: hashing, appending, verifying, storing and exporting.
//!
//! - [`hash`] computes hashes; nothing else does.
//! - [`Chain`] seals events onto a head. Pure: time comes in, events come out.
//! - [`verify()`] and [`Verifier`] check a chain event by event and name the first fault.
//! - [`ChainStore`] keeps chains; [`MemoryStore`] does so in memory.
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
pub mod hash;
pub mod jsonl;
mod log;
mod segment;
mod store;
mod verify;
pub mod vfs;

pub use chain::{Chain, Head};
pub use export::{ExportError, ExportErrorKind, ExportReport, verify_export};
pub use log::{Cut, LogOptions, OpenError, Recovery, SegmentedStore, SteppedStore};
pub use store::{
    AppendError, ChainReader, ChainStore, Damage, Durability, Lsn, MemoryStore, Poisoned, ReadError, Tail,
    Tailed,
};
pub use verify::{ChainError, ChainErrorKind, Verifier, verify, verify_anchor};
