//! Running cases, and what comes of it.

use std::collections::BTreeMap;
use std::fmt;

use theater_supervisor::{Action, ChildView, Input, Machine};

use super::command::{Command, Setup};
use super::property::Property;
use super::supervisor::Supervisor;
use super::world::World;

/// One step of a supervisor.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Moment {
    /// When, in milliseconds.
    pub at: u64,
    /// What it was told.
    pub input: Input,
    /// What it did.
    pub actions: Vec<Action>,
    /// Its children after that, in start order.
    pub children: Vec<ChildView>,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms  {:?}", self.at, self.input)?;
        self.actions.iter().try_for_each(|action| write!(f, "\n      {action:?}"))
    }
}

/// A property that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{property}, step {step}: {what}")]
#[non_exhaustive]
pub struct Violation {
    /// The property.
    pub property: Property,
    /// The step in which it was first broken, from 0: the position of its [`Moment`].
    pub step: usize,
    /// What went on.
    pub what: String,
}

/// What came of one case.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Run {
    /// The properties that did not hold, each with the first violation.
    pub violations: BTreeMap<Property, Violation>,
    /// What came up, and how often: whether random cases are worth something.
    pub labels: BTreeMap<&'static str, u32>,
    /// How many inputs the supervisor was given.
    pub steps: usize,
    /// Every step, where the run was [`trace`]d; empty otherwise.
    pub trace: Vec<Moment>,
}

impl Run {
    /// Whether all properties hold.
    ///
    /// # Errors
    /// The violation that came first.
    pub fn verdict(&self) -> Result<(), Violation> {
        let first = self.violations.values().min_by_key(|violation| violation.step);
        first.map_or(Ok(()), |violation| Err(violation.clone()))
    }

    /// Whether a property holds.
    ///
    /// # Errors
    /// Its first violation.
    pub fn holds(&self, property: Property) -> Result<(), Violation> {
        self.violations.get(&property).map_or(Ok(()), |violation| Err(violation.clone()))
    }
}

/// Runs a case on the [`Machine`]: begins, performs the commands, lets everything come to rest, ends the supervisor, and
/// checks every step.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::machine;
///
/// proptest!(|(setup in machine::setup(), commands in machine::commands(0..50))| {
///     machine::run(&setup, &commands).verdict()?;
/// });
/// ```
#[must_use]
pub fn run(setup: &Setup, commands: &[Command]) -> Run {
    run_on(&machine, setup, commands)
}

/// The [`Machine`] for a setup: what [`run`] runs on, and what own rules may wrap.
#[must_use]
pub fn machine(setup: &Setup) -> Machine {
    Machine::new(setup.spec).with_seed(setup.seed)
}

/// Runs a case on own rules.
///
/// # Examples
/// Rules that forget every other retry are noticed.
/// ```
/// use proptest::test_runner::TestRunner;
/// use theater_supervisor::{Action, Machine};
/// use theater_testkit::machine::{self, Setup};
///
/// let forgetful = |setup: &Setup| {
///     machine::altered(machine::machine(setup), |machine, now, input, actions| {
///         machine.step(now, input, actions);
///         actions.retain(|action| !matches!(action, Action::RetryLater { attempt, .. } if attempt % 2 == 1));
///     })
/// };
///
/// let cases = (machine::setup(), machine::commands(0..50));
/// let found = TestRunner::deterministic().run(&cases, |(setup, commands)| {
///     machine::run_on(&forgetful, &setup, &commands).verdict()?;
///     Ok(())
/// });
/// assert!(found.unwrap_err().to_string().contains("P2 no lost child"));
/// ```
#[must_use]
pub fn run_on<S: Supervisor>(make: &impl Fn(&Setup) -> S, setup: &Setup, commands: &[Command]) -> Run {
    World::new(make(setup), setup, false).run(commands)
}

/// The same as [`run_on`], and keeps every step.
#[must_use]
pub fn trace<S: Supervisor>(make: &impl Fn(&Setup) -> S, setup: &Setup, commands: &[Command]) -> Run {
    World::new(make(setup), setup, true).run(commands)
}

/// Whether these properties hold in a case, for a test that reports what led to the first violation, step by step.
///
/// # Errors
/// The first violation, and every step up to it as text.
pub fn check<S: Supervisor>(
    make: &impl Fn(&Setup) -> S,
    setup: &Setup,
    commands: &[Command],
    properties: &[Property],
) -> Result<(), Failure> {
    let find = |run: &Run| {
        let broken = properties.iter().filter_map(|property| run.violations.get(property));
        broken.min_by_key(|violation| violation.step).cloned()
    };
    let Some(violation) = find(&run_on(make, setup, commands)) else { return Ok(()) };
    let mut trace = trace(make, setup, commands).trace;
    trace.truncate(violation.step + 1);
    Err(Failure { violation, trace })
}

/// A violation, and what led to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Failure {
    /// The violation.
    pub violation: Violation,
    /// Every step up to it.
    pub trace: Vec<Moment>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.violation)?;
        self.trace.iter().zip(0..).try_for_each(|(moment, step)| writeln!(f, "{step:4} {moment}"))
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.violation)
    }
}
