//! Chains in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventHeader, EventKind, EventRange, PayloadHash};

use super::{AppendError, ChainStore, ReadError};
use crate::chain::Head;

/// What of an event is not said by its place in its chain. Half the size, and chains are all that a runtime keeps for
/// good.
#[derive(Debug)]
struct Entry {
    hash: EventHash,
    payload_hash: PayloadHash,
    payload: Bytes,
    time: u64,
    epoch: u32,
    kind: EventKind,
    version: u8,
    flags: u8,
}

/// The events of one chain.
#[derive(Debug)]
struct Events {
    chain: ChainId,
    entries: Vec<Entry>,
}

impl Events {
    fn new(genesis: ChainEvent) -> Self {
        let mut events = Self { chain: genesis.header.chain_id, entries: Vec::with_capacity(FIRST_CAPACITY) };
        events.push(genesis);
        events
    }

    fn push(&mut self, event: ChainEvent) {
        let EventHeader { version, flags, kind, epoch, time, payload_hash, .. } = event.header;
        let ChainEvent { hash, payload, .. } = event;
        self.entries.push(Entry { hash, payload_hash, payload, time, epoch, kind, version, flags });
    }

    fn head(&self) -> Head {
        let last = self.entries.last().expect("a chain has its genesis event");
        let length = self.entries.len() as u64;
        Head { chain_id: self.chain, length, hash: last.hash, epoch: last.epoch }
    }

    fn get(&self, index: usize) -> ChainEvent {
        let entry = &self.entries[index];
        let before = index.checked_sub(1).map_or(EventHash::ZERO, |before| self.entries[before].hash);
        let header = EventHeader {
            version: entry.version,
            flags: entry.flags,
            kind: entry.kind,
            epoch: entry.epoch,
            seq: index as u64,
            time: entry.time,
            payload_len: entry.payload.len() as u64,
            chain_id: self.chain,
            prev: before,
            payload_hash: entry.payload_hash,
        };
        ChainEvent { header, hash: entry.hash, payload: entry.payload.clone() }
    }
}

/// Events that a short life makes: genesis, start, `init` and its return, a message and its return, end.
const FIRST_CAPACITY: usize = 8;

/// Keeps chains in memory, without a bound: everything is there until the store is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Chain ids are hashes already.
    chains: DashMap<ChainId, Arc<Mutex<Events>>, FxBuildHasher>,
    order: Mutex<Vec<ChainId>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The events of a chain. The map's guard ends with the statement; appends to other chains go on.
    fn chain(&self, chain: ChainId) -> Option<Arc<Mutex<Events>>> {
        self.chains.get(&chain).map(|events| Arc::clone(&events))
    }
}

/// A panic elsewhere leaves a vector of whole events behind, so it does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ChainStore for MemoryStore {
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError> {
        let (chain, seq) = (genesis.header.chain_id, genesis.header.seq);
        let length_fits = genesis.header.payload_len == genesis.payload.len() as u64;
        if !length_fits || seq != 0 || genesis.header.prev != EventHash::ZERO {
            return Err(AppendError::NotSealedOntoHead { seq });
        }
        let head = Head::after(&genesis);
        match self.chains.entry(chain) {
            dashmap::Entry::Occupied(_) => return Err(AppendError::AlreadyExists { chain }),
            dashmap::Entry::Vacant(place) => {
                place.insert(Arc::new(Mutex::new(Events::new(genesis))));
            }
        }
        lock(&self.order).push(chain);
        Ok(head)
    }

    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        let chain = expected.chain_id;
        // The map's guard is held for the append, which is short and takes no other lock of the map.
        let events = self.chains.get(&chain).ok_or(AppendError::UnknownChain { chain })?;
        let mut events = lock(&events);
        let actual = events.head();
        if actual != expected {
            return Err(AppendError::Conflict { actual });
        }
        let header = &event.header;
        let length_fits = header.payload_len == event.payload.len() as u64;
        if !length_fits
            || (header.chain_id, header.seq, header.prev) != (chain, expected.length, expected.hash)
        {
            return Err(AppendError::NotSealedOntoHead { seq: header.seq });
        }
        let head = Head::after(&event);
        events.push(event);
        Ok(head)
    }

    async fn head(&self, chain: ChainId) -> Option<Head> {
        self.chain(chain).map(|events| lock(&events).head())
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        let events = self.chain(chain).ok_or(ReadError::UnknownChain { chain })?;
        let events = lock(&events);
        Ok(range.within(events.entries.len()).map(|index| events.get(index)).collect())
    }

    async fn chains(&self) -> Vec<ChainId> {
        lock(&self.order).clone()
    }
}
