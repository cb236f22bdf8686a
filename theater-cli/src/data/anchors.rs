//! Whether all chains of a data folder are sound, and agree with each other.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use theater_chain::{Lsn, Verifier};
use theater_core::event::payload::{self, Anchor, ChildAnchor, ChildRetired, Genesis};
use theater_core::{ActorId, ChainEvent, ChainId, EventHash, EventKind, EventRange};

use super::archive::Archive;
use super::census::{Actor, Census};
use crate::failure::Failure;
use crate::progress::Progress;

/// Events that are read at once.
const PAGE: usize = 512;

/// What is wrong with one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainFault {
    pub(crate) actor: ActorId,
    pub(crate) seq: u64,
    pub(crate) text: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) events: u64,
    pub(crate) anchors: u64,
    /// Events whose payload was removed, as their chains say.
    pub(crate) pruned: u64,
    /// Chains that are remembered and no longer kept, as the chains of their parents say.
    pub(crate) retired: u64,
    pub(crate) time_regressions: Vec<(ActorId, u64)>,
    pub(crate) faults: Vec<ChainFault>,
}

/// A position of another chain that an event remembers.
struct Remembered {
    actor: ActorId,
    seq: u64,
    anchor: Anchor,
    /// That is all that is left of the chain.
    retires: bool,
}

/// Verifies every chain up to a place of the store's order, on all cores, and every anchor.
pub(crate) fn check(
    archive: &Archive,
    census: &Census,
    last: Lsn,
    progress: &Progress,
) -> Result<Checked, Failure> {
    let actors = census.actors();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(actors.len().max(1));
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Checked::default(), Vec::new()));
    let failed = Mutex::new(None);
    let work = || {
        while let Some(actor) = actors.get(next.fetch_add(1, Ordering::Relaxed)) {
            match Chain::check(archive, actor, last, progress) {
                Ok(chain) => {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    chain.add_to(&mut found);
                }
                Err(failure) => {
                    // The others need not go on.
                    next.store(actors.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    if let Some(failure) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(failure);
    }
    let (mut checked, remembered) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    checked.anchors = remembered.len() as u64;
    let retired = retired(census, &remembered);
    checked.retired = retired.len() as u64;
    for remembered in &remembered {
        let text = match retired.get(&remembered.anchor.chain) {
            Some(end) => differs_from_end(end, &remembered.anchor),
            None => compare(archive, census, last, &remembered.anchor)?,
        };
        if let Some(text) = text {
            let (actor, seq) = (remembered.actor, remembered.seq);
            checked.faults.push(ChainFault { actor, seq, text });
        }
    }
    checked.faults.sort_by_key(|fault| (fault.actor, fault.seq));
    Ok(checked)
}

/// One chain as far as it was checked.
struct Chain {
    actor: ActorId,
    events: u64,
    time_regressions: u64,
    pruned: u64,
    fault: Option<ChainFault>,
    remembered: Vec<Remembered>,
}

impl Chain {
    fn check(archive: &Archive, actor: &Actor, last: Lsn, progress: &Progress) -> Result<Self, Failure> {
        let id = actor.called.id;
        let mut chain = Self {
            actor: id,
            events: 0,
            time_regressions: 0,
            pruned: 0,
            fault: None,
            remembered: Vec::new(),
        };
        let mut verifier = Verifier::new();
        let fault = |seq: u64, text: String| Some(ChainFault { actor: id, seq, text });
        'pages: loop {
            let page = archive.read_places(actor.chain, EventRange { from: chain.events, limit: PAGE })?;
            let whole = page.len() == PAGE;
            for (_, event) in page.into_iter().take_while(|(lsn, _)| *lsn <= last) {
                if let Err(error) = verifier.push(&event) {
                    chain.fault = fault(event.header.seq, error.kind.to_string());
                    break 'pages;
                }
                chain.events += 1;
                progress.add(1);
                let (seq, retires) = (event.header.seq, event.header.kind == EventKind::CHILD_RETIRED);
                match anchor(&event) {
                    Ok(Some(anchor)) => {
                        chain.remembered.push(Remembered { actor: id, seq, anchor, retires });
                    }
                    Ok(None) => {}
                    Err(error) => chain.fault = fault(event.header.seq, error.to_string()),
                }
            }
            if !whole {
                break;
            }
        }
        chain.time_regressions = verifier.time_regressions();
        chain.pruned = verifier.pruned();
        if chain.fault.is_none()
            && verifier.head().is_some()
            && let Err(error) = verifier.finish()
        {
            chain.fault = fault(error.index, error.kind.to_string());
        }
        Ok(chain)
    }

    fn add_to(self, (checked, remembered): &mut (Checked, Vec<Remembered>)) {
        checked.events += self.events;
        checked.pruned += self.pruned;
        checked.faults.extend(self.fault);
        if self.time_regressions > 0 {
            checked.time_regressions.push((self.actor, self.time_regressions));
        }
        remembered.extend(self.remembered);
    }
}

/// The position of another chain that an event remembers.
fn anchor(event: &ChainEvent) -> Result<Option<Anchor>, payload::PayloadError> {
    Ok(match event.header.kind {
        EventKind::GENESIS => payload::decode::<Genesis>(&event.payload)?.parent,
        EventKind::CHILD_STARTED | EventKind::CHILD_RESTARTED | EventKind::CHILD_EXITED => {
            Some(payload::decode::<ChildAnchor>(&event.payload)?.anchor)
        }
        EventKind::CHILD_RETIRED => Some(payload::decode::<ChildRetired>(&event.payload)?.anchor),
        _ => None,
    })
}

/// Where chains ended that are no longer kept: the furthest that anybody says.
fn retired<'a>(census: &Census, remembered: &'a [Remembered]) -> HashMap<ChainId, &'a Anchor> {
    let mut retired: HashMap<ChainId, &Anchor> = HashMap::new();
    for Remembered { anchor, .. } in remembered.iter().filter(|it| it.retires) {
        // A chain that is there all the same is compared itself.
        if census.of(anchor.chain).is_none() {
            let known = retired.entry(anchor.chain).or_insert(anchor);
            if known.length < anchor.length {
                *known = anchor;
            }
        }
    }
    retired
}

