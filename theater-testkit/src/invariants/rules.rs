//! Invariants about decisions: P2, P8, P9, P10. They restate OTP's rules, and share nothing with the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use theater_core::{ActorId, ExitReason, Incarnation, RestartPolicy, Strategy};
use theater_supervisor::{Decision, GiveUpCause};

use super::Found;
use super::history::{History, Phase, decision};
use crate::log::{Log, What};

/// What a supervisor has decided on a life: how often it waits, and what came of it.
#[derive(Debug, Default)]
struct Decided {
    last: Option<Decision>,
    finally: usize,
}

pub(super) fn no_lost_child(log: &Log) -> Option<Found> {
    let mut history = History::default();
    // Ends that somebody has to decide on, with the place of the end.
    let mut open: BTreeMap<(ActorId, Incarnation), usize> = BTreeMap::new();
    let mut decided: BTreeMap<(ActorId, Incarnation), Decided> = BTreeMap::new();
    // Supervisors that have restarted a group since the last rest.
    let mut groups: BTreeSet<ActorId> = BTreeSet::new();
    // Whom the calls that are not answered name.
    let mut about: BTreeMap<u64, ActorId> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        if let What::Exited { id, incarnation, reason } = &entry.what
            && let Some(known) = history.get(*id)
        {
            let above = known.parent.and_then(|parent| history.get(parent));
            let supervised =
                above.is_some_and(|above| above.supervises && above.lives() && above.asked.is_none());
            if supervised && known.asked.is_none() && *reason != ExitReason::ParentStopped {
                open.insert((*id, *incarnation), at);
            }
        }
        if let Some((supervisor, report)) = decision(entry) {
            // OTP: ends that the restart of a group finds are part of it.
            if let Decision::Restart { strategy: Strategy::OneForAll | Strategy::RestForOne, .. } =
                report.decision
            {
                groups.insert(supervisor);
            }
            let life = (report.child, report.incarnation);
            open.remove(&life);
            let decided = decided.entry(life).or_default();
            if !matches!(report.decision, Decision::Wait { .. }) {
                decided.finally += 1;
            }
            // A start that fails is decided upon again, in the name of the life before it.
            let again = matches!(decided.last, Some(Decision::Restart { .. } | Decision::Wait { .. }) | None);
            decided.last = Some(report.decision);
            if !again {
                let message = format!(
                    "the end of life {} of {} is decided upon {} times",
                    report.incarnation, report.child, decided.finally
                );
                return Found::new(at, message);
            }
        }
        match &entry.what {
            // A start that fails is decided upon in the name of the life before it.
            What::Begins { id, .. } => decided.retain(|(child, _), _| child != id),
            What::HostCalled { call, target: Some(target), .. } => {
                if let Ok(id) = target.parse::<ActorId>() {
                    about.insert(*call, id);
                }
            }
            What::HostAnswered { call, .. } => drop(about.remove(call)),
            _ => {}
        }
        // OTP: an end that a call finds is part of what the call does.
        open.retain(|(id, _), _| !about.values().any(|called| called == id));
        history.take(entry);
        // What is called for, forgotten or below an end needs no decision any more.
        open.retain(|(id, incarnation), _| {
            let Some(known) = history.get(*id) else { return false };
            let above = known.parent.and_then(|parent| history.get(parent));
            let supervised =
                above.is_some_and(|above| above.supervises && above.lives() && above.asked.is_none());
            supervised && !known.reaped && known.incarnation == *incarnation
        });
        if entry.what != What::AtRest {
            continue;
        }
        open.retain(|(id, _), _| {
            let above = history.get(*id).and_then(|known| known.parent);
            !above.is_some_and(|above| groups.contains(&above))
        });
        // A supervisor does one thing after the other: what it was told may wait behind a start or a stop.
        let at_work = |supervisor: ActorId| {
            let children = history.children(supervisor);
            let busy = |child: &super::history::Known| {
                child.phase == Phase::Starting || (child.lives() && child.asked.is_some())
            };
            children.iter().any(|(_, child)| busy(child))
        };
        groups.retain(|supervisor| at_work(*supervisor));
        let lost = open.keys().find(|(id, _)| {
            let above = history.get(*id).and_then(|known| known.parent);
            !above.is_some_and(at_work)
        });
        if let Some((id, incarnation)) = lost {
            let name = history.get(*id).map_or("", |known| &known.name);
            return Found::new(
                at,
                format!("nobody has decided on the end of life {incarnation} of `{name}`"),
            );
        }
    }
    None
}

