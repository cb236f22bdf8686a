//! The events of a chain one after the other, in either direction, without having them all in memory.

use std::ops::Deref;

use theater_core::{ChainEvent, ChainId, EventRange};

use super::{ChainReader, ReadError};

/// Events of the first page. Later ones are larger or smaller, as payloads go.
const FIRST_PAGE: usize = 64;
/// Events of a page at most.
const LARGEST_PAGE: usize = 1_024;
/// Bytes of payload in a page after which the next ones are smaller.
const PAGE_BYTES: usize = 1 << 20;

/// The events of one chain, from a position on, oldest or newest first. It holds one page of them at a time.
///
/// `R` is what refers to the store: `&dyn ChainReader`, `Arc<dyn ChainStore>` and the like.
///
/// # Examples
/// ```
/// use theater_chain::{Chain, ChainStore, EventStream, MemoryStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let (chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1_000);
/// store.create(genesis.clone())?;
///
/// let mut events = EventStream::oldest_first(&store, chain.head().chain_id, 0);
/// assert_eq!(events.next().await?, Some(genesis));
/// assert_eq!(events.next().await?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventStream<R> {
    reader: R,
    chain: ChainId,
    direction: Direction,
    page: std::vec::IntoIter<ChainEvent>,
    limit: usize,
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    /// The position that the next page begins with.
    Forward(u64),
    /// The position that the next page ends before; perhaps beyond the end.
    Backward(u64),
}

impl<R: Deref<Target: ChainReader>> EventStream<R> {
    /// The events from position `from` on. After the last it goes on once more were appended.
    #[must_use]
    pub fn oldest_first(reader: R, chain: ChainId, from: u64) -> Self {
        Self::new(reader, chain, Direction::Forward(from))
    }

    /// The events before position `before`, the newest of them first; all that are there by then where it is beyond the end.
    #[must_use]
    pub fn newest_first(reader: R, chain: ChainId, before: u64) -> Self {
        Self::new(reader, chain, Direction::Backward(before))
    }

    fn new(reader: R, chain: ChainId, direction: Direction) -> Self {
        Self { reader, chain, direction, page: Vec::new().into_iter(), limit: FIRST_PAGE }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        self.chain
    }

    /// The next event; `None` where there is none. Cancel-safe.
    ///
    /// # Errors
    /// As [`ChainReader::read`]. The next call tries again.
    pub async fn next(&mut self) -> Result<Option<ChainEvent>, ReadError> {
        if self.page.len() == 0 {
            self.page = self.fetch().await?.into_iter();
        }
        Ok(match self.direction {
            Direction::Forward(_) => self.page.next(),
            Direction::Backward(_) => self.page.next_back(),
        })
    }

    async fn fetch(&mut self) -> Result<Vec<ChainEvent>, ReadError> {
        let (chain, limit) = (self.chain, self.limit);
        let page = match self.direction {
            Direction::Forward(from) => {
                let page = self.reader.read(chain, EventRange { from, limit }).await?;
                self.direction = Direction::Forward(from + page.len() as u64);
                page
            }
            Direction::Backward(before) => {
                let head = self.reader.head(chain).await?.ok_or(ReadError::UnknownChain { chain })?;
                let end = before.min(head.length);
                let from = end.saturating_sub(limit as u64);
                // At most `limit`.
                let range = EventRange { from, limit: usize::try_from(end - from).unwrap_or(limit) };
                let page = self.reader.read(chain, range).await?;
                self.direction = Direction::Backward(from);
                page
            }
        };
        let bytes: usize = page.iter().map(|event| event.payload.len()).sum();
        self.limit = if bytes > PAGE_BYTES { limit / 2 } else { limit * 2 }.clamp(1, LARGEST_PAGE);
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use theater_core::EventKind;

    use super::*;
    use crate::{Chain, ChainStore, MemoryStore};

    fn store(events: u64, payload: usize) -> (Arc<dyn ChainStore>, ChainId) {
        let store = MemoryStore::new();
        let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 1);
        store.create(genesis).unwrap();
        for time in 1..events {
            let head = chain.head();
            store.append(head, chain.append(EventKind::LOG, vec![1; payload].into(), time)).unwrap();
        }
        (Arc::new(store), chain.head().chain_id)
    }

    async fn positions<R: Deref<Target: ChainReader>>(mut stream: EventStream<R>) -> Vec<u64> {
        let mut positions = Vec::new();
        while let Some(event) = stream.next().await.unwrap() {
            positions.push(event.header.seq);
        }
        positions
    }

    #[tokio::test]
    async fn a_stream_has_each_event_once_in_both_directions_from_any_position() {
        for length in [1, 2, 63, 64, 65, 193, 3_000] {
            let (store, chain) = store(length, 1);
            for from in [0, 1, 64, 100, length - 1, length, length + 1, u64::MAX] {
                let forward = EventStream::oldest_first(&*store, chain, from);
                assert_eq!(positions(forward).await, (from.min(length)..length).collect::<Vec<_>>());
                let backward = EventStream::newest_first(Arc::clone(&store), chain, from);
                assert_eq!(positions(backward).await, (0..from.min(length)).rev().collect::<Vec<_>>());
            }
        }
    }

    #[tokio::test]
    async fn pages_of_large_events_are_small() {
        let (store, chain) = store(300, 100_000);
        let mut stream = EventStream::oldest_first(&*store, chain, 0);
        let mut largest = 0;
        for position in 0..300 {
            assert_eq!(stream.next().await.unwrap().map(|event| event.header.seq), Some(position));
            if position > 200 {
                largest = largest.max(stream.page.len());
            }
        }
        assert!(largest <= 20, "{largest} events of 100 kB at once");
    }

    #[tokio::test]
    async fn a_stream_that_was_at_the_end_goes_on_with_what_comes() {
        let (store, chain) = store(3, 1);
        let mut stream = EventStream::oldest_first(&*store, chain, 3);
        assert_eq!(stream.next().await, Ok(None));
        let head = store.head(chain).await.unwrap().unwrap();
        let event = Chain::resume(head).append(EventKind::LOG, "more".into(), 9);
        store.append(head, event.clone()).unwrap();
        assert_eq!(stream.next().await, Ok(Some(event)));
    }

    #[tokio::test]
    async fn an_unknown_chain_has_no_stream() {
        let (store, _) = store(3, 1);
        let chain = crate::hash::chain_id(b"unknown");
        let unknown = Err(ReadError::UnknownChain { chain });
        assert_eq!(EventStream::oldest_first(&*store, chain, 0).next().await, unknown);
        assert_eq!(EventStream::newest_first(&*store, chain, 9).next().await, unknown);
    }
}
