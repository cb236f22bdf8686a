//! What goes into the machine and what comes out.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorId, ActorInfo, ChildSpec, ExitReason, Incarnation, RestartFrom, StopMode,
};

use crate::error::ChildError;
use crate::event::{Decision, GiveUpCause};

/// Milliseconds since the supervisor started. The machine never reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

/// Names a call, to find its reply. The driver gives them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Names a child inside a machine, from before it has an id until it is forgotten. Keys are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey(pub u64);

/// Who asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum By {
    /// The supervising actor's own guest code: the end of a life that it asked for is no news to it.
    Guest,
    /// The program that embeds the runtime.
    Operator,
}

/// A child that the supervisor starts when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeclaredChild {
    /// Its id among its siblings.
    pub id: Arc<str>,
    /// How it is treated.
    pub child_spec: ChildSpec,
}

impl DeclaredChild {
    /// A declared child.
    pub fn new(id: impl Into<Arc<str>>, child_spec: ChildSpec) -> Self {
        Self { id: id.into(), child_spec }
    }
}

/// Which child a call is about.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Target {
    /// The child with this id in the supervisor's manifest, or with which it was started.
    Id(Arc<str>),
    /// The child that is this actor, as the runtime knows it. One that this supervisor does not know, because it was
    /// started past it or was forgotten, is taken as it is.
    Actor(ActorInfo),
}

/// What a call asks for. The names are OTP's, except for [`Renew`](Self::Renew).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Request {
    /// `start_child`. The driver knows what to start.
    Start {
        /// Its id among its siblings; `None` for a child that is known by its actor only.
        id: Option<Arc<str>>,
        /// How it is treated; `None` if that is known only when it runs.
        child_spec: Option<ChildSpec>,
    },
    /// `terminate_child`: end its life, if it has one. A pending restart is cancelled.
    Terminate(Target),
    /// `restart_child`: start a child that does not run.
    Restart(Target),
    /// End its life, if it has one, and start the next: the guest's `restart-child`. OTP has no such call.
    Renew(Target),
    /// `delete_child`: forget a child that does not run.
    Delete(Target),
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// Start these children in this order; answered by [`Action::Begun`].
    Begin {
        /// The children.
        children: Vec<DeclaredChild>,
    },
    /// Somebody asks for something; answered by [`Action::Reply`].
    Call {
        /// To find the reply.
        call: CallId,
        /// Who.
        by: By,
        /// What.
        request: Request,
    },
    /// A start or restart has succeeded.
    Started {
        /// The child.
        child: ChildKey,
        /// Its actor.
        id: ActorId,
        /// The life that runs now.
        incarnation: Incarnation,
        /// How it is treated from now on.
        child_spec: ChildSpec,
    },
    /// A start or restart ended cleanly before the child ran: OTP's `ignore`. It has no process and wants none.
    Ignored {
        /// The child.
        child: ChildKey,
    },
    /// A start or restart has failed: nothing runs.
    StartFailed {
        /// The child.
        child: ChildKey,
        /// Why.
        error: ActorError,
    },
    /// A stop has ended.
    StopEnded {
        /// The child.
        child: ChildKey,
        /// Why it failed, if it did.
        error: Option<ActorError>,
    },
    /// A life has ended.
    Exited {
        /// The child.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// Why.
        reason: Arc<ExitReason>,
        /// Whether a call other than `init` succeeded in it, if that is known.
        progressed: Option<bool>,
    },
    /// The time that a [`Action::RetryLater`] named has come.
    Retry {
        /// The child.
        child: ChildKey,
        /// Which wait is over.
        attempt: u32,
    },
    /// The supervisor itself has to end.
    Shutdown,
}

/// What has to be done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Action {
    /// Start a child's first life. Answer with `Started`, `Ignored` or `StartFailed`.
    Start {
        /// The child.
        child: ChildKey,
        /// Its id among its siblings.
        id: Option<Arc<str>>,
        /// The call that asked for it, if one did.
        call: Option<CallId>,
    },
    /// End the child's life, if it has one, and start the next. Answer with `Started`, `Ignored` or `StartFailed`.
    Restart {
        /// The child.
        child: ChildKey,
        /// Its actor.
        id: ActorId,
        /// Where the next life starts from.
        from: RestartFrom,
        /// How the life that is still there is ended: [`Kill`](StopMode::Kill) where none is.
        mode: StopMode,
    },
    /// End the child's life. Answer with `StopEnded`.
    Stop {
        /// The child.
        child: ChildKey,
        /// Its actor.
        id: ActorId,
        /// How.
        mode: StopMode,
        /// Whether it is going to be started again soon: its messages are kept.
        halt: bool,
    },
    /// Give up the start or restart that is under way. It is answered all the same.
    Abandon {
        /// The child.
        child: ChildKey,
    },
    /// Come back with `Retry` after this time, and after everything that waits already.
    RetryLater {
        /// The child.
        child: ChildKey,
        /// To be given back.
        attempt: u32,
        /// How long.
        delay: Duration,
    },
    /// Answer a call.
    Reply {
        /// The call.
        call: CallId,
        /// The answer.
        verdict: Verdict,
    },
    /// Answer [`Input::Begin`].
    Begun(Result<(), ActorError>),
    /// Record a decision.
    Report(Report),
    /// Tell the actor's guest code of the end of a life.
    Notify {
        /// The child.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// Why.
        reason: Arc<ExitReason>,
    },
    /// The child was deleted: the runtime need not keep its record.
    Reap {
        /// Its actor.
        id: ActorId,
    },
    /// End. Nothing comes after this.
    Finish(Outcome),
}

/// The answer to a call: the child's actor; `None` if it has none, because its start was [ignored](Input::Ignored).
pub type Verdict = Result<Option<ActorId>, ChildError>;

/// A decision about a child.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The child's actor; `None` if it never had one.
    pub child: Option<ActorId>,
    /// The child's id among its siblings.
    pub child_id: Option<Arc<str>>,
    /// The life that ended, or the one before the start that failed.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: Arc<ExitReason>,
    /// What happens now.
    pub decision: Decision,
}

/// How a supervisor ends.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// It was asked to.
    Shutdown,
    /// A significant child ended.
    AutoShutdown {
        /// The child.
        child: Option<ActorId>,
    },
    /// It gave up on a child.
    Escalated {
        /// The child; `None` if it never had an actor.
        child: Option<ActorId>,
        /// Its last exit reason.
        reason: Arc<ExitReason>,
        /// Why it gave up.
        cause: GiveUpCause,
    },
    /// A declared child did not start.
    NotStarted {
        /// The child.
        id: Arc<str>,
        /// Why.
        error: ActorError,
    },
}
