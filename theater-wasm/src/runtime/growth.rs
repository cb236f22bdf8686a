//! Keeping chains from growing without end while their actors live.

use std::sync::Arc;

use theater_chain::{
    ChainReader, EventStream, Head, PruneChainError, PrunePolicy, PruneReport, ReadError, RetireChainError,
    prune_chain, retire_chain,
};
use theater_core::{ActorError, ActorId, ActorStatus, ChainId, EventDraft};

use super::chain::ChainLog;
use super::past::Past;
use super::{Inner, WasmRuntime};

/// Why a chain was not pruned or retired. What was done before stays done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrowthError {
    /// No actor has this id, or none whose chain is there.
    #[error("unknown actor {id}")]
    UnknownActor {
        /// The id.
        id: ActorId,
    },
    /// The actor has not ended for good.
    #[error("actor {id} has not ended; only the chain of one that has can be retired")]
    StillRunning {
        /// The actor.
        id: ActorId,
    },
    /// The chain could not be read or understood.
    #[error("could not read the chain of actor {id}")]
    Read {
        /// The actor.
        id: ActorId,
        /// What went wrong.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The store did not prune it.
    #[error("could not prune the chain of actor {id}")]
    Prune {
        /// The actor.
        id: ActorId,
        /// Why.
        #[source]
        source: PruneChainError,
    },
    /// The store did not retire it.
    #[error("could not retire the chain of actor {id}")]
    Retire {
        /// The actor.
        id: ActorId,
        /// Why.
        #[source]
        source: RetireChainError,
    },
}

impl WasmRuntime {
    /// Removes the payloads of old events from these actors' chains, or from all: what the policy names, and nothing that is needed to bring
    /// an actor back. Headers stay, and each chain says first what it loses, so that it still verifies. What was removed of each.
    ///
    /// # Errors
    /// See [`GrowthError`].
    pub async fn prune(
        &self,
        actors: &[ActorId],
        policy: &PrunePolicy,
    ) -> Result<Vec<(ActorId, PruneReport)>, GrowthError> {
        let chains = self.inner.chains_of(actors).await?;
        let mut reports = Vec::with_capacity(chains.len());
        for (id, chain) in chains {
            reports.push((id, self.inner.prune_one(id, chain, policy).await?));
        }
        Ok(reports)
    }

    /// Removes the whole chain of an actor that has ended for good and has been [reaped](theater_core::ActorRuntime::reap), against
    /// a checkpoint on its parent's chain. The head that the checkpoint has.
    ///
    /// # Errors
    /// See [`GrowthError`].
    pub async fn retire(&self, actor: ActorId) -> Result<Head, GrowthError> {
        if let Some(entry) = self.inner.find(actor)
            && !matches!(entry.info().status, ActorStatus::Ended(_))
        {
            return Err(GrowthError::StillRunning { id: actor });
        }
        let chains = self.inner.chains_of(&[actor]).await?;
        let (_, chain) = chains.first().copied().ok_or(GrowthError::UnknownActor { id: actor })?;
        let inner = &self.inner;
        let retired = retire_chain(&*inner.store, chain, |parent, draft| async move {
            inner.append_as(parent.actor, parent.chain, draft).await
        });
        retired.await.map_err(|source| GrowthError::Retire { id: actor, source })
    }
}

impl Inner {
    /// The chains of these actors, or of all.
    async fn chains_of(&self, actors: &[ActorId]) -> Result<Vec<(ActorId, ChainId)>, GrowthError> {
        let first = actors.first().copied().unwrap_or_else(|| ActorId::from_parts(0, [0; 10]));
        let history = super::revive::history(self).await.map_err(|error| read_error(first, error))?;
        if actors.is_empty() {
            let mut all: Vec<_> = history.chains.into_iter().collect();
            all.sort_unstable_by_key(|(id, _)| *id);
            return Ok(all);
        }
        let find = |id: &ActorId| {
            let chain = history.chains.get(id).copied();
            chain.map(|chain| (*id, chain)).ok_or(GrowthError::UnknownActor { id: *id })
        };
        actors.iter().map(find).collect()
    }

    async fn prune_one(
        &self,
        id: ActorId,
        chain: ChainId,
        policy: &PrunePolicy,
    ) -> Result<PruneReport, GrowthError> {
        let needed = self.needed_from(chain).await.map_err(|error| read_error(id, error))?;
        let before = policy.before_in(&*self.store, chain, self.now(), needed).await;
        let before = before.map_err(|error| read_error(id, error))?;
        let pruned = prune_chain(&*self.store, chain, before, |draft| self.append_as(id, chain, draft)).await;
        let report = pruned.map_err(|source| GrowthError::Prune { id, source })?;
        if let Some(entry) = self.find(id) {
            entry.chain.forget(report.bytes);
        }
        Ok(report)
    }

    /// The first event that is needed to bring the chain's actor back.
    async fn needed_from(&self, chain: ChainId) -> Result<u64, ReadingError> {
        let reader: Arc<dyn ChainReader> = Arc::clone(&self.store) as Arc<dyn ChainReader>;
        let mut events = EventStream::oldest_first(reader, chain, 0);
        let genesis = events.next().await?.ok_or(ReadError::UnknownChain { chain })?;
        let mut past = Past::new(&genesis)?;
        while let Some(event) = events.next().await? {
            past.take(&event)?;
        }
        Ok(past.needed_from())
    }

    /// Appends to the chain of an actor, whether it has a record or not: one without has no other writer.
    async fn append_as(&self, id: ActorId, chain: ChainId, draft: EventDraft) -> Result<(), ActorError> {
        let EventDraft { kind, payload } = draft;
        let failed = |source| ActorError::Chain { id, source };
        if let Some(entry) = self.find(id) {
            return self
                .append_unlimited(&entry, kind, payload, |_| ())
                .map_err(|error| failed(Arc::new(error)));
        }
        let head = self.store.head(chain).await.map_err(|error| failed(Arc::new(error)))?;
        let head = head.ok_or(ActorError::UnknownActor { id })?;
        let log = ChainLog::resume(id, Arc::clone(&self.store), head, 0);
        log.append(kind, payload, || self.now(), |_| ()).map_err(|error| failed(Arc::new(error)))
    }
}

/// Why a chain was not understood.
#[derive(Debug, thiserror::Error)]
enum ReadingError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Past(#[from] super::past::PastError),
}

fn read_error(id: ActorId, error: impl std::error::Error + Send + Sync + 'static) -> GrowthError {
    GrowthError::Read { id, source: Arc::new(error) }
}
