//! Event chains, sound and tampered with.

use std::fmt;
use std::ops::Range;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use theater_chain::Chain;
use theater_core::{Bytes, ChainEvent, EventKind};

use super::target::{Target, target};
use super::weighted::weighted;

/// A sound chain of as many events, the genesis event included.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy;
///
/// proptest!(|(chain in strategy::chain(1..20))| {
///     let head = theater_chain::verify(&chain).expect("it is sound");
///     prop_assert_eq!(head.length, chain.len() as u64);
/// });
/// ```
///
/// # Panics
/// If it may be empty: every chain has its genesis event.
pub fn chain(len: Range<usize>) -> impl Strategy<Value = Vec<ChainEvent>> + Clone {
    assert!(len.start > 0, "every chain has its genesis event");
    (0..1_000_u32, vec((weighted(KINDS), payload(), 0..2_000_000_u64), len)).prop_map(|(who, events)| {
        let mut time = 1_764_000_000_000_000_000;
        let mut events = events.into_iter();
        let (_, first, _) = events.next().expect("it has at least one event");
        // The payload of the genesis event is what makes a chain another one.
        let genesis = [b"who ".as_slice(), &who.to_be_bytes(), &first].concat();
        let (mut chain, genesis) = Chain::genesis(genesis.into(), 1, time);
        let rest = events.map(|(kind, payload, passed)| {
            time += passed;
            chain.append(kind, payload, time)
        });
        std::iter::once(genesis).chain(rest).collect()
    })
}

const KINDS: &[(u32, EventKind)] = &[
    (4, EventKind::LOG),
    (2, EventKind::STARTED),
    (2, EventKind::EXITED),
    (4, EventKind::CALL),
    (4, EventKind::RETURN),
    (1, EventKind::CHILD_STARTED),
    (1, EventKind::CHILD_EXITED),
    (1, EventKind::SPAWN),
    // One that no version knows yet: it is kept all the same.
    (1, EventKind(60_000)),
];

fn payload() -> impl Strategy<Value = Bytes> + Clone {
    vec(0..=u8::MAX, 0..24).prop_map(Bytes::from)
}

/// A way to change a chain that has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tampering {
    /// A bit of an event's payload is another.
    PayloadBit,
    /// A bit of an event's hash is another.
    HashBit,
    /// A bit of an event's encoded header is another.
    HeaderBit,
    /// Two neighbours have changed places.
    Swap,
    /// An event that is not the last is missing.
    Removal,
    /// An event is there twice.
    Doubling,
    /// An event that somebody sealed onto the right head, but not as the last, stands before the next.
    Insertion,
    /// Several events in the middle are missing.
    Cut,
    /// An event of another chain stands in the place of one.
    Foreign,
    /// An event and its header's payload hash have been changed together, and sealed again: the next does not follow it.
    Resealed,
}

impl Tampering {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PayloadBit,
        Self::HashBit,
        Self::HeaderBit,
        Self::Swap,
        Self::Removal,
        Self::Doubling,
        Self::Insertion,
        Self::Cut,
        Self::Foreign,
        Self::Resealed,
    ];
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PayloadBit => "a bit of a payload is another",
            Self::HashBit => "a bit of a hash is another",
            Self::HeaderBit => "a bit of a header is another",
            Self::Swap => "two events have changed places",
            Self::Removal => "an event is missing",
            Self::Doubling => "an event is there twice",
            Self::Insertion => "an event too many",
            Self::Cut => "several events are missing",
            Self::Foreign => "an event of another chain",
            Self::Resealed => "an event was changed and sealed again",
        })
    }
}

/// A chain that somebody has changed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TamperedChain {
    /// The events, as they are now.
    pub events: Vec<ChainEvent>,
    /// The chain as it was.
    pub original: Vec<ChainEvent>,
    /// What was done.
    pub tampering: Tampering,
    /// The position of the first event that is not as it was: no verifier can notice it before.
    pub at: usize,
}

