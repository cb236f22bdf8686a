//! Removing: payloads that are pruned, and chains that are retired.
//!
//! The writer does it, a little at a time, between the transactions that commit events. A retired chain is gone once its row says so;
//! its events go after that, and what a process leaves of them the next one removes.

use std::io;
use std::ops::Range;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use theater_core::{ChainEvent, ChainId};
use tokio::sync::oneshot;

use super::schema::{self, About, COLUMNS};
use super::writer::{PAGE, Step, Writer};
use super::{Shared, fault};
use crate::chain::Head;
use crate::store::{Durability, Lsn, Poisoned, PruneError, PruneReport, ReadError, RetireError};

/// Events that are looked at, or removed, in one transaction: no commit waits for more.
const AT_ONCE: u64 = 256;

/// Something to remove, and who waits for it.
#[derive(Debug)]
pub(super) enum Removal {
    Prune(Prune, oneshot::Sender<Result<PruneReport, PruneError>>),
    Retire(Head, oneshot::Sender<Result<(), RetireError>>),
}

/// How far a chain was pruned.
#[derive(Debug)]
pub(super) struct Prune {
    chain: ChainId,
    before: u64,
    next: u64,
    report: PruneReport,
}

impl Prune {
    pub(super) fn new(chain: ChainId, before: u64) -> Self {
        Self { chain, before, next: 0, report: PruneReport::default() }
    }
}

/// A removal that comes after the events that were taken before it.
#[derive(Debug)]
pub(super) struct Job {
    after: u64,
    removal: Removal,
}

impl Shared {
    /// Asks the writer to remove something. Whoever waits hears nothing if it ends before.
    ///
    /// # Errors
    /// If the store has failed, or is closed.
    pub(super) fn ask(&self, removal: Removal) -> Result<(), Poisoned> {
        let mut state = self.lock();
        match &state.failed {
            Some(failed) => return Err(failed.clone()),
            None if state.closing => return Err(self.closing()),
            None => {}
        }
        let after = state.lsn;
        state.jobs.push_back(Job { after, removal });
        if std::mem::take(&mut state.writer_waits) {
            self.wake.notify_all();
        }
        Ok(())
    }

    /// Why nobody answers any more.
    pub(super) fn gone(&self) -> Poisoned {
        let failed = self.lock().failed.clone();
        failed.unwrap_or_else(|| self.closing())
    }

    fn closing(&self) -> Poisoned {
        let closed = io::Error::other("the store is being closed");
        Poisoned::new("remove events from", &*self.pool.file, &closed)
    }
}

impl Writer {
    /// Does a part of what is to be removed. `stalled` says that what was taken cannot be committed now.
    pub(super) fn remove(&mut self, stalled: bool) -> Step {
        let job = {
            let mut state = self.shared.lock();
            let committed = state.committed;
            state.jobs.pop_front_if(|job| stalled || job.after <= committed)
        };
        let Some(Job { after, removal }) = job else { return self.remove_events() };
        let again = match removal {
            Removal::Prune(mut prune, reply) => match self.prune(&mut prune) {
                // Whoever asked may have gone, here and below.
                Some(answer) => reply.send(answer).map_or(None, |()| None),
                None => Some(Removal::Prune(prune, reply)),
            },
            Removal::Retire(head, reply) => match self.retire(head, stalled) {
                Some(answer) => reply.send(answer).map_or(None, |()| None),
                None => Some(Removal::Retire(head, reply)),
            },
        };
        let mut state = self.shared.lock();
        if state.failed.is_some() {
            return Step::Failed;
        }
        state.jobs.extend(again.map(|removal| Job { after, removal }));
        Step::Wrote
    }

    /// Prunes the next events; the answer when there are no more.
    fn prune(&mut self, prune: &mut Prune) -> Option<Result<PruneReport, PruneError>> {
        let chain = prune.chain;
        let (number, range) = {
            let state = self.shared.lock();
            let Some(known) = state.chains.get(&chain) else {
                return Some(Err(PruneError::UnknownChain { chain }));
            };
            if known.retired {
                return Some(Err(PruneError::Retired { chain }));
            }
            prune.next = prune.next.max(known.pruned);
            let end = prune.before.min(known.head.length - known.waiting.len() as u64);
            (known.number, prune.next..end.min(prune.next.saturating_add(AT_ONCE)))
        };
        if range.is_empty() {
            if let Some(known) = self.shared.lock().chains.get_mut(&chain) {
                known.pruned = known.pruned.max(prune.next);
            }
            return Some(Ok(prune.report));
        }
        prune.next = range.end;
        let found = match prunable(&self.connection, &self.shared.pool.file, (number, chain), range) {
            Ok(found) => found,
            Err(error) => return Some(Err(error.into())),
        };
        if found.is_empty() {
            return None;
        }
        let lengths = found.iter().map(|(_, event)| event.header.payload_len);
        let (events, bytes) = (found.len() as u64, lengths.sum::<u64>());
        let changed = self.durably(|transaction| {
            let mut strip = transaction.prepare_cached(schema::STRIP_EVENT)?;
            found.iter().try_for_each(|(lsn, event)| schema::strip(&mut strip, *lsn, event))
        });
        if let Err(error) = changed {
            return Some(Err(self.hindered("prune events in", chain, &error)));
        }
        // What is emptied is overwritten, so that it is not found in the file either.
        self.wrote(found.len() + usize::try_from(bytes).unwrap_or(usize::MAX) / PAGE);
        prune.report.events += events;
        prune.report.bytes += bytes;
        None
    }

