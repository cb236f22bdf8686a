//! What stores answer when they cannot.

use std::io;

use theater_core::{ChainEvent, ChainId};

use crate::chain::Head;
use crate::hash;

/// A store that has failed takes nothing any more, until it is opened again: what the disk holds of the last writes is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event store has failed and takes nothing any more: could not {operation} {file}: {message}")]
pub struct Poisoned {
    /// What could not be done.
    pub operation: &'static str,
    /// With which file.
    pub file: String,
    /// How the system calls it.
    pub kind: io::ErrorKind,
    /// What the system said.
    pub message: String,
}

impl Poisoned {
    /// A failure of the system.
    #[must_use]
    pub fn new(operation: &'static str, file: impl Into<String>, error: &io::Error) -> Self {
        Self { operation, file: file.into(), kind: error.kind(), message: error.to_string() }
    }
}

/// Why an event was not appended. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The chain's head is not the one that the writer expected: somebody else appended.
    #[error("the chain's head is at {} events, the writer expected another", actual.length)]
    Conflict {
        /// The head.
        actual: Head,
    },
    /// The event does not follow the head that the writer expected.
    #[error("event {seq} does not follow the head that it was sealed onto")]
    NotSealedOntoHead {
        /// The event's position.
        seq: u64,
    },
    /// There is no such chain.
    #[error("unknown chain {chain}")]
    UnknownChain {
        /// The chain.
        chain: ChainId,
    },
    /// There is such a chain already.
    #[error("chain {chain} exists already")]
    AlreadyExists {
        /// The chain.
        chain: ChainId,
    },
    /// The chain was retired.
    #[error("chain {chain} was retired and takes no more events")]
    Retired {
        /// The chain.
        chain: ChainId,
    },
    /// The store takes no more, now or for good.
    #[error("the store is full")]
    Full,
    /// The store has failed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// Something that was stored and is not there as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged: {file}, at byte {offset}: {what}")]
pub struct Damage {
    /// The file, as it is called in the data folder.
    pub file: String,
    /// Where the damage was noticed.
    pub offset: u64,
    /// The chain that the place belongs to, where that is known.
    pub chain: Option<ChainId>,
    /// What is wrong there.
    pub what: String,
}

/// Why events could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such chain.
    #[error("unknown chain {chain}")]
    UnknownChain {
        /// The chain.
        chain: ChainId,
    },
    /// The chain was retired: its head is all that is kept.
    #[error("chain {chain} was retired, its events are no longer kept")]
    Retired {
        /// The chain.
        chain: ChainId,
    },
    /// What is there is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The disk does not give it.
    #[error("could not read {file}: {message}")]
    Io {
        /// The file.
        file: String,
        /// How the system calls it.
        kind: io::ErrorKind,
        /// What the system said.
        message: String,
    },
}

impl ReadError {
    /// A failure of the system.
    #[must_use]
    pub fn io(file: impl Into<String>, error: &io::Error) -> Self {
        Self::Io { file: file.into(), kind: error.kind(), message: error.to_string() }
    }
}

/// Whether an event can begin a chain.
///
/// # Errors
/// If it is not a first event, its payload has another length than was sealed, or it is of a version that could not be read back.
pub(crate) fn check_genesis(event: &ChainEvent) -> Result<(), AppendError> {
    let header = &event.header;
    let first = header.seq == 0 && header.prev == theater_core::EventHash::ZERO;
    if first && header.payload_len == event.payload.len() as u64 && hash::check_supported(header).is_ok() {
        Ok(())
    } else {
        Err(AppendError::NotSealedOntoHead { seq: header.seq })
    }
}

/// Whether an event can follow this head, which the writer expected, where the chain has that.
///
/// # Errors
/// [`Conflict`](AppendError::Conflict), [`NotSealedOntoHead`](AppendError::NotSealedOntoHead).
pub(crate) fn check_append(actual: Head, expected: Head, event: &ChainEvent) -> Result<(), AppendError> {
    if actual != expected {
        return Err(AppendError::Conflict { actual });
    }
    let header = &event.header;
    let follows =
        (header.chain_id, header.seq, header.prev) == (expected.chain_id, expected.length, expected.hash);
    // What was pruned elsewhere comes as it is.
    let whole = header.payload_len == event.payload.len() as u64 || event.is_pruned();
    // What another version wrote could not be read back.
    if follows && whole && hash::check_supported(header).is_ok() {
        Ok(())
    } else {
        Err(AppendError::NotSealedOntoHead { seq: header.seq })
    }
}
