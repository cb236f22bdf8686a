//! Verification: is this the chain that was written, and if not, where does it break and how?

use theater_core::event::payload::{self, Pruned};
use theater_core::{ChainEvent, ChainId, EventHash, EventKind};

use crate::chain::Head;
use crate::hash::{self, HeaderError};

/// The first fault of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {index}: {kind}")]
#[non_exhaustive]
pub struct ChainError {
    /// The position of the event that is at fault, counted from 0 as it was given.
    pub index: u64,
    /// What is wrong with it.
    #[source]
    pub kind: ChainErrorKind,
}

/// What is wrong with an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainErrorKind {
    /// There is no event at all.
    #[error("the chain is empty")]
    Empty,
    /// A version or flag that this program does not read.
    #[error(transparent)]
    Unsupported(#[from] HeaderError),
    /// The first event is not a genesis event, or a later one is.
    #[error("kind {found} in this place; the genesis event is the first and only the first")]
    Genesis {
        /// The kind.
        found: EventKind,
    },
    /// Events are missing, doubled or out of order.
    #[error("position {found} where {expected} must follow: an event is missing, doubled or out of order")]
    Sequence {
        /// The position that had to come.
        expected: u64,
        /// The position in the header.
        found: u64,
    },
    /// The event belongs to another chain.
    #[error("belongs to chain {found}, not to {expected}")]
    ForeignChain {
        /// The chain that is verified.
        expected: ChainId,
        /// The chain in the header.
        found: ChainId,
    },
    /// The event does not follow the one before.
    #[error("follows event {found}, but the event before is {expected}")]
    Parent {
        /// The hash of the event before.
        expected: EventHash,
        /// The hash in the header.
        found: EventHash,
    },
    /// The writer's term went back.
    #[error("epoch {found} after epoch {before}")]
    Epoch {
        /// The epoch of the event before.
        before: u32,
        /// The epoch in the header.
        found: u32,
    },
    /// The payload has another length than was sealed.
    #[error("the payload has {found} bytes, {expected} were sealed")]
    PayloadLength {
        /// The length in the header.
        expected: u64,
        /// The length of the payload.
        found: u64,
    },
    /// The payload is not what was sealed.
    #[error("the payload is not what was sealed")]
    Payload,
    /// The payload is not there, and the chain does not say that it was pruned.
    #[error("the payload of {expected} bytes is missing, and no later event says that it was pruned")]
    PayloadMissing {
        /// The length in the header.
        expected: u64,
    },
    /// The header is not what was sealed.
    #[error("the header is not what was sealed: its hash is {actual}, not {found}")]
    Hash {
        /// The hash of the header as it is.
        actual: EventHash,
        /// The hash that the event claims.
        found: EventHash,
    },
    /// The chain ends before a point that somebody remembers.
    #[error("the chain has {found} events, but had {expected}: its end was cut off")]
    Cut {
        /// The length that is remembered.
        expected: u64,
        /// The length that is there.
        found: u64,
    },
    /// What is remembered is a chain without events, which says nothing: every chain has its genesis event.
    #[error("a chain of no events is remembered, and there is no such chain")]
    AnchorOfNothing,
    /// The chain is not the one that somebody remembers.
    #[error("event hash {found} where {expected} is remembered: the chain was rewritten")]
    Anchor {
        /// The hash that is remembered.
        expected: EventHash,
        /// The hash that is there.
        found: EventHash,
    },
}

/// Checks a chain event by event, in constant memory.
///
/// It notices any change of any byte, and any event that is missing, doubled, out of order or from elsewhere. What it
/// cannot notice alone is a cut end: compare [`head`](Self::head) with one that was kept elsewhere, or use
/// [`verify_anchor`].
///
/// An event whose payload was pruned is taken at first, as far as its header goes. Whether that is right is only known once
/// a later event says so: [`finish`](Self::finish) checks it.
#[derive(Debug, Clone, Default)]
pub struct Verifier {
    head: Option<Head>,
    last_time: u64,
    regressions: u64,
    pruned: u64,
    /// Events without their payload of which no event has said yet that it was pruned: the first and the last that are
    /// known, with the lengths that they had.
    unexplained: Option<(Unexplained, Unexplained)>,
}

