//! Actors that do not stay who they are.

use std::collections::BTreeMap;
use std::sync::Mutex;

use theater_chain::Chain;
use theater_core::{
    ActorId, ActorInfo, Authority, ChainEvent, EventKind, EventRange, Incarnation, RestartFrom, async_trait,
};

use crate::backend::{Answer, Damage, Inner, lock};

#[derive(Debug)]
pub(crate) struct RestartsWithANewId;

#[async_trait]
impl Damage for RestartsWithANewId {
    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        let mut info = inner.restart(by, id, from).await?;
        info.id = ActorId::from_parts(info.incarnation.0, [0xcd; 10]);
        Ok(info)
    }
}

#[derive(Debug)]
pub(crate) struct CountsNoLives;

impl Damage for CountsNoLives {
    fn told(&self, info: ActorInfo) -> ActorInfo {
        info.with_incarnation(Incarnation::FIRST)
    }
}

#[derive(Debug)]
pub(crate) struct CountsFromZero;

impl Damage for CountsFromZero {
    fn told(&self, info: ActorInfo) -> ActorInfo {
        let incarnation = Incarnation(info.incarnation.0.saturating_sub(1));
        info.with_incarnation(incarnation)
    }
}

/// A life whose start fails is not counted.
#[derive(Debug, Default)]
pub(crate) struct CountsNoFailedStarts(Mutex<BTreeMap<ActorId, u64>>);

#[async_trait]
impl Damage for CountsNoFailedStarts {
    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        let restarted = inner.restart(by, id, from).await;
        if let Err(theater_core::ActorError::StartFailed { .. }) = restarted {
            *lock(&self.0).entry(id).or_default() += 1;
        }
        restarted
    }

    fn told(&self, info: ActorInfo) -> ActorInfo {
        let failed = lock(&self.0).get(&info.id).copied().unwrap_or_default();
        let incarnation = Incarnation(info.incarnation.0 - failed);
        info.with_incarnation(incarnation)
    }
}

/// Each life begins a chain of its own.
#[derive(Debug)]
pub(crate) struct RestartsWithANewChain;

#[async_trait]
impl Damage for RestartsWithANewChain {
    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let events = inner.events(by, id, EventRange::ALL).await?;
        let starts = |event: &&ChainEvent| event.header.kind == EventKind::STARTED;
        let lives = events.iter().filter(starts).count();
        let last = events.iter().rposition(|event| event.header.kind == EventKind::STARTED);
        let events = if lives > 1 { &events[last.unwrap_or(0)..] } else { &events[..] };
        Ok(events[range.within(events.len())].to_vec())
    }
}

/// A child that was restarted comes last among its siblings.
#[derive(Debug, Default)]
pub(crate) struct MovesRestartedChildren(Mutex<Vec<ActorId>>);

#[async_trait]
impl Damage for MovesRestartedChildren {
    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        let info = inner.restart(by, id, from).await?;
        let mut moved = lock(&self.0);
        moved.retain(|other| *other != id);
        moved.push(id);
        Ok(info)
    }

    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let mut children = inner.children(parent).await?;
        let moved = lock(&self.0);
        // What was never moved has no position, which sorts first.
        children.sort_by_key(|child| moved.iter().position(|id| *id == child.id));
        Ok(children)
    }
}

#[derive(Debug)]
pub(crate) struct RestartsAsAnOrphan;

impl Damage for RestartsAsAnOrphan {
    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if info.incarnation > Incarnation::FIRST {
            info.parent = None;
        }
        info
    }
}

/// The genesis events do not tell actors apart, so their chains are one.
#[derive(Debug)]
pub(crate) struct GivesEverybodyOneChain;

#[async_trait]
impl Damage for GivesEverybodyOneChain {
    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let mut events = inner.events(by, id, range).await?;
        let (chain, _) = Chain::genesis("everybody".into(), 1, 0);
        events.iter_mut().for_each(|event| event.header.chain_id = chain.head().chain_id);
        Ok(events)
    }
}
