//! What a host function was called with, and what it answered.

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use crate::actor::ActorId;

/// A host function was called by the guest, or answered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostCall {
    /// The guest called. Written before anything happened.
    Called {
        /// The actor, request or channel that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// What it gave.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Bytes>,
    },
    /// The guest was answered well.
    Answered {
        /// The actor, request or channel that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// The answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<Bytes>,
    },
    /// The guest was refused.
    Refused {
        /// The actor, request or channel that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// What it was told.
        error: String,
    },
}

/// A [`HostCall`] to be written, the same bytes: of what is borrowed nothing is copied before.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename = "HostCall", rename_all = "kebab-case")]
pub enum HostCallRef<'a> {
    /// [`HostCall::Called`].
    Called {
        /// The actor, request or channel that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Subject<'a>>,
        /// What it gave.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a serde_bytes::Bytes>,
    },
    /// [`HostCall::Answered`].
    Answered {
        /// The actor, request or channel that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Subject<'a>>,
        /// The answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a serde_bytes::Bytes>,
    },
    /// [`HostCall::Refused`].
    Refused {
        /// The actor, request or channel that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<Subject<'a>>,
        /// What it was told.
        error: &'a str,
    },
}

/// What a host call is about, as its record has it: a text.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// This text.
    Text(&'a str),
    /// The id of this actor.
    Actor(ActorId),
}

impl Serialize for Subject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Actor(id) => id.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::payload::encode;

    #[test]
    fn what_is_written_of_borrowed_parts_is_what_owned_ones_make() {
        let id = ActorId::from_parts(1, [1; 10]);
        let (text, data) = (id.to_string(), Bytes::from_static(b"\x00\xff"));
        let named = [
            (None, None),
            (Some(text.clone()), Some(Subject::Text(&text))),
            (Some(text.clone()), Some(Subject::Actor(id))),
        ];
        for (owned, subject) in named {
            for data in [None, Some(data.clone())] {
                let given = data.as_deref().map(serde_bytes::Bytes::new);
                let called = HostCall::Called { subject: owned.clone(), data: data.clone() };
                assert_eq!(encode(&HostCallRef::Called { subject, data: given }), encode(&called));
                let answered = HostCall::Answered { subject: owned.clone(), data: data.clone() };
                assert_eq!(encode(&HostCallRef::Answered { subject, data: given }), encode(&answered));
            }
            let refused = HostCall::Refused { subject: owned, error: "no".into() };
            assert_eq!(encode(&HostCallRef::Refused { subject, error: "no" }), encode(&refused));
        }
    }
}
