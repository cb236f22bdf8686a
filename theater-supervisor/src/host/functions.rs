//! The seven functions.

use std::time::Duration;

use theater_core::error::{printable, with_causes};
use theater_core::{
    ActorError, ActorId, ActorInfo, Authority, Bytes, Caller, ChainEvent, EventKind, EventRange, ExitReason,
    ManifestRef, RestartFrom, SpawnRequest, StartFrom, StopMode,
};
use tokio::time::timeout;

use super::{SupervisorHost, lock};
use crate::driver::{Command, grace};
use crate::error::Result;
use crate::event::{SupervisorCall, SupervisorEvent, SupervisorOutcome};
use crate::machine::{By, Request, Target};

impl SupervisorHost {
    /// Starts a child from a manifest and waits until its `init` has ended. Under simple-one-for-one the template's id
    /// stands for its manifest and child spec.
    ///
    /// # Errors
    /// The real reason why it does not run; nothing is left of it then.
    pub async fn spawn(
        &self,
        caller: &Caller,
        manifest: String,
        init_bytes: Option<Vec<u8>>,
    ) -> Result<ActorId> {
        let init_bytes = init_bytes.map(Bytes::from);
        let call = SupervisorCall::Spawn { manifest: manifest.clone(), init_bytes: init_bytes.clone() };
        let start = StartFrom::Init(init_bytes);
        let outcome = |id: &ActorId| SupervisorOutcome::Child(*id);
        self.audited(caller, EventKind::SPAWN, "", call, outcome, self.start_child(caller, manifest, start))
            .await
    }

    /// Starts a child with a state, without calling its `init`.
    ///
    /// # Errors
    /// The real reason why it does not run; nothing is left of it then.
    pub async fn resume(
        &self,
        caller: &Caller,
        manifest: String,
        state_bytes: Option<Vec<u8>>,
    ) -> Result<ActorId> {
        let state_bytes = state_bytes.map(Bytes::from);
        let call = SupervisorCall::Resume { manifest: manifest.clone(), state_bytes: state_bytes.clone() };
        let start = StartFrom::State(state_bytes);
        let outcome = |id: &ActorId| SupervisorOutcome::Child(*id);
        self.audited(caller, EventKind::RESUME, "", call, outcome, self.start_child(caller, manifest, start))
            .await
    }

    /// The children that have not ended, in start order.
    ///
    /// # Errors
    /// If the caller itself is unknown, or the call cannot be recorded.
    pub async fn list_children(&self, caller: &Caller) -> Result<Vec<ActorId>> {
        let work = async {
            let children = self.limited("list-children", caller.runtime.children(caller.id)).await?;
            let live = children.into_iter().filter(|child| !child.status.is_ended());
            Ok(live.map(|child| child.id).collect::<Vec<_>>())
        };
        let outcome = |ids: &Vec<ActorId>| SupervisorOutcome::Children(ids.clone());
        self.audited(caller, EventKind::LIST_CHILDREN, "", SupervisorCall::Child, outcome, work).await
    }

    /// Ends a child's life, if it has one, and starts the next with the last good state. The id stays.
    ///
    /// # Errors
    /// If it is not an own child, or the next life does not start: the child has ended then.
    pub async fn restart_child(&self, caller: &Caller, child_id: &str) -> Result<()> {
        let work = async {
            let child = self.own_child(caller, child_id).await?;
            let limit = self.inner.settings.deadline.saturating_add(grace(child.child_spec.shutdown.into()));
            let restarting = async {
                match self.call(caller.id, Request::Renew(Target::Actor(child.clone())), None).await {
                    Some(verdict) => verdict,
                    None => {
                        let by = Authority::Parent(caller.id);
                        let restarted = caller.runtime.restart(by, child.id, RestartFrom::LastGood).await;
                        restarted.map(|info| info.id)
                    }
                }
            };
            within("restart-child", limit, restarting).await
        };
        let done = |_: &ActorId| SupervisorOutcome::Done;
        self.audited(caller, EventKind::RESTART_CHILD, child_id, SupervisorCall::Child, done, work)
            .await
            .map(drop)
    }

    /// Ends a child, and its descendants before it. A child that has ended already is no error.
    ///
    /// # Errors
    /// If it is not an own child.
    pub async fn stop_child(&self, caller: &Caller, child_id: &str) -> Result<()> {
        let work = async {
            let child = self.own_child(caller, child_id).await?;
            let mode: StopMode = child.child_spec.shutdown.into();
            let limit = self.inner.settings.deadline.saturating_add(grace(mode));
            let stopping = async {
                match self.call(caller.id, Request::Terminate(Target::Actor(child.clone())), None).await {
                    Some(verdict) => verdict.map(drop),
                    None => caller.runtime.stop(Authority::Parent(caller.id), child.id, mode).await.map(drop),
                }
            };
            within("stop-child", limit, stopping).await
        };
        let done = |(): &()| SupervisorOutcome::Done;
        self.audited(caller, EventKind::STOP_CHILD, child_id, SupervisorCall::Child, done, work).await
    }

