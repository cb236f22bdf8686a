//! Ends that are late, partial, out of order, or told wrongly, and records that go too early or never.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use theater_core::event::payload::{self, Exited};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, Authority, ChainEvent, EventDraft, EventKind, EventRange,
    ExitReason, ExitStream, RestartFrom, StopMode, async_trait,
};

use crate::backend::{Answer, Damage, Inner, Pumps, known, lock};

#[derive(Debug)]
pub(crate) struct KillWaitsForTheGuest;

#[async_trait]
impl Damage for KillWaitsForTheGuest {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let mode = if mode == StopMode::Kill { StopMode::Infinity } else { mode };
        inner.stop(by, id, mode).await
    }
}

#[derive(Debug)]
pub(crate) struct GracefulIsAKill;

#[async_trait]
impl Damage for GracefulIsAKill {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, _: StopMode) -> Answer<ExitReason> {
        inner.stop(by, id, StopMode::Kill).await
    }
}

#[derive(Debug)]
pub(crate) struct GraceHasNoEnd;

#[async_trait]
impl Damage for GraceHasNoEnd {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let mode = if let StopMode::Graceful(_) = mode { StopMode::Infinity } else { mode };
        inner.stop(by, id, mode).await
    }
}

/// Actors that are said to run although the correct runtime has ended them.
#[derive(Debug, Default)]
struct Undead {
    pumps: Pumps,
    ids: Arc<Mutex<BTreeSet<ActorId>>>,
}

impl Undead {
    /// Makes everything undead that runs below an actor.
    async fn raise(&self, inner: &Inner, id: ActorId) {
        let mut left = vec![id];
        while let Some(parent) = left.pop() {
            let children = inner.children(parent).await.unwrap_or_default();
            for child in children.into_iter().filter(|child| !child.status.is_ended()) {
                lock(&self.ids).insert(child.id);
                left.push(child.id);
            }
        }
    }

    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        let ids = Arc::clone(&self.ids);
        self.pumps.stream(inner, parent, move |exit, queue| {
            if !lock(&ids).contains(&exit.id) {
                queue.push(exit);
            }
        })
    }

    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if lock(&self.ids).contains(&info.id) {
            info.status = ActorStatus::Running;
        }
        info
    }

    fn recorded(&self, id: ActorId, mut events: Vec<ChainEvent>) -> Vec<ChainEvent> {
        if lock(&self.ids).contains(&id) {
            events.retain(|event| event.header.kind != EventKind::EXITED);
        }
        events
    }
}

#[derive(Debug, Default)]
pub(crate) struct StopLeavesDescendantsRunning(Undead);

#[async_trait]
impl Damage for StopLeavesDescendantsRunning {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        if inner.info(by, id).await.is_ok() {
            self.0.raise(inner, id).await;
        }
        inner.stop(by, id, mode).await
    }

    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        self.0.exits(inner, parent)
    }

    fn told(&self, info: ActorInfo) -> ActorInfo {
        self.0.told(info)
    }

    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        inner.events(by, id, range).await.map(|events| self.0.recorded(id, events))
    }
}

/// The children of the life before go on in the next.
#[derive(Debug, Default)]
pub(crate) struct ChildrenOfAnOlderLifeStay(Undead);

#[async_trait]
impl Damage for ChildrenOfAnOlderLifeStay {
    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        if inner.info(by, id).await.is_ok() {
            self.0.raise(inner, id).await;
        }
        inner.restart(by, id, from).await
    }

    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        self.0.exits(inner, parent)
    }

    fn told(&self, info: ActorInfo) -> ActorInfo {
        self.0.told(info)
    }

    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        inner.events(by, id, range).await.map(|events| self.0.recorded(id, events))
    }
}

/// The children of a stopped actor end in the order in which they were started.
#[derive(Debug, Default)]
pub(crate) struct EndsInStartOrder {
    pumps: Pumps,
    early: Arc<Mutex<BTreeSet<ActorId>>>,
}

#[async_trait]
impl Damage for EndsInStartOrder {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        if inner.info(by, id).await.is_ok() {
            for child in inner.children(id).await.unwrap_or_default() {
                if !child.status.is_ended() {
                    lock(&self.early).insert(child.id);
                    inner.stop(Authority::Operator, child.id, StopMode::Kill).await?;
                }
            }
        }
        inner.stop(by, id, mode).await
    }

    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        let early = Arc::clone(&self.early);
        self.pumps.stream(inner, parent, move |mut exit, queue| {
            if lock(&early).contains(&exit.id) {
                exit.reason = ExitReason::ParentStopped;
            }
            queue.push(exit);
        })
    }

    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if lock(&self.early).contains(&info.id) && info.status.is_ended() {
            info.status = ActorStatus::Ended(ExitReason::ParentStopped);
        }
        info
    }
}

#[derive(Debug)]
pub(crate) struct StoppingTwiceIsAnError;

