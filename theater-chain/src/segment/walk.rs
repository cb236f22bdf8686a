//! Going through all of a segment, past damage too.
//!
//! Behind damage the checksum that a record's own goes on from is not known. What is there is believed where it proves itself: an
//! event by its hash, a mark by its seal. From there on checksums are checked again.

use super::header::SegmentHeader;
use super::record::{self, Form, MAX_LSN, Prefix, Record};
use super::scan::{Extent, ScanFault, Slot, Step, is_empty, short};
use crate::hash;

/// What is at a place of a segment.
#[derive(Debug)]
pub(crate) enum Walked<'a> {
    Record {
        step: Step<'a>,
        /// Whether there is damage before it.
        behind: bool,
    },
    /// No record is here that could be believed.
    Bad { offset: usize, fault: ScanFault },
}

/// Visits everything in a segment, and says how far it is whole.
pub(crate) fn walk(bytes: &[u8], header: &SegmentHeader, mut visit: impl FnMut(Walked<'_>)) -> Extent {
    let gaps = header.closing_crc.is_some();
    let mut whole: Option<Extent> = None;
    let mut extent = Extent::begin(header);
    loop {
        let rest = bytes.get(extent.end..).unwrap_or_default();
        if is_empty(rest) {
            return whole.unwrap_or(extent);
        }
        match extent.advance(rest, gaps) {
            Ok(step) => visit(Walked::Record { step, behind: whole.is_some() }),
            Err(fault) => {
                visit(Walked::Bad { offset: extent.end, fault: fault.clone() });
                whole.get_or_insert_with(|| Extent { fault: Some(fault), ..extent.clone() });
                match resume(bytes, header, &mut extent) {
                    Some(step) => visit(Walked::Record { step, behind: true }),
                    None => return whole.unwrap_or(extent),
                }
            }
        }
    }
}

/// Finds the next record that proves itself, and goes behind it.
fn resume<'a>(bytes: &'a [u8], header: &SegmentHeader, extent: &mut Extent) -> Option<Step<'a>> {
    let mut offset = extent.end;
    loop {
        let rest = bytes.get(offset..).filter(|rest| rest.len() >= record::MARK_LEN)?;
        match record::read_unchecked(rest) {
            Ok((record, prefix)) if proves_itself(rest, header, &record) => {
                // Right where the damage is, an event's own place may be what is damaged. The place of a mark is sealed.
                let damaged = offset == extent.end && record != Record::Mark;
                let lsn = if damaged { extent.next_lsn } else { prefix.lsn };
                if (extent.next_lsn.saturating_sub(1)..=MAX_LSN).contains(&lsn) {
                    return Some(accept(rest, extent, offset, record, prefix, lsn));
                }
            }
            _ => {}
        }
        offset += 8;
    }
}

fn proves_itself(rest: &[u8], header: &SegmentHeader, record: &Record<'_>) -> bool {
    match record {
        Record::Event { form, header: event, hash: claimed, payload } => {
            let inline = *form == Form::Inline;
            // The short hash first: most places are none.
            hash::event_hash(event) == *claimed
                && (!inline || event.payload_len == payload.len() as u64)
                && (!inline || event.payload_hash == hash::payload_hash(payload))
        }
        Record::Mark => record::sealed_mark(rest, &header.store, header.epoch).is_some(),
    }
}

fn accept<'a>(
    rest: &'a [u8],
    extent: &mut Extent,
    offset: usize,
    record: Record<'a>,
    prefix: Prefix,
    lsn: u64,
) -> Step<'a> {
    let len = record::padded(prefix.len);
    let computed = record::checksum_of(rest, &prefix, extent.last_crc);
    // If only its checksum is damaged, the next record goes on from what that was.
    let goes_on = |crc| record::read(&rest[len..], crc).is_ok();
    let crc = if offset == extent.end && goes_on(computed) { computed } else { prefix.crc };
    let slot = Slot { offset: short(offset), len: short(len), seed: extent.last_crc };
    // A mark too tells how many events are missing before it.
    extent.next_lsn = extent.next_lsn.max(lsn + 1);
    extent.events += u64::from(matches!(record, Record::Event { .. }));
    extent.durable = extent.durable.max(prefix.durable);
    extent.last_crc = crc;
    extent.end = offset + len;
    Step { record, lsn, slot }
}

#[cfg(test)]
mod tests {
    use theater_core::{Bytes, EventKind};

    use super::*;
    use crate::Chain;
    use crate::segment::header::HEADER_LEN;

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

    /// A segment with six events, a mark after each second one, and where they begin.
    fn segment() -> (Vec<u8>, Vec<usize>, Vec<usize>) {
        let mut bytes = header().encode().to_vec();
        let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 1);
        let mut events = vec![genesis];
        events.extend((0..5).map(|n| chain.append(EventKind::LOG, Bytes::from(vec![n; 30]), 2)));
        let (mut crc, mut offsets, mut marks) = (header().crc(), Vec::new(), Vec::new());
        for (event, lsn) in events.iter().zip(1..) {
            offsets.push(bytes.len());
            crc = record::put_event(&mut bytes, crc, (lsn, lsn - 1), Form::Inline, event);
            if lsn % 2 == 0 {
                let seal = record::mark_seal(&header().store, 1, lsn, lsn);
                marks.push(bytes.len());
                crc = record::put_mark(&mut bytes, crc, (lsn, lsn), seal);
            }
        }
        bytes.extend([0; 100]);
        (bytes, offsets, marks)
    }

    fn walked(bytes: &[u8]) -> (Vec<u64>, Vec<usize>, Extent) {
        let (mut lsns, mut bad) = (Vec::new(), Vec::new());
        let extent = walk(bytes, &header(), |walked| match walked {
            Walked::Record { step, .. } if step.record == Record::Mark => {}
            Walked::Record { step, .. } => lsns.push(step.lsn),
            Walked::Bad { offset, .. } => bad.push(offset),
        });
        (lsns, bad, extent)
    }

    #[test]
    fn a_whole_segment_is_walked_as_it_is_scanned() {
        let (bytes, ..) = segment();
        let (lsns, bad, extent) = walked(&bytes);
        assert_eq!((lsns, bad), (vec![1, 2, 3, 4, 5, 6], vec![]));
        assert_eq!(extent, super::super::scan::scan(&bytes, &header(), |_| ()));
    }

    #[test]
    fn one_flipped_byte_is_one_damage_and_takes_at_most_its_own_event() {
        let (whole, offsets, marks) = segment();
        for at in HEADER_LEN..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            let (lsns, bad, extent) = walked(&bytes);
            let before = |places: &[usize]| places.iter().rposition(|place| *place <= at);
            let event = before(&offsets).expect("behind the header");
            let mark = before(&marks).filter(|mark| marks[*mark] > offsets[event]);
            // The event that is hit, or the one that would be next.
            let (place, lsn) = match mark {
                _ if at >= whole.len() - 100 => (whole.len() - 100, 7),
                Some(mark) => (marks[mark], event as u64 + 2),
                None => (offsets[event], event as u64 + 1),
            };
            assert_eq!(bad, [place], "byte {at}");
            let hit = |other: &u64| mark.is_none() && *other == lsn;
            let others: Vec<u64> = (1..=6).filter(|other| !hit(other)).collect();
            let seen: Vec<u64> = lsns.into_iter().filter(|other| !hit(other)).collect();
            assert_eq!(seen, others, "byte {at}");
            assert_eq!((extent.end, extent.next_lsn), (place, lsn), "byte {at}");
        }
    }
}
