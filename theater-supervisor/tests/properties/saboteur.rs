//! Machines that break the rules, to see that the properties notice.
//!
//! A saboteur stands between the world and a machine that is right: it gives it another supervision spec, tells it
//! something else, or changes what it does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorId, AutoShutdown, Backoff, ExitReason, Incarnation, RestartFrom, RestartPolicy, StopMode, Strategy,
    SupervisionSpec, Thousandths,
};
use theater_supervisor::{Action, ChildCounts, ChildKey, ChildView, Decision, Input, Machine, Outcome, Tick};

use theater_testkit::machine::{Property, Setup, Supervisor};

/// What is wrong with the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    AllowsOneMore,
    AllowsOneLess,
    WindowTooShort,
    WindowTooLong,
    WaitsTooShort,
    WaitsTooLong,
    RowNeverEnds,
    RowEndsAtOnce,
    GuardTooLate,
    GuardTooEarly,
    NoGroups,
    NoAutoShutdown,
    OneChildTooMany,
    CleanTakenForCrash,
    CrashTakenForClean,
    StaleExitHandled,
    RestartDropped,
    RetryDropped,
    TemporaryRestarted,
    EarliestStoppedFirst,
    GroupStoppedEarliestFirst,
    NeverAsks,
    StartsWhileEnding,
    EndsTooEarly,
    StopsTwice,
    ReplyLost,
    ReplyTwice,
    NoticeLost,
    NoticeTwice,
    ForgetsState,
    NamesAnother,
    ListsTwice,
    ListsInAnotherOrder,
    Miscounts,
}

impl Fault {
    /// Each with the property that notices it.
    pub(crate) const ALL: [(Self, Property); 34] = [
        (Self::AllowsOneMore, Property::Intensity),
        (Self::AllowsOneLess, Property::Intensity),
        (Self::WindowTooShort, Property::Intensity),
        (Self::WindowTooLong, Property::Intensity),
        (Self::WaitsTooShort, Property::Backoff),
        (Self::WaitsTooLong, Property::Backoff),
        (Self::RowNeverEnds, Property::Backoff),
        (Self::RowEndsAtOnce, Property::Backoff),
        (Self::GuardTooLate, Property::State),
        (Self::GuardTooEarly, Property::State),
        (Self::NoGroups, Property::Policy),
        (Self::NoAutoShutdown, Property::Policy),
        (Self::OneChildTooMany, Property::Handles),
        (Self::CleanTakenForCrash, Property::Policy),
        (Self::CrashTakenForClean, Property::Policy),
        (Self::StaleExitHandled, Property::OneIncarnation),
        (Self::RestartDropped, Property::NoLostChild),
        (Self::RetryDropped, Property::NoLostChild),
        (Self::TemporaryRestarted, Property::Policy),
        (Self::EarliestStoppedFirst, Property::StopOrder),
        (Self::GroupStoppedEarliestFirst, Property::StopOrder),
        (Self::NeverAsks, Property::StopOrder),
        (Self::StartsWhileEnding, Property::StopOrder),
        (Self::EndsTooEarly, Property::NoOrphan),
        (Self::StopsTwice, Property::OneIncarnation),
        (Self::ReplyLost, Property::Replies),
        (Self::ReplyTwice, Property::Replies),
        (Self::NoticeLost, Property::Notices),
        (Self::NoticeTwice, Property::Notices),
        (Self::ForgetsState, Property::State),
        (Self::NamesAnother, Property::Handles),
        (Self::ListsTwice, Property::OneParent),
        (Self::ListsInAnotherOrder, Property::Ids),
        (Self::Miscounts, Property::Ids),
    ];
}

/// A fault, and what it has to remember.
#[derive(Debug, Clone)]
struct Saboteur {
    fault: Fault,
    lives: BTreeMap<ActorId, (ChildKey, Incarnation)>,
    ending: bool,
}

impl Saboteur {
    fn new(fault: Fault) -> Self {
        Self { fault, lives: BTreeMap::new(), ending: false }
    }

