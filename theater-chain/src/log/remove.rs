//! Removing: payloads that were pruned and chains that were retired go when a sealed segment is written again without them.
//!
//! The new segment is written beside the old one and takes its name when it is durable. Before that the old one counts, afterwards
//! the new one; whoever has the old one open reads on in it. A blob goes after the last segment that names it.

use std::io;
use std::sync::{Arc, OnceLock, PoisonError};

use rustc_hash::FxHashMap;
use theater_core::{ChainId, EventHeader, PayloadHash};

use super::state::{FOLDER, Segment, State};
use super::{Job, Shared, blobs, retired};
use crate::chain::Head;
use crate::segment::index::SegmentIndex;
use crate::segment::rewrite::{Keep, Rewritten, rewrite};
use crate::store::{Damage, PruneError, PruneReport, ReadError, RetireError};
use crate::vfs::{Vfs, VfsFile, read_file, replace_file, write_all_at};

/// A segment is written again when this part of it is dead: at least 1/WORTH.
const WORTH: u64 = 4;

/// Removes payloads of a chain from the segments that take no more.
pub(super) fn prune(shared: &Shared, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
    let _one_at_a_time = shared.removing.lock().unwrap_or_else(PoisonError::into_inner);
    let (segments, done) = {
        let state = shared.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone().into());
        }
        let known = state.chains.get(&chain).ok_or(PruneError::UnknownChain { chain })?;
        if known.retired {
            return Err(PruneError::Retired { chain });
        }
        let end = before.min(known.head.length);
        let from = known.pruned.min(end);
        let in_range = |position: u64| usize::try_from(position).unwrap_or(known.places.len());
        let places = &known.places[in_range(from)..in_range(end)];
        let mut segments: Vec<u32> = places.iter().map(|place| place.segment).collect();
        segments.dedup();
        let sealed = segments.iter().take_while(|segment| state.sealed.contains(segment)).count();
        // Where a segment takes more, the next call goes on.
        let open = segments.get(sealed).and_then(|open| places.iter().position(|it| it.segment == *open));
        segments.truncate(sealed);
        (segments, open.map_or(end, |open| from + open as u64))
    };
    let mut report = PruneReport::default();
    for segment in segments {
        if shared.lock().closing {
            return Ok(report);
        }
        let pruned = rewrite_segment(shared, segment, Some((chain, before)))?;
        report.events += pruned.events;
        report.bytes += pruned.bytes;
    }
    if let Some(known) = shared.lock().chains.get_mut(&chain) {
        known.pruned = known.pruned.max(done);
    }
    Ok(report)
}

/// Removes a chain: notes it first, for good.
pub(super) fn retire(shared: &Shared, head: Head) -> Result<(), RetireError> {
    let _one_at_a_time = shared.removing.lock().unwrap_or_else(PoisonError::into_inner);
    let chain = head.chain_id;
    let mut heads: Vec<Head> = {
        let mut state = shared.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone().into());
        }
        let known = state.chains.get_mut(&chain).ok_or(RetireError::UnknownChain { chain })?;
        if known.head != head {
            return Err(RetireError::Conflict { actual: known.head });
        }
        if known.retired {
            return Ok(());
        }
        // From now on it takes nothing: the head that is noted is its last.
        known.retired = true;
        state.chains.values().filter(|known| known.retired).map(|known| known.head).collect()
    };
    heads.sort_unstable_by_key(|head| head.chain_id.0);
    if let Err(error) = retired::store(&*shared.vfs, &heads) {
        if let Some(known) = shared.lock().chains.get_mut(&chain) {
            known.retired = false;
        }
        return Err(RetireError::Write(ReadError::io(retired::PATH, &error)));
    }
    let mut state = shared.lock();
    let places = state.chains.get_mut(&chain).map(|known| std::mem::take(&mut known.places));
    state.order.retain(|listed| *listed != chain);
    let mut last = None;
    for place in places.unwrap_or_default() {
        *state.dead.entry(place.segment).or_default() += u64::from(place.slot.len);
        last = last.max(Some(place.segment));
    }
    let due: Vec<u32> = last.map_or(Vec::new(), |_| state.dead.keys().copied().collect());
    let due: Vec<u32> = due.into_iter().filter(|segment| worth_it(&state, *segment)).collect();
    drop(state);
    due.into_iter().for_each(|segment| shared.ask(Job::Clean(segment)));
    Ok(())
}

