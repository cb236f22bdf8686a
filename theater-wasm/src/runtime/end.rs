//! Beginning and ending lives: whatever happens in between, each life ends once, with everything below it, and everybody
//! is told in order.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use theater_core::event::payload::{Exited, Origin, encode};
use theater_core::{
    ActorError, ActorHandle, ChildExit, Escalation, EventKind, ExitReason, Incarnation, ShutdownController,
    StopMode,
};
use theater_supervisor::{SupervisorError, SupervisorHost};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::entry::{Core, Entry, Inboxes, Phase, Roots, Start, lock};
use super::life::{Driver, Life, LifeControl};
use super::spawn::Untaken;
use super::{Inner, LifecycleKind};

type Started = oneshot::Sender<Result<(), ExitReason>>;

/// What comes after the end of a life that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// The next life, soon: the mailbox is kept.
    Start,
}

impl Inner {
    /// Begins the next life of an actor that has none.
    pub(super) fn begin_life(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        start: Start,
        started: Started,
    ) -> Result<Arc<LifeControl>, ActorError> {
        let control = LifeControl::new();
        let (incarnation, inboxes) = self.take_over(entry, &control)?;
        let supervisor = self.start_supervisor(entry, &control);
        let life = Life {
            inner: Arc::clone(self),
            entry: Arc::clone(entry),
            incarnation,
            control: Arc::clone(&control),
            supervisor,
            progressed: AtomicBool::new(false),
        };
        tokio::spawn(whole_life(life, start, inboxes, started));
        Ok(control)
    }

    /// Makes `control` the life of the actor, unless nothing may start there any more. From its first life on the actor
    /// can be found.
    fn take_over(
        &self,
        entry: &Arc<Entry>,
        control: &Arc<LifeControl>,
    ) -> Result<(Incarnation, Inboxes), ActorError> {
        // Held while the child's own lock is taken: always parent before child.
        let mut siblings = self.siblings(entry);
        if siblings.closing() {
            return Err(ActorError::ShuttingDown);
        }
        let mut core = entry.core();
        let mut inboxes = core.inboxes.take().ok_or(ActorError::StillRunning { id: entry.id })?;
        let asked = std::mem::take(&mut core.asked);
        core.automatic = !asked && matches!(core.phase, Phase::Ended { awaiting: true, .. });
        core.incarnation = core.incarnation.next();
        core.phase = Phase::Starting;
        core.closing = false;
        core.halting = false;
        core.life = Some(Arc::clone(control));
        core.last = Some(Arc::clone(control));
        // What happened to the children of an earlier life is no news for this one.
        entry.exits.clear();
        while inboxes.notices.as_mut().is_some_and(|notices| notices.try_recv().is_ok()) {}
        siblings.insert(entry);
        if core.incarnation == Incarnation::FIRST {
            self.registry.insert(entry.id, Arc::clone(entry));
        }
        Ok((core.incarnation, inboxes))
    }

    /// The actors with the same parent, locked.
    fn siblings<'a>(&'a self, entry: &'a Entry) -> Siblings<'a> {
        match &entry.parent {
            Some(parent) => Siblings::Children(parent.core()),
            None => Siblings::Roots(lock(&self.roots)),
        }
    }