/// OTP: whether a child with this restart policy is started again after this end. `normal`, `shutdown` and
/// `{shutdown, _}` are orderly ends.
fn starts_again(policy: RestartPolicy, reason: &ExitReason) -> bool {
    let orderly = match reason {
        ExitReason::Completed { .. }
        | ExitReason::Stopped
        | ExitReason::ParentStopped
        | ExitReason::AutoShutdown { .. } => true,
        ExitReason::Escalated { clean, .. } => *clean,
        _ => false,
    };
    match policy {
        RestartPolicy::Permanent => true,
        RestartPolicy::Transient => !orderly,
        RestartPolicy::Temporary => false,
    }
}

pub(super) fn policy(log: &Log) -> Option<Found> {
    let mut history = History::default();
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        let Some((_, report)) = decision(entry) else { continue };
        let Some(known) = history.get(report.child) else { continue };
        // A decision in the name of an earlier life is about a start that has failed since: that is tried again.
        let (Phase::Ended(reason), true) = (&known.phase, known.incarnation == report.incarnation) else {
            continue;
        };
        let again = starts_again(known.child_spec.restart, reason);
        let wrong = match report.decision {
            Decision::Restart { .. } | Decision::Wait { .. } => !again,
            Decision::GiveUp { .. } => !again,
            Decision::Leave => again,
            Decision::AutoShutdown { .. } => again || !known.child_spec.significant,
            _ => false,
        };
        if wrong {
            let policy = known.child_spec.restart.name();
            let message = format!(
                "the {policy} child `{}` ended as {}, and the decision is {:?}",
                known.name,
                reason.name(),
                report.decision
            );
            return Found::new(at, message);
        }
    }
    None
}

pub(super) fn intensity(log: &Log) -> Option<Found> {
    let mut history = History::default();
    let mut restarts: BTreeMap<ActorId, Vec<Duration>> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        if let What::Supervises { id, .. } = &entry.what {
            restarts.remove(id);
        }
        let Some((supervisor, report)) = decision(entry) else { continue };
        let Some(rules) = history.get(supervisor).and_then(|known| known.supervision) else { continue };
        let times = restarts.entry(supervisor).or_default();
        // The supervisor counts whole milliseconds: times that are less than one apart may count as equal.
        let within = |slack: Duration| {
            times
                .iter()
                .filter(|time| {
                    entry.at.saturating_sub(**time) + Duration::from_millis(1) <= rules.period + slack
                })
                .count()
        };
        match report.decision {
            Decision::Restart { .. } => {
                let before = within(Duration::ZERO);
                times.push(entry.at);
                if before + 1 > rules.intensity as usize {
                    let message = format!(
                        "{} restarts within {:?}, allowed are {}",
                        before + 1,
                        rules.period,
                        rules.intensity
                    );
                    return Found::new(at, message);
                }
            }
            Decision::GiveUp { cause: GiveUpCause::Intensity { .. } } => {
                let before = within(Duration::from_millis(2));
                if before < rules.intensity as usize {
                    let message = format!(
                        "it gives up after {before} restarts within {:?}, allowed are {}",
                        rules.period, rules.intensity
                    );
                    return Found::new(at, message);
                }
            }
            _ => {}
        }
    }
    None
}

pub(super) fn backoff(log: &Log) -> Option<Found> {
    let mut history = History::default();
    // When the next attempt may come at the earliest.
    let mut waits: BTreeMap<ActorId, Duration> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        match &entry.what {
            // Somebody who asks for a start, or stops, or a restart of the whole group, does not wait.
            What::HostCalled { .. } | What::StopAsked { .. } | What::Supervises { .. } => waits.clear(),
            _ => {}
        }
        history.take(entry);
        let Some((supervisor, report)) = decision(entry) else { continue };
        let Some(rules) = history.get(supervisor).and_then(|known| known.supervision) else { continue };
        match report.decision {
            Decision::Wait { delay_ms } => {
                let Some(backoff) = rules.backoff else {
                    return Found::new(at, "it waits without a backoff".to_owned());
                };
                let delay = Duration::from_millis(delay_ms);
                let least = Duration::from_millis(
                    u64::try_from(backoff.min.min(backoff.max).as_millis()).unwrap_or(0),
                );
                if delay < least || delay > backoff.max {
                    let message =
                        format!("it waits {delay:?}, which is not between {least:?} and {:?}", backoff.max);
                    return Found::new(at, message);
                }
                waits.insert(report.child, entry.at + delay);
            }
            Decision::Restart { .. } => {
                // Whole milliseconds again.
                if let Some(earliest) = waits.remove(&report.child)
                    && entry.at + Duration::from_millis(2) < earliest
                {
                    let message =
                        format!("a restart comes at {:?}, before its wait is over at {earliest:?}", entry.at);
                    return Found::new(at, message);
                }
            }
            _ => {}
        }
    }
    None
}
