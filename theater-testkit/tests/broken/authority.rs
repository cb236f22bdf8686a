//! Isolation that does not isolate.

use theater_core::{
    ActorError, ActorId, ActorInfo, Authority, Bytes, ChainEvent, EventRange, ExitReason, RestartFrom,
    StopMode, async_trait,
};

use crate::backend::{Answer, Damage, Inner, known};

#[derive(Debug)]
pub(crate) struct TellsStrangersTheState;

#[async_trait]
impl Damage for TellsStrangersTheState {
    async fn state(&self, inner: &Inner, _: Authority, id: ActorId) -> Answer<Option<Bytes>> {
        inner.state(Authority::Operator, id).await
    }
}

#[derive(Debug)]
pub(crate) struct ShowsStrangersTheChain;

#[async_trait]
impl Damage for ShowsStrangersTheChain {
    async fn events(
        &self,
        inner: &Inner,
        _: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        inner.events(Authority::Operator, id, range).await
    }
}

/// Strangers that exist get another error than ids that do not.
#[derive(Debug)]
pub(crate) struct TellsStrangersApart;

#[async_trait]
impl Damage for TellsStrangersApart {
    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        let answer = inner.info(by, id).await;
        match known(inner, id).await {
            Some(_) if answer.is_err() => Err(ActorError::Unsupported { operation: "looking at strangers" }),
            _ => answer,
        }
    }

    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        match known(inner, id).await {
            Some(info) if !by.covers(info.parent) => Err(ActorError::UnknownActor { id }),
            _ => inner.stop(by, id, mode).await,
        }
    }
}

/// The authority that an actor has over itself, against the contract.
fn over_itself(by: Authority, id: ActorId) -> Authority {
    if by == Authority::Parent(id) { Authority::Operator } else { by }
}

#[derive(Debug)]
pub(crate) struct IsItsOwnChild;

#[async_trait]
impl Damage for IsItsOwnChild {
    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        inner.info(over_itself(by, id), id).await
    }

    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        inner.stop(over_itself(by, id), id, mode).await
    }

    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        inner.restart(over_itself(by, id), id, from).await
    }
}

/// An actor may act on the children of its children.
#[derive(Debug)]
pub(crate) struct ObeysGrandparents;

#[async_trait]
impl Damage for ObeysGrandparents {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let parent = known(inner, id).await.and_then(|info| info.parent);
        let grandparent = match parent {
            Some(parent) => known(inner, parent).await.and_then(|info| info.parent),
            None => None,
        };
        let by = if grandparent.is_some() && by.covers(grandparent) { Authority::Operator } else { by };
        inner.stop(by, id, mode).await
    }
}

/// The refusal comes, but after the effect.
#[derive(Debug)]
pub(crate) struct ActsBeforeItChecks;

#[async_trait]
impl Damage for ActsBeforeItChecks {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let refused = known(inner, id).await.filter(|info| !by.covers(info.parent));
        let stopped = inner.stop(Authority::Operator, id, mode).await;
        if refused.is_some() { Err(by.refusal(id)) } else { stopped.map_err(|_| by.refusal(id)) }
    }
}

/// The embedding program is told what a guest would be.
#[derive(Debug)]
pub(crate) struct TellsTheOperatorNothing;

#[async_trait]
impl Damage for TellsTheOperatorNothing {
    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        inner.info(by, id).await.map_err(|_| ActorError::not_a_child(&id.to_string()))
    }
}

/// Siblings are refused with other words than strangers.
#[derive(Debug)]
pub(crate) struct TellsSiblingsApart;

#[async_trait]
impl Damage for TellsSiblingsApart {
    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        let answer = inner.info(by, id).await;
        let (Err(_), Authority::Parent(asking)) = (&answer, by) else { return answer };
        match (known(inner, id).await, known(inner, asking).await) {
            (Some(it), Some(asking)) if it.id != asking.id && it.parent == asking.parent => {
                Err(ActorError::Unsupported { operation: "looking at siblings" })
            }
            _ => answer,
        }
    }
}

/// Whoever is asked for by a stranger is ended, to be safe.
#[derive(Debug)]
pub(crate) struct EndsWhoStrangersAskFor;

#[async_trait]
impl Damage for EndsWhoStrangersAskFor {
    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        let answer = inner.info(by, id).await;
        if answer.is_err() && by != Authority::Operator {
            // It may not exist.
            let _ = inner.stop(Authority::Operator, id, StopMode::Kill).await;
        }
        answer
    }
}
