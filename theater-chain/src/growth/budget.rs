//! How large a chain may become.

use theater_core::{ChainEvent, ChainId};

use crate::hash::HEADER_LEN;
use crate::store::{ChainReader, EventStream, ReadError};

/// What an event takes beside its payload: its header and its hash.
const EVENT_BYTES: u64 = HEADER_LEN as u64 + 32;

/// How large a chain is.
///
/// Its writer adds each event as it appends it: that is cheaper than any question to a store. Where a writer takes over a chain, it reads
/// it once: [`of_chain`](Self::of_chain).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainTotals {
    /// Events.
    pub events: u64,
    /// Bytes: 160 per event, and the payloads that are there. Stores take a little more or less.
    pub bytes: u64,
}

impl ChainTotals {
    /// The totals with one more event.
    #[must_use]
    pub fn with(self, event: &ChainEvent) -> Self {
        Self {
            events: self.events.saturating_add(1),
            bytes: self.bytes.saturating_add(EVENT_BYTES + event.payload.len() as u64),
        }
    }

    /// The totals without so many bytes of payload, which were pruned.
    #[must_use]
    pub fn without(self, bytes: u64) -> Self {
        Self { bytes: self.bytes.saturating_sub(bytes), ..self }
    }

    /// The totals of a chain. Reads all of it.
    ///
    /// # Errors
    /// As [`ChainReader::read`].
    pub async fn of_chain(reader: &dyn ChainReader, chain: ChainId) -> Result<Self, ReadError> {
        let mut events = EventStream::oldest_first(reader, chain, 0);
        let mut totals = Self::default();
        while let Some(event) = events.next().await? {
            totals = totals.with(&event);
        }
        Ok(totals)
    }
}

/// How large a chain may become, and when to warn before.
///
/// # Examples
/// ```
/// use theater_chain::{ChainBudget, ChainTotals, Charge};
///
/// let budget = ChainBudget { warn_events: 2, max_events: 3, ..ChainBudget::UNLIMITED };
/// let totals = |events| ChainTotals { events, bytes: 0 };
/// assert_eq!(budget.charge(totals(0), totals(1)), Charge::Ok);
/// assert_eq!(budget.charge(totals(1), totals(2)), Charge::Warn);
/// assert_eq!(budget.charge(totals(2), totals(3)), Charge::Ok);
/// assert_eq!(budget.charge(totals(3), totals(4)), Charge::Full);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainBudget {
    /// Events from which on it is time to warn.
    pub warn_events: u64,
    /// Events at most.
    pub max_events: u64,
    /// Bytes from which on it is time to warn, counted as in [`ChainTotals`].
    pub warn_bytes: u64,
    /// Bytes at most.
    pub max_bytes: u64,
}

/// What a budget says of a chain that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// Go on.
    Ok,
    /// Go on, and warn: a limit of the warning has just been reached.
    Warn,
    /// There is no room for this.
    Full,
}

impl ChainBudget {
    /// No limits.
    pub const UNLIMITED: Self =
        Self { warn_events: u64::MAX, max_events: u64::MAX, warn_bytes: u64::MAX, max_bytes: u64::MAX };

    /// What to do about a chain that grows from one size to another. It warns once each time that a limit is reached: not again
    /// above it, and again where a chain that was pruned comes back to it.
    #[must_use]
    pub fn charge(&self, before: ChainTotals, after: ChainTotals) -> Charge {
        let reached = |limit: u64, before: u64, after: u64| before < limit && limit <= after;
        if after.events > self.max_events || after.bytes > self.max_bytes {
            Charge::Full
        } else if reached(self.warn_events, before.events, after.events)
            || reached(self.warn_bytes, before.bytes, after.bytes)
        {
            Charge::Warn
        } else {
            Charge::Ok
        }
    }
}

impl Default for ChainBudget {
    /// [`UNLIMITED`](Self::UNLIMITED).
    fn default() -> Self {
        Self::UNLIMITED
    }
}

#[cfg(test)]
mod tests {
    use theater_core::EventKind;

    use super::*;
    use crate::{Chain, ChainStore, MemoryStore};

    const BUDGET: ChainBudget =
        ChainBudget { warn_events: 10, max_events: 20, warn_bytes: 1_000, max_bytes: 2_000 };

    fn totals(events: u64, bytes: u64) -> ChainTotals {
        ChainTotals { events, bytes }
    }

    #[test]
    fn each_limit_warns_once_when_it_is_reached() {
        let mut warnings = Vec::new();
        for events in 0..20 {
            match BUDGET.charge(totals(events, 100 * events), totals(events + 1, 100 * (events + 1))) {
                Charge::Warn => warnings.push(events + 1),
                other => assert_eq!(other, Charge::Ok),
            }
        }
        assert_eq!(warnings, [10], "both limits are reached with one event");
        assert_eq!(BUDGET.charge(totals(1, 999), totals(2, 1_000)), Charge::Warn);
        assert_eq!(BUDGET.charge(totals(2, 1_000), totals(3, 1_100)), Charge::Ok);
        assert_eq!(BUDGET.charge(totals(2, 0), totals(3, 1_100)), Charge::Warn, "however large the step");
    }

    #[test]
    fn a_chain_is_full_beyond_a_limit_and_not_at_it() {
        assert_eq!(BUDGET.charge(totals(19, 0), totals(20, 0)), Charge::Ok);
        assert_eq!(BUDGET.charge(totals(20, 0), totals(21, 0)), Charge::Full);
        assert_eq!(BUDGET.charge(totals(11, 1_100), totals(12, 2_000)), Charge::Ok);
        assert_eq!(BUDGET.charge(totals(0, 0), totals(1, 2_001)), Charge::Full, "rather full than warned");
        let most = totals(u64::MAX, u64::MAX);
        assert_eq!(ChainBudget::UNLIMITED.charge(most, most), Charge::Ok);
    }

    #[tokio::test]
    async fn the_totals_of_a_chain_are_the_sum_of_what_its_writer_added() {
        let store = MemoryStore::new();
        let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 1);
        let mut running = ChainTotals::default().with(&genesis);
        store.create(genesis).unwrap();
        for n in 0..100_u64 {
            let head = chain.head();
            let event = chain.append(EventKind::LOG, vec![0; n as usize].into(), n);
            running = running.with(&event);
            store.append(head, event).unwrap();
        }
        let id = chain.head().chain_id;
        assert_eq!(running, totals(101, 101 * 160 + 8 + 99 * 100 / 2));
        assert_eq!(ChainTotals::of_chain(&store, id).await, Ok(running));
        let pruned = store.prune(id, 50).await.unwrap();
        assert_eq!(ChainTotals::of_chain(&store, id).await, Ok(running.without(pruned.bytes)));
    }
}
