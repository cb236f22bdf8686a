//! What is in a file: as the process sees it, and as far as it was synced.

use super::crash;
use super::rng::Rng;

/// One file, whatever it is called.
#[derive(Debug, Default, Clone)]
pub(super) struct Content {
    /// As the process sees it.
    pub(super) live: Vec<u8>,
    /// As it was synced last.
    pub(super) durable: Vec<u8>,
    /// What happened since, in order.
    pub(super) unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Content {
    pub(super) fn set_len(&mut self, len: usize) {
        self.live.resize(len, 0);
        self.unsynced.push(Change::SetLen(len));
    }

    pub(super) fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::SetLen(len) => self.durable.resize(len, 0),
                Change::Write { offset, bytes } => crash::put(&mut self.durable, offset, &bytes),
            }
        }
    }

    /// A sync failed: some of what it should have written is on the disk, and no later sync will write the rest, although whoever reads
    /// still sees it. That is how Linux does it.
    pub(super) fn forget(&mut self, seed: u64) {
        crash::land(self, &mut Rng::new(seed));
    }
}
