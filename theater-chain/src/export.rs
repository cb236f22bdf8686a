//! A whole export: every chain, and the anchors that tie the chains of a supervision tree together.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use theater_core::event::payload::{self, Anchor, ChildAnchor, ChildRetired, Genesis};
use theater_core::{ActorId, ChainEvent, ChainId, EventHash, EventKind};

use crate::jsonl::{LineError, Reader};
use crate::verify::{ChainErrorKind, Verifier};

/// What a sound export holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// How many actors, each with one chain.
    pub actors: u64,
    /// How many events.
    pub events: u64,
    /// How many anchors of chains in other chains were compared.
    pub anchors: u64,
    /// How many events were without their payload, as their chains say.
    pub pruned: u64,
    /// How many chains are remembered and no longer kept, as the chains of their parents say.
    pub retired: u64,
    /// Actors whose clock went back, and how often. No fault.
    pub time_regressions: Vec<(ActorId, u64)>,
}

/// The first fault of an export.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {kind}")]
#[non_exhaustive]
pub struct ExportError {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    #[source]
    pub kind: ExportErrorKind,
}

/// What is wrong with an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportErrorKind {
    /// The line is not an event.
    #[error(transparent)]
    Line(#[from] LineError),
    /// There is no event at all.
    #[error("there is no event in this file")]
    Empty,
    /// An event is at fault.
    #[error("actor {actor}, event {seq}: {fault}")]
    Event {
        /// The actor, as the line says.
        actor: ActorId,
        /// The event's position, as the line says.
        seq: u64,
        /// What is wrong.
        fault: ChainErrorKind,
    },
    /// The line names another actor than the chain's genesis event.
    #[error("names actor {found}, but the chain is that of actor {actor}")]
    Actor {
        /// The chain's actor.
        actor: ActorId,
        /// The actor in the line.
        found: ActorId,
    },
    /// An actor has a second chain: each has one, in all its lives.
    #[error("actor {actor}: a second chain, {chain}")]
    SecondChain {
        /// The actor.
        actor: ActorId,
        /// The chain that came second.
        chain: ChainId,
    },
    /// A payload that has to be read for the check cannot be.
    #[error("actor {actor}, event {seq}: {source}")]
    Payload {
        /// The actor.
        actor: ActorId,
        /// The event's position.
        seq: u64,
        /// What is wrong.
        source: payload::PayloadError,
    },
    /// A chain remembers another chain that is not in the file.
    #[error("actor {actor}, event {seq}: remembers the chain of actor {other}, which is not in this file")]
    MissingChain {
        /// The actor whose chain remembers.
        actor: ActorId,
        /// The event that remembers.
        seq: u64,
        /// The actor whose chain is missing.
        other: ActorId,
    },
    /// A chain is not as another chain remembers it.
    #[error("actor {actor}, event {seq}: remembers the chain of actor {other} otherwise: {fault}")]
    Anchor {
        /// The actor whose chain remembers.
        actor: ActorId,
        /// The event that remembers.
        seq: u64,
        /// The actor whose chain is remembered.
        other: ActorId,
        /// How it differs.
        fault: ChainErrorKind,
    },
}

/// One chain on the way. Keeps 32 bytes per event, so that anchors can be compared whatever the order of the lines.
#[derive(Debug)]
struct ChainState {
    /// The line that it begins in.
    line: u64,
    actor: ActorId,
    verifier: Verifier,
    hashes: Vec<EventHash>,
    /// The lines of the events that are without their payload, by position: whether they may be shows at the end.
    pruned: Vec<(u64, u64)>,
}

/// An anchor that was read, with the place where it stands.
#[derive(Debug)]
struct Remembered {
    line: u64,
    actor: ActorId,
    seq: u64,
    anchor: Anchor,
}

/// Verifies a whole export: every chain, then every anchor.
///
/// Parents record where a child's chain was at each start and end of a life, and a child's first event records where its
/// parent's chain was. So a chain that was cut, rewritten or left out is noticed although each chain that is there verifies
/// alone. What cannot be noticed is a cut behind the last event that anybody remembers.
///
/// A payload may be missing where a later event of the chain says that it was pruned, and a chain where another one says
/// that it was retired, and where it ended.
///
/// # Errors
/// The first fault.
pub fn verify_export(input: impl BufRead) -> Result<ExportReport, ExportError> {
    read(input).map(|(_, report)| report)
}

/// Verifies a whole export and keeps what is known of its chains.
pub(crate) fn read(input: impl BufRead) -> Result<(Export, ExportReport), ExportError> {
    let mut reader = Reader::new(input);
    let mut export = Export::default();
    loop {
        let line = reader.line() + 1;
        let next = reader.next_event().map_err(|error| ExportError { line, kind: error.into() })?;
        match next {
            Some(exported) => export
                .push(line, exported.actor, &exported.event)
                .map_err(|kind| ExportError { line, kind })?,
            None => return export.finish(line).map(|report| (export, report)),
        }
    }
}

/// An export on the way.
#[derive(Debug, Default)]
pub(crate) struct Export {
    chains: BTreeMap<ChainId, ChainState>,
    actors: BTreeSet<ActorId>,
    anchors: Vec<Remembered>,
    /// Where chains ended that are no longer kept: the furthest that anybody says.
    retired: BTreeMap<ChainId, Anchor>,
    events: u64,
}

impl Export {
    /// The chains, each with the line that it begins in and the hashes of its events.
    pub(crate) fn chains(&self) -> impl Iterator<Item = (ChainId, u64, &[EventHash])> {
        self.chains.iter().map(|(id, chain)| (*id, chain.line, &chain.hashes[..]))
    }

