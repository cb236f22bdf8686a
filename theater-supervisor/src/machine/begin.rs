//! The supervisor's own start: its declared children, one after the other.

use theater_core::ActorError;

use super::child::{Phase, Why};
use super::children::Slot;
use super::{Action, DeclaredChild, Machine};

impl Machine {
    /// Takes the declared children into its list and starts the first. OTP: `init` of a supervisor.
    pub(super) fn begin(&mut self, children: Vec<DeclaredChild>, actions: &mut Vec<Action>) {
        let mut first = None;
        let taken = |child: &DeclaredChild| self.children.of_name(&child.id).is_some();
        if self.beginning || children.iter().any(taken) {
            let error = ActorError::Unsupported { operation: "a second beginning of one supervisor" };
            actions.push(Action::Begun(Err(error)));
            return;
        }
        for declared in children {
            let slot = self.children.add(Some(declared.id), declared.child_spec, Phase::Awaiting);
            self.children.get_mut(slot).spec_given = true;
            first.get_or_insert(slot);
        }
        self.beginning = true;
        self.begin_at(first, actions);
    }

    /// One of them has been started, or was ignored: the next.
    pub(super) fn begin_next(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        if self.ending.is_none() {
            let next = self.children.after(slot);
            self.begin_at(next, actions);
        }
    }

    fn begin_at(&mut self, from: Option<Slot>, actions: &mut Vec<Action>) {
        match from.filter(|slot| self.children.get(*slot).phase == Phase::Awaiting) {
            Some(slot) => self.start(slot, Why::Begin, actions),
            None => {
                self.beginning = false;
                actions.push(Action::Begun(Ok(())));
            }
        }
    }
}