    /// Starts the supervisor of this life, where the manifest asks for one.
    fn start_supervisor(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        control: &Arc<LifeControl>,
    ) -> Option<SupervisorHost> {
        if !entry.manifest.supervises() {
            return None;
        }
        let host = SupervisorHost::builder()
            .supervision(entry.manifest.supervision)
            .children(entry.declared.iter().cloned())
            .deadline(entry.limits().host_deadline)
            .build();
        let (shutdown, receiver) = ShutdownController::new();
        let handle = ActorHandle::new(entry.id, Arc::new(self.outer()));
        // Attached here and not in the task: `init` may spawn children before the task is first polled.
        let driving = host.start(handle, receiver);
        let (ended, escalation) = (Arc::clone(control), entry.manifest.supervision.escalation);
        let task = tokio::spawn(async move {
            match AssertUnwindSafe(driving).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => ended.kill(cause_of_end(error, escalation)),
                Err(panic) => ended.kill(ExitReason::HostPanicked { message: panic_message(&*panic) }),
            }
        });
        *lock(&control.driver) = Some(Driver { shutdown, task });
        Some(host)
    }

    /// Ends an actor after its descendants. Boxed because it calls itself once per level.
    pub(super) fn end_tree<'a>(
        self: &'a Arc<Self>,
        entry: &'a Arc<Entry>,
        mode: StopMode,
        reason: ExitReason,
        then: Then,
    ) -> BoxFuture<'a, ExitReason> {
        Box::pin(async move {
            let control = match self.begin_ending(entry, then) {
                Ok(control) => control,
                Err(last) => {
                    settled(last).await;
                    return self.ended_reason(entry);
                }
            };
            let deadline = match mode {
                StopMode::Graceful(grace) => Some(Instant::now() + grace),
                StopMode::Infinity => None,
                // `Kill`, and whatever a later version adds: do not wait for anybody.
                _ => Some(Instant::now()),
            };
            let kill = (mode == StopMode::Kill).then(|| reason.clone());
            self.end_children(entry, &control, deadline, kill).await;
            if mode == StopMode::Kill {
                control.kill(reason);
            } else {
                control.stop(reason);
                if !ended_by(&control, deadline).await {
                    control.kill(ExitReason::Killed);
                }
            }
            control.ended().await;
            self.ended_reason(entry)
        })
    }

    /// Decides that an actor ends.
    ///
    /// # Errors
    /// With its last life if it has ended already: then that is final, nobody will start it again, unless that is what
    /// comes next.
    fn begin_ending(
        &self,
        entry: &Arc<Entry>,
        then: Then,
    ) -> Result<Arc<LifeControl>, Option<Arc<LifeControl>>> {
        let mut was_awaiting = false;
        let ending = {
            let mut core = entry.core();
            let last = core.last.clone();
            core.closing = true;
            core.halting = then == Then::Start;
            match &mut core.phase {
                Phase::Ended { .. } if then == Then::Start => return Err(last),
                Phase::Ended { awaiting, .. } => {
                    was_awaiting = std::mem::take(awaiting);
                    Err(last)
                }
                phase => {
                    if *phase == Phase::Running {
                        *phase = Phase::Stopping;
                    }
                    core.life.clone().ok_or(last)
                }
            }
        };
        if ending.is_err() {
            self.empty_mailbox(entry);
        }
        if was_awaiting {
            self.retire(entry);
        }
        ending
    }

    fn ended_reason(&self, entry: &Entry) -> ExitReason {
        match &entry.core().phase {
            Phase::Ended { reason, .. } => reason.clone(),
            // A life that began meanwhile: what we ended is over all the same.
            _ => ExitReason::Stopped,
        }
    }

    /// Ends all children, latest first. The supervisor does it in its own order as far as the deadline allows; what is
    /// left, and what it does not know, is ended here.
    async fn end_children(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        control: &LifeControl,
        deadline: Option<Instant>,
        kill: Option<ExitReason>,
    ) {
        let driver = lock(&control.driver).take();
        if let Some(mut driver) = driver {
            driver.shutdown.shutdown();
            if kill.is_some() || !finished_by(&mut driver.task, deadline).await {
                driver.task.abort();
                // The abort is the outcome that was asked for.
                let _ = driver.task.await;
            }
        }
        loop {
            let Some(child) = self.latest_live_child(entry) else { return };
            let own = child.child_spec.shutdown.into();
            let (mode, reason) = match (&kill, deadline) {
                (Some(reason), _) => (StopMode::Kill, reason.clone()),
                (None, None) => (own, ExitReason::ParentStopped),
                (None, Some(deadline)) => (within(own, deadline), ExitReason::ParentStopped),
            };
            self.end_tree(&child, mode, reason, Then::Nothing).await;
        }
    }

    /// The child that started last among those that have not ended for good.
    fn latest_live_child(&self, entry: &Entry) -> Option<Arc<Entry>> {
        let core = entry.core();
        core.retention.latest_live().and_then(|place| core.children.get(&place).cloned())
    }

    /// Everything that has to happen when a life is over, in this order: its own record, its descendants, its status, its
    /// parent's record, its parent's notice, those who wait for it.
    async fn end_life(
        self: &Arc<Self>,
        life: &Life,
        inboxes: Inboxes,
        reason: ExitReason,
        was_running: bool,
    ) {
        let entry = &life.entry;
        let exited = Exited { incarnation: life.incarnation, reason: reason.clone() };
        if let Err(error) = entry.chain.append(EventKind::EXITED, encode(&exited), || self.now(), |_| ()) {
            tracing::error!(actor = %entry.id, %error, "could not record the end of a life");
        }
        entry.core().closing = true;
        let clean = reason.is_clean();
        let deadline = Instant::now() + if clean { self.config.orphan_deadline } else { Duration::ZERO };
        let kill = (!clean).then_some(ExitReason::ParentStopped);
        self.end_children(entry, &life.control, Some(deadline), kill).await;

        let will_restart = self.will_restart(entry, &reason);
        let waiting = entry.take_requests();
        let awaiting = {
            let mut siblings = self.siblings(entry);
            let mut core = entry.core();
            // A restart that the supervisor tried and that failed is tried again; one that somebody asked for is not.
            let awaiting = core.halting || (will_restart && (was_running || core.automatic));
            core.phase = Phase::Ended { reason: reason.clone(), awaiting };
            core.life = None;
            core.inboxes = Some(inboxes);
            siblings.ended();
            awaiting
        };
        self.anchor(entry, EventKind::CHILD_EXITED, Some(&reason));
        let kind = match was_running {
            true => LifecycleKind::Exited { reason: reason.clone() },
            false => LifecycleKind::StartFailed { reason: reason.clone() },
        };
        self.tell(entry, kind);
        for request in waiting {
            // Whoever asked may have given up.
            let _ = request.reply.send(Err(ActorError::Ended { id: entry.id, reason: reason.clone() }));
        }
        if was_running {
            let mut exit = ChildExit::new(entry.id, life.incarnation, reason);
            // A pure supervisor makes no calls, so it cannot be stuck in one.
            exit.progressed = entry.component.is_some().then(|| life.has_progressed());
            match &entry.parent {
                Some(parent) => parent.exits.push(exit),
                None => self.root_exits.push(exit),
            }
        }
        if !awaiting {
            self.empty_mailbox(entry);
            self.retire(entry);
        }
        life.control.finish();
    }

    /// Whether the parent's supervisor will start the actor again: until it has, the mailbox takes messages.
    fn will_restart(&self, entry: &Entry, reason: &ExitReason) -> bool {
        let Some(parent) = &entry.parent else { return false };
        let core = parent.core();
        let supervised = parent.manifest.supervises()
            && core.life.is_some()
            && !core.closing
            && !matches!(core.phase, Phase::Ended { .. });
        supervised && !reason.is_requested() && theater_supervisor::restarts(entry.child_spec.restart, reason)
    }

    /// Tells everybody who waits for an answer from the mailbox of an actor that will not live again.
    fn empty_mailbox(&self, entry: &Entry) {
        loop {
            let (envelope, reason) = {
                let mut core = entry.core();
                let Phase::Ended { reason, awaiting: false } = &core.phase else { return };
                let reason = reason.clone();
                let Some(inboxes) = &mut core.inboxes else { return };
                let Ok(envelope) = inboxes.mailbox.try_recv() else { return };
                (envelope, reason)
            };
            envelope.refuse(ActorError::Ended { id: entry.id, reason });
        }
    }

    /// Counts an actor that ended for good, and forgets the oldest such sibling beyond the retention.
    fn retire(&self, entry: &Arc<Entry>) {
        let keep = self.config.retained_children;
        let oldest = match &entry.parent {
            Some(parent) => {
                let mut core = parent.core();
                core.retention.ended(entry.place);
                core.retention.beyond(keep).and_then(|place| core.children.get(&place).cloned())
            }
            None => {
                let mut roots = lock(&self.roots);
                roots.retention.ended(entry.place);
                roots.retention.beyond(keep).and_then(|place| roots.children.get(&place).cloned())
            }
        };
        if let Some(oldest) = oldest.filter(is_final) {
            self.unregister(&oldest, Untaken::Kept);
        }
    }

    /// Ends every tree, the latest root first, and lets nothing start any more.
    pub(super) async fn shutdown(self: &Arc<Self>, mode: StopMode) {
        lock(&self.roots).closing = true;
        loop {
            let latest = {
                let roots = lock(&self.roots);
                roots.retention.latest_live().and_then(|place| roots.children.get(&place).cloned())
            };
            let Some(root) = latest else { return };
            self.end_tree(&root, mode, asked_reason(mode), Then::Nothing).await;
        }
    }
}

