//! A writer of one chain, and what a store must say of what it wrote.

use theater_chain::{Chain, ChainStore, Head};
use theater_core::{Bytes, ChainEvent, ChainId, EventKind, EventRange};

use super::{Verdict, right, same, told};

/// Writes a chain and remembers what it wrote.
pub(super) struct Writer {
    chain: Chain,
    pub(super) written: Vec<ChainEvent>,
}

impl Writer {
    /// Begins a chain that the store does not have yet. `who` makes it another chain than others.
    pub(super) fn new(who: &str) -> Self {
        let (chain, genesis) = Chain::genesis(Bytes::from(who.to_owned()), 1, 1_000);
        Self { chain, written: vec![genesis] }
    }

    /// The same, with its genesis event in the store.
    pub(super) fn create(store: &dyn ChainStore, who: &str) -> Result<Self, String> {
        let writer = Self::new(who);
        let head = store.create(writer.genesis()).map_err(|error| format!("create: {error}"))?;
        same("what create answers", &head, &writer.head())?;
        Ok(writer)
    }

    /// Takes what another writer appended as its own.
    pub(super) fn go_on(&mut self, head: Head) {
        self.chain = Chain::resume(head);
    }

    pub(super) fn genesis(&self) -> ChainEvent {
        self.written[0].clone()
    }

    pub(super) fn id(&self) -> ChainId {
        self.head().chain_id
    }

    pub(super) fn head(&self) -> Head {
        self.chain.head()
    }

    /// What the next event would be, without writing it.
    pub(super) fn draft(&self, payload: impl Into<Bytes>) -> ChainEvent {
        self.chain.clone().append(EventKind::LOG, payload.into(), 1_000 + self.head().length)
    }

    /// Appends one event.
    pub(super) fn append(&mut self, store: &dyn ChainStore, payload: impl Into<Bytes>) -> Verdict {
        let event = self.draft(payload);
        self.append_sealed(store, event)
    }

    /// Appends an event that follows the head.
    pub(super) fn append_sealed(&mut self, store: &dyn ChainStore, event: ChainEvent) -> Verdict {
        let head = store.append(self.head(), event.clone()).map_err(|error| format!("append: {error}"))?;
        same("what append answers", &head, &Head::after(&event))?;
        self.chain = Chain::resume(head);
        self.written.push(event);
        Ok(())
    }

    /// Appends so many events.
    pub(super) fn append_some(&mut self, store: &dyn ChainStore, count: u64) -> Verdict {
        (0..count).try_for_each(|n| self.append(store, n.to_string()))
    }

    /// That the store has exactly what was written, and no more.
    pub(super) async fn check(&self, store: &dyn ChainStore) -> Verdict {
        let read = store.read(self.id(), EventRange::ALL).await.map_err(|error| format!("read: {error}"))?;
        same_events(&read, &self.written)?;
        same("the head", &store.head(self.id()).await.map_err(told)?, &Some(self.head()))
    }
}

/// That events are the same, byte for byte. The first difference is told, not the events: they may be large.
pub(super) fn same_events(got: &[ChainEvent], wanted: &[ChainEvent]) -> Verdict {
    for (n, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        right(got.header == wanted.header, || {
            format!("event {n} has another header: {:?} instead of {:?}", got.header, wanted.header)
        })?;
        right(got.hash == wanted.hash, || format!("event {n} has another hash"))?;
        right(got.payload == wanted.payload, || {
            format!(
                "event {n} has another payload: {} bytes, written were {}",
                got.payload.len(),
                wanted.payload.len()
            )
        })?;
    }
    same("the number of events", &got.len(), &wanted.len())
}
