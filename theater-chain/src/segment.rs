//! The bytes of a segment: pure functions between events and files. `docs/chain-format.md` has the page.
//!
//! - [`SegmentHeader`] begins a file and says where it stands among the others.
//! - `record` writes and reads one event, or one mark; each checksum is seeded with the one before.
//! - `scan` reads a segment from its beginning and says where and why it ends.
//! - `walk` does so past damage too, as far as what follows proves itself.
//! - `salvage` looks behind damage for something that says that the damaged part was durable.
//! - `rewrite` makes a segment again without what is to go.
//! - `index` is the sidecar of a segment that takes no more.

pub(crate) mod header;
pub(crate) mod index;
pub(crate) mod record;
pub(crate) mod rewrite;
pub(crate) mod salvage;
pub(crate) mod scan;
pub(crate) mod walk;

pub(crate) use header::SegmentHeader;
pub(crate) use record::Record;
