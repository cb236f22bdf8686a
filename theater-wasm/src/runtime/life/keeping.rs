//! When a state is written to the chain: with the event of its call where it is small, now and then where it is large.

use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::time::Instant;

use theater_core::event::payload::{self, Return, Snapshot};
use theater_core::{EventKind, ExitReason, SnapshotPolicy};

use super::Running;

/// Since when a state waits to be written. Whether one does is the entry's to know: it outlives the life.
#[derive(Debug)]
pub(super) struct Keeping {
    /// What the chain had when the state was last written.
    since: (u64, u64),
    /// Only where the policy asks how long ago that was.
    at: Option<Instant>,
}

impl Keeping {
    /// From now on.
    pub(super) fn new(policy: &SnapshotPolicy, totals: (u64, u64)) -> Self {
        Self { since: totals, at: policy.interval.map(|_| Instant::now()) }
    }

    fn is_due(&self, policy: &SnapshotPolicy, totals: (u64, u64)) -> bool {
        let (events, bytes) = (totals.0 - self.since.0, totals.1 - self.since.1);
        let late = policy.interval.zip(self.at).is_some_and(|(interval, at)| at.elapsed() >= interval);
        events >= policy.events || bytes >= policy.bytes || late
    }
}

impl Running<'_> {
    /// Says in the record of a call that succeeded what became of the state.
    pub(super) fn describe_state<'a>(&self, after: Option<&'a [u8]>, changed: bool, record: &mut Return<'a>) {
        record.state_len = after.map(|state| state.len() as u64);
        let inline = self.life.entry.manifest.snapshots.inline;
        match after {
            Some(state) if changed && state.len() as u64 <= inline => {
                record.state = Some(Cow::Borrowed(serde_bytes::Bytes::new(state)));
            }
            Some(_) => record.unsaved = changed,
            None => {}
        }
    }

    /// Notes what the record of a call that succeeded said of the state.
    pub(super) fn kept(&mut self, record_unsaved: bool, record_whole: bool) {
        if record_unsaved {
            self.life.entry.unsaved.store(true, Ordering::Relaxed);
        } else if record_whole {
            self.written();
        }
    }

    /// Writes the state where the policy says that it is time.
    pub(super) async fn snapshot_if_due(&mut self) -> Result<(), ExitReason> {
        let policy = &self.life.entry.manifest.snapshots;
        if !self.unsaved() || !self.keeping.is_due(policy, self.life.entry.chain.totals()) {
            return Ok(());
        }
        self.snapshot().await
    }

    /// Writes the state if the chain does not have it: what starts again from here runs no call once more.
    pub(super) async fn snapshot(&mut self) -> Result<(), ExitReason> {
        if !self.unsaved() {
            return Ok(());
        }
        let snapshot = payload::encode(&Snapshot { state: self.state.clone() });
        self.life.record_unlimited(EventKind::SNAPSHOT, snapshot).await?;
        self.written();
        Ok(())
    }

    fn unsaved(&self) -> bool {
        self.life.entry.unsaved.load(Ordering::Relaxed)
    }

    fn written(&mut self) {
        self.life.entry.unsaved.store(false, Ordering::Relaxed);
        let entry = &self.life.entry;
        self.keeping = Keeping::new(&entry.manifest.snapshots, entry.chain.totals());
    }
}