/// How a chain of which only the end is kept cannot be as it is remembered.
fn differs_from_end(end: &Anchor, anchor: &Anchor) -> Option<String> {
    let other = anchor.actor;
    if end.actor != other {
        return Some(format!("remembers the chain of actor {other}, which is not there"));
    }
    let beyond = anchor.length == 0 || anchor.length > end.length;
    (beyond || (anchor.length == end.length && anchor.head != end.head)).then(|| {
        format!(
            "remembers the chain of actor {other} otherwise than as it was retired: {} events",
            end.length
        )
    })
}

/// How the chain differs from what is remembered of it; `None` if it does not.
fn compare(
    archive: &Archive,
    census: &Census,
    last: Lsn,
    anchor: &Anchor,
) -> Result<Option<String>, Failure> {
    let other = anchor.actor;
    if census.of(anchor.chain).is_none_or(|actor| actor.called.id != other) {
        return Ok(Some(format!("remembers the chain of actor {other}, which is not there")));
    }
    let Some(from) = anchor.length.checked_sub(1) else {
        return Ok(Some(format!("remembers a chain of actor {other} without events, and there is none")));
    };
    let hash = hash_at(archive, anchor.chain, from, last)?;
    Ok(match hash {
        Some(hash) if hash == anchor.head => None,
        Some(hash) => Some(format!(
            "remembers the chain of actor {other} otherwise: event {from} had hash {}, and has {hash}; that chain was \
             written anew",
            anchor.head
        )),
        None => Some(format!(
            "remembers {} events of the chain of actor {other}, which has fewer: its end was removed",
            anchor.length
        )),
    })
}

fn hash_at(archive: &Archive, chain: ChainId, seq: u64, last: Lsn) -> Result<Option<EventHash>, Failure> {
    let found = archive.read_places(chain, EventRange { from: seq, limit: 1 })?;
    Ok(found.first().filter(|(lsn, _)| *lsn <= last).map(|(_, event)| event.hash))
}
