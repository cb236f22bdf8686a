//! Reads that wait, hide, or mix things up.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Mutex;

use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, Authority, Bytes, ChainEvent, EventRange, async_trait,
};
use theater_testkit::Act;
use theater_testkit::conformance::TestBackend;
use tokio::time::{Instant, sleep_until};

use crate::backend::{Answer, Damage, Inner, lock};
use crate::inner::InnerBackend;

#[derive(Debug)]
pub(crate) struct ServesChildrenInHashOrder;

#[async_trait]
impl Damage for ServesChildrenInHashOrder {
    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let mut children = inner.children(parent).await?;
        let started: Vec<_> = children.iter().map(|child| child.id).collect();
        let hasher = BuildHasherDefault::<DefaultHasher>::new();
        children.sort_by_key(|child| hasher.hash_one(child.id));
        if children.iter().map(|child| child.id).eq(started) {
            // The hashes of a few can be in order by chance; another process would have others.
            children.reverse();
        }
        Ok(children)
    }
}

#[derive(Debug)]
pub(crate) struct HidesEndedChildren;

#[async_trait]
impl Damage for HidesEndedChildren {
    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let children = inner.children(parent).await?;
        Ok(children.into_iter().filter(|child| !child.status.is_ended()).collect())
    }
}

#[derive(Debug)]
pub(crate) struct UnknownParentHasNoChildren;

#[async_trait]
impl Damage for UnknownParentHasNoChildren {
    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        Ok(inner.children(parent).await.unwrap_or_default())
    }
}

/// Asks the actor itself, which answers when it is done with its call.
#[derive(Debug, Default)]
pub(crate) struct ReadsWaitForTheActor(Mutex<BTreeMap<ActorId, Instant>>);

impl ReadsWaitForTheActor {
    async fn wait(&self, id: ActorId) {
        let until = lock(&self.0).get(&id).copied();
        if let Some(until) = until {
            sleep_until(until).await;
        }
    }
}

#[async_trait]
impl Damage for ReadsWaitForTheActor {
    async fn act(&self, inside: &InnerBackend, actor: ActorId, act: Act) -> Answer<()> {
        if let Act::Busy(time) = act {
            lock(&self.0).insert(actor, Instant::now() + time);
        }
        inside.act(actor, act).await
    }

    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        self.wait(id).await;
        inner.info(by, id).await
    }

    async fn state(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<Option<Bytes>> {
        self.wait(id).await;
        inner.state(by, id).await
    }
}

#[derive(Debug)]
pub(crate) struct IgnoresTheRange;

#[async_trait]
impl Damage for IgnoresTheRange {
    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        _: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        inner.events(by, id, EventRange::ALL).await
    }
}

/// What lies beyond the end is an error.
#[derive(Debug)]
pub(crate) struct RefusesRangesBeyondTheEnd;

#[async_trait]
impl Damage for RefusesRangesBeyondTheEnd {
    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let events = inner.events(by, id, range).await?;
        if events.is_empty() { Err(ActorError::Unsupported { operation: "events" }) } else { Ok(events) }
    }
}

/// The state of an actor that has ended is gone.
#[derive(Debug)]
pub(crate) struct EndedActorsHaveNoState;

#[async_trait]
impl Damage for EndedActorsHaveNoState {
    async fn state(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<Option<Bytes>> {
        let ended = inner.info(by, id).await?.status.is_ended();
        Ok(inner.state(by, id).await?.filter(|_| !ended))
    }
}

#[derive(Debug)]
pub(crate) struct PanicsOnTheUnknown;

#[async_trait]
impl Damage for PanicsOnTheUnknown {
    async fn state(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<Option<Bytes>> {
        Ok(inner.state(by, id).await.expect("somebody asks for what there is"))
    }
}

#[derive(Debug)]
pub(crate) struct NoChildrenIsAnError;

#[async_trait]
impl Damage for NoChildrenIsAnError {
    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let children = inner.children(parent).await?;
        if children.is_empty() { Err(ActorError::UnknownActor { id: parent }) } else { Ok(children) }
    }
}

#[derive(Debug)]
pub(crate) struct SaysThatStartingActorsRun;

impl Damage for SaysThatStartingActorsRun {
    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if info.status == ActorStatus::Starting {
            info.status = ActorStatus::Running;
        }
        info
    }
}

/// Parents see the chain without its last event.
#[derive(Debug)]
pub(crate) struct CutsTheChainForParents;

#[async_trait]
impl Damage for CutsTheChainForParents {
    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let mut events = inner.events(by, id, range).await?;
        if by != Authority::Operator {
            events.pop();
        }
        Ok(events)
    }
}
