//! Looking behind damage: was the damaged part durable?
//!
//! A torn write is the end of everything: nothing of what follows was synced. Damage to what was durable is followed by records that were
//! written later, and those say how far the log was durable.

use super::header::{SegmentHeader, part};
use super::record;
use super::scan::Extent;

/// The furthest that any record behind the end of the extent says the log was durable, where one can be believed.
///
/// A record is believed if it is a sealed mark, or if its checksum goes on from that of a record right before it. That record may be
/// the damaged one: its checksum is there, or is what its bytes say if just the checksum is damaged.
pub(crate) fn durable_behind(bytes: &[u8], header: &SegmentHeader, extent: &Extent) -> Option<u64> {
    let damaged = Damaged::at(bytes, extent);
    let mut furthest = None;
    let mut offset = extent.end.next_multiple_of(8);
    while offset + record::MARK_LEN <= bytes.len() {
        let rest = &bytes[offset..];
        // Most of what is behind a torn end is zeros.
        if rest[..8] != [0; 8] {
            furthest = furthest.max(damaged.durable_at(rest, offset)).max(durable_at(rest, header));
        }
        offset += 8;
    }
    furthest
}

/// What can still be told of the record that the damage is in.
struct Damaged {
    start: usize,
    next_lsn: u64,
    /// Its checksum, as it stands there.
    stored: Option<u32>,
    /// Where it ends and the checksum that its bytes have, if its length can be believed.
    computed: Option<(usize, u32)>,
}

impl Damaged {
    fn at(bytes: &[u8], extent: &Extent) -> Self {
        let rest = &bytes[extent.end..];
        let stored = (rest.len() >= 8).then(|| u32::from_le_bytes(part(rest, 4)));
        let computed = record::computed(rest, extent.last_crc).map(|(len, crc)| (extent.end + len, crc));
        Self { start: extent.end, next_lsn: extent.next_lsn, stored, computed }
    }

    /// What a record says that follows the damaged one.
    fn durable_at(&self, rest: &[u8], offset: usize) -> Option<u64> {
        let computed = self.computed.filter(|(end, _)| *end == offset).map(|(_, crc)| crc);
        let stored = self.stored.filter(|_| offset > self.start);
        let read = |seed: u32| record::read(rest, seed).ok().map(|(_, prefix)| prefix);
        let prefix = stored.and_then(read).or_else(|| computed.and_then(read))?;
        let near = self.next_lsn.abs_diff(prefix.lsn) <= 1;
        (near && prefix.durable <= prefix.lsn).then_some(prefix.durable)
    }
}

fn durable_at(rest: &[u8], header: &SegmentHeader) -> Option<u64> {
    if let Some((_, durable)) = record::sealed_mark(rest, &header.store, header.epoch) {
        return Some(durable);
    }
    let first = record::prefix(rest).ok()?;
    let behind = rest.get(record::padded(first.len)..)?;
    let (_, second) = record::read(behind, first.crc).ok()?;
    let follows = second.lsn == first.lsn || second.lsn == first.lsn.wrapping_add(1);
    (follows && second.durable <= second.lsn).then_some(second.durable)
}
