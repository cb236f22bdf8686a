//! Chains in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventHeader, EventKind, EventRange, PayloadHash};

use super::error::{check_append, check_genesis};
use super::{
    AppendError, ChainReader, ChainStore, Durability, Lsn, Poisoned, PruneError, PruneReport, ReadError,
    RetireError, Tail, Tails,
};
use crate::chain::Head;

/// What of an event is not said by its place in its chain. Half the size, and chains are all that a runtime keeps for
/// good.
#[derive(Debug)]
struct Entry {
    hash: EventHash,
    payload_hash: PayloadHash,
    payload: Payload,
    time: u64,
    epoch: u32,
    kind: EventKind,
    version: u8,
    flags: u8,
}

/// A payload, or how long it was. No larger than the payload alone.
#[derive(Debug)]
enum Payload {
    Here(Bytes),
    Pruned(u64),
}

const _: () = assert!(size_of::<Payload>() == size_of::<Bytes>());

impl Payload {
    /// The payload of an event, and the length that it was sealed with.
    fn get(&self) -> (Bytes, u64) {
        match self {
            Self::Here(payload) => (payload.clone(), payload.len() as u64),
            Self::Pruned(len) => (Bytes::new(), *len),
        }
    }
}

/// The events of one chain, in blocks that are never moved: a long chain grows without being copied.
#[derive(Debug)]
struct Events {
    chain: ChainId,
    first: Vec<Entry>,
    /// The blocks after the first. Each is twice as large as the one before, up to [`LARGEST_BLOCK`]; all but the last are
    /// full. See [`locate`].
    more: Vec<Vec<Entry>>,
    length: usize,
    head: Head,
}

/// Events that a short life makes: genesis, start, `init` and its return, a message and its return, end.
const FIRST_BLOCK: usize = 8;
/// Events of a block of a long chain.
const LARGEST_BLOCK: usize = FIRST_BLOCK << DOUBLED;
/// How often the size of the blocks is doubled.
const DOUBLED: usize = 7;

/// Events that are read under one lock.
const READ_AT_ONCE: usize = 256;

/// Events that a block has room for.
fn block_size(block: usize) -> usize {
    if block >= DOUBLED { LARGEST_BLOCK } else { FIRST_BLOCK << block }
}

/// The block that the event at `index` is in, and its place there.
fn locate(index: usize) -> (usize, usize) {
    let (mut block, mut size, mut rest) = (0, FIRST_BLOCK, index);
    while rest >= size && size < LARGEST_BLOCK {
        rest -= size;
        size *= 2;
        block += 1;
    }
    (block + rest / size, rest % size)
}

impl Events {
    fn new(genesis: ChainEvent) -> Self {
        let head = Head::after(&genesis);
        let mut events = Self {
            chain: head.chain_id,
            first: Vec::with_capacity(FIRST_BLOCK),
            more: Vec::new(),
            length: 0,
            head,
        };
        events.push(genesis);
        events
    }

    fn push(&mut self, event: ChainEvent) {
        self.head = Head::after(&event);
        let EventHeader { version, flags, kind, epoch, time, payload_hash, .. } = event.header;
        let payload = match event.is_pruned() {
            true => Payload::Pruned(event.header.payload_len),
            false => Payload::Here(event.payload),
        };
        let hash = event.hash;
        let entry = Entry { hash, payload_hash, payload, time, epoch, kind, version, flags };
        self.room().push(entry);
        self.length += 1;
    }

    /// The block that the next event goes into.
    fn room(&mut self) -> &mut Vec<Entry> {
        let (last, size) = (self.more.len(), block_size(self.more.len()));
        if self.more.last().unwrap_or(&self.first).len() == size {
            self.more.push(Vec::with_capacity(block_size(last + 1)));
        }
        self.more.last_mut().unwrap_or(&mut self.first)
    }