/// A chain of as many events, with one [`Tampering`]. [`verify`](theater_chain::verify()) has to refuse each.
///
/// A chain whose end was cut off is not among them: it is sound, and only who remembers its head notices. See
/// [`verify_anchor`](theater_chain::verify_anchor).
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy;
///
/// proptest!(|(chain in strategy::tampered_chain(4..20))| {
///     let error = theater_chain::verify(&chain.events).expect_err("it was tampered with");
///     prop_assert!(error.index as usize >= chain.at, "{}", chain.tampering);
/// });
/// ```
///
/// # Panics
/// If it may have fewer than four events: then there is no middle.
pub fn tampered_chain(len: Range<usize>) -> impl Strategy<Value = TamperedChain> + Clone {
    assert!(len.start >= 4, "a chain with a middle has at least four events");
    let tampering = (0..Tampering::ALL.len()).prop_map(|n| Tampering::ALL[n]);
    (chain(len), tampering, target(), target()).prop_map(|(original, tampering, place, bit)| {
        let mut events = original.clone();
        let at = tamper(&mut events, tampering, place, bit);
        TamperedChain { events, original, tampering, at }
    })
}

/// Changes a chain; the position of the first event that is another now.
fn tamper(events: &mut Vec<ChainEvent>, tampering: Tampering, place: Target, bit: Target) -> usize {
    let count = events.len();
    let any = place.index(count).expect("a chain has events");
    // Neither the first nor the last.
    let middle = 1 + place.index(count - 2).expect("it has a middle");
    match tampering {
        Tampering::PayloadBit => {
            let mut payload = events[any].payload.to_vec();
            match bit.index(payload.len() * 8) {
                Some(bit) => payload[bit / 8] ^= 1 << (bit % 8),
                // Of an empty payload there is no bit to change.
                None => payload.push(0),
            }
            events[any].payload = payload.into();
            any
        }
        Tampering::HashBit => {
            let bit = bit.index(256).expect("a hash has bits");
            events[any].hash.0[bit / 8] ^= 1 << (bit % 8);
            any
        }
        Tampering::HeaderBit => {
            flip_header(&mut events[any], bit);
            any
        }
        Tampering::Swap => {
            let first = place.index(count - 1).expect("it has two events");
            events.swap(first, first + 1);
            first
        }
        Tampering::Removal => {
            let first = place.index(count - 1).expect("it has two events");
            events.remove(first);
            first
        }
        Tampering::Doubling => {
            events.insert(any, events[any].clone());
            any + 1
        }
        Tampering::Insertion => {
            let mut forger = Chain::resume(theater_chain::Head::after(&events[middle - 1]));
            events.insert(middle, forger.append(EventKind::LOG, "forged".into(), 1));
            middle
        }
        Tampering::Cut => {
            let last = middle + 1 + bit.index(count - middle - 1).expect("the last one stays");
            events.drain(middle..last);
            middle
        }
        Tampering::Foreign => {
            let (mut other, genesis) = Chain::genesis("somebody else".into(), 1, 1);
            let mut foreign = genesis;
            for event in &events[1..=middle] {
                foreign = other.append(event.header.kind, event.payload.clone(), event.header.time);
            }
            events[middle] = foreign;
            middle
        }
        Tampering::Resealed => {
            let mut forger = Chain::resume(theater_chain::Head::after(&events[middle - 1]));
            let (kind, time) = (events[middle].header.kind, events[middle].header.time);
            events[middle] = forger.append(kind, [&*events[middle].payload, b"!"].concat().into(), time);
            middle
        }
    }
}

/// Changes one bit of what is encoded of a header.
fn flip_header(event: &mut ChainEvent, bit: Target) {
    let header = &mut event.header;
    let bit = bit.index(theater_chain::hash::HEADER_LEN * 8).expect("a header has bits");
    let (byte, mask) = (bit / 8, 1_u8 << (bit % 8));
    let wide = |from: usize| u64::from(mask) << ((byte - from) * 8);
    match byte {
        0 => header.version ^= mask,
        1 => header.flags ^= mask,
        2..4 => header.kind.0 ^= u16::from(mask) << ((byte - 2) * 8),
        4..8 => header.epoch ^= u32::from(mask) << ((byte - 4) * 8),
        8..16 => header.seq ^= wide(8),
        16..24 => header.time ^= wide(16),
        24..32 => header.payload_len ^= wide(24),
        32..64 => header.chain_id.0[byte - 32] ^= mask,
        64..96 => header.prev.0[byte - 64] ^= mask,
        _ => header.payload_hash.0[byte - 96] ^= mask,
    }
}
