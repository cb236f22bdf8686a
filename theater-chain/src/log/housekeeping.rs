//! What is done beside the writing: the next segment is made before it is needed, and a full one gets its sidecar.

use std::io;
use std::sync::{Arc, PoisonError};

use super::state::{FOLDER, Segment, next_capacity};
use super::{Job, Shared, remove};
use crate::segment::index::SegmentIndex;
use crate::vfs::{Vfs, VfsFile, read_file, replace_file, write_all_at};

/// The next segment, before it has a place in the log.
pub(super) const SPARE: &str = "log/spare";

/// A file full of zeros.
#[derive(Debug)]
pub(super) struct Spare {
    capacity: u64,
    file: Box<dyn VfsFile>,
}

/// Zeros that are written at once.
const PIECE: usize = 1 << 20;

/// Makes a file full of zeros: writing into it later takes no room, and moves no end of a file.
pub(super) fn prepare(vfs: &dyn Vfs, capacity: u64) -> io::Result<Box<dyn VfsFile>> {
    let fill = || {
        let file = vfs.create(SPARE)?;
        let zeros = vec![0; PIECE.min(usize::try_from(capacity).unwrap_or(PIECE))];
        let mut at = 0;
        while at < capacity {
            let piece = usize::try_from(capacity - at).map_or(zeros.len(), |left| left.min(zeros.len()));
            write_all_at(&*file, &zeros[..piece], at)?;
            at += piece as u64;
        }
        file.sync_data()?;
        Ok(file)
    };
    fill().inspect_err(|_| {
        // Gives back what room it took; if that fails too there is nothing more to do.
        let _ = vfs.remove(SPARE);
    })
}

/// The spare, or a new one where there is none of this capacity. The caller holds the lock until the file has another name: nobody makes
/// the next spare in its place meanwhile.
pub(super) fn take_spare(
    vfs: &dyn Vfs,
    spare: &mut Option<Spare>,
    capacity: u64,
) -> io::Result<Box<dyn VfsFile>> {
    match spare.take() {
        Some(spare) if spare.capacity == capacity => Ok(spare.file),
        _ => prepare(vfs, capacity),
    }
}

/// Asks for what should be done now that this segment is the newest.
pub(super) fn seal_before(shared: &Arc<Shared>, segment: u32) {
    shared.ask(Job::Seal(segment - 1));
    shared.ask(Job::Prepare);
}

/// Does one job.
pub(super) fn perform(shared: &Shared, job: Job) {
    match job {
        Job::Prepare => {
            let newest = shared.lock().segments.last().map(|segment| segment.header.capacity);
            let Some(capacity) = newest.map(|newest| next_capacity(newest, &shared.options)) else { return };
            let mut spare = shared.spare.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.is_none() {
                // Where this fails the writer tries again, and says so.
                *spare = prepare(&*shared.vfs, capacity).ok().map(|file| Spare { capacity, file });
            }
        }
        Job::Seal(number) => {
            let segment = Arc::clone(&shared.lock().segments[number as usize]);
            // Without a sidecar the segment is read whole at the next start, and that says what is wrong with it.
            if seal(&*shared.vfs, &segment).is_ok() {
                shared.lock().sealed.insert(number);
            }
        }
        Job::Clean(segment) => remove::clean(shared, segment),
        // Whoever asked may be gone.
        Job::Prune(chain, before, reply) => drop(reply.send(remove::prune(shared, chain, before))),
        Job::Retire(head, reply) => drop(reply.send(remove::retire(shared, head))),
    }
}

/// Cuts the zeros off a segment that takes no more, and writes its sidecar.
pub(super) fn seal(vfs: &dyn Vfs, segment: &Segment) -> io::Result<()> {
    let file = segment.file()?;
    let bytes = read_file(file)?;
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let (index, extent) = SegmentIndex::of(&bytes, &segment.header).map_err(|_| damaged())?;
    if extent.fault.is_some() {
        return Err(damaged());
    }
    file.set_len(index.end)?;
    file.sync_data()?;
    replace_file(vfs, FOLDER, &format!("{}.idx", segment.name), &index.encode())
}
