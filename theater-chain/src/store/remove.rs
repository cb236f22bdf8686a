//! What stores answer when payloads or whole chains are to go.

use theater_core::ChainId;

use super::{Poisoned, ReadError};
use crate::chain::Head;

/// What a store has pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// Payloads that are gone since.
    pub events: u64,
    /// Their length in bytes, all together.
    pub bytes: u64,
}

/// Why payloads were not removed, or not all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// There is no such chain.
    #[error("unknown chain {chain}")]
    UnknownChain {
        /// The chain.
        chain: ChainId,
    },
    /// The chain was retired: it has no events any more.
    #[error("chain {chain} was retired, its events are no longer kept")]
    Retired {
        /// The chain.
        chain: ChainId,
    },
    /// What has to be rewritten cannot be read or written. What is there was not changed.
    #[error("what is stored could not be rewritten: {0}")]
    Rewrite(#[from] ReadError),
    /// The store has failed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// The store keeps every payload.
    #[error("this store cannot prune")]
    Unsupported,
}

/// Why a chain was not retired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RetireError {
    /// There is no such chain.
    #[error("unknown chain {chain}")]
    UnknownChain {
        /// The chain.
        chain: ChainId,
    },
    /// The chain has another head than the one that was kept of it.
    #[error("the chain's head is at {} events, not the one that it was to be retired with", actual.length)]
    Conflict {
        /// The head.
        actual: Head,
    },
    /// The disk does not take the note that the chain is gone. It is not.
    #[error("could not note that the chain was retired: {0}")]
    Write(#[from] ReadError),
    /// The store has failed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// The store keeps every chain.
    #[error("this store cannot retire chains")]
    Unsupported,
}
