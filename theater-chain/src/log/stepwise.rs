//! A log without threads, for tests that decide when what happens.

use std::sync::{Arc, PoisonError};

use super::writer::{Step, Writer};
use super::{Jobs, LogOptions, OpenError, Recovery, Shared, housekeeping, open, threads};
use crate::store::Poisoned;
use crate::vfs::Vfs;

/// A [`SegmentedStore`](super::SegmentedStore) without threads: it writes when it is told to, and only then.
///
/// Over a simulated disk it does the same every time. Dropping it is the end of its process: what it has not written is lost.
#[derive(Debug)]
pub struct SteppedStore {
    pub(super) shared: Arc<Shared>,
    writer: Writer,
}

impl SteppedStore {
    /// Opens the log on a disk.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(vfs: Arc<dyn Vfs>, options: LogOptions) -> Result<(Self, Recovery), OpenError> {
        let (shared, recovery) = open::open(vfs, options)?;
        *shared.jobs.lock().unwrap_or_else(PoisonError::into_inner) = Jobs::Later(Vec::new());
        let writer = Writer::new(Arc::clone(&shared));
        Ok((Self { shared, writer }, recovery))
    }

    /// Writes and syncs what waits, and does what is due beside. Whether anything was written.
    pub fn step(&mut self) -> bool {
        let step = self.writer.step();
        let jobs = match &mut *self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            Jobs::Later(jobs) => std::mem::take(jobs),
            _ => Vec::new(),
        };
        for job in jobs {
            housekeeping::perform(&self.shared, job);
        }
        step == Step::Wrote
    }

    /// Syncs what is written, where the durability is relaxed. Whether there was anything.
    pub fn sync(&mut self) -> bool {
        self.writer.sync() == Step::Wrote
    }

    /// Notes that everything is durable, if everything is. Whether it did.
    pub fn mark(&mut self) -> bool {
        self.writer.mark() == Step::Wrote
    }

    /// Writes what waits and closes the log.
    ///
    /// # Errors
    /// If the store has failed, or cannot write what waits.
    pub fn close(mut self) -> Result<(), Poisoned> {
        while self.step() {}
        self.sync();
        self.mark();
        threads::finish(&self.shared)
    }
}
