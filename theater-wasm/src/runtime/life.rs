//! One life of an actor: the task that owns its instance, from start to end.

mod calls;
mod control;
mod handlers;
mod keeping;
mod programs;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use theater_chain::AppendError;
use theater_core::event::payload::{self, Origin, Started};
use theater_core::{Bytes, EventKind, ExitReason, Incarnation};
use theater_supervisor::SupervisorError;

use super::entry::{Entry, Inboxes, Start, lock};
use super::{Inner, Messenger};
use crate::component::PreparedComponent;
use crate::host::services::Services;
use crate::instance::{ActorInstance, InstantiateError};
use crate::store::{ActorStore, Granted};
pub(super) use control::{Driver, LifeControl};
use keeping::Keeping;
use programs::{Input, Programs};

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
}
