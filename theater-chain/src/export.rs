//! A whole export: every chain, and the anchors that tie the chains of a supervision tree together.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use theater_core::event::payload::{self, Anchor, ChildAnchor, Genesis};
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
    actor: ActorId,
    verifier: Verifier,
    hashes: Vec<EventHash>,
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
/// # Errors
/// The first fault.
pub fn verify_export(input: impl BufRead) -> Result<ExportReport, ExportError> {
    let mut reader = Reader::new(input);
    let mut export = Export::default();
    loop {
        let line = reader.line() + 1;
        let next = reader.next_event().map_err(|error| ExportError { line, kind: error.into() })?;
        match next {
            Some(exported) => export
                .push(line, exported.actor, &exported.event)
                .map_err(|kind| ExportError { line, kind })?,
            None => return export.finish(line),
        }
    }
}

#[derive(Debug, Default)]
struct Export {
    chains: BTreeMap<ChainId, ChainState>,
    actors: BTreeSet<ActorId>,
    anchors: Vec<Remembered>,
    events: u64,
}

impl Export {
    fn push(&mut self, line: u64, actor: ActorId, event: &ChainEvent) -> Result<(), ExportErrorKind> {
        let (chain_id, seq) = (event.header.chain_id, event.header.seq);
        let chain = self.chains.entry(chain_id).or_insert_with(|| ChainState {
            actor,
            verifier: Verifier::new(),
            hashes: Vec::new(),
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
            _ => None,
        };
        self.anchors.extend(anchor.map(|anchor| Remembered { line, actor, seq, anchor }));
        Ok(())
    }

    fn finish(self, line: u64) -> Result<ExportReport, ExportError> {
        if self.chains.is_empty() {
            return Err(ExportError { line, kind: ExportErrorKind::Empty });
        }
        for remembered in &self.anchors {
            self.compare(remembered).map_err(|kind| ExportError { line: remembered.line, kind })?;
        }
        let regressions = self.chains.values().map(|chain| (chain.actor, chain.verifier.time_regressions()));
        Ok(ExportReport {
            actors: self.chains.len() as u64,
            events: self.events,
            anchors: self.anchors.len() as u64,
            time_regressions: regressions.filter(|(_, count)| *count > 0).collect(),
        })
    }

    fn compare(&self, remembered: &Remembered) -> Result<(), ExportErrorKind> {
        let Remembered { actor, seq, anchor, .. } = remembered;
        let (actor, seq, other) = (*actor, *seq, anchor.actor);
        let chain = self
            .chains
            .get(&anchor.chain)
            .filter(|chain| chain.actor == other)
            .ok_or(ExportErrorKind::MissingChain { actor, seq, other })?;
        let fault = match anchor.length.checked_sub(1).map(usize::try_from) {
            None => ChainErrorKind::AnchorOfNothing,
            Some(last) => match last.ok().and_then(|last| chain.hashes.get(last)) {
                Some(hash) if *hash == anchor.head => return Ok(()),
                Some(hash) => ChainErrorKind::Anchor { expected: anchor.head, found: *hash },
                None => ChainErrorKind::Cut { expected: anchor.length, found: chain.hashes.len() as u64 },
            },
        };
        Err(ExportErrorKind::Anchor { actor, seq, other, fault })
    }
}
