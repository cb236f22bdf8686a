//! Supervisors inside the mock runtime.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{ActorHandle, ActorId, ShutdownController, StopMode, SupervisionSpec};
use theater_supervisor::{SupervisorHandle, SupervisorHost};
use tokio::sync::watch;
use tokio::time::timeout;

use super::MockRuntime;
use super::lives::Supervising;
use crate::act::{HostAnswer, HostCall};
use crate::guest::FakeGuest;
use crate::log::What;

impl MockRuntime {
    /// Starts a supervisor for the current life of an actor, by these rules. It ends with that life, and that life ends with
    /// it. Actors whose [`Program::supervision`](crate::Program::supervision) says so have one from their start.
    ///
    /// Nothing happens where the actor does not run, or has one already.
    pub fn supervise(&self, id: ActorId, supervision: SupervisionSpec) {
        let (life, shutdown, receiver, host) = {
            let mut lives = self.lives();
            let seed = lives.seed;
            let Some(actor) = lives.actors.get_mut(&id) else { return };
            if actor.status.is_ended() || actor.supervising.is_some() {
                return;
            }
            let (shutdown, receiver) = ShutdownController::new();
            let host = SupervisorHost::builder().supervision(supervision).seed(seed).build();
            actor.host = Some(host.clone());
            let life = actor.incarnation;
            lives.note(What::Supervises { id, supervision, declared: Vec::new() });
            (life, shutdown, receiver, host)
        };
        // Attached here and not in the task: the guest may spawn before that is first polled.
        let driving = host.start(ActorHandle::new(id, Arc::new(self.clone())), receiver);
        let (done, ended) = watch::channel(false);
        if let Some(actor) = self.lives().actors.get_mut(&id) {
            actor.supervising = Some(Supervising { shutdown, ended });
        }
        let mock = self.clone();
        tokio::spawn(async move {
            let ended = driving.await;
            let outcome = ended.as_ref().map_or_else(ToString::to_string, |()| "shutdown".to_owned());
            let mut lives = mock.lives();
            lives.note(What::SupervisorEnded { id, outcome });
            if let Err(error) = ended {
                lives.end(id, Some(life), error.exit_reason(supervision.escalation));
            }
            drop(lives);
            mock.pump();
            // Nobody waits for it unless the actor is being stopped.
            let _ = done.send(true);
        });
    }

    /// Lets the supervisor of an actor that is to end stop its children, each as its child spec says, as far as `mode`
    /// allows. What is left then ends with the actor.
    pub(super) async fn wind_down(&self, id: ActorId, mode: StopMode) {
        let patience = match mode {
            StopMode::Graceful(grace) => grace,
            StopMode::Infinity => Duration::MAX,
            _ => return,
        };
        let mut ended = {
            let lives = self.lives();
            let supervising = lives.actors.get(&id).and_then(|actor| actor.supervising.as_ref());
            let Some(Supervising { shutdown, ended }) = supervising else { return };
            shutdown.shutdown();
            ended.clone()
        };
        // Whichever comes first.
        drop(timeout(patience, ended.wait_for(|ended| *ended)).await);
    }

    /// The supervisor of an actor's current life, as the embedding program sees it.
    #[must_use]
    pub fn supervisor(&self, id: ActorId) -> Option<SupervisorHandle> {
        let lives = self.lives();
        let actor = lives.actors.get(&id).filter(|actor| actor.supervising.is_some())?;
        actor.host.as_ref().map(SupervisorHost::handle)
    }

    /// The guest of an actor, linked to the host functions of its current life.
    #[must_use]
    pub fn guest(&self, id: ActorId) -> FakeGuest {
        let host = self.lives().actors.get(&id).and_then(|actor| actor.host.clone());
        FakeGuest::new(self, id).linked(host.unwrap_or_else(|| SupervisorHost::builder().build()))
    }

    /// Notes that a guest calls, and returns the call's number.
    pub(crate) fn host_called(&self, caller: ActorId, call: &HostCall) -> u64 {
        let mut lives = self.lives();
        let number = lives.number();
        let (function, target) = (call.function(), call.target().map(str::to_owned));
        lives.note(What::HostCalled { caller, call: number, function, target });
        number
    }

    /// Notes what a guest was answered.
    pub(crate) fn host_answered(&self, caller: ActorId, call: u64, answer: Result<HostAnswer, String>) {
        self.lives().note(What::HostAnswered { caller, call, answer });
    }

    /// What a life that has begun to run has besides: its supervisor, and somebody who brings its messages.
    pub(super) fn runs(&self, id: ActorId) {
        let supervision = self.lives().actors.get(&id).and_then(|actor| actor.program.supervision);
        if let Some(supervision) = supervision {
            self.supervise(id, supervision);
        }
        self.deliver(id);
    }
}
