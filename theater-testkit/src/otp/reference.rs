//! The model as a reference for `proptest-state-machine`.

use proptest::strategy::{BoxedStrategy, Just, Strategy};
use proptest_state_machine::ReferenceStateMachine;

use super::model::Model;
use super::play::Player;
use super::scenario::{ChildPlan, Event, Flags, InitOutcome, Op, State, Step};
use super::strategy::{UNKNOWN, op, setup};

/// The [`Model`] as a [`ReferenceStateMachine`]: the system under test is told the operations of [`Op`], one after the
/// other, and each has to give what [`Reference::last`] says.
///
/// Targets come from the children that are there, and the preconditions demand the same, so a case stays one when it
/// shrinks.
///
/// # Examples
/// ```
/// use proptest::test_runner::Config;
/// use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
/// use theater_testkit::otp::{Op, Player, Reference, RulesPlayer};
///
/// struct MachineTest;
///
/// impl StateMachineTest for MachineTest {
///     type SystemUnderTest = RulesPlayer;
///     type Reference = Reference;
///
///     fn init_test(reference: &Reference) -> RulesPlayer {
///         let mut machine = RulesPlayer::new(reference.flags());
///         assert_eq!(&machine.init(reference.children()), reference.begun());
///         machine
///     }
///
///     fn apply(mut machine: RulesPlayer, reference: &Reference, op: Op) -> RulesPlayer {
///         assert_eq!(Some(&machine.step(&op)), reference.last());
///         machine
///     }
/// }
///
/// prop_state_machine! {
///     #![proptest_config(Config { failure_persistence: None, ..Config::default() })]
/// #   /*
///     #[test]
/// #   */
///     fn the_machine_does_what_the_model_does(sequential 1..20 => MachineTest);
/// }
/// # the_machine_does_what_the_model_does();
/// ```
#[derive(Debug, Clone)]
pub struct Reference {
    flags: Flags,
    children: Vec<ChildPlan>,
    begun: (InitOutcome, Vec<Event>),
    model: Model,
    last: Option<Step>,
}

impl Reference {
    /// A supervisor that has begun with these children.
    #[must_use]
    pub fn new(flags: Flags, children: Vec<ChildPlan>) -> Self {
        let mut model = Model::new(&flags);
        let begun = model.init(&children);
        Self { flags, children, begun, model, last: None }
    }

    /// The supervisor's flags.
    #[must_use]
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// The children that it began with.
    #[must_use]
    pub fn children(&self) -> &[ChildPlan] {
        &self.children
    }

    /// How its beginning went.
    #[must_use]
    pub fn begun(&self) -> &(InitOutcome, Vec<Event>) {
        &self.begun
    }

    /// What the last operation gave; `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<&Step> {
        self.last.as_ref()
    }

    /// The model as it is now.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Op;

    fn init_state() -> BoxedStrategy<Self> {
        setup().prop_map(|(flags, children)| Self::new(flags, children)).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Op> {
        if !state.model.is_alive() {
            return Just(Op::StopSupervisor).boxed();
        }
        let (model, flags) = (state.model.clone(), state.flags.clone());
        let nothing = Op::TerminateChild(UNKNOWN);
        op().prop_map(move |op| op.resolve(&model, &flags).unwrap_or_else(|| nothing.clone())).boxed()
    }

    fn apply(mut state: Self, op: &Op) -> Self {
        state.last = Some(state.model.step(op));
        state
    }

    fn preconditions(state: &Self, op: &Op) -> bool {
        let running = state.model.ids(Some(State::Running));
        match op {
            // What has no process cannot end by itself.
            Op::Crash(id, _) => running.contains(id),
            Op::CrashBoth(one, other) => one != other && running.contains(one) && running.contains(other),
            _ => true,
        }
    }
}
