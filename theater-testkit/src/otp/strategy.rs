//! Random scenarios for proptest.
//!
//! Operations are generated as indices, and resolved against the children that are there when their turn comes. So every sublist
//! of them is a scenario too, shrinking needs no rules, and no operation comes to nothing for want of a target.

use proptest::prelude::prop;
use proptest::strategy::Strategy as Generate;

use super::model::Model;
use super::play::Player;
use super::scenario::{
    AutoShutdown, ChildPlan, Exit, Flags, Op, Restart, Scenario, Shutdown, Start, State, Step, Strategy,
};
use crate::strategy::{self, Target, weighted};

/// An id that no child ever has.
pub(super) const UNKNOWN: u32 = 99;
/// Ids that `start_child` may give: few, so that children that are there, and some that were deleted, come up again.
const IDS: u32 = 8;
/// The period in the recordings, in seconds: so long that time plays no part.
const HOUR: u64 = 3_600;

/// Scenarios, with what happens in them by the [`model`](super::model()).
///
/// All strategies but simple-one-for-one, all legal combinations of a child's restart, shutdown, type and significance,
/// starts that fail or are ignored, children that do not stop when asked, and 1 to 15 operations, fewer if the supervisor
/// ends before.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::otp;
///
/// proptest!(|(scenario in otp::strategy::scenarios())| {
///     otp::agree(&scenario, &otp::record(&scenario))?;
/// });
/// ```
pub fn scenarios() -> impl Generate<Value = Scenario> {
    let ops = prop::collection::vec(op(), 1..=15);
    (setup(), ops).prop_map(|((flags, children), ops)| resolve(flags, children, ops))
}

/// Flags, and up to five legal children under them.
pub(super) fn setup() -> impl Generate<Value = (Flags, Vec<ChildPlan>)> {
    let children = prop::collection::vec(child(declared_plan()), 0..6);
    (flags(), children).prop_map(|(flags, mut children)| {
        for (child, id) in children.iter_mut().zip(1..) {
            child.id = id;
            make_legal(child, &flags);
        }
        (flags, children)
    })
}

fn flags() -> impl Generate<Value = Flags> + Clone {
    // The recordings do not know simple-one-for-one.
    (strategy::supervision_spec(), weighted(STRATEGY)).prop_map(|(spec, strategy)| Flags {
        strategy,
        period: HOUR,
        ..Flags::from(&spec)
    })
}

const STRATEGY: &[(u32, Strategy)] =
    &[(1, Strategy::OneForOne), (1, Strategy::OneForAll), (1, Strategy::RestForOne)];

fn child(plan: impl Generate<Value = Vec<Start>> + Clone) -> impl Generate<Value = ChildPlan> + Clone {
    (strategy::child_spec(), plan, weighted(&[(17, false), (3, true)]))
        .prop_map(|(spec, plan, stubborn)| ChildPlan { plan, stubborn, ..ChildPlan::from(&spec) })
}

fn plan() -> impl Generate<Value = Vec<Start>> + Clone {
    let outcome = weighted(&[(3, Start::Ok), (3, Start::Error), (2, Start::Ignore)]);
    (weighted(&[(1, false), (1, true)]), prop::collection::vec(outcome, 1..5))
        .prop_map(|(planned, plan)| if planned { plan } else { Vec::new() })
}

/// Most first starts go well: a supervisor that does not start has nothing else to show.
fn declared_plan() -> impl Generate<Value = Vec<Start>> + Clone {
    let first = weighted(&[(40, Start::Ok), (1, Start::Error), (3, Start::Ignore)]);
    (first, plan()).prop_map(|(first, mut plan)| {
        plan.insert(0, first);
        plan
    })
}

const EXIT: &[(u32, Exit)] =
    &[(3, Exit::Boom), (1, Exit::Normal), (1, Exit::Shutdown), (1, Exit::ShutdownWith), (1, Exit::Killed)];

/// Names a kind of operation: what it carries is generated beside it.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Crash,
    CrashBoth,
    Start,
    /// A child that is not there yet.
    StartNew,
    Terminate,
    Restart,
    RestartStopped,
    Delete,
    DeleteStopped,
    Stop,
}

const KINDS: &[(u32, Kind)] = &[
    (32, Kind::Crash),
    (10, Kind::CrashBoth),
    (8, Kind::Start),
    (12, Kind::StartNew),
    (16, Kind::Terminate),
    (4, Kind::Restart),
    (16, Kind::RestartStopped),
    (5, Kind::Delete),
    (5, Kind::DeleteStopped),
    (1, Kind::Stop),
];

/// An operation whose target is not known yet.
#[derive(Debug, Clone)]
pub(super) struct RawOp {
    kind: Kind,
    one: Target,
    other: Target,
    exit: Exit,
    child: ChildPlan,
}

pub(super) fn op() -> impl Generate<Value = RawOp> + Clone {
    (weighted(KINDS), strategy::target(), strategy::target(), weighted(EXIT), child(plan()))
        .prop_map(|(kind, one, other, exit, child)| RawOp { kind, one, other, exit, child })
}

/// Takes back what OTP refuses, and what would never end: a child that ignores being asked, for as long as it likes.
fn make_legal(child: &mut ChildPlan, flags: &Flags) {
    child.significant &= child.restart != Restart::Permanent && flags.auto_shutdown != AutoShutdown::Never;
    child.stubborn &= child.shutdown != Shutdown::Infinity;
}

/// Finds a target for every operation, by doing them one after the other.
fn resolve(flags: Flags, children: Vec<ChildPlan>, ops: Vec<RawOp>) -> Scenario {
    let mut model = Model::new(&flags);
    let (init, init_events) = model.init(&children);
    let mut steps: Vec<Step> = Vec::new();
    for op in ops {
        if !model.is_alive() {
            break;
        }
        steps.extend(op.resolve(&model, &flags).map(|op| model.step(&op)));
    }
    Scenario { n: 0, flags, children, init, init_events, steps }
}

impl RawOp {
    /// The operation; `None` where nothing can be its target.
    pub(super) fn resolve(self, model: &Model, flags: &Flags) -> Option<Op> {
        let Self { kind, one, other, exit, child } = self;
        let listed = || one.of(&[model.ids(None), vec![UNKNOWN]].concat()).copied();
        let running = || one.of(&model.ids(Some(State::Running))).copied();
        let stopped = || one.of(&model.ids(Some(State::Undefined))).copied();
        let start = |id| {
            let mut child = ChildPlan { id, ..child };
            make_legal(&mut child, flags);
            Op::StartChild(child)
        };
        match kind {
            Kind::Crash => running().map(|id| Op::Crash(id, exit)),
            Kind::CrashBoth => {
                let one = running()?;
                let mut others = model.ids(Some(State::Running));
                others.retain(|id| *id != one);
                other.of(&others).map(|other| Op::CrashBoth(one, *other))
            }
            Kind::Start => one.of(&model.ids(None)).copied().map(start),
            Kind::StartNew => {
                let there = model.ids(None);
                let free: Vec<_> = (1..=IDS).filter(|id| !there.contains(id)).collect();
                one.of(&free).copied().map(start)
            }
            Kind::Terminate => listed().map(Op::TerminateChild),
            Kind::Restart => listed().map(Op::RestartChild),
            Kind::RestartStopped => stopped().map(Op::RestartChild),
            Kind::Delete => listed().map(Op::DeleteChild),
            Kind::DeleteStopped => stopped().map(Op::DeleteChild),
            Kind::Stop => Some(Op::StopSupervisor),
        }
    }
}
