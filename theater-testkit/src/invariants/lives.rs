//! Invariants about lives: P1, P3, P4, P5, P11, P17.

use std::collections::BTreeSet;

use theater_core::{ExitReason, Incarnation, RestartFrom, RestartPolicy};
use theater_supervisor::ChildState;

use super::Found;
use super::history::{History, Phase};
use crate::log::{Log, What};

pub(super) fn no_orphan(log: &Log) -> Option<Found> {
    let mut history = History::default();
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        if entry.what != What::AtRest {
            continue;
        }
        for known in history.actors.values().filter(|known| known.lives()) {
            let orphaned = known
                .parent
                .and_then(|parent| history.get(parent))
                .filter(|parent| !matches!(parent.phase, Phase::Running | Phase::Starting));
            if let Some(parent) = orphaned {
                let message = format!("`{}` runs, but its parent `{}` has ended", known.name, parent.name);
                return Found::new(at, message);
            }
        }
    }
    None
}

pub(super) fn one_parent(log: &Log) -> Option<Found> {
    let mut history = History::default();
    for (at, entry) in log.entries().iter().enumerate() {
        if let What::Begins { id, parent, name, .. } = &entry.what {
            if let Some(known) = history.get(*id)
                && known.parent != *parent
            {
                return Found::new(at, format!("`{name}` has another parent than in its life before"));
            }
            // A parent that is not known yet may stand outside of this part of the log, but must not come later.
            if let Some(parent) = parent
                && (parent == id || later(log, at, *parent))
            {
                return Found::new(at, format!("`{name}` begins before its parent does"));
            }
        }
        history.take(entry);
    }
    None
}

/// Whether the first life of an actor begins after an entry.
fn later(log: &Log, at: usize, actor: theater_core::ActorId) -> bool {
    let first = |what: &What| matches!(what, What::Begins { id, incarnation, .. } if *id == actor && *incarnation == Incarnation::FIRST);
    log.entries()[at + 1..].iter().any(|entry| first(&entry.what))
}

pub(super) fn ids(log: &Log) -> Option<Found> {
    for (at, entry) in log.entries().iter().enumerate() {
        let What::Listed { children, counts, .. } = &entry.what else { continue };
        let at_work = children.iter().filter(|child| {
            matches!(child.state, ChildState::Starting | ChildState::Stopping | ChildState::Restarting)
        });
        let at_work = at_work.count();
        let (mut ids, mut actors) = (BTreeSet::new(), BTreeSet::new());
        for child in children {
            if child.id.as_ref().is_some_and(|id| !ids.insert(id)) {
                return Found::new(at, format!("two children have the id {:?}", child.id));
            }
            if child.actor.is_some_and(|actor| !actors.insert(actor)) {
                return Found::new(at, format!("two children are the actor {:?}", child.actor));
            }
            let temporary = child.child_spec.restart == RestartPolicy::Temporary;
            if temporary && at_work == 0 && child.state == ChildState::Down {
                return Found::new(
                    at,
                    format!("a temporary child is kept that does not run: {:?}", child.id),
                );
            }
        }
        let count =
            |what: fn(&theater_supervisor::ChildView) -> bool| children.iter().filter(|it| what(it)).count();
        let supervisor = |child: &theater_supervisor::ChildView| {
            child.child_spec.child_type == theater_core::ChildType::Supervisor
        };
        let wanted = (children.len(), count(supervisor), children.len() - count(supervisor));
        if (counts.specs, counts.supervisors, counts.workers) != wanted {
            return Found::new(at, format!("the counts are {counts:?}, the list has {wanted:?}"));
        }
        let running = count(|child| child.state == ChildState::Running);
        // Whom something is done with may count or not.
        let active = running..=running + at_work;
        if !active.contains(&counts.active) {
            return Found::new(at, format!("{} children are active, the list has {running}", counts.active));
        }
    }
    None
}

