//! Messages and what actors do in their calls.

use std::time::Duration;

use theater_core::event::payload::{self, Call, Return};
use theater_core::{ActorError, ActorId, ActorStatus, Authority, Bytes, EventKind, ExitReason, Incarnation};
use tokio::time::{Instant, sleep_until};

use super::MockRuntime;
use super::lives::Lives;
use super::queue::Ready;
use crate::act::Act;
use crate::log::What;

/// A message that was accepted and waits.
#[derive(Debug, Clone)]
pub(super) struct Message {
    number: u64,
    bytes: Bytes,
}

/// A call that an actor is in.
struct Doing {
    id: ActorId,
    life: Incarnation,
    act: Act,
}

impl MockRuntime {
    /// Puts a message into an actor's mailbox, on behalf of another actor or of the embedding program.
    ///
    /// # Errors
    /// [`UnknownActor`](ActorError::UnknownActor), [`Ended`](ActorError::Ended).
    pub fn send_from(
        &self,
        sender: Option<ActorId>,
        to: ActorId,
        message: impl Into<Bytes>,
    ) -> Result<(), ActorError> {
        let mut lives = self.lives();
        let number = lives.number();
        let actor = lives.covered(Authority::Operator, to)?;
        // A mailbox that is kept takes more: the next life is on its way.
        if let ActorStatus::Ended(reason) = &actor.status
            && !actor.keeps_mailbox
        {
            return Err(ActorError::Ended { id: to, reason: reason.clone() });
        }
        actor.mailbox.push_back(Message { number, bytes: message.into() });
        lives.note(What::MessageTaken { id: to, message: number, sender });
        drop(lives);
        self.deliver(to);
        Ok(())
    }

    /// Makes sure that the messages of a running actor are handled.
    pub(super) fn deliver(&self, id: ActorId) {
        {
            let mut lives = self.lives();
            let Some(actor) = lives.actors.get_mut(&id) else { return };
            let idle = actor.mailbox.is_empty() || actor.delivering || actor.status != ActorStatus::Running;
            if idle {
                return;
            }
            actor.delivering = true;
        }
        let mock = self.clone();
        tokio::spawn(async move { while mock.deliver_one(id).await {} });
    }

    /// Handles the next message of an actor. `false` if there is none, or nobody to handle it.
    async fn deliver_one(&self, id: ActorId) -> bool {
        self.quiet(id).await;
        self.turn(Ready::Message(id)).await;
        let doing = {
            let mut lives = self.lives();
            let Some(actor) = lives.actors.get_mut(&id) else { return false };
            let (life, running) = (actor.incarnation, actor.status == ActorStatus::Running);
            if actor.busy_until.is_some_and(|until| until > Instant::now()) {
                return true;
            }
            let Some(message) = running.then(|| actor.mailbox.pop_front()).flatten() else {
                actor.delivering = false;
                return false;
            };
            let reaction = actor.program.reactions.iter().find(|reaction| reaction.message == message.bytes);
            let act = reaction.map(|reaction| reaction.act.clone());
            lives.note(What::MessageHandled { id, incarnation: life, message: message.number });
            act.map(|act| Doing { id, life, act })
        };
        if let Some(doing) = doing {
            self.carry_out(doing).await;
        }
        true
    }

    pub(super) async fn perform(&self, id: ActorId, act: Act) -> Result<(), ActorError> {
        self.quiet(id).await;
        let life = {
            let mut lives = self.lives();
            let actor = lives.covered(Authority::Operator, id)?;
            match &actor.status {
                ActorStatus::Ended(reason) => {
                    return Err(ActorError::Ended { id, reason: reason.clone() });
                }
                _ => actor.incarnation,
            }
        };
        self.carry_out(Doing { id, life, act }).await;
        Ok(())
    }

    /// Waits until the actor's current call has ended.
    async fn quiet(&self, id: ActorId) {
        loop {
            let until = self.lives().actors.get(&id).and_then(|actor| actor.busy_until);
            match until {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => return,
            }
        }
    }

    async fn carry_out(&self, Doing { id, life, act }: Doing) {
        {
            let mut lives = self.lives();
            let current = lives.actors.get(&id).filter(|actor| actor.incarnation == life);
            if current.is_none_or(|actor| actor.status != ActorStatus::Running) {
                return;
            }
            let call = Call {
                function: "handle-send".into(),
                from: None,
                subject: None,
                data: None,
                error_type: None,
            };
            lives.record(id, EventKind::CALL, payload::encode(&call));
        }
        let end = match act {
            Act::SetState(state) => {
                self.lives().set_state(id, state);
                None
            }
            Act::Crash => Some(crate::program::crash()),
            Act::Complete(data) => Some(ExitReason::Completed { data }),
            Act::Busy(time) => {
                // It returns when the time is over; nobody looks at that before the next call.
                if let Some(actor) = self.lives().actors.get_mut(&id) {
                    actor.busy_until = Some(Instant::now() + time);
                }
                None
            }
            Act::Call(call) => {
                // The answer is the guest's own affair; the log has it.
                let _ = self.guest(id).call(call).await;
                None
            }
        };
        {
            let mut lives = self.lives();
            if end.as_ref().is_none_or(ExitReason::is_clean) {
                lives.returned(id, life);
            }
            if let Some(reason) = end {
                lives.end(id, Some(life), reason);
            }
        }
        self.pump();
    }
}

impl Lives {
    pub(super) fn number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
    }

    pub(super) fn set_state(&mut self, id: ActorId, state: Bytes) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.state = Some(state.clone());
        let incarnation = actor.incarnation;
        self.note(What::StateSet { id, incarnation, state });
    }

    /// A call has succeeded.
    fn returned(&mut self, id: ActorId, life: Incarnation) {
        let lives = |actor: &&super::lives::Actor| actor.incarnation == life && !actor.status.is_ended();
        let Some(actor) = self.actors.get(&id).filter(lives) else { return };
        let state_len = actor.state.as_ref().map(|state| state.len() as u64);
        let returned = Return { state_len, ..Return::default() };
        self.record(id, EventKind::RETURN, payload::encode(&returned));
    }

    /// How long the actor's current call goes on.
    pub(super) fn busy_for(&self, id: ActorId) -> Duration {
        let until = self.actors.get(&id).and_then(|actor| actor.busy_until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// What becomes of the messages of a life that has ended: they are kept where the parent's supervisor will start
    /// the next, and go back otherwise.
    pub(super) fn life_left_mailbox(&mut self, id: ActorId, reason: &ExitReason) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        let returns = actor.parent.is_some()
            && !reason.is_requested()
            && theater_supervisor::restarts(actor.program.child_spec.restart, reason);
        actor.keeps_mailbox = returns;
        actor.delivering = false;
        if !returns {
            self.return_messages(id);
        }
    }

    /// Gives the messages of an actor back.
    pub(super) fn return_messages(&mut self, id: ActorId) {
        let Some(actor) = self.actors.get_mut(&id) else { return };
        actor.keeps_mailbox = false;
        for Message { number, .. } in std::mem::take(&mut actor.mailbox) {
            self.note(What::MessageReturned { message: number });
        }
    }
}
