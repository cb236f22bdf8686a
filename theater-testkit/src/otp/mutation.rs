//! Wrong variants of the rules: what a suite has to notice to be worth something.

use std::fmt;

/// One rule that the [`model`](super::model()) gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mutation {
    /// A supervisor that gives up ends without its children.
    EscalationLeavesSiblings,
    /// Children are stopped in the order in which they were started.
    StopInStartOrder,
    /// One restart more than the intensity says is allowed.
    IntensityOffByOne,
    /// A group is started latest child first.
    GroupReversed,
    /// The spec of a temporary child that ended stays.
    TemporaryKept,
    /// An attempt that follows a failed one does not count.
    RetriesNotCounted,
    /// A permanent child that ended with `normal` stays ended.
    PermanentLeftOnNormal,
    /// Rest-for-one restarts nobody but the child that ended.
    RestIsOne,
    /// A group's restart starts only those that ran.
    StoppedSiblingLeft,
    /// A restarted child loses its place in the start order.
    RestartedMovesToEnd,
    /// A temporary child that was stopped with its group is started again with it.
    TemporaryBystanderRestarted,
    /// A transient child that ended with `{shutdown, _}` is started again.
    TransientRestartedOnShutdown,
    /// The exit of an earlier life is taken for one of the life that runs.
    StaleExitHandled,
    /// The spec of a temporary child whose start is ignored stays.
    IgnoredTemporaryKept,
    /// A supervisor that does not start leaves the children running that did.
    InitialFailureLeavesSiblings,
    /// The retry of a one-for-all restart keeps what the attempt before it started.
    RetryKeepsStarted,
    /// A significant child that was terminated by a call ends the supervisor.
    AutoShutdownOnTerminate,
    /// A significant child that was stopped with its group ends the supervisor.
    AutoShutdownOnBystander,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::EscalationLeavesSiblings,
        Self::StopInStartOrder,
        Self::IntensityOffByOne,
        Self::GroupReversed,
        Self::TemporaryKept,
        Self::RetriesNotCounted,
        Self::PermanentLeftOnNormal,
        Self::RestIsOne,
        Self::StoppedSiblingLeft,
        Self::RestartedMovesToEnd,
        Self::TemporaryBystanderRestarted,
        Self::TransientRestartedOnShutdown,
        Self::StaleExitHandled,
        Self::IgnoredTemporaryKept,
        Self::InitialFailureLeavesSiblings,
        Self::RetryKeepsStarted,
        Self::AutoShutdownOnTerminate,
        Self::AutoShutdownOnBystander,
    ];
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::EscalationLeavesSiblings => "escalation leaves siblings running",
            Self::StopInStartOrder => "stop in start order",
            Self::IntensityOffByOne => "intensity off by one",
            Self::GroupReversed => "group restart in reverse order",
            Self::TemporaryKept => "temporary spec kept",
            Self::RetriesNotCounted => "failed attempts not counted",
            Self::PermanentLeftOnNormal => "permanent not restarted on normal",
            Self::RestIsOne => "rest_for_one acts as one_for_one",
            Self::StoppedSiblingLeft => "stopped sibling not started by a group restart",
            Self::RestartedMovesToEnd => "restarted child moves to the end",
            Self::TemporaryBystanderRestarted => "temporary bystander restarted",
            Self::TransientRestartedOnShutdown => "transient restarted on {shutdown,_}",
            Self::StaleExitHandled => "stale exit of a superseded instance handled",
            Self::IgnoredTemporaryKept => "ignored temporary kept",
            Self::InitialFailureLeavesSiblings => "initial failure leaves started siblings",
            Self::RetryKeepsStarted => "one_for_all retry does not stop what it started",
            Self::AutoShutdownOnTerminate => "auto_shutdown on terminate_child",
            Self::AutoShutdownOnBystander => "auto_shutdown on a bystander stop",
        })
    }
}
