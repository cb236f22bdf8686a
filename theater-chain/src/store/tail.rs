//! Following a store as it takes events.

use theater_core::ChainEvent;
use tokio::sync::broadcast;

use super::Lsn;

/// Events that may wait for a follower.
const CAPACITY: usize = 4_096;

/// What a follower is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tailed {
    /// An event, and its place in the store's order.
    Event(Lsn, ChainEvent),
    /// So many events were missed here: the follower was too slow. They can be read from the store.
    Gap(u64),
}

/// The events that a store takes, as it takes them.
#[derive(Debug)]
pub struct Tail {
    receiver: broadcast::Receiver<(Lsn, ChainEvent)>,
}

impl Tail {
    /// The next event or gap; `None` once the store is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Tailed> {
        match self.receiver.recv().await {
            Ok((lsn, event)) => Some(Tailed::Event(lsn, event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Tailed::Gap(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The sending side: costs next to nothing while nobody follows.
#[derive(Debug)]
pub(crate) struct Tails(broadcast::Sender<(Lsn, ChainEvent)>);

impl Default for Tails {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl Tails {
    pub(crate) fn follow(&self) -> Tail {
        Tail { receiver: self.0.subscribe() }
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.0.receiver_count() > 0
    }

    pub(crate) fn send(&self, lsn: Lsn, event: ChainEvent) {
        // An error means that the last follower has just gone.
        let _ = self.0.send((lsn, event));
    }
}
