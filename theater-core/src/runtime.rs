//! `ActorRuntime`: the seam between supervision and whatever executes actors.

mod forward;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::actor::{ActorId, ActorInfo, Incarnation};
use crate::error::ActorError;
use crate::event::{ChainEvent, EventDraft, EventRange};
use crate::exit::ExitReason;
use crate::exits::ExitStream;
use crate::manifest::ChildSpec;
use crate::source::ManifestRef;

/// On whose authority an operation on an actor is performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Authority {
    /// An actor, which may act on its own children and on nobody else.
    Parent(ActorId),
    /// The program that embeds the runtime. It may act on every actor. Never made from anything that a guest said.
    Operator,
}

impl Authority {
    /// Whether this authority covers an actor with this parent.
    #[must_use]
    pub fn covers(self, parent: Option<ActorId>) -> bool {
        match self {
            Self::Parent(id) => parent == Some(id),
            Self::Operator => true,
        }
    }

    /// The error for a target that does not exist or is not covered: the same one for both.
    #[must_use]
    pub fn refusal(self, target: ActorId) -> ActorError {
        match self {
            Self::Parent(_) => ActorError::not_a_child(&target.to_string()),
            Self::Operator => ActorError::UnknownActor { id: target },
        }
    }
}

/// What to start.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SpawnRequest {
    /// The parent; `None` when the embedding program starts a root actor.
    pub parent: Option<ActorId>,
    /// The manifest.
    pub manifest: ManifestRef,
    /// Where the first life starts from.
    pub start: StartFrom,
    /// How its parent's supervisor will treat it; `None`: as [`Manifest::spawned_spec`](crate::Manifest::spawned_spec)
    /// says.
    pub child_spec: Option<ChildSpec>,
    /// An actor that had been running before the runtime ended, and is to be brought back as it was: id, chain, last good state. Only a
    /// runtime that keeps chains longer than it lives knows such actors; of any other it is [`UnknownActor`](ActorError::UnknownActor).
    pub revive: Option<ActorId>,
}

impl SpawnRequest {
    /// A request that starts from `init` without further bytes.
    pub fn new(parent: Option<ActorId>, manifest: impl Into<ManifestRef>) -> Self {
        Self {
            parent,
            manifest: manifest.into(),
            start: StartFrom::Init(None),
            child_spec: None,
            revive: None,
        }
    }

    /// The same, under this child spec.
    #[must_use]
    pub fn child_spec(mut self, child_spec: ChildSpec) -> Self {
        self.child_spec = Some(child_spec);
        self
    }

    /// The same, bringing back this actor.
    #[must_use]
    pub fn revive(mut self, id: ActorId) -> Self {
        self.revive = Some(id);
        self
    }

    /// The same, starting from elsewhere.
    #[must_use]
    pub fn start(mut self, start: StartFrom) -> Self {
        self.start = start;
        self
    }
}

/// Where a first life starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartFrom {
    /// `init` is called with the manifest's initial state, merged with these bytes if given.
    Init(Option<Bytes>),
    /// The state is put in place and `init` is not called. Without a state, `init` is called.
    State(Option<Bytes>),
}

/// Where a further life starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RestartFrom {
    /// The state after the last call that succeeded, without calling `init`. With no such state: `Initial`.
    #[default]
    LastGood,
    /// What the first life was started with: `init` with its bytes, or the state that was given.
    Initial,
    /// The snapshot that the manifest names, without calling `init`. Where it names none: `Initial`.
    Snapshot,
}

/// How to end a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopMode {
    /// Let the current call end, for at most this long, then kill. OTP: `shutdown` with a timeout.
    Graceful(Duration),
    /// Let the current call end, however long it takes. OTP: `infinity`.
    Infinity,
    /// End at once, without waiting for the guest. OTP: `brutal_kill`.
    Kill,
}

/// News about a child for the parent's guest code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildNotice {
    /// The child.
    pub child: ActorId,
    /// Which life ended.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: ExitReason,
}

