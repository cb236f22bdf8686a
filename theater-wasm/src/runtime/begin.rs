//! Beginning lives: each in a task of its own, with a supervisor where the manifest asks for one.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, MutexGuard};

use futures_util::FutureExt;
use theater_core::event::payload::Origin;
use theater_core::{ActorError, ActorHandle, EventKind, ExitReason, Incarnation, ShutdownController};
use theater_supervisor::SupervisorHost;
use tokio::sync::oneshot;

use super::entry::{Core, Entry, Inboxes, Phase, Roots, Start, lock};
use super::life::{Driver, Life, LifeControl, NO_CALL};
use super::{Inner, LifecycleKind};
use crate::folder::Place;
use crate::host::services::Services;

type Started = oneshot::Sender<Result<(), ExitReason>>;

impl Inner {
    /// Begins the next life of an actor that has none.
    pub(super) fn begin_life(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        start: Start,
        started: Started,
    ) -> Result<Arc<LifeControl>, ActorError> {
        let control = LifeControl::new();
        let (incarnation, revived, inboxes) = self.take_over(entry, &control)?;
        let supervisor = self.start_supervisor(entry, &control);
        let services = Services::new(
            &entry.manifest,
            &self.provider,
            control.stop_token(),
            || Place::of(entry.id, &entry.manifest, entry.above().map(|above| &*above.manifest)),
            || entry.places().into_iter().chain([incarnation.0]).collect(),
        );
        let life = Life {
            inner: Arc::clone(self),
            entry: Arc::clone(entry),
            incarnation,
            control: Arc::clone(&control),
            supervisor,
            services,
            progressed: AtomicBool::new(false),
            current: AtomicU64::new(NO_CALL),
            revived,
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
    ) -> Result<(Incarnation, bool, Inboxes), ActorError> {
        // Held while the child's own lock is taken: always parent before child.
        let mut siblings = self.siblings(entry);
        if siblings.closing() {
            return Err(ActorError::ShuttingDown);
        }
        let mut core = entry.core();
        if core.inboxes.is_none() {
            return Err(ActorError::StillRunning { id: entry.id });
        }
        // One that had ended for good may have to share its name no more.
        self.names.register(entry.manifest.register.as_ref(), entry.id)?;
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
        if core.incarnation == Incarnation::FIRST || core.goes_on || !self.registry.contains_key(&entry.id) {
            self.registry.insert(entry.id, Arc::clone(entry));
        }
        let revived = std::mem::take(&mut core.goes_on);
        Ok((core.incarnation, revived, inboxes))
    }

    /// The actors with the same parent, locked.
    pub(super) fn siblings<'a>(&'a self, entry: &'a Entry) -> Siblings<'a> {
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
            .earlier_restarts(std::mem::take(&mut *lock(&entry.earlier_restarts)))
            .build();
        // Set once: a control is one life's.
        let _ = control.supervisor.set(host.handle());
        let (shutdown, receiver) = ShutdownController::new();
        let handle = ActorHandle::new(entry.id, Arc::new(self.outer()));
        // Attached here and not in the task: `init` may spawn children before the task is first polled.
        let driving = host.start(handle, receiver);
        let (ended, escalation) = (Arc::clone(control), entry.manifest.supervision.escalation);
        let task = tokio::spawn(async move {
            match AssertUnwindSafe(driving).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => ended.kill(error.exit_reason(escalation)),
                Err(panic) => ended.kill(ExitReason::HostPanicked { message: panic_message(&*panic) }),
            }
        });
        *lock(&control.driver) = Some(Driver { shutdown, task });
        Some(host)
    }
}

/// The actors with the same parent, locked.
pub(super) enum Siblings<'a> {
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
    pub(super) fn ended(&mut self) {
        if let Self::Children(core) = self {
            core.live_children = core.live_children.saturating_sub(1);
        }
    }
}

/// A life that has come to its end, which is still to be told.
pub(super) struct Lived {
    life: Life,
    inboxes: Inboxes,
    /// The reason, or the panic of what it did.
    lived: std::thread::Result<ExitReason>,
    /// Where nobody has been told of its start.
    started: Option<Started>,
}

/// A whole life, in its own task: nothing that the guest or a host function does gets past it.
async fn whole_life(life: Life, start: Start, mut inboxes: Inboxes, started: Started) {
    let seat = Arc::clone(&life.control.seat);
    let living = Box::pin(async move {
        let mut started = Some(started);
        let running = |origin: Origin| {
            announce(&life, origin);
            // Whoever asked for the start may be gone; then it has killed this life as well.
            let _ = started.take().map(|started| started.send(Ok(())));
        };
        let lived = AssertUnwindSafe(life.run(start, &mut inboxes, running)).catch_unwind().await;
        Lived { life, inboxes, lived, started }
    });
    let Lived { life, inboxes, lived, started } = seat.occupy(living).await;
    if let Some(services) = &life.services {
        services.end();
    }
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

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