/// An event without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unexplained {
    seq: u64,
    payload_len: u64,
}

impl Verifier {
    /// Before the first event.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the next event.
    ///
    /// # Errors
    /// The event's fault. The verifier stays before it.
    pub fn push(&mut self, event: &ChainEvent) -> Result<(), ChainError> {
        let index = self.head.map_or(0, |head| head.length);
        self.check(event).map_err(|kind| ChainError { index, kind })?;
        let explains = explained(event);
        if event.is_pruned() {
            let this = Unexplained { seq: index, payload_len: event.header.payload_len };
            self.unexplained = Some((self.unexplained.map_or(this, |(first, _)| first), this));
            self.pruned += 1;
        }
        // Where only some of them are explained, the last stands for those that are left.
        self.unexplained = self
            .unexplained
            .filter(|(_, last)| last.seq >= explains)
            .map(|(first, last)| (if first.seq >= explains { first } else { last }, last));
        self.regressions += u64::from(event.header.time < self.last_time);
        self.last_time = event.header.time;
        self.head = Some(Head::after(event));
        Ok(())
    }

    fn check(&self, event: &ChainEvent) -> Result<(), ChainErrorKind> {
        let header = &event.header;
        hash::check_supported(header)?;
        let expected = self.head.map_or(0, |head| head.length);
        if header.seq != expected {
            return Err(ChainErrorKind::Sequence { expected, found: header.seq });
        }
        if (header.kind == EventKind::GENESIS) != (expected == 0) {
            return Err(ChainErrorKind::Genesis { found: header.kind });
        }
        check_payload(event)?;
        let chain_id = self.head.map_or_else(|| hash::chain_id(&event.payload), |head| head.chain_id);
        if header.chain_id != chain_id {
            return Err(ChainErrorKind::ForeignChain { expected: chain_id, found: header.chain_id });
        }
        let prev = self.head.map_or(EventHash::ZERO, |head| head.hash);
        if header.prev != prev {
            return Err(ChainErrorKind::Parent { expected: prev, found: header.prev });
        }
        if let Some(before) = self.head.map(|head| head.epoch).filter(|before| *before > header.epoch) {
            return Err(ChainErrorKind::Epoch { before, found: header.epoch });
        }
        let actual = hash::event_hash(header);
        if actual != event.hash {
            return Err(ChainErrorKind::Hash { actual, found: event.hash });
        }
        Ok(())
    }

    /// Checks what only shows at the end: that each payload that is not there was pruned, as a later event says.
    ///
    /// # Errors
    /// [`PayloadMissing`](ChainErrorKind::PayloadMissing); [`Empty`](ChainErrorKind::Empty).
    pub fn finish(&self) -> Result<Head, ChainError> {
        if let Some((first, _)) = self.unexplained {
            let kind = ChainErrorKind::PayloadMissing { expected: first.payload_len };
            return Err(ChainError { index: first.seq, kind });
        }
        self.head.ok_or(ChainError { index: 0, kind: ChainErrorKind::Empty })
    }

    /// How many events were without their payload.
    #[must_use]
    pub fn pruned(&self) -> u64 {
        self.pruned
    }

    /// The head of what was checked so far; `None` before the first event.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// How often an event was older than the one before it: a clock that was set back. No fault, but worth knowing.
    #[must_use]
    pub fn time_regressions(&self) -> u64 {
        self.regressions
    }
}

/// Whether the payload is what was sealed, or not there where that is possible.
fn check_payload(event: &ChainEvent) -> Result<(), ChainErrorKind> {
    let (header, found) = (&event.header, event.payload.len() as u64);
    let is_sealed = || header.payload_hash == hash::payload_hash(&event.payload);
    // The hash of an empty payload is that of no other one: nothing was taken away, the length is wrong.
    if event.is_pruned() && !header.kind.keeps_payload() && !is_sealed() {
        return Ok(());
    }
    if header.payload_len != found {
        return Err(ChainErrorKind::PayloadLength { expected: header.payload_len, found });
    }
    if is_sealed() { Ok(()) } else { Err(ChainErrorKind::Payload) }
}

