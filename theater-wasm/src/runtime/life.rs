//! One life of an actor: the task that owns its instance, from start to end.

mod handlers;
mod keeping;
mod programs;

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use theater_chain::AppendError;
use theater_core::event::payload::{self, Origin, Return, Started};
use theater_core::{Bytes, EventKind, ExitReason, Incarnation, ShutdownController};
use theater_supervisor::{SupervisorError, SupervisorHandle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

use super::begin::Lived;
use super::entry::{Entry, Inboxes, Start, lock};
use super::seat::Seat;
use super::{Inner, Messenger};
use crate::component::{NewState, PreparedComponent};
use crate::host::services::Services;
use crate::instance::{ActorInstance, InstantiateError};
use crate::store::{ActorStore, Granted};
use keeping::Keeping;
use programs::{Input, Programs};

/// How a life is asked to end, and how others notice that it has.
#[derive(Debug)]
pub(super) struct LifeControl {
    /// Set before `stop` is cancelled: who was registered there once only looks here.
    stopping: AtomicBool,
    stop: CancellationToken,
    kill: CancellationToken,
    asked: Mutex<Option<ExitReason>>,
    done: CancellationToken,
    pub(super) seat: Arc<Seat<Lived>>,
    pub(super) driver: Mutex<Option<Driver>>,
    /// The supervisor of this life, for the embedding program.
    pub(super) supervisor: OnceLock<SupervisorHandle>,
}

/// The supervisor of one life, running.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) shutdown: ShutdownController,
    pub(super) task: JoinHandle<()>,
}

impl LifeControl {
    /// That of a life on the current tokio runtime.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            stopping: AtomicBool::new(false),
            stop: CancellationToken::new(),
            kill: CancellationToken::new(),
            asked: Mutex::new(None),
            done: CancellationToken::new(),
            seat: Seat::new(),
            driver: Mutex::new(None),
            supervisor: OnceLock::new(),
        })
    }

    /// Asks the life to end after its current call. The first reason stays until a kill brings another.
    pub(super) fn stop(&self, reason: ExitReason) {
        lock(&self.asked).get_or_insert(reason);
        self.cancel();
    }

    /// Ends the life at once. The first kill's reason stays.
    pub(super) fn kill(&self, reason: ExitReason) {
        {
            let mut asked = lock(&self.asked);
            if self.kill.is_cancelled() {
                return;
            }
            *asked = Some(reason);
            self.kill.cancel();
        }
        self.cancel();
    }

    fn cancel(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.cancel();
    }

    fn asked(&self) -> ExitReason {
        lock(&self.asked).clone().unwrap_or(ExitReason::Killed)
    }

    /// Resolves when the life was asked to end.
    pub(super) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Cancelled when the life is asked to end.
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    pub(super) fn finish(&self) {
        self.done.cancel();
    }

    /// Waits until the life has ended and everybody has been told.
    pub(super) async fn ended(&self) {
        self.done.cancelled().await;
    }

    /// Waits for the end for a limited time. Returns whether it came.
    pub(super) async fn ended_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.ended()).await.is_ok()
    }
}

/// What one life needs.
pub(super) struct Life {
    pub(super) inner: Arc<Inner>,
    pub(super) entry: Arc<Entry>,
    pub(super) incarnation: Incarnation,
    pub(super) control: Arc<LifeControl>,
    pub(super) supervisor: Option<theater_supervisor::SupervisorHost>,
    /// What the manifest's other handlers grant.
    pub(super) services: Option<Arc<Services>>,
    /// Whether a call other than `init` has succeeded.
    pub(super) progressed: AtomicBool,
    /// The position of the call that has begun and not returned, or [`NO_CALL`].
    pub(super) current: AtomicU64,
    /// Whether it goes on with the children of the life before: the runtime had ended, and not that life.
    pub(super) revived: bool,
}

/// No call is under way.
pub(super) const NO_CALL: u64 = u64::MAX;

/// A life whose instance exists.
struct Running<'a> {
    life: &'a Life,
    /// `None` after a callback's trap poisoned it: the next call makes a new one from the state.
    instance: Option<ActorInstance>,
    state: Option<Bytes>,
    keeping: Keeping,
    /// What the programs of this life do.
    programs: Programs,
}

impl Life {
    pub(super) fn has_progressed(&self) -> bool {
        self.progressed.load(Ordering::Relaxed)
    }

    /// The call that has begun and not returned.
    pub(super) fn current_call(&self) -> Option<u64> {
        Some(self.current.load(Ordering::Relaxed)).filter(|call| *call != NO_CALL)
    }

    /// Lives: from the first event to the reason of the end. `started` is called once, when `init` has ended well and the
    /// declared children run.
    pub(super) async fn run(
        &self,
        start: Start,
        inboxes: &mut Inboxes,
        started: impl FnOnce(Origin),
    ) -> ExitReason {
        match self.live(start, inboxes, started).await {
            Ok(reason) | Err(reason) => reason,
        }
    }