    /// The rules by which the machine goes.
    fn spec(&self, mut spec: SupervisionSpec) -> SupervisionSpec {
        let millisecond = Duration::from_millis(1);
        match self.fault {
            Fault::AllowsOneMore => spec.intensity += 1,
            Fault::AllowsOneLess => spec.intensity = spec.intensity.saturating_sub(1),
            Fault::WindowTooShort => spec.period -= millisecond,
            Fault::WindowTooLong => spec.period += millisecond,
            Fault::NoGroups if spec.strategy != Strategy::SimpleOneForOne => {
                spec.strategy = Strategy::OneForOne
            }
            Fault::NoAutoShutdown => spec.auto_shutdown = AutoShutdown::Never,
            Fault::OneChildTooMany => spec.max_children = spec.max_children.map(|limit| limit + 1),
            Fault::GuardTooLate => spec.poison_after = spec.poison_after.map(|limit| limit + 1),
            Fault::GuardTooEarly => spec.poison_after = spec.poison_after.map(|limit| (limit - 1).max(1)),
            _ => {}
        }
        spec.backoff = spec.backoff.map(|backoff| self.backoff(backoff));
        spec
    }

    fn backoff(&self, mut backoff: Backoff) -> Backoff {
        match self.fault {
            Fault::WaitsTooShort => (backoff.min, backoff.jitter) = (backoff.min / 2, Thousandths(0)),
            Fault::WaitsTooLong => backoff.jitter = Thousandths(backoff.jitter.0 + 1_000),
            Fault::RowNeverEnds => backoff.reset_after = Duration::MAX,
            Fault::RowEndsAtOnce => backoff.reset_after = Duration::ZERO,
            _ => {}
        }
        backoff
    }

    /// What the machine is told.
    fn tell(&self, input: Input) -> Input {
        match input {
            Input::Exited { id, incarnation, reason, progressed } => {
                let crash = || ExitReason::OutOfMemory { limit: 1 };
                let reason = match self.fault {
                    Fault::CleanTakenForCrash if reason.is_clean() => Arc::new(crash()),
                    Fault::CrashTakenForClean => Arc::new(ExitReason::Completed { data: None }),
                    _ => reason,
                };
                let incarnation = match self.lives.get(&id) {
                    Some((_, life)) if self.fault == Fault::StaleExitHandled => *life,
                    _ => incarnation,
                };
                Input::Exited { id, incarnation, reason, progressed }
            }
            input => input,
        }
    }

    fn step(&mut self, machine: &mut Machine, now: Tick, input: Input, actions: &mut Vec<Action>) {
        if let Input::Started { child, id, incarnation, .. } = &input {
            self.lives.insert(*id, (*child, *incarnation));
        }
        self.ending |= matches!(input, Input::Shutdown);
        let before = machine.which_children();
        let mut done = Vec::new();
        machine.step(now, self.tell(input), &mut done);
        for action in done {
            self.ending |= matches!(&action, Action::Report(report)
                if matches!(report.decision, Decision::GiveUp { .. } | Decision::AutoShutdown { .. }));
            self.act(machine, &before, action, actions);
        }
    }

