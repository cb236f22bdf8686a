//! What can be read of a supervisor at any time, also while it starts or stops a child.

use std::sync::Arc;

use theater_core::{ActorId, ChildSpec, Incarnation};

use super::Machine;
use super::child::Phase;

/// How a child is, in OTP's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChildState {
    /// It runs. OTP: a pid.
    Running,
    /// It is being started for the first time, or as somebody asked. OTP's supervisor does not answer meanwhile.
    Starting,
    /// It is being stopped. OTP's supervisor does not answer meanwhile.
    Stopping,
    /// It waits for a restart, or is being restarted.
    Restarting,
    /// It does not run. OTP: `undefined`.
    Down,
}

/// A child in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildView {
    /// Its id among its siblings; `None` for a child that is known by its actor only.
    pub id: Option<Arc<str>>,
    /// Its actor; `None` until it has run once.
    pub actor: Option<ActorId>,
    /// How it is.
    pub state: ChildState,
    /// How it is treated.
    pub child_spec: ChildSpec,
}

/// How many children there are. OTP: `count_children`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChildCounts {
    /// Children, dead or alive.
    pub specs: usize,
    /// Children that run.
    pub active: usize,
    /// Supervisors, dead or alive.
    pub supervisors: usize,
    /// Workers, dead or alive.
    pub workers: usize,
}

impl Machine {
    /// The children, latest start first. OTP: `which_children`.
    #[must_use]
    pub fn which_children(&self) -> Vec<ChildView> {
        let mut views: Vec<_> = self
            .children
            .iter()
            .map(|slot| {
                let child = self.children.get(slot);
                let state = match child.phase {
                    Phase::Starting(super::child::Why::Rule | super::child::Why::Group { .. })
                    | Phase::Restarting => ChildState::Restarting,
                    Phase::Starting(_) => ChildState::Starting,
                    Phase::Running => ChildState::Running,
                    Phase::Stopping(_) => ChildState::Stopping,
                    Phase::Awaiting | Phase::Down | Phase::Gone | Phase::Free => ChildState::Down,
                };
                let child_spec = self.children.spec(slot);
                ChildView { id: self.children.name(slot), actor: child.id, state, child_spec }
            })
            .collect();
        views.reverse();
        views
    }

    /// How many children there are. O(1).
    #[must_use]
    pub fn count_children(&self) -> ChildCounts {
        let counts = self.children.counts();
        ChildCounts {
            specs: counts.specs,
            active: counts.active,
            supervisors: counts.supervisors,
            workers: counts.specs - counts.supervisors,
        }
    }

    /// Whether there is a child with this id.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.children.of_name(id).is_some()
    }

    /// Whether the exit of this life has not come yet: who knows that it ended has to say so.
    #[must_use]
    pub fn awaits_exit(&self, id: ActorId, incarnation: Incarnation) -> bool {
        self.children.of_actor(id).is_some_and(|slot| {
            let child = self.children.get(slot);
            let waits = matches!(child.phase, Phase::Running | Phase::Gone);
            waits && child.incarnation <= incarnation && child.seen < incarnation
        })
    }

    /// Whether the supervisor has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }
}
