//! Reads segments without any of the log's code, to know what on a disk says what.

use std::ops::Range;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Event,
    Mark,
}

/// One record of a segment.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) bytes: Range<usize>,
    pub(crate) lsn: u64,
    pub(crate) what: What,
}

const HEADER: usize = 64;

/// The records of a segment, up to the first that is none.
pub(crate) fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = HEADER;
    let Some(mut seed) = u32_at(bytes, HEADER - 4) else { return entries };
    while let Some(entry) = entry(bytes, at, &mut seed) {
        at = entry.bytes.end;
        entries.push(entry);
    }
    entries
}

fn entry(bytes: &[u8], at: usize, seed: &mut u32) -> Option<Entry> {
    let len = usize::try_from(u32_at(bytes, at)?).ok()?;
    let record = bytes.get(at..at + len.next_multiple_of(8)).filter(|_| len >= 32)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(*seed, &record[..4]), &record[8..]);
    if u32_at(record, 4) != Some(crc) {
        return None;
    }
    *seed = crc;
    let lsn = u64::from_le_bytes(record[8..16].try_into().ok()?);
    let what = if record[24] == 3 { What::Mark } else { What::Event };
    Some(Entry { bytes: at..at + record.len(), lsn, what })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
