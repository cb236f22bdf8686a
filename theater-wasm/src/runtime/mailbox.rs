//! What can stand in a mailbox.

use std::borrow::Cow;

use theater_core::event::payload::Call;
use theater_core::{ActorError, ActorId, Bytes};
use tokio::sync::oneshot;

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

/// How a request is named towards the guest that handles it. The name is formed once, and takes no memory elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestId {
    number: u64,
    text: [u8; Self::LONGEST],
    /// Where in `text` the name begins.
    from: usize,
}

impl RequestId {
    const PREFIX: &[u8] = b"request-";
    const LONGEST: usize = Self::PREFIX.len() + 20;

    pub(super) fn new(number: u64) -> Self {
        let (mut text, mut from, mut rest) = ([0; Self::LONGEST], Self::LONGEST, number);
        loop {
            from -= 1;
            text[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        from -= Self::PREFIX.len();
        text[from..from + Self::PREFIX.len()].copy_from_slice(Self::PREFIX);
        Self { number, text, from }
    }

    /// The one that a guest names; none but in the spelling that it was given.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = text.as_bytes().strip_prefix(Self::PREFIX)?;
        let id = Self::new(std::str::from_utf8(number).ok()?.parse().ok()?);
        (id.as_str() == text).then_some(id)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.from..]).expect("digits and an ASCII prefix")
    }
}

/// A message on its way to an actor.
#[derive(Debug)]
pub(super) enum Envelope {
    /// Expects no answer.
    Send { from: Option<ActorId>, data: Bytes },
    /// Expects one.
    Request {
        from: Option<ActorId>,
        id: RequestId,
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
            Self::Request { from, id, data, .. } => {
                ("handle-request", *from, Some(Cow::Borrowed(id.as_str())), Some(data))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_name() {
        for number in [0, 7, 10, 4_711, u64::MAX] {
            let id = RequestId::new(number);
            assert_eq!(id.as_str(), format!("request-{number}"));
            assert_eq!(RequestId::parse(id.as_str()).map(|id| id.number()), Some(number));
        }
        for other in [
            "",
            "request-",
            "request-+1",
            "request-01",
            "request-1 ",
            "Request-1",
            "request-18446744073709551616",
        ] {
            assert!(RequestId::parse(other).is_none(), "{other:?}");
        }
    }
}
