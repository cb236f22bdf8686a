//! Picking up what another process has appended.

use std::io;
use std::sync::{Arc, OnceLock, PoisonError};

use theater_core::ChainId;

use super::{Inner, Piece, View};
use crate::log::state::{FOLDER, Segment, segment_path};
use crate::log::{load, retired};
use crate::segment::SegmentHeader;
use crate::segment::header::HEADER_LEN;
use crate::segment::index::SegmentIndex;
use crate::segment::record::MAX_RECORD;
use crate::segment::scan::{Extent, Found};
use crate::store::{Damage, ReadError};
use crate::vfs::{Vfs, read_file, read_full_at};

/// Bytes that are read at once; a record fits in.
const PIECE: usize = 256 * 1024;
const _: () = assert!(PIECE > MAX_RECORD);

/// The newest segment, as far as it has been read.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) segment: Arc<Segment>,
    pub(super) extent: Extent,
}

/// Reads on where the last look ended.
pub(super) fn refresh(inner: &Inner) -> Result<u64, ReadError> {
    let mut growing = inner.growing.lock().unwrap_or_else(PoisonError::into_inner);
    // Listed before anything is read: whatever has a successor here is written whole.
    let names = segment_names(&*inner.vfs)?;
    if let Some(last) = &mut *growing {
        replace_if_empty(inner, last)?;
    }
    let mut added = 0;
    loop {
        if let Some(last) = &mut *growing {
            added += grow(inner, last)?;
        }
        let before = growing.as_ref().map(|last| &last.segment.name);
        let Some(name) = names.iter().find(|name| before.is_none_or(|before| *name > before)) else { break };
        {
            // Perhaps it was rewritten already, and lacks what was retired.
            let retired = retired::load(&*inner.vfs)?;
            let View { chains, order, .. } = &mut *inner.change();
            retired::add(chains, order, &retired);
        }
        *growing = Some(follow(inner, growing.as_ref(), name)?);
    }
    if let Some(last) = &*growing {
        let closed = is_closed(&*inner.vfs, last);
        let mut view = inner.change();
        view.closed = closed;
        if closed {
            view.durable = view.durable.max(last.extent.next_lsn - 1);
        }
    }
    Ok(added)
}

fn segment_names(vfs: &dyn Vfs) -> Result<Vec<String>, ReadError> {
    let mut names: Vec<String> = match vfs.list(FOLDER) {
        Ok(names) => names.iter().filter_map(|name| name.strip_suffix(".seg").map(str::to_owned)).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(ReadError::io(FOLDER, &error)),
    };
    names.sort_unstable();
    Ok(names)
}

/// A segment that is there, with nothing read of it but its header.
fn open(vfs: &dyn Vfs, name: &str) -> Result<Segment, ReadError> {
    let path = segment_path(name);
    let file = vfs.open(&path).map_err(|error| ReadError::io(&path, &error))?;
    let mut start = [0; HEADER_LEN];
    let read = read_full_at(&*file, &mut start, 0).map_err(|error| ReadError::io(&path, &error))?;
    let header = SegmentHeader::decode(&start[..read]).map_err(|fault| Damage {
        file: path,
        offset: 0,
        chain: None,
        what: fault.to_string(),
    })?;
    Ok(Segment { name: name.to_owned(), header, file: OnceLock::from(file) })
}

/// A process that finds its predecessor's last segment empty puts its own in the place.
fn replace_if_empty(inner: &Inner, last: &mut Growing) -> Result<(), ReadError> {
    if last.extent.events > 0 || last.extent.next_lsn != last.segment.header.first_lsn {
        return Ok(());
    }
    let segment = open(&*inner.vfs, &last.segment.name)?;
    if segment.header == last.segment.header {
        return Ok(());
    }
    let segment = Arc::new(segment);
    *last = Growing { extent: Extent::begin(&segment.header), segment: Arc::clone(&segment) };
    let mut view = inner.change();
    view.pieces.pop();
    view.pieces.push(Piece { segment, end: HEADER_LEN });
    view.torn = None;
    Ok(())
}

/// The segment after the newest that is known.
fn follow(inner: &Inner, before: Option<&Growing>, name: &str) -> Result<Growing, ReadError> {
    let segment = open(&*inner.vfs, name)?;
    let before = before.map(|before| load::Ending {
        header: before.segment.header,
        next_lsn: before.extent.next_lsn,
        last_crc: before.extent.last_crc,
    });
    load::check_link(before.as_ref(), name, &segment.header)?;
    let segment = Arc::new(segment);
    let mut view = inner.change();
    view.pieces.push(Piece { segment: Arc::clone(&segment), end: HEADER_LEN });
    // The segments before it were synced before it was begun.
    view.durable = view.durable.max(segment.header.first_lsn - 1);
    view.torn = None;
    Ok(Growing { extent: Extent::begin(&segment.header), segment })
}

/// Reads what was appended to a segment; how many events.
fn grow(inner: &Inner, growing: &mut Growing) -> Result<u64, ReadError> {
    let path = growing.segment.path();
    let gaps = growing.segment.header.closing_crc.is_some();
    let mut window = Vec::new();
    let mut events = 0;
    loop {
        // Mostly there is nothing, and a prefix says so.
        window.resize(if window.is_empty() { 32 } else { PIECE }, 0);
        let read = growing
            .segment
            .file()
            .and_then(|file| read_full_at(file, &mut window, growing.extent.end as u64))
            .map_err(|error| ReadError::io(&path, &error))?;
        if window[..read].iter().take(4).all(|byte| *byte == 0) {
            return Ok(events);
        }
        if window.len() < PIECE {
            continue;
        }
        let mut found = Vec::new();
        let mut at = 0;
        // What cannot be read yet may be half written, so it is no fault.
        while let Ok(step) = growing.extent.advance(&window[at..read], gaps) {
            at += step.slot.len as usize;
            found.extend(step.found());
        }
        if at == 0 {
            return Ok(events);
        }
        apply(inner, growing, &found).map_err(|(slot, chain, what)| Damage {
            file: path.clone(),
            offset: slot,
            chain: Some(chain),
            what,
        })?;
        events += found.len() as u64;
    }
}

fn apply(inner: &Inner, growing: &Growing, found: &[Found]) -> Result<(), (u64, ChainId, String)> {
    let mut view = inner.change();
    let View { chains, order, pieces, events, next_lsn, durable, torn, .. } = &mut *view;
    let number = u32::try_from(pieces.len() - 1).expect("there are fewer than 2^32 segments");
    for found in found {
        load::add_event(chains, order, number, found)
            .map_err(|what| (u64::from(found.slot.offset), found.chain, what))?;
        *events += 1;
    }
    if let Some(piece) = pieces.last_mut() {
        piece.end = growing.extent.end;
    }
    *next_lsn = growing.extent.next_lsn;
    *durable = (*durable).max(growing.extent.durable);
    *torn = None;
    Ok(())
}

fn is_closed(vfs: &dyn Vfs, last: &Growing) -> bool {
    let sidecar = vfs.open(&format!("{FOLDER}/{}.idx", last.segment.name)).and_then(|file| read_file(&*file));
    sidecar.ok().and_then(|bytes| SegmentIndex::decode(&bytes)).is_some_and(|index| {
        index.header_crc == last.segment.header.crc() && index.end == last.extent.end as u64
    })
}
