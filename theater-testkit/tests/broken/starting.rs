//! Starts that leave something behind, or hide how they went, and states that get lost over them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, Authority, Bytes, ExitReason, RestartFrom, SpawnRequest,
    StartFrom, async_trait,
};
use theater_testkit::Act;
use theater_testkit::conformance::TestBackend;

use crate::backend::{Answer, Damage, Inner, known, lock};
use crate::inner::InnerBackend;

/// Records of actors that the correct runtime has none of, by their parents.
#[derive(Debug, Default)]
struct Ghosts(Mutex<Vec<ActorInfo>>);

impl Ghosts {
    fn add(&self, request: &SpawnRequest, reason: &ExitReason) -> ActorInfo {
        let mut ghosts = lock(&self.0);
        let id = ActorId::from_parts(ghosts.len() as u64, [0xee; 10]);
        let status = ActorStatus::Ended(reason.clone());
        let info = ActorInfo::new(id, request.parent, request.manifest.as_str(), status);
        ghosts.push(info.clone());
        info
    }

    fn below(&self, parent: ActorId) -> Vec<ActorInfo> {
        lock(&self.0).iter().filter(|ghost| ghost.parent == Some(parent)).cloned().collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct FailedStartLeavesARecord(Ghosts);

#[async_trait]
impl Damage for FailedStartLeavesARecord {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        let answer = inner.spawn(request.clone()).await;
        if let Err(ActorError::StartFailed { reason }) = &answer {
            self.0.add(&request, reason);
        }
        answer
    }

    async fn children(&self, inner: &Inner, parent: ActorId) -> Answer<Vec<ActorInfo>> {
        let mut children = inner.children(parent).await?;
        children.extend(self.0.below(parent));
        Ok(children)
    }
}

/// A start that failed is answered as if it had not.
#[derive(Debug, Default)]
pub(crate) struct SwallowsTheInitError(Ghosts);

#[async_trait]
impl Damage for SwallowsTheInitError {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        match inner.spawn(request.clone()).await {
            Err(ActorError::StartFailed { reason }) => Ok(self.0.add(&request, &reason)),
            answer => answer,
        }
    }
}

/// Whoever is to be brought back is started anew, as somebody else.
#[derive(Debug)]
pub(crate) struct BringsAnybodyBack;

#[async_trait]
impl Damage for BringsAnybodyBack {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        request.revive = None;
        inner.spawn(request).await
    }
}

/// Every failed start is answered with the same words.
#[derive(Debug)]
pub(crate) struct HidesTheInitError;

#[async_trait]
impl Damage for HidesTheInitError {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        inner.spawn(request).await.map_err(|error| match error {
            ActorError::StartFailed { .. } => {
                ActorError::StartFailed { reason: ExitReason::StartFailed { error: "failed".to_owned() } }
            }
            other => other,
        })
    }
}

/// Answers as soon as the child has an id.
#[derive(Debug)]
pub(crate) struct AnswersBeforeInitHasEnded;

