//! The seam: what the world needs of a supervisor.

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
