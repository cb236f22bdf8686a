//! What events say: one type per kind, encoded as CBOR (RFC 8949).
//!
//! A payload is a CBOR map with text keys, so that any CBOR tool can read it. It is hashed as it was written and
//! never encoded again. Bytes are CBOR byte strings. In calls and returns, what is not there is left out.

mod host_call;
mod http;
mod sources;

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::actor::{ActorId, Incarnation};
use crate::event::{ChainId, EventHash};
use crate::exit::ExitReason;
use crate::manifest::ChildSpec;
use crate::name::ActorName;

pub use host_call::{HostCall, HostCallRef, Subject};
pub use http::{HttpRequest, HttpResponse};
pub use sources::Sources;

/// A payload that could not be read as the expected type.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the payload is not a valid {expected}: {message}")]
#[non_exhaustive]
pub struct PayloadError {
    /// The type that was expected.
    pub expected: &'static str,
    /// What the decoder said.
    pub message: String,
}

/// The size in bytes of the chunks that small payloads share. One that is kept alone keeps its whole chunk.
const CHUNK: usize = 16 << 10;
/// Payloads above this size have memory of their own.
const SHARED: usize = CHUNK / 8;

/// What a thread keeps for encoding: payloads are written several times per message, and most are small.
struct Buffers {
    writing: Written,
    chunk: BytesMut,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> =
        RefCell::new(Buffers { writing: Written(Vec::new()), chunk: BytesMut::new() });
}

/// A vector that is written in pieces of few bytes, mostly of one.
struct Written(Vec<u8>);

impl minicbor::encode::Write for Written {
    type Error = std::convert::Infallible;

    // Here it becomes part of the serializer that calls it, some ten times for each payload.
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        match bytes {
            [byte] => self.0.push(*byte),
            bytes => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }
}

/// Encodes a payload.
///
/// # Panics
/// If the type cannot be written as CBOR, which is a bug of the type: maps with unknown length, for example.
#[must_use]
pub fn encode<T: Serialize>(payload: &T) -> Bytes {
    BUFFERS.with_borrow_mut(|Buffers { writing, chunk }| {
        writing.0.clear();
        payload
            .serialize(&mut minicbor_serde::Serializer::new(&mut *writing))
            .expect("payload types are plain structs and enums");
        let writing = &mut writing.0;
        if writing.len() > SHARED {
            return Bytes::from(std::mem::take(writing));
        }
        if chunk.capacity() < writing.len() {
            *chunk = BytesMut::with_capacity(CHUNK);
        }
        chunk.extend_from_slice(writing);
        chunk.split().freeze()
    })
}

/// Decodes a payload.
///
/// # Errors
/// If the bytes are not a payload of this type.
pub fn decode<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, PayloadError> {
    minicbor_serde::from_slice(payload)
        .map_err(|error| PayloadError { expected: std::any::type_name::<T>(), message: error.to_string() })
}

/// The first event of a chain. Its encoding determines the chain's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// The actor.
    pub actor: ActorId,
    /// 32 random bytes: no two chains have the same id, even for the same actor.
    #[serde(with = "serde_bytes")]
    pub nonce: [u8; 32],
    /// The name in the manifest.
    pub name: String,
    /// BLAKE3 of the component, lowercase hexadecimal; empty for a pure supervisor, which has none.
    pub component: String,
    /// BLAKE3 of the manifest, lowercase hexadecimal; of one that stands in another, BLAKE3 of that one, a zero byte, and
    /// the ids of the entries that lead to it, joined by `/`.
    pub manifest: String,
    /// Where the parent's chain was when it started this actor.
    pub parent: Option<Anchor>,
    /// The name and version of the runtime.
    pub runtime: String,
    /// How it came to be started, for whoever brings it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// What it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
}

/// How an actor came to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The reference to its manifest; of a declared child its id.
    pub manifest: String,
    /// Its id among its siblings, if its parent's manifest declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_id: Option<String>,
    /// How its parent's supervisor treats it.
    pub child_spec: ChildSpec,
}

/// A position of a chain: whoever has it can tell when that chain was cut or changed before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The actor that the chain belongs to.
    pub actor: ActorId,
    /// The chain.
    pub chain: ChainId,
    /// How many events it had.
    pub length: u64,
    /// The hash of the last of them.
    pub head: EventHash,
}

/// Where a life started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// From `init`.
    Init,
    /// From a state that its parent gave.
    Given,
    /// From the last good state of the life before.
    LastGood,
    /// From the snapshot that its manifest names.
    Snapshot,
}

/// A life began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Which life.
    pub incarnation: Incarnation,
    /// Where it started from.
    pub origin: Origin,
    /// The length in bytes of the state it started with; `None` without a state.
    pub state_len: Option<u64>,
    /// The state it started with, where that came from elsewhere: [`Given`](Origin::Given) or [`Snapshot`](Origin::Snapshot); of a first life
    /// also what its `init` got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Bytes>,
    /// The runtime had ended, and brought the actor back with its children: for them no life of it has ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub revived: bool,
    /// The name that the actor can be addressed by from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<ActorName>,
    /// Of the first life after the runtime had ended: what it was made of, which was loaded anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Sources>,
}

impl Started {
    /// A life that began with this state.
    #[must_use]
    pub fn new(incarnation: Incarnation, origin: Origin, state: Option<&Bytes>) -> Self {
        let state_len = state.map(|state| state.len() as u64);
        let first = incarnation == Incarnation::FIRST && origin == Origin::Init;
        let elsewhere = first || matches!(origin, Origin::Given | Origin::Snapshot);
        Self {
            incarnation,
            origin,
            state_len,
            state: state.filter(|_| elsewhere).cloned(),
            revived: false,
            registered: None,
            sources: None,
        }
    }
}