    fn entry(&self, index: usize) -> &Entry {
        let (block, place) = locate(index);
        match block.checked_sub(1) {
            None => &self.first[place],
            Some(block) => &self.more[block][place],
        }
    }

    /// Removes the payload of an event, if it is of a kind that lets go of it; its length.
    fn prune(&mut self, index: usize) -> Option<u64> {
        let (block, place) = locate(index);
        let entry = match block.checked_sub(1) {
            None => &mut self.first[place],
            Some(block) => &mut self.more[block][place],
        };
        match &entry.payload {
            Payload::Here(payload) if !payload.is_empty() && !entry.kind.keeps_payload() => {
                let len = payload.len() as u64;
                entry.payload = Payload::Pruned(len);
                Some(len)
            }
            _ => None,
        }
    }

    fn get(&self, index: usize) -> ChainEvent {
        let entry = self.entry(index);
        let (payload, payload_len) = entry.payload.get();
        let before = index.checked_sub(1).map_or(EventHash::ZERO, |before| self.entry(before).hash);
        let header = EventHeader {
            version: entry.version,
            flags: entry.flags,
            kind: entry.kind,
            epoch: entry.epoch,
            seq: index as u64,
            time: entry.time,
            payload_len,
            chain_id: self.chain,
            prev: before,
            payload_hash: entry.payload_hash,
        };
        ChainEvent { header, hash: entry.hash, payload }
    }
}

/// One chain, whose events or whose end is kept.
#[derive(Debug)]
enum Kept {
    Events(Events),
    Retired(Head),
}

impl Kept {
    fn head(&self) -> Head {
        match self {
            Self::Events(events) => events.head,
            Self::Retired(head) => *head,
        }
    }

    fn read(&self) -> Result<&Events, ReadError> {
        match self {
            Self::Events(events) => Ok(events),
            Self::Retired(head) => Err(ReadError::Retired { chain: head.chain_id }),
        }
    }
}

/// Keeps chains in memory, without a bound: what is not removed is there until the store is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Chain ids are hashes already.
    chains: DashMap<ChainId, Arc<Mutex<Kept>>, FxBuildHasher>,
    order: Mutex<Vec<ChainId>>,
    taken: AtomicU64,
    tails: Tails,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn took(&self, followed: Option<ChainEvent>) {
        let lsn = Lsn(self.taken.fetch_add(1, Ordering::Relaxed) + 1);
        if let Some(event) = followed {
            self.tails.send(lsn, event);
        }
    }

    /// Under the chain's lock: followers hear of a chain's events in the chain's order.
    fn append_to(&self, kept: &mut Kept, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        let Kept::Events(events) = kept else {
            return Err(AppendError::Retired { chain: expected.chain_id });
        };
        check_append(events.head, expected, &event)?;
        let followed = self.tails.is_followed().then(|| event.clone());
        events.push(event);
        self.took(followed);
        Ok(events.head)
    }

    /// The events of a chain. The map's guard ends with the statement; appends to other chains go on.
    fn chain(&self, chain: ChainId) -> Option<Arc<Mutex<Kept>>> {
        self.chains.get(&chain).map(|kept| Arc::clone(&kept))
    }
}

/// A panic elsewhere leaves a vector of whole events behind, so it does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ChainReader for MemoryStore {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        Ok(self.chain(chain).map(|kept| lock(&kept).head()))
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        let kept = self.chain(chain).ok_or(ReadError::UnknownChain { chain })?;
        let mut range = range.within(lock(&kept).read()?.length);
        let mut read = Vec::with_capacity(range.len());
        // A few at a time: writers of this chain wait for a batch and not for a whole long chain. What is there
        // never changes but for payloads that go, so the batches are of one moment.
        while !range.is_empty() {
            let batch = range.start..range.end.min(range.start + READ_AT_ONCE);
            range.start = batch.end;
            let kept = lock(&kept);
            let events = kept.read()?;
            read.extend(batch.map(|index| events.get(index)));
        }
        Ok(read)
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        Ok(lock(&self.order).clone())
    }
}

