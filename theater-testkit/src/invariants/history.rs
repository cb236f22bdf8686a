//! What is so after each entry of a log.

use std::collections::BTreeMap;
use std::time::Duration;

use theater_core::event::payload::decode;
use theater_core::{
    ActorId, Bytes, ChildSpec, EventKind, ExitReason, Incarnation, StopMode, SupervisionSpec,
};
use theater_supervisor::{SupervisionReport, SupervisorEvent};

use crate::log::{Entry, What};

/// What became of the current life of an actor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    Starting,
    Running,
    Ended(ExitReason),
}

/// What is known of an actor.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) parent: Option<ActorId>,
    pub(super) child_spec: ChildSpec,
    pub(super) incarnation: Incarnation,
    pub(super) phase: Phase,
    pub(super) began: Duration,
    /// Whether the current life was asked to end, and how.
    pub(super) asked: Option<(Duration, StopMode)>,
    pub(super) first: Option<Bytes>,
    /// The state after the last call that succeeded.
    pub(super) state: Option<Bytes>,
    /// Its place among all actors: the order of first lives.
    pub(super) place: usize,
    pub(super) supervision: Option<SupervisionSpec>,
    /// Whether its supervisor is at work.
    pub(super) supervises: bool,
    pub(super) reaped: bool,
    /// Whether a life of it has run.
    pub(super) ran: bool,
}

impl Known {
    pub(super) fn lives(&self) -> bool {
        self.phase == Phase::Running
    }
}

/// What is known after a part of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    pub(super) actors: BTreeMap<ActorId, Known>,
}

impl History {
    pub(super) fn get(&self, id: ActorId) -> Option<&Known> {
        self.actors.get(&id)
    }

    /// The actors with this parent, in start order.
    pub(super) fn children(&self, parent: ActorId) -> Vec<(ActorId, &Known)> {
        let children = self.actors.iter().filter(|(_, actor)| actor.parent == Some(parent));
        let mut children: Vec<_> = children.map(|(id, actor)| (*id, actor)).collect();
        children.sort_by_key(|(_, actor)| actor.place);
        children
    }

    /// Takes note of an entry. What makes no sense is for the checks to find.
    pub(super) fn take(&mut self, entry: &Entry) {
        match &entry.what {
            What::Begins { id, incarnation, parent, name, child_spec, state, .. } => {
                // A child whose start was ignored keeps its place, though its next start is another actor's.
                let before = self
                    .actors
                    .values()
                    .find(|known| known.parent == *parent && known.name == *name && !known.ran);
                let place = before.map_or(self.actors.len(), |known| known.place);
                let known = self.actors.entry(*id).or_insert_with(|| Known {
                    name: name.clone(),
                    parent: *parent,
                    child_spec: *child_spec,
                    incarnation: *incarnation,
                    phase: Phase::Starting,
                    began: entry.at,
                    asked: None,
                    first: state.clone(),
                    state: None,
                    place,
                    supervision: None,
                    supervises: false,
                    reaped: false,
                    ran: false,
                });
                (known.incarnation, known.phase, known.began) = (*incarnation, Phase::Starting, entry.at);
                (known.asked, known.child_spec) = (None, *child_spec);
            }
            What::Started { id, incarnation } => self.phase(*id, *incarnation, Phase::Running),
            What::StartFailed { id, incarnation, reason } | What::Exited { id, incarnation, reason } => {
                self.phase(*id, *incarnation, Phase::Ended(reason.clone()));
            }
            What::StopAsked { id, incarnation, mode } => {
                if let Some(known) = self.actors.get_mut(id).filter(|known| known.incarnation == *incarnation)
                {
                    known.asked.get_or_insert((entry.at, *mode));
                }
            }
            What::StateSet { id, state, .. } => {
                if let Some(known) = self.actors.get_mut(id) {
                    known.state = Some(state.clone());
                }
            }
            What::Supervises { id, supervision, .. } => {
                if let Some(known) = self.actors.get_mut(id) {
                    (known.supervision, known.supervises) = (Some(*supervision), true);
                }
            }
            What::SupervisorEnded { id, .. } => {
                if let Some(known) = self.actors.get_mut(id) {
                    known.supervises = false;
                }
            }
            What::Reaped { id } => {
                if let Some(known) = self.actors.get_mut(id) {
                    known.reaped = true;
                }
            }
            _ => {}
        }
    }

    fn phase(&mut self, id: ActorId, incarnation: Incarnation, phase: Phase) {
        let Some(known) = self.actors.get_mut(&id).filter(|known| known.incarnation == incarnation) else {
            return;
        };
        if let Phase::Ended(_) = phase {
            known.supervises = false;
        }
        known.ran |= phase == Phase::Running;
        known.phase = phase;
    }
}

/// A decision of a supervisor that an entry records: whose, and what.
pub(super) fn decision(entry: &Entry) -> Option<(ActorId, SupervisionReport)> {
    let What::Recorded { id, event } = &entry.what else { return None };
    if event.header.kind != EventKind::SUPERVISION {
        return None;
    }
    let data = SupervisorEvent::read(event).ok()?.data?;
    decode(&data).ok().map(|report| (*id, report))
}