/// Up to which position an event says that payloads were pruned: 0 where it says nothing of the kind. One that cannot be read,
/// or speaks of itself or of what is to come, says nothing.
fn explained(event: &ChainEvent) -> u64 {
    if event.header.kind != EventKind::PRUNED {
        return 0;
    }
    let said = payload::decode::<Pruned>(&event.payload).map_or(0, |pruned| pruned.before);
    if said > event.header.seq { 0 } else { said }
}

/// Checks a whole chain and returns its head.
///
/// # Errors
/// The first fault.
pub fn verify<'a>(events: impl IntoIterator<Item = &'a ChainEvent>) -> Result<Head, ChainError> {
    let mut verifier = Verifier::new();
    events.into_iter().try_for_each(|event| verifier.push(event))?;
    verifier.finish()
}

/// Checks a whole chain against a position that was remembered: `length` events, the last of them with this hash.
///
/// # Errors
/// The first fault; [`Cut`](ChainErrorKind::Cut) or [`Anchor`](ChainErrorKind::Anchor) if the chain is sound but not the
/// one that is remembered; [`AnchorOfNothing`](ChainErrorKind::AnchorOfNothing) if `length` is 0.
pub fn verify_anchor<'a>(
    events: impl IntoIterator<Item = &'a ChainEvent>,
    length: u64,
    hash: EventHash,
) -> Result<Head, ChainError> {
    if length == 0 {
        return Err(ChainError { index: 0, kind: ChainErrorKind::AnchorOfNothing });
    }
    let mut verifier = Verifier::new();
    for event in events {
        verifier.push(event)?;
        if event.header.seq + 1 == length && event.hash != hash {
            let kind = ChainErrorKind::Anchor { expected: hash, found: event.hash };
            return Err(ChainError { index: event.header.seq, kind });
        }
    }
    match verifier.head() {
        Some(head) if head.length >= length => verifier.finish(),
        head => {
            let found = head.map_or(0, |head| head.length);
            Err(ChainError { index: found, kind: ChainErrorKind::Cut { expected: length, found } })
        }
    }
}

#[cfg(test)]
mod tests {
    use theater_core::Bytes;

    use super::*;
    use crate::chain::Chain;

