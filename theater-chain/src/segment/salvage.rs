//! Looking behind damage: was the damaged part durable?
//!
//! A torn write is the end of everything: nothing of what follows was synced. Damage to what was durable is followed by marks that were
//! written later, and those say how far the log was durable. Nothing else behind damage is believed: it can be a part of a payload,
//! and payloads say what guests want them to.

use super::header::SegmentHeader;
use super::record;

/// The furthest that any sealed mark behind `from` says the log was durable, if there is one.
pub(crate) fn durable_behind(bytes: &[u8], header: &SegmentHeader, from: usize) -> Option<u64> {
    let behind = bytes.get(from.next_multiple_of(8)..)?;
    let places = (0..behind.len()).step_by(8).map(|at| &behind[at..]);
    // Most of what is behind a torn end is zeros.
    let used = places.filter(|rest| rest.len() >= record::MARK_LEN && rest[..8] != [0; 8]);
    used.filter_map(|rest| record::sealed_mark(rest, &header.store, header.epoch))
        .map(|(_, durable)| durable)
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            store: *b"sixteen bytes id",
            first_lsn: 1,
            epoch: 1,
            capacity: 1 << 20,
            prev_crc: 0,
            closing_crc: None,
            rewrites: 0,
        }
    }

    #[test]
    fn marks_behind_damage_say_how_far_the_log_was_durable() {
        let mut bytes = vec![7; 1_000];
        for (lsn, durable) in [(5, 4), (9, 8)] {
            record::put_mark(
                &mut bytes,
                1,
                (lsn, durable),
                record::mark_seal(&header().store, 1, lsn, durable),
            );
        }
        assert_eq!(durable_behind(&bytes, &header(), 61), Some(8));
        assert_eq!(durable_behind(&bytes[..1_048], &header(), 61), Some(4));
        assert_eq!(durable_behind(&bytes[..1_040], &header(), 61), None);
    }

    #[test]
    fn records_in_a_payload_are_not_believed_whatever_their_checksums() {
        let mut payload = Vec::new();
        let mut crc = 1;
        for lsn in [5, 5, 5] {
            crc = record::put_mark(&mut payload, crc, (lsn, lsn), record::mark_seal(&[0; 16], 1, lsn, lsn));
        }
        assert_eq!(durable_behind(&payload, &header(), 0), None);
    }
}
