//! Reading events back, from the disk or from what is still on the way there.

use std::sync::Arc;

use theater_core::{Bytes, ChainEvent, ChainId, EventRange, PayloadHash};

use super::state::{Place, Segment};
use super::{Shared, blobs};
use crate::segment::Record;
use crate::segment::record::{self, Form};
use crate::segment::scan::Slot;
use crate::store::{Damage, ReadError};
use crate::vfs::{Vfs, read_full_at};

/// Events that are looked up under one lock.
const AT_ONCE: usize = 256;

/// Where a record's bytes come from.
enum Source {
    Memory(Vec<u8>, Arc<Segment>),
    File(Arc<Segment>),
}

/// Events of a chain, oldest first.
pub(super) fn read(shared: &Shared, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
    let length = {
        let state = shared.lock();
        state.chains.get(&chain).ok_or(ReadError::UnknownChain { chain })?.read()?.len()
    };
    let mut range = range.within(length);
    let mut events = Vec::with_capacity(range.len());
    // What is there does not change but for payloads that go, so the batches are of one moment.
    while !range.is_empty() {
        let batch = range.start..range.end.min(range.start + AT_ONCE);
        range.start = batch.end;
        for (place, source) in sources(shared, chain, batch)? {
            events.push(event(shared, chain, place, source)?);
        }
    }
    Ok(events)
}

fn sources(
    shared: &Shared,
    chain: ChainId,
    batch: std::ops::Range<usize>,
) -> Result<Vec<(Place, Source)>, ReadError> {
    let state = shared.lock();
    let places = &state.chains.get(&chain).ok_or(ReadError::UnknownChain { chain })?.read()?[batch];
    let source = |place: &Place| {
        let segment = Arc::clone(&state.segments[place.segment as usize]);
        let source = match state.unwritten(*place) {
            Some(bytes) => Source::Memory(bytes, segment),
            None => Source::File(segment),
        };
        (*place, source)
    };
    Ok(places.iter().map(source).collect())
}

fn event(shared: &Shared, chain: ChainId, place: Place, source: Source) -> Result<ChainEvent, ReadError> {
    let (bytes, segment) = match source {
        Source::Memory(bytes, segment) => (bytes, segment),
        Source::File(segment) => (record_bytes(&segment, place.slot)?, segment),
    };
    let (event, form) = decode(&segment.path(), chain, &bytes, place.slot)?;
    if form != Form::Blob {
        return Ok(event);
    }
    let hash = event.header.payload_hash;
    let waiting = shared.lock().unwritten_blob(hash);
    let payload = match waiting {
        Some(payload) => payload,
        None => match blob(&*shared.vfs, chain, hash) {
            Ok(payload) => payload,
            Err(error) => return rewritten(shared, chain, event.header.seq, &segment).unwrap_or(Err(error)),
        },
    };
    Ok(ChainEvent { payload, ..event })
}

/// An event whose segment was rewritten since it was looked up; `None` if it was not.
fn rewritten(
    shared: &Shared,
    chain: ChainId,
    seq: u64,
    before: &Arc<Segment>,
) -> Option<Result<ChainEvent, ReadError>> {
    let index = usize::try_from(seq).ok()?;
    let (place, source) = match sources(shared, chain, index..index + 1) {
        Ok(mut sources) => sources.pop()?,
        // Retired meanwhile.
        Err(error) => return Some(Err(error)),
    };
    let (Source::Memory(_, now) | Source::File(now)) = &source;
    (!Arc::ptr_eq(now, before)).then(|| event(shared, chain, place, source))
}

/// The bytes of a record, or fewer if the file has no more.
pub(super) fn record_bytes(segment: &Segment, slot: Slot) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0; slot.len as usize];
    let read = segment.file().and_then(|file| read_full_at(file, &mut bytes, u64::from(slot.offset)));
    let read = read.map_err(|error| ReadError::io(segment.path(), &error))?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The event of a record whose place is known, checked against everything but its payload's and its own hash.
pub(super) fn decode(
    file: &str,
    chain: ChainId,
    bytes: &[u8],
    slot: Slot,
) -> Result<(ChainEvent, Form), ReadError> {
    let damage = |what: String| {
        ReadError::from(Damage {
            file: file.to_owned(),
            offset: u64::from(slot.offset),
            chain: Some(chain),
            what,
        })
    };
    let (record, _) = record::read(bytes, slot.seed).map_err(|fault| damage(fault.to_string()))?;
    let Record::Event { form, header, hash, payload } = record else {
        return Err(damage("there is a mark where an event should be".to_owned()));
    };
    if header.chain_id != chain {
        return Err(damage(format!("there is an event of chain {} here", header.chain_id)));
    }
    Ok((ChainEvent { header, hash, payload: Bytes::copy_from_slice(payload) }, form))
}

/// A payload that has a file of its own.
pub(super) fn blob(vfs: &dyn Vfs, chain: ChainId, hash: PayloadHash) -> Result<Bytes, ReadError> {
    let damage = |what: &str| {
        ReadError::from(Damage {
            file: blobs::path(hash),
            offset: 0,
            chain: Some(chain),
            what: what.to_owned(),
        })
    };
    match blobs::read(vfs, hash) {
        Ok(Some(payload)) => Ok(payload),
        Ok(None) => Err(damage("the payload is not what was stored")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(damage("the payload is missing")),
        Err(error) => Err(ReadError::io(blobs::path(hash), &error)),
    }
}
