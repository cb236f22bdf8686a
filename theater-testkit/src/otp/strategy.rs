//! Random scenarios for proptest.
//!
//! Operations are generated as indices, and resolved against the children that are there when their turn comes. So every sublist
//! of them is a scenario too, shrinking needs no rules, and no operation comes to nothing for want of a target.

use proptest::prelude::{Just, any, prop};
use proptest::prop_oneof;
use proptest::sample::Index;
use proptest::strategy::Strategy as Generate;

use super::model::Model;
use super::scenario::{
    AutoShutdown, ChildPlan, ChildType, Exit, Flags, Op, Restart, Scenario, Shutdown, Start, State, Step,
    Strategy,
};

/// An id that no child ever has.
const UNKNOWN: u32 = 99;
/// Ids that `start_child` may give: few, so that children that are there, and some that were deleted, come up again.
const IDS: u32 = 8;

/// Scenarios, with what happens in them by the [`model`](super::model()).
///
/// All strategies, all legal combinations of a child's restart, shutdown, type and significance, starts that fail or are
/// ignored, children that do not stop when asked, and 1 to 15 operations, fewer if the supervisor ends before.
pub fn scenarios() -> impl Generate<Value = Scenario> {
    let children = prop::collection::vec(child(declared_plan()), 0..6);
    let ops = prop::collection::vec(op(), 1..=15);
    (flags(), children, ops).prop_map(|(flags, mut children, ops)| {
        for (child, id) in children.iter_mut().zip(1..) {
            child.id = id;
            make_legal(child, &flags);
        }
        resolve(flags, children, ops)
    })
}

/// An operation whose target is not known yet.
#[derive(Debug, Clone)]
enum RawOp {
    Crash(Index, Exit),
    CrashBoth(Index, Index),
    Start(Index, ChildPlan),
    /// A child that is not there yet.
    StartNew(Index, ChildPlan),
    Terminate(Index),
    Restart(Index),
    RestartStopped(Index),
    Delete(Index),
    DeleteStopped(Index),
    Stop,
}

fn flags() -> impl Generate<Value = Flags> {
    let strategy =
        prop_oneof![Just(Strategy::OneForOne), Just(Strategy::OneForAll), Just(Strategy::RestForOne)];
    let auto_shutdown = prop_oneof![
        2 => Just(AutoShutdown::Never),
        1 => Just(AutoShutdown::AnySignificant),
        1 => Just(AutoShutdown::AllSignificant),
    ];
    let intensity = prop::sample::select(vec![0, 1, 2, 3, 5, 20, 20]);
    (strategy, intensity, auto_shutdown).prop_map(|(strategy, intensity, auto_shutdown)| Flags {
        strategy,
        intensity,
        period: 3_600,
        auto_shutdown,
    })
}

fn child(plan: impl Generate<Value = Vec<Start>>) -> impl Generate<Value = ChildPlan> {
    let restart = prop_oneof![3 => Just(Restart::Permanent), 4 => Just(Restart::Transient), 4 => Just(Restart::Temporary)];
    let shutdown = prop_oneof![
        4 => Just(Shutdown::After(5_000)),
        2 => Just(Shutdown::BrutalKill),
        2 => Just(Shutdown::Infinity),
        1 => Just(Shutdown::After(0)),
    ];
    let child_type = prop_oneof![3 => Just(ChildType::Worker), 1 => Just(ChildType::Supervisor)];
    (restart, shutdown, child_type, any::<bool>(), plan, prop::bool::weighted(0.15)).prop_map(
        |(restart, shutdown, child_type, significant, plan, stubborn)| ChildPlan {
            id: 0,
            restart,
            shutdown,
            child_type,
            significant,
            plan,
            stubborn,
        },
    )
}

fn outcome() -> impl Generate<Value = Start> {
    prop_oneof![3 => Just(Start::Ok), 3 => Just(Start::Error), 2 => Just(Start::Ignore)]
}

fn plan() -> impl Generate<Value = Vec<Start>> {
    prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(outcome(), 1..5)]
}

