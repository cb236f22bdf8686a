//! What can stand in a mailbox.

use std::borrow::Cow;

use theater_core::event::payload::Call;
use theater_core::{ActorError, ActorId, Bytes};
use tokio::sync::oneshot;

use super::messages::request_id;
use crate::component::ExportIndices;
use crate::script::Script;

/// A message in a mailbox: accepted, and on the chain.
#[derive(Debug)]
pub(super) struct Delivered {
    /// The position of its call on the actor's chain.
    pub(super) call: u64,
    pub(super) envelope: Envelope,
    /// What an earlier handling of it had done when the runtime ended in the middle of it.
    pub(super) begun: Option<Box<Script>>,
}

/// A channel was refused, perhaps with a message.
pub(super) type Refused = Option<Bytes>;

/// A message on its way to an actor.
#[derive(Debug)]
pub(super) enum Envelope {
    /// Expects no answer.
    Send { from: Option<ActorId>, data: Bytes },
    /// Expects one.
    Request {
        from: Option<ActorId>,
        /// How it is named towards the guest.
        number: u64,
        data: Bytes,
        reply: oneshot::Sender<Result<Bytes, ActorError>>,
    },
    /// Offers a channel.
    ChannelOpen {
        from: ActorId,
        channel: String,
        data: Bytes,
        reply: oneshot::Sender<Result<Option<Refused>, ActorError>>,
    },
    /// Comes over a channel.
    ChannelMessage { from: ActorId, channel: String, data: Bytes },
    /// The other side closed a channel.
    ChannelClose { from: ActorId, channel: String },
}

impl Envelope {
    /// What the actor's chain says of it.
    pub(super) fn call(&self) -> Call<'_> {
        let (function, from, subject, data) = match self {
            Self::Send { from, data } => ("handle-send", *from, None, Some(data)),
            Self::Request { from, number, data, .. } => {
                ("handle-request", *from, Some(Cow::Owned(request_id(*number))), Some(data))
            }
            Self::ChannelOpen { from, channel, data, .. } => {
                ("handle-channel-open", Some(*from), Some(Cow::Borrowed(&**channel)), Some(data))
            }
            Self::ChannelMessage { from, channel, data } => {
                ("handle-channel-message", Some(*from), Some(Cow::Borrowed(&**channel)), Some(data))
            }
            Self::ChannelClose { from, channel } => {
                ("handle-channel-close", Some(*from), Some(Cow::Borrowed(&**channel)), None)
            }
        };
        let data = data.map(|data| Cow::Borrowed(serde_bytes::Bytes::new(data)));
        Call { function: function.into(), from, subject, data, error_type: None }
    }

    /// The length of the message in bytes.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Send { data, .. }
            | Self::Request { data, .. }
            | Self::ChannelOpen { data, .. }
            | Self::ChannelMessage { data, .. } => Some(data.len() as u64),
            Self::ChannelClose { .. } => None,
        }
    }

    /// The export that handles it, if the component does not have it, or there is none.
    pub(super) fn missing_export(&self, exports: Option<&ExportIndices>) -> Option<&'static str> {
        let none = ExportIndices::default();
        let exports = exports.unwrap_or(&none);
        let (index, name) = match self {
            Self::Send { .. } => (&exports.handle_send, "theater:simple/message-server-client.handle-send"),
            Self::Request { .. } => {
                (&exports.handle_request, "theater:simple/message-server-client.handle-request")
            }
            Self::ChannelOpen { .. } => {
                (&exports.handle_channel_open, "theater:simple/message-server-client.handle-channel-open")
            }
            Self::ChannelMessage { .. } => (
                &exports.handle_channel_message,
                "theater:simple/message-server-client.handle-channel-message",
            ),
            Self::ChannelClose { .. } => {
                (&exports.handle_channel_close, "theater:simple/message-server-client.handle-channel-close")
            }
        };
        index.is_none().then_some(name)
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Request { .. } | Self::ChannelOpen { .. })
    }

    /// Tells whoever waits for an answer that there will be none.
    pub(super) fn refuse(self, error: ActorError) {
        // Whoever has given up waiting needs no answer.
        match self {
            Self::Request { reply, .. } => {
                let _ = reply.send(Err(error));
            }
            Self::ChannelOpen { reply, .. } => {
                let _ = reply.send(Err(error));
            }
            Self::Send { .. } | Self::ChannelMessage { .. } | Self::ChannelClose { .. } => {}
        }
    }
}
