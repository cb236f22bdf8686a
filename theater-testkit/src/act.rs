//! What an actor can be made to do, and what it can ask of its host.

use std::time::Duration;

use theater_core::{Bytes, Caller};
use theater_supervisor::SupervisorHost;

/// Something that an actor does in one call, when a test asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// The call succeeds and leaves this state.
    SetState(Bytes),
    /// The call traps: the life ends with a failure, and what the call did to the state is not kept.
    Crash,
    /// The actor ends itself cleanly, with a result: [`Completed`](theater_core::ExitReason::Completed).
    Complete(Option<Bytes>),
    /// The call goes on for this long, without looking up, and succeeds then.
    Busy(Duration),
    /// The actor calls a function of `theater:simple/supervisor`.
    Call(HostCall),
}

/// A call of one of the seven functions of `theater:simple/supervisor`, as a guest makes it: with texts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostCall {
    /// `spawn`.
    Spawn {
        /// The manifest's reference.
        manifest: String,
        /// Bytes for `init`.
        init: Option<Bytes>,
    },
    /// `resume`.
    Resume {
        /// The manifest's reference.
        manifest: String,
        /// The state.
        state: Option<Bytes>,
    },
    /// `list-children`.
    ListChildren,
    /// `restart-child`.
    RestartChild(String),
    /// `stop-child`.
    StopChild(String),
    /// `get-child-state`.
    GetChildState(String),
    /// `get-child-events`.
    GetChildEvents(String),
}

impl HostCall {
    /// The function's name, as the WIT interface has it.
    #[must_use]
    pub fn function(&self) -> &'static str {
        match self {
            Self::Spawn { .. } => "spawn",
            Self::Resume { .. } => "resume",
            Self::ListChildren => "list-children",
            Self::RestartChild(_) => "restart-child",
            Self::StopChild(_) => "stop-child",
            Self::GetChildState(_) => "get-child-state",
            Self::GetChildEvents(_) => "get-child-events",
        }
    }

    /// The text that is given for a child, or for a manifest, where the function takes one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Spawn { manifest, .. } | Self::Resume { manifest, .. } => Some(manifest),
            Self::RestartChild(child)
            | Self::StopChild(child)
            | Self::GetChildState(child)
            | Self::GetChildEvents(child) => Some(child),
            Self::ListChildren => None,
        }
    }

    /// Makes the call on a supervisor host, as a binding does on behalf of a guest.
    ///
    /// # Errors
    /// What the guest is told.
    pub async fn perform(self, host: &SupervisorHost, caller: &Caller) -> Result<HostAnswer, String> {
        self.answer(host, caller).await.map_err(|error| error.to_string())
    }

    async fn answer(self, host: &SupervisorHost, caller: &Caller) -> theater_supervisor::Result<HostAnswer> {
        Ok(match self {
            HostCall::Spawn { manifest, init } => {
                HostAnswer::Child(host.spawn(caller, manifest, init.map(Vec::from)).await?.to_string())
            }
            HostCall::Resume { manifest, state } => {
                HostAnswer::Child(host.resume(caller, manifest, state.map(Vec::from)).await?.to_string())
            }
            HostCall::ListChildren => {
                let children = host.list_children(caller).await?;
                HostAnswer::Children(children.iter().map(ToString::to_string).collect())
            }
            HostCall::RestartChild(child) => {
                host.restart_child(caller, &child).await?;
                HostAnswer::Done
            }
            HostCall::StopChild(child) => {
                host.stop_child(caller, &child).await?;
                HostAnswer::Done
            }
            HostCall::GetChildState(child) => HostAnswer::State(host.get_child_state(caller, &child).await?),
            HostCall::GetChildEvents(child) => {
                let events = host.get_child_events(caller, &child).await?;
                HostAnswer::Events(events.iter().map(theater_core::ChainEvent::event_type).collect())
            }
        })
    }
}

/// What a guest got from a call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostAnswer {
    /// Nothing but that it succeeded.
    Done,
    /// A child's id.
    Child(String),
    /// The children's ids.
    Children(Vec<String>),
    /// A state.
    State(Option<Bytes>),
    /// Events: the names of their kinds, oldest first.
    Events(Vec<String>),
}
