//! Events: what crosses an actor's sandbox boundary, as entries of that actor's hash chain.
//!
//! This module has the data. `theater-chain` computes and checks the hashes; the format is on one page in
//! `docs/chain-format.md`.

pub(crate) mod digest;
mod kind;
pub mod payload;

use bytes::Bytes;

pub use digest::{ChainId, ContentDigest, EventHash, InvalidDigest, PayloadHash};
pub use kind::EventKind;

/// The part of an event that is hashed into the event hash: 128 bytes when encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// The format version, 1.
    pub version: u8,
    /// Reserved; 0 in version 1.
    pub flags: u8,
    /// What happened.
    pub kind: EventKind,
    /// The writer's term. It never decreases along a chain.
    pub epoch: u32,
    /// The position in the chain: 0 for the genesis event, then one more each.
    pub seq: u64,
    /// When it was written, in nanoseconds since the Unix epoch, as the runtime's clock said.
    pub time: u64,
    /// The payload's length in bytes.
    pub payload_len: u64,
    /// The chain. It is derived from the genesis payload, so no event can be moved to another chain.
    pub chain_id: ChainId,
    /// The hash of the event before; all zero in the genesis event.
    pub prev: EventHash,
    /// The payload's hash.
    pub payload_hash: PayloadHash,
}

/// One entry of an actor's hash chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEvent {
    /// What is hashed.
    pub header: EventHeader,
    /// The hash of the header.
    pub hash: EventHash,
    /// What the event says, as it was hashed; empty where it [was pruned](Self::is_pruned). See [`payload`] for its encoding.
    pub payload: Bytes,
}

impl ChainEvent {
    /// The name of the event's kind, such as `theater:simple/supervisor/spawn`.
    #[must_use]
    pub fn event_type(&self) -> String {
        self.header.kind.to_string()
    }

    /// The hash of the event before, `None` for the genesis event.
    #[must_use]
    pub fn parent_hash(&self) -> Option<EventHash> {
        (self.header.seq != 0).then_some(self.header.prev)
    }

    /// Whether the payload is no longer there. The header, and with it the payload's hash and length, is.
    #[must_use]
    pub fn is_pruned(&self) -> bool {
        self.header.payload_len != 0 && self.payload.is_empty()
    }

    /// When the event was written, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        self.header.time / 1_000_000
    }
}

/// An event that has no place in a chain yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// What happened.
    pub kind: EventKind,
    /// What it says. [`payload::encode`] makes it.
    pub payload: Bytes,
}

impl EventDraft {
    /// A draft.
    #[must_use]
    pub fn new(kind: EventKind, payload: Bytes) -> Self {
        Self { kind, payload }
    }
}

/// Which events of a chain: at most `limit` of them, in order, from position `from` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRange {
    /// The first position.
    pub from: u64,
    /// How many at most.
    pub limit: usize,
}

impl EventRange {
    /// The whole chain.
    pub const ALL: Self = Self { from: 0, limit: usize::MAX };

    /// The range as it selects from a chain of `length` events.
    #[must_use]
    pub fn within(self, length: usize) -> std::ops::Range<usize> {
        let from = usize::try_from(self.from).unwrap_or(usize::MAX).min(length);
        from..from.saturating_add(self.limit).min(length)
    }
}

impl Default for EventRange {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_selects_what_is_there_and_no_more() {
        assert_eq!(EventRange::ALL.within(3), 0..3);
        assert_eq!(EventRange { from: 2, limit: 10 }.within(3), 2..3);
        assert_eq!(EventRange { from: u64::MAX, limit: usize::MAX }.within(3), 3..3);
    }
}
