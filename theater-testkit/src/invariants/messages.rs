//! Invariants about messages and calls: P12, P13, P14, P16.

use std::collections::BTreeMap;
use std::time::Duration;

use theater_core::{ActorId, Incarnation};

use super::Found;
use super::history::{History, Phase};
use crate::log::{Log, What};

pub(super) fn messages(log: &Log) -> Option<Found> {
    /// A message that was taken: for whom, from whom, and what became of it.
    struct Taken {
        id: ActorId,
        sender: Option<ActorId>,
        over: bool,
    }
    let mut taken: BTreeMap<u64, Taken> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        match &entry.what {
            What::MessageTaken { id, message, sender } => {
                taken.insert(*message, Taken { id: *id, sender: *sender, over: false });
            }
            What::MessageHandled { id, message, .. } => {
                let Some(this) = taken.get(message) else {
                    return Found::new(at, format!("message {message} is handled, but was not accepted"));
                };
                if this.over || this.id != *id {
                    return Found::new(
                        at,
                        format!("message {message} is handled twice, or by somebody else"),
                    );
                }
                let earlier = taken
                    .range(..message)
                    .find(|(_, other)| !other.over && other.id == this.id && other.sender == this.sender);
                if let Some((earlier, _)) = earlier {
                    return Found::new(
                        at,
                        format!("message {message} is handled before message {earlier} of the same sender"),
                    );
                }
                if let Some(this) = taken.get_mut(message) {
                    this.over = true;
                }
            }
            What::MessageReturned { message } => match taken.get_mut(message) {
                Some(this) if !this.over => this.over = true,
                Some(_) => {
                    return Found::new(at, format!("message {message} is given back, but was handled"));
                }
                None => {
                    return Found::new(at, format!("message {message} is given back, but was not accepted"));
                }
            },
            _ => {}
        }
    }
    None
}

pub(super) fn isolation(log: &Log) -> Option<Found> {
    let mut history = History::default();
    let mut calls: BTreeMap<u64, (&'static str, bool)> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        match &entry.what {
            What::HostCalled { function: "spawn" | "resume", .. } => {}
            What::HostCalled { caller, call, function, target: Some(target) } => {
                let id = target.parse::<ActorId>().ok();
                let own =
                    id.and_then(|id| history.get(id)).is_some_and(|known| known.parent == Some(*caller));
                calls.insert(*call, (function, own));
            }
            What::HostAnswered { call, answer: Ok(_), .. } => {
                if let Some((function, false)) = calls.get(call) {
                    return Found::new(
                        at,
                        format!("{function} has succeeded on somebody who is not a child of the caller"),
                    );
                }
            }
            _ => {}
        }
    }
    None
}

/// How long a call may take that does not wait for a child, and a start: a supervisor's own deadline is half of it.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn progress(log: &Log) -> Option<Found> {
    let mut history = History::default();
    let mut calls: BTreeMap<u64, (&'static str, Duration)> = BTreeMap::new();
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        match &entry.what {
            // These wait for the child's own grace, which may be without end.
            What::HostCalled { function: "stop-child" | "restart-child", .. } => {}
            What::HostCalled { call, function, .. } => drop(calls.insert(*call, (function, entry.at))),
            What::HostAnswered { call, .. } => drop(calls.remove(call)),
            What::AtRest => {
                let late = calls.values().find(|(_, since)| entry.at.saturating_sub(*since) > LIMIT);
                if let Some((function, since)) = late {
                    let message =
                        format!("{function}, called at {since:?}, is not answered at {:?}", entry.at);
                    return Found::new(at, message);
                }
                let hanging = history.actors.values().find(|known| {
                    let supervised = known
                        .parent
                        .and_then(|parent| history.get(parent))
                        .is_some_and(|above| above.supervises);
                    supervised
                        && known.phase == Phase::Starting
                        && entry.at.saturating_sub(known.began) > LIMIT
                });
                if let Some(known) = hanging {
                    let message = format!(
                        "the start of `{}`, begun at {:?}, has not ended at {:?}",
                        known.name, known.began, entry.at
                    );
                    return Found::new(at, message);
                }
            }
            _ => {}
        }
    }
    None
}

pub(super) fn total(log: &Log) -> Option<Found> {
    /// A call of `spawn` or `resume` that is open, and who began below its caller since.
    struct Open {
        caller: ActorId,
        manifest: String,
        begun: Vec<ActorId>,
    }
    let mut history = History::default();
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    let mut refused = Vec::new();
    for (at, entry) in log.entries().iter().enumerate() {
        history.take(entry);
        match &entry.what {
            What::HostCalled { caller, call, function: "spawn" | "resume", target: Some(manifest) } => {
                // Of two starts of one manifest at once nobody can tell which began whom.
                open.retain(|_, other| other.caller != *caller || other.manifest != *manifest);
                open.insert(*call, Open { caller: *caller, manifest: manifest.clone(), begun: Vec::new() });
            }
            What::Begins { id, parent: Some(parent), incarnation, name, .. }
                if *incarnation == Incarnation::FIRST =>
            {
                for call in open.values_mut().filter(|call| call.caller == *parent && call.manifest == *name)
                {
                    call.begun.push(*id);
                }
            }
            What::HostAnswered { call, answer, .. } => {
                if let Some(call) = open.remove(call).filter(|_| answer.is_err()) {
                    refused.extend(call.begun);
                }
            }
            // What was given up may need a moment to end.
            What::AtRest => {
                let left = std::mem::take(&mut refused).into_iter().filter_map(|id| history.get(id));
                let mut left = left.filter(|known| !matches!(known.phase, Phase::Ended(_)));
                if let Some(known) = left.next() {
                    let message = format!("a start was refused, and `{}` is there", known.name);
                    return Found::new(at, message);
                }
            }
            _ => {}
        }
    }
    None
}
