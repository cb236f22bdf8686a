//! What the registry keeps for one actor: everything that can be known or asked without waiting for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use theater_core::event::payload::Sources;
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, Bound, Bytes, ChildNotice, ChildSpec, ExitQueue, ExitReason,
    Incarnation, LimitError, Limits, LoadedChild, MailboxOverflow, Manifest,
};
use tokio::sync::{mpsc, oneshot};

use super::begin::Lived;
use super::chain::ChainLog;
use super::life::LifeControl;
use super::mailbox::{Delivered, Envelope};
use super::retention::Retention;
use super::seat::{Seat, Visit};
use crate::component::PreparedComponent;

/// Notices about children that may wait for a busy parent; more wait at its supervisor.
pub(super) const NOTICES: usize = 64;

/// Locks a mutex whose data is valid at every moment, so that a panic elsewhere does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a life starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// `init`, with these bytes as its state.
    Init(Option<Bytes>),
    /// This state, without `init`.
    State(Option<Bytes>),
    /// The last good state, without `init`.
    LastGood(Option<Bytes>),
    /// The snapshot that the manifest names, without `init`.
    Snapshot(Option<Bytes>),
}

impl Start {
    pub(super) fn state(&self) -> Option<&Bytes> {
        let (Self::Init(state) | Self::State(state) | Self::LastGood(state) | Self::Snapshot(state)) = self;
        state.as_ref()
    }
}

/// One actor.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: ActorId,
    pub(super) parent: Option<Arc<Entry>>,
    /// Levels above it: 0 for a root actor.
    pub(super) depth: u32,
    /// Its place among its siblings: start order.
    pub(super) place: u64,
    pub(super) manifest: Arc<Manifest>,
    /// `None`: a pure supervisor.
    pub(super) component: Option<PreparedComponent>,
    /// Its id among its siblings, if its parent's manifest declares it.
    pub(super) child_id: Option<Arc<str>>,
    /// How its parent's supervisor treats it.
    pub(super) child_spec: ChildSpec,
    /// What its children may have at most.
    pub(super) bound: Bound,
    /// The children that each of its lives starts.
    pub(super) declared: Arc<[LoadedChild]>,
    /// What a restart from the snapshot starts from.
    pub(super) snapshot: Option<Bytes>,
    /// What the first life started with, for a restart from the beginning.
    pub(super) first: Start,
    pub(super) chain: ChainLog,
    /// The ends of its children's lives.
    pub(super) exits: ExitQueue,
    core: Mutex<Core>,
    good: Mutex<Good>,
    /// Whether the chain has an older state than the last good one: calls would have to be run again to find that.
    pub(super) unsaved: AtomicBool,
    mailbox: mpsc::Sender<Delivered>,
    /// Only where a component supervises: nobody else is told anything.
    notices: Option<mpsc::Sender<ChildNotice>>,
    waiting: Mutex<Waiting>,
    requests: AtomicU64,
    /// How long before this process its supervisor restarted children.
    pub(super) earlier_restarts: Mutex<Vec<Duration>>,
    /// What it was loaded as in this process, until a life of it has recorded that.
    pub(super) loaded_anew: Mutex<Option<Sources>>,
    /// The request that is being handled, or `u64::MAX`: it is not outstanding, its handler is still to answer.
    handling: AtomicU64,
    pending: Mutex<VecDeque<Pending>>,
    /// Channels that are open or offered, of which it is an end.
    pub(super) channels: Mutex<BTreeSet<Arc<str>>>,
    /// Starts of one actor come one after the other. Ends need no turn: they must always be possible.
    pub(super) starts: tokio::sync::Mutex<()>,
}

/// The last good state.
#[derive(Debug, Clone, Default)]
struct Good {
    state: Option<Bytes>,
    /// Whether a call has succeeded at all: `None` is a good state too.
    known: bool,
}

/// The part of an entry that changes as lives begin and end.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) phase: Phase,
    pub(super) incarnation: Incarnation,
    pub(super) life: Option<Arc<LifeControl>>,
    /// The control of the current or last life: its end is over when everybody has been told.
    pub(super) last: Option<Arc<LifeControl>>,
    /// Children that have a record, in start order.
    pub(super) children: BTreeMap<u64, Arc<Entry>>,
    next_place: u64,
    /// Which of them have ended for good.
    pub(super) retention: Retention,
    /// Live children, starting ones included.
    pub(super) live_children: u32,
    /// Set from the moment an end was decided: nothing starts below any more.
    pub(super) closing: bool,
    /// Whether the end that was decided is followed by another life soon: the mailbox is kept.
    pub(super) halting: bool,
    /// Whether somebody has asked for the next life, other than a supervisor by its rule.
    pub(super) asked: bool,
    /// Whether the next life is one of an actor that is brought back, and goes on with the children that it had.
    pub(super) goes_on: bool,
    /// Whether the current life is one that the parent's supervisor started by its rule.
    pub(super) automatic: bool,
    /// Both inboxes while no life has them.
    pub(super) inboxes: Option<Inboxes>,
}

