//! The threads of a log: one writes, one keeps house.

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::writer::{Step, Writer};
use super::{Job, Jobs, Shared, housekeeping};
use crate::store::{Durability, Poisoned};

#[derive(Debug)]
pub(super) struct Threads {
    writer: Option<JoinHandle<()>>,
    housekeeper: Option<JoinHandle<()>>,
    remover: Option<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let (house, todo) = mpsc::channel();
        let housekeeper = perform(shared, "theater-log-house", todo)?;
        let (removals, todo) = mpsc::channel();
        let remover = perform(shared, "theater-log-prune", todo)?;
        *shared.jobs.lock().unwrap_or_else(PoisonError::into_inner) = Jobs::Threads { house, removals };
        let writing = Arc::clone(shared);
        let writer = std::thread::Builder::new()
            .name("theater-log".to_owned())
            .spawn(move || write(&writing, Writer::new(Arc::clone(&writing))))?;
        Ok(Self { writer: Some(writer), housekeeper: Some(housekeeper), remover: Some(remover) })
    }

    /// Writes what waits, ends the threads, and closes the log. Does nothing the second time.
    pub(super) fn stop(&mut self, shared: &Arc<Shared>) -> Result<(), Poisoned> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        shared.lock().closing = true;
        shared.wake.notify_all();
        let written = writer.join();
        *shared.jobs.lock().unwrap_or_else(PoisonError::into_inner) = Jobs::Nobody;
        let others = [self.housekeeper.take(), self.remover.take()];
        let ended: Vec<_> = others.into_iter().flatten().map(JoinHandle::join).collect();
        if written.is_err() || ended.iter().any(Result::is_err) {
            let panicked = io::Error::other("a thread of the log panicked");
            shared.fail(Poisoned::new("write", super::state::FOLDER, &panicked));
        }
        finish(shared)
    }
}

/// A thread that does what it is asked.
fn perform(shared: &Arc<Shared>, name: &str, todo: mpsc::Receiver<Job>) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        while let Ok(job) = todo.recv() {
            housekeeping::perform(&shared, job);
        }
    })
}

/// The last words of a log whose writer has ended.
pub(super) fn finish(shared: &Shared) -> Result<(), Poisoned> {
    let (failed, newest, unwritten) = {
        let state = shared.lock();
        let newest = state.segments.last().map(Arc::clone);
        (state.failed.clone(), newest, state.end.lsn != state.synced)
    };
    if let Some(failed) = failed {
        return Err(failed);
    }
    if unwritten {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        return Err(Poisoned::new("write what was taken to", super::state::FOLDER, &full));
    }
    if let Some(newest) = newest {
        housekeeping::seal(&*shared.vfs, &newest)
            .map_err(|error| Poisoned::new("close", newest.path(), &error))?;
    }
    if shared.spare.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
        // Made again when it is needed.
        let _ = shared.vfs.remove(housekeeping::SPARE);
    }
    Ok(())
}

/// What the writer wakes up for.
enum Due {
    Write,
    Sync,
    Mark,
    End,
}

fn write(shared: &Shared, mut writer: Writer) {
    let mut unmarked = false;
    // When what was written has to be on the disk, where the write itself does not see to that.
    let mut sync_at = None;
    loop {
        let step = match wait(shared, unmarked, sync_at) {
            Due::Write => {
                unmarked = true;
                let step = writer.step();
                if shared.options.durability != Durability::Full && sync_at.is_none() {
                    sync_at = Some(Instant::now() + shared.options.sync_interval);
                }
                step
            }
            Due::Sync => {
                sync_at = None;
                writer.sync()
            }
            Due::Mark => {
                unmarked = false;
                writer.mark()
            }
            Due::End => {
                // All that was taken is written, or cannot be.
                writer.sync();
                writer.mark();
                return;
            }
        };
        match step {
            Step::Failed => return,
            Step::Stalled => {
                let state = shared.lock();
                if state.closing {
                    return;
                }
                // Appends need not wake it: there is no room for them either.
                let waited = shared.wake.wait_timeout(state, shared.options.retry_delay);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
            Step::Idle | Step::Wrote => {}
        }
    }
}

/// Waits until there is something to do.
fn wait(shared: &Shared, unmarked: bool, sync_at: Option<Instant>) -> Due {
    let mut state = shared.lock();
    loop {
        // Before there is more to write: else it would never come under load.
        let left = sync_at.map(|at| at.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Due::Sync;
        }
        if !state.chunks.is_empty() || !state.writing.is_empty() {
            return Due::Write;
        }
        if state.closing {
            return Due::End;
        }
        state.writer_waits = true;
        let (limit, then) = match (left, unmarked) {
            (Some(left), _) => (Some(left), Due::Sync),
            (None, true) => (Some(shared.options.mark_delay), Due::Mark),
            (None, false) => (None, Due::Mark),
        };
        let timed_out;
        (state, timed_out) = match limit {
            Some(limit) => {
                let waited = shared.wake.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner);
                (waited.0, waited.1.timed_out())
            }
            None => (shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner), false),
        };
        state.writer_waits = false;
        if timed_out && state.chunks.is_empty() && !state.closing {
            return then;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use theater_core::EventKind;

    use super::*;
    use crate::Chain;
    use crate::log::{LogOptions, SegmentedStore};
    use crate::store::ChainStore;
    use crate::vfs::RealVfs;

    #[test]
    fn where_durability_is_relaxed_events_are_synced_in_time_though_more_are_written_all_the_while() {
        let folder = tempfile::tempdir().unwrap();
        let options = LogOptions {
            durability: Durability::Relaxed,
            // Much longer than there is ever nothing to write, and long before the first segment is full, which syncs it as well.
            sync_interval: Duration::from_millis(300),
            first_segment: 8 << 20,
            ..LogOptions::default()
        };
        let vfs = RealVfs::new(folder.path()).unwrap();
        let (store, _) = SegmentedStore::open_on(Arc::new(vfs), options).unwrap();
        let (mut chain, genesis) = Chain::genesis("busy".into(), store.epoch(), 1);
        store.create(genesis).unwrap();
        let begun = Instant::now();
        let synced = |store: &SegmentedStore| store.shared.lock().synced;
        let mut before = 0;
        for _ in 0..3 {
            while synced(&store) == before {
                assert!(begun.elapsed() < Duration::from_secs(10), "event {} is not synced", before + 1);
                let head = chain.head();
                store.append(head, chain.append(EventKind::LOG, "x".into(), 2)).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
            before = synced(&store);
        }
        let segments = store.shared.lock().segments.len();
        assert_eq!(segments, 1, "nothing else synced it");
    }
}
