//! All events of a log, in the store's order.

use std::sync::Arc;

use theater_core::{Bytes, ChainEvent};

use super::{Inner, payload};
use crate::log::state::Segment;
use crate::segment::Record;
use crate::segment::record::MAX_RECORD;
use crate::segment::scan::Extent;
use crate::store::{Damage, Lsn, ReadError};
use crate::vfs::read_full_at;

/// Bytes that are read at once; a record fits in.
const PIECE: usize = 1 << 20;
const _: () = assert!(PIECE > MAX_RECORD);

/// All events of a log from a place of the store's order on, oldest first: see [`LogReader::events`](super::LogReader::events).
///
/// `None` means that there are no more so far. After an error there are no more.
#[derive(Debug)]
pub struct Events {
    inner: Arc<Inner>,
    from: u64,
    place: Option<Place>,
    failed: bool,
}

/// Where the next record is.
#[derive(Debug)]
struct Place {
    number: usize,
    segment: Arc<Segment>,
    extent: Extent,
    /// Bytes from `at` of the segment on.
    buffer: Vec<u8>,
    at: usize,
}

impl Place {
    fn begin(number: usize, segment: Arc<Segment>) -> Self {
        let extent = Extent::begin(&segment.header);
        Self { number, at: extent.end, extent, segment, buffer: Vec::new() }
    }
}

impl Events {
    pub(super) fn new(inner: Arc<Inner>, from: Lsn) -> Self {
        Self { inner, from: from.0, place: None, failed: false }
    }

    /// The segment that is read next, and up to where; `None` if everything that is known has been read.
    fn turn(&mut self) -> Option<(&mut Place, usize)> {
        let view = self.inner.view();
        let number = match &self.place {
            Some(place) => place.number,
            None => {
                let begun = view.pieces.partition_point(|piece| piece.segment.header.first_lsn <= self.from);
                begun.saturating_sub(1)
            }
        };
        let mut piece = view.pieces.get(number)?;
        // One that was empty may have been replaced by another.
        let place = self.place.take().filter(|place| Arc::ptr_eq(&place.segment, &piece.segment));
        let mut place = place.unwrap_or_else(|| Place::begin(number, Arc::clone(&piece.segment)));
        while place.extent.end >= piece.end {
            let Some(next) = view.pieces.get(place.number + 1) else { break };
            piece = next;
            place = Place::begin(place.number + 1, Arc::clone(&piece.segment));
        }
        let end = piece.end;
        let more = place.extent.end < end;
        let place = self.place.insert(place);
        more.then_some((place, end))
    }

    fn next_event(&mut self) -> Result<Option<(Lsn, ChainEvent)>, ReadError> {
        let from = self.from;
        while let Some((place, end)) = self.turn() {
            fill(place, end)?;
            let path = place.segment.path();
            let gaps = place.segment.header.closing_crc.is_some();
            let offset = place.extent.end as u64;
            let rest = &place.buffer[place.extent.end - place.at..];
            let step = place.extent.advance(rest, gaps).map_err(|fault| Damage {
                file: path,
                offset,
                chain: None,
                what: fault.to_string(),
            })?;
            let Record::Event { form, header, hash, payload: here } = step.record else { continue };
            if step.lsn < from {
                continue;
            }
            let mut event = ChainEvent { header, hash, payload: Bytes::copy_from_slice(here) };
            let lsn = step.lsn;
            payload(&*self.inner.vfs, &mut event, form)?;
            return Ok(Some((Lsn(lsn), event)));
        }
        Ok(None)
    }
}

/// Sees to it that the next record is in the buffer.
fn fill(place: &mut Place, end: usize) -> Result<(), ReadError> {
    let behind = place.extent.end - place.at;
    let wanted = (end - place.extent.end).min(MAX_RECORD);
    if place.buffer.len().saturating_sub(behind) >= wanted {
        return Ok(());
    }
    let path = place.segment.path();
    place.at = place.extent.end;
    place.buffer.resize((end - place.at).min(PIECE), 0);
    let read = place.segment.file().and_then(|file| read_full_at(file, &mut place.buffer, place.at as u64));
    let read = read.map_err(|error| ReadError::io(&path, &error))?;
    place.buffer.truncate(read);
    Ok(())
}

impl Iterator for Events {
    type Item = Result<(Lsn, ChainEvent), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_event();
        self.failed = next.is_err();
        next.transpose()
    }
}
