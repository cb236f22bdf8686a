//! The chain of one actor, as its writers see it.

use std::sync::{Arc, Mutex};

use theater_chain::{AppendError, Chain, ChainStore};
use theater_core::event::payload::Anchor;
use theater_core::{ActorId, Bytes, ChainEvent, ChainId, EventKind};

use super::entry::lock;

/// Appends to one chain. Several tasks may: the actor's own, its supervisor, its children's ends.
#[derive(Debug)]
pub(super) struct ChainLog {
    actor: ActorId,
    store: Arc<dyn ChainStore>,
    writer: Mutex<Chain>,
}

impl ChainLog {
    /// Begins a chain with its genesis event.
    pub(super) fn create(
        actor: ActorId,
        store: Arc<dyn ChainStore>,
        genesis: Bytes,
        time: u64,
    ) -> Result<Self, AppendError> {
        let (chain, event) = Chain::genesis(genesis, FIRST_EPOCH, time);
        store.create(event)?;
        Ok(Self { actor, store, writer: Mutex::new(chain) })
    }

    /// Seals an event onto the head and stores it. The lock makes the order of the chain the order of the calls.
    /// `keep` gets the event before the store does.
    pub(super) fn append<T>(
        &self,
        kind: EventKind,
        payload: Bytes,
        now: impl FnOnce() -> u64,
        keep: impl FnOnce(&ChainEvent) -> T,
    ) -> Result<T, AppendError> {
        let mut writer = lock(&self.writer);
        let before = *writer;
        let event = writer.append(kind, payload, now());
        let kept = keep(&event);
        match self.store.append(before.head(), event) {
            Ok(_) => Ok(kept),
            Err(error) => {
                *writer = before;
                Err(error)
            }
        }
    }

    pub(super) fn id(&self) -> ChainId {
        lock(&self.writer).head().chain_id
    }

    /// Where the chain is now, for others to remember.
    pub(super) fn anchor(&self) -> Anchor {
        let writer = lock(&self.writer);
        let head = writer.head();
        Anchor { actor: self.actor, chain: head.chain_id, length: head.length, head: head.hash }
    }
}

/// The term of the first writer of a chain.
const FIRST_EPOCH: u32 = 1;
