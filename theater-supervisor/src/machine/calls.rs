//! What can be asked of a supervisor.

use std::sync::Arc;

use theater_core::{
    ActorError, ActorInfo, ActorStatus, AutoShutdown, ChildSpec, Incarnation, RestartPolicy, StopMode,
};

use super::child::{Phase, Waiting, What, Why};
use super::children::Slot;
use super::{Action, By, CallId, ChildKey, Deferred, Input, Machine, Request, Target, Verdict};
use crate::error::ChildError;

impl Machine {
    pub(super) fn call(&mut self, call: CallId, by: By, request: Request, actions: &mut Vec<Action>) {
        let (target, what) = match request {
            Request::Start { id, child_spec } => {
                self.call_start(call, by, id, child_spec, actions);
                return;
            }
            Request::Terminate(target) => (target, What::Stop),
            Request::Restart(target) => (target, What::Restart),
            Request::Renew(target) => (target, What::Renew),
            Request::Delete(target) => (target, What::Delete),
        };
        let slot = match target {
            Target::Id(id) => match self.children.of_name(&id) {
                Some(slot) => slot,
                None => return reply(call, Err(ChildError::NotFound { id }), actions),
            },
            Target::Actor(info) => match self.settled_for(&info, what) {
                Some(verdict) => return reply(call, verdict, actions),
                None => self.adopt(&info),
            },
        };
        self.about(slot, Waiting { call, by, what }, actions);
        self.forget_if_over(slot);
    }

    /// A call that has to wait until the supervisor is not busy. Which actor is meant is decided now: later it may have
    /// been forgotten, and what the caller knows of it be outdated.
    pub(super) fn defer_call(&mut self, call: CallId, by: By, request: Request) {
        let known = match &request {
            Request::Terminate(Target::Actor(info)) => Some((info.id, What::Stop)),
            Request::Restart(Target::Actor(info)) => Some((info.id, What::Restart)),
            Request::Renew(Target::Actor(info)) => Some((info.id, What::Renew)),
            Request::Delete(Target::Actor(info)) => Some((info.id, What::Delete)),
            _ => None,
        };
        let known = known.and_then(|(id, what)| Some((self.children.of_actor(id)?, what)));
        self.deferred.push_back(match known {
            Some((slot, what)) => {
                let child = self.children.key(slot);
                Deferred::About { child, waiting: Waiting { call, by, what } }
            }
            None => Deferred::Input(Input::Call { call, by, request }),
        });
    }

    /// Whether a call is about an actor that may turn out to be the child of a start that has not been answered.
    pub(super) fn is_about_unanswered(&self, request: &Request) -> bool {
        let (Request::Terminate(target)
        | Request::Restart(target)
        | Request::Renew(target)
        | Request::Delete(target)) = request
        else {
            return false;
        };
        let Target::Actor(info) = target else { return false };
        self.children.counts().unanswered > 0 && self.children.of_actor(info.id).is_none()
    }

    fn call_start(
        &mut self,
        call: CallId,
        by: By,
        id: Option<Arc<str>>,
        child_spec: Option<ChildSpec>,
        actions: &mut Vec<Action>,
    ) {
        let id = id.filter(|_| !self.is_dynamic());
        if let Some(slot) = id.as_deref().and_then(|id| self.children.of_name(id)) {
            return self.about(slot, Waiting { call, by, what: What::Start }, actions);
        }
        let spec = child_spec.unwrap_or_default();
        let never = self.spec.auto_shutdown == AutoShutdown::Never;
        if spec.significant && (never || spec.restart == RestartPolicy::Permanent) {
            return reply(call, Err(ChildError::Significant), actions);
        }
        if let Some(limit) = self.spec.max_children
            && self.children.counts().occupied >= limit as usize
        {
            return reply(call, Err(ChildError::MaxChildren { limit }), actions);
        }
        let slot = self.children.add(id, spec, Phase::Down);
        self.children.cold_mut(slot).call = call;
        let child = self.children.get_mut(slot);
        (child.new, child.spec_given) = (true, child_spec.is_some());
        self.start(slot, Why::Call(by), actions);
    }

    /// The answer about an actor that is no child and need not become one: who has ended need not be kept to be stopped, and
    /// a start that is somebody else's may still fail without a word.
    fn settled_for(&self, info: &ActorInfo, what: What) -> Option<Verdict> {
        let child = self.children.of_actor(info.id);
        if child.is_some_and(|slot| self.children.get(slot).phase != Phase::Gone) {
            return None;
        }
        let starting = info.status == ActorStatus::Starting;
        match what {
            What::Stop if info.status.is_ended() => Some(Ok(Some(info.id))),
            What::Restart | What::Delete if starting => Some(Err(ChildError::Running)),
            What::Renew if starting => Some(Err(ActorError::not_a_child(&info.id.to_string()).into())),
            _ => None,
        }
    }

    /// The child that is this actor; one that this supervisor does not keep is added as it is.
    fn adopt(&mut self, info: &ActorInfo) -> Slot {
        if let Some(slot) = self.children.of_actor(info.id)
            && self.children.get(slot).phase != Phase::Gone
        {
            return slot;
        }
        if let Some(gone) = self.children.of_actor(info.id) {
            // It was forgotten before its exit came. Now it is known again, and the exit is no news.
            self.children.get_mut(gone).seen = info.incarnation;
            self.children.free_if_over(gone);
        }
        let ended = info.status.is_ended();
        let phase = if ended { Phase::Down } else { Phase::Running };
        let slot = self.children.add(None, info.child_spec, phase);
        self.children.name_actor(slot, info.id);
        let child = self.children.get_mut(slot);
        child.incarnation = info.incarnation;
        // Earlier lives are not this supervisor's.
        let before = Incarnation(info.incarnation.0.saturating_sub(1));
        (child.seen, child.told) = (before, before);
        if ended {
            (child.seen, child.told, child.ended) = (info.incarnation, info.incarnation, true);
        }
        slot
    }

