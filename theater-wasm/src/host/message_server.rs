//! `theater:simple/message-server-host`: messages to other actors. Each call that has an effect is recorded before it,
//! and each answer after it.

use std::pin::pin;
use std::sync::Arc;

use theater_core::error::printed;
use theater_core::event::payload::{HostCall, HostCallRef, Subject, decode, encode};
use theater_core::{ActorError, ActorId, Bytes, EventKind};
use wasmtime::component::Linker;

use super::bindings::theater::simple::message_server_host;
use super::record::Answer;
use super::to_guest;
use crate::runtime::Messenger;
use crate::script::{Scripted, UNKNOWN};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/message-server-host";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, INTERFACE, |instance| {
        message_server_host::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

impl ActorStore {
    fn messages(&self) -> Result<Arc<Messenger>, ActorError> {
        self.messenger().cloned().ok_or(ActorError::Unsupported { operation: "messages" })
    }

    /// Runs one function between its two records.
    async fn recorded<T: Answer, F: Future<Output = Result<T, ActorError>>>(
        &mut self,
        kind: EventKind,
        subject: &str,
        data: Option<Bytes>,
        work: impl FnOnce(Arc<Messenger>, Bytes) -> F,
    ) -> wasmtime::Result<Result<T, String>> {
        let addressed =
            |messenger, data| async move { work(messenger, data).await.map(|answer| (None, answer)) };
        self.recorded_of(kind, subject, data, addressed).await
    }

    /// The same of a function that is about an actor, which may be named. The record of the answer says by its id which one it was.
    async fn recorded_of<T: Answer, F: Future<Output = Result<(Option<ActorId>, T), ActorError>>>(
        &mut self,
        kind: EventKind,
        subject: &str,
        data: Option<Bytes>,
        work: impl FnOnce(Arc<Messenger>, Bytes) -> F,
    ) -> wasmtime::Result<Result<T, String>> {
        let subject = printed(subject);
        let subject = Some(Subject::Text(&subject));
        // What is too large for a message is refused; it need not be recorded in full for that.
        let limit = self.limits().message;
        let kept = data.as_deref().filter(|data| data.len() as u64 <= limit);
        let called = encode(&HostCallRef::Called { subject, data: kept.map(serde_bytes::Bytes::new) });
        let result = match self.scripted(kind, &called)? {
            Scripted::Answered(outcome) => {
                let answer = match decode(&outcome) {
                    Ok(HostCall::Answered { data, .. }) => T::read(data).map(Ok),
                    Ok(HostCall::Refused { error, .. }) => Some(Err(error)),
                    _ => None,
                };
                return answer.ok_or_else(|| self.not_an_outcome(kind));
            }
            Scripted::Unknown => Err(UNKNOWN.to_owned()),
            Scripted::Live => {
                self.must_record(kind, called).await?;
                match self.messages() {
                    Ok(messenger) => to_guest(pin!(work(messenger, data.unwrap_or_default())).await),
                    Err(error) => to_guest(Err(error)),
                }
            }
        };
        let outcome = match &result {
            Ok((actor, answer)) => {
                let subject = actor.map(Subject::Actor).or(subject);
                answer.recorded(|answer| {
                    encode(&HostCallRef::Answered { subject, data: answer.map(serde_bytes::Bytes::new) })
                })
            }
            Err(error) => encode(&HostCallRef::Refused { subject, error }),
        };
        self.must_record(kind, outcome).await?;
        Ok(result.map(|(_, answer)| answer))
    }
}

impl message_server_host::Host for ActorStore {
    async fn send(&mut self, actor_id: String, msg: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        let to = &*actor_id;
        self.recorded_of(EventKind::SEND, to, Some(msg.into()), |messenger, data| async move {
            messenger.send(to, data).map(|actor| (Some(actor), ()))
        })
        .await
    }

    async fn request(&mut self, actor_id: String, msg: Vec<u8>) -> wasmtime::Result<Result<Vec<u8>, String>> {
        let to = &*actor_id;
        let answer = self
            .recorded_of(EventKind::REQUEST, to, Some(msg.into()), |messenger, data| async move {
                messenger.request(to, data).await.map(|(actor, answer)| (Some(actor), answer))
            })
            .await?;
        Ok(answer.map(Vec::from))
    }

    async fn open_channel(
        &mut self,
        actor_id: String,
        initial_msg: Vec<u8>,
    ) -> wasmtime::Result<Result<String, String>> {
        let to = &*actor_id;
        self.recorded_of(
            EventKind::OPEN_CHANNEL,
            to,
            Some(initial_msg.into()),
            |messenger, data| async move {
                messenger.open_channel(to, data).await.map(|(actor, channel)| (Some(actor), channel))
            },
        )
        .await
    }

    async fn send_on_channel(
        &mut self,
        channel_id: String,
        msg: Vec<u8>,
    ) -> wasmtime::Result<Result<(), String>> {
        let channel = &*channel_id;
        self.recorded(EventKind::SEND_ON_CHANNEL, channel, Some(msg.into()), |messenger, data| async move {
            messenger.send_on_channel(channel, data)
        })
        .await
    }

    async fn close_channel(&mut self, channel_id: String) -> wasmtime::Result<Result<(), String>> {
        let channel = &*channel_id;
        self.recorded(EventKind::CLOSE_CHANNEL, channel, None, |messenger, _| async move {
            messenger.close_channel(channel)
        })
        .await
    }

    async fn list_outstanding_requests(&mut self) -> wasmtime::Result<Vec<String>> {
        if let Some(recorded) = self.scripted_answer(EventKind::LIST_OUTSTANDING_REQUESTS)? {
            let requests = match decode(&recorded) {
                Ok(HostCall::Answered { data, .. }) => String::read(data),
                _ => None,
            };
            let requests =
                requests.ok_or_else(|| self.not_an_outcome(EventKind::LIST_OUTSTANDING_REQUESTS))?;
            return Ok(requests.lines().map(str::to_owned).collect());
        }
        let requests = self.messages().map(|messenger| messenger.outstanding()).unwrap_or_default();
        let payload = encode(&HostCall::Answered { subject: None, data: Some(requests.join("\n").into()) });
        self.must_record(EventKind::LIST_OUTSTANDING_REQUESTS, payload).await?;
        Ok(requests)
    }

    async fn respond_to_request(
        &mut self,
        request_id: String,
        response: Vec<u8>,
    ) -> wasmtime::Result<Result<(), String>> {
        let request = &*request_id;
        let data = Some(response.into());
        self.recorded(EventKind::RESPOND_TO_REQUEST, request, data, |messenger, data| async move {
            messenger.respond(request, data)
        })
        .await
    }

    async fn cancel_request(&mut self, request_id: String) -> wasmtime::Result<Result<(), String>> {
        let request = &*request_id;
        self.recorded(EventKind::CANCEL_REQUEST, request, None, |messenger, _| async move {
            messenger.cancel(request)
        })
        .await
    }
}
