//! Running recorded calls once more: the same inputs, the same answers of the host, so the same outputs and the same state.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use theater_chain::ReadError;
use theater_core::event::payload::{self, Instantiation, PayloadError, Return, Snapshot};
use theater_core::{ActorId, Bytes, ChainEvent, ChainId, EventKind, EventRange, ExitReason, Manifest};

use super::Inner;
use super::past::Accepted;
use crate::component::{Answer, ChannelAccept, NewState, PreparedComponent, WitActorError, WitErrorType};
use crate::instance::ActorInstance;
use crate::script::{History, Script};
use crate::store::{ActorStore, Granted};

/// Why recorded calls could not be run again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RerunError {
    /// The call went another way than before.
    #[error("{0}")]
    Diverged(ExitReason),
    /// The chain could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record is not what such a record is.
    #[error("event {seq}")]
    Record {
        /// Its position.
        seq: u64,
        /// What is wrong with it.
        #[source]
        source: PayloadError,
    },
    /// The component could not be instantiated.
    #[error("the component could not be instantiated: {0}")]
    Instantiate(String),
}

impl RerunError {
    fn diverged(event: u64, message: impl Into<String>) -> Self {
        Self::Diverged(ExitReason::Diverged { event: Some(event), message: message.into() })
    }
}

/// What running recorded calls again came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rerun {
    /// The state after the last call.
    pub state: Option<Bytes>,
    /// Calls that were run, each with the outputs that it had before.
    pub calls: u64,
    /// Calls that had ended with an error or a crash: they changed no state. Those that returned were run as well, for what they may
    /// have left in the instance.
    pub failed: u64,
    /// Records of host calls that were answered from.
    pub host_records: u64,
}

/// Whose calls they are.
pub(super) struct Subject<'a> {
    pub(super) actor: ActorId,
    pub(super) manifest: &'a Manifest,
    pub(super) component: &'a PreparedComponent,
    pub(super) chain: ChainId,
    pub(super) history: Arc<History>,
    /// What the instance did while it was instantiated that had made the first call, where that stands before it.
    pub(super) made: Vec<ChainEvent>,
}

/// Events that are read at a time.
const PAGE: usize = 512;

impl Inner {
    /// Runs the calls again that returned from `from` on and before `until`, beginning with `state`.
    pub(super) async fn rerun(
        &self,
        subject: &Subject<'_>,
        state: Option<Bytes>,
        from: u64,
        until: u64,
    ) -> Result<Rerun, RerunError> {
        let done = Rerun { state, calls: 0, failed: 0, host_records: 0 };
        let mut run = Running {
            inner: self,
            subject,
            done,
            instance: None,
            calls: HashMap::new(),
            made: subject.made.clone(),
            host: VecDeque::new(),
        };
        let mut next = from;
        while next < until {
            let limit = usize::try_from(until - next).unwrap_or(PAGE).min(PAGE);
            let page = subject.history.reader.read(subject.chain, EventRange { from: next, limit }).await?;
            if page.is_empty() {
                break;
            }
            next += page.len() as u64;
            for event in page {
                run.take(event).await?;
            }
        }
        Ok(run.done)
    }
}

struct Running<'a> {
    inner: &'a Inner,
    subject: &'a Subject<'a>,
    done: Rerun,
    instance: Option<ActorInstance>,
    /// Calls that have begun or wait.
    calls: HashMap<u64, Accepted>,
    /// What the instance did while it was instantiated.
    made: Vec<ChainEvent>,
    /// The host calls since the last call returned.
    host: VecDeque<ChainEvent>,
}

