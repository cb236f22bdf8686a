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

/// Reads the records behind the header until there are no more, in order.
pub(crate) fn scan(bytes: &[u8], header: &SegmentHeader, mut found: impl FnMut(Found)) -> Extent {
    let mut extent = Extent {
        end: HEADER_LEN.min(bytes.len()),
        last_crc: header.crc(),
        next_lsn: header.first_lsn,
        durable: 0,
        events: 0,
        fault: None,
    };
    let gaps = header.closing_crc.is_some();
    loop {
        let rest = &bytes[extent.end..];
        if starts_empty(rest) && rest.iter().all(|byte| *byte == 0) {
            return extent;
        }
        match next(rest, &extent, gaps) {
            Ok((event, prefix)) => {
                let len = record::padded(prefix.len);
                if let Some(event) = event {
                    found(event);
                    extent.next_lsn = prefix.lsn + 1;
                    extent.events += 1;
                }
                extent.durable = extent.durable.max(prefix.durable);
                extent.last_crc = prefix.crc;
                extent.end += len;
            }
            Err(fault) => {
                extent.fault = Some(fault);
                return extent;
            }
        }
    }
}

fn next(rest: &[u8], extent: &Extent, gaps: bool) -> Result<(Option<Found>, record::Prefix), ScanFault> {
    let (record, prefix) = record::read(rest, extent.last_crc)?;
    let (expected, found) = match record {
        Record::Event { .. } => (extent.next_lsn, prefix.lsn),
        // A mark stands behind the last event, and where events were pruned perhaps behind one that is gone.
        Record::Mark => (extent.next_lsn - 1, prefix.lsn),
    };
    if found == u64::MAX || found != expected && !(gaps && found > expected) && !flaw::has(Flaw::AnyOrder) {
        return Err(ScanFault::Order { expected, found });
    }
    let Record::Event { form, header, hash, .. } = record else { return Ok((None, prefix)) };
    let slot =
        Slot { offset: short(extent.end), len: short(record::padded(prefix.len)), seed: extent.last_crc };
    let event = Found {
        slot,
        chain: header.chain_id,
        seq: header.seq,
        prev: header.prev,
        hash,
        epoch: header.epoch,
        blob: (form == Form::Blob).then_some(header.payload_hash),
    };
    Ok((Some(event), prefix))
}

/// Segments are far smaller than 4 GiB.
pub(crate) fn short(offset: usize) -> u32 {
    u32::try_from(offset).expect("a segment is at most 64 MiB and one record long")
}

/// Quick, before every byte is looked at.
fn starts_empty(rest: &[u8]) -> bool {
    rest.iter().take(8).all(|byte| *byte == 0)
}
