//! A call into the guest: begun on the chain, made, and recorded with what came of it.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use theater_core::event::payload::{self, Return};
use theater_core::{Bytes, EventKind, ExitReason};
use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

use super::{Life, NO_CALL, Running};
use crate::component::NewState;
use crate::instance::ActorInstance;

/// What a call answered: the guest's own error leaves the actor as it was.
pub(super) type Called<T> = Result<T, String>;

impl Running<'_> {
    /// Calls an export. Ends at once when the life is killed. Takes of the life what it needs, so that the state can be among `params`.
    pub(super) async fn call<P, R>(
        life: &Life,
        instance: &mut Option<ActorInstance>,
        function: TypedFunc<P, R>,
        params: P,
    ) -> Result<R, ExitReason>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        let control = &life.control;
        let instance = instance.as_mut().expect("every call is preceded by `ready`");
        // `select!` would move it, and it is large.
        let called = std::pin::pin!(instance.call(function, params));
        tokio::select! {
            biased;
            // What a kill broke off in the guest is no reason of its own.
            called = called => called.map_err(|reason| {
                if control.kill.is_cancelled() { control.asked() } else { reason }
            }),
            () = control.kill.cancelled() => Err(control.asked()),
        }
    }

    /// Makes sure that there is an instance.
    pub(super) async fn ready(&mut self) -> Result<&ActorInstance, ExitReason> {
        if self.instance.is_none() {
            let Some(component) = &self.life.entry.component else {
                // Nothing is delivered to a pure supervisor.
                let error = "a pure supervisor has no component".to_owned();
                return Err(ExitReason::StartFailed { error });
            };
            self.instance = Some(self.life.instantiate(component).await?);
        }
        Ok(self.instance.as_ref().expect("made above"))
    }

    /// Notes that a call begins.
    pub(super) fn begin(&self, call: u64) {
        self.life.current.store(call, Ordering::Relaxed);
    }

    /// Commits the state of a call that succeeded and records how it ended. `answer` says what of the value is recorded.
    pub(super) async fn returned<T>(
        &mut self,
        result: Result<(Option<Vec<u8>>, T), String>,
        answer: impl for<'a> FnOnce(&'a T, &mut Return<'a>),
    ) -> Result<Called<T>, ExitReason> {
        if let Some(instance) = &mut self.instance {
            instance.store.data_mut().unfollow()?;
        }
        let call = self.life.current_call();
        let (called, state) = match result {
            Ok((state, value)) => {
                let size = state.as_ref().map_or(0, Vec::len) as u64;
                let limit = self.life.entry.limits().state;
                if size > limit {
                    return Err(ExitReason::StateTooLarge { size, limit });
                }
                (Ok(value), state)
            }
            Err(error) => (Err(error), None),
        };
        // Comparing costs less than the copies that the call made of the state.
        let changed = called.is_ok() && self.state.as_deref() != state.as_deref();
        let mut record = Return { call, ..Return::default() };
        match &called {
            Ok(value) => {
                self.describe_state(state.as_deref(), changed, &mut record);
                answer(value, &mut record);
            }
            Err(error) => {
                record.error = Some(error.as_str().into());
                record.state_len = self.state.as_ref().map(|state| state.len() as u64);
            }
        }
        let whole = record.state.is_some() || (record.state_len.is_none() && called.is_ok());
        let (unsaved, payload) = (record.unsaved, payload::encode(&record));
        self.life.record(EventKind::RETURN, payload).await?;
        self.life.current.store(NO_CALL, Ordering::Relaxed);
        if changed {
            self.state = state.map(Bytes::from);
        }
        self.kept(unsaved, whole);
        if called.is_ok() {
            self.life.progressed.store(true, Ordering::Relaxed);
            self.life.entry.commit(self.state.as_ref());
            self.snapshot_if_due().await?;
        }
        Ok(called)
    }

    /// Records a call that is not a message, and begins it.
    pub(super) async fn begin_call(
        &self,
        function: &'static str,
        subject: Option<&str>,
        data: Option<&[u8]>,
        error_type: Option<&'static str>,
    ) -> Result<(), ExitReason> {
        let call = payload::Call {
            function: function.into(),
            from: None,
            subject: subject.map(Into::into),
            data: data.map(|data| Cow::Borrowed(serde_bytes::Bytes::new(data))),
            error_type: error_type.map(Into::into),
        };
        let call = self.life.record(EventKind::CALL, payload::encode(&call)).await?;
        self.begin(call);
        Ok(())
    }

    pub(super) async fn call_init(&mut self, id: &str) -> Result<Called<()>, ExitReason> {
        let state = self.state.clone();
        self.begin_call("init", Some(id), state.as_deref(), None).await?;
        let init = self.ready().await?.export(|guest| &guest.init);
        let function = init.expect("checked when the component was prepared");
        let params = (state.as_deref(), (id,));
        let (result,): NewState = Self::call(self.life, &mut self.instance, function, params).await?;
        // What `init` was given is on the chain, and is not what it would go on from: so what it returns counts as changed.
        self.state = None;
        let called = self.returned(result.map(|(state,)| (state, ())), |(), _| ()).await?;
        if called.is_err() {
            self.state = state;
        }
        Ok(called)
    }
}
