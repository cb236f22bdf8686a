//! What comes in: messages and notices, one call into the guest each.

use theater_core::event::payload;
use theater_core::{ActorError, Bytes, ChildNotice, EventKind, ExitReason};

use super::Running;
use crate::component::{Answer, ChannelAccept, NewState, WitActorError, WitErrorType};
use crate::runtime::mailbox::Envelope;

impl Running<'_> {
    pub(super) async fn handle(&mut self, envelope: Envelope) -> Result<(), ExitReason> {
        self.life.room().await?;
        match envelope {
            Envelope::Send { from, data } => self.handle_send(from, &data).await,
            Envelope::Request { from, data, reply } => {
                let Some(number) = self.life.entry.open_request(reply) else { return Ok(()) };
                self.life.entry.set_handling(Some(number));
                let handled = self.handle_request(number, from, &data).await;
                self.life.entry.set_handling(None);
                handled
            }
            Envelope::ChannelOpen { from, channel, data, reply } => {
                let accepted = self.handle_channel_open(from, &channel, &data).await;
                // Whoever offered may have given up; a life that ends here says why.
                let _ = reply.send(match &accepted {
                    Ok(accepted) => Ok(accepted.clone()),
                    Err(reason) => Err(ActorError::Ended { id: self.life.entry.id, reason: reason.clone() }),
                });
                accepted.map(drop)
            }
            Envelope::ChannelMessage { from, channel, data } => {
                self.handle_channel_message(from, &channel, &data).await
            }
            Envelope::ChannelClose { from, channel } => self.handle_channel_close(from, &channel).await,
        }
    }

    async fn handle_send(
        &mut self,
        from: Option<theater_core::ActorId>,
        data: &[u8],
    ) -> Result<(), ExitReason> {
        self.record_call("handle-send", from, None, Some(data))?;
        let Some(function) = self.ready().await?.guest.handle_send else { return Ok(()) };
        let state = self.state.clone();
        let (result,): NewState = self.call(function, (state.as_deref(), (data,))).await?;
        self.returned(result.map(|(state,)| (state, ())), |()| None).map(drop)
    }

    async fn handle_request(
        &mut self,
        number: u64,
        from: Option<theater_core::ActorId>,
        data: &[u8],
    ) -> Result<(), ExitReason> {
        let id = crate::runtime::messages::request_id(number);
        self.record_call("handle-request", from, Some(&id), Some(data))?;
        let Some(function) = self.ready().await?.guest.handle_request else { return Ok(()) };
        let state = self.state.clone();
        let (result,): Answer<Option<Vec<u8>>> = self.call(function, (state.as_deref(), (&id, data))).await?;
        let limit = self.life.entry.limits().message;
        if let Ok((_, (Some(answer),))) = &result
            && answer.len() as u64 > limit
        {
            return Err(ExitReason::MessageTooLarge { size: answer.len() as u64, limit });
        }
        let result = result.map(|(state, (answer,))| (state, answer));
        let reply = match self.returned(result, |answer| answer.as_deref())? {
            Ok(Some(answer)) => Ok(Bytes::from(answer)),
            // Answered later, or already.
            Ok(None) => return Ok(()),
            Err(error) => Err(ActorError::Guest { id: self.life.entry.id, error }),
        };
        if let Some(pending) = self.life.entry.close_request(number) {
            // Whoever asked may have given up.
            let _ = pending.reply.send(reply);
        }
        Ok(())
    }

    async fn handle_channel_open(
        &mut self,
        from: theater_core::ActorId,
        channel: &str,
        data: &[u8],
    ) -> Result<(bool, Option<Bytes>), ExitReason> {
        self.record_call("handle-channel-open", Some(from), Some(channel), Some(data))?;
        let Some(function) = self.ready().await?.guest.handle_channel_open else { return Ok((false, None)) };
        let state = self.state.clone();
        let (result,): Answer<ChannelAccept> =
            self.call(function, (state.as_deref(), (channel, data))).await?;
        let result = result.map(|(state, (accept,))| (state, accept));
        Ok(match self.returned(result, |accept| accept.message.as_deref())? {
            Ok(accept) => (accept.accepted, accept.message.map(Bytes::from)),
            Err(_) => (false, None),
        })
    }

    async fn handle_channel_message(
        &mut self,
        from: theater_core::ActorId,
        channel: &str,
        data: &[u8],
    ) -> Result<(), ExitReason> {
        self.record_call("handle-channel-message", Some(from), Some(channel), Some(data))?;
        let Some(function) = self.ready().await?.guest.handle_channel_message else { return Ok(()) };
        let state = self.state.clone();
        let (result,): NewState = self.call(function, (state.as_deref(), (channel, data))).await?;
        self.returned(result.map(|(state,)| (state, ())), |()| None).map(drop)
    }

    async fn handle_channel_close(
        &mut self,
        from: theater_core::ActorId,
        channel: &str,
    ) -> Result<(), ExitReason> {
        self.record_call("handle-channel-close", Some(from), Some(channel), None)?;
        let Some(function) = self.ready().await?.guest.handle_channel_close else { return Ok(()) };
        let state = self.state.clone();
        let (result,): NewState = self.call(function, (state.as_deref(), (channel,))).await?;
        self.returned(result.map(|(state,)| (state, ())), |()| None).map(drop)
    }

    /// Tells the guest about a child, where it wants to know. Whatever the callback does, the actor goes on with the
    /// state that it had: hearing about a failure must not be a failure.
    pub(super) async fn handle_notice(&mut self, notice: ChildNotice) -> Result<(), ExitReason> {
        let Err(reason) = self.call_handler(&notice).await else { return Ok(()) };
        if self.life.control.kill.is_cancelled() || matches!(reason, ExitReason::ChainFailed { .. }) {
            return Err(reason);
        }
        self.instance = None;
        let payload = payload::encode(&payload::Return {
            error: Some(reason.to_string().into()),
            data: None,
            state_len: self.state.as_ref().map(|state| state.len() as u64),
        });
        self.life.record(EventKind::RETURN, payload)
    }

    async fn call_handler(&mut self, notice: &ChildNotice) -> Result<(), ExitReason> {
        let child = notice.child.to_string();
        let state = self.state.clone();
        let guest = &self.ready().await?.guest;
        let result = match &notice.reason {
            ExitReason::Completed { data } => {
                let Some(function) = guest.handle_child_exit else { return Ok(()) };
                self.record_call("handle-child-exit", None, Some(&child), data.as_deref())?;
                let (result,): NewState =
                    self.call(function, (state.as_deref(), (&*child, data.as_deref()))).await?;
                result
            }
            ExitReason::Stopped | ExitReason::Killed | ExitReason::ParentStopped => {
                let Some(function) = guest.handle_child_external_stop else { return Ok(()) };
                self.record_call("handle-child-external-stop", None, Some(&child), None)?;
                let (result,): NewState = self.call(function, (state.as_deref(), (&*child,))).await?;
                result
            }
            reason => {
                let Some(function) = guest.handle_child_error else { return Ok(()) };
                let text = reason.to_string();
                self.record_call("handle-child-error", None, Some(&child), Some(text.as_bytes()))?;
                let error = WitActorError { error_type: error_type(reason), data: Some(text.into_bytes()) };
                let (result,): NewState = self.call(function, (state.as_deref(), (&*child, error))).await?;
                result
            }
        };
        self.returned(result.map(|(state,)| (state, ())), |()| None).map(drop)
    }
}

/// The original system's word for a failure that it could not know.
fn error_type(reason: &ExitReason) -> WitErrorType {
    match reason {
        ExitReason::TimedOut { .. } => WitErrorType::OperationTimeout,
        _ => WitErrorType::Internal,
    }
}
