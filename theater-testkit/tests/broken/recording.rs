//! Chains that do not hold what was recorded.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use theater_chain::{Chain, Head};
use theater_core::event::payload;
use theater_core::{
    ActorError, ActorId, Authority, Bytes, ChainEvent, EventDraft, EventHash, EventRange, async_trait,
};
use theater_supervisor::{SupervisorEvent, SupervisorOutcome};
use tokio::time::Instant;

use crate::backend::{Answer, Damage, Inner, lock};

#[derive(Debug)]
pub(crate) struct ServesEventsOutOfOrder;

#[async_trait]
impl Damage for ServesEventsOutOfOrder {
    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let mut events = inner.events(by, id, range).await?;
        if let [.., first, second] = &mut events[..] {
            std::mem::swap(first, second);
        }
        Ok(events)
    }
}

/// What was recorded shows up a while after the answer.
#[derive(Debug, Default)]
pub(crate) struct AnswersBeforeItAppends(Mutex<BTreeMap<ActorId, (EventHash, Instant)>>);

#[async_trait]
impl Damage for AnswersBeforeItAppends {
    async fn record(&self, inner: &Inner, id: ActorId, draft: EventDraft) -> Answer<ChainEvent> {
        let event = inner.record(id, draft).await?;
        lock(&self.0).insert(id, (event.hash, Instant::now()));
        Ok(event)
    }

    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let mut events = inner.events(by, id, range).await?;
        let late = lock(&self.0).get(&id).copied();
        if let Some((hash, at)) = late.filter(|(_, at)| at.elapsed() < Duration::from_millis(20)) {
            let _ = at;
            events.retain(|event| event.hash != hash);
        }
        Ok(events)
    }
}

/// Seals a draft onto an actor's chain without appending it.
async fn sealed(inner: &Inner, id: ActorId, draft: EventDraft) -> Answer<ChainEvent> {
    let events = inner.events(Authority::Operator, id, EventRange::ALL).await?;
    let last = events.last().ok_or(ActorError::UnknownActor { id })?;
    Ok(Chain::resume(Head::after(last)).append(draft.kind, draft.payload, last.header.time))
}

#[derive(Debug, Default)]
pub(crate) struct DropsEveryThirdRecord(AtomicU64);

#[async_trait]
impl Damage for DropsEveryThirdRecord {
    async fn record(&self, inner: &Inner, id: ActorId, draft: EventDraft) -> Answer<ChainEvent> {
        if self.0.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
            return sealed(inner, id, draft).await;
        }
        inner.record(id, draft).await
    }
}

/// A guest that was refused leaves no trace of it.
#[derive(Debug)]
pub(crate) struct DropsTheRecordOfARefusal;

#[async_trait]
impl Damage for DropsTheRecordOfARefusal {
    async fn record(&self, inner: &Inner, id: ActorId, draft: EventDraft) -> Answer<ChainEvent> {
        let details = payload::decode::<SupervisorEvent>(&draft.payload).ok().and_then(|event| event.data);
        let outcome = details.and_then(|details| payload::decode::<SupervisorOutcome>(&details).ok());
        if let Some(SupervisorOutcome::Refused(_)) = outcome {
            return sealed(inner, id, draft).await;
        }
        inner.record(id, draft).await
    }
}

/// What is read is not what was written.
#[derive(Debug)]
pub(crate) struct ServesOtherPayloads;

#[async_trait]
impl Damage for ServesOtherPayloads {
    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let mut events = inner.events(by, id, range).await?;
        for event in events.iter_mut().filter(|event| event.header.seq != 0) {
            event.payload = Bytes::from_static(b"nothing to see");
        }
        Ok(events)
    }
}

/// An actor that does not exist takes records as well.
#[derive(Debug)]
pub(crate) struct RecordsForTheUnknown;

#[async_trait]
impl Damage for RecordsForTheUnknown {
    async fn record(&self, inner: &Inner, id: ActorId, draft: EventDraft) -> Answer<ChainEvent> {
        match inner.record(id, draft.clone()).await {
            Err(ActorError::UnknownActor { .. }) => {
                let (mut chain, _) = Chain::genesis(Bytes::from(id.to_string()), 1, 0);
                Ok(chain.append(draft.kind, draft.payload, 0))
            }
            answer => answer,
        }
    }
}
