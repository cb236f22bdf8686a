//! The mock runtime as an `ActorRuntime`.

use std::time::Duration;

use theater_core::event::payload::Origin;
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, ActorStatus, Authority, Bytes, ChainEvent, ChildNotice,
    EventDraft, EventRange, ExitReason, ExitStream, Incarnation, RestartFrom, SpawnRequest, StartFrom,
    StopMode, async_trait,
};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::MockRuntime;
use super::chaos::failure;
use super::lives::{End, Start};
use super::queue::Ready;
use crate::fault::{FaultKind, Operation};
use crate::log::What;
use crate::program::{StartOutcome, StopBehaviour};

/// A call that was made and is not answered yet.
struct Asked {
    /// Its place among all calls.
    number: usize,
    fault: Option<FaultKind>,
}

impl MockRuntime {
    /// Notes a call, and lets go wrong what is to go wrong before it has an effect.
    async fn asked(
        &self,
        operation: Operation,
        target: Result<ActorId, &str>,
        by: Option<Authority>,
    ) -> Result<Asked, ActorError> {
        let (asked, error) = {
            let mut lives = self.lives();
            let mut call = lives.call(operation, target.ok(), by);
            if let Err(name) = target {
                name.clone_into(&mut call.name);
            }
            let fault = lives.meet_call(&call);
            let error = matches!(fault, Some(FaultKind::Fail | FaultKind::Full))
                .then(|| failure(operation, call.actor));
            call.answer = error.as_ref().map(|error| Err(error.to_string()));
            let number = lives.called;
            lives.called += 1;
            lives.calls.push(call);
            (Asked { number, fault }, error)
        };
        if let Some(FaultKind::Delay(millis)) = asked.fault {
            sleep(Duration::from_millis(millis)).await;
        }
        error.map_or(Ok(asked), Err)
    }

    /// Notes the answer to a call, and lets go wrong what is to go wrong after its effect.
    fn answered<T>(
        &self,
        asked: &Asked,
        about: Option<ActorId>,
        answer: Result<T, ActorError>,
    ) -> Result<T, ActorError> {
        {
            let mut lives = self.lives();
            let taken = lives.called - lives.calls.len();
            let text = answer.as_ref().map(drop).map_err(ToString::to_string);
            // Calls that were taken meanwhile are not there any more.
            if let Some(call) = asked.number.checked_sub(taken).and_then(|place| lives.calls.get_mut(place)) {
                call.answer = Some(text);
            }
            if asked.fault == Some(FaultKind::Crash)
                && let (Some(id), Ok(_)) = (about, &answer)
            {
                lives.end(id, None, crate::program::crash());
            }
        }
        self.pump();
        answer
    }

    async fn start(&self, start: Start) -> Result<ActorInfo, ActorError> {
        let id = start.id;
        let mut give_up = GiveUp { runtime: self, start: Some((id, start.life)) };
        match &start.outcome {
            StartOutcome::Hang => over(start.ended.clone(), start.life).await,
            // Whichever comes first: `settle` finds out.
            StartOutcome::Slow(time) => {
                drop(timeout(*time, over(start.ended.clone(), start.life)).await);
            }
            StartOutcome::Panic => panic!("scripted"),
            _ => {}
        }
        self.turn(Ready::StartEnds(id)).await;
        let started = self.lives().settle(start);
        if started.is_ok() {
            self.runs(id);
        }
        self.pump();
        self.turn(Ready::Answer(id)).await;
        give_up.start = None;
        started
    }

    /// Waits until a life that was asked to stop would have done so, for as long as `mode` allows.
    async fn grace(&self, id: ActorId, stop: StopBehaviour, mode: StopMode) -> ExitReason {
        let takes = stop_takes(stop).max(self.lives().busy_for(id));
        let patience = match mode {
            StopMode::Graceful(grace) => grace,
            StopMode::Infinity => Duration::MAX,
            _ => return ExitReason::Killed,
        };
        // Even no sleep at all takes until the next tick of the timer.
        if !takes.min(patience).is_zero()
            && let Some((life, ended)) = { self.lives().life_ended(id) }
        {
            // Somebody else may end it meanwhile.
            drop(timeout(takes.min(patience), over(ended, life)).await);
        }
        if takes > patience { ExitReason::Killed } else { ExitReason::Stopped }
    }