impl ChildNotice {
    /// A notice.
    #[must_use]
    pub fn new(child: ActorId, incarnation: Incarnation, reason: ExitReason) -> Self {
        Self { child, incarnation, reason }
    }
}

/// Runs actors.
///
/// This is the only trait that a backend has to implement to get supervision: `theater-supervisor` drives restarts, and
/// implements the guest's host functions, through it alone.
///
/// # Contract
/// **Identity.** An [`ActorId`] names an actor across restarts, an [`Incarnation`] one life of it. A restart keeps
/// id, chain, parent and place among its siblings. Incarnations start at 1 and grow by one with each life, also with one
/// whose start fails.
///
/// **Authority.** Every operation on an existing actor says on whose [`Authority`]. The check and the effect are one
/// step: no other operation can come between. A target that does not exist and a target that is not covered get the same
/// error ([`Authority::refusal`]), and neither has an effect. An actor is not its own child.
///
/// **Starting.** [`spawn`](Self::spawn) and [`restart`](Self::restart) answer after `init` has ended, with its real
/// error. If they fail, or if the future is dropped, nothing is left running. A failed first start leaves no child
/// record behind; a failed restart leaves the actor ended, with its last good state.
///
/// **Capabilities.** A child asks for at most what its parent has; one that asks for more is refused with
/// [`NotGranted`](ActorError::NotGranted) before anything of it starts, and leaves nothing. What the embedding program starts is not
/// bounded. [`Bound::admit`](crate::Bound::admit) decides it for every backend: keep what it returns with the actor, and ask that for
/// the actor's children.
///
/// **Ending.** Every life ends with exactly one [`ExitReason`], recorded on the actor's chain before it is told to
/// anybody. When a life ends, for whatever reason, the actor's descendants end too: before it where the end was asked for
/// (latest started first), right after it otherwise. `stop` returns when all that has happened. `Kill` never waits
/// for guest code. Stopping an actor that has ended is no error.
///
/// **After the end** the record stays: info, state (the last good one), events. Until [`reap`](Self::reap), or until a
/// documented retention ends.
///
/// **Reading.** `info`, `children`, `state` and `events` are answered from snapshots. They never wait for an actor and
/// work on a busy, failed, stopped or calling one.
///
/// **Exits.** [`exits`](Self::exits) yields every end of every life of a child that was once running, exactly once, in
/// order for one child, also if it ended before the call; an exit that nobody takes is kept as long as the record. A first
/// start that fails is answered by `spawn` and yields
/// nothing; so does a restart that fails.
///
/// **Recording.** [`record`](Self::record) appends before it returns; what it returned is in `events` from then on.
///
/// **Concurrency.** Methods may be called concurrently. Operations that change one actor take effect one after the
/// other; operations on different actors do not wait for each other, except that a parent ends after its children.
///
/// **Errors.** An operation that fails has no effect, except where its documentation says so. Methods do not panic.
///
/// # Implementing
/// Annotate the `impl` with [`async_trait`](macro@crate::async_trait). `examples/native-runtime` of the repository is a complete
/// backend without WebAssembly, `docs/plug-in-your-own-runtime.md` walks through it, and `theater-testkit` has a suite
/// with cases for every clause.
#[async_trait]
pub trait ActorRuntime: fmt::Debug + Send + Sync + 'static {
    /// Starts an actor and waits until its `init` has ended.
    ///
    /// # Errors
    /// [`Manifest`](ActorError::Manifest), [`NotGranted`](ActorError::NotGranted), [`Component`](ActorError::Component),
    /// [`StartFailed`](ActorError::StartFailed), [`Limit`](ActorError::Limit),
    /// [`ShuttingDown`](ActorError::ShuttingDown) when the parent has ended or is ending.
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError>;

    /// Ends the current life of an actor, if it has one, gracefully within its child spec's grace, and starts the next.
    ///
    /// The exit of the life that was ended has the reason [`ExitReason::Stopped`] or [`ExitReason::Killed`].
    ///
    /// # Errors
    /// [`Authority::refusal`]; [`StartFailed`](ActorError::StartFailed) if the next life could not start: then the actor
    /// has ended.
    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError>;

    /// Ends the actor and its descendants, and returns how its last life ended.
    ///
    /// # Errors
    /// [`Authority::refusal`].
    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError>;

    /// Ends the actor and its descendants like [`stop`](Self::stop), to [`restart`](Self::restart) it soon: meanwhile its
    /// mailbox keeps what it has and takes more.
    ///
    /// A supervisor does this to the siblings in a group restart. A `stop` that follows ends the waiting. Backends without
    /// mailboxes keep this default, which is `stop`.
    ///
    /// # Errors
    /// [`Authority::refusal`].
    async fn halt(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        self.stop(by, id, mode).await
    }

    /// What is known about an actor.
    ///
    /// # Errors
    /// [`Authority::refusal`].
    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError>;

    /// The children of `parent` that have a record, ended ones included, in start order.
    ///
    /// # Errors
    /// [`UnknownActor`](ActorError::UnknownActor) if there is no such parent.
    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError>;

    /// The state after the last call that succeeded; `None` if there is none.
    ///
    /// # Errors
    /// [`Authority::refusal`].
    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError>;

    /// Events of an actor's chain, oldest first.
    ///
    /// # Errors
    /// [`Authority::refusal`]; [`Chain`](ActorError::Chain) if the store fails.
    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError>;

    /// Appends an event to an actor's chain.
    ///
    /// # Errors
    /// [`UnknownActor`](ActorError::UnknownActor); [`Limit`](ActorError::Limit) if the payload is too large;
    /// [`Chain`](ActorError::Chain) if the store does not take it.
    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError>;

    /// The exits of the children of `parent`. See [`ExitStream`]. `None` means the root actors.
    ///
    /// An unknown parent has no exits: the stream has ended.
    fn exits(&self, parent: Option<ActorId>) -> ExitStream;

    /// Tells an actor's guest code about the end of a child's life, if it exports `supervisor-handlers`.
    ///
    /// Answers when the notice is queued, not when it was handled; notices are handled in order. Backends whose actors
    /// have no such callbacks keep this default, which does nothing.
    ///
    /// # Errors
    /// [`UnknownActor`](ActorError::UnknownActor), [`Ended`](ActorError::Ended).
    async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Result<(), ActorError> {
        let _ = (parent, notice);
        Ok(())
    }

    /// Forgets an actor that has ended, and its descendants. Its chain stays in the store.
    ///
    /// # Errors
    /// [`Authority::refusal`]; [`StillRunning`](ActorError::StillRunning).
    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError>;
}

