//! What has to be so in every case, each with a name.

use std::fmt;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Check {
    /// 1. Every acknowledged event is there, byte for byte, after any number of crashes.
    Acknowledged,
    /// 2. What is recovered is a beginning of the order in which events were taken.
    Prefix,
    /// 3. An event that a recovery has cut never comes back.
    NoGhosts,
    /// 4. All chains verify.
    Chains,
    /// 5. Nothing is acknowledged before the disk has it.
    AheadOfDisk,
    /// 6. Damage to what is known to be durable is reported.
    Damage,
    /// 6. A loss of power alone is no damage: the log opens, and gives what it has.
    FalseAlarm,
    /// 7. Opening a recovered log again gives the same, and cuts nothing.
    Reopening,
    /// A store that has failed says so for ever, always the same.
    Poisoned,
    /// A full disk is no failure: the store goes on when there is room again.
    Room,
}

/// What was not so.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) check: Check,
    pub(crate) told: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.check, self.told)
    }
}

pub(crate) type Checked<T = ()> = Result<T, Violation>;

impl Check {
    pub(crate) fn broken(self, told: impl Into<String>) -> Violation {
        Violation { check: self, told: told.into() }
    }

    pub(crate) fn holds(self, holds: bool, told: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(self.broken(told())) }
    }
}