    async fn end(
        &self,
        by: Authority,
        id: ActorId,
        mode: StopMode,
        halt: bool,
    ) -> Result<ExitReason, ActorError> {
        let (life, stop) = {
            let mut lives = self.lives();
            let actor = lives.covered(by, id)?;
            if let ActorStatus::Ended(reason) = &actor.status {
                let reason = reason.clone();
                if !halt {
                    lives.return_messages(id);
                }
                return Ok(reason);
            }
            if actor.program.refuses_stop {
                return Err(ActorError::Unsupported { operation: "stop" });
            }
            let (incarnation, stop) = (actor.incarnation, actor.program.stop);
            lives.note(What::StopAsked { id, incarnation, mode });
            (incarnation, stop)
        };
        let reason = self.grace(id, stop, mode).await;
        self.wind_down(id, mode).await;
        self.turn(Ready::StopEnds(id)).await;
        let reason = {
            let mut lives = self.lives();
            let kept = lives.covered(by, id).map(|actor| std::mem::take(&mut actor.mailbox))?;
            lives.end(id, Some(life), reason.clone());
            let actor = lives.covered(by, id)?;
            actor.mailbox = kept;
            let ended = match &actor.status {
                ActorStatus::Ended(reason) => Some(reason.clone()),
                _ => None,
            };
            if halt {
                actor.keeps_mailbox |= ended.is_some();
            } else if ended.is_some() {
                lives.return_messages(id);
            }
            ended.unwrap_or(reason)
        };
        self.pump();
        self.turn(Ready::Answer(id)).await;
        Ok(reason)
    }

    async fn begin_again(
        &self,
        by: Authority,
        id: ActorId,
        from: RestartFrom,
    ) -> Result<ActorInfo, ActorError> {
        let (life, waits) = {
            let mut lives = self.lives();
            let actor = lives.covered(by, id)?;
            let mode = actor.program.child_spec.shutdown.into();
            let waits = (actor.status == ActorStatus::Running).then_some((actor.program.stop, mode));
            let incarnation = actor.incarnation;
            if waits.is_some() {
                lives.note(What::StopAsked { id, incarnation, mode });
            }
            (incarnation, waits)
        };
        let mut reason = ExitReason::Stopped;
        if let Some((stop, mode)) = waits {
            reason = self.grace(id, stop, mode).await;
            self.wind_down(id, mode).await;
            self.turn(Ready::StopEnds(id)).await;
        }
        let start = {
            let mut lives = self.lives();
            let parent = lives.covered(by, id)?.parent;
            if !lives.takes_children(parent) {
                return Err(ActorError::ShuttingDown);
            }
            // What was accepted is for the next life.
            let kept = lives.covered(by, id).map(|actor| std::mem::take(&mut actor.mailbox))?;
            lives.end(id, Some(life), reason);
            let actor = lives.covered(by, id)?;
            actor.mailbox = kept;
            if !actor.status.is_ended() {
                // Another restart came between and has started a life: that one is as good.
                return lives.info(id).ok_or_else(|| by.refusal(id));
            }
            let origin = lives.origin(id, from);
            lives.begin(id, origin, Some(from)).ok_or_else(|| by.refusal(id))?
        };
        self.pump();
        self.start(start).await
    }

    async fn begin_first(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        if let Some(id) = request.revive {
            return Err(ActorError::UnknownActor { id });
        }
        let (origin, state) = match request.start {
            StartFrom::Init(state) => (Origin::Init, state),
            StartFrom::State(None) => (Origin::Init, None),
            StartFrom::State(state) => (Origin::Given, state),
        };
        let start = {
            let mut lives = self.lives();
            if !lives.takes_children(request.parent) {
                return Err(ActorError::ShuttingDown);
            }
            lives.admit(request.parent, request.manifest.as_str())?;
            let id = lives.add(request.parent, request.manifest.as_str(), state);
            if let (Some(spec), Some(actor)) = (request.child_spec, lives.actors.get_mut(&id)) {
                actor.program.child_spec = spec;
            }
            lives.begin(id, origin, None).ok_or(ActorError::UnknownActor { id })?
        };
        self.start(start).await
    }
}

/// Waits until this life, or a later one, has ended, or its record is gone.
async fn over(mut ended: watch::Receiver<End>, life: Incarnation) {
    drop(ended.wait_for(|ended| ended.as_ref().is_some_and(|(ended, _)| *ended >= life)).await);
}

/// How long the current call goes on when the actor is asked to stop.
fn stop_takes(stop: StopBehaviour) -> Duration {
    match stop {
        StopBehaviour::Clean => Duration::ZERO,
        StopBehaviour::Slow(time) => time,
        StopBehaviour::Refuse => Duration::MAX,
    }
}

/// A start whose future is dropped leaves nothing running.
struct GiveUp<'a> {
    runtime: &'a MockRuntime,
    start: Option<(ActorId, Incarnation)>,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if let Some((id, life)) = self.start {
            // Also where it has come to run, but nobody has been told.
            self.runtime.lives().end(id, Some(life), ExitReason::Killed);
            self.runtime.pump();
        }
    }
}

#[async_trait]
impl ActorRuntime for MockRuntime {
    async fn spawn(&self, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        let asked = self.asked(Operation::Spawn, Err(request.manifest.as_str()), None).await?;
        let started = self.begin_first(request).await;
        let id = started.as_ref().ok().map(|info| info.id);
        self.answered(&asked, id, started)
    }

