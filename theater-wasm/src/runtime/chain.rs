//! The chain of one actor, as its writers see it.

use std::sync::{Arc, Mutex};

use theater_chain::{AppendError, Chain, ChainStore, Head};
use theater_core::event::payload::Anchor;
use theater_core::{ActorId, Bytes, ChainEvent, ChainId, EventKind};

use super::entry::lock;

/// Appends to one chain. Several tasks may: the actor's own, its supervisor, its children's ends.
#[derive(Debug)]
pub(super) struct ChainLog {
    actor: ActorId,
    store: Arc<dyn ChainStore>,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
struct Writer {
    chain: Chain,
    /// The head that the store has: its term may be an earlier process's.
    stored: Head,
    /// Bytes of all payloads.
    bytes: u64,
}

impl ChainLog {
    /// Begins a chain with its genesis event.
    pub(super) fn create(
        actor: ActorId,
        store: Arc<dyn ChainStore>,
        genesis: Bytes,
        time: u64,
    ) -> Result<Self, AppendError> {
        let bytes = genesis.len() as u64;
        let (chain, event) = Chain::genesis(genesis, store.epoch(), time);
        let stored = store.create(event)?;
        Ok(Self { actor, store, writer: Mutex::new(Writer { chain, stored, bytes }) })
    }

    /// Goes on with a chain that an earlier process wrote, whose payloads have so many bytes.
    pub(super) fn resume(actor: ActorId, store: Arc<dyn ChainStore>, stored: Head, bytes: u64) -> Self {
        let chain = Chain::resume(Head { epoch: store.epoch().max(stored.epoch), ..stored });
        Self { actor, store, writer: Mutex::new(Writer { chain, stored, bytes }) }
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
        let (mut chain, size) = (writer.chain, payload.len() as u64);
        let event = chain.append(kind, payload, now());
        let kept = keep(&event);
        let stored = self.store.append(writer.stored, event)?;
        *writer = Writer { chain, stored, bytes: writer.bytes + size };
        Ok(kept)
    }

    /// Events so far, and bytes of their payloads.
    pub(super) fn totals(&self) -> (u64, u64) {
        let writer = lock(&self.writer);
        (writer.stored.length, writer.bytes)
    }

    /// So many bytes of payloads were pruned.
    pub(super) fn forget(&self, bytes: u64) {
        let mut writer = lock(&self.writer);
        writer.bytes = writer.bytes.saturating_sub(bytes);
    }

    pub(super) fn id(&self) -> ChainId {
        lock(&self.writer).stored.chain_id
    }

    /// Where the chain is now, for others to remember.
    pub(super) fn anchor(&self) -> Anchor {
        let writer = lock(&self.writer);
        let head = writer.stored;
        Anchor { actor: self.actor, chain: head.chain_id, length: head.length, head: head.hash }
    }
}
