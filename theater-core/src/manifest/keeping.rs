//! How the event chain of an actor is kept: its durability, its snapshots, its growth.

use std::time::Duration;

/// How long what an app was told about is kept, whatever happens: `durability`. That of the root's manifest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DurabilityMode {
    /// Nothing is told to the outside before the events behind it survive a loss of power.
    #[default]
    Full,
    /// What was told survives the end of the process; a loss of power may take the last of it.
    Relaxed,
}

/// When an actor's whole state is written to its chain: the table `[snapshots]`.
///
/// A state of up to `inline` bytes goes with the event of the call that changed it. A larger one is written whole when one of the others
/// is reached since it was last written, and when the actor is stopped. What was not written is found again by running the recorded
/// calls once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotPolicy {
    /// Bytes of a state that goes with its event. Default 512.
    pub inline: u64,
    /// Events of the actor between two snapshots. Default 1,000.
    pub events: u64,
    /// Bytes of those events' payloads. Default 1 MiB.
    pub bytes: u64,
    /// Time between two snapshots. Default: none.
    pub interval: Option<Duration>,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self { inline: 512, events: 1_000, bytes: 1 << 20, interval: None }
    }
}

/// How long an actor's chain may get: the table `[chain]`. Default: without a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChainLimits {
    /// Events from which on a warning is logged.
    pub warn_events: Option<u64>,
    /// Events from which on the actor takes no more messages, until its chain is pruned or the limit is raised.
    pub max_events: Option<u64>,
    /// Bytes of payloads from which on a warning is logged.
    pub warn_bytes: Option<u64>,
    /// Bytes of payloads from which on the actor takes no more messages.
    pub max_bytes: Option<u64>,
}
