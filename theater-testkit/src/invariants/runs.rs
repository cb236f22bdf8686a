//! Invariants about more than one run: P18, P19.

use std::collections::BTreeMap;
use std::fmt;

use theater_core::{ActorId, Incarnation};

use super::{Invariant, Violation};
use crate::log::{Entry, Log, What};

/// P18: that two logs are the same, byte for byte.
///
/// # Errors
/// The first difference: the slice has the entry of either log.
pub fn same_runs(one: &Log, other: &Log) -> Result<(), Violation> {
    let (left, right) = (one.entries(), other.entries());
    let length = left.len().max(right.len());
    let differs =
        (0..length).find(|at| left.get(*at).map(Entry::to_string) != right.get(*at).map(Entry::to_string));
    let Some(at) = differs else { return Ok(()) };
    Err(Violation {
        invariant: Invariant::Determinism,
        message: format!("entry {at} differs"),
        slice: left.get(at).into_iter().chain(right.get(at)).cloned().collect(),
    })
}

/// What runs of different backends have in common: beginnings and ends of lives, by names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Projected {
    /// A life runs.
    Started(String, Incarnation),
    /// A life did not come to run.
    Failed(String, Incarnation),
    /// A life has ended, with the name of the reason.
    Exited(String, Incarnation, &'static str),
}

impl fmt::Display for Projected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(name, life) => write!(f, "start {name} {life}"),
            Self::Failed(name, life) => write!(f, "fail {name} {life}"),
            Self::Exited(name, life, reason) => write!(f, "exit {name} {life} {reason}"),
        }
    }
}

/// What a log has in common with those of other backends, in order, with the entries that it comes from.
fn projected(log: &Log) -> Vec<(Projected, &Entry)> {
    let mut names: BTreeMap<ActorId, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in log.entries() {
        let named = |id: &ActorId| names.get(id).map_or_else(|| id.to_string(), |name| (*name).to_owned());
        match &entry.what {
            What::Begins { id, name, .. } => drop(names.insert(*id, name)),
            What::Started { id, incarnation } => {
                found.push((Projected::Started(named(id), *incarnation), entry))
            }
            What::StartFailed { id, incarnation, .. } => {
                found.push((Projected::Failed(named(id), *incarnation), entry));
            }
            What::Exited { id, incarnation, reason } => {
                found.push((Projected::Exited(named(id), *incarnation, reason.name()), entry));
            }
            _ => {}
        }
    }
    found
}

/// What a log has in common with those of other backends, in order.
#[must_use]
pub fn project(log: &Log) -> Vec<Projected> {
    projected(log).into_iter().map(|(projected, _)| projected).collect()
}

/// P19: that a log has, in common with what is expected of every backend, just that.
///
/// # Errors
/// The first difference.
pub fn refines(log: &Log, expected: &[Projected]) -> Result<(), Violation> {
    let found = projected(log);
    let length = found.len().max(expected.len());
    let differs = (0..length).find(|at| found.get(*at).map(|(projected, _)| projected) != expected.get(*at));
    let Some(at) = differs else { return Ok(()) };
    let show = |projected: Option<&Projected>| projected.map_or("the end".to_owned(), ToString::to_string);
    let (wanted, got) = (show(expected.get(at)), show(found.get(at).map(|(projected, _)| projected)));
    Err(Violation {
        invariant: Invariant::Refinement,
        message: format!("event {at} is `{got}` and not `{wanted}`"),
        slice: found.get(at).map(|(_, entry)| (*entry).clone()).into_iter().collect(),
    })
}
