//! What is done to a supervisor, at random.
//!
//! Targets are indices into what is there when their turn comes, so every sublist of commands makes sense and failures
//! shrink to a few.

use std::time::Duration;

use proptest::prelude::{Just, any, prop};
use proptest::prop_oneof;
use proptest::sample::Index;
use proptest::strategy::Strategy as Generate;
use theater_core::{
    AutoShutdown, Backoff, ChildSpec, ChildType, ExitReason, RestartFrom, RestartPolicy, Shutdown, Strategy,
    SupervisionSpec, Thousandths,
};
use theater_supervisor::By;

/// The period of every supervisor's intensity, in milliseconds.
pub(crate) const PERIOD: u64 = 1_000;

/// A supervisor, its declared children and the seed of its jitter.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) spec: SupervisionSpec,
    pub(crate) declared: Vec<ChildSpec>,
    pub(crate) seed: u64,
}

/// How a call names its target.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whom {
    pub(crate) child: Index,
    /// By the actor, as a guest does, or by the child's id where it has one.
    pub(crate) as_actor: bool,
    pub(crate) by: By,
}

/// How an operation on a child goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Well,
    /// A start fails, a stop is refused.
    Fails,
    /// A start is ignored.
    Ignored,
    /// A start does not end until it is given up.
    Hangs,
    /// The runtime has lost the record of the child.
    Lost,
}

#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// `start_child`: under a new id, one that may be there, or none.
    Start {
        id: Option<u8>,
        spec: ChildSpec,
        given: bool,
        by: By,
    },
    Terminate(Whom),
    Restart(Whom),
    Renew(Whom),
    Delete(Whom),
    /// A life ends by itself. The machine hears of it later.
    Crash(Index, ExitReason, Option<bool>),
    /// Two end together.
    CrashBoth(Index, Index, ExitReason),
    /// A life and the next ones end, one after the other, without a call that succeeds.
    WearOut(Index),
    /// An exit that waits to be told is lost on its way.
    Lose(Index),
    /// The machine is told of exits that it should have heard of.
    Reconcile,
    /// The runtime performs one of the operations that it was asked for.
    Perform(Index, How),
    /// The machine is told the next answer, or the next exit of a child.
    Tell(Index),
    /// The machine is told an exit again.
    TellAgain(Index),
    /// The time of a retry comes.
    Retry(Index),
    Advance(u64),
    Shutdown,
}

fn by() -> impl Generate<Value = By> {
    prop_oneof![Just(By::Guest), Just(By::Operator)]
}

fn whom() -> impl Generate<Value = Whom> {
    (any::<Index>(), any::<bool>(), by()).prop_map(|(child, as_actor, by)| Whom { child, as_actor, by })
}

fn reason() -> impl Generate<Value = ExitReason> {
    prop_oneof![
        2 => Just(ExitReason::Completed { data: None }),
        1 => Just(ExitReason::Stopped),
        1 => Just(ExitReason::Killed),
        2 => Just(ExitReason::OutOfMemory { limit: 1 }),
        5 => Just(ExitReason::Trapped { message: "unreachable".into(), backtrace: Vec::new() }),
    ]
}

fn child_spec() -> impl Generate<Value = ChildSpec> {
    let restart = prop_oneof![
        4 => Just(RestartPolicy::Permanent),
        3 => Just(RestartPolicy::Transient),
        3 => Just(RestartPolicy::Temporary),
    ];
    let shutdown = prop_oneof![
        2 => Just(Shutdown::After(Duration::from_secs(5))),
        1 => Just(Shutdown::Kill),
        1 => Just(Shutdown::Infinity),
    ];
    let child_type = prop_oneof![Just(ChildType::Worker), Just(ChildType::Supervisor)];
    let from = prop_oneof![
        6 => Just(RestartFrom::LastGood),
        1 => Just(RestartFrom::Initial),
        1 => Just(RestartFrom::Snapshot),
    ];
    (restart, shutdown, child_type, prop::bool::weighted(0.3), from).prop_map(
        |(restart, shutdown, child_type, significant, from)| {
            ChildSpec::new(restart)
                .with_shutdown(shutdown)
                .with_type(child_type)
                .with_significant(significant && restart != RestartPolicy::Permanent)
                .with_restart_from(from)
        },
    )
}

fn backoff() -> impl Generate<Value = Option<Backoff>> {
    let waits = (
        prop::sample::select(vec![0, 50, 200]),
        prop::sample::select(vec![200, 400, 3_000]),
        prop::sample::select(vec![1_000, 1_500, 2_000]),
        prop::sample::select(vec![0, 200, 1_000]),
    );
    let some = waits.prop_map(|(min, max, factor, jitter)| {
        let mut backoff = Backoff::new(Duration::from_millis(min), Duration::from_millis(max));
        (backoff.factor, backoff.jitter) = (Thousandths(factor), Thousandths(jitter));
        Some(backoff)
    });
    prop_oneof![1 => Just(None), 1 => some]
}

