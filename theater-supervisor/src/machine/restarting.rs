//! Restarts by rule, and how starts and stops end.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorId, ChildSpec, ExitReason, Incarnation, RestartFrom, StopMode, Strategy,
};

use super::child::{Phase, Why};
use super::children::Slot;
use super::exits::millis;
use super::{Action, By, ChildKey, Machine, Outcome, Report, Tick, backoff};
use crate::error::ChildError;
use crate::event::{Decision, GiveUpCause};

impl Machine {
    /// A child has to be started again: now, or after its backoff.
    pub(super) fn restart(
        &mut self,
        now: Tick,
        slot: Slot,
        reason: Arc<ExitReason>,
        actions: &mut Vec<Action>,
    ) {
        if self.spec.backoff.is_some() {
            self.wait_for_retry(slot, reason, actions);
        } else {
            self.attempt(now, slot, reason, actions);
        }
    }

    /// OTP's `restarting`: the next attempt comes later, and calls and exits are dealt with in between.
    pub(super) fn wait_for_retry(&mut self, slot: Slot, reason: Arc<ExitReason>, actions: &mut Vec<Action>) {
        let cold = self.children.cold_mut(slot);
        cold.attempt = cold.attempt.wrapping_add(1);
        let (attempt, failures) = (cold.attempt, cold.failures);
        cold.failures = failures.saturating_add(1);
        cold.last_reason = Some(Arc::clone(&reason));
        let delay = match &self.spec.backoff {
            Some(backoff) => backoff::delay(backoff, failures, self.random.next()),
            None => Duration::ZERO,
        };
        self.children.set_phase(slot, Phase::Restarting);
        if self.spec.backoff.is_some() {
            self.report(slot, reason, Decision::Wait { delay_ms: millis(delay) }, actions);
        }
        actions.push(Action::RetryLater { child: self.children.key(slot), attempt, delay });
    }

    /// The time of a retry has come, unless it was cancelled.
    pub(super) fn retry(&mut self, now: Tick, key: ChildKey, attempt: u32, actions: &mut Vec<Action>) {
        let Some(slot) = self.children.slot(key) else { return };
        let waits = self.children.get(slot).phase == Phase::Restarting;
        if self.ending.is_none() && waits && self.children.cold(slot).attempt == attempt {
            let reason = self.children.cold_mut(slot).last_reason.take();
            let reason = reason.expect("kept when the wait began");
            self.attempt(now, slot, reason, actions);
        }
    }

    /// Starts a child again, with those that its strategy gives it for company, or gives up. The attempt is counted
    /// before it is made.
    fn attempt(&mut self, now: Tick, slot: Slot, reason: Arc<ExitReason>, actions: &mut Vec<Action>) {
        let (intensity, period_ms) = (self.spec.intensity, millis(self.spec.period));
        if !self.window.admit(now) {
            self.give_up(slot, reason, GiveUpCause::Intensity { intensity, period_ms }, actions);
            return;
        }
        let strategy = self.spec.strategy;
        let siblings = match strategy {
            Strategy::OneForAll => self.group_from(slot, self.children.first()),
            Strategy::RestForOne => self.group_from(slot, Some(slot)),
            _ => 0,
        };
        let decision = Decision::Restart {
            count: self.window.count(),
            intensity,
            period_ms,
            strategy,
            siblings,
            from: self.children.get(slot).restart_from(),
        };
        self.report(slot, reason, decision, actions);
        if super::policy::is_group(strategy) {
            self.restart_group(slot, actions);
        } else {
            self.start(slot, Why::Rule, actions);
        }
    }

    /// Starts a child that does not run: its first life, or the next.
    pub(super) fn start(&mut self, slot: Slot, why: Why, actions: &mut Vec<Action>) {
        let key = self.children.key(slot);
        self.children.set_phase(slot, Phase::Starting(why));
        let child = self.children.get_mut(slot);
        match child.id {
            Some(id) => {
                let from = child.restart_from();
                child.restored = true;
                // The life has ended: its grace, which may be infinite, is not for the start of the next.
                actions.push(Action::Restart { child: key, id, from, mode: StopMode::Kill });
            }
            None => {
                child.restored = false;
                let call = matches!(why, Why::Call(_)).then(|| self.children.cold(slot).call);
                actions.push(Action::Start { child: key, id: self.children.name(slot), call });
            }
        }
    }

    pub(super) fn give_up(
        &mut self,
        slot: Slot,
        reason: Arc<ExitReason>,
        cause: GiveUpCause,
        actions: &mut Vec<Action>,
    ) {
        self.children.set_phase(slot, Phase::Down);
        self.report(slot, Arc::clone(&reason), Decision::GiveUp { cause }, actions);
        self.end(Outcome::Escalated { child: self.children.get(slot).id, reason, cause });
    }