    async fn restart(&self, by: Authority, id: ActorId, from: RestartFrom) -> Result<ActorInfo, ActorError> {
        let asked = self.asked(Operation::Restart, Ok(id), Some(by)).await?;
        let started = self.begin_again(by, id, from).await;
        self.answered(&asked, Some(id), started)
    }

    async fn stop(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let asked = self.asked(Operation::Stop, Ok(id), Some(by)).await?;
        let ended = self.end(by, id, mode, false).await;
        self.answered(&asked, Some(id), ended)
    }

    async fn halt(&self, by: Authority, id: ActorId, mode: StopMode) -> Result<ExitReason, ActorError> {
        let asked = self.asked(Operation::Halt, Ok(id), Some(by)).await?;
        let ended = self.end(by, id, mode, true).await;
        self.answered(&asked, Some(id), ended)
    }

    async fn info(&self, by: Authority, id: ActorId) -> Result<ActorInfo, ActorError> {
        let asked = self.asked(Operation::Info, Ok(id), Some(by)).await?;
        let info = {
            let mut lives = self.lives();
            lives.covered(by, id).map(drop).and_then(|()| lives.info(id).ok_or_else(|| by.refusal(id)))
        };
        self.answered(&asked, Some(id), info)
    }

    async fn children(&self, parent: ActorId) -> Result<Vec<ActorInfo>, ActorError> {
        let asked = self.asked(Operation::Children, Ok(parent), None).await?;
        let children = {
            let lives = self.lives();
            let children = lives.children(parent).filter_map(|id| lives.info(id)).collect();
            lives.actors.get(&parent).map(|_| children).ok_or(ActorError::UnknownActor { id: parent })
        };
        self.answered(&asked, Some(parent), children)
    }

    async fn state(&self, by: Authority, id: ActorId) -> Result<Option<Bytes>, ActorError> {
        let asked = self.asked(Operation::State, Ok(id), Some(by)).await?;
        let state = self.lives().covered(by, id).map(|actor| actor.state.clone());
        self.answered(&asked, Some(id), state)
    }

    async fn events(
        &self,
        by: Authority,
        id: ActorId,
        range: EventRange,
    ) -> Result<Vec<ChainEvent>, ActorError> {
        let asked = self.asked(Operation::Events, Ok(id), Some(by)).await?;
        let read = |events: &[ChainEvent]| events[range.within(events.len())].to_vec();
        let events = self.lives().covered(by, id).map(|actor| read(&actor.events));
        self.answered(&asked, Some(id), events)
    }

    async fn record(&self, id: ActorId, draft: EventDraft) -> Result<ChainEvent, ActorError> {
        let asked = self.asked(Operation::Record, Ok(id), None).await?;
        let recorded = {
            let mut lives = self.lives();
            match lives.meet(Operation::Append, Some(id)) {
                Some(FaultKind::Fail | FaultKind::Full) => Err(failure(Operation::Append, Some(id))),
                _ => lives.record(id, draft.kind, draft.payload).ok_or(ActorError::UnknownActor { id }),
            }
        };
        self.answered(&asked, Some(id), recorded)
    }

    fn exits(&self, parent: Option<ActorId>) -> ExitStream {
        let lives = self.lives();
        match parent {
            Some(id) if !lives.actors.contains_key(&id) => ExitStream::ended(),
            parent => lives.exits(parent).stream(),
        }
    }

    async fn notify(&self, parent: ActorId, notice: ChildNotice) -> Result<(), ActorError> {
        let asked = self.asked(Operation::Notify, Ok(parent), None).await?;
        let taken = {
            let mut lives = self.lives();
            match lives.covered(Authority::Operator, parent).map(|actor| actor.status.clone()) {
                Err(error) => Err(error),
                Ok(ActorStatus::Ended(reason)) => Err(ActorError::Ended { id: parent, reason }),
                Ok(_) => {
                    let times = match asked.fault {
                        Some(FaultKind::Lose) => 0,
                        Some(FaultKind::Duplicate) => 2,
                        _ => 1,
                    };
                    lives.notices.extend((0..times).map(|_| (parent, notice.clone())));
                    Ok(())
                }
            }
        };
        self.answered(&asked, Some(parent), taken)
    }

    async fn reap(&self, by: Authority, id: ActorId) -> Result<(), ActorError> {
        let asked = self.asked(Operation::Reap, Ok(id), Some(by)).await?;
        let reaped = {
            let mut lives = self.lives();
            match lives.covered(by, id).map(|actor| actor.status.is_ended()) {
                Err(error) => Err(error),
                Ok(false) => Err(ActorError::StillRunning { id }),
                Ok(true) => {
                    lives.forget(id);
                    Ok(())
                }
            }
        };
        self.answered(&asked, Some(id), reaped)
    }
}