#[async_trait]
impl ChainStore for MemoryStore {
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError> {
        check_genesis(&genesis)?;
        let chain = genesis.header.chain_id;
        let followed = self.tails.is_followed().then(|| genesis.clone());
        let head = Head::after(&genesis);
        match self.chains.entry(chain) {
            dashmap::Entry::Occupied(_) => return Err(AppendError::AlreadyExists { chain }),
            dashmap::Entry::Vacant(place) => {
                place.insert(Arc::new(Mutex::new(Kept::Events(Events::new(genesis)))));
            }
        }
        lock(&self.order).push(chain);
        self.took(followed);
        Ok(head)
    }

    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        let chain = expected.chain_id;
        let kept = {
            let kept = self.chains.get(&chain).ok_or(AppendError::UnknownChain { chain })?;
            if let Ok(mut kept) = kept.try_lock() {
                return self.append_to(&mut kept, expected, event);
            }
            Arc::clone(&kept)
        };
        // Not under the map's guard: whoever waits for this chain would keep others from creating theirs.
        self.append_to(&mut lock(&kept), expected, event)
    }

    fn epoch(&self) -> u32 {
        1
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }

    fn accepted(&self) -> Lsn {
        Lsn(self.taken.load(Ordering::Relaxed))
    }

    fn durable(&self) -> Result<Lsn, Poisoned> {
        Ok(self.accepted())
    }

    async fn until_durable(&self, _lsn: Lsn) -> Result<(), Poisoned> {
        Ok(())
    }

    async fn ready(&self) -> Result<(), Poisoned> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }

    fn tail(&self) -> Tail {
        self.tails.follow()
    }

    async fn prune(&self, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
        let kept = self.chain(chain).ok_or(PruneError::UnknownChain { chain })?;
        let mut kept = lock(&kept);
        let Kept::Events(events) = &mut *kept else { return Err(PruneError::Retired { chain }) };
        let mut report = PruneReport::default();
        let end = EventRange { from: before, limit: 0 }.within(events.length).start;
        for bytes in (0..end).filter_map(|index| events.prune(index)) {
            report.events += 1;
            report.bytes += bytes;
        }
        Ok(report)
    }

    async fn retire(&self, head: Head) -> Result<(), RetireError> {
        let chain = head.chain_id;
        let kept = self.chain(chain).ok_or(RetireError::UnknownChain { chain })?;
        let mut kept = lock(&kept);
        let actual = kept.head();
        if actual != head {
            return Err(RetireError::Conflict { actual });
        }
        *kept = Kept::Retired(head);
        drop(kept);
        lock(&self.order).retain(|listed| *listed != chain);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own_and_blocks_fill_one_after_the_other() {
        let mut expected = (0, 0);
        let mut size = FIRST_BLOCK;
        for index in 0..10_000 {
            assert_eq!(locate(index), expected, "{index}");
            expected.1 += 1;
            if expected.1 == size {
                expected = (expected.0 + 1, 0);
                size = (2 * size).min(LARGEST_BLOCK);
            }
        }
    }

    #[tokio::test]
    async fn a_long_chain_reads_back_as_it_was_written() {
        let store = MemoryStore::new();
        let (mut chain, genesis) = crate::Chain::genesis("long".into(), 1, 0);
        let mut written = vec![genesis.clone()];
        store.create(genesis).unwrap();
        for time in 1..5_000 {
            let head = chain.head();
            let event = chain.append(EventKind::LOG, Bytes::from(time.to_string()), time);
            store.append(head, event.clone()).unwrap();
            written.push(event);
        }
        let id = chain.head().chain_id;
        assert_eq!(store.read(id, EventRange::ALL).await.unwrap(), written);
        assert_eq!(
            store.read(id, EventRange { from: 2_040, limit: 3 }).await.unwrap(),
            written[2_040..2_043]
        );
        assert_eq!(store.head(id).await, Ok(Some(chain.head())));
    }
}
