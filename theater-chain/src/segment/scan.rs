//! Reading a segment from its beginning.

use theater_core::{ChainId, EventHash, PayloadHash};

use crate::flaw::{self, Flaw};

use super::header::{HEADER_LEN, SegmentHeader};
use super::record::{self, Form, Record, RecordFault};

/// Where an event is in its segment, and the checksum that its own goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) offset: u32,
    /// With padding.
    pub(crate) len: u32,
    pub(crate) seed: u32,
}

/// What a scan says of an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) slot: Slot,
    pub(crate) chain: ChainId,
    pub(crate) seq: u64,
    pub(crate) prev: EventHash,
    pub(crate) hash: EventHash,
    pub(crate) epoch: u32,
    /// Where the payload is kept in a blob.
    pub(crate) blob: Option<PayloadHash>,
}

/// How far a segment goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The offset behind the last record.
    pub(crate) end: usize,
    pub(crate) last_crc: u32,
    /// The position that the next event has in the store's order.
    pub(crate) next_lsn: u64,
    /// How far the log was durable, as the records say.
    pub(crate) durable: u64,
    pub(crate) events: u64,
    /// What is behind the end, unless it is nothing or zeros.
    pub(crate) fault: Option<ScanFault>,
}

/// Why what follows a segment's last record is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScanFault {
    #[error(transparent)]
    Record(#[from] RecordFault),
    #[error("position {found} in the store's order where {expected} must follow")]
    Order { expected: u64, found: u64 },
}

impl Extent {
    /// A segment of which no record has been read.
    pub(crate) fn begin(header: &SegmentHeader) -> Self {
        Self {
            end: HEADER_LEN,
            last_crc: header.crc(),
            next_lsn: header.first_lsn,
            durable: 0,
            events: 0,
            fault: None,
        }
    }

    /// Reads the record that begins these bytes, which stand at the end, and goes behind it. Stays where it is if there is none.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn advance<'a>(&mut self, rest: &'a [u8], gaps: bool) -> Result<Step<'a>, ScanFault> {
        let (record, prefix) = record::read(rest, self.last_crc)?;
        let (expected, found) = match record {
            Record::Event { .. } => (self.next_lsn, prefix.lsn),
            // A mark stands behind the last event, and where events were pruned perhaps behind one that is gone.
            Record::Mark => (self.next_lsn - 1, prefix.lsn),
        };
        let follows = found == expected || gaps && found > expected || flaw::has(Flaw::AnyOrder);
        if !follows {
            return Err(ScanFault::Order { expected, found });
        }
        let slot =
            Slot { offset: short(self.end), len: short(record::padded(prefix.len)), seed: self.last_crc };
        // A mark says so too where the last events of a segment were taken out.
        self.next_lsn = prefix.lsn + 1;
        self.events += u64::from(matches!(record, Record::Event { .. }));
        self.durable = self.durable.max(prefix.durable);
        self.last_crc = prefix.crc;
        self.end += slot.len as usize;
        Ok(Step { record, lsn: prefix.lsn, slot })
    }
}

/// A record that was read, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) lsn: u64,
    pub(crate) slot: Slot,
}

impl Step<'_> {
    /// What an index needs to know of it, if it is an event.
    pub(crate) fn found(&self) -> Option<Found> {
        let Record::Event { form, header, hash, .. } = self.record else { return None };
        Some(Found {
            slot: self.slot,
            chain: header.chain_id,
            seq: header.seq,
            prev: header.prev,
            hash,
            epoch: header.epoch,
            blob: (form == Form::Blob).then_some(header.payload_hash),
        })
    }
}

/// Reads the records behind the header until there are no more, in order.
pub(crate) fn scan(bytes: &[u8], header: &SegmentHeader, mut found: impl FnMut(Found)) -> Extent {
    let mut extent = Extent::begin(header);
    let gaps = header.closing_crc.is_some();
    loop {
        let rest = bytes.get(extent.end..).unwrap_or_default();
        if is_empty(rest) {
            return extent;
        }
        match extent.advance(rest, gaps) {
            Ok(step) => step.found().into_iter().for_each(&mut found),
            Err(fault) => {
                extent.fault = Some(fault);
                return extent;
            }
        }
    }
}

/// Whether there is nothing, or nothing but zeros.
pub(crate) fn is_empty(rest: &[u8]) -> bool {
    // Quick, before every byte is looked at.
    rest.iter().take(8).all(|byte| *byte == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Segments are far smaller than 4 GiB.
pub(crate) fn short(offset: usize) -> u32 {
    u32::try_from(offset).expect("a segment is at most 64 MiB and one record long")
}
