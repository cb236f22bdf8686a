//! Messages between actors, and from the embedding program: delivery, answers, channels.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use theater_core::{ActorError, ActorId, Bytes, EventKind, LimitError, error::printable};
use tokio::sync::oneshot;

use super::Inner;
use super::entry::{Entry, Phase, WaitGuard, Waiting};
use super::life::LifeControl;
use super::mailbox::Envelope;
use super::past::Past;

/// How a request is named towards the guest that handles it.
pub(super) fn request_id(number: u64) -> String {
    format!("request-{number}")
}

pub(super) fn request_number(id: &str) -> Option<u64> {
    let number = id.strip_prefix("request-")?.parse().ok()?;
    // Only the spelling that we gave out.
    (request_id(number) == id).then_some(number)
}

/// Open channels and who is at their ends.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: DashMap<String, Channel>,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    opener: ActorId,
    acceptor: ActorId,
}

impl Channels {
    /// Opens the channels again that were open between actors that are brought back.
    pub(super) fn restore(&self, actors: &[(ActorId, &Past)]) {
        let closed: HashSet<&String> = actors.iter().flat_map(|(_, past)| &past.closed).collect();
        for (opener, past) in actors {
            for (id, acceptor) in past.channels.iter().filter(|(id, _)| !closed.contains(id)) {
                self.open.insert(id.clone(), Channel { opener: *opener, acceptor: *acceptor });
            }
        }
    }
}

impl Channel {
    fn other(self, side: ActorId) -> Option<ActorId> {
        match side {
            side if side == self.opener => Some(self.acceptor),
            side if side == self.acceptor => Some(self.opener),
            _ => None,
        }
    }
}

impl Inner {
    pub(super) fn send(&self, from: Option<ActorId>, to: ActorId, data: Bytes) -> Result<(), ActorError> {
        let entry = self.find(to).ok_or(ActorError::UnknownActor { id: to })?;
        self.deliver(&entry, Envelope::Send { from, data })
    }

    /// Puts a message into an actor's mailbox, and on its chain.
    fn deliver(&self, entry: &Entry, envelope: Envelope) -> Result<(), ActorError> {
        check_chain(entry)?;
        entry.deliver(envelope, |envelope| {
            let payload = theater_core::event::payload::encode(&envelope.call());
            self.append(entry, EventKind::CALL, payload, |event| event.header.seq)
        })
    }

    pub(super) async fn request(
        &self,
        from: Option<ActorId>,
        to: ActorId,
        data: Bytes,
    ) -> Result<Bytes, ActorError> {
        let entry = self.find(to).ok_or(ActorError::UnknownActor { id: to })?;
        let (reply, answer) = oneshot::channel();
        self.deliver(&entry, Envelope::Request { from, number: entry.next_request(), data, reply })?;
        let limit = entry.limits().host_deadline;
        within("request", limit, answer).await?.unwrap_or(Err(ActorError::NoReply { id: to }))
    }