    /// The state after the child's last call that succeeded; `None` if there is none.
    ///
    /// # Errors
    /// If it is not an own child.
    pub async fn get_child_state(&self, caller: &Caller, child_id: &str) -> Result<Option<Bytes>> {
        let work = async {
            let child = self.own_child(caller, child_id).await?;
            let reading = caller.runtime.state(Authority::Parent(caller.id), child.id);
            self.limited("get-child-state", reading).await
        };
        let outcome = |state: &Option<Bytes>| SupervisorOutcome::State(state.clone());
        self.audited(caller, EventKind::GET_CHILD_STATE, child_id, SupervisorCall::Child, outcome, work).await
    }

    /// The child's events, oldest first.
    ///
    /// # Errors
    /// If it is not an own child.
    pub async fn get_child_events(&self, caller: &Caller, child_id: &str) -> Result<Vec<ChainEvent>> {
        let work = async {
            let child = self.own_child(caller, child_id).await?;
            let reading = caller.runtime.events(Authority::Parent(caller.id), child.id, EventRange::ALL);
            self.limited("get-child-events", reading).await
        };
        let outcome = |events: &Vec<ChainEvent>| SupervisorOutcome::Events {
            count: events.len() as u64,
            head: events.last().map(|event| event.hash),
        };
        self.audited(caller, EventKind::GET_CHILD_EVENTS, child_id, SupervisorCall::Child, outcome, work)
            .await
    }

    async fn start_child(
        &self,
        caller: &Caller,
        manifest: String,
        start: StartFrom,
    ) -> Result<ActorId, ActorError> {
        let (spawn, child_spec) = match self.inner.template(&manifest) {
            Some(template) => {
                let manifest = ManifestRef::embedded(&*template.id, template.manifest.clone());
                let spawn = SpawnRequest::new(Some(caller.id), manifest).child_spec(template.child_spec);
                (spawn.start(start), Some(template.child_spec))
            }
            None => (SpawnRequest::new(Some(caller.id), manifest).start(start), None),
        };
        let request = Request::Start { id: None, child_spec };
        match self.call(caller.id, request, Some(spawn.clone())).await {
            // The supervisor has the deadline: it alone can give up a start so that nothing is left of it.
            Some(verdict) => verdict,
            None => self.limited("spawn", caller.runtime.spawn(spawn)).await.map(|info| info.id),
        }
    }

    /// Asks the supervisor of `caller`; `None` if none was started.
    async fn call(
        &self,
        caller: ActorId,
        request: Request,
        spawn: Option<SpawnRequest>,
    ) -> Option<Result<ActorId, ActorError>> {
        if *lock(&self.inner.started) != Some(caller) {
            return None;
        }
        let by = By::Guest;
        let spawn = spawn.map(Box::new);
        let verdict = self.inner.ask(|reply| Command::Call { by, request, spawn, reply }).await;
        Some(match verdict {
            Some(Ok(Some(id))) => Ok(id),
            // It ended itself before it ran, which it may; but there is no child to name.
            Some(Ok(None)) => Err(ActorError::StartFailed { reason: ExitReason::Completed { data: None } }),
            Some(Err(error)) => Err(error.into()),
            None => Err(ActorError::ShuttingDown),
        })
    }

    /// The only way from a text that a guest gave to a child. Whoever is not an own child gets one and the same answer.
    async fn own_child(&self, caller: &Caller, child_id: &str) -> Result<ActorInfo, ActorError> {
        let refused = || ActorError::not_a_child(child_id);
        let id: ActorId = child_id.parse().map_err(|_| refused())?;
        let looking = caller.runtime.info(Authority::Parent(caller.id), id);
        match self.limited("info", looking).await {
            // The runtime has checked; this does not depend on its diligence.
            Ok(info) if info.parent == Some(caller.id) && info.id != caller.id => Ok(info),
            Ok(_) | Err(ActorError::NotAChild { .. } | ActorError::UnknownActor { .. }) => Err(refused()),
            Err(error) => Err(error),
        }
    }

    /// The only way to run a host function: recorded before, and again after with its outcome. What cannot be recorded
    /// does not happen.
    async fn audited<T>(
        &self,
        caller: &Caller,
        kind: EventKind,
        target: &str,
        call: SupervisorCall,
        outcome: impl FnOnce(&T) -> SupervisorOutcome,
        work: impl Future<Output = Result<T, ActorError>>,
    ) -> Result<T> {
        let target = printable(target);
        let before = SupervisorEvent::call(kind, target.clone(), &call);
        self.limited("record", caller.runtime.record(caller.id, before)).await?;
        let result: Result<T> = work.await.map_err(Into::into);
        let after = match &result {
            Ok(value) => outcome(value),
            Err(error) => SupervisorOutcome::Refused(with_causes(error)),
        };
        let after = SupervisorEvent::outcome(kind, target, &after);
        self.limited("record", caller.runtime.record(caller.id, after)).await?;
        result
    }

    async fn limited<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, ActorError>>,
    ) -> Result<T, ActorError> {
        within(operation, self.inner.settings.deadline, work).await
    }
}

async fn within<T>(
    operation: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, ActorError>>,
) -> Result<T, ActorError> {
    timeout(limit, work).await.unwrap_or(Err(ActorError::DeadlineExceeded { operation, limit }))
}