/// The actors with the same parent, locked.
enum Siblings<'a> {
    Children(MutexGuard<'a, Core>),
    Roots(MutexGuard<'a, Roots>),
}

impl Siblings<'_> {
    /// Whether nothing may start here any more.
    fn closing(&self) -> bool {
        match self {
            Self::Children(core) => core.closing || matches!(core.phase, Phase::Ended { .. }),
            Self::Roots(roots) => roots.closing,
        }
    }

    /// One of them begins a life.
    fn insert(&mut self, entry: &Arc<Entry>) {
        match self {
            Self::Children(core) => {
                core.live_children += 1;
                core.retention.began(entry.place);
                core.children.insert(entry.place, Arc::clone(entry));
            }
            Self::Roots(roots) => {
                roots.retention.began(entry.place);
                roots.children.insert(entry.place, Arc::clone(entry));
            }
        }
    }

    /// One of them ended a life.
    fn ended(&mut self) {
        if let Self::Children(core) = self {
            core.live_children = core.live_children.saturating_sub(1);
        }
    }
}

/// Makes the end of a life final unless the next is begun.
pub(super) struct Finalize<'a> {
    inner: &'a Arc<Inner>,
    entry: Option<&'a Arc<Entry>>,
}

impl<'a> Finalize<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, entry: &'a Arc<Entry>) -> Self {
        Self { inner, entry: Some(entry) }
    }

    pub(super) fn keep(mut self) {
        self.entry = None;
    }
}

