//! Channels between two actors: open from the acceptor's yes until one of them closes it or ends for good.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use dashmap::DashMap;
use futures_util::FutureExt;
use theater_chain::AppendError;
use theater_core::event::payload::encode;
use theater_core::{ActorError, ActorId, Bytes, EventKind, LimitError, error::printable};
use tokio::sync::oneshot;

use super::Inner;
use super::entry::{Entry, lock};
use super::mailbox::Envelope;
use super::messages::{Messenger, within};
use super::past::Past;

/// Channels that are open or offered, and who is at their ends.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: DashMap<Arc<str>, Channel>,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    opener: ActorId,
    acceptor: ActorId,
    /// Whether the acceptor has said yes. Before that nobody has to be told when the offer is taken back.
    accepted: bool,
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

/// The channels of one actor that is brought back.
#[derive(Debug, Default)]
pub(super) struct KeptChannels {
    /// Those that are open.
    pub(super) open: BTreeSet<Arc<str>>,
    /// Those whose other end, which this is, is gone or does not know of them.
    pub(super) broken: BTreeMap<Arc<str>, ActorId>,
}

impl Channels {
    /// Opens the channels again that were open between actors that are brought back.
    pub(super) fn restore(&self, actors: &[(ActorId, &Past)]) -> HashMap<ActorId, KeptChannels> {
        let pasts: HashMap<ActorId, &Past> = actors.iter().copied().collect();
        let mut kept: HashMap<ActorId, KeptChannels> = HashMap::new();
        for (actor, past) in actors {
            let of_actor = kept.entry(*actor).or_default();
            let opened = past.opened.iter().map(|(id, end)| (id, end, true));
            let accepted = past.accepted.iter().map(|(id, end)| (id, end, false));
            for (id, end, opener) in opened.chain(accepted) {
                let id: Arc<str> = id.as_str().into();
                let other = pasts.get(&end.other).is_some_and(|other| {
                    if opener { other.accepted.contains_key(&*id) } else { other.opened.contains_key(&*id) }
                });
                if !other {
                    of_actor.broken.insert(id, end.other);
                    continue;
                }
                let (opener, acceptor) = if opener { (*actor, end.other) } else { (end.other, *actor) };
                self.open.insert(Arc::clone(&id), Channel { opener, acceptor, accepted: true });
                of_actor.open.insert(id);
            }
        }
        kept
    }

    /// Whether somebody still waits for the answer to this offer.
    pub(super) fn is_offered(&self, channel: &str) -> bool {
        self.open.contains_key(channel)
    }

    /// Notes that the acceptor has said yes. Whether the channel is open now: the offer may have been taken back.
    fn accept(&self, channel: &str) -> bool {
        self.open.get_mut(channel).map(|mut channel| channel.accepted = true).is_some()
    }
}

impl Inner {
    /// Notes an offer, so that the other side may send at once.
    fn offer(
        &self,
        channel: &Arc<str>,
        opener: &Arc<Entry>,
        acceptor: &Arc<Entry>,
    ) -> Result<(), ActorError> {
        for end in [opener, acceptor] {
            let limit = end.limits().channels;
            if lock(&end.channels).len() >= limit as usize {
                return Err(LimitError::Channels { limit: u64::from(limit) }.into());
            }
        }
        let ends = Channel { opener: opener.id, acceptor: acceptor.id, accepted: false };
        self.channels.open.insert(Arc::clone(channel), ends);
        for end in [opener, acceptor] {
            lock(&end.channels).insert(Arc::clone(channel));
        }
        Ok(())
    }

    /// Takes a channel away. Its ends, if it was there: who took it has to tell whoever has to know.
    fn remove_channel(&self, channel: &str) -> Option<Channel> {
        let (_, ends) = self.channels.open.remove(channel)?;
        for end in [ends.opener, ends.acceptor] {
            if let Some(entry) = self.find(end) {
                lock(&entry.channels).remove(channel);
            }
        }
        Some(ends)
    }

    /// The acceptor has said yes, perhaps with a first message. What the opener is told.
    pub(super) fn accepted(
        self: &Arc<Self>,
        acceptor: &Arc<Entry>,
        opener: ActorId,
        channel: &str,
        first: Option<Bytes>,
    ) -> Result<(), ActorError> {
        if !self.channels.accept(channel) {
            self.tell_closed(acceptor, opener, channel);
            return Err(ActorError::NoReply { id: acceptor.id });
        }
        let Some(data) = first else { return Ok(()) };
        // Before anything that comes over the channel later.
        let message = Envelope::ChannelMessage { from: acceptor.id, channel: channel.to_owned(), data };
        let delivered = match self.find(opener) {
            Some(opener) => self.deliver(&opener, message),
            None => Err(ActorError::UnknownActor { id: opener }),
        };
        if delivered.is_err() && self.remove_channel(channel).is_some() {
            self.tell_closed(acceptor, opener, channel);
        }
        delivered
    }