    fn chain(times: &[u64]) -> Vec<ChainEvent> {
        let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, times[0]);
        let rest = times[1..].iter().map(|time| chain.append(EventKind::LOG, Bytes::new(), *time));
        std::iter::once(genesis).chain(rest).collect()
    }

    #[test]
    fn a_clock_that_goes_back_is_counted_each_time_and_is_no_fault() {
        let mut verifier = Verifier::new();
        for event in &chain(&[5, 7, 6, 6, 9, 0]) {
            verifier.push(event).unwrap();
        }
        assert_eq!(verifier.time_regressions(), 2);
    }

    #[test]
    fn a_verifier_stays_before_an_event_that_it_refused() {
        let events = chain(&[1, 2, 3]);
        let mut verifier = Verifier::new();
        verifier.push(&events[0]).unwrap();
        let before = verifier.head();
        assert_eq!(verifier.push(&events[2]).unwrap_err().index, 1);
        assert_eq!(verifier.head(), before);
        verifier.push(&events[1]).unwrap();
        verifier.push(&events[2]).unwrap();
        assert_eq!(verifier.head(), Some(Head::after(&events[2])));
    }

    #[test]
    fn a_term_may_grow_and_may_not_go_back() {
        let mut events = chain(&[1, 2, 3]);
        for (index, epoch) in [(1, 3), (2, 2)] {
            events[index].header.epoch = epoch;
            events[index].header.prev = events[index - 1].hash;
            events[index].hash = hash::event_hash(&events[index].header);
        }
        assert_eq!(verify(&events[..2]).unwrap().epoch, 3);
        let expected = ChainError { index: 2, kind: ChainErrorKind::Epoch { before: 3, found: 2 } };
        assert_eq!(verify(&events), Err(expected));
    }

    #[test]
    fn an_anchor_of_no_events_is_refused_whatever_its_hash() {
        let events = chain(&[1, 2]);
        let expected = ChainError { index: 0, kind: ChainErrorKind::AnchorOfNothing };
        for events in [&events[..], &[]] {
            assert_eq!(verify_anchor(events, 0, EventHash::ZERO), Err(expected.clone()));
        }
    }

    /// A chain of ten events, of which `gone` lack their payload and which says, if anything, that those before `said` do.
    fn pruned(gone: &[usize], said: Option<u64>) -> Vec<ChainEvent> {
        let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 1);
        let mut events = vec![genesis];
        events.extend((1..9).map(|n| chain.append(EventKind::LOG, Bytes::from(format!("event {n}")), n)));
        let pruned = Pruned { before: said.unwrap_or(0), events: 0, bytes: 0 };
        let kind = if said.is_some() { EventKind::PRUNED } else { EventKind::LOG };
        events.push(chain.append(kind, payload::encode(&pruned), 9));
        gone.iter().for_each(|gone| events[*gone].payload = Bytes::new());
        events
    }

    #[test]
    fn payloads_that_were_pruned_may_be_missing() {
        let whole = verify(&pruned(&[], Some(6))).unwrap();
        for gone in [&[1][..], &[5], &[1, 2, 3, 4, 5], &[2, 4]] {
            let events = pruned(gone, Some(6));
            assert_eq!(verify(&events), Ok(whole));
            assert_eq!(verify_anchor(&events, 3, events[2].hash), Ok(whole));
        }
    }

    #[test]
    fn a_payload_that_nobody_says_was_pruned_is_missed() {
        let missing = |index| {
            let kind = ChainErrorKind::PayloadMissing { expected: 7 };
            Err(ChainError { index, kind })
        };
        assert_eq!(verify(&pruned(&[3, 5], None)), missing(3));
        assert_eq!(verify(&pruned(&[6, 7], Some(6))), missing(6));
        assert_eq!(verify(&pruned(&[8], Some(6))), missing(8));
        assert_eq!(verify(&pruned(&[3, 6], Some(6))), missing(6));
        let events = pruned(&[3], None);
        assert_eq!(verify_anchor(&events, 2, events[1].hash), missing(3));
        // Only what is there by then counts.
        let events = pruned(&[3], Some(6));
        assert_eq!(verify(&events[..9]), missing(3));
    }

    #[test]
    fn what_says_who_an_actor_is_and_what_was_pruned_is_never_pruned() {
        let mut events = pruned(&[], Some(6));
        events[0].payload = Bytes::new();
        let length = |expected| ChainErrorKind::PayloadLength { expected, found: 0 };
        assert_eq!(verify(&events), Err(ChainError { index: 0, kind: length(8) }));
        let mut events = pruned(&[], Some(6));
        let expected = events[9].header.payload_len;
        events[9].payload = Bytes::new();
        assert_eq!(verify(&events), Err(ChainError { index: 9, kind: length(expected) }));
    }

    #[test]
    fn an_event_that_speaks_of_later_ones_explains_nothing() {
        assert!(verify(&pruned(&[8], Some(9))).is_ok());
        let expected = ChainErrorKind::PayloadMissing { expected: 7 };
        assert_eq!(verify(&pruned(&[8], Some(10))), Err(ChainError { index: 8, kind: expected }));
    }

    #[test]
    fn a_pruned_event_is_held_to_its_header() {
        let mut events = pruned(&[3], Some(6));
        events[3].header.payload_hash.0[0] ^= 1;
        assert!(matches!(verify(&events).unwrap_err().kind, ChainErrorKind::Hash { .. }));
        let mut events = pruned(&[3], Some(6));
        events[3].header.payload_len += 1;
        assert!(matches!(verify(&events).unwrap_err().kind, ChainErrorKind::Hash { .. }));
    }

    #[test]
    fn a_chain_that_grew_since_it_was_remembered_is_the_same_chain() {
        let events = chain(&[1, 2, 3]);
        assert_eq!(verify_anchor(&events, 2, events[1].hash), verify(&events));
    }
}
