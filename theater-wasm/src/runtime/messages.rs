//! Messages between actors, and from the embedding program: delivery and answers.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use theater_core::{ActorError, ActorId, Bytes, EventDraft, EventKind, LimitError, error::printable};
use tokio::sync::oneshot;

use super::Inner;
use super::begin::Lived;
use super::entry::{Entry, Phase, WaitGuard, Waiting};
use super::life::LifeControl;
use super::mailbox::{Envelope, RequestId};
use super::seat::{Seat, Visit};

impl Inner {
    pub(super) fn send(&self, from: Option<ActorId>, to: ActorId, data: Bytes) -> Result<(), ActorError> {
        let entry = self.find(to).ok_or(ActorError::UnknownActor { id: to })?;
        self.deliver(&entry, Envelope::Send { from, data })
    }

    /// Puts a message into an actor's mailbox, and on its chain.
    pub(super) fn deliver(&self, entry: &Entry, envelope: Envelope) -> Result<(), ActorError> {
        self.deliver_to(entry, envelope, |_| false).map(drop)
    }

    /// The same for who waits for the answer: where `visits` says so he does the actor's work himself, if it has nothing else to do.
    fn deliver_and_visit(
        &self,
        entry: &Entry,
        envelope: Envelope,
        visits: impl FnOnce(&Seat<Lived>) -> bool,
    ) -> Result<(), ActorError> {
        if let Some(visit) = self.deliver_to(entry, envelope, visits)? {
            visit.work();
        }
        Ok(())
    }

    fn deliver_to(
        &self,
        entry: &Entry,
        envelope: Envelope,
        visits: impl FnOnce(&Seat<Lived>) -> bool,
    ) -> Result<Option<Visit<Lived>>, ActorError> {
        check_chain(entry)?;
        let record = |envelope: &Envelope| {
            let payload = theater_core::event::payload::encode(&envelope.call());
            self.append(entry, EventKind::CALL, payload, |event| event.header.seq)
        };
        entry.deliver(envelope, record, visits)
    }

    pub(super) async fn request(
        &self,
        from: Option<ActorId>,
        to: ActorId,
        data: Bytes,
    ) -> Result<Bytes, ActorError> {
        let entry = self.find(to).ok_or(ActorError::UnknownActor { id: to })?;
        let (reply, answer) = oneshot::channel();
        let request = Envelope::Request { from, id: RequestId::new(entry.next_request()), data, reply };
        self.deliver_and_visit(&entry, request, Seat::welcomes)?;
        let limit = entry.limits().host_deadline;
        within("request", limit, answer).await?.unwrap_or(Err(ActorError::NoReply { id: to }))
    }

    /// Whether `asker`, waiting for `target`, would wait for itself.
    fn would_deadlock(&self, asker: &Arc<Entry>, target: &Arc<Entry>) -> bool {
        let mut current = Arc::clone(target);
        for waits in 0_usize.. {
            if current.id == asker.id {
                return true;
            }
            // The chain of waits is no longer than the number of actors; a cycle elsewhere must not hold us. To count them takes all locks
            // of the registry.
            if waits >= LONG_CHAIN && waits > self.registry.len() {
                return false;
            }
            match current.waiting() {
                Waiting::Nothing => return false,
                Waiting::Request(next) => match self.find(next) {
                    Some(entry) => current = entry,
                    None => return false,
                },
                // It waits for a child that starts or ends, and the asker is part of that.
                Waiting::Supervision => {
                    return asker.below(current.id).is_some_and(|child| {
                        matches!(child.core().phase, Phase::Starting | Phase::Stopping)
                    });
                }
            }
        }
        false
    }
}

/// Waits that may stand in a line before it is asked whether there are as many actors.
const LONG_CHAIN: usize = 16;

/// What a record needs besides the bytes that it is about.
const RECORD: u64 = 512;

/// Whether the actor's chain may still grow: what comes in makes it, so that is where it is held up.
fn check_chain(entry: &Entry) -> Result<(), ActorError> {
    let limits = &entry.manifest.chain;
    if limits.max_events.is_none() && limits.max_bytes.is_none() {
        return Ok(());
    }
    let (length, size) = entry.chain.totals();
    if let Some(limit) = limits.max_events.filter(|limit| length >= *limit) {
        return Err(LimitError::ChainEvents { length, limit }.into());
    }
    match limits.max_bytes.filter(|limit| size >= *limit) {
        Some(limit) => Err(LimitError::ChainBytes { size, limit }.into()),
        None => Ok(()),
    }
}

pub(super) async fn within<T>(
    operation: &'static str,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, ActorError> {
    let mut work = std::pin::pin!(work);
    // Most answers are there already, and need no timer.
    if let Poll::Ready(done) = std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await
    {
        return Ok(done);
    }
    tokio::time::timeout(limit, work).await.map_err(|_| ActorError::DeadlineExceeded { operation, limit })
}

/// How one life of an actor sends messages.
#[derive(Debug)]
pub(crate) struct Messenger {
    pub(super) inner: Arc<Inner>,
    pub(super) entry: Arc<Entry>,
    pub(super) control: Arc<LifeControl>,
}