#[async_trait]
impl Damage for StoppingTwiceIsAnError {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        match inner.info(by, id).await?.status {
            ActorStatus::Ended(reason) => Err(ActorError::Ended { id, reason }),
            _ => inner.stop(by, id, mode).await,
        }
    }
}

/// Whatever ended the actor, a stop says that it was stopped.
#[derive(Debug)]
pub(crate) struct StopAlwaysSaysStopped;

#[async_trait]
impl Damage for StopAlwaysSaysStopped {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        inner.stop(by, id, mode).await.map(|_| ExitReason::Stopped)
    }
}

/// The answer to a stop comes before the end.
#[derive(Debug)]
pub(crate) struct StopDoesNotWait;

#[async_trait]
impl Damage for StopDoesNotWait {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        if let ActorStatus::Ended(reason) = inner.info(by, id).await?.status {
            return Ok(reason);
        }
        let inner = Arc::clone(inner);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            inner.stop(by, id, mode).await
        });
        Ok(ExitReason::Stopped)
    }
}

/// The end of a life that was stopped is recorded twice.
#[derive(Debug)]
pub(crate) struct RecordsAnEndTwice;

#[async_trait]
impl Damage for RecordsAnEndTwice {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let before = inner.info(by, id).await?;
        let reason = inner.stop(by, id, mode).await?;
        if !before.status.is_ended() {
            let exited = Exited::new(before.incarnation, reason.clone());
            inner.record(id, EventDraft::new(EventKind::EXITED, payload::encode(&exited))).await?;
        }
        Ok(reason)
    }
}

#[derive(Debug)]
pub(crate) struct ForgetsWhatItStops;

#[async_trait]
impl Damage for ForgetsWhatItStops {
    async fn stop(&self, inner: &Inner, by: Authority, id: ActorId, mode: StopMode) -> Answer<ExitReason> {
        let reason = inner.stop(by, id, mode).await?;
        inner.reap(by, id).await?;
        Ok(reason)
    }
}

#[derive(Debug)]
pub(crate) struct ReapsTheRunning;

#[async_trait]
impl Damage for ReapsTheRunning {
    async fn reap(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<()> {
        inner.stop(by, id, StopMode::Kill).await?;
        inner.reap(by, id).await
    }
}

#[derive(Debug)]
pub(crate) struct ReapKeepsTheRecord;

#[async_trait]
impl Damage for ReapKeepsTheRecord {
    async fn reap(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<()> {
        match inner.info(by, id).await?.status {
            ActorStatus::Ended(_) => Ok(()),
            _ => Err(ActorError::StillRunning { id }),
        }
    }
}

/// What was below a reaped actor can still be looked at.
#[derive(Debug, Default)]
pub(crate) struct ReapKeepsTheDescendants(Mutex<BTreeMap<ActorId, ActorInfo>>);

#[async_trait]
impl Damage for ReapKeepsTheDescendants {
    async fn reap(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<()> {
        let below = inner.children(id).await.unwrap_or_default();
        inner.reap(by, id).await?;
        lock(&self.0).extend(below.into_iter().map(|child| (child.id, child)));
        Ok(())
    }

    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        let kept = lock(&self.0).get(&id).cloned();
        match kept.filter(|info| by.covers(info.parent)) {
            Some(info) => Ok(info),
            None => inner.info(by, id).await,
        }
    }
}

/// An actor that crashed does not take its children with it.
#[derive(Debug, Default)]
pub(crate) struct CrashLeavesDescendantsRunning;

#[async_trait]
impl Damage for CrashLeavesDescendantsRunning {
    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let mut children = inner.children(parent).await?;
        let crashed = known(inner, parent)
            .await
            .is_some_and(|info| matches!(&info.status, ActorStatus::Ended(reason) if !reason.is_requested()));
        for child in &mut children {
            if crashed && child.status == ActorStatus::Ended(ExitReason::ParentStopped) {
                child.status = ActorStatus::Running;
            }
        }
        Ok(children)
    }

    async fn info(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<ActorInfo> {
        let mut info = inner.info(by, id).await?;
        if let Some(parent) = info.parent {
            let siblings = self.children(inner, parent).await?;
            info = siblings.into_iter().find(|sibling| sibling.id == id).unwrap_or(info);
        }
        Ok(info)
    }
}

#[derive(Debug)]
pub(crate) struct CallsACrashAStop;

impl Damage for CallsACrashAStop {
    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if let ActorStatus::Ended(reason @ ExitReason::Trapped { .. }) = &mut info.status {
            *reason = ExitReason::Stopped;
        }
        info
    }
}

#[derive(Debug)]
pub(crate) struct LosesTheResult;

impl Damage for LosesTheResult {
    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if let ActorStatus::Ended(ExitReason::Completed { data }) = &mut info.status {
            *data = None;
        }
        info
    }
}
