//! The seam: what the world needs of a supervisor.

use std::fmt;

use theater_core::{ActorId, Incarnation};
use theater_supervisor::{Action, ChildCounts, ChildView, Input, Machine, Tick};

/// The rules of one supervisor, pure: inputs go in with their time, actions come out.
///
/// [`Machine`] is one. Whoever changes its rules wraps it, or writes another, and runs it in the same world against the
/// same properties.
///
/// # Contract
/// What [`Machine`] promises: every call gets one [`Action::Reply`], every [`Input::Begin`] one [`Action::Begun`], and
/// [`Action::Finish`] comes once, after which the supervisor does nothing but refuse.
pub trait Supervisor {
    /// Takes one input and appends what has to be done.
    fn step(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>);

    /// The children, latest start first.
    fn which_children(&self) -> Vec<ChildView>;

    /// How many children there are.
    fn count_children(&self) -> ChildCounts;

    /// Whether the exit of this life has not come yet: who knows that it ended has to say so.
    fn awaits_exit(&self, id: ActorId, incarnation: Incarnation) -> bool;
}

impl Supervisor for Machine {
    fn step(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>) {
        Self::step(self, now, input, actions);
    }

    fn which_children(&self) -> Vec<ChildView> {
        Self::which_children(self)
    }

    fn count_children(&self) -> ChildCounts {
        Self::count_children(self)
    }

    fn awaits_exit(&self, id: ActorId, incarnation: Incarnation) -> bool {
        Self::awaits_exit(self, id, incarnation)
    }
}

impl<S: Supervisor + ?Sized> Supervisor for Box<S> {
    fn step(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>) {
        (**self).step(now, input, actions);
    }

    fn which_children(&self) -> Vec<ChildView> {
        (**self).which_children()
    }

    fn count_children(&self) -> ChildCounts {
        (**self).count_children()
    }

    fn awaits_exit(&self, id: ActorId, incarnation: Incarnation) -> bool {
        (**self).awaits_exit(id, incarnation)
    }
}

/// A supervisor whose steps go otherwise: see [`altered`].
pub struct Altered<S, F> {
    supervisor: S,
    step: F,
}

/// A supervisor whose steps are taken by a closure, which is given the supervisor that is altered. It may tell that one something
/// else, and change what it did; the list of children stays that one's.
///
/// # Examples
/// A policy that leaves alone what was killed.
/// ```
/// use theater_core::ExitReason;
/// use theater_supervisor::{Input, Machine};
/// use theater_testkit::machine::{self, Setup};
///
/// let lenient = |setup: &Setup| {
///     machine::altered(machine::machine(setup), |machine, now, mut input, actions| {
///         if let Input::Exited { reason, .. } = &mut input
///             && **reason == ExitReason::Killed
///         {
///             *reason = ExitReason::Completed { data: None }.into();
///         }
///         machine.step(now, input, actions);
///     })
/// };
/// # let setup = Setup { spec: Default::default(), declared: Vec::new(), seed: 0 };
/// assert!(machine::run_on(&lenient, &setup, &[]).verdict().is_ok());
/// ```
pub fn altered<S, F>(supervisor: S, step: F) -> Altered<S, F>
where
    S: Supervisor,
    F: FnMut(&mut S, Tick, Input, &mut Vec<Action>),
{
    Altered { supervisor, step }
}

impl<S: fmt::Debug, F> fmt::Debug for Altered<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Altered").field("supervisor", &self.supervisor).finish_non_exhaustive()
    }
}

impl<S, F> Supervisor for Altered<S, F>
where
    S: Supervisor,
    F: FnMut(&mut S, Tick, Input, &mut Vec<Action>),
{
    fn step(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>) {
        (self.step)(&mut self.supervisor, now, input, actions);
    }

    fn which_children(&self) -> Vec<ChildView> {
        self.supervisor.which_children()
    }

    fn count_children(&self) -> ChildCounts {
        self.supervisor.count_children()
    }

    fn awaits_exit(&self, id: ActorId, incarnation: Incarnation) -> bool {
        self.supervisor.awaits_exit(id, incarnation)
    }
}
