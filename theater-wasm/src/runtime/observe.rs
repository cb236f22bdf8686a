//! What happens in a runtime, for whoever watches it.

use std::sync::Arc;

use theater_chain::{ChainStore, Lsn, Poisoned};
use theater_core::event::payload::Origin;
use theater_core::{ActorId, Bytes, ExitReason, Incarnation};
use tokio::sync::broadcast;

/// Something that happened to an actor. Every one of these stands on the actor's chain as well.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LifecycleEvent {
    /// The actor.
    pub actor: ActorId,
    /// The name in its manifest.
    pub name: String,
    /// Its id among its siblings, if its parent's manifest declares it.
    pub child_id: Option<Arc<str>>,
    /// Its parent.
    pub parent: Option<ActorId>,
    /// Which life.
    pub incarnation: Incarnation,
    /// When, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// What.
    pub kind: LifecycleKind,
}

/// What happened to an actor.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum LifecycleKind {
    /// A life began and its `init`, if it was called, has ended well.
    Started {
        /// Where it started from.
        origin: Origin,
    },
    /// A life ended before it was running.
    StartFailed {
        /// Why.
        reason: ExitReason,
    },
    /// A life ended.
    Exited {
        /// Why.
        reason: ExitReason,
    },
    /// The actor wrote to its log.
    Log {
        /// What it wrote.
        message: String,
    },
    /// The actor's supervisor decided something about a child: a `SUPERVISION` payload of `theater-supervisor`.
    Supervision {
        /// The payload as it was recorded.
        payload: Bytes,
    },
}

/// Events of a runtime, from the moment of [`WasmRuntime::watch`](crate::WasmRuntime::watch) on.
///
/// What it gives is durable, as far as the chain store promises: nothing of it can be lost afterwards. The queue is bounded. A watcher
/// that is too slow loses the oldest events, is told how many, and harms nobody else.
#[derive(Debug)]
pub struct LifecycleStream {
    receiver: broadcast::Receiver<(Lsn, LifecycleEvent)>,
    store: Arc<dyn ChainStore>,
    /// Taken from the queue, and not known to be durable yet.
    held: Option<(Lsn, LifecycleEvent)>,
    failed: bool,
}

/// One item of a [`LifecycleStream`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Watched {
    /// Something happened.
    Event(LifecycleEvent),
    /// This many events were lost because the watcher was too slow.
    Gap(u64),
    /// The chain store has failed: nobody knows whether what happened since is kept. The last item.
    StoreFailed(Poisoned),
}

impl LifecycleStream {
    pub(super) fn new(
        receiver: broadcast::Receiver<(Lsn, LifecycleEvent)>,
        store: Arc<dyn ChainStore>,
    ) -> Self {
        Self { receiver, store, held: None, failed: false }
    }

    /// The next event, or `None` when the runtime is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Watched> {
        if self.failed {
            return None;
        }
        if self.held.is_none() {
            match self.receiver.recv().await {
                Ok(event) => self.held = Some(event),
                Err(broadcast::error::RecvError::Lagged(lost)) => return Some(Watched::Gap(lost)),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
        let lsn = self.held.as_ref().map(|(lsn, _)| *lsn)?;
        let durable = self.store.until_durable(lsn).await;
        self.settle(durable)
    }

    /// The next event if there is one already that is durable.
    pub fn try_next(&mut self) -> Option<Watched> {
        if self.failed {
            return None;
        }
        if self.held.is_none() {
            match self.receiver.try_recv() {
                Ok(event) => self.held = Some(event),
                Err(broadcast::error::TryRecvError::Lagged(lost)) => return Some(Watched::Gap(lost)),
                Err(_) => return None,
            }
        }
        let lsn = self.held.as_ref().map(|(lsn, _)| *lsn)?;
        match self.store.durable() {
            Ok(durable) if durable < lsn => None,
            durable => self.settle(durable.map(drop)),
        }
    }

    fn settle(&mut self, durable: Result<(), Poisoned>) -> Option<Watched> {
        let (_, event) = self.held.take()?;
        Some(match durable {
            Ok(()) => Watched::Event(event),
            Err(failed) => {
                self.failed = true;
                Watched::StoreFailed(failed)
            }
        })
    }
}
