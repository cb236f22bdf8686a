//! What may go.

use std::time::Duration;

use theater_core::{ChainEvent, ChainId};

use crate::store::{ChainReader, EventStream, ReadError};

/// Which payloads of a chain may go: those of events that are old, and not among the last. What is not set does not hold anything back;
/// where nothing is set nothing goes.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use theater_chain::{Chain, PrunePolicy};
/// use theater_core::EventKind;
///
/// let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 0);
/// let events = [genesis, chain.append(EventKind::LOG, "x".into(), 1_000_000_000)];
/// let policy = PrunePolicy { older_than: Some(Duration::from_secs(1)), keep_last: None };
/// // In nanoseconds, as events have it. At that moment the first event is two seconds old, and the second is one.
/// assert_eq!(policy.before(&events, 2_000_000_000, u64::MAX), 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrunePolicy {
    /// Events that are older than this, by their own time. The first that is not keeps all that follow it.
    pub older_than: Option<Duration>,
    /// All but so many of the last events.
    pub keep_last: Option<u64>,
}

impl PrunePolicy {
    /// The position before which payloads may go, for a whole chain, from its first event on.
    ///
    /// `now` is in nanoseconds since the Unix epoch. The position is never above `at_most`: the first event that is still needed, whatever
    /// its age, such as what a recovery would begin with.
    #[must_use]
    pub fn before<'a>(
        &self,
        events: impl IntoIterator<Item = &'a ChainEvent>,
        now: u64,
        at_most: u64,
    ) -> u64 {
        let (mut length, mut young) = (0, None);
        for event in events {
            if young.is_none() && !self.is_old(event, now) {
                young = Some(length);
            }
            length += 1;
        }
        self.bound(length, young.unwrap_or(length), at_most)
    }

    /// The same for a chain that is in a store. Reads it up to the first event that stays.
    ///
    /// # Errors
    /// As [`ChainReader::read`].
    pub async fn before_in(
        &self,
        reader: &dyn ChainReader,
        chain: ChainId,
        now: u64,
        at_most: u64,
    ) -> Result<u64, ReadError> {
        let head = reader.head(chain).await?.ok_or(ReadError::UnknownChain { chain })?;
        let most = self.bound(head.length, head.length, at_most);
        let mut events = EventStream::oldest_first(reader, chain, 0);
        while let Some(event) = events.next().await? {
            if event.header.seq >= most || !self.is_old(&event, now) {
                return Ok(event.header.seq.min(most));
            }
        }
        Ok(most)
    }

    fn is_old(&self, event: &ChainEvent, now: u64) -> bool {
        self.older_than.is_none_or(|age| u128::from(now.saturating_sub(event.header.time)) > age.as_nanos())
    }

    fn bound(&self, length: u64, young: u64, at_most: u64) -> u64 {
        if self.older_than.is_none() && self.keep_last.is_none() {
            return 0;
        }
        let kept = self.keep_last.unwrap_or(0);
        young.min(length.saturating_sub(kept)).min(at_most)
    }
}

#[cfg(test)]
mod tests {
    use theater_core::EventKind;

    use super::*;
    use crate::{Chain, ChainStore, MemoryStore};

    fn secs(secs: u64) -> u64 {
        secs * 1_000_000_000
    }

    /// Ten events: at 0 s, 1 s and so on, but that the clock went back to 0 s at the eighth.
    fn events() -> Vec<ChainEvent> {
        let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 0);
        let mut events = vec![genesis];
        let times = [1, 2, 3, 4, 5, 6, 0, 8, 9];
        events.extend(times.map(|time| chain.append(EventKind::LOG, "x".into(), secs(time))));
        events
    }

    fn policy(older_than: Option<u64>, keep_last: Option<u64>) -> PrunePolicy {
        PrunePolicy { older_than: older_than.map(Duration::from_secs), keep_last }
    }

    const CASES: &[(Option<u64>, Option<u64>, u64, u64)] = &[
        (None, None, u64::MAX, 0),
        (None, Some(0), u64::MAX, 10),
        (None, Some(3), u64::MAX, 7),
        (None, Some(10), u64::MAX, 0),
        (None, Some(u64::MAX), u64::MAX, 0),
        (None, Some(3), 5, 5),
        (Some(0), None, u64::MAX, 10),
        (Some(5), None, u64::MAX, 5),
        (Some(4), None, u64::MAX, 6),
        (Some(1), None, u64::MAX, 9),
        (Some(100), None, u64::MAX, 0),
        (Some(4), Some(8), u64::MAX, 2),
        (Some(4), Some(1), u64::MAX, 6),
        (Some(4), Some(1), 0, 0),
    ];

    #[test]
    fn what_goes_is_old_and_not_among_the_last_and_not_needed() {
        for (older_than, keep_last, at_most, expected) in CASES {
            let policy = policy(*older_than, *keep_last);
            assert_eq!(policy.before(&events(), secs(10), *at_most), *expected, "{policy:?} {at_most}");
        }
    }

    #[tokio::test]
    async fn a_chain_in_a_store_is_judged_as_its_events_are() {
        let store = MemoryStore::new();
        let events = events();
        let mut head = store.create(events[0].clone()).unwrap();
        for event in &events[1..] {
            head = store.append(head, event.clone()).unwrap();
        }
        for (older_than, keep_last, at_most, expected) in CASES {
            let policy = policy(*older_than, *keep_last);
            let before = policy.before_in(&store, head.chain_id, secs(10), *at_most).await;
            assert_eq!(before, Ok(*expected), "{policy:?} {at_most}");
        }
    }
}