    /// A call about one child: now, or after what is being done with it.
    pub(super) fn about(&mut self, slot: Slot, waiting: Waiting, actions: &mut Vec<Action>) {
        if self.children.get(slot).phase.is_unsettled() {
            self.children.wait(slot, waiting);
            return;
        }
        let Waiting { call, by, what } = waiting;
        self.children.cold_mut(slot).call = call;
        match what {
            What::Start => self.start_again(slot, call, actions),
            What::Stop => self.terminate(slot, call, by, actions),
            What::Restart => self.restart_stopped(slot, call, by, actions),
            What::Renew => self.renew(slot, by, actions),
            What::Delete => self.delete(slot, call, actions),
        }
    }

    /// `start_child` with the id of a child that is there.
    fn start_again(&mut self, slot: Slot, call: CallId, actions: &mut Vec<Action>) {
        let child = self.children.get(slot);
        let id = self.children.name(slot).expect("it was found by its name");
        let error = match (child.phase, child.id) {
            (Phase::Running, Some(actor)) => ChildError::AlreadyStarted { id, actor },
            _ => ChildError::AlreadyPresent { id },
        };
        reply(call, Err(error), actions);
    }

    fn terminate(&mut self, slot: Slot, call: CallId, by: By, actions: &mut Vec<Action>) {
        let child = self.children.get_mut(slot);
        if let Phase::Restarting | Phase::Down = child.phase {
            // Nothing of it runs; the runtime is told all the same, because it keeps the messages of a child that is
            // going to be restarted.
            child.ended = true;
        }
        match child.id {
            Some(id) => self.stop(slot, id, Why::Call(by), false, actions),
            None => {
                self.children.set_phase(slot, Phase::Down);
                reply(call, Ok(None), actions);
            }
        }
    }

    fn restart_stopped(&mut self, slot: Slot, call: CallId, by: By, actions: &mut Vec<Action>) {
        if self.is_dynamic() {
            return reply(call, Err(ChildError::SimpleOneForOne), actions);
        }
        match self.children.get(slot).phase {
            Phase::Running => reply(call, Err(ChildError::Running), actions),
            Phase::Restarting => reply(call, Err(ChildError::Restarting), actions),
            _ => {
                self.renew_from(slot);
                self.start(slot, Why::Call(by), actions);
            }
        }
    }

    /// Ends its life, if it has one, and starts the next.
    fn renew(&mut self, slot: Slot, by: By, actions: &mut Vec<Action>) {
        let from = self.renew_from(slot);
        let child = self.children.get_mut(slot);
        child.quiet |= by == By::Guest;
        let runs = child.phase == Phase::Running && !child.ended;
        let id = child.id;
        let cold = self.children.cold_mut(slot);
        cold.absorbed = None;
        let mode = if runs { cold.shutdown.into() } else { StopMode::Kill };
        match id {
            Some(id) => {
                let key = self.children.key(slot);
                self.children.set_phase(slot, Phase::Starting(Why::Call(by)));
                actions.push(Action::Restart { child: key, id, from, mode });
            }
            None => self.start(slot, Why::Call(by), actions),
        }
    }

    fn delete(&mut self, slot: Slot, call: CallId, actions: &mut Vec<Action>) {
        if self.is_dynamic() {
            return reply(call, Err(ChildError::SimpleOneForOne), actions);
        }
        let child = self.children.get(slot);
        match child.phase {
            Phase::Running => reply(call, Err(ChildError::Running), actions),
            Phase::Restarting => reply(call, Err(ChildError::Restarting), actions),
            _ => {
                let id = child.id;
                actions.extend(id.map(|id| Action::Reap { id }));
                reply(call, Ok(id), actions);
                self.forget(slot, actions);
            }
        }
    }

    /// After an operation on a child has ended: the calls that wait for it.
    pub(super) fn next_waiting(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        while self.ending.is_none() && !self.children.get(slot).phase.is_unsettled() {
            let Some(waiting) = self.children.next_waiting(slot) else { return };
            self.about(slot, waiting, actions);
        }
    }

    /// Forgets a child. Calls that wait for it are told so.
    pub(super) fn forget(&mut self, slot: Slot, actions: &mut Vec<Action>) {
        let id = self.children.name(slot).unwrap_or_else(|| match self.children.get(slot).id {
            Some(id) => id.to_string().into(),
            None => "(not started)".into(),
        });
        while let Some(waiting) = self.children.next_waiting(slot) {
            reply(waiting.call, Err(ChildError::NotFound { id: Arc::clone(&id) }), actions);
        }
        self.children.remove(slot);
    }

    /// A call whose child was known when it came.
    pub(super) fn deferred_about(&mut self, child: ChildKey, waiting: Waiting, actions: &mut Vec<Action>) {
        match self.children.slot(child).filter(|slot| self.children.get(*slot).phase != Phase::Gone) {
            Some(slot) => {
                self.about(slot, waiting, actions);
                self.forget_if_over(slot);
            }
            None => reply(waiting.call, Err(ChildError::NotFound { id: "(forgotten)".into() }), actions),
        }
    }
}

fn reply(call: CallId, verdict: Verdict, actions: &mut Vec<Action>) {
    actions.push(Action::Reply { call, verdict });
}
