//! Stores: who keeps chains.

mod durability;
pub(crate) mod error;
mod memory;
mod remove;
mod stream;
mod tail;

use async_trait::async_trait;
use theater_core::{ChainEvent, ChainId, EventRange};

use crate::chain::Head;

pub use durability::{Durability, Lsn};
pub use error::{AppendError, Damage, Poisoned, ReadError};
pub use memory::MemoryStore;
pub use remove::{PruneError, PruneReport, RetireError};
pub use stream::EventStream;
pub(crate) use tail::Tails;
pub use tail::{Tail, Tailed};

/// Gives chains back: a store, or what another process has left of one.
///
/// # Contract
/// - **Reading** gives what was appended, byte for byte, oldest first, and never waits for a writer. What is not there as it was
///   written is an error that says where, never left out. An event [whose payload was pruned](ChainEvent::is_pruned) is there but
///   for its payload.
/// - A chain that was **retired** has a head, cannot be read, and is not listed.
#[async_trait]
pub trait ChainReader: std::fmt::Debug + Send + Sync + 'static {
    /// The head of a chain, its last one where it was retired; `None` if there is no such chain.
    ///
    /// # Errors
    /// If what is stored cannot be read.
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError>;

    /// Events of a chain, oldest first. A range beyond the end gives fewer or none.
    ///
    /// # Errors
    /// [`UnknownChain`](ReadError::UnknownChain), [`Retired`](ReadError::Retired); if what is stored cannot be read.
    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError>;

    /// All chains that were not retired, in the order in which they were created.
    ///
    /// # Errors
    /// If what is stored cannot be read.
    async fn chains(&self) -> Result<Vec<ChainId>, ReadError>;
}

/// Keeps chains of events.
///
/// # Contract
/// - **Compare and append.** [`append`](Self::append) takes effect only if the chain's head is the one that the caller
///   expects; otherwise it changes nothing and says what the head is. A writer whose attempt ended unclearly finds out by
///   comparing that head's hash with the event it tried to write.
/// - **Order.** The order of the calls that returned `Ok` is the order of the chain. Appending does not block on I/O.
/// - Chains are independent: an append to one neither waits for nor fails because of another.
/// - A store does not verify: it keeps what writers sealed. It does refuse an event that does not follow the head.
/// - **Durability.** Every event that is taken gets the next place in the store's one order ([`Lsn`]). Events become durable in
///   that order, so that what survives a crash is a beginning of it: no event survives without those that were taken before.
///   [`until_durable`](Self::until_durable) answers once that is so; what [`Durability`] means is the store's promise.
/// - **Failure.** Once a store could not write, it says so on every call that would change anything, for ever: nobody knows what of its
///   last writes is on the disk. Reading goes on.
/// - **Removing.** Payloads go only where [`prune`](Self::prune) says so, events only with their whole chain, by
///   [`retire`](Self::retire). What was removed does not come back. A store does not look whether a chain says that it was pruned, or
///   whether a checkpoint of a retired one is kept: [`prune_chain`](crate::prune_chain) and [`retire_chain`](crate::retire_chain)
///   do it in the right order.
#[async_trait]
pub trait ChainStore: ChainReader {
    /// Begins a chain with its genesis event.
    ///
    /// # Errors
    /// [`AlreadyExists`](AppendError::AlreadyExists), also where it was retired;
    /// [`NotSealedOntoHead`](AppendError::NotSealedOntoHead) if it is not a first event, [`Full`](AppendError::Full).
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError>;

    /// Appends an event that was sealed onto `expected`. It may come without its payload, as pruned events of other stores do.
    ///
    /// # Errors
    /// [`Conflict`](AppendError::Conflict), [`NotSealedOntoHead`](AppendError::NotSealedOntoHead),
    /// [`UnknownChain`](AppendError::UnknownChain), [`Retired`](AppendError::Retired), [`Full`](AppendError::Full).
    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError>;

    /// The term of this writer: higher than that of any process that had the store before. Events that it takes are sealed with it.
    fn epoch(&self) -> u32;

    /// What the store promises of an event that is durable.
    fn durability(&self) -> Durability;

    /// The place of the last event that was taken. Taken right after an append it covers that event, and everything that it can
    /// have been caused by.
    fn accepted(&self) -> Lsn;

    /// The place up to which everything is durable.
    ///
    /// # Errors
    /// If the store has failed.
    fn durable(&self) -> Result<Lsn, Poisoned>;

    /// Waits until everything up to this place is durable. Cancel-safe.
    ///
    /// # Errors
    /// If the store has failed, or fails first: whether the events survive is not known then.
    async fn until_durable(&self, lsn: Lsn) -> Result<(), Poisoned>;

    /// Waits until the store has room for more. Whoever waits here before work whose events cannot be taken back is not refused
    /// as [`Full`](AppendError::Full) in the middle of it. Cancel-safe.
    ///
    /// # Errors
    /// If the store has failed.
    async fn ready(&self) -> Result<(), Poisoned>;

    /// Whether [`ready`](Self::ready) would answer at once, and well, without being asked. `false` says nothing.
    fn has_room(&self) -> bool {
        false
    }

    /// Every event that is taken from now on, of all chains, in the store's order. A reader that falls too far behind is told how
    /// many it missed; no writer waits for it.
    fn tail(&self) -> Tail;

    /// Removes the payloads of a chain's events below a position, but for those of
    /// [kinds that keep them](theater_core::EventKind::keeps_payload); what went. All else of the events stays, and their order.
    ///
    /// A store may keep payloads that it cannot remove yet: such as are among the last events that it took. The next call for them removes
    /// them. After a crash each payload is there or is not, and no event is damaged. The default cannot.
    ///
    /// # Errors
    /// [`UnknownChain`](PruneError::UnknownChain), [`Retired`](PruneError::Retired); if the store has failed, or what it has to rewrite cannot
    /// be read or written: what was not removed by then is still there.
    async fn prune(&self, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
        let _ = (chain, before);
        Err(PruneError::Unsupported)
    }

    /// Removes a whole chain for good, if this is its head. What stays is the head: it is answered for ever, and the chain's id is not given
    /// again. Retiring it once more is no error. The default cannot.
    ///
    /// # Errors
    /// [`Conflict`](RetireError::Conflict), [`UnknownChain`](RetireError::UnknownChain); if the store has failed. The chain is there then.
    async fn retire(&self, head: Head) -> Result<(), RetireError> {
        let _ = head;
        Err(RetireError::Unsupported)
    }
}

const _OBJECT_SAFE: fn(&dyn ChainStore, &dyn ChainReader) = |_, _| {};