/// Whether so much of a segment that takes no more is of chains that were retired that writing it again is worth it.
fn worth_it(state: &State, segment: u32) -> bool {
    let dead = state.dead.get(&segment).copied().unwrap_or(0);
    let len = || state.segments[segment as usize].file().and_then(|file| file.len()).unwrap_or(u64::MAX);
    state.sealed.contains(&segment) && dead > 0 && dead.saturating_mul(WORTH) >= len()
}

/// Takes what is of retired chains out of a segment.
pub(super) fn clean(shared: &Shared, segment: u32) {
    let _one_at_a_time = shared.removing.lock().unwrap_or_else(PoisonError::into_inner);
    let due = {
        let state = shared.lock();
        !state.closing && state.failed.is_none() && worth_it(&state, segment)
    };
    if due {
        // Where this fails the old segment is there as it was.
        let _ = rewrite_segment(shared, segment, None);
    }
}

/// Writes a segment again without the payloads of one chain below a position, and without chains that were retired.
fn rewrite_segment(
    shared: &Shared,
    number: u32,
    prune: Option<(ChainId, u64)>,
) -> Result<PruneReport, ReadError> {
    let segment = Arc::clone(&shared.lock().segments[number as usize]);
    let path = segment.path();
    let io = |error: io::Error| ReadError::io(&path, &error);
    let damage = |what: String| Damage { file: path.clone(), offset: 0, chain: None, what };
    let bytes = segment.file().and_then(read_file).map_err(io)?;
    let (index, _) = SegmentIndex::of(&bytes, &segment.header)
        .map_err(|broken| damage(format!("event {} does not follow the one before", broken.seq)))?;
    let gone: FxHashMap<ChainId, bool> = {
        let state = shared.lock();
        let gone = |chain: ChainId| state.chains.get(&chain).is_some_and(|known| known.retired);
        index.chains.iter().map(|chain| (chain.chain, gone(chain.chain))).collect()
    };
    let keep = |event: &EventHeader| match prune {
        _ if gone.get(&event.chain_id) == Some(&true) => Keep::Nothing,
        Some((chain, before))
            if event.chain_id == chain && event.seq < before && !event.kind.keeps_payload() =>
        {
            Keep::Header
        }
        _ => Keep::All,
    };
    let new = rewrite(&bytes, &segment.header, keep).map_err(|fault| damage(fault.to_string()))?;
    drop(bytes);
    let Some(new) = new else { return Ok(PruneReport::default()) };
    let (index, _) = SegmentIndex::of(&new.bytes, &new.header)
        .map_err(|broken| damage(format!("event {} does not follow the one before", broken.seq)))?;
    let file = replace(&*shared.vfs, &segment.name, &new).map_err(io)?;
    // Without it the segment is read whole at the next start.
    let _ = replace_file(&*shared.vfs, FOLDER, &format!("{}.idx", segment.name), &index.encode());
    let new_segment = Segment { name: segment.name.clone(), header: new.header, file: OnceLock::from(file) };
    shared.lock().replace(number, new_segment, &index, &new.blobs);
    remove_blobs(shared, &new.blobs);
    Ok(PruneReport { events: new.pruned.0, bytes: new.pruned.1 })
}

/// Gives the new segment the name of the old one, once all of it is durable.
fn replace(vfs: &dyn Vfs, name: &str, new: &Rewritten) -> io::Result<Box<dyn VfsFile>> {
    let (path, beside) = (super::state::segment_path(name), format!("{FOLDER}/{name}.seg.tmp"));
    let write = || {
        let file = vfs.create(&beside)?;
        write_all_at(&*file, &new.bytes, 0)?;
        file.sync_data()?;
        // A sidecar speaks of the old one, and is taken for damage where it does not fit.
        match vfs.remove(&format!("{FOLDER}/{name}.idx")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => vfs.sync_dir(FOLDER)?,
        }
        Ok(file)
    };
    let file = write().inspect_err(|_| {
        // Gives back what room it took; if that fails too the next start does.
        let _ = vfs.remove(&beside);
    })?;
    vfs.rename(&beside, &path)?;
    vfs.sync_dir(FOLDER)?;
    Ok(file)
}

/// Removes blobs that nothing names any more.
fn remove_blobs(shared: &Shared, candidates: &[PayloadHash]) {
    if candidates.is_empty() {
        return;
    }
    // The writer may be about to name one of them again: it looks for the file behind the same lock.
    let _writing = shared.blobs.lock().unwrap_or_else(PoisonError::into_inner);
    for hash in candidates {
        if !shared.lock().blobs.contains_key(hash) {
            // One that stays does no harm, and goes at the next start.
            let _ = shared.vfs.remove(&blobs::path(*hash));
        }
    }
}