/// Where messages come out. They outlive lives: a restart keeps the mailbox.
#[derive(Debug)]
pub(super) struct Inboxes {
    pub(super) mailbox: mpsc::Receiver<Delivered>,
    pub(super) notices: Option<mpsc::Receiver<ChildNotice>>,
}

/// Where an actor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Running,
    Stopping,
    /// Its life has ended. `awaiting` while its supervisor will start it again: its mailbox takes messages meanwhile.
    Ended {
        reason: ExitReason,
        awaiting: bool,
    },
}

/// What an actor's guest is waiting for inside a host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    Nothing,
    /// For this actor's answer.
    Request(ActorId),
    /// For something that its supervisor does with a child.
    Supervision,
}

/// A request that has not been answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) reply: oneshot::Sender<Result<Bytes, ActorError>>,
}

/// The actors that the embedding program started, in start order.
#[derive(Debug, Default)]
pub(super) struct Roots {
    pub(super) children: BTreeMap<u64, Arc<Entry>>,
    pub(super) retention: Retention,
    next_place: u64,
    pub(super) closing: bool,
}

impl Roots {
    /// A place for one more root.
    pub(super) fn place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }
}

/// What an entry is made of, besides what starts out empty.
#[derive(Debug)]
pub(super) struct EntryParts {
    pub(super) id: ActorId,
    pub(super) parent: Option<Arc<Entry>>,
    pub(super) place: u64,
    pub(super) manifest: Arc<Manifest>,
    pub(super) component: Option<PreparedComponent>,
    pub(super) child_id: Option<Arc<str>>,
    pub(super) child_spec: ChildSpec,
    pub(super) bound: Bound,
    pub(super) declared: Arc<[LoadedChild]>,
    pub(super) snapshot: Option<Bytes>,
    pub(super) first: Start,
    pub(super) chain: ChainLog,
}

/// What an actor has that is brought back.
#[derive(Debug)]
pub(super) struct Seed {
    /// Its last life.
    pub(super) incarnation: Incarnation,
    /// Its last good state; `None` if there has been none.
    pub(super) good: Option<Option<Bytes>>,
    /// The number of the next request.
    pub(super) requests: u64,
    pub(super) mailbox: Vec<Delivered>,
    /// The channels that are open.
    pub(super) channels: BTreeSet<Arc<str>>,
    /// How long ago it restarted children.
    pub(super) earlier_restarts: Vec<Duration>,
    /// What it is made of now.
    pub(super) sources: Sources,
    /// Whether its next life goes on with the children of the last.
    pub(super) goes_on: bool,
}

impl Entry {
    pub(super) fn new(parts: EntryParts) -> Arc<Self> {
        Self::make(parts, 0, 0)
    }

    /// One that is brought back.
    pub(super) fn revived(parts: EntryParts, seed: Seed) -> Arc<Self> {
        let entry = Self::make(parts, seed.requests, seed.mailbox.len());
        if let Some(good) = seed.good {
            entry.commit(good.as_ref());
        }
        for message in seed.mailbox {
            // The mailbox was made large enough.
            let _ = entry.mailbox.try_send(message);
        }
        *lock(&entry.channels) = seed.channels;
        *lock(&entry.earlier_restarts) = seed.earlier_restarts;
        *lock(&entry.loaded_anew) = Some(seed.sources);
        let mut core = entry.core();
        (core.incarnation, core.goes_on) = (seed.incarnation, seed.goes_on);
        drop(core);
        entry
    }

