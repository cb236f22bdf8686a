//! Exits that are lost, told too often, too early or wrongly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use theater_core::{
    ActorError, ActorId, ActorInfo, Authority, ChainEvent, ChildExit, EventKind, EventRange, ExitQueue,
    ExitReason, ExitStream, Incarnation, RestartFrom, async_trait,
};
use tokio::time::Instant;

use crate::backend::{Answer, Damage, Inner, Pumps, known, lock};

/// The first exit of each parent's children is not told.
#[derive(Debug, Default)]
pub(crate) struct ForgetsAnExit(Pumps);

impl Damage for ForgetsAnExit {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        let mut first = true;
        self.0.stream(inner, parent, move |exit, queue| {
            if !std::mem::take(&mut first) {
                queue.push(exit);
            }
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct TellsAnExitTwice(Pumps);

impl Damage for TellsAnExitTwice {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        self.0.stream(inner, parent, |exit, queue| {
            queue.push(exit.clone());
            queue.push(exit);
        })
    }
}

/// After the exit of a later life, that of the first comes once more.
#[derive(Debug, Default)]
pub(crate) struct TellsAnOldLifesExit(Pumps);

impl Damage for TellsAnOldLifesExit {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        self.0.stream(inner, parent, |exit, queue| {
            let old = ChildExit::new(exit.id, Incarnation::FIRST, exit.reason.clone());
            let later = exit.incarnation > Incarnation::FIRST;
            queue.push(exit);
            if later {
                queue.push(old);
            }
        })
    }
}

/// The exit of a first life is told after that of the next.
#[derive(Debug, Default)]
pub(crate) struct TellsExitsOutOfOrder(Pumps);

impl Damage for TellsExitsOutOfOrder {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        let mut held = BTreeMap::new();
        self.0.stream(inner, parent, move |exit, queue| {
            if exit.incarnation == Incarnation::FIRST {
                held.insert(exit.id, exit);
                return;
            }
            let first = held.remove(&exit.id);
            queue.push(exit);
            first.into_iter().for_each(|first| queue.push(first));
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct TellsAnotherReason(Pumps);

impl Damage for TellsAnotherReason {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        self.0.stream(inner, parent, |mut exit, queue| {
            exit.reason = ExitReason::Killed;
            queue.push(exit);
        })
    }
}

/// What ended before anybody asked is never told.
#[derive(Debug, Default)]
pub(crate) struct LosesExitsWithoutListener {
    pumps: Pumps,
    asked: Mutex<BTreeSet<Option<ActorId>>>,
}

impl Damage for LosesExitsWithoutListener {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        if lock(&self.asked).insert(parent) {
            let mut waiting = inner.exits(parent);
            while waiting.try_next().is_some() {}
        }
        self.pumps.stream(inner, parent, |exit, queue| queue.push(exit))
    }
}

/// The stream of a parent that nobody knows never ends.
#[derive(Debug, Default)]
pub(crate) struct UnknownParentHangs(Mutex<Vec<ExitQueue>>);

impl Damage for UnknownParentHangs {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        let queue = ExitQueue::new();
        let (stream, open) = (queue.stream(), queue.clone());
        let mut exits = inner.exits(parent);
        while let Some(exit) = exits.try_next() {
            open.push(exit);
        }
        lock(&self.0).push(queue);
        tokio::spawn(async move {
            while let Some(exit) = exits.next().await {
                open.push(exit);
            }
        });
        stream
    }
}

#[derive(Debug, Default)]
pub(crate) struct TellsAFailedRestart(Pumps);

#[async_trait]
impl Damage for TellsAFailedRestart {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        self.0.stream(inner, parent, |exit, queue| queue.push(exit))
    }

    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        let restarted = inner.restart(by, id, from).await;
        if let (Err(ActorError::StartFailed { reason }), Some(info)) = (&restarted, known(inner, id).await) {
            // Nobody may have asked yet: then the stream that is begun here keeps it.
            let _ = self.exits(inner, info.parent);
            let exit = ChildExit::new(id, info.incarnation, reason.clone());
            self.0.queue(info.parent).into_iter().for_each(|queue| queue.push(exit.clone()));
        }
        restarted
    }
}

/// For a while after an exit was told, the chain does not have it.
#[derive(Debug, Default)]
pub(crate) struct TellsBeforeItRecords {
    pumps: Pumps,
    told: Arc<Mutex<BTreeMap<ActorId, Instant>>>,
}

#[async_trait]
impl Damage for TellsBeforeItRecords {
    fn exits(&self, inner: &Inner, parent: Option<ActorId>) -> ExitStream {
        let told = Arc::clone(&self.told);
        self.pumps.stream(inner, parent, move |exit, queue| {
            lock(&told).insert(exit.id, Instant::now());
            queue.push(exit);
        })
    }

    async fn events(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Answer<Vec<ChainEvent>> {
        let mut events = inner.events(by, id, range).await?;
        let just_now =
            lock(&self.told).get(&id).is_some_and(|told| told.elapsed() < Duration::from_millis(20));
        if just_now && events.last().is_some_and(|event| event.header.kind == EventKind::EXITED) {
            events.pop();
        }
        Ok(events)
    }
}