impl Running<'_> {
    async fn take(&mut self, event: ChainEvent) -> Result<(), RerunError> {
        let seq = event.header.seq;
        let record = |source| RerunError::Record { seq, source };
        match event.header.kind {
            EventKind::STARTED => {
                // A life has an instance of its own.
                self.instance = None;
                self.made.clear();
                let started: payload::Started = payload::decode(&event.payload).map_err(record)?;
                if !started.revived {
                    self.host.clear();
                }
                if matches!(started.origin, payload::Origin::Given | payload::Origin::Snapshot) {
                    self.done.state = started.state;
                }
            }
            EventKind::EXITED => {
                self.instance = None;
                let exited: payload::Exited = payload::decode(&event.payload).map_err(record)?;
                // A message that the end of the runtime interrupted goes on where it was; a callback does not.
                let callback = self.calls.values().any(|call| !call.is_message());
                if callback || exited.reason != ExitReason::RuntimeEnded {
                    self.host.clear();
                }
                self.calls.retain(|_, call| call.is_message());
                if let Some(call) = exited.call {
                    self.calls.remove(&call);
                    self.done.failed += 1;
                }
            }
            EventKind::CALL => {
                self.calls.insert(seq, Accepted::read(&event).map_err(record)?);
            }
            EventKind::RETURN => {
                let returned: Return<'_> = payload::decode(&event.payload).map_err(record)?;
                self.returned(seq, &returned).await?;
            }
            EventKind::SNAPSHOT => {
                let Snapshot { state } = payload::decode(&event.payload).map_err(record)?;
                if state != self.done.state {
                    return Err(RerunError::diverged(
                        seq,
                        "the state is another than the one that was written",
                    ));
                }
            }
            EventKind::INSTANTIATION => take_instantiation(&mut self.made, &event).map_err(record)?,
            EventKind::SUPERVISION => {}
            kind if kind.0 >= EventKind::LOG.0 => self.host.push_back(event),
            _ => {}
        }
        Ok(())
    }

    async fn returned(&mut self, seq: u64, returned: &Return<'_>) -> Result<(), RerunError> {
        let call = returned.call.unwrap_or(seq);
        let accepted = match self.calls.remove(&call) {
            Some(accepted) => accepted,
            None => self.find(call).await?,
        };
        if returned.unhandled {
            return Ok(());
        }
        let host = std::mem::take(&mut self.host);
        if let Some(error) = &returned.error {
            self.failed(call, accepted, host, error).await;
            self.done.failed += 1;
            return Ok(());
        }
        self.done.host_records += host.len() as u64;
        let (state, data, accepted) = match self.run(call, accepted, host).await? {
            Ok(output) => output,
            Err(error) => {
                let message = format!("it failed, which it had not done before: {error}");
                return Err(RerunError::diverged(call, message));
            }
        };
        let same_answer = data.as_deref() == returned.data.as_deref().map(|data| &data[..]);
        if !same_answer || accepted != returned.accepted {
            return Err(RerunError::diverged(seq, "the call gave another answer"));
        }
        let whole = returned.state.as_deref().map(|state| &state[..]);
        let same_state = state.as_ref().map(|state| state.len() as u64) == returned.state_len
            && whole.is_none_or(|whole| state.as_deref() == Some(whole));
        if !same_state {
            return Err(RerunError::diverged(seq, "the call left another state"));
        }
        self.done.state = state;
        self.done.calls += 1;
        Ok(())
    }

    /// Runs a call that had returned an error. It changed no state, but may have left something in the instance, and with that later
    /// calls make other host calls: what is asked for once and kept is asked for no more. One that ended otherwise than with this
    /// error had poisoned its instance.
    async fn failed(&mut self, call: u64, accepted: Accepted, host: VecDeque<ChainEvent>, error: &str) {
        match self.run(call, accepted, host).await {
            Ok(Err(again)) if again == error => {}
            _ => self.instance = None,
        }
    }

    /// A call that was accepted before the first event that is run again.
    async fn find(&self, call: u64) -> Result<Accepted, RerunError> {
        let range = EventRange { from: call, limit: 1 };
        let found = self.subject.history.reader.read(self.subject.chain, range).await?;
        let event = found
            .first()
            .filter(|event| event.header.kind == EventKind::CALL)
            .ok_or_else(|| RerunError::diverged(call, "there is no call where one should be"))?;
        Accepted::read(event).map_err(|source| RerunError::Record { seq: call, source })
    }

    /// Another instance, with what the one before it saw while it was instantiated.
    async fn instantiate(&self) -> Result<ActorInstance, RerunError> {
        let subject = self.subject;
        let mut store = ActorStore::new(self.inner.caller(subject.actor), subject.manifest.limits)
            .with_granted(Granted::by(subject.manifest));
        let (chain, history) = (subject.chain, Arc::clone(&subject.history));
        store.follow(Script {
            chain,
            history,
            events: self.made.iter().cloned().collect(),
            then_live: false,
        });
        let made = subject.component.instantiate(store).await;
        let mut instance = made.map_err(|error| RerunError::Instantiate(error.to_string()))?;
        instance.store.data_mut().unfollow().map_err(RerunError::Diverged)?;
        Ok(instance)
    }

    async fn run(
        &mut self,
        seq: u64,
        call: Accepted,
        host: VecDeque<ChainEvent>,
    ) -> Result<Result<Output, String>, RerunError> {
        let subject = self.subject;
        if self.instance.is_none() {
            self.instance = Some(self.instantiate().await?);
        }
        let instance = self.instance.as_mut().expect("made above");
        let (chain, history) = (subject.chain, Arc::clone(&subject.history));
        instance.store.data_mut().follow(Script { chain, history, events: host, then_live: false });
        let state = if call.function == "init" { call.data.clone() } else { self.done.state.clone() };
        let called = call_export(instance, state.as_deref(), &call).await;
        let followed = instance.store.data_mut().unfollow();
        // A guest that asked for its end has been answered; nothing ends here.
        instance.store.data_mut().take_shutdown();
        match (called, followed) {
            (Ok(Some(called)), Ok(())) => Ok(called),
            (Err(reason @ ExitReason::Diverged { .. }), _) | (Ok(_), Err(reason)) => {
                Err(RerunError::Diverged(reason))
            }
            (Ok(None), _) => {
                Err(RerunError::diverged(seq, format!("the component does not export {}", call.function)))
            }
            (Err(reason), _) => {
                Err(RerunError::diverged(seq, format!("it crashed, which it had not done before: {reason}")))
            }
        }
    }
}