    pub(super) fn report(
        &self,
        slot: Slot,
        reason: Arc<ExitReason>,
        decision: Decision,
        actions: &mut Vec<Action>,
    ) {
        let child = self.children.get(slot);
        actions.push(Action::Report(Report {
            child: child.id,
            child_id: self.children.name(slot),
            incarnation: child.incarnation,
            reason,
            decision,
        }));
    }

    pub(super) fn started(
        &mut self,
        now: Tick,
        key: ChildKey,
        id: ActorId,
        incarnation: Incarnation,
        spec: ChildSpec,
        actions: &mut Vec<Action>,
    ) {
        let Some(slot) = self.children.slot(key) else { return };
        let Phase::Starting(why) = self.children.get(slot).phase else { return };
        self.children.name_actor(slot, id);
        self.children.update(slot, |child| {
            child.phase = Phase::Running;
            child.incarnation = incarnation;
            child.new = false;
            child.was_quiet = child.quiet;
            (child.ended, child.quiet) = (false, false);
        });
        if !self.children.get(slot).spec_given {
            self.children.set_spec(slot, &spec);
        }
        if self.spec.backoff.is_some() {
            self.children.cold_mut(slot).since = now;
        }
        if let Why::Call(_) = why {
            let call = self.children.cold(slot).call;
            actions.push(Action::Reply { call, verdict: Ok(Some(id)) });
        }
        // It may have died before its start was answered.
        let early = self.children.take_early(id).filter(|early| early.incarnation >= incarnation);
        self.start_ended(slot, why, actions);
        if let Some(early) = early {
            self.exited(now, id, early.incarnation, early.reason, early.progressed, actions);
        }
        self.next_waiting(slot, actions);
        self.forget_if_over(slot);
        if self.ending.is_some() && self.is_dynamic() {
            self.stop_at_end(slot, actions);
        }
    }

    /// A child has been started, or would not be: those who wait for that go on.
    fn start_ended(&mut self, slot: Slot, why: Why, actions: &mut Vec<Action>) {
        match why {
            Why::Begin => self.begin_next(slot, actions),
            Why::Group { .. } => self.group_next(slot, actions),
            _ => {}
        }
    }

    /// OTP's `ignore`: the child is kept without a process, unless it is temporary.
    pub(super) fn ignored(&mut self, key: ChildKey, actions: &mut Vec<Action>) {
        let Some(slot) = self.children.slot(key) else { return };
        let Phase::Starting(why) = self.children.get(slot).phase else { return };
        self.children.set_phase(slot, Phase::Down);
        self.children.get_mut(slot).new = false;
        if let Why::Call(_) = why {
            let call = self.children.cold(slot).call;
            actions.push(Action::Reply { call, verdict: Ok(None) });
        }
        self.start_ended(slot, why, actions);
        self.next_waiting(slot, actions);
        self.forget_if_over(slot);
    }

    pub(super) fn start_failed(&mut self, key: ChildKey, error: ActorError, actions: &mut Vec<Action>) {
        let Some(slot) = self.children.slot(key) else { return };
        let Phase::Starting(why) = self.children.get(slot).phase else { return };
        let child = self.children.get_mut(slot);
        let (first, new) = (child.id.is_none(), std::mem::take(&mut child.new));
        let abandoned = std::mem::take(&mut self.children.cold_mut(slot).abandoned);
        // A child with a name can be started anew.
        let lost = !first && is_gone(&error);
        if matches!(error, ActorError::ShuttingDown) && !abandoned && self.ending.is_none() {
            // The actor ends, and with it its supervisor, which is about to be told.
            self.end(Outcome::Shutdown);
        }
        if lost {
            self.children.lose_actor(slot);
        }
        match why {
            Why::Call(_) => {
                self.children.set_phase(slot, Phase::Down);
                let call = self.children.cold(slot).call;
                actions.push(Action::Reply { call, verdict: Err(ChildError::Actor(error)) });
                // OTP: the child specification is not kept. Nor is a child that nobody could start again.
                if new || (lost && !self.children.get(slot).is_named) {
                    self.forget(slot, actions);
                    return;
                }
            }
            Why::Begin => {
                self.children.set_phase(slot, Phase::Down);
                let id = self.children.name(slot).expect("declared children have names");
                self.end(Outcome::NotStarted { id, error });
            }
            Why::Rule | Why::Group { .. } | Why::Ending { .. } if self.ending.is_some() => {
                self.children.set_phase(slot, Phase::Down);
            }
            Why::Rule | Why::Group { .. } | Why::Ending { .. } => {
                if lost && !self.children.get(slot).is_named {
                    // Nobody knows how to start it: it is no child any more.
                    self.children.set_phase(slot, Phase::Down);
                    if let Why::Group { .. } = why {
                        self.group_next(slot, actions);
                    }
                } else {
                    // OTP tries again until it succeeds or the intensity is exceeded. Of a group the rest waits for that.
                    self.end_group();
                    let reason = Arc::new(ExitReason::StartFailed { error: error.to_string() });
                    self.wait_for_retry(slot, reason, actions);
                }
            }
        }
        self.next_waiting(slot, actions);
        self.forget_if_over(slot);
    }

