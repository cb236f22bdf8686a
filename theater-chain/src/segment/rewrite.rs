//! A segment again, without what is to go.

use theater_core::{Bytes, ChainEvent, EventHeader, PayloadHash};

use super::header::{HEADER_LEN, SegmentHeader};
use super::record::{self, Form, Record};
use super::scan::{Extent, ScanFault, is_empty};

/// What stays of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    All,
    /// All but its payload.
    Header,
    Nothing,
}

/// A segment that was rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) header: SegmentHeader,
    pub(crate) bytes: Vec<u8>,
    /// Payloads that went from events that stay, and their length.
    pub(crate) pruned: (u64, u64),
    /// Blobs that events named and do not name any more, once for each event.
    pub(crate) blobs: Vec<PayloadHash>,
}

/// Writes a segment again; `None` if all of it stays. The segment takes no more, and all of it is durable.
///
/// Records keep their places in the store's order. The last is a mark of where the segment ended, so that the next still follows.
pub(crate) fn rewrite(
    bytes: &[u8],
    header: &SegmentHeader,
    keep: impl Fn(&EventHeader) -> Keep,
) -> Result<Option<Rewritten>, ScanFault> {
    let gaps = header.closing_crc.is_some();
    let mut extent = Extent::begin(header);
    let mut new = Rewritten {
        header: SegmentHeader { rewrites: header.rewrites + 1, ..*header },
        bytes: Vec::with_capacity(bytes.len()),
        pruned: (0, 0),
        blobs: Vec::new(),
    };
    // What the next segment goes on from is known at the end, and is in the header: the checksums are made then.
    let mut kept = Vec::new();
    let mut changed = false;
    loop {
        let rest = bytes.get(extent.end..).unwrap_or_default();
        if is_empty(rest) {
            break;
        }
        let durable = record::prefix(rest)?.durable;
        let step = extent.advance(rest, gaps)?;
        let Record::Event { form, header: event, hash, payload } = step.record else { continue };
        let stays = match keep(&event) {
            Keep::Nothing => None,
            Keep::Header if form != Form::Pruned && event.payload_len != 0 => Some(Form::Pruned),
            _ => Some(form),
        };
        if stays != Some(form) {
            changed = true;
            new.blobs.extend((form == Form::Blob).then_some(event.payload_hash));
            if stays.is_some() {
                new.pruned = (new.pruned.0 + 1, new.pruned.1 + event.payload_len);
            }
        }
        if let Some(stays) = stays {
            kept.push((step.lsn, durable, stays, event, hash, payload));
        }
    }
    if !changed {
        return Ok(None);
    }
    new.header.closing_crc = Some(header.closing_crc.unwrap_or(extent.last_crc));
    new.bytes.extend_from_slice(&new.header.encode());
    let mut crc = new.header.crc();
    for (lsn, durable, form, header, hash, payload) in kept {
        let event = ChainEvent { header, hash, payload: Bytes::copy_from_slice(payload) };
        crc = record::put_event(&mut new.bytes, crc, (lsn, durable), form, &event);
    }
    let last = extent.next_lsn - 1;
    let seal = record::mark_seal(&header.store, header.epoch, last, last);
    record::put_mark(&mut new.bytes, crc, (last, last), seal);
    debug_assert!(new.bytes.len() > HEADER_LEN);
    Ok(Some(new))
}

#[cfg(test)]
mod tests {
    use theater_core::EventKind;

    use super::*;
    use crate::Chain;
    use crate::segment::index::SegmentIndex;
    use crate::segment::scan::scan;

    fn header() -> SegmentHeader {
        SegmentHeader {
            store: *b"sixteen bytes id",
            first_lsn: 4,
            epoch: 1,
            capacity: 1 << 20,
            prev_crc: 7,
            closing_crc: None,
            rewrites: 0,
        }
    }

    /// A segment with ten events of two chains, the first of them with a blob, and the zeros behind them.
    fn segment() -> Vec<u8> {
        let mut bytes = header().encode().to_vec();
        let mut crc = header().crc();
        let mut lsn = 4;
        let mut put = |event: ChainEvent| {
            let form = if event.payload.len() == 9 { Form::Blob } else { Form::Inline };
            crc = record::put_event(&mut bytes, crc, (lsn, lsn - 1), form, &event);
            lsn += 1;
        };
        let (mut one, genesis) = Chain::genesis("one".into(), 1, 1);
        put(genesis);
        let (mut two, genesis) = Chain::genesis("two".into(), 1, 1);
        put(genesis);
        put(one.append(EventKind::LOG, "in a blob".into(), 2));
        for n in 0..3_usize {
            put(one.append(EventKind::LOG, vec![1; n].into(), 2));
        }
        for n in 0..4_usize {
            put(two.append(EventKind::LOG, vec![1; n].into(), 2));
        }
        bytes.extend([0; 100]);
        bytes
    }

    fn summary(bytes: &[u8], header: &SegmentHeader) -> (u64, u64, Vec<(u64, usize)>) {
        let (index, extent) = SegmentIndex::of(bytes, header).expect("sound");
        assert_eq!((extent.fault, extent.end), (None, bytes.len()));
        (index.events, index.next_lsn, index.chains.iter().map(|it| (it.first_seq, it.slots.len())).collect())
    }

    #[test]
    fn what_stays_whole_is_not_rewritten() {
        assert_eq!(rewrite(&segment(), &header(), |_| Keep::All), Ok(None));
    }

    #[test]
    fn a_pruned_segment_has_all_events_and_ends_where_it_ended() {
        let closing = scan(&segment(), &header(), |_| ()).last_crc;
        let genesis = |event: &EventHeader| if event.seq == 0 { Keep::All } else { Keep::Header };
        let new = rewrite(&segment(), &header(), genesis).unwrap().unwrap();
        assert_eq!(new.pruned, (6, 9 + 1 + 2 + 1 + 2 + 3));
        assert_eq!(new.blobs, [crate::hash::payload_hash(b"in a blob")]);
        assert_eq!(summary(&new.bytes, &new.header), (10, 14, vec![(0, 5), (0, 5)]));
        assert_eq!((new.header.closing_crc, new.header.rewrites), (Some(closing), 1));
        assert_eq!(SegmentHeader::decode(&new.bytes), Ok(new.header));
        assert_eq!(rewrite(&new.bytes, &new.header, genesis), Ok(None), "there is nothing more to do");
    }

    #[test]
    fn a_segment_that_lost_its_last_events_still_ends_where_it_ended() {
        let two = crate::hash::chain_id(b"two");
        let drop_two = |event: &EventHeader| if event.chain_id == two { Keep::Nothing } else { Keep::All };
        let new = rewrite(&segment(), &header(), drop_two).unwrap().unwrap();
        assert_eq!(summary(&new.bytes, &new.header), (5, 14, vec![(0, 5)]));
        let empty = rewrite(&new.bytes, &new.header, |_| Keep::Nothing).unwrap().unwrap();
        assert_eq!(summary(&empty.bytes, &empty.header), (0, 14, vec![]));
        assert_eq!(empty.header.closing_crc, new.header.closing_crc);
        assert_ne!(empty.header.crc(), new.header.crc(), "a sidecar of the one is none of the other");
    }

    #[test]
    fn damage_is_not_rewritten() {
        let mut bytes = segment();
        bytes[300] ^= 1;
        assert!(rewrite(&bytes, &header(), |_| Keep::Header).is_err());
    }
}