impl Drop for Finalize<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            // Whether it had ended or not: it will not be started again.
            let _ = self.inner.begin_ending(entry, Then::Nothing);
        }
    }
}

/// Waits until everybody has been told of the end of a life.
pub(super) async fn settled(last: Option<Arc<LifeControl>>) {
    if let Some(last) = last {
        last.ended().await;
    }
}

/// Whether an actor has ended and nobody will start it again.
fn is_final(entry: &Arc<Entry>) -> bool {
    matches!(entry.core().phase, Phase::Ended { awaiting: false, .. })
}

/// A whole life, in its own task: nothing that the guest or a host function does gets past it.
async fn whole_life(life: Life, start: Start, mut inboxes: Inboxes, started: Started) {
    let mut started = Some(started);
    let running = |origin: Origin| {
        announce(&life, origin);
        // Whoever asked for the start may be gone; then it has killed this life as well.
        let _ = started.take().map(|started| started.send(Ok(())));
    };
    let lived = AssertUnwindSafe(life.run(start, &mut inboxes, running)).catch_unwind().await;
    let reason = lived.unwrap_or_else(|panic| ExitReason::HostPanicked { message: panic_message(&*panic) });
    let was_running = started.is_none();
    let inner = Arc::clone(&life.inner);
    inner.end_life(&life, inboxes, reason.clone(), was_running).await;
    if let Some(started) = started {
        let _ = started.send(Err(reason));
    }
}

/// The life runs: its parent's chain and the watchers hear of it before whoever asked for it.
fn announce(life: &Life, origin: Origin) {
    {
        let mut core = life.entry.core();
        if core.phase == Phase::Starting {
            core.phase = if core.closing { Phase::Stopping } else { Phase::Running };
        }
    }
    let first = life.incarnation == Incarnation::FIRST;
    let kind = if first { EventKind::CHILD_STARTED } else { EventKind::CHILD_RESTARTED };
    life.inner.anchor(&life.entry, kind, None);
    life.inner.tell(&life.entry, LifecycleKind::Started { origin });
}

/// The exit reason of an actor that somebody asks to end in this mode.
pub(super) fn asked_reason(mode: StopMode) -> ExitReason {
    if mode == StopMode::Kill { ExitReason::Killed } else { ExitReason::Stopped }
}

/// A mode that is over by `deadline`.
fn within(mode: StopMode, deadline: Instant) -> StopMode {
    let left = deadline.saturating_duration_since(Instant::now());
    match mode {
        StopMode::Graceful(grace) => StopMode::Graceful(grace.min(left)),
        StopMode::Infinity => StopMode::Graceful(left),
        other => other,
    }
}

async fn ended_by(control: &LifeControl, deadline: Option<Instant>) -> bool {
    match deadline {
        Some(deadline) => control.ended_within(deadline.saturating_duration_since(Instant::now())).await,
        None => {
            control.ended().await;
            true
        }
    }
}

async fn finished_by(task: &mut tokio::task::JoinHandle<()>, deadline: Option<Instant>) -> bool {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, task).await.is_ok(),
        None => {
            // The task catches its own panics.
            let _ = task.await;
            true
        }
    }
}

/// As what an actor ends whose supervisor has ended.
fn cause_of_end(error: SupervisorError, escalation: Escalation) -> ExitReason {
    let clean = escalation == Escalation::Shutdown;
    match error {
        SupervisorError::ActorError(ActorError::Escalated { child, reason, .. }) => {
            ExitReason::Escalated { child, reason: reason.to_string(), clean }
        }
        SupervisorError::ActorError(ActorError::Poisoned { child, crashes, reason }) => {
            let reason = format!("{reason}, {crashes} times in a row from its initial state");
            ExitReason::Escalated { child, reason, clean }
        }
        SupervisorError::ActorError(ActorError::AutoShutdown { child }) => ExitReason::AutoShutdown { child },
        SupervisorError::ActorError(error @ ActorError::ChildNotStarted { .. }) => {
            ExitReason::StartFailed { error: error.to_string() }
        }
        other => ExitReason::HostPanicked { message: format!("the supervisor ended: {other}") },
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
