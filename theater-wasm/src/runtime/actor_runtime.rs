//! `ActorRuntime` for `WasmRuntime`: checks, then the work of the other files.

use std::sync::Arc;

use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, Authority, Bytes, ChainEvent, ChildNotice, EventDraft,
    EventRange, ExitReason, ExitStream, RestartFrom, SpawnRequest, StopMode, async_trait,
};

use super::WasmRuntime;
use super::end::{Then, asked_reason, settled};
use super::entry::Phase;
use super::spawn::Untaken;

#[async_trait]
impl ActorRuntime for WasmRuntime {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        let outside = request.parent.is_none();
        let info = self.inner.spawn(request).await?;
        if outside { self.inner.told(info.id, info).await } else { Ok(info) }
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        let entry = self.inner.target(by, id)?;
        let _turn = entry.starts.lock().await;
        let live = !matches!(entry.core().phase, Phase::Ended { .. });
        if live {
            // If this is given up half way nobody will start the next life: its mailbox must not wait for it.
            let guard = super::end::Finalize::new(&self.inner, &entry);
            let mode = entry.child_spec.shutdown.into();
            self.inner.end_tree(&entry, mode, asked_reason(mode), Then::Start).await;
            entry.core().asked = true;
            guard.keep();
        }
        // The next life's records must not stand before those of the last one's end.
        let last = entry.core().last.clone();
        settled(last).await;
        self.inner.start_again(&entry, from).await?;
        self.answer(by, id, entry.info()).await
    }

    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let entry = self.inner.target(by, id)?;
        let parent_ends = entry.parent.as_ref().is_some_and(|parent| parent.core().closing);
        let reason = match by {
            Authority::Parent(_) if parent_ends => ExitReason::ParentStopped,
            _ => asked_reason(mode),
        };
        let reason = self.inner.end_tree(&entry, mode, reason, Then::Nothing).await;
        self.answer(by, id, reason).await
    }

    async fn halt(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let entry = self.inner.target(by, id)?;
        let reason = self.inner.end_tree(&entry, mode, asked_reason(mode), Then::Start).await;
        self.answer(by, id, reason).await
    }

    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        Ok(self.inner.target(by, id)?.info())
    }

    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        let entry = self.inner.find(parent).ok_or(ActorError::UnknownActor { id: parent })?;
        let children: Vec<_> = entry.core().children.values().cloned().collect();
        // An actor whose first start has not ended yet is nobody's child so far.
        Ok(children.iter().filter(|child| child.is_child()).map(|child| child.info()).collect())
    }

    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        let state = self.inner.target(by, id)?.good_state().flatten();
        self.answer(by, id, state).await
    }

    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError> {
        let entry = self.inner.target(by, id)?;
        let chain = entry.chain.id();
        self.inner
            .store
            .read(chain, range)
            .await
            .map_err(|error| ActorError::Chain { id, source: Arc::new(error) })
    }

    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
        let entry = self.inner.find(id).ok_or(ActorError::UnknownActor { id })?;
        self.inner.append(&entry, draft.kind, draft.payload, ChainEvent::clone)
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        match parent {
            None => self.inner.root_exits.stream(),
            Some(id) => self.inner.find(id).map_or_else(ExitStream::ended, |entry| entry.exits.stream()),
        }
    }

    async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Result<(), ActorError> {
        let entry = self.inner.find(parent).ok_or(ActorError::UnknownActor { id: parent })?;
        entry.notify(notice).await
    }

    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        let entry = self.inner.target(by, id)?;
        // Whoever holds the turn is about to start it.
        let Ok(_turn) = entry.starts.try_lock() else { return Err(ActorError::StillRunning { id }) };
        if matches!(entry.core().phase, Phase::Ended { .. }) {
            // Its exit must have been left for its parent before it can be forgotten there.
            let last = entry.core().last.clone();
            settled(last).await;
        }
        if !matches!(entry.core().phase, Phase::Ended { .. }) {
            return Err(ActorError::StillRunning { id });
        }
        self.inner.unregister(&entry, Untaken::Forgotten);
        Ok(())
    }
}

impl WasmRuntime {
    /// An answer to the embedding program waits until what led to it is durable; one within the runtime need not: of one store's
    /// events a beginning survives, so nobody remembers what another has forgotten.
    async fn answer<T: Send>(&self, by: Authority, id: ActorId, answer: T) -> Result<T, ActorError> {
        match by {
            Authority::Parent(_) => Ok(answer),
            _ => self.inner.told(id, answer).await,
        }
    }
}