impl Messenger {
    pub(super) fn new(inner: &Arc<Inner>, entry: &Arc<Entry>, control: &Arc<LifeControl>) -> Self {
        Self { inner: Arc::clone(inner), entry: Arc::clone(entry), control: Arc::clone(control) }
    }

    /// Appends to this actor's own chain, and says where.
    pub(crate) fn record(&self, draft: EventDraft) -> Result<u64, ActorError> {
        self.inner.append(&self.entry, draft.kind, draft.payload, |event| event.header.seq)
    }

    /// Notes that a call takes so long that other threads can help.
    pub(crate) fn slow_down(&self) {
        self.control.seat.slow_down();
    }

    /// Says that the guest waits for its supervisor until the guard is dropped.
    pub(crate) fn supervising(&self) -> impl Drop + Send + use<> {
        self.entry.wait_for(Waiting::Supervision)
    }

    pub(super) fn target(&self, id: &str) -> Result<Arc<Entry>, ActorError> {
        self.inner.addressed(id).ok_or_else(|| ActorError::NotFound { id: printable(id) })
    }

    pub(super) fn check_size(&self, data: &Bytes) -> Result<(), ActorError> {
        let (size, limit) = (data.len() as u64, self.entry.limits().message);
        if size > limit { Err(theater_core::LimitError::Message { size, limit }.into()) } else { Ok(()) }
    }

    /// Sends, and says to whom.
    pub(crate) fn send(&self, to: &str, data: Bytes) -> Result<ActorId, ActorError> {
        self.check_size(&data)?;
        let target = self.target(to)?;
        self.inner.deliver(&target, Envelope::Send { from: Some(self.entry.id), data })?;
        Ok(target.id)
    }

    /// Asks, waits, and says whose the answer is. The wait ends early when this actor is asked to end, so that its call can end.
    pub(crate) async fn request(&self, to: &str, data: Bytes) -> Result<(ActorId, Bytes), ActorError> {
        self.check_size(&data)?;
        let target = self.target(to)?;
        let _waiting = self.wait_for(&target, "request")?;
        let (reply, answer) = oneshot::channel();
        let id = RequestId::new(target.next_request());
        let request = Envelope::Request { from: Some(self.entry.id), id, data, reply };
        // The guest can do nothing else meanwhile.
        let here = |seat: &Seat<Lived>| seat.runtime() == self.control.seat.runtime();
        self.inner.deliver_and_visit(&target, request, here)?;
        let limit = self.entry.limits().host_deadline;
        tokio::select! {
            biased;
            answer = within("request", limit, answer) => {
                let answer = answer?.unwrap_or(Err(ActorError::NoReply { id: target.id }));
                let answer = self.check_answer(answer.map_err(|error| self.fitting(error))?)?;
                Ok((target.id, answer))
            }
            () = self.control.stopping() => Err(ActorError::ShuttingDown),
        }
    }

    /// How long an answer may be: whoever gives one must not be able to give more than this actor's own chain takes.
    fn room(&self) -> u64 {
        let limits = self.entry.limits();
        limits.message.min(limits.event.saturating_sub(RECORD))
    }

    fn check_answer(&self, answer: Bytes) -> Result<Bytes, ActorError> {
        let (size, limit) = (answer.len() as u64, self.room());
        if size > limit { Err(LimitError::Message { size, limit }.into()) } else { Ok(answer) }
    }

    /// The error, or that it is too long.
    pub(super) fn fitting(&self, error: ActorError) -> ActorError {
        let limit = self.room();
        match &error {
            ActorError::Guest { error: text, .. } if text.len() as u64 > limit => {
                LimitError::Message { size: text.len() as u64, limit }.into()
            }
            _ => error,
        }
    }

    /// Notes the wait first and looks for a cycle then: of two actors that begin to wait for each other at the same
    /// moment, at least one sees the other's note.
    pub(super) fn wait_for(
        &self,
        target: &Arc<Entry>,
        operation: &'static str,
    ) -> Result<WaitGuard, ActorError> {
        let guard = self.entry.wait_for(Waiting::Request(target.id));
        if self.inner.would_deadlock(&self.entry, target) {
            return Err(ActorError::WouldDeadlock { operation, id: target.id });
        }
        Ok(guard)
    }

    pub(crate) fn outstanding(&self) -> Vec<String> {
        self.entry
            .outstanding()
            .into_iter()
            .map(|number| RequestId::new(number).as_str().to_owned())
            .collect()
    }

    pub(crate) fn respond(&self, id: &str, data: Bytes) -> Result<(), ActorError> {
        self.check_size(&data)?;
        let pending = RequestId::parse(id)
            .and_then(|id| self.entry.close_request(id.number()))
            .ok_or_else(|| ActorError::NoSuchRequest { id: printable(id) })?;
        pending.reply.send(Ok(data)).map_err(|_| ActorError::NoSuchRequest { id: printable(id) })
    }

    pub(crate) fn cancel(&self, id: &str) -> Result<(), ActorError> {
        let pending = RequestId::parse(id)
            .and_then(|id| self.entry.close_request(id.number()))
            .ok_or_else(|| ActorError::NoSuchRequest { id: printable(id) })?;
        // Whoever asked may have given up.
        let _ = pending.reply.send(Err(ActorError::NoReply { id: self.entry.id }));
        Ok(())
    }
}
