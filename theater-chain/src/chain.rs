//! A chain as its writer sees it: the head, and events sealed onto it.

use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventHeader, EventKind};

use crate::hash;

/// Where a chain ends: what a writer must know to append, and what pins everything before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain_id: ChainId,
    /// How many events it has; the next event's position.
    pub length: u64,
    /// The hash of the last event.
    pub hash: EventHash,
    /// The term of the writer of the last event.
    pub epoch: u32,
}

impl Head {
    /// The head of a chain that ends with this event. The event is believed, not checked.
    ///
    /// # Panics
    /// In builds that check arithmetic, if the event's position is `u64::MAX`.
    #[must_use]
    pub fn after(event: &ChainEvent) -> Self {
        let header = &event.header;
        Self { chain_id: header.chain_id, length: header.seq + 1, hash: event.hash, epoch: header.epoch }
    }
}

/// The writer's end of one chain. Pure: it knows the head, reads no clock and stores nothing.
///
/// # Examples
/// ```
/// use theater_chain::{Chain, verify};
/// use theater_core::EventKind;
///
/// let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 1_000);
/// let started = chain.append(EventKind::STARTED, "now".into(), 2_000);
/// assert_eq!(verify([&genesis, &started])?, chain.head());
/// # Ok::<(), theater_chain::ChainError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    head: Head,
}

impl Chain {
    /// Begins a chain with its genesis event. The payload determines the chain's id, so it must be unique.
    #[must_use]
    pub fn genesis(payload: Bytes, epoch: u32, time: u64) -> (Self, ChainEvent) {
        let chain_id = hash::chain_id(&payload);
        let mut chain = Self { head: Head { chain_id, length: 0, hash: EventHash::ZERO, epoch } };
        let event = chain.append(EventKind::GENESIS, payload, time);
        (chain, event)
    }

    /// Goes on after a head that somebody else wrote, such as the one that a store answered with. The term stays.
    #[must_use]
    pub fn resume(head: Head) -> Self {
        Self { head }
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Seals an event onto the head, which it becomes. `time` is in nanoseconds since the Unix epoch.
    pub fn append(&mut self, kind: EventKind, payload: Bytes, time: u64) -> ChainEvent {
        let header = EventHeader {
            version: hash::VERSION,
            flags: 0,
            kind,
            epoch: self.head.epoch,
            seq: self.head.length,
            time,
            payload_len: payload.len() as u64,
            chain_id: self.head.chain_id,
            prev: self.head.hash,
            payload_hash: hash::payload_hash(&payload),
        };
        let event = ChainEvent { hash: hash::event_hash(&header), header, payload };
        self.head = Head::after(&event);
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_names_the_one_before_and_its_own_place() {
        let (mut chain, genesis) = Chain::genesis("who I am".into(), 7, 100);
        assert_eq!(genesis.header.chain_id, hash::chain_id(b"who I am"));
        assert_eq!((genesis.header.seq, genesis.header.prev), (0, EventHash::ZERO));
        let next = chain.append(EventKind::LOG, "x".into(), 50);
        assert_eq!((next.header.seq, next.header.prev), (1, genesis.hash));
        assert_eq!((next.header.epoch, next.header.time), (7, 50), "the time is taken as it was read");
        assert_eq!(chain.head(), Head::after(&next));
    }

    #[test]
    fn a_payload_is_shared_and_not_copied() {
        let payload = Bytes::from(vec![1; 100]);
        let (mut chain, _) = Chain::genesis("who I am".into(), 1, 1);
        let event = chain.append(EventKind::LOG, payload.clone(), 2);
        assert_eq!(event.payload.as_ptr(), payload.as_ptr());
    }

    #[test]
    fn a_resumed_chain_seals_what_the_first_writer_would_have_sealed() {
        let (mut chain, _) = Chain::genesis("who I am".into(), 1, 1);
        let mut resumed = Chain::resume(chain.head());
        assert_eq!(
            resumed.append(EventKind::LOG, "x".into(), 2),
            chain.append(EventKind::LOG, "x".into(), 2)
        );
        assert_eq!(resumed, chain);
    }
}