/// Takes the record of a host function that was called while a component was instantiated, as if it had been called otherwise.
pub(super) fn take_instantiation(made: &mut Vec<ChainEvent>, event: &ChainEvent) -> Result<(), PayloadError> {
    let Instantiation { number, kind, payload } = payload::decode(&event.payload)?;
    if number == 0 {
        made.clear();
    }
    let mut event = event.clone();
    (event.header.kind, event.payload) = (EventKind(kind), payload);
    made.push(event);
    Ok(())
}

/// The state, the answer, and whether a channel was accepted.
type Output = (Option<Bytes>, Option<Bytes>, Option<bool>);

/// Calls the export with what was recorded. `None` if there is none.
async fn call_export(
    instance: &mut ActorInstance,
    state: Option<&[u8]>,
    call: &Accepted,
) -> Result<Option<Result<Output, String>>, ExitReason> {
    let subject = call.subject.as_deref().unwrap_or_default();
    let data = call.data.as_deref();
    let message = data.unwrap_or_default();
    let plain = |(result,): NewState| Some(result.map(|(state,)| (state.map(Bytes::from), None, None)));
    macro_rules! export {
        ($field:ident) => {
            match instance.export(|guest| &guest.$field) {
                Some(function) => function,
                None => return Ok(None),
            }
        };
    }
    Ok(match &*call.function {
        "init" => plain(instance.call(export!(init), (state, (subject,))).await?),
        "handle-send" => plain(instance.call(export!(handle_send), (state, (message,))).await?),
        "handle-request" => {
            let function = export!(handle_request);
            let (result,): Answer<Option<Vec<u8>>> =
                instance.call(function, (state, (subject, message))).await?;
            Some(result.map(|(state, (answer,))| (state.map(Bytes::from), answer.map(Bytes::from), None)))
        }
        "handle-channel-open" => {
            let function = export!(handle_channel_open);
            let (result,): Answer<ChannelAccept> =
                instance.call(function, (state, (subject, message))).await?;
            Some(result.map(|(state, (accept,))| {
                (state.map(Bytes::from), accept.message.map(Bytes::from), Some(accept.accepted))
            }))
        }
        "handle-channel-message" => {
            plain(instance.call(export!(handle_channel_message), (state, (subject, message))).await?)
        }
        "handle-channel-close" => {
            plain(instance.call(export!(handle_channel_close), (state, (subject,))).await?)
        }
        "handle-child-error" => {
            let error_type = match call.error_type.as_deref() {
                Some("operation-timeout") => WitErrorType::OperationTimeout,
                _ => WitErrorType::Internal,
            };
            let error = WitActorError { error_type, data: data.map(<[u8]>::to_vec) };
            plain(instance.call(export!(handle_child_error), (state, (subject, error))).await?)
        }
        "handle-child-exit" => {
            plain(instance.call(export!(handle_child_exit), (state, (subject, data))).await?)
        }
        "handle-stdout" | "handle-stderr" => {
            let function = if call.function == "handle-stdout" {
                export!(handle_stdout)
            } else {
                export!(handle_stderr)
            };
            let pid = number::<u64>(subject, call)?;
            plain(instance.call(function, (state, (pid, message))).await?)
        }
        "handle-exit" => {
            let pid = number::<u64>(subject, call)?;
            let code = number::<i32>(str::from_utf8(message).unwrap_or_default(), call)?;
            plain(instance.call(export!(handle_exit), (state, (pid, code))).await?)
        }
        "handle-child-external-stop" => {
            plain(instance.call(export!(handle_child_external_stop), (state, (subject,))).await?)
        }
        _ => None,
    })
}

/// A number as records of what programs did have it.
fn number<T: std::str::FromStr>(text: &str, call: &Accepted) -> Result<T, ExitReason> {
    text.parse().map_err(|_| ExitReason::Diverged {
        event: None,
        message: format!("the record of a call of {} has no number where one should be", call.function),
    })
}