    pub(super) fn stop_ended(
        &mut self,
        now: Tick,
        key: ChildKey,
        error: Option<ActorError>,
        actions: &mut Vec<Action>,
    ) {
        let Some(slot) = self.children.slot(key) else { return };
        let Phase::Stopping(why) = self.children.get(slot).phase else { return };
        let gone = error.as_ref().is_some_and(is_gone);
        let error = error.filter(|error| !is_gone(error));
        match why {
            Why::Call(_) => {
                self.stop_of_call_ended(now, slot, error, actions);
                if gone && !self.children.get(slot).is_named {
                    // Nobody could start it again: it is no child any more.
                    self.forget(slot, actions);
                    return;
                }
            }
            Why::Group { again: false } | Why::Ending { again: false } if error.is_some() => {
                self.stop_again(slot, why, actions);
                return;
            }
            Why::Group { .. } => {
                self.over(slot);
                self.group_next(slot, actions);
            }
            _ => {
                // It has done what it could.
                self.over(slot);
                self.forget(slot, actions);
                return;
            }
        }
        self.next_waiting(slot, actions);
        self.forget_if_over(slot);
    }

    fn stop_of_call_ended(
        &mut self,
        now: Tick,
        slot: Slot,
        error: Option<ActorError>,
        actions: &mut Vec<Action>,
    ) {
        let cold = self.children.cold_mut(slot);
        let (call, absorbed) = (cold.call, cold.absorbed.take());
        let ran = !self.children.get(slot).ended;
        match error {
            // What did not run does not run: the answer is as if it had been stopped.
            Some(error) if ran || absorbed.is_some() => {
                actions.push(Action::Reply { call, verdict: Err(ChildError::Actor(error)) });
                self.children.set_phase(slot, Phase::Running);
                // Whoever ends it now has not been asked to by that call.
                self.children.get_mut(slot).quiet = false;
                if let Some(exit) = absorbed {
                    // It was not stopped: it ended by itself, and the rules are for that.
                    self.decide(now, slot, exit.0, exit.1, actions);
                }
            }
            _ => {
                self.over(slot);
                actions.push(Action::Reply { call, verdict: Ok(self.children.get(slot).id) });
            }
        }
    }

    /// Notes that a child has been ended: the rules have no more to say when the exit of this life comes.
    fn over(&mut self, slot: Slot) {
        let child = self.children.get_mut(slot);
        child.ended = true;
        self.children.cold_mut(slot).absorbed = None;
        self.children.set_phase(slot, Phase::Down);
    }

    /// A stop that was refused is tried once more, without asking the child.
    fn stop_again(&mut self, slot: Slot, why: Why, actions: &mut Vec<Action>) {
        let (why, halt) = match why {
            Why::Group { .. } => {
                let halt = self.ending.is_none() && !self.children.get(slot).is_temporary();
                (Why::Group { again: true }, halt)
            }
            _ => (Why::Ending { again: true }, false),
        };
        let child = self.children.key(slot);
        let Some(id) = self.children.get(slot).id else { return };
        self.children.set_phase(slot, Phase::Stopping(why));
        actions.push(Action::Stop { child, id, mode: StopMode::Kill, halt });
    }

    /// Asks a child to end.
    pub(super) fn stop(&mut self, slot: Slot, id: ActorId, why: Why, halt: bool, actions: &mut Vec<Action>) {
        if let Why::Call(By::Guest) | Why::Ending { .. } = why {
            self.children.get_mut(slot).quiet = true;
        }
        let cold = self.children.cold_mut(slot);
        cold.absorbed = None;
        let mode = cold.shutdown.into();
        self.children.set_phase(slot, Phase::Stopping(why));
        actions.push(Action::Stop { child: self.children.key(slot), id, mode, halt });
    }

    /// Where a restart that somebody asked for starts from: the guard begins anew.
    pub(super) fn renew_from(&mut self, slot: Slot) -> RestartFrom {
        self.children.cold_mut(slot).failures = 0;
        let child = self.children.get_mut(slot);
        child.stuck = super::child::Stuck::default();
        child.restored = true;
        child.restart_from()
    }
}

/// Whether the runtime has no record of the child: reaped by somebody. What is not there does not run.
fn is_gone(error: &ActorError) -> bool {
    matches!(error, ActorError::NotAChild { .. } | ActorError::UnknownActor { .. })
}
