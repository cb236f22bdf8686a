//! Ending lives: whatever happens in between, each life ends once, with everything below it, and everybody is told in
//! order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use theater_core::event::payload::{Exited, Return, encode};
use theater_core::{ActorError, ChildExit, EventKind, ExitReason, StopMode};
use tokio::time::Instant;

use super::entry::{Entry, Inboxes, Phase, lock};
use super::life::{Life, LifeControl};
use super::spawn::Untaken;
use super::{Inner, LifecycleKind};

/// What comes after the end of a life that somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Nothing,
    /// The next life, soon: the mailbox is kept.
    Start,
}

impl Inner {
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
        self: &Arc<Self>,
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
    pub(super) async fn end_life(
        self: &Arc<Self>,
        life: &Life,
        inboxes: Inboxes,
        reason: ExitReason,
        was_running: bool,
    ) {
        let entry = &life.entry;
        let exited =
            Exited { incarnation: life.incarnation, reason: reason.clone(), call: life.current_call() };
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
                None => {
                    // The embedding program hears of it. If the store has failed it hears of it all the same.
                    let _ = self.told(entry.id, ()).await;
                    self.root_exits.push(exit);
                }
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
            let (message, reason) = {
                let mut core = entry.core();
                let Phase::Ended { reason, awaiting: false } = &core.phase else { return };
                let reason = reason.clone();
                let Some(inboxes) = &mut core.inboxes else { return };
                let Ok(message) = inboxes.mailbox.try_recv() else { return };
                (message, reason)
            };
            let refusal = ActorError::Ended { id: entry.id, reason };
            // Where the whole runtime ends, what nobody waits for is handled when it is brought back.
            if message.envelope.is_awaited() || !lock(&self.roots).closing {
                let record = Return {
                    call: Some(message.call),
                    unhandled: true,
                    error: Some(refusal.to_string().into()),
                    ..Return::default()
                };
                if let Err(error) = self.append_unlimited(entry, EventKind::RETURN, encode(&record), |_| ()) {
                    tracing::error!(actor = %entry.id, %error, "could not record that a message is not handled");
                }
            }
            message.envelope.refuse(refusal);
        }
    }

    /// Counts an actor that ended for good, and forgets the oldest such sibling beyond the retention.
    fn retire(self: &Arc<Self>, entry: &Arc<Entry>) {
        self.names.free(entry.manifest.register.as_ref(), entry.id);
        self.close_channels(entry);
        let keep = self.config.retained_children;
        let oldest = match &entry.parent {
            Some(parent) => {
                let mut core = parent.core();
                core.retention.ended(entry.place);
                core.retention.take_beyond(keep).and_then(|place| core.children.get(&place).cloned())
            }
            None => {
                let mut roots = lock(&self.roots);
                roots.retention.ended(entry.place);
                roots.retention.take_beyond(keep).and_then(|place| roots.children.get(&place).cloned())
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