    fn push(&mut self, line: u64, actor: ActorId, event: &ChainEvent) -> Result<(), ExportErrorKind> {
        let (chain_id, seq) = (event.header.chain_id, event.header.seq);
        let chain = self.chains.entry(chain_id).or_insert_with(|| ChainState {
            line,
            actor,
            verifier: Verifier::new(),
            hashes: Vec::new(),
            pruned: Vec::new(),
        });
        if chain.actor != actor {
            return Err(ExportErrorKind::Actor { actor: chain.actor, found: actor });
        }
        chain.verifier.push(event).map_err(|error| ExportErrorKind::Event {
            actor,
            seq,
            fault: error.kind,
        })?;
        chain.hashes.push(event.hash);
        if event.is_pruned() {
            chain.pruned.push((seq, line));
        }
        self.events += 1;

        let unreadable = |source| ExportErrorKind::Payload { actor, seq, source };
        let anchor = match event.header.kind {
            EventKind::GENESIS => {
                let genesis: Genesis = payload::decode(&event.payload).map_err(unreadable)?;
                if genesis.actor != actor {
                    return Err(ExportErrorKind::Actor { actor: genesis.actor, found: actor });
                }
                if !self.actors.insert(actor) {
                    return Err(ExportErrorKind::SecondChain { actor, chain: chain_id });
                }
                genesis.parent
            }
            EventKind::CHILD_STARTED | EventKind::CHILD_RESTARTED | EventKind::CHILD_EXITED => {
                Some(payload::decode::<ChildAnchor>(&event.payload).map_err(unreadable)?.anchor)
            }
            EventKind::CHILD_RETIRED => {
                let anchor = payload::decode::<ChildRetired>(&event.payload).map_err(unreadable)?.anchor;
                let known = self.retired.entry(anchor.chain).or_insert_with(|| anchor.clone());
                if known.length < anchor.length {
                    known.clone_from(&anchor);
                }
                Some(anchor)
            }
            _ => None,
        };
        self.anchors.extend(anchor.map(|anchor| Remembered { line, actor, seq, anchor }));
        Ok(())
    }

    fn finish(&self, line: u64) -> Result<ExportReport, ExportError> {
        if self.chains.is_empty() {
            return Err(ExportError { line, kind: ExportErrorKind::Empty });
        }
        let missing = self.chains.values().filter_map(ChainState::missing_payload);
        if let Some(error) = missing.min_by_key(|error| error.line) {
            return Err(error);
        }
        for remembered in &self.anchors {
            self.compare(remembered).map_err(|kind| ExportError { line: remembered.line, kind })?;
        }
        let regressions = self.chains.values().map(|chain| (chain.actor, chain.verifier.time_regressions()));
        Ok(ExportReport {
            actors: self.chains.len() as u64,
            events: self.events,
            anchors: self.anchors.len() as u64,
            pruned: self.chains.values().map(|chain| chain.verifier.pruned()).sum(),
            retired: self.retired.keys().filter(|chain| !self.chains.contains_key(chain)).count() as u64,
            time_regressions: regressions.filter(|(_, count)| *count > 0).collect(),
        })
    }

    fn compare(&self, remembered: &Remembered) -> Result<(), ExportErrorKind> {
        let Remembered { actor, seq, anchor, .. } = remembered;
        let (actor, seq, other) = (*actor, *seq, anchor.actor);
        let fault = match (self.chains.get(&anchor.chain), self.retired.get(&anchor.chain)) {
            (Some(chain), _) if chain.actor == other => chain.differs(anchor),
            (None, Some(retired)) if retired.actor == other => differs_from_last(retired, anchor),
            _ => return Err(ExportErrorKind::MissingChain { actor, seq, other }),
        };
        fault.map_or(Ok(()), |fault| Err(ExportErrorKind::Anchor { actor, seq, other, fault }))
    }
}

impl ChainState {
    /// The first event that lacks its payload and must not.
    fn missing_payload(&self) -> Option<ExportError> {
        let error = self.verifier.finish().err()?;
        let place = self.pruned.binary_search_by_key(&error.index, |(seq, _)| *seq).ok()?;
        let kind = ExportErrorKind::Event { actor: self.actor, seq: error.index, fault: error.kind };
        Some(ExportError { line: self.pruned[place].1, kind })
    }

    /// How the chain is not as it is remembered.
    fn differs(&self, anchor: &Anchor) -> Option<ChainErrorKind> {
        let Some(last) = anchor.length.checked_sub(1) else { return Some(ChainErrorKind::AnchorOfNothing) };
        match usize::try_from(last).ok().and_then(|last| self.hashes.get(last)) {
            Some(hash) if *hash == anchor.head => None,
            Some(hash) => Some(ChainErrorKind::Anchor { expected: anchor.head, found: *hash }),
            None => {
                let found = self.hashes.len() as u64;
                Some(ChainErrorKind::Cut { expected: anchor.length, found })
            }
        }
    }
}

/// How a chain of which only the end is kept cannot be as it is remembered.
fn differs_from_last(retired: &Anchor, anchor: &Anchor) -> Option<ChainErrorKind> {
    if anchor.length == 0 {
        Some(ChainErrorKind::AnchorOfNothing)
    } else if anchor.length > retired.length {
        Some(ChainErrorKind::Cut { expected: anchor.length, found: retired.length })
    } else if anchor.length == retired.length && anchor.head != retired.head {
        Some(ChainErrorKind::Anchor { expected: anchor.head, found: retired.head })
    } else {
        None
    }
}