/// A life ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Which life.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: ExitReason,
    /// The position of the call that it was in, which has no return then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
}

impl Exited {
    /// A life that ended between calls.
    #[must_use]
    pub fn new(incarnation: Incarnation, reason: ExitReason) -> Self {
        Self { incarnation, reason, call: None }
    }
}

/// A child's life began or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildAnchor {
    /// Which life.
    pub incarnation: Incarnation,
    /// The name of the exit reason; `None` when a life began.
    pub reason: Option<String>,
    /// Where the child's chain was.
    pub anchor: Anchor,
}

/// A child that had ended was retired: its chain is no longer kept, and this is what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRetired {
    /// Where the child's chain ended.
    pub anchor: Anchor,
}

/// Payloads of earlier events were removed. Their headers, and so their hashes, are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Events below this position may lack their payload. Never beyond the event that says so.
    pub before: u64,
    /// How many payloads were to go.
    pub events: u64,
    /// Their length in bytes, all together.
    pub bytes: u64,
}

/// An export is called. Of a message this is written when it is accepted into the mailbox, in whose order messages are handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call<'a> {
    /// The export, such as `handle-request`.
    #[serde(borrow)]
    pub function: std::borrow::Cow<'a, str>,
    /// Who sent it; `None` for the embedding program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ActorId>,
    /// The request, channel or child that it is about.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub subject: Option<std::borrow::Cow<'a, str>>,
    /// The message.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub data: Option<std::borrow::Cow<'a, serde_bytes::Bytes>>,
    /// Of `handle-child-error` the kind of error, as the interface names it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<std::borrow::Cow<'a, str>>,
}

/// An export returned, or will not be called.
///
/// Of the state it says: `state` is the new one, where it changed and is small; without it, `unsaved` says that it changed, and
/// otherwise it did not, unless `state_len` is missing: then there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Return<'a> {
    /// The position of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// The message was taken from the mailbox without being handled, because the actor had ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unhandled: bool,
    /// The error that it returned; `None` when it succeeded.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub error: Option<std::borrow::Cow<'a, str>>,
    /// What it answered.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub data: Option<std::borrow::Cow<'a, serde_bytes::Bytes>>,
    /// Of `handle-channel-open`, whether the channel was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// The length in bytes of the state after the call; `None` without a state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_len: Option<u64>,
    /// The state after the call, where it changed and is small.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub state: Option<std::borrow::Cow<'a, serde_bytes::Bytes>>,
    /// The state changed and is not written here.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unsaved: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// The last good state, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The state; `None` if there is none.
    pub state: Option<Bytes>,
}

/// What would be the record of a host function, had a call been under way: the component called it while it was instantiated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instantiation {
    /// How many such records of the same instance there are before it: 0 is the first of another instance.
    pub number: u64,
    /// The kind that the record would have.
    pub kind: u16,
    /// And its payload.
    pub payload: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_read_back_as_they_were_written() {
        let exited = Exited {
            incarnation: Incarnation(3),
            reason: ExitReason::Trapped { message: "unreachable".into(), backtrace: vec!["a".into()] },
            call: Some(7),
        };
        assert_eq!(decode::<Exited>(&encode(&exited)).unwrap(), exited);

        let call = HostCall::Answered { subject: None, data: Some(Bytes::from_static(b"\x00\xff")) };
        assert_eq!(decode::<HostCall>(&encode(&call)).unwrap(), call);
        assert!(decode::<Exited>(b"\xff\x00").is_err());
    }

    #[test]
    fn a_start_of_before_names_reads_back_as_one_without() {
        let without = Started::new(Incarnation::FIRST, Origin::Init, None);
        let bytes = encode(&without);
        assert!(!bytes.windows(10).any(|text| text == b"registered"));
        assert_eq!(decode::<Started>(&bytes).unwrap(), without);
        let with = Started { registered: "desk".parse().ok(), ..without };
        assert_eq!(decode::<Started>(&encode(&with)).unwrap(), with);
    }

    #[test]
    fn what_a_call_or_return_does_not_have_is_left_out_and_read_back_as_missing() {
        let call = Call { function: "init".into(), from: None, subject: None, data: None, error_type: None };
        let bytes = encode(&call);
        assert!(bytes.len() < 20, "{bytes:?}");
        assert_eq!(decode::<Call<'_>>(&bytes).unwrap(), call);
        let returned = Return::default();
        assert!(encode(&returned).len() < 3);
        assert_eq!(decode::<Return<'_>>(&encode(&returned)).unwrap(), returned);
    }

    #[test]
    fn bytes_are_byte_strings_and_not_lists_of_numbers() {
        let call = HostCall::Called { subject: None, data: Some(Bytes::from(vec![200; 1000])) };
        assert!(encode(&call).len() < 1050);
    }

    #[test]
    fn every_exit_reason_survives_the_encoding() {
        let reasons = [
            ExitReason::Completed { data: Some(Bytes::from_static(b"x")) },
            ExitReason::Stopped,
            ExitReason::TimedOut { limit: std::time::Duration::from_millis(1500) },
            ExitReason::Escalated {
                child: ActorId::from_parts(1, [1; 10]),
                reason: "trapped".into(),
                clean: true,
            },
        ];
        for reason in reasons {
            let exited = Exited::new(Incarnation::FIRST, reason);
            assert_eq!(decode::<Exited>(&encode(&exited)).unwrap(), exited);
        }
    }
}
