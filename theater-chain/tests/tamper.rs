//! Whatever is done to a chain is noticed, and the event where it shows is named.

use proptest::prelude::*;
use proptest::sample::Index;
use theater_chain::hash::{HEADER_LEN, check_supported, encode_header, event_hash, payload_hash};
use theater_chain::{Chain, ChainError, ChainErrorKind, verify, verify_anchor};
use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventHeader, EventKind, PayloadHash};

/// A chain with these payloads, the first of them the genesis event's.
fn chain_of(payloads: &[Vec<u8>]) -> Vec<ChainEvent> {
    let (mut chain, genesis) = Chain::genesis(Bytes::from(payloads[0].clone()), 1, 1_000);
    let mut events = vec![genesis];
    for (payload, time) in payloads[1..].iter().zip(1_001..) {
        events.push(chain.append(EventKind::CALL, Bytes::from(payload.clone()), time));
    }
    events
}

fn chain(least: usize) -> impl Strategy<Value = Vec<ChainEvent>> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop::collection::vec(payload, least..12).prop_map(|mut payloads| {
        // What makes chains differ, as the nonce does for an actor's.
        payloads[0].insert(0, b'a');
        chain_of(&payloads)
    })
}

/// A chain that shares no event with those of [`chain`].
fn other_chain(length: usize) -> Vec<ChainEvent> {
    chain_of(&vec![b"other".to_vec(); length])
}

/// What the 128 bytes say, also where this version would not read them.
fn decoded(bytes: &[u8; HEADER_LEN]) -> EventHeader {
    fn part<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
        bytes[from..from + N].try_into().expect("in range")
    }
    EventHeader {
        version: bytes[0],
        flags: bytes[1],
        kind: EventKind(u16::from_le_bytes(part(bytes, 2))),
        epoch: u32::from_le_bytes(part(bytes, 4)),
        seq: u64::from_le_bytes(part(bytes, 8)),
        time: u64::from_le_bytes(part(bytes, 16)),
        payload_len: u64::from_le_bytes(part(bytes, 24)),
        chain_id: ChainId(part(bytes, 32)),
        prev: EventHash(part(bytes, 64)),
        payload_hash: PayloadHash(part(bytes, 96)),
    }
}

/// The position and kind of a fault.
fn parts(error: ChainError) -> (u64, ChainErrorKind) {
    (error.index, error.kind)
}