/// A supervisor of any kind.
pub(crate) fn setup() -> impl Generate<Value = Setup> {
    let strategy = prop_oneof![
        Just(Strategy::OneForOne),
        Just(Strategy::OneForAll),
        Just(Strategy::RestForOne),
        Just(Strategy::SimpleOneForOne),
    ];
    let auto_shutdown = prop_oneof![
        2 => Just(AutoShutdown::Never),
        1 => Just(AutoShutdown::AnySignificant),
        1 => Just(AutoShutdown::AllSignificant),
    ];
    let rules = (
        strategy,
        prop::sample::select(vec![0, 1, 2, 5, 1_000, 1_000]),
        auto_shutdown,
        backoff(),
        prop::sample::select(vec![None, Some(1), Some(1), Some(2), Some(3)]),
        prop::sample::select(vec![None, None, Some(2), Some(4)]),
    );
    let declared = prop::collection::vec(child_spec(), 0..5);
    (rules, declared, any::<u64>()).prop_map(|(rules, declared, seed)| {
        let (strategy, intensity, auto_shutdown, backoff, poison_after, max_children) = rules;
        let mut spec = SupervisionSpec::new(intensity, Duration::from_millis(PERIOD))
            .with_strategy(strategy)
            .with_auto_shutdown(auto_shutdown);
        (spec.backoff, spec.poison_after, spec.max_children) = (backoff, poison_after, max_children);
        let never = auto_shutdown == AutoShutdown::Never;
        let legal = |child: ChildSpec| child.with_significant(child.significant && !never);
        // A dynamic supervisor has a template, and no children to begin with.
        let dynamic = strategy == Strategy::SimpleOneForOne;
        let declared = if dynamic { Vec::new() } else { declared.into_iter().map(legal).collect() };
        Setup { spec, declared, seed }
    })
}

fn start() -> impl Generate<Value = Command> {
    let id = prop_oneof![1 => Just(None), 2 => (0..8_u8).prop_map(Some)];
    (id, child_spec(), any::<bool>(), by()).prop_map(|(id, spec, given, by)| Command::Start {
        id,
        spec,
        given,
        by,
    })
}

fn how() -> impl Generate<Value = How> {
    prop_oneof![
        16 => Just(How::Well),
        4 => Just(How::Fails),
        1 => Just(How::Ignored),
        1 => Just(How::Hangs),
        1 => Just(How::Lost),
    ]
}

/// Whether a call succeeded in a life. Most did not: only then the guard against poisoned states has something to say.
fn progressed() -> impl Generate<Value = Option<bool>> {
    prop_oneof![1 => Just(None), 8 => Just(Some(false)), 1 => Just(Some(true))]
}

fn command() -> impl Generate<Value = Command> {
    let jumps = vec![1, PERIOD / 4, PERIOD - 1, PERIOD, PERIOD + 1];
    prop_oneof![
        8 => start(),
        4 => whom().prop_map(Command::Terminate),
        3 => whom().prop_map(Command::Restart),
        3 => whom().prop_map(Command::Renew),
        2 => whom().prop_map(Command::Delete),
        16 => (any::<Index>(), reason(), progressed()).prop_map(|(child, reason, progressed)| Command::Crash(child, reason, progressed)),
        3 => (any::<Index>(), any::<Index>(), reason())
            .prop_map(|(one, other, reason)| Command::CrashBoth(one, other, reason)),
        1 => any::<Index>().prop_map(Command::WearOut),
        1 => any::<Index>().prop_map(Command::Lose),
        1 => Just(Command::Reconcile),
        30 => (any::<Index>(), how()).prop_map(|(which, how)| Command::Perform(which, how)),
        40 => any::<Index>().prop_map(Command::Tell),
        2 => any::<Index>().prop_map(Command::TellAgain),
        8 => any::<Index>().prop_map(Command::Retry),
        8 => prop::sample::select(jumps).prop_map(Command::Advance),
    ]
}

/// Commands, with a shutdown at any point in some.
pub(crate) fn commands() -> impl Generate<Value = Vec<Command>> {
    (prop::collection::vec(command(), 0..150), any::<Index>(), prop::bool::weighted(0.25)).prop_map(
        |(mut commands, at, early)| {
            if early {
                commands.insert(at.index(commands.len() + 1), Command::Shutdown);
            }
            commands
        },
    )
}
