//! What the host functions can fail with.

use std::sync::Arc;

use theater_core::{ActorError, ActorId, Escalation, ExitReason, LimitError};

/// A result of a supervision function.
pub type Result<T, E = SupervisorError> = std::result::Result<T, E>;

/// Why a supervision function failed.
///
/// # Examples
/// ```
/// use theater_supervisor::SupervisorError;
///
/// let handler_error = SupervisorError::HandlerError("Child actor not found".to_string());
/// match handler_error {
///     SupervisorError::HandlerError(msg) => assert_eq!(msg, "Child actor not found"),
///     SupervisorError::ActorError(e) => println!("Actor error: {e}"),
///     _ => println!("Other error"),
/// }
/// ```
#[derive(thiserror::Error, Debug)]
#[non_exhaustive]
pub enum SupervisorError {
    /// The host itself was used wrongly.
    #[error("Handler error: {0}")]
    HandlerError(String),
    /// The operation on the actor was refused or failed.
    #[error("Actor error: {0}")]
    ActorError(#[from] ActorError),
    /// A record could not be encoded or decoded as JSON.
    #[error("Serialization error: {0}")]
    SerializationError(#[from] serde_json::Error),
}

impl SupervisorError {
    /// The reason with which an actor ends whose supervisor has ended with this error, for the runtime that runs the actor:
    /// what [`SupervisorHost::start`](crate::SupervisorHost::start) answered, under the actor's `supervision.escalation`.
    #[must_use]
    pub fn exit_reason(self, escalation: Escalation) -> ExitReason {
        let clean = escalation == Escalation::Shutdown;
        match self {
            Self::ActorError(ActorError::Escalated { child, reason, .. }) => {
                ExitReason::Escalated { child, reason: reason.to_string(), clean }
            }
            Self::ActorError(ActorError::Poisoned { child, crashes, reason }) => {
                let reason = format!("{reason}, {crashes} times in a row from its initial state");
                ExitReason::Escalated { child, reason, clean }
            }
            Self::ActorError(ActorError::AutoShutdown { child }) => ExitReason::AutoShutdown { child },
            Self::ActorError(error @ ActorError::ChildNotStarted { .. }) => {
                ExitReason::StartFailed { error: error.to_string() }
            }
            other => ExitReason::HostPanicked { message: format!("the supervisor ended: {other}") },
        }
    }
}

/// Why a supervisor does not do what it was asked to do with a child. The first six are answers of OTP's `supervisor`.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// `already_started`: a child with this id runs.
    #[error("child `{id}` runs already")]
    AlreadyStarted {
        /// The id.
        id: Arc<str>,
        /// Its actor.
        actor: ActorId,
    },
    /// `already_present`: there is a child with this id, but it does not run.
    #[error("child `{id}` is there already, but does not run: restart it, or delete it first")]
    AlreadyPresent {
        /// The id.
        id: Arc<str>,
    },
    /// `not_found`: no child has this id.
    #[error("no child `{id}`")]
    NotFound {
        /// The id.
        id: Arc<str>,
    },
    /// `running`: it runs, so it can be neither restarted nor deleted.
    #[error("the child runs: terminate it first")]
    Running,
    /// `restarting`: it waits for a restart.
    #[error("the child is being restarted: terminate it first")]
    Restarting,
    /// `simple_one_for_one`: children started at run time are forgotten when they end, so there is nothing to restart or
    /// delete.
    #[error("a simple-one-for-one supervisor keeps no children that have ended: start a new one")]
    SimpleOneForOne,
    /// `max_children`, as in Elixir: the supervisor has as many children as it may.
    #[error("too many children: supervision.max_children is {limit}")]
    MaxChildren {
        /// The limit.
        limit: u32,
    },
    /// `bad_combination`: a significant child that is permanent, or whose supervisor never shuts down for it.
    #[error(
        "a significant child must not be permanent, and its supervisor's auto_shutdown must not be never"
    )]
    Significant,
    /// The operation itself failed.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

impl From<ChildError> for ActorError {
    /// What a guest is told.
    fn from(error: ChildError) -> Self {
        match error {
            ChildError::Actor(error) => error,
            ChildError::MaxChildren { limit } => LimitError::MaxChildren { limit: u64::from(limit) }.into(),
            ChildError::NotFound { id } => Self::not_a_child(&id),
            // None of the guest's calls leads to these.
            ChildError::AlreadyStarted { .. } | ChildError::AlreadyPresent { .. } => {
                Self::Unsupported { operation: "a second child of this id" }
            }
            ChildError::Running | ChildError::Restarting | ChildError::SimpleOneForOne => {
                Self::Unsupported { operation: "this call on a child in this state" }
            }
            ChildError::Significant => {
                Self::Unsupported { operation: "a significant child under this supervisor" }
            }
        }
    }
}
