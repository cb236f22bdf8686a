//! Stores: who keeps chains.

mod memory;

use async_trait::async_trait;
use theater_core::{ChainEvent, ChainId, EventRange};

use crate::chain::Head;

pub use memory::MemoryStore;

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
    /// The store takes no more.
    #[error("the store is full")]
    Full,
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
}

/// Keeps chains of events.
///
/// # Contract
/// - **Compare and append.** [`append`](Self::append) takes effect only if the chain's head is the one that the caller
///   expects; otherwise it changes nothing and says what the head is. A writer whose attempt ended unclearly finds out by
///   comparing that head's hash with the event it tried to write.
/// - **Order.** The order of the calls that returned `Ok` is the order of the chain. Appending does not block on I/O.
/// - **Reading** gives what was appended, byte for byte, oldest first, and never waits for a writer.
/// - Chains are independent: an append to one neither waits for nor fails because of another.
/// - A store does not verify: it keeps what writers sealed. It does refuse an event that does not follow the head.
#[async_trait]
pub trait ChainStore: std::fmt::Debug + Send + Sync + 'static {
    /// Begins a chain with its genesis event.
    ///
    /// # Errors
    /// [`AlreadyExists`](AppendError::AlreadyExists), [`NotSealedOntoHead`](AppendError::NotSealedOntoHead) if it is not
    /// a first event, [`Full`](AppendError::Full).
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError>;

    /// Appends an event that was sealed onto `expected`.
    ///
    /// # Errors
    /// [`Conflict`](AppendError::Conflict), [`NotSealedOntoHead`](AppendError::NotSealedOntoHead),
    /// [`UnknownChain`](AppendError::UnknownChain), [`Full`](AppendError::Full).
    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError>;

    /// The head of a chain; `None` if there is no such chain.
    async fn head(&self, chain: ChainId) -> Option<Head>;

    /// Events of a chain, oldest first. A range beyond the end gives fewer or none.
    ///
    /// # Errors
    /// [`UnknownChain`](ReadError::UnknownChain).
    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError>;

    /// All chains, in the order in which they were created.
    async fn chains(&self) -> Vec<ChainId>;
}

const _OBJECT_SAFE: fn(&dyn ChainStore) = |_| {};
