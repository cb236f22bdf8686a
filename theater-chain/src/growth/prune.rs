//! Pruning a chain: first it says so, for good, and only then does anything go.

use theater_core::event::payload::{self, Pruned};
use theater_core::{ChainId, EventDraft, EventKind};

use crate::store::{ChainStore, EventStream, Poisoned, PruneError, PruneReport, ReadError};

/// Why a chain was not pruned, or not as far as it says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneChainError {
    /// It could not be read. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The event that says what goes was not appended. Nothing was changed.
    #[error("the chain does not take the event that says what is pruned")]
    Append(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// That event may not survive. Nothing was removed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// The store did not remove what it was told to. The chain says that it did, and payloads may be there all the same.
    #[error(transparent)]
    Store(#[from] PruneError),
}

/// Removes the payloads of a chain's events below `before`: appends a [`PRUNED`](EventKind::PRUNED) event that says so, waits until that is
/// durable, and lets the store remove them. So a chain that lacks payloads always says why.
///
/// `append` appends an event to the chain: while an actor lives only its own writer may. It is called at most once, and not where nothing is
/// to go, or the chain says so already: then the store is only told again. Ended early it can be called again. Reads the whole chain.
///
/// # Errors
/// See [`PruneChainError`].
pub async fn prune_chain<F, E>(
    store: &dyn ChainStore,
    chain: ChainId,
    before: u64,
    append: impl FnOnce(EventDraft) -> F,
) -> Result<PruneReport, PruneChainError>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let plan = plan(store, chain, before).await?;
    if plan.events == 0 {
        return Ok(PruneReport::default());
    }
    if !plan.said {
        let pruned = Pruned { before: plan.before, events: plan.events, bytes: plan.bytes };
        let draft = EventDraft::new(EventKind::PRUNED, payload::encode(&pruned));
        append(draft).await.map_err(|error| PruneChainError::Append(error.into()))?;
    }
    // Also what was said before, perhaps a moment ago.
    store.until_durable(store.accepted()).await?;
    Ok(store.prune(chain, plan.before).await?)
}

/// What there is to remove.
struct Plan {
    before: u64,
    events: u64,
    bytes: u64,
    /// Whether the chain says already that it goes.
    said: bool,
}

async fn plan(store: &dyn ChainStore, chain: ChainId, before: u64) -> Result<Plan, ReadError> {
    let mut plan = Plan { before: 0, events: 0, bytes: 0, said: false };
    let mut said = 0;
    let mut events = EventStream::oldest_first(store, chain, 0);
    while let Some(event) = events.next().await? {
        let header = &event.header;
        if header.seq < before {
            plan.before = header.seq + 1;
            if !event.payload.is_empty() && !header.kind.keeps_payload() {
                plan.events += 1;
                plan.bytes += header.payload_len;
            }
        }
        if header.kind == EventKind::PRUNED {
            let pruned = payload::decode::<Pruned>(&event.payload).map_or(0, |pruned| pruned.before);
            said = said.max(if pruned > header.seq { 0 } else { pruned });
        }
    }
    plan.said = said >= plan.before;
    Ok(plan)
}
