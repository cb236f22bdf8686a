//! What can stand in a mailbox.

use theater_core::{ActorError, ActorId, Bytes};
use tokio::sync::oneshot;

use crate::component::ExportIndices;

/// A message on its way to an actor.
#[derive(Debug)]
pub(super) enum Envelope {
    /// Expects no answer.
    Send { from: Option<ActorId>, data: Bytes },
    /// Expects one.
    Request { from: Option<ActorId>, data: Bytes, reply: oneshot::Sender<Result<Bytes, ActorError>> },
    /// Offers a channel.
    ChannelOpen {
        from: ActorId,
        channel: String,
        data: Bytes,
        reply: oneshot::Sender<Result<(bool, Option<Bytes>), ActorError>>,
    },
    /// Comes over a channel.
    ChannelMessage { from: ActorId, channel: String, data: Bytes },
    /// The other side closed a channel.
    ChannelClose { from: ActorId, channel: String },
}

impl Envelope {
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
