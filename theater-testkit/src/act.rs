//! What an actor can be made to do, and what it can ask of its host.

use std::time::Duration;

use theater_core::Bytes;

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
