//! Operations that get in each other's way, or in nobody's where they should.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use theater_core::event::payload::{self, Exited};
use theater_core::{
    ActorId, ActorInfo, Authority, ChainEvent, EventKind, EventRange, ExitReason, RestartFrom, SpawnRequest,
    StopMode, async_trait,
};
use theater_testkit::Act;
use theater_testkit::conformance::TestBackend;
use tokio::time::{Instant, sleep_until};

use crate::backend::{Answer, Damage, Inner, known, lock};
use crate::inner::InnerBackend;

/// Whatever one operation waits for, all others wait for it too.
#[derive(Debug, Default)]
pub(crate) struct OneLockForAll(tokio::sync::Mutex<()>);

#[async_trait]
impl Damage for OneLockForAll {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        let _alone = self.0.lock().await;
        inner.spawn(request).await
    }

    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        let _alone = self.0.lock().await;
        inner.restart(by, id, from).await
    }

    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let _alone = self.0.lock().await;
        inner.stop(by, id, mode).await
    }
}

/// A restart that comes while another is under way begins a life beside that one's.
#[derive(Debug, Default)]
pub(crate) struct ConcurrentRestartsRunTwoLives {
    under_way: Mutex<BTreeMap<ActorId, u32>>,
    doubled: Mutex<BTreeSet<ActorId>>,
}

#[async_trait]
impl Damage for ConcurrentRestartsRunTwoLives {
    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        {
            let mut under_way = lock(&self.under_way);
            let count = under_way.entry(id).or_default();
            *count += 1;
            if *count > 1 {
                lock(&self.doubled).insert(id);
            }
        }
        // On one thread, operations that wait for nothing would never meet.
        tokio::task::yield_now().await;
        let restarted = inner.restart(by, id, from).await;
        lock(&self.under_way).entry(id).and_modify(|count| *count -= 1);
        restarted
    }

    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let mut events = inner.events(by, id, range).await?;
        if lock(&self.doubled).contains(&id) {
            events.retain(|event| event.header.kind != EventKind::EXITED || !of_a_restarted_life(event));
        }
        Ok(events)
    }
}

/// Whether the event is the end of a life that itself came from a restart: one of those that overlap.
fn of_a_restarted_life(event: &ChainEvent) -> bool {
    payload::decode::<Exited>(&event.payload).is_ok_and(|exited| exited.incarnation.0 > 1)
}

/// Nothing is checked again after the wait: two stops of one actor are two ends of it.
#[derive(Debug, Default)]
pub(crate) struct ConcurrentStopsEndTwice(Mutex<BTreeMap<ActorId, u32>>);

#[async_trait]
impl Damage for ConcurrentStopsEndTwice {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let before = inner.info(by, id).await?;
        if before.status.is_ended() {
            return inner.stop(by, id, mode).await;
        }
        *lock(&self.0).entry(id).or_default() += 1;
        tokio::task::yield_now().await;
        let reason = inner.stop(by, id, mode).await?;
        let ends = lock(&self.0).insert(id, 0).unwrap_or_default();
        for _ in 1..ends {
            let exited = Exited::new(before.incarnation, reason.clone());
            let draft = theater_core::EventDraft::new(EventKind::EXITED, payload::encode(&exited));
            inner.record(id, draft).await?;
        }
        Ok(reason)
    }
}

/// Of starts below one parent that overlap, only the first is listed.
#[derive(Debug, Default)]
pub(crate) struct ForgetsOverlappingStarts {
    under_way: Mutex<BTreeMap<Option<ActorId>, u32>>,
    forgotten: Mutex<BTreeSet<ActorId>>,
}

#[async_trait]
impl Damage for ForgetsOverlappingStarts {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        let parent = request.parent;
        let overlaps = {
            let mut under_way = lock(&self.under_way);
            let count = under_way.entry(parent).or_default();
            *count += 1;
            *count > 1
        };
        // On one thread, starts that wait for nothing would never meet.
        tokio::task::yield_now().await;
        let spawned = inner.spawn(request).await;
        lock(&self.under_way).entry(parent).and_modify(|count| *count -= 1);
        if let (true, Ok(info)) = (overlaps, &spawned) {
            lock(&self.forgotten).insert(info.id);
        }
        spawned
    }

    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let mut children = inner.children(parent).await?;
        children.retain(|child| !lock(&self.forgotten).contains(&child.id));
        Ok(children)
    }
}

/// A parent's messages wait for each other: while one child is busy, its siblings get none.
#[derive(Debug, Default)]
pub(crate) struct BusyActorsHoldUpSiblings(Mutex<BTreeMap<Option<ActorId>, (ActorId, Instant)>>);

#[async_trait]
impl Damage for BusyActorsHoldUpSiblings {
    async fn act(&self, inside: &InnerBackend, actor: ActorId, act: Act) -> Answer<()> {
        let parent = known(&inside.runtime(), actor).await.and_then(|info| info.parent);
        let busy = lock(&self.0).get(&parent).copied();
        if let Some((_, until)) = busy.filter(|(busy, _)| *busy != actor) {
            sleep_until(until).await;
        }
        if let Act::Busy(time) = act {
            lock(&self.0).insert(parent, (actor, Instant::now() + time));
        }
        inside.act(actor, act).await
    }
}

/// An actor that asks for itself waits until it has time to answer.
#[derive(Debug)]
pub(crate) struct WaitsForItself;

#[async_trait]
impl Damage for WaitsForItself {
    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        if by == Authority::Parent(id) {
            std::future::pending::<()>().await;
        }
        inner.info(by, id).await
    }
}