pub(super) fn one_incarnation(log: &Log) -> Option<Found> {
    let mut history = History::default();
    for (at, entry) in log.entries().iter().enumerate() {
        let wrong = match &entry.what {
            What::Begins { id, incarnation, .. } => match history.get(*id) {
                None => None,
                Some(known) if !matches!(known.phase, Phase::Ended(_)) => Some(format!(
                    "life {incarnation} of `{}` begins before life {} has ended",
                    known.name, known.incarnation
                )),
                Some(known) if *incarnation != known.incarnation.next() => {
                    Some(format!("life {incarnation} of `{}` follows life {}", known.name, known.incarnation))
                }
                Some(_) => None,
            },
            What::Started { id, incarnation } | What::StartFailed { id, incarnation, .. } => {
                history.get(*id).and_then(|known| {
                    let starting = known.phase == Phase::Starting && known.incarnation == *incarnation;
                    (!starting).then(|| {
                        format!("the start of life {incarnation} of `{}` ends twice, or was none", known.name)
                    })
                })
            }
            What::Exited { id, incarnation, .. } => history.get(*id).and_then(|known| {
                let running = known.phase == Phase::Running && known.incarnation == *incarnation;
                (!running).then(|| format!("life {incarnation} of `{}` ends, but does not run", known.name))
            }),
            What::StateSet { id, incarnation, .. } => history.get(*id).and_then(|known| {
                let over = known.incarnation != *incarnation || matches!(known.phase, Phase::Ended(_));
                over.then(|| {
                    format!(
                        "a call changes the state in life {incarnation} of `{}`, which is over",
                        known.name
                    )
                })
            }),
            What::MessageHandled { id, incarnation, .. } => history.get(*id).and_then(|known| {
                let running = known.phase == Phase::Running && known.incarnation == *incarnation;
                (!running).then(|| {
                    format!("life {incarnation} of `{}` handles a message, but does not run", known.name)
                })
            }),
            _ => None,
        };
        if let Some(message) = wrong {
            return Found::new(at, message);
        }
        history.take(entry);
    }
    None
}

pub(super) fn state(log: &Log) -> Option<Found> {
    let mut history = History::default();
    for (at, entry) in log.entries().iter().enumerate() {
        if let What::Begins { id, incarnation, from: Some(from), state, name, .. } = &entry.what
            && let Some(known) = history.get(*id)
        {
            let last = known.state.as_ref().or(known.first.as_ref());
            let wanted = if *from == RestartFrom::LastGood { last } else { known.first.as_ref() };
            // A snapshot is the backend's to know.
            if *from != RestartFrom::Snapshot && state.as_ref() != wanted {
                let message =
                    format!("life {incarnation} of `{name}` begins with {state:?} and not with {wanted:?}");
                return Found::new(at, message);
            }
        }
        history.take(entry);
        if let What::Begins { id, from: Some(RestartFrom::Initial), .. } = &entry.what
            && let Some(Phase::Starting) = history.get(*id).map(|known| known.phase.clone())
        {
            begins_anew(&mut history, log, at, *id);
        }
    }
    None
}

/// A life that begins anew and comes to run has the first state as its last good one.
fn begins_anew(history: &mut History, log: &Log, at: usize, actor: theater_core::ActorId) {
    let next = log.entries()[at + 1..].iter().find_map(|entry| match &entry.what {
        What::Started { id, .. } if *id == actor => Some(true),
        What::StartFailed { id, .. } if *id == actor => Some(false),
        _ => None,
    });
    if next == Some(true)
        && let Some(known) = history.actors.get_mut(&actor)
    {
        known.state = known.first.clone();
    }
}

pub(super) fn bounded_memory(log: &Log) -> Option<Found> {
    let mut history = History::default();
    let mut rested = true;
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        match &entry.what {
            What::Exited { .. } => rested = false,
            What::AtRest => rested = true,
            _ => {}
        }
        // Of an end that has just happened the supervisor may not have heard.
        let What::Size { id, entries } = entry.what else { continue };
        if !rested {
            continue;
        }
        let kept = |known: &&super::history::Known| {
            // OTP: the child specification of a start that was ignored is kept, though there is no actor.
            let ignored = !known.ran && matches!(known.phase, Phase::Ended(ExitReason::Completed { .. }));
            (!known.reaped || ignored)
                && (known.child_spec.restart != RestartPolicy::Temporary
                    || !matches!(known.phase, Phase::Ended(_)))
        };
        let children = history.children(id);
        let most = children.iter().filter(|(_, known)| kept(known)).count();
        if entries > most {
            let message = format!("a supervisor keeps {entries} entries for {most} children");
            return Found::new(at, message);
        }
    }
    None
}