#[async_trait]
impl Damage for AnswersBeforeInitHasEnded {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        let Some(parent) = request.parent else { return inner.spawn(request).await };
        let starting = Arc::clone(inner);
        let mut spawned = tokio::spawn(async move { starting.spawn(request).await });
        loop {
            tokio::select! {
                biased;
                answer = &mut spawned => return answer.expect("a spawn does not panic"),
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
            let children = inner.children(parent).await.unwrap_or_default();
            let begun = children.into_iter().rfind(|child| child.status == ActorStatus::Starting);
            if let Some(info) = begun {
                return Ok(info);
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct DroppedSpawnRunsOn;

#[async_trait]
impl Damage for DroppedSpawnRunsOn {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        let inner = Arc::clone(inner);
        // A task goes on when nobody waits for it.
        tokio::spawn(async move { inner.spawn(request).await }).await.expect("a spawn does not panic")
    }
}

#[derive(Debug)]
pub(crate) struct LosesTheInitBytes;

#[async_trait]
impl Damage for LosesTheInitBytes {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        if let StartFrom::Init(bytes) = &mut request.start {
            *bytes = None;
        }
        inner.spawn(request).await
    }
}

#[derive(Debug)]
pub(crate) struct LosesTheStateOnResume;

#[async_trait]
impl Damage for LosesTheStateOnResume {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        if let StartFrom::State(_) = request.start {
            request.start = StartFrom::Init(None);
        }
        inner.spawn(request).await
    }
}

#[derive(Debug)]
pub(crate) struct LosesTheStateOnRestart;

#[async_trait]
impl Damage for LosesTheStateOnRestart {
    async fn restart(&self, inner: &Inner, by: Authority, id: ActorId, _: RestartFrom) -> Answer<ActorInfo> {
        inner.restart(by, id, RestartFrom::Initial).await
    }
}

#[derive(Debug)]
pub(crate) struct KeepsTheStateOnInitial;

#[async_trait]
impl Damage for KeepsTheStateOnInitial {
    async fn restart(&self, inner: &Inner, by: Authority, id: ActorId, _: RestartFrom) -> Answer<ActorInfo> {
        inner.restart(by, id, RestartFrom::LastGood).await
    }
}

/// After a restart that failed there is no state.
#[derive(Debug, Default)]
pub(crate) struct FailedRestartLosesTheState(Mutex<BTreeSet<ActorId>>);

#[async_trait]
impl Damage for FailedRestartLosesTheState {
    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        let restarted = inner.restart(by, id, from).await;
        if let Err(ActorError::StartFailed { .. }) = restarted {
            lock(&self.0).insert(id);
        }
        restarted
    }

    async fn state(&self, inner: &Inner, by: Authority, id: ActorId) -> Answer<Option<Bytes>> {
        let state = inner.state(by, id).await?;
        Ok(state.filter(|_| !lock(&self.0).contains(&id)))
    }
}

/// What a call wrote before it trapped stays.
#[derive(Debug)]
pub(crate) struct KeepsAPartialWrite;

#[async_trait]
impl Damage for KeepsAPartialWrite {
    async fn act(&self, inside: &InnerBackend, actor: ActorId, act: Act) -> Answer<()> {
        if act == Act::Crash {
            inside.act(actor, Act::SetState("half".into())).await?;
        }
        inside.act(actor, act).await
    }
}

/// A parent that has ended takes children: they run as roots and pretend.
#[derive(Debug, Default)]
pub(crate) struct EndedParentTakesChildren(Mutex<BTreeMap<ActorId, Option<ActorId>>>);

#[async_trait]
impl Damage for EndedParentTakesChildren {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        let parent = request.parent;
        match inner.spawn(request.clone()).await {
            Err(ActorError::ShuttingDown) => {}
            answer => return answer,
        }
        request.parent = None;
        let info = inner.spawn(request).await?;
        lock(&self.0).insert(info.id, parent);
        Ok(info)
    }

    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if let Some(parent) = lock(&self.0).get(&info.id) {
            info.parent = *parent;
        }
        info
    }
}

#[derive(Debug)]
pub(crate) struct IgnoresTheChildSpec;

#[async_trait]
impl Damage for IgnoresTheChildSpec {
    async fn spawn(&self, inner: &Inner, mut request: SpawnRequest) -> Answer<ActorInfo> {
        request.child_spec = None;
        inner.spawn(request).await
    }
}

/// A restart that fails leaves the actor as if it ran.
#[derive(Debug, Default)]
pub(crate) struct FailedRestartLooksAlive(Mutex<BTreeSet<ActorId>>);

#[async_trait]
impl Damage for FailedRestartLooksAlive {
    async fn restart(
        &self,
        inner: &Inner,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Answer<ActorInfo> {
        let restarted = inner.restart(by, id, from).await;
        if restarted.is_err() && known(inner, id).await.is_some_and(|info| info.status.is_ended()) {
            lock(&self.0).insert(id);
        }
        restarted
    }

    fn told(&self, mut info: ActorInfo) -> ActorInfo {
        if lock(&self.0).contains(&info.id) {
            info.status = ActorStatus::Running;
        }
        info
    }
}

/// The answer to a start is from before its end.
#[derive(Debug)]
pub(crate) struct AnswersWithAnOldStatus;

#[async_trait]
impl Damage for AnswersWithAnOldStatus {
    async fn spawn(&self, inner: &Inner, request: SpawnRequest) -> Answer<ActorInfo> {
        let mut info = inner.spawn(request).await?;
        info.status = ActorStatus::Starting;
        Ok(info)
    }
}
