//! What comes in: messages and notices, one call into the guest each.

use std::pin::pin;

use theater_core::event::payload;
use theater_core::{ActorError, Bytes, ChildNotice, EventKind, ExitReason};

use super::{NO_CALL, Running};
use crate::component::{Answer, ChannelAccept, NewState, WitActorError, WitErrorType};
use crate::runtime::mailbox::{Delivered, Envelope, RequestId};

impl Running<'_> {
    pub(super) async fn handle(&mut self, message: Delivered) -> Result<(), ExitReason> {
        let Delivered { call, envelope, begun } = message;
        self.begin(call);
        self.life.room().await?;
        let interrupted = begun.is_some();
        if let Some(script) = begun {
            self.ready().await?;
            let instance = self.instance.as_mut().expect("made above");
            instance.store.data_mut().follow(*script);
        }
        match envelope {
            Envelope::Send { data, .. } => pin!(self.handle_send(&data)).await,
            Envelope::Request { id, data, reply, .. } => {
                let number = id.number();
                if let Err(refusal) = self.life.entry.open_request(number, reply) {
                    return self.unhandled(refusal).await;
                }
                self.life.entry.set_handling(Some(number));
                let handled = pin!(self.handle_request(id, &data)).await;
                self.life.entry.set_handling(None);
                handled
            }
            Envelope::ChannelOpen { from, channel, data, reply } => {
                let life = self.life;
                // What it had done already has to be done to the end.
                if !interrupted && !life.inner.channels.is_offered(&channel) {
                    return self.unhandled(ActorError::NoReply { id: life.entry.id }).await;
                }
                let answered = self.handle_channel_open(&channel, &data).await;
                let reply_with = match &answered {
                    Ok((true, first)) => {
                        life.inner.accepted(&life.entry, from, &channel, first.clone()).map(|()| None)
                    }
                    Ok((false, message)) => Ok(Some(message.clone())),
                    Err(reason) => Err(ActorError::Ended { id: life.entry.id, reason: reason.clone() }),
                };
                // Whoever offered may have given up; then it has taken the offer back.
                let _ = reply.send(reply_with);
                answered.map(drop)
            }
            Envelope::ChannelMessage { channel, data, .. } => {
                self.handle_channel_message(&channel, &data).await
            }
            Envelope::ChannelClose { channel, .. } => self.handle_channel_close(&channel).await,
        }
    }

    /// Records that a message was taken from the mailbox and is not handled.
    async fn unhandled(&mut self, refusal: ActorError) -> Result<(), ExitReason> {
        let call = self.life.current_call();
        let record = payload::Return {
            call,
            unhandled: true,
            error: Some(refusal.to_string().into()),
            ..payload::Return::default()
        };
        self.life.record(EventKind::RETURN, payload::encode(&record)).await?;
        self.begin(NO_CALL);
        Ok(())
    }

    async fn handle_send(&mut self, data: &[u8]) -> Result<(), ExitReason> {
        let Some(function) = self.ready().await?.export(|guest| &guest.handle_send) else { return Ok(()) };
        let params = (self.state.as_deref(), (data,));
        let (result,): NewState = pin!(Self::call(self.life, &mut self.instance, function, params)).await?;
        self.returned(result.map(|(state,)| (state, ())), |(), _| ()).await.map(drop)
    }

    async fn handle_request(&mut self, id: RequestId, data: &[u8]) -> Result<(), ExitReason> {
        let Some(function) = self.ready().await?.export(|guest| &guest.handle_request) else { return Ok(()) };
        let params = (self.state.as_deref(), (id.as_str(), data));
        let (result,): Answer<Option<Vec<u8>>> =
            pin!(Self::call(self.life, &mut self.instance, function, params)).await?;
        let limit = self.life.entry.limits().message;
        if let Ok((_, (Some(answer),))) = &result
            && answer.len() as u64 > limit
        {
            return Err(ExitReason::MessageTooLarge { size: answer.len() as u64, limit });
        }
        let result = result.map(|(state, (answer,))| (state, answer));
        let recorded = self
            .returned(result, |answer: &Option<Vec<u8>>, record| record.data = answer.as_deref().map(bytes));
        let reply = match recorded.await? {
            Ok(Some(answer)) => Ok(Bytes::from(answer)),
            // Answered later, or already.
            Ok(None) => return Ok(()),
            Err(error) => Err(ActorError::Guest { id: self.life.entry.id, error }),
        };
        if let Some(pending) = self.life.entry.close_request(id.number()) {
            // Whoever asked may have given up.
            let _ = pending.reply.send(reply);
        }
        Ok(())
    }

    async fn handle_channel_open(
        &mut self,
        channel: &str,
        data: &[u8],
    ) -> Result<(bool, Option<Bytes>), ExitReason> {
        let Some(function) = self.ready().await?.export(|guest| &guest.handle_channel_open) else {
            return Ok((false, None));
        };
        let (result,): Answer<ChannelAccept> =
            Self::call(self.life, &mut self.instance, function, (self.state.as_deref(), (channel, data)))
                .await?;
        let limit = self.life.entry.limits().message;
        let size = result.as_ref().map_or(0, |(_, (accept,))| accept.message.as_ref().map_or(0, Vec::len));
        if size as u64 > limit {
            return Err(ExitReason::MessageTooLarge { size: size as u64, limit });
        }
        let result = result.map(|(state, (accept,))| (state, accept));
        let recorded = self.returned(result, |accept: &ChannelAccept, record| {
            record.accepted = Some(accept.accepted);
            record.data = accept.message.as_deref().map(bytes);
        });
        Ok(match recorded.await? {
            Ok(accept) => (accept.accepted, accept.message.map(Bytes::from)),
            Err(_) => (false, None),
        })
    }

    async fn handle_channel_message(&mut self, channel: &str, data: &[u8]) -> Result<(), ExitReason> {
        let Some(function) = self.ready().await?.export(|guest| &guest.handle_channel_message) else {
            return Ok(());
        };
        let (result,): NewState =
            Self::call(self.life, &mut self.instance, function, (self.state.as_deref(), (channel, data)))
                .await?;
        self.returned(result.map(|(state,)| (state, ())), |(), _| ()).await.map(drop)
    }

    async fn handle_channel_close(&mut self, channel: &str) -> Result<(), ExitReason> {
        let Some(function) = self.ready().await?.export(|guest| &guest.handle_channel_close) else {
            return Ok(());
        };
        let (result,): NewState =
            Self::call(self.life, &mut self.instance, function, (self.state.as_deref(), (channel,))).await?;
        self.returned(result.map(|(state,)| (state, ())), |(), _| ()).await.map(drop)
    }

    /// Tells the guest about a child, where it wants to know. Whatever the callback does, the actor goes on with the
    /// state that it had: hearing about a failure must not be a failure.
    pub(super) async fn handle_notice(&mut self, notice: ChildNotice) -> Result<(), ExitReason> {
        let Err(reason) = self.call_handler(&notice).await else { return Ok(()) };
        if self.life.control.kill.is_cancelled() || matches!(reason, ExitReason::ChainFailed { .. }) {
            return Err(reason);
        }
        self.instance = None;
        let Some(call) = self.life.current_call() else { return Ok(()) };
        let record = payload::Return {
            call: Some(call),
            error: Some(reason.to_string().into()),
            state_len: self.state.as_ref().map(|state| state.len() as u64),
            ..payload::Return::default()
        };
        self.life.record(EventKind::RETURN, payload::encode(&record)).await?;
        self.begin(NO_CALL);
        Ok(())
    }

    async fn call_handler(&mut self, notice: &ChildNotice) -> Result<(), ExitReason> {
        let child = notice.child.to_string();
        let ready = self.ready().await?;
        let result = match &notice.reason {
            ExitReason::Completed { data } => {
                let Some(function) = ready.export(|guest| &guest.handle_child_exit) else { return Ok(()) };
                self.begin_call("handle-child-exit", Some(&child), data.as_deref(), None).await?;
                let (result,): NewState = Self::call(
                    self.life,
                    &mut self.instance,
                    function,
                    (self.state.as_deref(), (&*child, data.as_deref())),
                )
                .await?;
                result
            }
            ExitReason::Stopped
            | ExitReason::Killed
            | ExitReason::ParentStopped
            | ExitReason::RuntimeEnded => {
                let Some(function) = ready.export(|guest| &guest.handle_child_external_stop) else {
                    return Ok(());
                };
                self.begin_call("handle-child-external-stop", Some(&child), None, None).await?;
                let (result,): NewState =
                    Self::call(self.life, &mut self.instance, function, (self.state.as_deref(), (&*child,)))
                        .await?;
                result
            }
            reason => {
                let Some(function) = ready.export(|guest| &guest.handle_child_error) else { return Ok(()) };
                let text = reason.to_string();
                let error_type = error_type(reason);
                let named = Some(error_type_name(error_type));
                self.begin_call("handle-child-error", Some(&child), Some(text.as_bytes()), named).await?;
                let error = WitActorError { error_type, data: Some(text.into_bytes()) };
                let (result,): NewState = Self::call(
                    self.life,
                    &mut self.instance,
                    function,
                    (self.state.as_deref(), (&*child, error)),
                )
                .await?;
                result
            }
        };
        self.returned(result.map(|(state,)| (state, ())), |(), _| ()).await.map(drop)
    }
}

/// The original system's word for a failure that it could not know.
fn error_type(reason: &ExitReason) -> WitErrorType {
    match reason {
        ExitReason::TimedOut { .. } => WitErrorType::OperationTimeout,
        _ => WitErrorType::Internal,
    }
}

/// As the WIT package calls it.
pub(in crate::runtime) fn error_type_name(error_type: WitErrorType) -> &'static str {
    match error_type {
        WitErrorType::OperationTimeout => "operation-timeout",
        _ => "internal",
    }
}

fn bytes(data: &[u8]) -> std::borrow::Cow<'_, serde_bytes::Bytes> {
    std::borrow::Cow::Borrowed(serde_bytes::Bytes::new(data))
}
