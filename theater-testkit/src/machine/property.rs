//! The names of the properties.

use std::fmt;

/// What is demanded of every supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Property {
    /// No child outlives its supervisor or lives without one.
    NoOrphan,
    /// Every end of a life leads to a decision, and every decision to what it says.
    NoLostChild,
    /// No actor is two children.
    OneParent,
    /// Ids are unique, children keep their places, and counts are those of the list.
    Ids,
    /// One thing is done with a child at a time, and exits of older lives change nothing.
    OneIncarnation,
    /// Children are stopped latest first and as they are to be, and none is started at the end.
    StopOrder,
    /// Calls are answered as OTP answers them, and name lives that run.
    Handles,
    /// Who is restarted is what the child specs and the strategy say.
    Policy,
    /// No window has more restarts than allowed, and none is refused too early.
    Intensity,
    /// Waits stay within their bounds, and begin anew after a recovery.
    Backoff,
    /// Restarts start from where they are to, and the guard against poisoned states counts right.
    State,
    /// Every call has one reply, and begin and end come once.
    Replies,
    /// The guest hears once of every end that it did not ask for.
    Notices,
}

impl Property {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::NoOrphan,
        Self::NoLostChild,
        Self::OneParent,
        Self::Ids,
        Self::OneIncarnation,
        Self::StopOrder,
        Self::Handles,
        Self::Policy,
        Self::Intensity,
        Self::Backoff,
        Self::State,
        Self::Replies,
        Self::Notices,
    ];
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoOrphan => "P1 no orphan",
            Self::NoLostChild => "P2 no lost child",
            Self::OneParent => "P3 one parent",
            Self::Ids => "P4 ids",
            Self::OneIncarnation => "P5 one incarnation",
            Self::StopOrder => "P6 stop order",
            Self::Handles => "P7 handles",
            Self::Policy => "P8 policy",
            Self::Intensity => "P9 intensity",
            Self::Backoff => "P10 backoff",
            Self::State => "P11 state",
            Self::Replies => "replies",
            Self::Notices => "notices",
        })
    }
}