    /// `waiting` messages have a place in the mailbox whatever its limit.
    fn make(parts: EntryParts, requests: u64, waiting: usize) -> Arc<Self> {
        let capacity = usize::try_from(parts.manifest.limits.mailbox).unwrap_or(usize::MAX).max(waiting);
        let (mailbox, mailbox_out) = mpsc::channel(capacity.clamp(1, tokio::sync::Semaphore::MAX_PERMITS));
        let supervises = parts.manifest.supervises() && parts.component.is_some();
        let (notices, notices_out) = supervises.then(|| mpsc::channel(NOTICES)).unzip();
        Arc::new(Self {
            id: parts.id,
            depth: parts.parent.as_ref().map_or(0, |parent| parent.depth + 1),
            parent: parts.parent,
            place: parts.place,
            manifest: parts.manifest,
            component: parts.component,
            child_id: parts.child_id,
            child_spec: parts.child_spec,
            bound: parts.bound,
            declared: parts.declared,
            snapshot: parts.snapshot,
            first: parts.first,
            chain: parts.chain,
            exits: ExitQueue::new(),
            core: Mutex::new(Core {
                phase: Phase::Starting,
                incarnation: Incarnation(0),
                life: None,
                last: None,
                children: BTreeMap::new(),
                next_place: 0,
                retention: Retention::default(),
                live_children: 0,
                closing: false,
                halting: false,
                asked: false,
                goes_on: false,
                automatic: false,
                inboxes: Some(Inboxes { mailbox: mailbox_out, notices: notices_out }),
            }),
            good: Mutex::new(Good::default()),
            unsaved: AtomicBool::new(false),
            mailbox,
            notices,
            waiting: Mutex::new(Waiting::Nothing),
            requests: AtomicU64::new(requests),
            earlier_restarts: Mutex::default(),
            loaded_anew: Mutex::default(),
            handling: AtomicU64::new(u64::MAX),
            pending: Mutex::new(VecDeque::new()),
            channels: Mutex::default(),
            starts: tokio::sync::Mutex::new(()),
        })
    }

    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.manifest.limits
    }

    /// Its place among its siblings, after those of all above it.
    pub(super) fn places(&self) -> Vec<u64> {
        let mut places = vec![self.place];
        places.extend(self.above().map(|above| above.place));
        places.reverse();
        places
    }

    /// The actors above it, the nearest first.
    pub(super) fn above(&self) -> impl Iterator<Item = &Arc<Self>> {
        Self::upwards(self.parent.as_ref())
    }

    /// An actor and those above it.
    pub(super) fn upwards(from: Option<&Arc<Self>>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(from, |entry| entry.parent.as_ref())
    }

    pub(super) fn parent_id(&self) -> Option<ActorId> {
        self.parent.as_ref().map(|parent| parent.id)
    }

    /// Whether its first start has ended well: before that it is nobody's child.
    pub(super) fn is_child(&self) -> bool {
        let core = self.core();
        core.phase != Phase::Starting || core.incarnation > Incarnation::FIRST
    }

    pub(super) fn info(&self) -> ActorInfo {
        let core = self.core();
        let status = match &core.phase {
            Phase::Starting => ActorStatus::Starting,
            Phase::Running => ActorStatus::Running,
            Phase::Stopping => ActorStatus::Stopping,
            Phase::Ended { reason, .. } => ActorStatus::Ended(reason.clone()),
        };
        ActorInfo::new(self.id, self.parent_id(), &self.manifest.name, status)
            .with_incarnation(core.incarnation)
            .with_registered(self.manifest.register.clone())
            .with_child_spec(self.child_spec)
    }

    /// The last good state, or `None` if there has been none.
    pub(super) fn good_state(&self) -> Option<Option<Bytes>> {
        let good = lock(&self.good);
        good.known.then(|| good.state.clone())
    }

    /// Commits the state after a call that succeeded.
    pub(super) fn commit(&self, state: Option<&Bytes>) {
        let mut good = lock(&self.good);
        // A state that no call has changed is the same memory, and need not be counted and dropped once more.
        let place = |state: Option<&Bytes>| state.map(|state| (state.as_ptr(), state.len()));
        if !good.known || place(good.state.as_ref()) != place(state) {
            *good = Good { state: state.cloned(), known: true };
        }
    }

    pub(super) fn waiting(&self) -> Waiting {
        *lock(&self.waiting)
    }

    /// Says what the guest waits for until the guard is dropped.
    pub(super) fn wait_for(self: &Arc<Self>, what: Waiting) -> WaitGuard {
        *lock(&self.waiting) = what;
        WaitGuard(Arc::clone(self))
    }

    /// Puts a message into the mailbox. `record` writes it to the chain and says where: the chain has messages in the order of the
    /// mailbox. Where `visits` says so and the actor has nothing to do, its task is not woken: the work is the caller's then.
    pub(super) fn deliver(
        &self,
        envelope: Envelope,
        record: impl FnOnce(&Envelope) -> Result<u64, ActorError>,
        visits: impl FnOnce(&Seat<Lived>) -> bool,
    ) -> Result<Option<Visit<Lived>>, ActorError> {
        if let Some(size) = envelope.size().filter(|size| *size > self.limits().message) {
            return Err(LimitError::Message { size, limit: self.limits().message }.into());
        }
        let guest = self.component.as_ref().map(PreparedComponent::exports);
        if let Some(export) = envelope.missing_export(guest) {
            return Err(ActorError::NoSuchExport { id: self.id, export });
        }
        // The lock keeps the end of the last life from emptying the mailbox between the check and the message.
        let core = self.core();
        if let Phase::Ended { reason, awaiting: false } = &core.phase {
            return Err(ActorError::Ended { id: self.id, reason: reason.clone() });
        }
        match self.mailbox.try_reserve() {
            Ok(place) => {
                let call = record(&envelope)?;
                let life = core.life.as_ref().filter(|life| visits(&life.seat));
                let visit = life.and_then(|life| life.seat.visit());
                place.send(Delivered { call, envelope, begun: None });
                Ok(visit)
            }
            Err(_) => {
                let limit = u64::from(self.limits().mailbox);
                if self.limits().mailbox_overflow == MailboxOverflow::Exit
                    && let Some(life) = &core.life
                {
                    life.kill(ExitReason::MailboxOverflow { limit });
                }
                Err(LimitError::Mailbox { limit }.into())
            }
        }
    }

    /// Puts a message into the mailbox that must not be refused: waits for room. Where the actor has ended for good or does not handle such
    /// messages there is nobody to tell.
    pub(super) async fn deliver_for_sure<E>(
        &self,
        envelope: Envelope,
        record: impl FnOnce(&Envelope) -> Result<u64, E>,
    ) -> Result<(), E> {
        let guest = self.component.as_ref().map(PreparedComponent::exports);
        if envelope.missing_export(guest).is_some() {
            return Ok(());
        }
        let Ok(place) = self.mailbox.reserve().await else { return Ok(()) };
        let core = self.core();
        if matches!(core.phase, Phase::Ended { awaiting: false, .. }) {
            return Ok(());
        }
        let call = record(&envelope)?;
        place.send(Delivered { call, envelope, begun: None });
        Ok(())
    }

    /// Queues a notice about a child; waits while [`NOTICES`] wait already.
    pub(super) async fn notify(&self, notice: ChildNotice) -> Result<(), ActorError> {
        if let Phase::Ended { reason, .. } = &self.core().phase {
            return Err(ActorError::Ended { id: self.id, reason: reason.clone() });
        }
        match &self.notices {
            Some(notices) => notices.send(notice).await.map_err(|_| ActorError::ShuttingDown),
            None => Ok(()),
        }
    }

    /// The number of the next request to this actor.
    pub(super) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps where the answer of a request goes. When as many as fit into the mailbox are unanswered already, this one is refused: what
    /// was said then.
    pub(super) fn open_request(
        &self,
        number: u64,
        reply: oneshot::Sender<Result<Bytes, ActorError>>,
    ) -> Result<(), ActorError> {
        let mut pending = lock(&self.pending);
        let limit = self.limits().mailbox;
        if pending.len() >= limit as usize {
            // Whoever has given up waiting needs no place.
            pending.retain(|request| !request.reply.is_closed());
        }
        if pending.len() >= limit as usize {
            // Whoever asked may have given up meanwhile.
            let refusal = || ActorError::from(LimitError::Mailbox { limit: u64::from(limit) });
            let _ = reply.send(Err(refusal()));
            return Err(refusal());
        }
        pending.push_back(Pending { number, reply });
        Ok(())
    }

    /// Takes an unanswered request out.
    pub(super) fn close_request(&self, number: u64) -> Option<Pending> {
        let mut pending = lock(&self.pending);
        // The newest is the likeliest: most requests are answered at once.
        let index = pending.iter().rposition(|request| request.number == number)?;
        pending.remove(index)
    }

    /// Notes which request is being handled; `None` when it has been.
    pub(super) fn set_handling(&self, number: Option<u64>) {
        self.handling.store(number.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The requests that were left open, oldest first.
    pub(super) fn outstanding(&self) -> Vec<u64> {
        let handling = self.handling.load(Ordering::Relaxed);
        lock(&self.pending)
            .iter()
            .map(|request| request.number)
            .filter(|number| *number != handling)
            .collect()
    }

    pub(super) fn take_requests(&self) -> VecDeque<Pending> {
        std::mem::take(&mut *lock(&self.pending))
    }

    /// Whether `self` is below `other` in the tree, and if so the child of `other` on the way.
    pub(super) fn below(self: &Arc<Self>, other: ActorId) -> Option<Arc<Self>> {
        let mut current = Arc::clone(self);
        loop {
            let parent = current.parent.clone()?;
            if parent.id == other {
                return Some(current);
            }
            current = parent;
        }
    }
}

impl Inboxes {
    /// The next notice; never, where nobody is told anything. Cancel-safe.
    pub(super) async fn notice(notices: &mut Option<mpsc::Receiver<ChildNotice>>) -> Option<ChildNotice> {
        match notices {
            Some(notices) => notices.recv().await,
            None => std::future::pending().await,
        }
    }
}

impl Core {
    /// A place for one more child.
    pub(super) fn place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }
}

/// Ends a wait when it is dropped, however the wait ended.
#[derive(Debug)]
pub(super) struct WaitGuard(Arc<Entry>);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        *lock(&self.0.waiting) = Waiting::Nothing;
    }
}
