//! What the end of a life leads to.

use std::sync::Arc;

use theater_core::{ActorId, AutoShutdown, ExitReason, Incarnation};

use super::child::Phase;
use super::children::{Early, Slot};
use super::poison::{self, Guard};
use super::{Action, Deferred, Machine, Outcome, Tick, restarts};
use crate::event::{Decision, GiveUpCause};

impl Machine {
    /// A life has ended, by itself or because somebody ended it.
    pub(super) fn exited(
        &mut self,
        now: Tick,
        id: ActorId,
        incarnation: Incarnation,
        reason: Arc<ExitReason>,
        progressed: Option<bool>,
        actions: &mut Vec<Action>,
    ) {
        let Some(slot) = self.children.of_actor(id) else {
            let kept =
                self.children.keep_early(id, Early { incarnation, reason: Arc::clone(&reason), progressed });
            if !kept {
                // A child that was started past this supervisor: nobody's rule, but news.
                actions.push(Action::Notify { id, incarnation, reason });
            }
            return;
        };
        let child = self.children.get_mut(slot);
        if incarnation <= child.seen {
            return;
        }
        if incarnation < child.incarnation {
            // An older life: its end was dealt with when the next one was started, but may be news.
            child.seen = incarnation;
            self.tell(slot, incarnation, &reason, actions);
            return;
        }
        if incarnation > child.incarnation {
            if matches!(child.phase, Phase::Starting(_)) {
                // The exit of the life whose start has not been answered yet.
                self.children.keep_early(id, Early { incarnation, reason, progressed });
                return;
            }
            // Somebody restarted it past this supervisor. It is its child all the same. An end that was asked for leaves
            // a child down that was down: it may be that of a restart which was given up.
            child.incarnation = incarnation;
            child.restored = false;
            (child.ended, child.quiet) = (false, false);
            if child.phase == Phase::Down && !reason.is_requested() {
                self.children.set_phase(slot, Phase::Running);
            }
        }
        match self.children.get(slot).phase {
            Phase::Starting(_) | Phase::Stopping(_) => self.absorb(slot, reason, progressed, actions),
            Phase::Awaiting | Phase::Restarting | Phase::Down | Phase::Gone | Phase::Free => {
                self.children.get_mut(slot).seen = incarnation;
                self.tell(slot, incarnation, &reason, actions);
                self.children.free_if_over(slot);
            }
            Phase::Running if self.group_awaits(slot) => {
                // It died just before its group would have been stopped: that is done, then.
                self.tell(slot, incarnation, &reason, actions);
                let child = self.children.get_mut(slot);
                (child.seen, child.ended) = (incarnation, true);
            }
            // Told twice while the supervisor is busy.
            Phase::Running if self.must_wait() && self.children.get(slot).ended => {}
            Phase::Running if self.must_wait() => {
                self.tell(slot, incarnation, &reason, actions);
                self.children.get_mut(slot).ended = true;
                let child = self.children.key(slot);
                self.deferred.push_back(Deferred::Exit { child, id, incarnation, reason, progressed });
            }
            Phase::Running => self.decide(now, slot, reason, progressed, actions),
        }
    }

    /// The exit of a child on which an operation is under way: the answer to it, or a crash just before. Either way the
    /// operation deals with it.
    fn absorb(
        &mut self,
        slot: Slot,
        reason: Arc<ExitReason>,
        progressed: Option<bool>,
        actions: &mut Vec<Action>,
    ) {
        let child = self.children.get_mut(slot);
        // One that was down already had been dealt with.
        let over = std::mem::replace(&mut child.ended, true);
        child.seen = child.incarnation;
        let incarnation = child.incarnation;
        self.tell(slot, incarnation, &reason, actions);
        if !over && !reason.is_requested() {
            self.children.cold_mut(slot).absorbed = Some(Box::new((reason, progressed)));
        }
    }

    /// Tells the guest of the end of a child's life, once. Whoever asked for an end needs not be told that it came.
    fn tell(
        &mut self,
        slot: Slot,
        incarnation: Incarnation,
        reason: &Arc<ExitReason>,
        actions: &mut Vec<Action>,
    ) {
        let child = self.children.get_mut(slot);
        let Some(id) = child.id.filter(|_| child.told < incarnation) else { return };
        child.told = incarnation;
        let quiet = if incarnation == child.incarnation { child.quiet } else { child.was_quiet };
        if !(quiet && reason.is_requested()) {
            actions.push(Action::Notify { id, incarnation, reason: Arc::clone(reason) });
        }
    }

    /// The rule: restart it, or leave it, or end because of it.
    pub(super) fn decide(
        &mut self,
        now: Tick,
        slot: Slot,
        reason: Arc<ExitReason>,
        progressed: Option<bool>,
        actions: &mut Vec<Action>,
    ) {
        let incarnation = self.children.get(slot).incarnation;
        self.tell(slot, incarnation, &reason, actions);
        let ending = self.ending.is_some();
        let poison_after = self.spec.poison_after;
        if let Some(backoff) = self.spec.backoff {
            let cold = self.children.cold_mut(slot);
            if now.0.saturating_sub(cold.since.0) >= millis(backoff.reset_after) {
                cold.failures = 0;
            }
        }
        let child = self.children.get_mut(slot);
        (child.seen, child.ended) = (child.incarnation, true);
        if ending {
            self.children.set_phase(slot, Phase::Down);
            return;
        }
        if restarts(child.restart, &reason) {
            match poison::note(child, poison_after, &reason, progressed) {
                Guard::Pass => self.restart(now, slot, reason, actions),
                Guard::GiveUp { crashes } => {
                    self.give_up(slot, reason, GiveUpCause::Poison { crashes }, actions);
                }
            }
            return;
        }
        let (significant, id) = (child.significant, child.id);
        self.children.set_phase(slot, Phase::Down);
        let last = significant
            && match self.spec.auto_shutdown {
                AutoShutdown::AnySignificant => true,
                AutoShutdown::AllSignificant => self.children.counts().significant == 0,
                _ => false,
            };
        let decision =
            if last { Decision::AutoShutdown { mode: self.spec.auto_shutdown } } else { Decision::Leave };
        self.report(slot, reason, decision, actions);
        self.forget_if_over(slot);
        if last {
            self.end(Outcome::AutoShutdown { child: id });
        }
    }

    /// Forgets a child that ended for good. OTP deletes the spec of a temporary child, and a child under
    /// simple-one-for-one.
    pub(super) fn forget_if_over(&mut self, slot: Slot) {
        // What waits for it is answered first.
        let child = self.children.get(slot);
        // Without an actor and a name nobody could refer to it.
        let unknown = child.id.is_none() && !child.is_named;
        let waited_for = self.children.has_waiting(slot);
        if child.phase == Phase::Down && !waited_for && (child.is_temporary() || self.is_dynamic() || unknown)
        {
            self.children.remove(slot);
        }
    }
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
