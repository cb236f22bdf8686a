//! One life of an actor: a task.

use theater_core::event::payload::Origin;
use theater_core::{ActorId, Bytes, ExitReason, Incarnation};
use tokio::sync::{mpsc, oneshot};

use crate::behaviour::{Behaviour, Init, Step};
use crate::runtime::NativeRuntime;
use crate::table::Busy;

/// A message, and where the answer goes.
pub(crate) type Message = (Bytes, oneshot::Sender<Result<Bytes, String>>);

/// Messages that may wait. Whoever sends more waits, too.
pub(crate) const MAILBOX: usize = 64;

/// A life that is about to begin.
pub(crate) struct NewLife {
    pub(crate) id: ActorId,
    pub(crate) life: Incarnation,
    pub(crate) behaviour: Behaviour,
    pub(crate) origin: Origin,
    /// The state, or the bytes for `init`.
    pub(crate) bytes: Option<Bytes>,
    pub(crate) busy: Busy,
    pub(crate) messages: mpsc::Receiver<Message>,
    pub(crate) started: oneshot::Sender<()>,
}

impl NewLife {
    /// Lives. Returns when the life ends by itself, with the reason; a panic of a closure is the runtime's to see.
    pub(crate) async fn live(mut self, runtime: NativeRuntime) -> ExitReason {
        let starting = self.busy.clone().lock_owned().await;
        let mut state = match self.origin {
            Origin::Init => match (self.behaviour.init)(self.life.0, self.bytes).await {
                Ok(Init::Run(state)) => state,
                Ok(Init::Done) => return ExitReason::Completed { data: None },
                Err(error) => return ExitReason::InitFailed { error },
            },
            _ => self.bytes,
        };
        if runtime.table().runs(self.id, self.life, self.origin, state.clone()).is_err() {
            return ExitReason::Killed;
        }
        drop(starting);
        // Whoever asked for the start may have given it up; then this life has been ended.
        let _ = self.started.send(());
        while let Some((message, answer)) = self.messages.recv().await {
            let _handling = self.busy.lock().await;
            let answered = match (self.behaviour.handle)(state.clone(), message).await {
                Ok(Step::Next(next, answered)) => {
                    state.clone_from(&next);
                    runtime.table().commit(self.id, self.life, next);
                    Ok(answered)
                }
                Ok(Step::Complete(data)) => return ExitReason::Completed { data },
                // The actor's own error leaves it as it was.
                Err(error) => Err(error),
            };
            // Whoever asked may have gone.
            let _ = answer.send(answered);
        }
        ExitReason::Stopped
    }
}
