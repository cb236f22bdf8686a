//! The settings of a log.

use std::time::Duration;

use crate::store::Durability;

/// The settings of a [`SegmentedStore`](super::SegmentedStore).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogOptions {
    /// The length of the first segment that a process writes, in bytes; each further one is twice as long. Default 1 MiB.
    pub first_segment: u64,
    /// The greatest length of a segment, in bytes. Default 64 MiB.
    pub largest_segment: u64,
    /// Bytes that may be taken and not yet written. Beyond this the store is [`Full`](crate::AppendError::Full); beyond half of it
    /// [`ready`](crate::ChainStore::ready) waits. Default 64 MiB.
    pub pending: usize,
    /// [`Full`](Durability::Full), the default, or [`Relaxed`](Durability::Relaxed).
    pub durability: Durability,
    /// How long written events may wait for the disk where the durability is relaxed. Default 100 ms.
    pub sync_interval: Duration,
    /// How long the log is quiet before it notes that everything in it is durable. Default 2 ms.
    pub mark_delay: Duration,
    /// How long the log waits before it tries again to find room on a full disk. Default 1 s.
    pub retry_delay: Duration,
    /// 16 bytes that tell a new log from others. Default: random.
    pub store_id: Option<[u8; 16]>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            first_segment: 1 << 20,
            largest_segment: 64 << 20,
            pending: 64 << 20,
            durability: Durability::Full,
            sync_interval: Duration::from_millis(100),
            mark_delay: Duration::from_millis(2),
            retry_delay: Duration::from_secs(1),
            store_id: None,
        }
    }
}
