//! The writer: the one thread that changes the file. Everything that waits becomes one transaction.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior, params};

use super::schema::About;
use super::state::Waiting;
use super::{Shared, fault, schema};
use crate::store::{Durability, Poisoned};

/// Pages that go to SQLite's log, about, before they are moved into the file itself. What SQLite does by default.
const PAGES: usize = 1_000;

/// Bytes of a page.
pub(super) const PAGE: usize = 4_096;

/// Pages that a transaction writes for few events: the ends of the table and of its index, and what is above them.
const FEWEST: usize = 3;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There was nothing to do.
    Idle,
    /// Something was committed.
    Wrote,
    /// There is no room, or somebody else writes: what was taken waits, and nothing of it is there.
    Stalled,
    /// The store has failed.
    Failed,
}

/// Writes what waits.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: Connection,
    /// What is being written. It stays until it is committed.
    batch: Vec<Arc<Waiting>>,
    /// Pages in SQLite's log, about.
    pages: usize,
    /// When what was committed has to be on the disk, where the commit itself does not see to that.
    sync_at: Option<Instant>,
    /// Retired chains of which there may be events.
    pub(super) leftover: Vec<i64>,
}

/// What the writer wakes up for.
enum Due {
    Write,
    Sync,
    Checkpoint,
    End,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, connection: Connection, leftover: Vec<i64>) -> Self {
        Self { shared, connection, batch: Vec::new(), pages: 0, sync_at: None, leftover }
    }

    /// Writes until the store is closed or has failed.
    pub(super) fn run(mut self) {
        let on_panic = FailOnPanic(Arc::clone(&self.shared));
        loop {
            let step = match self.wait() {
                Due::Write => match self.step() {
                    Step::Failed => Step::Failed,
                    step => match self.remove(step == Step::Stalled) {
                        Step::Idle | Step::Wrote => step,
                        worse => worse,
                    },
                },
                Due::Sync => self.sync(),
                Due::Checkpoint => self.checkpoint(),
                Due::End => {
                    self.end();
                    break;
                }
            };
            match step {
                Step::Failed => break,
                Step::Stalled => {
                    let state = self.shared.lock();
                    if state.closing {
                        break;
                    }
                    let waited = self.shared.wake.wait_timeout(state, self.shared.options.retry_delay);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                }
                Step::Idle | Step::Wrote => {}
            }
        }
        self.shared.lock().jobs.clear();
        drop(on_panic);
    }

    /// Waits until there is something to do.
    fn wait(&self) -> Due {
        let mut state = self.shared.lock();
        loop {
            let left = self.sync_at.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Due::Sync;
            }
            if self.pages >= PAGES {
                return Due::Checkpoint;
            }
            if !self.batch.is_empty()
                || !state.queue.is_empty()
                || !state.jobs.is_empty()
                || !self.leftover.is_empty()
            {
                return Due::Write;
            }
            if state.closing {
                return Due::End;
            }
            state.writer_waits = true;
            let wake = &self.shared.wake;
            state = match left {
                Some(left) => wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.writer_waits = false;
        }
    }

    /// Commits all events that wait.
    pub(super) fn step(&mut self) -> Step {
        {
            let mut state = self.shared.lock();
            if state.failed.is_some() {
                return Step::Failed;
            }
            if self.batch.is_empty() {
                std::mem::swap(&mut self.batch, &mut state.queue);
            }
        }
        if self.batch.is_empty() {
            return Step::Idle;
        }
        if let Err(error) = write(&mut self.connection, &self.batch) {
            // Where the transaction could not be taken back either, nobody knows what is there.
            if fault::is_passing(&error) && self.connection.is_autocommit() {
                return Step::Stalled;
            }
            return self.fail("commit events to", &error);
        }
        let bytes: usize = self.batch.iter().map(|waiting| waiting.event.payload.len() + 256).sum();
        self.wrote(bytes.div_ceil(PAGE));
        if self.shared.options.durability != Durability::Full && self.sync_at.is_none() {
            self.sync_at = Some(Instant::now() + self.shared.options.sync_interval);
        }
        self.shared.lock().commit(&self.batch);
        self.shared.progressed();
        self.batch.clear();
        Step::Wrote
    }

    /// Syncs what was committed without, with one more commit, that says how far it goes.
    pub(super) fn sync(&mut self) -> Step {
        let about = About { epoch: self.shared.epoch, closed: false, durable: self.shared.lock().committed };
        let synced = self
            .connection
            .pragma_update(None, "synchronous", "FULL")
            .and_then(|()| about.write(&self.connection));
        let relaxed = self.connection.pragma_update(None, "synchronous", "NORMAL");
        self.sync_at = None;
        self.wrote(0);
        match synced.and(relaxed) {
            Ok(()) => Step::Wrote,
            Err(error) if fault::is_passing(&error) => {
                self.sync_at = Some(Instant::now() + self.shared.options.retry_delay);
                Step::Idle
            }
            Err(error) => self.fail("sync", &error),
        }
    }

    /// Moves what is in SQLite's log into the file itself, as far as no reader needs it where it is.
    pub(super) fn checkpoint(&mut self) -> Step {
        self.pages = 0;
        match self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => Step::Wrote,
            // The log just grows; what is in it is there.
            Err(error) if fault::is_passing(&error) => Step::Idle,
            Err(error) => self.fail("move events into", &error),
        }
    }

    /// The last words: all that was taken is committed.
    pub(super) fn end(&mut self) {
        let durable = self.shared.lock().committed;
        let end = || -> rusqlite::Result<()> {
            self.connection.pragma_update(None, "synchronous", "FULL")?;
            About { epoch: self.shared.epoch, closed: true, durable }.write(&self.connection)?;
            // A reader may need what is in the log; then the log stays beside the file.
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
        };
        match end() {
            // It is as if the process had just left.
            Err(error) if fault::is_passing(&error) => {}
            Err(error) => drop(self.fail("close", &error)),
            Ok(()) => {}
        }
    }

    /// Counts pages of a transaction.
    pub(super) fn wrote(&mut self, pages: usize) {
        self.pages += FEWEST + pages;
    }

    pub(super) fn fail(&self, operation: &'static str, error: &rusqlite::Error) -> Step {
        self.shared.fail(fault::poisoned(operation, &self.shared.pool.file, error));
        Step::Failed
    }
}

/// Commits events in one transaction: all of them, or none.
fn write(connection: &mut Connection, batch: &[Arc<Waiting>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut chain = transaction.prepare_cached(schema::INSERT_CHAIN)?;
        let mut row = transaction.prepare_cached(schema::INSERT_EVENT)?;
        for Waiting { lsn, chain: number, event } in batch.iter().map(|waiting| &**waiting) {
            if event.header.seq == 0 {
                chain.execute(params![number, &event.header.chain_id.as_bytes()[..]])?;
            }
            schema::insert(&mut row, *lsn, *number, event)?;
        }
    }
    transaction.commit()
}

/// Whoever waits for the writer is told when it is gone.
pub(super) struct FailOnPanic(pub(super) Arc<Shared>);

impl Drop for FailOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let panicked = io::Error::other("the thread that writes panicked");
            self.0.fail(Poisoned::new("write to", &*self.0.pool.file, &panicked));
        }
    }
}