fn fault(events: &[ChainEvent]) -> (u64, ChainErrorKind) {
    parts(verify(events).expect_err("a chain that was changed"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_that_nobody_touched_verifies(events in chain(1)) {
        let head = verify(&events)?;
        let last = events.last().expect("at least one");
        prop_assert_eq!((head.length, head.hash), (events.len() as u64, last.hash));
        for event in &events {
            prop_assert_eq!(verify_anchor(&events, event.header.seq + 1, event.hash)?, head);
        }
    }

    #[test]
    fn a_change_of_any_byte_of_a_header_is_noticed_in_its_event(
        mut events in chain(1), at in any::<Index>(), byte in 0..HEADER_LEN, flip in 1..=u8::MAX,
    ) {
        let at = at.index(events.len());
        let mut bytes = encode_header(&events[at].header);
        bytes[byte] ^= flip;
        events[at].header = decoded(&bytes);
        prop_assert_eq!(encode_header(&events[at].header), bytes);
        let (index, kind) = fault(&events);
        prop_assert_eq!(index, at as u64, "{}", kind);
        // The kind says what was changed, where the header is checked against something that is there.
        let named = match byte {
            0 | 1 => matches!(kind, ChainErrorKind::Unsupported(_)),
            2 | 3 if at == 0 => matches!(kind, ChainErrorKind::Genesis { .. }),
            2..8 => matches!(
                kind,
                ChainErrorKind::Hash { .. } | ChainErrorKind::Genesis { .. } | ChainErrorKind::Epoch { .. }
            ),
            8..16 => matches!(kind, ChainErrorKind::Sequence { .. }),
            16..24 => matches!(kind, ChainErrorKind::Hash { .. }),
            24..32 => matches!(kind, ChainErrorKind::PayloadLength { .. }),
            32..64 => matches!(kind, ChainErrorKind::ForeignChain { .. }),
            64..96 => matches!(kind, ChainErrorKind::Parent { .. }),
            _ => matches!(kind, ChainErrorKind::Payload),
        };
        prop_assert!(named, "byte {}: {}", byte, kind);
    }

    #[test]
    fn a_change_of_any_byte_of_a_payload_is_noticed_in_its_event(
        mut events in chain(1), at in any::<Index>(), byte in any::<Index>(), flip in 1..=u8::MAX,
    ) {
        let at = at.index(events.len());
        let mut payload = events[at].payload.to_vec();
        prop_assume!(!payload.is_empty());
        let byte = byte.index(payload.len());
        payload[byte] ^= flip;
        events[at].payload = payload.into();
        prop_assert_eq!(fault(&events), (at as u64, ChainErrorKind::Payload));
    }

    #[test]
    fn a_payload_of_another_length_is_noticed_in_its_event(
        mut events in chain(1), at in any::<Index>(), more in prop::collection::vec(any::<u8>(), 1..9),
    ) {
        let at = at.index(events.len());
        let expected = events[at].payload.len() as u64;
        events[at].payload = [&events[at].payload[..], &more].concat().into();
        let kind = ChainErrorKind::PayloadLength { expected, found: expected + more.len() as u64 };
        prop_assert_eq!(fault(&events), (at as u64, kind));
    }

    #[test]
    fn a_change_of_any_byte_of_a_hash_is_noticed_in_its_event(
        mut events in chain(1), at in any::<Index>(), byte in 0..32_usize, flip in 1..=u8::MAX,
    ) {
        let at = at.index(events.len());
        let actual = events[at].hash;
        events[at].hash.0[byte] ^= flip;
        let kind = ChainErrorKind::Hash { actual, found: events[at].hash };
        prop_assert_eq!(fault(&events), (at as u64, kind));
    }

    #[test]
    fn an_event_that_was_sealed_anew_is_noticed_in_the_next(
        mut events in chain(2), at in any::<Index>(), payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let at = at.index(events.len() - 1);
        prop_assume!(events[at].payload != payload);
        let event = &mut events[at];
        event.header.payload_len = payload.len() as u64;
        event.header.payload_hash = payload_hash(&payload);
        event.payload = payload.into();
        if at == 0 {
            event.header.chain_id = theater_chain::hash::chain_id(&event.payload);
        }
        event.hash = event_hash(&event.header);
        let (index, kind) = fault(&events);
        prop_assert_eq!(index, at as u64 + 1, "{}", kind);
        let foreign = matches!(kind, ChainErrorKind::ForeignChain { .. });
        let parent = matches!(kind, ChainErrorKind::Parent { .. });
        prop_assert!(if at == 0 { foreign } else { parent }, "{}", kind);
    }

    #[test]
    fn two_events_that_changed_places_are_noticed_at_the_first(
        mut events in chain(2), one in any::<Index>(), other in any::<Index>(),
    ) {
        let (one, other) = (one.index(events.len()), other.index(events.len()));
        prop_assume!(one != other);
        events.swap(one, other);
        let (index, kind) = fault(&events);
        prop_assert_eq!(index, one.min(other) as u64);
        let sequence = matches!(kind, ChainErrorKind::Sequence { .. });
        prop_assert!(sequence, "{}", kind);
    }

    #[test]
    fn a_missing_event_is_noticed_where_it_was(mut events in chain(2), at in any::<Index>()) {
        // Not the last: a cut end is no fault of what is left, see below.
        let at = at.index(events.len() - 1);
        events.remove(at);
        let kind = ChainErrorKind::Sequence { expected: at as u64, found: at as u64 + 1 };
        prop_assert_eq!(fault(&events), (at as u64, kind));
    }

    #[test]
    fn a_doubled_event_is_noticed_at_its_second_place(mut events in chain(1), at in any::<Index>()) {
        let at = at.index(events.len());
        events.insert(at + 1, events[at].clone());
        let kind = ChainErrorKind::Sequence { expected: at as u64 + 1, found: at as u64 };
        prop_assert_eq!(fault(&events), (at as u64 + 1, kind));
    }

    #[test]
    fn an_event_of_another_chain_is_noticed(mut events in chain(2), at in any::<Index>()) {
        let at = at.index(events.len());
        let own = events[0].header.chain_id;
        let foreign = other_chain(events.len());
        events[at] = foreign[at].clone();
        let error = fault(&events);
        // Another genesis event is a sound beginning, so the event after it is the one that does not belong.
        let (expected, found) = match at {
            0 => (foreign[0].header.chain_id, own),
            _ => (own, foreign[0].header.chain_id),
        };
        let kind = ChainErrorKind::ForeignChain { expected, found };
        prop_assert_eq!(error, (at.max(1) as u64, kind));
    }

    #[test]
    fn a_cut_end_is_noticed_by_whoever_remembers_what_was_cut(events in chain(2), length in any::<Index>()) {
        let length = length.index(events.len() - 1) + 1;
        let kept = &events[..length];
        let remembered = events.last().expect("at least two");
        let expected = events.len() as u64;
        prop_assert!(verify(kept).is_ok(), "alone it is a sound chain");
        let kind = ChainErrorKind::Cut { expected, found: length as u64 };
        prop_assert_eq!(
            verify_anchor(kept, expected, remembered.hash).map_err(parts),
            Err((length as u64, kind))
        );
    }

    #[test]
    fn an_end_that_was_written_anew_is_noticed_by_whoever_remembers_it(
        events in chain(2), from in any::<Index>(),
    ) {
        let from = from.index(events.len() - 1) + 1;
        let payloads = events.iter().enumerate().map(|(index, event)| match index < from {
            true => event.payload.to_vec(),
            false => b"another story, longer than any that the strategy tells".to_vec(),
        });
        let forged = chain_of(&payloads.collect::<Vec<_>>());
        prop_assert!(verify(&forged).is_ok(), "alone it is a sound chain");
        let (last, length) = (events.len() - 1, events.len() as u64);
        let kind = ChainErrorKind::Anchor { expected: events[last].hash, found: forged[last].hash };
        prop_assert_eq!(
            verify_anchor(&forged, length, events[last].hash).map_err(parts),
            Err((last as u64, kind))
        );
        prop_assert!(verify_anchor(&forged, from as u64, events[from - 1].hash).is_ok(), "the beginning is the same");
    }
}

#[test]
fn an_empty_chain_is_no_chain() {
    assert_eq!(verify([]).map_err(parts), Err((0, ChainErrorKind::Empty)));
}

#[test]
fn a_term_that_goes_back_is_noticed() {
    let mut events = chain_of(&[b"a".to_vec(), Vec::new()]);
    events[1].header.epoch = 0;
    events[1].hash = event_hash(&events[1].header);
    let kind = ChainErrorKind::Epoch { before: 1, found: 0 };
    assert_eq!(fault(&events), (1, kind));
}

#[test]
fn a_second_genesis_event_is_noticed() {
    let mut events = chain_of(&[b"a".to_vec(), Vec::new()]);
    events[1].header.kind = EventKind::GENESIS;
    events[1].hash = event_hash(&events[1].header);
    assert_eq!(fault(&events), (1, ChainErrorKind::Genesis { found: EventKind::GENESIS }));
}

#[test]
fn an_unknown_kind_verifies_and_an_unknown_version_does_not() {
    let mut events = chain_of(&[b"a".to_vec(), Vec::new()]);
    events[1].header.kind = EventKind(65_000);
    events[1].hash = event_hash(&events[1].header);
    assert!(verify(&events).is_ok(), "an old reader verifies a newer chain");
    events[1].header.version = 2;
    events[1].hash = event_hash(&events[1].header);
    let unsupported = check_supported(&events[1].header).expect_err("version 2");
    assert_eq!(fault(&events), (1, ChainErrorKind::Unsupported(unsupported)));
}