    /// Notes that a chain is gone; nothing where that has to wait.
    fn retire(&mut self, head: Head, stalled: bool) -> Option<Result<(), RetireError>> {
        let chain = head.chain_id;
        let (number, durable) = {
            let mut state = self.shared.lock();
            let durable = state.committed;
            let Some(known) = state.chains.get_mut(&chain) else {
                return Some(Err(RetireError::UnknownChain { chain }));
            };
            if known.head != head {
                return Some(Err(RetireError::Conflict { actual: known.head }));
            }
            if known.retired {
                return Some(Ok(()));
            }
            if !known.waiting.is_empty() {
                let full = io::Error::from(io::ErrorKind::StorageFull);
                return stalled.then(|| Err(ReadError::io(&*self.shared.pool.file, &full).into()));
            }
            // From now on it takes nothing: the head that is noted is its last.
            known.retired = true;
            (known.number, durable)
        };
        let about = About { epoch: self.shared.epoch, closed: false, durable };
        let noted = self.durably(|transaction| {
            schema::retire(transaction, number, head)?;
            // Its events may be the last, and no place is given twice.
            about.write(transaction)
        });
        if let Err(error) = noted {
            if let Some(known) = self.shared.lock().chains.get_mut(&chain) {
                known.retired = false;
            }
            return Some(Err(self.hindered("retire a chain in", chain, &error)));
        }
        self.wrote(1);
        self.shared.lock().order.retain(|listed| *listed != chain);
        self.leftover.push(number);
        Some(Ok(()))
    }

    /// Removes some events of chains that were retired.
    fn remove_events(&mut self) -> Step {
        let Some(chain) = self.leftover.last() else { return Step::Idle };
        let sql = "DELETE FROM event WHERE lsn IN (SELECT lsn FROM event WHERE chain = ?1 LIMIT ?2)";
        let removed = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params![chain, AT_ONCE]));
        match removed {
            Ok(0) => {
                self.leftover.pop();
                Step::Wrote
            }
            Ok(removed) => {
                self.wrote(2 * removed);
                Step::Wrote
            }
            Err(error) if fault::is_passing(&error) => Step::Stalled,
            Err(error) => self.fail("remove events from", &error),
        }
    }

    /// Changes something, all of it or nothing, so that it survives a loss of power whatever the store promises of events.
    fn durably(
        &mut self,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let relaxed = self.shared.options.durability != Durability::Full;
        if relaxed {
            self.connection.pragma_update(None, "synchronous", "FULL")?;
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let changed = transaction.and_then(|transaction| {
            change(&transaction)?;
            transaction.commit()
        });
        if relaxed && self.connection.is_autocommit() {
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        changed
    }

    /// Why a change was not made. The store has failed unless the change may be tried again.
    fn hindered<E: From<ReadError> + From<Poisoned>>(
        &self,
        operation: &'static str,
        chain: ChainId,
        error: &rusqlite::Error,
    ) -> E {
        let file = &*self.shared.pool.file;
        if fault::is_passing(error) && self.connection.is_autocommit() {
            return fault::read(file, Some(chain), error).into();
        }
        self.fail(operation, error);
        fault::poisoned(operation, file, error).into()
    }
}

/// The events at these positions that have a payload which may go, without it. Each is checked: what is damaged must not look sound
/// afterwards.
fn prunable(
    connection: &Connection,
    file: &str,
    (number, chain): (i64, ChainId),
    range: Range<u64>,
) -> Result<Vec<(Lsn, ChainEvent)>, ReadError> {
    let told = |error: rusqlite::Error| fault::read(file, Some(chain), &error);
    let sql = format!(
        "SELECT {COLUMNS} FROM event WHERE chain = ?1 AND seq >= ?2 AND seq < ?3 AND length(payload) > 0 ORDER BY seq"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(told)?;
    let mut rows = statement.query(params![number, range.start, range.end]).map_err(told)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(told)? {
        let (lsn, mut event) = schema::event(row, file, chain, row.get(1).map_err(told)?)?;
        if !event.header.kind.keeps_payload() {
            event.payload.clear();
            found.push((lsn, event));
        }
    }
    Ok(found)
}
