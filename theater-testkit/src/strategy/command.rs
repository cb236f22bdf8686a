//! What can be done to a supervisor and its children on any runtime.

use std::ops::Range;
use std::time::Duration;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use theater_core::{Bytes, ExitReason};

use super::exit::exit_reason;
use super::program::{act, program};
use super::spec::PERIOD;
use super::target::{Target, target, time_jump};
use super::weighted::weighted;
use crate::act::Act;
use crate::program::Program;

/// Something that is done to a supervisor or its children.
///
/// Targets are resolved against the children that are there when the command's turn comes. Where there are none, the
/// command comes to nothing: so every sublist of commands is a case.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cmd {
    /// `start_child`, or the guest's `spawn`.
    Start(Box<Program>),
    /// The guest's `resume`, with this state.
    Resume(Box<Program>, Bytes),
    /// `terminate_child`, or the guest's `stop-child`.
    Terminate(Target),
    /// `restart_child`: start a child that does not run.
    Restart(Target),
    /// The guest's `restart-child`: end a life, if there is one, and start the next.
    Renew(Target),
    /// `delete_child`.
    Delete(Target),
    /// `get-child-state`.
    GetState(Target),
    /// `get-child-events`.
    GetEvents(Target),
    /// `which_children`, or the guest's `list-children`.
    List,
    /// A child does something, in a call of its own.
    Send(Target, Act),
    /// A child's life ends by itself.
    Crash(Target, ExitReason),
    /// Several end before the supervisor hears of any.
    CrashTogether(Vec<Target>, ExitReason),
    /// Time passes.
    Advance(Duration),
    /// The supervisor is told to end.
    Shutdown,
    /// The same by an actor that is not the parent: one of those that are there. It has to be refused.
    AsStranger(Target, Box<Cmd>),
}

impl Cmd {
    /// The children that it is about.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        match self {
            Self::Terminate(target)
            | Self::Restart(target)
            | Self::Renew(target)
            | Self::Delete(target)
            | Self::GetState(target)
            | Self::GetEvents(target)
            | Self::Send(target, _)
            | Self::Crash(target, _) => vec![*target],
            Self::CrashTogether(targets, _) => targets.clone(),
            Self::AsStranger(_, command) => command.targets(),
            _ => Vec::new(),
        }
    }
}

/// Names a kind of command: what it carries is generated beside it.
#[derive(Debug, Clone, Copy)]
enum Kind {
    List,
    Advance,
    Start,
    Resume,
    Terminate,
    Restart,
    Renew,
    Delete,
    GetState,
    GetEvents,
    Send,
    Crash,
    CrashTogether,
    AsStranger,
    Shutdown,
}

const KINDS: &[(u32, Kind)] = &[
    (2, Kind::List),
    (12, Kind::Advance),
    (14, Kind::Start),
    (2, Kind::Resume),
    (5, Kind::Terminate),
    (4, Kind::Restart),
    (5, Kind::Renew),
    (4, Kind::Delete),
    (2, Kind::GetState),
    (2, Kind::GetEvents),
    (6, Kind::Send),
    (22, Kind::Crash),
    (6, Kind::CrashTogether),
    (4, Kind::AsStranger),
    (1, Kind::Shutdown),
];

/// What somebody who is not the parent may try: everything that names a child.
const BY_STRANGERS: &[(u32, Kind)] = &[
    (1, Kind::GetState),
    (1, Kind::GetEvents),
    (1, Kind::Renew),
    (1, Kind::Terminate),
    (1, Kind::Restart),
    (1, Kind::Delete),
];

/// One command. Time jumps to the edges of a window of [`PERIOD`].
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy::{self, Cmd};
///
/// proptest!(|(command in strategy::command())| {
///     if let Cmd::AsStranger(_, command) = &command {
///         prop_assert_eq!(command.targets().len(), 1);
///     }
/// });
/// ```
pub fn command() -> impl Strategy<Value = Cmd> + Clone {
    let kinds = (weighted(KINDS), weighted(BY_STRANGERS));
    let targets = (target(), target(), vec(target(), 0..3));
    (kinds, targets, program(), act(), exit_reason(), time_jump(PERIOD)).prop_map(
        |((kind, stolen), (one, other, mut more), program, act, reason, jump)| match kind {
            Kind::List => Cmd::List,
            Kind::Advance => Cmd::Advance(jump),
            Kind::Start => Cmd::Start(Box::new(program)),
            Kind::Resume => Cmd::Resume(Box::new(program), Bytes::from_static(b"resumed")),
            Kind::Send => Cmd::Send(one, act),
            Kind::Crash => Cmd::Crash(one, reason),
            Kind::CrashTogether => {
                more.extend([one, other]);
                Cmd::CrashTogether(more, reason)
            }
            Kind::AsStranger => Cmd::AsStranger(other, Box::new(about(stolen, one))),
            Kind::Shutdown => Cmd::Shutdown,
            kind => about(kind, one),
        },
    )
}

/// A command that is about one child and carries nothing else.
fn about(kind: Kind, target: Target) -> Cmd {
    match kind {
        Kind::Terminate => Cmd::Terminate(target),
        Kind::Restart => Cmd::Restart(target),
        Kind::Renew => Cmd::Renew(target),
        Kind::Delete => Cmd::Delete(target),
        Kind::GetEvents => Cmd::GetEvents(target),
        _ => Cmd::GetState(target),
    }
}

/// As many commands.
///
/// # Examples
/// Against a list of children that comes and goes: whatever is left out, the rest is a case.
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy::{self, Cmd};
///
/// proptest!(|(commands in strategy::commands(0..40), left_out in strategy::target())| {
///     let mut commands = commands;
///     if let Some(index) = left_out.index(commands.len()) {
///         commands.remove(index);
///     }
///     let mut children = Vec::new();
///     for command in commands {
///         match command {
///             Cmd::Start(program) => children.push(program),
///             Cmd::Delete(target) => {
///                 target.index(children.len()).map(|index| children.remove(index));
///             }
///             _ => {}
///         }
///     }
/// });
/// ```
pub fn commands(count: Range<usize>) -> impl Strategy<Value = Vec<Cmd>> + Clone {
    vec(command(), count)
}
