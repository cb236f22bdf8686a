//! How the operations go that the machine asks for.

use std::sync::Arc;

use theater_core::{ActorError, ActorId, ChildSpec, ExitReason, Incarnation, StopMode};
use theater_supervisor::{CallId, Input};

use super::command::How;
use super::supervisor::Supervisor;
use super::world::{Actor, Operation, Work, World};

impl<S: Supervisor> World<S> {
    /// The runtime performs an operation. The answer is told later.
    pub(super) fn operate(&mut self, index: usize, how: How) {
        let Operation { key, work, hangs, abandoned } = self.operations[index].clone();
        if hangs && !abandoned {
            return;
        }
        let failed = || ActorError::StartFailed { reason: ExitReason::InitFailed { error: "no".into() } };
        let lost = || ActorError::not_a_child("(reaped)");
        let ended = |mode| if mode == StopMode::Kill { ExitReason::Killed } else { ExitReason::Stopped };
        let answer = match work {
            Work::Start { .. } if how == How::Hangs && !abandoned => {
                return self.operations[index].hangs = true;
            }
            Work::Start { .. } if abandoned => {
                Input::StartFailed { child: key, error: ActorError::ShuttingDown }
            }
            Work::Start { .. } if how == How::Ignored => Input::Ignored { child: key },
            // Nobody knows what it was.
            Work::Start { id, call } if self.spec_of(id.as_ref(), call).is_none() => {
                Input::StartFailed { child: key, error: ActorError::Unsupported { operation: "start" } }
            }
            Work::Start { id, call } if how == How::Well => {
                let spec = self.spec_of(id.as_ref(), call).expect("it is known");
                let id = ActorId::from_parts(self.actors.len() as u64 + 1, [0; 10]);
                self.actors.push(id);
                let actor = Actor {
                    spec,
                    incarnation: 1,
                    ended: None,
                    progressed: None,
                    reaped: false,
                    refused: false,
                };
                self.truth.insert(id, actor);
                Input::Started { child: key, id, incarnation: Incarnation(1), child_spec: spec }
            }
            Work::Start { .. } => Input::StartFailed { child: key, error: failed() },
            Work::Restart { id, .. } if self.is_lost(id, how) => {
                Input::StartFailed { child: key, error: lost() }
            }
            Work::Restart { id, mode } => {
                self.end_life(id, ended(mode), None);
                if how == How::Hangs && !abandoned {
                    return self.operations[index].hangs = true;
                }
                let actor = self.truth.get_mut(&id).expect("it is not lost");
                // A life whose start fails counts, and its end is told by nothing but the answer.
                actor.incarnation += 1;
                if abandoned {
                    Input::StartFailed { child: key, error: ActorError::ShuttingDown }
                } else if how == How::Well {
                    (actor.ended, actor.refused) = (None, false);
                    let incarnation = Incarnation(actor.incarnation);
                    Input::Started { child: key, id, incarnation, child_spec: actor.spec }
                } else if how == How::Ignored {
                    Input::Ignored { child: key }
                } else {
                    Input::StartFailed { child: key, error: failed() }
                }
            }
            Work::Stop { id, .. } if self.is_lost(id, how) => {
                Input::StopEnded { child: key, error: Some(lost()) }
            }
            Work::Stop { id, mode } => {
                let actor = self.truth.get_mut(&id).expect("it is not lost");
                // Who refuses twice is beyond supervision.
                let refuses = how == How::Fails && !std::mem::replace(&mut actor.refused, how == How::Fails);
                if !refuses {
                    self.end_life(id, ended(mode), None);
                }
                let error = refuses.then_some(ActorError::Unsupported { operation: "stop" });
                Input::StopEnded { child: key, error }
            }
        };
        self.operations.remove(index);
        self.answers.push(answer);
    }

    /// What is started: what the call brought along, or what the child of this id has been.
    pub(super) fn spec_of(&mut self, id: Option<&Arc<str>>, call: Option<CallId>) -> Option<ChildSpec> {
        let by_call = call.and_then(|call| self.specs.get(&call).copied());
        let spec = by_call.or_else(|| self.named.get(id?).copied());
        self.named.extend(id.cloned().zip(spec));
        spec
    }

    /// Whether the runtime does not know this actor, perhaps from now on: only one that has ended can be reaped.
    fn is_lost(&mut self, id: ActorId, how: How) -> bool {
        let Some(actor) = self.truth.get_mut(&id) else { return true };
        actor.reaped |= how == How::Lost && actor.ended.is_some();
        actor.reaped
    }
}