const _OBJECT_SAFE: fn(&dyn ActorRuntime) = |_| {};

/// A runtime without actors: it refuses everything. Behind the `dummy` constructors.
#[derive(Debug)]
pub(crate) struct Nothing;

#[async_trait]
impl ActorRuntime for Nothing {
    async fn spawn(&self, _: SpawnRequest) -> Result<ActorInfo, ActorError> {
        Err(ActorError::ShuttingDown)
    }
    async fn restart(&self, by: Authority, id: ActorId, _: RestartFrom) -> Result<ActorInfo, ActorError> {
        Err(by.refusal(id))
    }
    async fn stop(&self, by: Authority, id: ActorId, _: StopMode) -> Result<ExitReason, ActorError> {
        Err(by.refusal(id))
    }
    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        Err(by.refusal(id))
    }
    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        Err(ActorError::UnknownActor { id: parent })
    }
    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        Err(by.refusal(id))
    }
    async fn events(&self, by: Authority, id: ActorId, _: EventRange) -> Result<Vec<ChainEvent>, ActorError> {
        Err(by.refusal(id))
    }
    async fn record(&self, id: ActorId, _: EventDraft) -> Result<ChainEvent, ActorError> {
        Err(ActorError::UnknownActor { id })
    }
    fn exits(&self, _: Option<ActorId>) -> ExitStream {
        ExitStream::ended()
    }
    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        Err(by.refusal(id))
    }
}