    /// Closes the channels of an actor that has ended for good. Where the whole runtime ends they stay open for when it is brought back.
    pub(super) fn close_channels(self: &Arc<Self>, entry: &Entry) {
        if lock(&self.roots).closing {
            return;
        }
        let channels = std::mem::take(&mut *lock(&entry.channels));
        for channel in channels {
            let Some(ends) = self.remove_channel(&channel) else { continue };
            let other = ends.other(entry.id).filter(|_| ends.accepted).and_then(|other| self.find(other));
            if let Some(other) = other {
                self.tell_closed(&other, entry.id, &channel);
            }
        }
    }

    /// Tells an actor that a channel of it is closed; where its mailbox is full as soon as it is not. As many wait so as the actor has
    /// channels at most.
    pub(super) fn tell_closed(self: &Arc<Self>, to: &Arc<Entry>, from: ActorId, channel: &str) {
        let (inner, to, channel) = (Arc::clone(self), Arc::clone(to), channel.to_owned());
        let mut telling = Box::pin(async move { inner.deliver_close(&to, from, channel).await });
        if (&mut telling).now_or_never().is_none() {
            tokio::spawn(telling);
        }
    }

    async fn deliver_close(&self, to: &Entry, from: ActorId, channel: String) {
        loop {
            let envelope = Envelope::ChannelClose { from, channel: channel.clone() };
            let delivered = to
                .deliver_for_sure(envelope, |envelope| {
                    self.append_unlimited(to, EventKind::CALL, encode(&envelope.call()), |event| {
                        event.header.seq
                    })
                })
                .await;
            match delivered {
                Err(AppendError::Full) => {
                    if self.store.ready().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(actor = %to.id, %error, "could not record that a channel is closed");
                    return;
                }
                Ok(()) => return,
            }
        }
    }
}

impl Messenger {
    /// Offers a channel and waits for the answer. A first message of the other side comes over the channel.
    pub(crate) async fn open_channel(&self, to: &str, data: Bytes) -> Result<(ActorId, String), ActorError> {
        self.check_size(&data)?;
        let target = self.target(to)?;
        let _waiting = self.wait_for(&target, "open-channel")?;
        let channel: Arc<str> = format!("channel-{}", (self.inner.config.ids)()).into();
        let (reply, answer) = oneshot::channel();
        self.inner.offer(&channel, &self.entry, &target)?;
        let offered = Offer { inner: &self.inner, channel: Some(Arc::clone(&channel)) };
        let offer = Envelope::ChannelOpen { from: self.entry.id, channel: channel.to_string(), data, reply };
        self.inner.deliver(&target, offer)?;
        let limit = self.entry.limits().host_deadline;
        let answer = tokio::select! {
            biased;
            answer = within("open-channel", limit, answer) => {
                answer?.unwrap_or(Err(ActorError::NoReply { id: target.id }))?
            }
            () = self.control.stopping() => return Err(ActorError::ShuttingDown),
        };
        if let Some(refused) = answer {
            let error = match refused {
                Some(message) => format!("channel refused: {}", String::from_utf8_lossy(&message)),
                None => "channel refused".to_owned(),
            };
            return Err(self.fitting(ActorError::Guest { id: target.id, error }));
        }
        offered.keep();
        Ok((target.id, channel.to_string()))
    }

    fn other_end(&self, channel: &str) -> Result<ActorId, ActorError> {
        let ends = self.inner.channels.open.get(channel).map(|ends| *ends);
        ends.and_then(|ends| ends.other(self.entry.id)).ok_or_else(|| no_such_channel(channel))
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
        // One that is not open yet is refused by not accepting it.
        let open = self.inner.channels.open.get(channel).is_some_and(|ends| ends.accepted);
        if !open || self.inner.remove_channel(channel).is_none() {
            return Err(no_such_channel(channel));
        }
        if let Some(target) = self.inner.find(other) {
            self.inner.tell_closed(&target, self.entry.id, channel);
        }
        Ok(())
    }
}

fn no_such_channel(channel: &str) -> ActorError {
    ActorError::NoSuchChannel { id: printable(channel) }
}

/// An offer that nobody waits for any more is taken back.
struct Offer<'a> {
    inner: &'a Arc<Inner>,
    channel: Option<Arc<str>>,
}

impl Offer<'_> {
    fn keep(mut self) {
        self.channel = None;
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let Some(channel) = self.channel.take() else { return };
        let Some(ends) = self.inner.remove_channel(&channel).filter(|ends| ends.accepted) else { return };
        if let Some(acceptor) = self.inner.find(ends.acceptor) {
            self.inner.tell_closed(&acceptor, ends.opener, &channel);
        }
    }
}
