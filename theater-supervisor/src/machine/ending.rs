//! The supervisor's own end: its children first.

use theater_core::{ActorError, Incarnation};

use super::child::{Phase, Why};
use super::children::Slot;
use super::{Action, ChildKey, Deferred, Machine, Outcome, refusal, refuse};

/// A supervisor that has begun to end.
#[derive(Debug)]
pub(super) struct Ending {
    outcome: Outcome,
    /// Whether those who wait have been told, and starts under way been given up.
    announced: bool,
}

impl Machine {
    /// Decides that the supervisor ends. The first reason stays.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.ending.get_or_insert(Ending { outcome, announced: false });
    }

    /// While ending: stops the latest child that is there. One at a time, so the order is exact. Under
    /// simple-one-for-one all are stopped at once, as in OTP.
    pub(super) fn go_on_ending(&mut self, actions: &mut Vec<Action>) {
        let Some(ending) = &mut self.ending else { return };
        if !std::mem::replace(&mut ending.announced, true) {
            self.announce(actions);
        }
        while let Some(slot) = self.children.last() {
            if self.stop_at_end(slot, actions) {
                return;
            }
            self.forget(slot, actions);
        }
        let Some(ending) = &self.ending else { return };
        let outcome = ending.outcome.clone();
        if std::mem::take(&mut self.beginning) {
            actions.push(Action::Begun(Err(match &outcome {
                Outcome::NotStarted { id, error } => {
                    ActorError::ChildNotStarted { child: id.to_string(), error: Box::new(error.clone()) }
                }
                _ => ActorError::ShuttingDown,
            })));
        }
        actions.push(Action::Finish(outcome));
        self.finished = true;
    }

    /// Whether the end has to wait for this child. Calls that come from now on are refused at once, so nothing waits
    /// again.
    pub(super) fn stop_at_end(&mut self, slot: Slot, actions: &mut Vec<Action>) -> bool {
        let child = self.children.get(slot);
        match (child.phase, child.id) {
            (Phase::Starting(_) | Phase::Stopping(_), _) => true,
            (Phase::Running, Some(id)) if !child.ended => {
                self.stop(slot, id, Why::Ending { again: false }, false, actions);
                true
            }
            _ => false,
        }
    }

    /// Refuses what waits, gives up the starts that are under way, and under simple-one-for-one asks all to stop.
    fn announce(&mut self, actions: &mut Vec<Action>) {
        self.end_group();
        for deferred in std::mem::take(&mut self.deferred) {
            match deferred {
                Deferred::Exit { child, incarnation, .. } => self.note_deferred_exit(child, incarnation),
                Deferred::About { waiting, .. } => {
                    actions.push(Action::Reply { call: waiting.call, verdict: Err(refusal()) });
                }
                Deferred::Input(input) => refuse(input, actions),
            }
        }
        for call in self.children.take_waiting() {
            actions.push(Action::Reply { call, verdict: Err(refusal()) });
        }
        let all = self.is_dynamic();
        let concerned: Vec<_> = self
            .children
            .iter()
            .filter(|slot| match self.children.get(*slot).phase {
                Phase::Starting(_) => true,
                Phase::Running => all,
                _ => false,
            })
            .collect();
        for slot in concerned {
            if let Phase::Starting(_) = self.children.get(slot).phase {
                self.children.cold_mut(slot).abandoned = true;
                actions.push(Action::Abandon { child: self.children.key(slot) });
            } else {
                self.stop_at_end(slot, actions);
            }
        }
    }

    /// A child that died while something else was done: it needs no stop.
    fn note_deferred_exit(&mut self, key: ChildKey, incarnation: Incarnation) {
        let Some(slot) = self.children.slot(key) else { return };
        let child = self.children.get_mut(slot);
        child.seen = child.seen.max(incarnation);
        if child.phase == Phase::Running && child.incarnation == incarnation {
            self.children.set_phase(slot, Phase::Down);
        }
    }
}