    /// What the machine does.
    fn act(&self, machine: &Machine, before: &[ChildView], action: Action, actions: &mut Vec<Action>) {
        match (self.fault, action) {
            (Fault::RestartDropped, Action::Restart { .. })
            | (Fault::RetryDropped, Action::RetryLater { .. }) => {}
            (Fault::TemporaryRestarted, Action::Report(report)) if report.decision == Decision::Leave => {
                let child =
                    report.child.filter(|id| temporary(before, *id)).and_then(|id| self.lives.get(&id));
                let restart = child.zip(report.child).map(|((child, _), id)| Action::Restart {
                    child: *child,
                    id,
                    from: RestartFrom::LastGood,
                    mode: StopMode::Kill,
                });
                actions.push(Action::Report(report));
                actions.extend(restart);
            }
            (Fault::EarliestStoppedFirst, Action::Stop { halt, mode, .. }) if self.ending => {
                // The list is latest first.
                let first = machine.which_children().into_iter().rev().find_map(|view| view.actor);
                let first = first.and_then(|id| self.lives.get(&id).map(|(child, _)| (*child, id)));
                actions.extend(first.map(|(child, id)| Action::Stop { child, id, mode, halt }));
            }
            (Fault::GroupStoppedEarliestFirst, Action::Stop { halt: true, mode, .. }) => {
                let running = |view: &ChildView| view.state != theater_supervisor::ChildState::Down;
                let first =
                    machine.which_children().into_iter().rev().filter(running).find_map(|view| view.actor);
                let first = first.and_then(|id| self.lives.get(&id).map(|(child, _)| (*child, id)));
                actions.extend(first.map(|(child, id)| Action::Stop { child, id, mode, halt: true }));
            }
            (Fault::NeverAsks, Action::Stop { child, id, halt, .. }) => {
                actions.push(Action::Stop { child, id, mode: StopMode::Kill, halt });
            }
            (Fault::StartsWhileEnding, Action::Stop { child, id, mode, halt }) if self.ending => {
                actions.push(Action::Stop { child, id, mode, halt });
                actions.push(Action::Restart { child, id, from: RestartFrom::LastGood, mode });
            }
            (Fault::EndsTooEarly, Action::Stop { .. }) if self.ending => {
                actions.push(Action::Finish(Outcome::Shutdown));
            }
            (Fault::StopsTwice, action @ Action::Stop { .. })
            | (Fault::ReplyTwice, action @ Action::Reply { .. })
            | (Fault::NoticeTwice, action @ Action::Notify { .. }) => {
                actions.extend([action.clone(), action]);
            }
            (Fault::ReplyLost, Action::Reply { .. }) | (Fault::NoticeLost, Action::Notify { .. }) => {}
            (Fault::ForgetsState, Action::Restart { child, id, mode, .. }) => {
                actions.push(Action::Restart { child, id, from: RestartFrom::Initial, mode });
            }
            (Fault::NamesAnother, Action::Reply { call, verdict: Ok(Some(_)) }) => {
                let another = ActorId::from_parts(u64::MAX >> 16, [0; 10]);
                actions.push(Action::Reply { call, verdict: Ok(Some(another)) });
            }
            (_, action) => actions.push(action),
        }
    }
}

/// A machine with a saboteur before it.
#[derive(Debug)]
pub(crate) struct Broken {
    machine: Machine,
    saboteur: Saboteur,
}

impl Broken {
    pub(crate) fn new(setup: &Setup, fault: Fault) -> Self {
        let saboteur = Saboteur::new(fault);
        Self { machine: Machine::new(saboteur.spec(setup.spec)).with_seed(setup.seed), saboteur }
    }
}

impl Supervisor for Broken {
    fn step(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>) {
        self.saboteur.step(&mut self.machine, now, input, actions);
    }

    fn which_children(&self) -> Vec<ChildView> {
        let mut views = self.machine.which_children();
        match self.saboteur.fault {
            Fault::ListsTwice => views.extend(views.last().cloned()),
            // As if a restarted child lost its place.
            Fault::ListsInAnotherOrder if views.len().is_multiple_of(2) => views.reverse(),
            _ => {}
        }
        views
    }

    fn count_children(&self) -> ChildCounts {
        let mut counts = self.machine.count_children();
        if self.saboteur.fault == Fault::Miscounts {
            counts.active += usize::from(counts.specs > counts.active);
        }
        counts
    }

    fn awaits_exit(&self, id: ActorId, incarnation: Incarnation) -> bool {
        self.machine.awaits_exit(id, incarnation)
    }
}

fn temporary(views: &[ChildView], id: ActorId) -> bool {
    views.iter().any(|view| view.actor == Some(id) && view.child_spec.restart == RestartPolicy::Temporary)
}
