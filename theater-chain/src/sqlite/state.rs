//! What a store in SQLite knows without asking the file: heads, and what is still to be written.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use theater_core::{ChainEvent, ChainId};

use super::remove::Job;
use crate::chain::Head;
use crate::store::{AppendError, Poisoned};

/// The longest payload that is taken: SQLite has no longer rows.
const LONGEST: usize = 900 << 20;

/// An event that was taken and is not committed yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) lsn: u64,
    /// The chain's number in the file.
    pub(super) chain: i64,
    pub(super) event: ChainEvent,
}

/// One chain.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) number: i64,
    pub(super) head: Head,
    /// Its head is all that is kept.
    pub(super) retired: bool,
    /// Below this position there is nothing to prune.
    pub(super) pruned: u64,
    /// Its last events, as far as they are not committed.
    pub(super) waiting: VecDeque<Arc<Waiting>>,
}

impl Known {
    pub(super) fn new(number: i64, head: Head) -> Self {
        Self { number, head, retired: false, pruned: 0, waiting: VecDeque::new() }
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) chains: FxHashMap<ChainId, Known>,
    /// Those that were not retired, in the order of their creation.
    pub(super) order: Vec<ChainId>,
    /// The number of the next chain.
    pub(super) next: i64,
    /// The last event that was taken.
    pub(super) lsn: u64,
    /// The last event that was committed.
    pub(super) committed: u64,
    /// What the writer has not looked at yet.
    pub(super) queue: Vec<Arc<Waiting>>,
    /// What is to be removed.
    pub(super) jobs: VecDeque<Job>,
    /// Bytes of all events that wait.
    pub(super) pending: usize,
    pub(super) failed: Option<Poisoned>,
    /// Nothing more is taken.
    pub(super) closing: bool,
    /// Whether the writer has to be woken.
    pub(super) writer_waits: bool,
}

/// What an event takes while it waits.
fn size(event: &ChainEvent) -> usize {
    size_of::<Waiting>() + event.payload.len()
}

impl State {
    /// Takes an event that has been checked.
    pub(super) fn take(&mut self, event: ChainEvent, most: usize) -> Result<u64, AppendError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone().into());
        }
        let size = size(&event);
        if self.closing || self.pending.saturating_add(size) > most || event.payload.len() > LONGEST {
            return Err(AppendError::Full);
        }
        let (lsn, head) = (self.lsn + 1, Head::after(&event));
        let (next, order) = (&mut self.next, &mut self.order);
        let known = self.chains.entry(head.chain_id).or_insert_with(|| {
            order.push(head.chain_id);
            let number = *next;
            *next += 1;
            Known::new(number, head)
        });
        let waiting = Arc::new(Waiting { lsn, chain: known.number, event });
        known.head = head;
        known.waiting.push_back(Arc::clone(&waiting));
        self.queue.push(waiting);
        self.pending += size;
        self.lsn = lsn;
        Ok(lsn)
    }

    /// Notes that these, the oldest that wait, are committed.
    pub(super) fn commit(&mut self, batch: &[Arc<Waiting>]) {
        for done in batch {
            if let Some(known) = self.chains.get_mut(&done.event.header.chain_id) {
                known.waiting.pop_front();
                if known.waiting.is_empty() {
                    // Most chains are quiet most of the time.
                    known.waiting = VecDeque::new();
                }
            }
            self.pending -= size(&done.event);
            self.committed = done.lsn;
        }
    }
}