    /// Whether `asker`, waiting for `target`, would wait for itself.
    fn would_deadlock(&self, asker: &Arc<Entry>, target: &Arc<Entry>) -> bool {
        let mut current = Arc::clone(target);
        // The chain of waits is no longer than the number of actors; a cycle elsewhere must not hold us.
        for _ in 0..=self.registry.len() {
            if current.id == asker.id {
                return true;
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

async fn within<T>(
    operation: &'static str,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, ActorError> {
    tokio::time::timeout(limit, work).await.map_err(|_| ActorError::DeadlineExceeded { operation, limit })
}

/// How one life of an actor sends messages.
#[derive(Debug, Clone)]
pub(crate) struct Messenger {
    inner: Arc<Inner>,
    entry: Arc<Entry>,
    control: Arc<LifeControl>,
}

impl Messenger {
    pub(super) fn new(inner: &Arc<Inner>, entry: &Arc<Entry>, control: &Arc<LifeControl>) -> Self {
        Self { inner: Arc::clone(inner), entry: Arc::clone(entry), control: Arc::clone(control) }
    }

    /// Says that the guest waits for its supervisor until the guard is dropped.
    pub(crate) fn supervising(&self) -> impl Drop + Send + use<> {
        self.entry.wait_for(Waiting::Supervision)
    }

    fn target(&self, id: &str) -> Result<Arc<Entry>, ActorError> {
        let unknown = || ActorError::NotFound { id: printable(id) };
        let id: ActorId = id.parse().map_err(|_| unknown())?;
        self.inner.find(id).ok_or_else(unknown)
    }

    fn check_size(&self, data: &Bytes) -> Result<(), ActorError> {
        let (size, limit) = (data.len() as u64, self.entry.limits().message);
        if size > limit { Err(theater_core::LimitError::Message { size, limit }.into()) } else { Ok(()) }
    }

    pub(crate) fn send(&self, to: &str, data: Bytes) -> Result<(), ActorError> {
        self.check_size(&data)?;
        self.inner.deliver(&*self.target(to)?, Envelope::Send { from: Some(self.entry.id), data })
    }

    /// Asks and waits. The wait ends early when this actor is asked to end, so that its call can end.
    pub(crate) async fn request(&self, to: &str, data: Bytes) -> Result<Bytes, ActorError> {
        self.check_size(&data)?;
        let target = self.target(to)?;
        let _waiting = self.wait_for(&target, "request")?;
        let (reply, answer) = oneshot::channel();
        let number = target.next_request();
        self.inner.deliver(&target, Envelope::Request { from: Some(self.entry.id), number, data, reply })?;
        let limit = self.entry.limits().host_deadline;
        tokio::select! {
            biased;
            answer = within("request", limit, answer) => {
                answer?.unwrap_or(Err(ActorError::NoReply { id: target.id }))
            }
            () = self.control.stopping() => Err(ActorError::ShuttingDown),
        }
    }

    /// Notes the wait first and looks for a cycle then: of two actors that begin to wait for each other at the same
    /// moment, at least one sees the other's note.
    fn wait_for(&self, target: &Arc<Entry>, operation: &'static str) -> Result<WaitGuard, ActorError> {
        let guard = self.entry.wait_for(Waiting::Request(target.id));
        if self.inner.would_deadlock(&self.entry, target) {
            return Err(ActorError::WouldDeadlock { operation, id: target.id });
        }
        Ok(guard)
    }

    pub(crate) fn outstanding(&self) -> Vec<String> {
        self.entry.outstanding().into_iter().map(request_id).collect()
    }

    pub(crate) fn respond(&self, id: &str, data: Bytes) -> Result<(), ActorError> {
        self.check_size(&data)?;
        let pending = request_number(id)
            .and_then(|number| self.entry.close_request(number))
            .ok_or_else(|| ActorError::NoSuchRequest { id: printable(id) })?;
        pending.reply.send(Ok(data)).map_err(|_| ActorError::NoSuchRequest { id: printable(id) })
    }

    pub(crate) fn cancel(&self, id: &str) -> Result<(), ActorError> {
        let pending = request_number(id)
            .and_then(|number| self.entry.close_request(number))
            .ok_or_else(|| ActorError::NoSuchRequest { id: printable(id) })?;
        // Whoever asked may have given up.
        let _ = pending.reply.send(Err(ActorError::NoReply { id: self.entry.id }));
        Ok(())
    }

    /// Offers a channel and waits for the answer. A first message of the other side comes over the channel.
    pub(crate) async fn open_channel(&self, to: &str, data: Bytes) -> Result<String, ActorError> {
        self.check_size(&data)?;
        let target = self.target(to)?;
        let _waiting = self.wait_for(&target, "open-channel")?;
        let channel = format!("channel-{}", (self.inner.config.ids)());
        let (reply, answer) = oneshot::channel();
        let offer = Envelope::ChannelOpen { from: self.entry.id, channel: channel.clone(), data, reply };
        // Open before the offer, so that the other side may send at once.
        let ends = Channel { opener: self.entry.id, acceptor: target.id };
        self.inner.channels.open.insert(channel.clone(), ends);
        let offered = OfferGuard { channels: &self.inner.channels, channel: Some(channel.clone()) };
        self.inner.deliver(&target, offer)?;
        let limit = self.entry.limits().host_deadline;
        let answer = tokio::select! {
            biased;
            answer = within("open-channel", limit, answer) => {
                answer?.unwrap_or(Err(ActorError::NoReply { id: target.id }))?
            }
            () = self.control.stopping() => return Err(ActorError::ShuttingDown),
        };
        match answer {
            (true, first) => {
                if let Some(data) = first {
                    let (from, channel) = (target.id, channel.clone());
                    self.inner.deliver(&self.entry, Envelope::ChannelMessage { from, channel, data })?;
                }
                offered.keep();
                Ok(channel)
            }
            (false, first) => {
                let error = match first {
                    Some(message) => format!("channel refused: {}", String::from_utf8_lossy(&message)),
                    None => "channel refused".to_owned(),
                };
                Err(ActorError::Guest { id: target.id, error })
            }
        }
    }

    fn other_end(&self, channel: &str) -> Result<ActorId, ActorError> {
        let ends = self.inner.channels.open.get(channel).map(|ends| *ends);
        ends.and_then(|ends| ends.other(self.entry.id))
            .ok_or_else(|| ActorError::NoSuchChannel { id: printable(channel) })
    }

    pub(crate) fn send_on_channel(&self, channel: &str, data: Bytes) -> Result<(), ActorError> {
        self.check_size(&data)?;
        let other = self.other_end(channel)?;
        let target = self.inner.find(other).ok_or(ActorError::UnknownActor { id: other })?;
        let (from, channel) = (self.entry.id, channel.to_owned());
        self.inner.deliver(&target, Envelope::ChannelMessage { from, channel, data })
    }

    pub(crate) fn close_channel(&self, channel: &str) -> Result<(), ActorError> {
        let other = self.other_end(channel)?;
        self.inner.channels.open.remove(channel);
        if let Some(target) = self.inner.find(other) {
            // The other side need not care to hear of it.
            let (from, channel) = (self.entry.id, channel.to_owned());
            let _ = self.inner.deliver(&target, Envelope::ChannelClose { from, channel });
        }
        Ok(())
    }
}

/// A channel that was not accepted is not open.
struct OfferGuard<'a> {
    channels: &'a Channels,
    channel: Option<String>,
}

impl OfferGuard<'_> {
    fn keep(mut self) {
        self.channel = None;
    }
}

impl Drop for OfferGuard<'_> {
    fn drop(&mut self) {
        if let Some(channel) = self.channel.take() {
            self.channels.open.remove(&channel);
        }
    }
}
