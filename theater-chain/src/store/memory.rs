//! Chains in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dashmap::DashMap;
use theater_core::{ChainEvent, ChainId, EventHash, EventRange};

use super::{AppendError, ChainStore, ReadError};
use crate::chain::Head;

/// Keeps chains in memory, without a bound: everything is there until the store is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    chains: DashMap<ChainId, Arc<Mutex<Vec<ChainEvent>>>>,
    order: Mutex<Vec<ChainId>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The events of a chain. The map's guard ends with the statement; appends to other chains go on.
    fn chain(&self, chain: ChainId) -> Option<Arc<Mutex<Vec<ChainEvent>>>> {
        self.chains.get(&chain).map(|events| Arc::clone(&events))
    }
}

/// A panic elsewhere leaves a vector of whole events behind, so it does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn head_of(events: &[ChainEvent]) -> Head {
    Head::after(events.last().expect("a chain in the map has its genesis event"))
}

#[async_trait]
impl ChainStore for MemoryStore {
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError> {
        let (chain, seq) = (genesis.header.chain_id, genesis.header.seq);
        if seq != 0 || genesis.header.prev != EventHash::ZERO {
            return Err(AppendError::NotSealedOntoHead { seq });
        }
        let head = Head::after(&genesis);
        match self.chains.entry(chain) {
            dashmap::Entry::Occupied(_) => return Err(AppendError::AlreadyExists { chain }),
            dashmap::Entry::Vacant(place) => {
                place.insert(Arc::new(Mutex::new(vec![genesis])));
            }
        }
        lock(&self.order).push(chain);
        Ok(head)
    }

    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        let chain = expected.chain_id;
        let events = self.chain(chain).ok_or(AppendError::UnknownChain { chain })?;
        let mut events = lock(&events);
        let actual = head_of(&events);
        if actual != expected {
            return Err(AppendError::Conflict { actual });
        }
        let header = &event.header;
        if (header.chain_id, header.seq, header.prev) != (chain, expected.length, expected.hash) {
            return Err(AppendError::NotSealedOntoHead { seq: header.seq });
        }
        let head = Head::after(&event);
        events.push(event);
        Ok(head)
    }

    async fn head(&self, chain: ChainId) -> Option<Head> {
        self.chain(chain).map(|events| head_of(&lock(&events)))
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        let events = self.chain(chain).ok_or(ReadError::UnknownChain { chain })?;
        let events = lock(&events);
        Ok(events[range.within(events.len())].to_vec())
    }

    async fn chains(&self) -> Vec<ChainId> {
        lock(&self.order).clone()
    }
}