    async fn live(
        &self,
        start: Start,
        inboxes: &mut Inboxes,
        started: impl FnOnce(Origin),
    ) -> Result<ExitReason, ExitReason> {
        self.room().await?;
        let (origin, state) = match start {
            Start::Init(state) => (Origin::Init, state),
            Start::State(state) => (Origin::Given, state),
            Start::LastGood(state) => (Origin::LastGood, state),
            Start::Snapshot(state) => (Origin::Snapshot, state),
        };
        let beginning = Started {
            revived: self.revived,
            registered: self.entry.manifest.register.clone(),
            sources: lock(&self.entry.loaded_anew).take(),
            ..Started::new(self.incarnation, origin, state.as_ref())
        };
        self.record_unlimited(EventKind::STARTED, payload::encode(&beginning)).await?;
        if matches!(origin, Origin::Given | Origin::Snapshot) {
            self.entry.unsaved.store(false, Ordering::Relaxed);
        }
        let keeping = Keeping::new(&self.entry.manifest.snapshots, self.entry.chain.totals());
        let Some(component) = &self.entry.component else {
            let programs = Programs::default();
            let mut running = Running { life: self, instance: None, state: None, keeping, programs };
            return running.serve(inboxes, || started(origin)).await;
        };
        let instance = self.instantiate(component).await?;
        let programs = Programs::of(self);
        let mut running = Running { life: self, instance: Some(instance), state, keeping, programs };
        if origin == Origin::Init {
            let id = self.entry.id.to_string();
            let called = running.call_init(&id).await?;
            called.map_err(|error| ExitReason::InitFailed { error })?;
            self.progressed.store(false, Ordering::Relaxed);
        } else {
            self.entry.commit(running.state.as_ref());
        }
        running.serve(inboxes, || started(origin)).await
    }

    /// Starts the declared children, while the actor handles messages already: they may talk to it in their `init`.
    async fn start_children(&self) -> Result<(), ExitReason> {
        // A runtime asks for a supervisor wherever children are declared.
        let Some(host) = self.supervisor.as_ref().filter(|_| !self.entry.declared.is_empty()) else {
            return Ok(());
        };
        match host.start_children().await {
            Ok(()) => Ok(()),
            Err(SupervisorError::ActorError(error)) => {
                Err(ExitReason::StartFailed { error: error.to_string() })
            }
            Err(error) => Err(ExitReason::StartFailed { error: error.to_string() }),
        }
    }

    async fn instantiate(&self, component: &PreparedComponent) -> Result<ActorInstance, ExitReason> {
        let mut store = ActorStore::new(self.inner.caller(self.entry.id), *self.entry.limits())
            .with_messenger(Messenger::new(&self.inner, &self.entry, &self.control))
            .with_services(self.services.clone())
            .with_granted(Granted::by(&self.entry.manifest));
        if let Some(host) = &self.supervisor {
            store = store.with_supervisor(host.clone());
        }
        let mut instance = tokio::select! {
            biased;
            made = component.instantiate(store) => made.map_err(|error| match error {
                InstantiateError::Failed(reason) => reason,
                other => ExitReason::StartFailed { error: other.to_string() },
            })?,
            () = self.control.kill.cancelled() => return Err(self.control.asked()),
        };
        if let Some(host) = &self.supervisor {
            let found = host.add_export_functions(&mut instance).await;
            found.map_err(|error| ExitReason::StartFailed { error: error.to_string() })?;
        }
        Ok(instance)
    }

    /// Waits until the chain store takes more. A call begins only then: what it does is not refused half way for want of room.
    async fn room(&self) -> Result<(), ExitReason> {
        if self.inner.store.has_room() {
            return Ok(());
        }
        tokio::select! {
            biased;
            ready = self.inner.store.ready() => {
                ready.map_err(|error| ExitReason::ChainFailed { error: error.to_string() })
            }
            () = self.control.kill.cancelled() => Err(self.control.asked()),
        }
    }

    /// Appends to the actor's chain and says where; where that fails the life ends, because it could not be accounted for.
    async fn record(&self, kind: EventKind, payload: Bytes) -> Result<u64, ExitReason> {
        let (size, limit) = (payload.len() as u64, self.entry.limits().event);
        if size > limit {
            return Err(ExitReason::EventTooLarge { size, limit });
        }
        self.record_unlimited(kind, payload).await
    }

    /// The same for what the guest has no part in. Waits while the store is full.
    async fn record_unlimited(&self, kind: EventKind, payload: Bytes) -> Result<u64, ExitReason> {
        loop {
            match self.inner.append_unlimited(&self.entry, kind, payload.clone(), |event| event.header.seq) {
                Ok(seq) => return Ok(seq),
                Err(AppendError::Full) => self.room().await?,
                Err(error) => return Err(ExitReason::ChainFailed { error: error.to_string() }),
            }
        }
    }
}

