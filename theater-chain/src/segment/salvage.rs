//! Looking behind damage: was the damaged part durable?
//!
//! A torn write is the end of everything: nothing of what follows was synced. Damage to what was durable is followed by records that were
//! written later, and those say how far the log was durable.

use super::header::SegmentHeader;
use super::record;

/// The furthest that any record behind `from` says the log was durable, where one can be believed.
///
/// A record is believed if it is a sealed mark, or if its checksum goes on from that of a record right before it.
pub(crate) fn durable_behind(bytes: &[u8], header: &SegmentHeader, from: usize) -> Option<u64> {
    let mut furthest = None;
    let mut offset = from.next_multiple_of(8);
    while offset + record::MARK_LEN <= bytes.len() {
        if let Some(durable) = durable_at(bytes, header, offset) {
            furthest = furthest.max(Some(durable));
        }
        offset += 8;
    }
    furthest
}

fn durable_at(bytes: &[u8], header: &SegmentHeader, offset: usize) -> Option<u64> {
    let rest = &bytes[offset..];
    // Most of what is behind a torn end is zeros.
    if rest[..8] == [0; 8] {
        return None;
    }
    if let Some((_, durable)) = record::sealed_mark(rest, &header.store, header.epoch) {
        return Some(durable);
    }
    let first = record::prefix(rest).ok()?;
    let behind = rest.get(record::padded(first.len)..)?;
    let (_, second) = record::read(behind, first.crc).ok()?;
    let follows = second.lsn == first.lsn || second.lsn == first.lsn.wrapping_add(1);
    (follows && second.durable < second.lsn.saturating_add(1)).then_some(second.durable)
}
