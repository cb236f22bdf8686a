//! The settings of a store in SQLite.

use std::time::Duration;

use crate::store::Durability;

/// The settings of a [`SqliteStore`](super::SqliteStore).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// Bytes that may be taken and not yet written. Beyond this the store is [`Full`](crate::AppendError::Full); beyond half of it
    /// [`ready`](crate::ChainStore::ready) waits. Default 64 MiB.
    pub pending: usize,
    /// [`Full`](Durability::Full), the default, which syncs every commit (`synchronous=FULL`); anything else is
    /// [`Relaxed`](Durability::Relaxed) (`synchronous=NORMAL`).
    pub durability: Durability,
    /// How long committed events may wait for the disk where the durability is relaxed. Default 100 ms.
    pub sync_interval: Duration,
    /// How long the store waits before it tries again to find room on a full disk, or to write while somebody else does. Default
    /// 1 s.
    pub retry_delay: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            pending: 64 << 20,
            durability: Durability::Full,
            sync_interval: Duration::from_millis(100),
            retry_delay: Duration::from_secs(1),
        }
    }
}
