//! The writer: the only one that writes to segments. Everything that waits goes to the disk with one sync.

use std::io;
use std::sync::{Arc, PoisonError};

use super::state::{Chunk, FOLDER, Segment};
use super::{Shared, blobs, housekeeping};
use crate::flaw::{self, Flaw};
use crate::segment::header::HEADER_LEN;
use crate::store::{Durability, Poisoned};
use crate::vfs::write_all_at;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There was nothing to do.
    Idle,
    /// Something was written.
    Wrote,
    /// The disk is full: what was taken waits, and nothing of it is half written.
    Stalled,
    /// The store has failed.
    Failed,
}

/// What went wrong, and whether trying again is right.
enum Trouble {
    Full,
    Failed(Poisoned),
}

/// Writes what waits. Driven by a thread, or step by step.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    /// Chunks of [`State::writing`](super::state::State::writing) that are done.
    done: usize,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, done: 0 }
    }

    /// Writes everything that waits, and syncs it, unless the store's promise does not ask for that now.
    pub(super) fn step(&mut self) -> Step {
        let (chunks, segments) = {
            let mut state = self.shared.lock();
            if state.failed.is_some() {
                return Step::Failed;
            }
            if state.writing.is_empty() {
                self.done = 0;
                let chunks = std::mem::take(&mut state.chunks);
                state.writing = Arc::new(chunks);
            }
            let of = |chunk: &Chunk| Arc::clone(&state.segments[chunk.segment as usize]);
            let segments: Vec<_> = state.writing.iter().map(of).collect();
            (Arc::clone(&state.writing), segments)
        };
        if chunks.is_empty() {
            return Step::Idle;
        }
        let sync = self.shared.options.durability == Durability::Full;
        while let Some(chunk) = chunks.get(self.done) {
            let segment = &segments[self.done];
            if let Err(trouble) = self.write(segment, chunk, sync) {
                return self.trouble(trouble);
            }
            self.done += 1;
            if chunk.offset == 0 {
                housekeeping::seal_before(&self.shared, chunk.segment);
            }
        }
        drop(chunks);
        let mut state = self.shared.lock();
        state.writing = Arc::default();
        drop(state);
        Step::Wrote
    }

    fn write(&self, segment: &Segment, chunk: &Chunk, sync: bool) -> Result<(), Trouble> {
        if !flaw::has(Flaw::BlobAfterRecord) {
            self.write_blobs(chunk)?;
        }
        let path = segment.path();
        let (bytes, offset) = if chunk.offset == 0 {
            if segment.file.get().is_none() {
                if !flaw::has(Flaw::SegmentBeforeItsPast) {
                    self.finish_before(chunk.segment)?;
                }
                self.make(segment)?;
            }
            (&chunk.bytes[HEADER_LEN..], HEADER_LEN as u64)
        } else {
            (&chunk.bytes[..], chunk.offset)
        };
        // Inside a file that was filled with zeros before: no room is needed any more, so any error is a failure.
        let file = segment.file().map_err(|error| failed("find", &path, &error))?;
        write_all_at(file, bytes, offset).map_err(|error| failed("write", &path, &error))?;
        if flaw::has(Flaw::WrittenIsDurable) {
            self.shared.lock().synced = chunk.lsn;
        }
        if sync {
            file.sync_data().map_err(|error| failed("sync", &path, &error))?;
        }
        if flaw::has(Flaw::BlobAfterRecord) {
            self.write_blobs(chunk)?;
        }
        let mut state = self.shared.lock();
        state.written = chunk.lsn;
        if sync {
            state.synced = chunk.lsn;
        }
        let held: usize = chunk.blobs.iter().map(|(_, payload)| payload.len()).sum();
        let header = if chunk.offset == 0 { HEADER_LEN } else { 0 };
        state.pending -= chunk.bytes.len() - header + held;
        drop(state);
        self.shared.progressed();
        Ok(())
    }

    fn write_blobs(&self, chunk: &Chunk) -> Result<(), Trouble> {
        if chunk.blobs.is_empty() {
            return Ok(());
        }
        // One that is there already must not be removed between the look and the end of this.
        let _writing = self.shared.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        for (hash, payload) in &chunk.blobs {
            let written = blobs::write(&*self.shared.vfs, *hash, payload);
            written.map_err(|error| trouble("write", &blobs::path(*hash), &error))?;
        }
        Ok(())
    }

    /// Makes everything before a new segment durable, the last mark included, whose checksum the segment goes on from: a segment must not
    /// survive without what it follows.
    fn finish_before(&self, segment: u32) -> Result<(), Trouble> {
        let (before, written) = {
            let state = self.shared.lock();
            (Arc::clone(&state.segments[segment as usize - 1]), state.written)
        };
        let synced = before.file().and_then(|file| file.sync_data());
        synced.map_err(|error| failed("sync", &before.path(), &error))?;
        self.shared.lock().synced = written;
        Ok(())
    }

    /// Makes the file of a new segment: its header is durable before its name is, and that before its first record.
    fn make(&self, segment: &Segment) -> Result<(), Trouble> {
        let path = segment.path();
        let vfs = &*self.shared.vfs;
        let mut spare = self.shared.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let file = housekeeping::take_spare(vfs, &mut spare, segment.header.capacity)
            .map_err(|error| trouble("make", &path, &error))?;
        write_all_at(&*file, &segment.header.encode(), 0).map_err(|error| failed("write", &path, &error))?;
        file.sync_data().map_err(|error| failed("sync", &path, &error))?;
        vfs.rename(housekeeping::SPARE, &path).map_err(|error| failed("name", &path, &error))?;
        vfs.sync_dir(FOLDER).map_err(|error| failed("sync the folder of", &path, &error))?;
        // Set here only: this is the one writer.
        let _ = segment.file.set(file);
        Ok(())
    }

    /// Syncs what was written without, where the store's promise leaves that for later.
    pub(super) fn sync(&mut self) -> Step {
        let (segment, written) = {
            let state = self.shared.lock();
            if state.failed.is_some() {
                return Step::Failed;
            }
            if state.synced == state.written {
                return Step::Idle;
            }
            let newest = state.segments.iter().rev().find(|segment| segment.file.get().is_some());
            (newest.map(Arc::clone).expect("what was written is in a file"), state.written)
        };
        let synced = segment.file().and_then(|file| file.sync_data());
        if let Err(error) = synced {
            return self.trouble(failed("sync", &segment.path(), &error));
        }
        self.shared.lock().synced = written;
        self.shared.progressed();
        Step::Wrote
    }

    /// Notes in the log that everything in it is durable, so that damage to it can be told from a torn end later.
    pub(super) fn mark(&mut self) -> Step {
        let mark = self.shared.lock().take_mark();
        let Some((segment, offset, bytes)) = mark else { return Step::Idle };
        let written = segment.file().and_then(|file| write_all_at(file, &bytes, offset));
        match written {
            Ok(()) => Step::Wrote,
            Err(error) => self.trouble(failed("write", &segment.path(), &error)),
        }
    }

    fn trouble(&self, trouble: Trouble) -> Step {
        match trouble {
            Trouble::Full => Step::Stalled,
            Trouble::Failed(failed) => {
                self.shared.fail(failed);
                Step::Failed
            }
        }
    }
}

fn failed(operation: &'static str, file: &str, error: &io::Error) -> Trouble {
    Trouble::Failed(Poisoned::new(operation, file, error))
}

/// A full disk is not a failure where nothing was written yet that counts.
fn trouble(operation: &'static str, file: &str, error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Trouble::Full,
        _ => failed(operation, file, error),
    }
}
