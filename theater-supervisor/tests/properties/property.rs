//! The names of the properties.

use std::fmt;

/// What is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Property {
    NoOrphan,
    NoLostChild,
    OneParent,
    Ids,
    OneIncarnation,
    StopOrder,
    Handles,
    Policy,
    Intensity,
    Backoff,
    State,
    Replies,
    Notices,
}

impl Property {
    pub(crate) const ALL: [Self; 13] = [
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
