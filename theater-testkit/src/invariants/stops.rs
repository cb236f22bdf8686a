//! Invariants about ends that were asked for: P6, P7.

use std::collections::BTreeMap;

use theater_core::{ActorId, ExitReason, Incarnation, RestartPolicy, StopMode, Strategy};

use super::Found;
use super::history::{History, Phase};
use crate::log::{Log, What};

pub(super) fn stop_order(log: &Log) -> Option<Found> {
    let mut history = History::default();
    // Of each supervisor that is ending: the place of the child that it stopped last.
    let mut stopping: BTreeMap<ActorId, usize> = BTreeMap::new();
    // Of each guest: how many calls are not answered.
    let mut open: BTreeMap<ActorId, usize> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        match &entry.what {
            What::Begins { parent: Some(parent), name, .. } => {
                if let Some(above) = history.get(*parent)
                    && matches!(above.phase, Phase::Ended(_))
                {
                    return Found::new(
                        at,
                        format!("`{name}` is started below `{}`, which has ended", above.name),
                    );
                }
            }
            // A kill may be anybody's.
            What::StopAsked { id, mode, .. } if *mode != StopMode::Kill => {
                // Only one that has nothing else under way: what it began before goes on beside the end.
                let quiet = history.children(*id).iter().all(|(_, child)| {
                    child.phase != Phase::Starting && !(child.lives() && child.asked.is_some())
                });
                let calls = open.get(id).copied().unwrap_or_default();
                if quiet && calls == 0 && history.get(*id).is_some_and(|known| known.supervises) {
                    stopping.insert(*id, usize::MAX);
                }
                // A temporary child that is started once more has another place.
                let known =
                    history.get(*id).filter(|known| known.child_spec.restart != RestartPolicy::Temporary);
                let above = known.and_then(|known| known.parent).and_then(|parent| {
                    let place = stopping.get_mut(&parent)?;
                    let rules = history.get(parent)?.supervision?;
                    (rules.strategy != Strategy::SimpleOneForOne).then_some(place)
                });
                if let (Some(known), Some(place)) = (known, above) {
                    if known.place > *place {
                        let message =
                            format!("`{}` is stopped after a child that was started before it", known.name);
                        return Found::new(at, message);
                    }
                    *place = known.place;
                }
            }
            What::Exited { id, reason: ExitReason::Killed, .. } => {
                if let Some(known) = history.get(*id)
                    && let Some((asked, StopMode::Graceful(grace))) = known.asked
                    && entry.at < asked + grace
                    && !killed(log, at, *id)
                {
                    let after = entry.at - asked;
                    let message =
                        format!("`{}` is killed after {after:?}, its grace is {grace:?}", known.name);
                    return Found::new(at, message);
                }
            }
            What::SupervisorEnded { id, .. } => drop(stopping.remove(id)),
            What::HostCalled { caller, .. } => {
                *open.entry(*caller).or_default() += 1;
                stopping.remove(caller);
            }
            What::HostAnswered { caller, .. } => {
                let calls = open.entry(*caller).or_default();
                *calls = calls.saturating_sub(1);
            }
            _ => {}
        }
        history.take(entry);
    }
    None
}

/// Whether somebody has ended the current life of an actor without asking.
fn killed(log: &Log, at: usize, actor: ActorId) -> bool {
    let before = log.entries()[..at].iter().rev();
    let mut before =
        before.take_while(|entry| !matches!(&entry.what, What::Begins { id, .. } if *id == actor));
    before
        .any(|entry| matches!(&entry.what, What::StopAsked { id, mode: StopMode::Kill, .. } if *id == actor))
}

pub(super) fn handles(log: &Log) -> Option<Found> {
    let mut history = History::default();
    let mut calls: BTreeMap<u64, (&'static str, ActorId, Incarnation)> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        match &entry.what {
            What::HostCalled { call, function, target: Some(target), .. } => {
                if let Ok(id) = target.parse::<ActorId>()
                    && let Some(known) = history.get(id)
                {
                    calls.insert(*call, (function, id, known.incarnation));
                }
            }
            What::HostAnswered { call, answer: Ok(_), .. } => {
                let Some((function, id, incarnation)) = calls.remove(call) else { continue };
                let Some(known) = history.get(id) else { continue };
                let over = known.incarnation > incarnation || matches!(known.phase, Phase::Ended(_));
                let wrong = match function {
                    "stop-child" => !over,
                    "restart-child" => known.incarnation == incarnation,
                    _ => false,
                };
                if wrong {
                    let message = format!(
                        "{function} has succeeded, and life {incarnation} of `{}` goes on",
                        known.name
                    );
                    return Found::new(at, message);
                }
            }
            _ => {}
        }
    }
    None
}
