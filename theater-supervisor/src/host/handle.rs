//! A supervisor as the embedding program sees it: OTP's calls.

use std::sync::Arc;

use theater_core::{ActorError, ActorId, ActorInfo, ActorRuntime, Authority, ChildSpec, SpawnRequest};

use super::{Inner, lock};
use crate::driver::Command;
use crate::error::ChildError;
use crate::machine::{By, ChildCounts, ChildView, Request, Target, Verdict};

/// OTP's calls to a supervisor, for the embedding program. Cheap to clone.
///
/// They go through the same rules as the guest's functions and the restarts. Each answers
/// [`ShuttingDown`](ActorError::ShuttingDown) once the supervisor has ended or when it has not been started.
#[derive(Debug, Clone)]
pub struct SupervisorHandle {
    inner: Arc<Inner>,
}

/// Which child is meant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ChildRef {
    /// By its id in the manifest, or with which it was started.
    Id(Arc<str>),
    /// By its actor, as the runtime knows it.
    Actor(Box<ActorInfo>),
}

impl From<&str> for ChildRef {
    fn from(id: &str) -> Self {
        Self::Id(id.into())
    }
}

impl From<ActorInfo> for ChildRef {
    fn from(info: ActorInfo) -> Self {
        Self::Actor(Box::new(info))
    }
}

impl From<ChildRef> for Target {
    fn from(child: ChildRef) -> Self {
        match child {
            ChildRef::Id(id) => Self::Id(id),
            ChildRef::Actor(info) => Self::Actor(*info),
        }
    }
}

impl SupervisorHandle {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// OTP's `start_child`: starts a child at the end of the start order and keeps its spec. `None` if its start was
    /// ignored, that is if it ended itself cleanly in `init`.
    ///
    /// Under simple-one-for-one the id is not kept, and children are known by their actors.
    ///
    /// # Errors
    /// [`AlreadyStarted`](ChildError::AlreadyStarted), [`AlreadyPresent`](ChildError::AlreadyPresent),
    /// [`MaxChildren`](ChildError::MaxChildren), [`Significant`](ChildError::Significant); or why it does not run: nothing is
    /// kept of it then.
    pub async fn start_child(&self, id: &str, child_spec: ChildSpec, manifest: SpawnRequest) -> Verdict {
        let Some(supervisor) = *lock(&self.inner.started) else { return Err(ended()) };
        let mut spawn = manifest.child_spec(child_spec);
        spawn.parent = Some(supervisor);
        let request = Request::Start { id: Some(id.into()), child_spec: Some(child_spec) };
        self.call(request, Some(spawn)).await
    }

    /// Takes a child in as the guest's `spawn` does, at the end of the start order and without an id: for a runtime that brings back
    /// a tree which had been running. Nothing is recorded of it but the start itself.
    ///
    /// # Errors
    /// Why it does not run; nothing is kept of it then.
    pub async fn adopt_child(&self, manifest: SpawnRequest) -> Verdict {
        let Some(supervisor) = *lock(&self.inner.started) else { return Err(ended()) };
        let mut spawn = manifest;
        spawn.parent = Some(supervisor);
        self.call(Request::Start { id: None, child_spec: spawn.child_spec }, Some(spawn)).await
    }

    /// OTP's `terminate_child`: ends a child's life. Its spec is kept unless it is temporary; a pending restart is
    /// cancelled. A child that does not run is no error.
    ///
    /// # Errors
    /// [`NotFound`](ChildError::NotFound); what the runtime says.
    pub async fn terminate_child(&self, child: impl Into<ChildRef>) -> Verdict {
        self.call(Request::Terminate(child.into().into()), None).await
    }

    /// OTP's `restart_child`: starts a child that does not run.
    ///
    /// # Errors
    /// [`Running`](ChildError::Running), [`Restarting`](ChildError::Restarting), [`NotFound`](ChildError::NotFound),
    /// [`SimpleOneForOne`](ChildError::SimpleOneForOne); or why it does not run.
    pub async fn restart_child(&self, child: impl Into<ChildRef>) -> Verdict {
        self.call(Request::Restart(child.into().into()), None).await
    }

    /// OTP's `delete_child`: forgets a child that does not run.
    ///
    /// # Errors
    /// [`Running`](ChildError::Running), [`Restarting`](ChildError::Restarting), [`NotFound`](ChildError::NotFound),
    /// [`SimpleOneForOne`](ChildError::SimpleOneForOne).
    pub async fn delete_child(&self, child: impl Into<ChildRef>) -> Verdict {
        self.call(Request::Delete(child.into().into()), None).await
    }

    /// OTP's `which_children`: the children, latest start first. Answered also while children are started and stopped.
    ///
    /// # Errors
    /// Only that the supervisor has ended.
    pub async fn which_children(&self) -> Result<Vec<ChildView>, ChildError> {
        self.alive()?;
        self.inner.ask(|reply| Command::List { reply }).await.ok_or_else(ended)
    }

    /// OTP's `count_children`.
    ///
    /// # Errors
    /// Only that the supervisor has ended.
    pub async fn count_children(&self) -> Result<ChildCounts, ChildError> {
        self.alive()?;
        self.inner.ask(|reply| Command::Count { reply }).await.ok_or_else(ended)
    }

    /// [`which_children`](Self::which_children) and [`count_children`](Self::count_children) of one moment: nothing
    /// changes in between, as it may between two calls.
    ///
    /// # Errors
    /// Only that the supervisor has ended.
    pub async fn list_and_count(&self) -> Result<(Vec<ChildView>, ChildCounts), ChildError> {
        self.alive()?;
        self.inner.ask(|reply| Command::ListAndCount { reply }).await.ok_or_else(ended)
    }

    /// A reference to the child that is this actor.
    ///
    /// # Errors
    /// [`NotAChild`](ActorError::NotAChild) if it is no child of this supervisor's actor.
    pub async fn child(&self, runtime: &dyn ActorRuntime, actor: ActorId) -> Result<ChildRef, ChildError> {
        let Some(supervisor) = *lock(&self.inner.started) else { return Err(ended()) };
        let info = runtime.info(Authority::Parent(supervisor), actor).await?;
        Ok(info.into())
    }

    async fn call(&self, request: Request, spawn: Option<SpawnRequest>) -> Verdict {
        self.alive()?;
        let by = By::Operator;
        let spawn = spawn.map(Box::new);
        let verdict = self.inner.ask(|reply| Command::Call { by, request, spawn, reply }).await;
        verdict.unwrap_or_else(|| Err(ended()))
    }

    /// Nobody answers before the start.
    fn alive(&self) -> Result<(), ChildError> {
        lock(&self.inner.started).map(drop).ok_or_else(ended)
    }
}

fn ended() -> ChildError {
    ChildError::Actor(ActorError::ShuttingDown)
}
