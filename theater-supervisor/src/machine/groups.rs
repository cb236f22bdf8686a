//! One-for-all and rest-for-one: a group of children is stopped in reverse start order, then started in start order.
//!
//! OTP: temporary children of the group are stopped and forgotten. All others are started, those too that had ended
//! cleanly or had been terminated. If one does not start, those before it stay up, those after it wait, and it is retried.

use super::child::{Phase, Why};
use super::children::Slot;
use super::{Action, Machine};

/// A group restart under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// The child whose exit demands it.
    culprit: Slot,
    /// Whether the stopping is over.
    starting: bool,
}

impl Machine {
    /// Marks the children from `first` on as a group, and returns how many there are besides the culprit.
    pub(super) fn group_from(&mut self, culprit: Slot, first: Option<Slot>) -> u32 {
        let mut next = first;
        let mut siblings = 0;
        while let Some(slot) = next {
            self.children.get_mut(slot).grouped = true;
            siblings += u32::from(slot != culprit);
            next = self.children.after(slot);
        }
        siblings
    }

    /// Restarts the marked group.
    pub(super) fn restart_group(&mut self, culprit: Slot, actions: &mut Vec<Action>) {
        self.group = Some(Group { culprit, starting: false });
        self.children.set_phase(culprit, Phase::Down);
        let last = self.children.last();
        self.stop_group_from(last, actions);
    }

    /// Whether this child belongs to a group that is being stopped and has not been asked to stop yet.
    pub(super) fn group_awaits(&self, slot: Slot) -> bool {
        self.group.is_some_and(|group| !group.starting) && self.children.get(slot).grouped
    }

    /// A child of the group has been stopped or started: the next.
    pub(super) fn group_next(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        let Some(group) = self.group else { return };
        if self.ending.is_some() {
            self.end_group();
        } else if group.starting {
            let next = self.children.after(slot);
            self.start_group_from(next, actions);
        } else {
            // It is down by now, so the stopping goes on with the one before it.
            self.stop_group_from(Some(slot), actions);
        }
    }

    /// Stops the children of the group up to this one, latest first, one at a time.
    fn stop_group_from(&mut self, from: Option<Slot>, actions: &mut Vec<Action>) {
        let mut next = from;
        while let Some(slot) = next.filter(|slot| self.children.get(*slot).grouped) {
            let child = self.children.get(slot);
            match (child.phase, child.id) {
                (Phase::Running, Some(id)) if !child.ended => {
                    let halt = !child.is_temporary();
                    self.stop(slot, id, Why::Group { again: false }, halt, actions);
                    return;
                }
                // It died meanwhile, or waits for a retry, which the group's restart takes the place of.
                _ => self.children.set_phase(slot, Phase::Down),
            }
            next = self.children.before(slot);
            if self.children.get(slot).is_temporary() {
                self.forget(slot, actions);
            }
        }
        let Some(group) = &mut self.group else { return };
        group.starting = true;
        let first = match self.spec.strategy {
            theater_core::Strategy::OneForAll => self.children.first(),
            _ => Some(group.culprit),
        };
        self.start_group_from(first, actions);
    }

    /// Starts the children of the group from this one on, one at a time.
    fn start_group_from(&mut self, from: Option<Slot>, actions: &mut Vec<Action>) {
        match from {
            Some(slot) => {
                self.children.get_mut(slot).grouped = false;
                self.start(slot, Why::Group { again: false }, actions);
            }
            None => self.end_group(),
        }
    }

    /// The group's restart is over, or is given up.
    pub(super) fn end_group(&mut self) {
        if self.group.take().is_none() {
            return;
        }
        let mut next = self.children.last();
        while let Some(slot) = next {
            let child = self.children.get_mut(slot);
            if !std::mem::take(&mut child.grouped) {
                break;
            }
            next = self.children.before(slot);
        }
    }
}
