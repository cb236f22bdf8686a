//! The invariant about chains: P15.

use std::collections::{BTreeMap, BTreeSet};

use theater_core::event::payload::{Exited, Started, decode};
use theater_core::{ActorId, EventHash, EventKind, Incarnation};
use theater_supervisor::SupervisorEvent;

use super::Found;
use crate::log::{Log, What};

/// What an actor's chain has, in numbers.
#[derive(Debug, Default)]
struct Chain {
    next: Option<(u64, EventHash)>,
    started: Vec<Incarnation>,
    exited: Vec<Incarnation>,
    /// Records of host functions: of calls, and of outcomes.
    calls: BTreeMap<String, (usize, usize)>,
    called: BTreeMap<&'static str, usize>,
    answered: BTreeMap<&'static str, usize>,
}

pub(super) fn audit(log: &Log) -> Option<Found> {
    let mut chains: BTreeMap<ActorId, Chain> = BTreeMap::new();
    let mut functions: BTreeMap<u64, &'static str> = BTreeMap::new();
    let mut reaped = BTreeSet::new();
    for (at, entry) in log.entries().iter().enumerate() {
        match &entry.what {
            What::Recorded { id, event } => {
                let chain = chains.entry(*id).or_default();
                let header = &event.header;
                if chain.next.is_some_and(|next| next != (header.seq, header.prev)) {
                    return Found::new(at, format!("event {} does not follow the one before it", header.seq));
                }
                chain.next = Some((header.seq + 1, event.hash));
                if header.kind == EventKind::STARTED {
                    chain
                        .started
                        .extend(decode::<Started>(&event.payload).map(|started| started.incarnation));
                } else if header.kind == EventKind::EXITED {
                    chain.exited.extend(decode::<Exited>(&event.payload).map(|exited| exited.incarnation));
                } else if let Some(function) = host_function(event) {
                    let (name, suffix) = function.rsplit_once('/').unwrap_or((&function, ""));
                    let counts = chain.calls.entry(name.to_owned()).or_default();
                    if suffix == "call" {
                        counts.0 += 1;
                    } else {
                        counts.1 += 1;
                    }
                }
            }
            What::Started { id, incarnation } => {
                let times = count(&chains, *id, |chain| &chain.started, *incarnation);
                if times != 1 {
                    return Found::new(
                        at,
                        format!("the beginning of life {incarnation} is recorded {times} times"),
                    );
                }
            }
            What::Exited { id, incarnation, .. } | What::ExitTold { id, incarnation, .. } => {
                let times = count(&chains, *id, |chain| &chain.exited, *incarnation);
                if times != 1 {
                    return Found::new(
                        at,
                        format!("the end of life {incarnation} is recorded {times} times when it is told"),
                    );
                }
            }
            What::Reaped { id } => drop(reaped.insert(*id)),
            // Who has no chain has no records.
            What::HostCalled { caller, .. } | What::HostAnswered { caller, .. }
                if reaped.contains(caller) => {}
            What::HostCalled { caller, call, function, .. } => {
                functions.insert(*call, function);
                *chains.entry(*caller).or_default().called.entry(function).or_default() += 1;
            }
            What::HostAnswered { caller, call, .. } => {
                let Some(function) = functions.get(call).copied() else { continue };
                let chain = chains.entry(*caller).or_default();
                *chain.answered.entry(function).or_default() += 1;
                let (calls, outcomes) = chain.calls.get(function).copied().unwrap_or_default();
                let (called, answered) = (chain.called[function], chain.answered[function]);
                // Calls that are under way may have a record already, or not yet; each that was answered has both.
                if calls < answered || calls > called || outcomes < answered || outcomes > called {
                    let message = format!(
                        "{function} was called {called} times and answered {answered} times, recorded are {calls} calls and {outcomes} outcomes"
                    );
                    return Found::new(at, message);
                }
            }
            _ => {}
        }
    }
    None
}

fn count(
    chains: &BTreeMap<ActorId, Chain>,
    id: ActorId,
    lives: fn(&Chain) -> &Vec<Incarnation>,
    incarnation: Incarnation,
) -> usize {
    chains.get(&id).map_or(0, |chain| lives(chain).iter().filter(|life| **life == incarnation).count())
}

/// The function and the kind of record, such as `spawn/call`.
fn host_function(event: &theater_core::ChainEvent) -> Option<String> {
    let record = SupervisorEvent::read(event).ok()?;
    record.event_type.strip_prefix("theater:simple/supervisor/").map(str::to_owned)
}