/// Most first starts go well: a supervisor that does not start has nothing else to show.
fn declared_plan() -> impl Generate<Value = Vec<Start>> {
    let first = prop_oneof![40 => Just(Start::Ok), 1 => Just(Start::Error), 3 => Just(Start::Ignore)];
    (first, plan()).prop_map(|(first, mut plan)| {
        plan.insert(0, first);
        plan
    })
}

fn exit() -> impl Generate<Value = Exit> {
    prop_oneof![
        3 => Just(Exit::Boom),
        1 => Just(Exit::Normal),
        1 => Just(Exit::Shutdown),
        1 => Just(Exit::ShutdownWith),
        1 => Just(Exit::Killed),
    ]
}

fn op() -> impl Generate<Value = RawOp> {
    prop_oneof![
        32 => (any::<Index>(), exit()).prop_map(|(target, exit)| RawOp::Crash(target, exit)),
        10 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| RawOp::CrashBoth(one, other)),
        8 => (any::<Index>(), child(plan())).prop_map(|(target, child)| RawOp::Start(target, child)),
        12 => (any::<Index>(), child(plan())).prop_map(|(target, child)| RawOp::StartNew(target, child)),
        16 => any::<Index>().prop_map(RawOp::Terminate),
        4 => any::<Index>().prop_map(RawOp::Restart),
        16 => any::<Index>().prop_map(RawOp::RestartStopped),
        5 => any::<Index>().prop_map(RawOp::Delete),
        5 => any::<Index>().prop_map(RawOp::DeleteStopped),
        1 => Just(RawOp::Stop),
    ]
}

/// Takes back what OTP refuses, and what would never end: a child that ignores being asked, for as long as it likes.
fn make_legal(child: &mut ChildPlan, flags: &Flags) {
    child.significant &= child.restart != Restart::Permanent && flags.auto_shutdown != AutoShutdown::Never;
    child.stubborn &= child.shutdown != Shutdown::Infinity;
}

/// Finds a target for every operation, by doing them one after the other.
fn resolve(flags: Flags, children: Vec<ChildPlan>, ops: Vec<RawOp>) -> Scenario {
    let mut model = Model::new(&flags, None);
    let init = model.init(&children);
    let init_events = std::mem::take(&mut model.events);
    let mut steps: Vec<Step> = Vec::new();
    for op in ops {
        if !model.alive {
            break;
        }
        steps.extend(target(&model, &flags, op).map(|op| model.step(&op)));
    }
    Scenario { n: 0, flags, children, init, init_events, steps }
}

/// `None` where nothing can be the target.
fn target(model: &Model, flags: &Flags, op: RawOp) -> Option<Op> {
    let pick = |ids: Vec<u32>, index: Index| (!ids.is_empty()).then(|| *index.get(&ids));
    let listed = |index| {
        let mut ids = model.ids(None);
        ids.push(UNKNOWN);
        pick(ids, index)
    };
    let running = |index| pick(model.ids(Some(State::Running)), index);
    let stopped = |index| pick(model.ids(Some(State::Undefined)), index);
    let start = |id, child: ChildPlan| {
        let mut child = ChildPlan { id, ..child };
        make_legal(&mut child, flags);
        Op::StartChild(child)
    };
    match op {
        RawOp::Crash(index, exit) => running(index).map(|id| Op::Crash(id, exit)),
        RawOp::CrashBoth(one, other) => {
            let one = running(one)?;
            let others = model.ids(Some(State::Running)).into_iter().filter(|id| *id != one).collect();
            pick(others, other).map(|other| Op::CrashBoth(one, other))
        }
        RawOp::Start(index, child) => pick(model.ids(None), index).map(|id| start(id, child)),
        RawOp::StartNew(index, child) => {
            let there = model.ids(None);
            pick((1..=IDS).filter(|id| !there.contains(id)).collect(), index).map(|id| start(id, child))
        }
        RawOp::Terminate(index) => listed(index).map(Op::TerminateChild),
        RawOp::Restart(index) => listed(index).map(Op::RestartChild),
        RawOp::RestartStopped(index) => stopped(index).map(Op::RestartChild),
        RawOp::Delete(index) => listed(index).map(Op::DeleteChild),
        RawOp::DeleteStopped(index) => stopped(index).map(Op::DeleteChild),
        RawOp::Stop => Some(Op::StopSupervisor),
    }
}
