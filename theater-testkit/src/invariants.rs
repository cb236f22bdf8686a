//! What has to be so in every run, whatever happened: nineteen invariants, checked on a [`Log`].
//!
//! [`check_invariants`] finds the first that is broken and shows the shortest part of the log that breaks it. A mock runtime
//! writes logs; anybody else can write one by hand.

mod history;
mod lives;
mod messages;
mod records;
mod rules;
mod runs;
mod slice;
mod stops;

use std::fmt;

use crate::log::Log;
pub use runs::{Projected, project, refines, same_runs};

/// What has to be so in every run.
///
/// A fault that was injected ([`What::Fault`](crate::log::What::Fault)) may break a promise, so [`check_invariants`] only checks those
/// invariants on a log with faults that no fault excuses: see [`survives_faults`](Self::survives_faults).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// P1. At rest, an actor that runs has a parent that runs, or none. OTP: links between supervisor and child.
    NoOrphan,
    /// P2. At rest, every end of a supervised life that nobody asked for was decided upon, once, by the supervisor, or the
    /// supervisor has ended.
    NoLostChild,
    /// P3. An actor has the same parent in all its lives, and the parent was there before it: the parents are a forest.
    OneParent,
    /// P4. In a list of children ids and actors are unique, counts are those of the list, and temporary children are listed
    /// only while something is done with them. OTP: `which_children`, `count_children`.
    Ids,
    /// P5. A life begins when the one before has ended, and its number is one more; it runs, ends, and fails at most once;
    /// nothing happens in it after its end.
    OneIncarnation,
    /// P6. When an actor has ended nothing starts below it; children that its supervisor stops at its end are stopped latest
    /// first; and who was asked to stop is killed only when its grace is over. OTP: `terminate_children/2`.
    StopOrder,
    /// P7. When a call to stop or restart a child has succeeded, the life that it was about has ended, and after a restart
    /// a later one runs or has run.
    Handles,
    /// P8. Who is restarted is what the child's restart policy says of the end. OTP: `restart/2`.
    Policy,
    /// P9. No window of the period has more restarts than the intensity allows, and a supervisor gives up because of it only
    /// when one would have. OTP: `add_restart/1`.
    Intensity,
    /// P10. A wait before a restart is between the least and the greatest of the backoff, and is waited for.
    Backoff,
    /// P11. A life begins with the state after the last call that succeeded, or with the first state, as it is told to.
    State,
    /// P12. A message that was accepted is handled at most once or given back, not both; one sender's messages are handled in
    /// their order.
    Messages,
    /// P13. A call that names somebody who is not a child of the caller is refused.
    Isolation,
    /// P14. A call that does not wait for a child is answered within a minute; a start ends, or is given up, within a minute.
    Progress,
    /// P15. Each host call has one record before and one after on the caller's chain; each life that ran has one of its
    /// beginning and one of its end, made before anybody is told; and chains are unbroken.
    Audit,
    /// P16. A start that was refused leaves no child.
    Total,
    /// P17. A supervisor keeps nothing of temporary children that have ended.
    BoundedMemory,
    /// P18. The same seed and commands give the same log, byte for byte: [`same_runs`].
    Determinism,
    /// P19. What runs of different backends have in common is the same: [`refines`].
    Refinement,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 19] = [
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
        Self::Messages,
        Self::Isolation,
        Self::Progress,
        Self::Audit,
        Self::Total,
        Self::BoundedMemory,
        Self::Determinism,
        Self::Refinement,
    ];

    /// Its number, from 1: `P1` to `P19`.
    #[must_use]
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).expect("all of them are in the list") + 1
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoOrphan => "no orphan",
            Self::NoLostChild => "no lost child",
            Self::OneParent => "one parent",
            Self::Ids => "ids",
            Self::OneIncarnation => "one incarnation",
            Self::StopOrder => "stop order",
            Self::Handles => "handles",
            Self::Policy => "policy",
            Self::Intensity => "intensity",
            Self::Backoff => "backoff",
            Self::State => "state",
            Self::Messages => "messages",
            Self::Isolation => "isolation",
            Self::Progress => "progress",
            Self::Audit => "audit",
            Self::Total => "total",
            Self::BoundedMemory => "bounded memory",
            Self::Determinism => "determinism",
            Self::Refinement => "refinement",
        }
    }

    /// Whether it has to hold whatever faults are injected. The others need a runtime that keeps its contract.
    #[must_use]
    pub fn survives_faults(self) -> bool {
        matches!(
            self,
            Self::OneParent
                | Self::Ids
                | Self::OneIncarnation
                | Self::State
                | Self::Isolation
                | Self::Determinism
                | Self::Refinement
        )
    }

    fn find(self, log: &Log) -> Option<Found> {
        match self {
            Self::NoOrphan => lives::no_orphan(log),
            Self::NoLostChild => rules::no_lost_child(log),
            Self::OneParent => lives::one_parent(log),
            Self::Ids => lives::ids(log),
            Self::OneIncarnation => lives::one_incarnation(log),
            Self::StopOrder => stops::stop_order(log),
            Self::Handles => stops::handles(log),
            Self::Policy => rules::policy(log),
            Self::Intensity => rules::intensity(log),
            Self::Backoff => rules::backoff(log),
            Self::State => lives::state(log),
            Self::Messages => messages::messages(log),
            Self::Isolation => messages::isolation(log),
            Self::Progress => messages::progress(log),
            Self::Audit => records::audit(log),
            Self::Total => messages::total(log),
            Self::BoundedMemory => lives::bounded_memory(log),
            // One log says nothing about these.
            Self::Determinism | Self::Refinement => None,
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{} {}", self.number(), self.name())
    }
}

/// What a check found: what is wrong, and the entry that shows it.
struct Found {
    message: String,
    at: usize,
}

impl Found {
    fn new(at: usize, message: String) -> Option<Self> {
        Some(Self { message, at })
    }
}

/// An invariant that is broken.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// How.
    pub message: String,
    /// The shortest part of the log that was found to break it: without any one of its entries it would not, or not in
    /// the same way.
    pub slice: Log,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n{}", self.invariant, self.message, self.slice)
    }
}

impl std::error::Error for Violation {}

/// Checks one invariant, whatever faults the log has.
///
/// # Errors
/// The violation.
pub fn check_invariant(invariant: Invariant, log: &Log) -> Result<(), Violation> {
    match invariant.find(log) {
        None => Ok(()),
        Some(Found { message, at }) => {
            let slice =
                slice::shortest(log, at, &|log| invariant.find(log).map(|found| found.message), &message);
            Err(Violation { invariant, message, slice })
        }
    }
}

/// Checks P1 to P17 in their order: all of them, or those that [survive faults](Invariant::survives_faults) if there were any.
///
/// # Errors
/// The first violation.
///
/// # Examples
/// ```
/// use theater_core::SupervisionSpec;
/// use theater_testkit::system::{SystemSetup, run};
/// use theater_testkit::{check_invariants, crash, strategy::Cmd, strategy::Target, Program};
///
/// let setup = SystemSetup::new(SupervisionSpec::default()).children([Program::read("permanent")]);
/// let run = run(&setup, &[Cmd::Crash(Target(0), crash())])?;
/// check_invariants(&run.log)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_invariants(log: &Log) -> Result<(), Violation> {
    let faulty = log.entries().iter().any(|entry| matches!(entry.what, crate::log::What::Fault { .. }));
    let mut checked = Invariant::ALL.into_iter().filter(|invariant| !faulty || invariant.survives_faults());
    checked.try_for_each(|invariant| check_invariant(invariant, log))
}
