//! What is done to a supervisor, at random.
//!
//! Targets are indices into what is there when their turn comes, so every sublist of commands makes sense and failures
//! shrink to a few.

use std::ops::Range;
use std::time::Duration;

use proptest::prelude::{any, prop};
use proptest::strategy::Strategy as Generate;
use theater_core::{ChildSpec, ExitReason, Strategy, SupervisionSpec};
use theater_supervisor::By;

use crate::strategy::{self, Target, weighted};

/// A supervisor, its declared children and the seed of its jitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// How it treats its children.
    pub spec: SupervisionSpec,
    /// The children that it starts with. Their ids are `0`, `1`, and so on.
    pub declared: Vec<ChildSpec>,
    /// The seed of its jitter.
    pub seed: u64,
}

/// How a call names its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whom {
    /// Which of the children.
    pub child: Target,
    /// By the actor, as a guest does, or by the child's id where it has one.
    pub as_actor: bool,
    /// Who asks.
    pub by: By,
}

/// How an operation on a child goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As it is to go.
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

/// Something that happens to a supervisor, or in the world around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `start_child`.
    Start {
        /// A new id, or one that may be there; `None` for a child without one.
        id: Option<u8>,
        /// How it is treated.
        spec: ChildSpec,
        /// Whether the call says so, or it is known only when the child runs.
        given: bool,
        /// Who asks.
        by: By,
    },
    /// `terminate_child`.
    Terminate(Whom),
    /// `restart_child`.
    Restart(Whom),
    /// The guest's `restart-child`, which OTP does not have.
    Renew(Whom),
    /// `delete_child`.
    Delete(Whom),
    /// A life ends by itself, after a call that succeeded or not, if that is known. The supervisor hears of it later.
    Crash(Target, ExitReason, Option<bool>),
    /// Two end together.
    CrashBoth(Target, Target, ExitReason),
    /// A life and the next ones end, one after the other, without a call that succeeds.
    WearOut(Target),
    /// An exit that waits to be told is lost on its way.
    Lose(Target),
    /// The supervisor is told of exits that it should have heard of.
    Reconcile,
    /// The runtime performs one of the operations that it was asked for.
    Perform(Target, How),
    /// The supervisor is told the next answer, or the next exit of a child.
    Tell(Target),
    /// The supervisor is told an exit again.
    TellAgain(Target),
    /// The time of a retry comes.
    Retry(Target),
    /// Time passes.
    Advance(Duration),
    /// The supervisor is told to end.
    Shutdown,
}

/// A supervisor of any kind, with up to four children.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::machine;
///
/// proptest!(|(setup in machine::setup())| {
///     prop_assert!(machine::run(&setup, &[]).verdict().is_ok());
/// });
/// ```
pub fn setup() -> impl Generate<Value = Setup> {
    let declared = prop::collection::vec(strategy::child_spec(), 0..5);
    (strategy::supervision_spec(), declared, strategy::seed()).prop_map(|(spec, declared, seed)| {
        // A dynamic supervisor has a template, and no children to begin with.
        let dynamic = spec.strategy == Strategy::SimpleOneForOne;
        let fit = |child| strategy::fit(child, &spec);
        let declared = if dynamic { Vec::new() } else { declared.into_iter().map(fit).collect() };
        Setup { spec, declared, seed }
    })
}

/// Names a kind of command: what it carries is generated beside it.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Advance,
    Start,
    Terminate,
    Restart,
    Renew,
    Delete,
    Crash,
    CrashBoth,
    WearOut,
    Lose,
    Reconcile,
    Perform,
    Tell,
    TellAgain,
    Retry,
}

const KINDS: &[(u32, Kind)] = &[
    (12, Kind::Advance),
    (8, Kind::Start),
    (4, Kind::Terminate),
    (3, Kind::Restart),
    (3, Kind::Renew),
    (2, Kind::Delete),
    (16, Kind::Crash),
    (3, Kind::CrashBoth),
    (1, Kind::WearOut),
    (1, Kind::Lose),
    (1, Kind::Reconcile),
    (30, Kind::Perform),
    (40, Kind::Tell),
    (2, Kind::TellAgain),
    (8, Kind::Retry),
];

const HOW: &[(u32, How)] =
    &[(16, How::Well), (4, How::Fails), (1, How::Ignored), (1, How::Hangs), (1, How::Lost)];

/// Most calls did not succeed in a life: only then the guard against poisoned states has something to say.
const PROGRESSED: &[(u32, Option<bool>)] = &[(8, Some(false)), (1, None), (1, Some(true))];

/// Few ids, so that children that are there, and some that were deleted, come up again. A third has none.
const IDS: &[(u32, Option<u8>)] = &[
    (4, None),
    (1, Some(0)),
    (1, Some(1)),
    (1, Some(2)),
    (1, Some(3)),
    (1, Some(4)),
    (1, Some(5)),
    (1, Some(6)),
    (1, Some(7)),
];

/// One command, other than the end of the supervisor.
///
/// # Examples
/// Whatever it is, on a supervisor without children it comes to little.
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::machine::{self, Setup};
///
/// let setup = Setup { spec: Default::default(), declared: Vec::new(), seed: 0 };
/// proptest!(|(command in machine::command())| {
///     prop_assert!(machine::run(&setup, &[command]).verdict().is_ok());
/// });
/// ```
pub fn command() -> impl Generate<Value = Command> {
    let call = (weighted(&[(1, By::Guest), (1, By::Operator)]), any::<bool>(), weighted(IDS));
    let crash = (strategy::exit_reason(), weighted(PROGRESSED));
    let targets = (strategy::target(), strategy::target());
    let jump = strategy::time_jump(strategy::PERIOD);
    (weighted(KINDS), targets, call, strategy::child_spec(), crash, weighted(HOW), jump).prop_map(
        |(kind, (one, other), (by, flag, id), spec, (reason, progressed), how, jump)| {
            let whom = Whom { child: one, as_actor: flag, by };
            match kind {
                Kind::Advance => Command::Advance(jump),
                Kind::Start => Command::Start { id, spec, given: flag, by },
                Kind::Terminate => Command::Terminate(whom),
                Kind::Restart => Command::Restart(whom),
                Kind::Renew => Command::Renew(whom),
                Kind::Delete => Command::Delete(whom),
                Kind::Crash => Command::Crash(one, reason, progressed),
                Kind::CrashBoth => Command::CrashBoth(one, other, reason),
                Kind::WearOut => Command::WearOut(one),
                Kind::Lose => Command::Lose(one),
                Kind::Reconcile => Command::Reconcile,
                Kind::Perform => Command::Perform(one, how),
                Kind::Tell => Command::Tell(one),
                Kind::TellAgain => Command::TellAgain(one),
                Kind::Retry => Command::Retry(one),
            }
        },
    )
}

/// As many commands, with a shutdown at any point in a quarter of the cases.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::machine;
///
/// proptest!(|(setup in machine::setup(), commands in machine::commands(0..50))| {
///     prop_assert!(machine::run(&setup, &commands).verdict().is_ok());
/// });
/// ```
pub fn commands(count: Range<usize>) -> impl Generate<Value = Vec<Command>> {
    let early = weighted(&[(3, false), (1, true)]);
    (prop::collection::vec(command(), count), strategy::target(), early).prop_map(
        |(mut commands, at, early)| {
            if early {
                let at = at.index(commands.len() + 1).unwrap_or(0);
                commands.insert(at, Command::Shutdown);
            }
            commands
        },
    )
}