/// What a call answered: the guest's own error leaves the actor as it was.
type Called<T> = Result<T, String>;

impl Running<'_> {
    async fn serve(
        &mut self,
        inboxes: &mut Inboxes,
        started: impl FnOnce(),
    ) -> Result<ExitReason, ExitReason> {
        let reason = self.serve_to_the_end(inboxes, started).await?;
        // An orderly end leaves nothing to be run once more. Where the store fails, the end is what counts.
        let _ = self.snapshot().await;
        Ok(reason)
    }

    async fn serve_to_the_end(
        &mut self,
        inboxes: &mut Inboxes,
        started: impl FnOnce(),
    ) -> Result<ExitReason, ExitReason> {
        let control = &self.life.control;
        let mut stopped = std::pin::pin!(control.stop.cancelled());
        if !self.life.entry.declared.is_empty()
            && let Some(reason) = self.serve_until_begun(inboxes, stopped.as_mut()).await?
        {
            return Ok(reason);
        }
        // An actor that ends itself in `init` has not run: OTP's `ignore`.
        if let Some(reason) = self.completed() {
            return Ok(reason);
        }
        started();
        // While a tree is being brought back nobody handles anything before all of it is there.
        let mut held = self.life.inner.whole();
        tokio::select! {
            biased;
            () = &mut stopped => return Ok(control.asked()),
            // An error means that the runtime is gone, which `self` keeps.
            _ = held.wait_for(|held| !held) => {}
        }
        // Registered once, not for every message: all of the life is polled with the same waker, its seat's.
        let mut registered = false;
        loop {
            if let Some(reason) = self.completed() {
                return Ok(reason);
            }
            if control.seat.is_visited() && !inboxes.mailbox.is_empty() {
                tokio::task::yield_now().await;
            }
            // Instantiation takes more of the stack than a visitor may have.
            control.seat.set_open(self.instance.is_some());
            tokio::select! {
                biased;
                () = std::future::poll_fn(|context| match control.stopping.load(Ordering::Acquire) {
                    true => Poll::Ready(()),
                    false if std::mem::replace(&mut registered, true) => Poll::Pending,
                    false => stopped.as_mut().poll(context),
                }) => return Ok(control.asked()),
                Some(notice) = Inboxes::notice(&mut inboxes.notices) => {
                    control.seat.set_open(false);
                    self.handle_notice(notice).await?;
                }
                Some(input) = self.programs.or_message(&mut inboxes.mailbox) => {
                    control.seat.set_open(false);
                    match input {
                        Input::Message(message) => std::pin::pin!(self.handle(message)).await?,
                        Input::Program(happening) => self.handle_program(happening).await?,
                    }
                }
            }
        }
    }

    /// Handles what comes while the declared children are being started. A reason, if the life ended meanwhile.
    async fn serve_until_begun(
        &mut self,
        inboxes: &mut Inboxes,
        mut stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Option<ExitReason>, ExitReason> {
        let (life, control) = (self.life, &self.life.control);
        let mut children = std::pin::pin!(life.start_children());
        let mut held = life.inner.whole();
        loop {
            let waits = *held.borrow();
            if let Some(reason) = self.completed() {
                return Ok(Some(reason));
            }
            tokio::select! {
                biased;
                () = &mut stopped => return Ok(Some(control.asked())),
                begun = &mut children => return begun.map(|()| None),
                // What waits is handled when the tree is there that is being brought back.
                _ = held.changed(), if waits => {}
                Some(notice) = Inboxes::notice(&mut inboxes.notices), if !waits => {
                    self.handle_notice(notice).await?;
                }
                Some(input) = self.programs.or_message(&mut inboxes.mailbox), if !waits => match input {
                    Input::Message(message) => self.handle(message).await?,
                    Input::Program(happening) => self.handle_program(happening).await?,
                },
            }
        }
    }

    /// Why the life ends, if the guest has asked for it.
    fn completed(&mut self) -> Option<ExitReason> {
        let data = self.instance.as_mut()?.store.data_mut().take_shutdown()?;
        Some(ExitReason::Completed { data })
    }

    /// Calls an export. Ends at once when the life is killed. Takes of the life what it needs, so that the state can be among `params`.
    async fn call<P, R>(
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
    async fn ready(&mut self) -> Result<&ActorInstance, ExitReason> {
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
    fn begin(&self, call: u64) {
        self.life.current.store(call, Ordering::Relaxed);
    }

    /// Commits the state of a call that succeeded and records how it ended. `answer` says what of the value is recorded.
    async fn returned<T>(
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
    async fn begin_call(
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

    async fn call_init(&mut self, id: &str) -> Result<Called<()>, ExitReason> {
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
