//! Why a life ended.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::actor::ActorId;

/// Why one life of an actor ended. Every life ends with exactly one reason.
///
/// [`is_clean`](Self::is_clean) is OTP's distinction between `normal`, `shutdown` and everything else: it decides
/// whether a transient child is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ExitReason {
    /// The actor ended itself through `runtime.shutdown`, perhaps with a result.
    Completed {
        /// What it gave to `shutdown`.
        data: Option<Bytes>,
    },
    /// It was asked to stop and ended within its grace.
    Stopped,
    /// It was ended without asking, or did not end within its grace.
    Killed,
    /// Its parent ended, so it had to.
    ParentStopped,
    /// The runtime ended without ending it: its process was killed, or lost power. Recorded when the actor is brought back.
    RuntimeEnded,
    /// Its `init` answered with an error.
    InitFailed {
        /// What `init` said.
        error: String,
    },
    /// Its component could not be prepared or instantiated for this life.
    StartFailed {
        /// What went wrong.
        error: String,
    },
    /// The guest trapped.
    Trapped {
        /// The trap, such as `wasm trap: wasm `unreachable` instruction executed`.
        message: String,
        /// The guest's stack, innermost frame first; empty when unknown.
        backtrace: Vec<String>,
    },
    /// One call used more processor time than `limits.call_deadline` allows.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The guest wanted more memory than `limits.memory` allows.
    OutOfMemory {
        /// The limit in bytes.
        limit: u64,
    },
    /// A call returned a state larger than `limits.state`.
    StateTooLarge {
        /// The size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The actor produced a message or reply larger than `limits.message` allows where it could not be refused.
    MessageTooLarge {
        /// The size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The actor caused an event larger than `limits.event`.
    EventTooLarge {
        /// The size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The mailbox was full and `limits.mailbox_overflow` is `exit`.
    MailboxOverflow {
        /// The limit in messages.
        limit: u64,
    },
    /// A host function panicked on behalf of the actor: a bug of the runtime, contained.
    HostPanicked {
        /// The panic's message.
        message: String,
    },
    /// As a supervisor it gave up on a child.
    Escalated {
        /// The child.
        child: ActorId,
        /// That child's last exit reason, as text.
        reason: String,
        /// Whether this counts as clean, as OTP has it: `supervision.escalation` is `shutdown`.
        #[serde(default)]
        clean: bool,
    },
    /// As a supervisor it ended because a significant child had, as `supervision.auto_shutdown` says.
    AutoShutdown {
        /// The child.
        child: ActorId,
    },
    /// A recorded call that was run again to find the actor's state did something else than before: the component has changed, or keeps
    /// something that its state does not have.
    Diverged {
        /// The position on the actor's chain of the record that does not fit, where there is one.
        event: Option<u64>,
        /// What is different.
        message: String,
    },
    /// The event log refused to take more events, so the actor could not go on.
    ChainFailed {
        /// What the store said.
        error: String,
    },
}

impl ExitReason {
    /// Whether this is an orderly end: OTP's `normal` and `shutdown`.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        match self {
            Self::Completed { .. } | Self::Stopped | Self::ParentStopped | Self::AutoShutdown { .. } => true,
            Self::Escalated { clean, .. } => *clean,
            _ => false,
        }
    }

    /// Whether somebody above the actor ended it: its end then is an answer to them, not news about the actor.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        matches!(self, Self::Stopped | Self::Killed | Self::ParentStopped | Self::RuntimeEnded)
    }

    /// A stable one-word name of the kind of reason, for machines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::ParentStopped => "parent-stopped",
            Self::RuntimeEnded => "runtime-ended",
            Self::InitFailed { .. } => "init-failed",
            Self::StartFailed { .. } => "start-failed",
            Self::Trapped { .. } => "trapped",
            Self::TimedOut { .. } => "timed-out",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::StateTooLarge { .. } => "state-too-large",
            Self::MessageTooLarge { .. } => "message-too-large",
            Self::EventTooLarge { .. } => "event-too-large",
            Self::MailboxOverflow { .. } => "mailbox-overflow",
            Self::HostPanicked { .. } => "host-panicked",
            Self::Escalated { .. } => "escalated",
            Self::AutoShutdown { .. } => "auto-shutdown",
            Self::Diverged { .. } => "diverged",
            Self::ChainFailed { .. } => "chain-failed",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed { .. } => f.write_str("completed"),
            Self::Stopped => f.write_str("stopped"),
            Self::Killed => f.write_str("killed"),
            Self::ParentStopped => f.write_str("its parent stopped"),
            Self::RuntimeEnded => f.write_str("the runtime ended"),
            Self::InitFailed { error } => write!(f, "init failed: {error}"),
            Self::StartFailed { error } => write!(f, "start failed: {error}"),
            Self::Trapped { message, .. } => write!(f, "trapped: {message}"),
            Self::TimedOut { limit } => {
                write!(f, "timed out: one call ran longer than limits.call_deadline = {limit:?}")
            }
            Self::OutOfMemory { limit } => {
                write!(f, "out of memory: more than limits.memory = {}", bytesize::ByteSize(*limit))
            }
            Self::StateTooLarge { size, limit } => {
                write!(f, "state too large: {size} bytes, limits.state = {limit}")
            }
            Self::MessageTooLarge { size, limit } => {
                write!(f, "message too large: {size} bytes, limits.message = {limit}")
            }
            Self::EventTooLarge { size, limit } => {
                write!(f, "event too large: {size} bytes, limits.event = {limit}")
            }
            Self::MailboxOverflow { limit } => {
                write!(f, "mailbox overflow: more than limits.mailbox = {limit} messages waiting")
            }
            Self::HostPanicked { message } => write!(f, "a host function panicked: {message}"),
            Self::Escalated { child, reason, .. } => {
                write!(f, "gave up on child {child}, which ended too often, last: {reason}")
            }
            Self::AutoShutdown { child } => write!(f, "shut down because child {child} ended"),
            Self::Diverged { event: Some(event), message } => {
                write!(
                    f,
                    "a recorded call went another way when it was run again, at event {event}: {message}"
                )
            }
            Self::Diverged { event: None, message } => {
                write!(f, "a recorded call went another way when it was run again: {message}")
            }
            Self::ChainFailed { error } => write!(f, "event chain failed: {error}"),
        }
    }
}
