//! Bringing back what ran when the runtime that wrote the store ended: read, verify, run again what has to be, and only then start.

pub(super) mod plan;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use theater_chain::{ChainError, ReadError};
use theater_core::event::payload::{Exited, Snapshot, encode};
use theater_core::{
    ActorError, ActorId, ActorInfo, ActorRuntime, Bound, ChainId, EventKind, ExitReason, Incarnation,
    LoadedManifest, Manifest, ManifestRef, SpawnRequest, Strategy,
};
use tokio::sync::{oneshot, watch};

use super::chain::ChainLog;
use super::channels::KeptChannels;
use super::entry::{Entry, EntryParts, Seed, Start, lock};
use super::mailbox::{Delivered, Envelope, RequestId};
use super::past::{Accepted, Past, PastError};
use super::rerun::{RerunError, Subject};
use super::spawn::{Resolved, Unregister};
use super::{Inner, WasmRuntime};
use crate::folder;
use crate::script::{History, Script};
pub(super) use plan::history;
use plan::{Plan, Planned};

/// Why nothing was brought back. Nothing was started, and nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviveError {
    /// The store cannot give the chains.
    #[error("could not read the event chains")]
    Read(#[from] ReadError),
    /// A chain is not what was written.
    #[error("the chain of actor {actor} ({name}) is broken at event {seq}")]
    Broken {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// The position.
        seq: u64,
        /// What is wrong.
        #[source]
        source: ChainError,
    },
    /// A record is not what such a record is.
    #[error("the chain of actor {actor} ({name}) cannot be understood: {message}")]
    Record {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// Which record, and what is wrong with it.
        message: String,
    },
    /// The actor's state is not on its chain as a whole, and running the calls again that led to it does not give it.
    #[error("the state of actor {actor} ({name}) could not be found again from event {from} of its chain")]
    Rerun {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// From where on calls were run again.
        from: u64,
        /// Why.
        #[source]
        source: RerunError,
    },
    /// The actor's state is not on its chain as a whole, and its component is another one than the one that led to it.
    #[error(
        "the state of actor {actor} ({name}) can only be found with the component that it had, and that has changed; \
         put the old one back, end the app cleanly once, and change it then"
    )]
    OtherComponent {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
    },
    /// A manifest, component or file of an actor is not there any more, or is not usable.
    #[error("actor {actor} ({name}) cannot be started")]
    NotStartable {
        /// The actor.
        actor: ActorId,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: ActorError,
    },
    /// The tree was read well, and its root did not start.
    #[error(transparent)]
    Start(#[from] ActorError),
}

/// A tree that was brought back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Revived {
    /// Its root.
    pub root: ActorInfo,
    /// All of it that runs again, parents before children, children in start order.
    pub actors: Vec<RevivedActor>,
    /// Those that did not start, and why. Their supervisors have dealt with it.
    pub failed: Vec<(ActorId, String)>,
}

/// An actor that was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevivedActor {
    /// Its id.
    pub id: ActorId,
    /// Its name.
    pub name: String,
    /// Its parent.
    pub parent: Option<ActorId>,
    /// The life that ended with the runtime.
    pub incarnation: Incarnation,
    /// The length of its state in bytes; `None` if it has none.
    pub state_len: Option<u64>,
    /// Calls that were run again to find its state; 0 where the chain has it whole.
    pub calls_run_again: u64,
    /// Messages that wait in its mailbox.
    pub messages: usize,
    /// How the life before had ended, where the chain said so: in good order, or in a crash from which it was to be restarted.
    pub ended: Option<ExitReason>,
}

/// One actor that is to come back: everything that its next life needs.
#[derive(Debug)]
pub(super) struct Prepared {
    past: Past,
    resolved: Resolved,
    state: Option<theater_core::Bytes>,
    /// Whether calls had to be run again, so that the chain does not have the state as a whole.
    calls: u64,
    head: theater_chain::Head,
    goes_on: bool,
    earlier_restarts: Vec<Duration>,
    interrupted: Option<Script>,
    channels: KeptChannels,
    /// The children that were spawned, in start order.
    spawned: Vec<SpawnRequest>,
}

/// What is being brought back.
#[derive(Debug, Default)]
pub(super) struct Revival {
    prepared: HashMap<ActorId, Prepared>,
    /// Which actor a declared child is; `None` for one that has ended for good.
    declared: HashMap<(ActorId, Arc<str>), Option<ActorId>>,
    actors: Vec<RevivedActor>,
    failed: Vec<(ActorId, String)>,
}

impl RevivedActor {
    fn new(prepared: &Prepared, parent: Option<ActorId>) -> Self {
        let past = &prepared.past;
        Self {
            id: past.genesis.actor,
            name: past.genesis.name.clone(),
            parent,
            incarnation: past.incarnation,
            state_len: prepared.state.as_ref().map(|state| state.len() as u64),
            calls_run_again: prepared.calls,
            messages: past.pending.len(),
            ended: past.ended.clone(),
        }
    }
}

/// How an actor is started again.
struct Place {
    reference: ManifestRef,
    /// Its id, where its parent declares it.
    declared: Option<Arc<str>>,
}

/// `siblings` is `None` for a root, and has what is known of the parent's manifest otherwise.
fn place(past: &Past, parent: Option<Option<&LoadedManifest>>, root: &ManifestRef) -> Option<Place> {
    let Some(parent) = parent else { return Some(Place { reference: root.clone(), declared: None }) };
    let parent = parent?;
    let placement = past.genesis.placement.as_ref()?;
    let Some(id) = placement.child_id.as_deref() else {
        return Some(Place { reference: placement.manifest.as_str().into(), declared: None });
    };
    let child = parent.children.iter().find(|child| *child.id == *id)?;
    let template = parent.manifest.supervision.strategy == Strategy::SimpleOneForOne;
    let reference = ManifestRef::embedded(id, child.manifest.clone());
    Some(Place { reference, declared: (!template).then(|| Arc::clone(&child.id)) })
}

impl WasmRuntime {
    /// Brings back the tree whose root was started from this manifest, as it was when the runtime that wrote the store ended: ids,
    /// parents, chains, last good states, what waits in mailboxes, open channels, and restarts that count against an intensity.
    ///
    /// Of several roots of one manifest it is the one that was started last.
    ///
    /// `None` if there is no such tree, or it has ended by itself: then there is nothing to go on with. Every chain of the tree is verified before
    /// anything of it is believed. Nobody handles a message before the whole tree is there. Call it before anything is started.
    ///
    /// A message that was being handled goes on where it was: host calls that it had made are answered as before and not made
    /// again; one whose answer had not been recorded is answered with an error, because nobody knows what came of it. A callback
    /// about a child that was interrupted is not made again, nor is a request answered to somebody outside who is gone.
    ///
    /// # Errors
    /// See [`ReviveError`].
    pub async fn revive(&self, manifest: impl Into<ManifestRef>) -> Result<Option<Revived>, ReviveError> {
        let manifest = manifest.into();
        let plan = plan::plan(&self.inner, &manifest).await?;
        let coming =
            plan.iter().flat_map(|plan| &plan.actors).map(|planned| planned.past.genesis.actor).collect();
        self.inner.sweep_folders(&manifest, &coming).await?;
        let Some(plan) = plan else { return Ok(None) };
        let root = plan.root;
        let mut revival = self.inner.prepare(plan, &manifest).await?;
        let pasts: Vec<_> = revival.prepared.iter().map(|(actor, it)| (*actor, &it.past)).collect();
        for (actor, kept) in self.inner.channels.restore(&pasts) {
            if let Some(prepared) = revival.prepared.get_mut(&actor) {
                prepared.channels = kept;
            }
        }
        *lock(&self.inner.revival) = Some(revival);
        self.inner.held.send_replace(true);
        let held = Held(&self.inner);
        let started = self.spawn(SpawnRequest::new(None, manifest).revive(root)).await;
        drop(held);
        let revival = lock(&self.inner.revival).take();
        let (actors, failed) = revival.map(|revival| (revival.actors, revival.failed)).unwrap_or_default();
        Ok(Some(Revived { root: started?, actors, failed }))
    }

    /// Runs all calls of an actor again that its chain has, from the genesis event on, and compares every answer and every state that the
    /// chain has with what comes out. `manifest` is the actor's own. Nothing is recorded, and no host call does anything: all are
    /// answered from the chain.
    ///
    /// # Errors
    /// See [`ReviveError`]; [`Rerun`](ReviveError::Rerun) where a call goes another way than it did.
    pub async fn rerun(
        &self,
        actor: ActorId,
        manifest: impl Into<ManifestRef>,
    ) -> Result<super::Rerun, ReviveError> {
        let manifest = manifest.into();
        let history = Arc::new(plan::history(&self.inner).await?);
        let chain = history.chains.get(&actor).copied().ok_or(ActorError::UnknownActor { id: actor })?;
        let (past, head) = plan::read(&*history.reader, chain).await?;
        let name = past.genesis.name.clone();
        let not_startable = |source| ReviveError::NotStartable { actor, name: name.clone(), source };
        let loaded = theater_core::load(&*self.inner.source, &manifest).await;
        let loaded = loaded.map_err(|error| not_startable(error.into()))?;
        let resolved = self.inner.resolve(loaded).await.map_err(not_startable)?;
        if resolved.component_digest() != past.genesis.component {
            return Err(ReviveError::OtherComponent { actor, name });
        }
        let Some(component) = resolved.component() else {
            return Err(not_startable(ActorError::Unsupported {
                operation: "running calls again without a component",
            }));
        };
        let manifest = resolved.manifest();
        let subject = Subject { actor, manifest, component, chain: head.chain_id, history, made: Vec::new() };
        let rerun = self.inner.rerun(&subject, None, 0, past.length).await;
        rerun.map_err(|source| ReviveError::Rerun { actor, name, from: 0, source })
    }
}

/// Lets messages be handled when it is dropped.
struct Held<'a>(&'a Inner);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.held.send_replace(false);
    }
}

impl Inner {
    /// Waits until the tree is there that is being brought back.
    pub(super) fn whole(&self) -> watch::Receiver<bool> {
        self.held.subscribe()
    }

    /// Fetches what every actor needs, and finds its state.
    async fn prepare(self: &Arc<Self>, mut plan: Plan, root: &ManifestRef) -> Result<Revival, ReviveError> {
        let mut revival = Revival::default();
        revival.declared.extend(plan.finished.drain(..).map(|finished| (finished, None)));
        let mut manifests: HashMap<ActorId, LoadedManifest> = HashMap::new();
        let mut bounds: HashMap<ActorId, Bound> = HashMap::new();
        let mut families: HashMap<ActorId, Vec<Arc<Manifest>>> = HashMap::new();
        for planned in std::mem::take(&mut plan.actors) {
            let id = planned.past.genesis.actor;
            let parent = planned.past.genesis.parent.as_ref().map(|parent| parent.actor);
            let siblings = parent.and_then(|parent| manifests.get(&parent));
            let Some(place) = place(&planned.past, parent.map(|_| siblings), root) else {
                revival.failed.push((id, "its parent's manifest does not declare it any more".to_owned()));
                plan.orphan(planned);
                continue;
            };
            let name = planned.past.genesis.name.clone();
            let fail = |source| ReviveError::NotStartable { actor: id, name: name.clone(), source };
            let loaded = theater_core::load(&*self.source, &place.reference).await;
            let loaded = loaded.map_err(|error| fail(error.into()))?;
            let above = parent.and_then(|parent| bounds.get(&parent)).unwrap_or(&Bound::NONE);
            let bound = above.admit_tree(&loaded).map_err(fail)?;
            bounds.insert(id, bound);
            manifests.insert(id, loaded.clone());
            let resolved = self.resolve(loaded).await.map_err(fail)?;
            let mut family = parent.and_then(|parent| families.get(&parent)).cloned().unwrap_or_default();
            let folder = folder::Place::given(resolved.manifest(), family.iter().map(|manifest| &**manifest));
            let found = self.check_folder(&resolved.loaded, folder).await;
            found.map_err(|error| fail(error.into()))?;
            family.insert(0, Arc::clone(&resolved.loaded.manifest));
            families.insert(id, family);
            let counts = planned.counts;
            let prepared = self.prepare_one(planned, resolved, &plan.history).await?;
            revival.actors.push(RevivedActor::new(&prepared, parent));
            if let Some(parent) = parent.and_then(|parent| revival.prepared.get_mut(&parent)) {
                if counts {
                    parent.earlier_restarts.push(Duration::ZERO);
                }
                match place.declared {
                    Some(child) => {
                        revival.declared.insert((parent.past.genesis.actor, child), Some(id));
                    }
                    None => {
                        let mut request =
                            SpawnRequest::new(Some(parent.past.genesis.actor), place.reference).revive(id);
                        request.child_spec =
                            prepared.past.genesis.placement.as_ref().map(|placement| placement.child_spec);
                        parent.spawned.push(request);
                    }
                }
            }
            revival.prepared.insert(id, prepared);
        }
        for orphan in plan.orphans {
            // Its start was never answered, or it ended with an earlier life of its parent; its chain says that its life is over.
            let id = orphan.past.genesis.actor;
            let log = ChainLog::resume(id, Arc::clone(&self.store), orphan.head, orphan.past.bytes);
            let exited = Exited::new(orphan.past.incarnation, ExitReason::RuntimeEnded);
            if let Err(error) = log.append(EventKind::EXITED, encode(&exited), || self.now(), |_| ()) {
                tracing::error!(actor = %id, %error, "could not record the end of a life");
            }
        }
        Ok(revival)
    }

    async fn prepare_one(
        self: &Arc<Self>,
        planned: Planned,
        resolved: Resolved,
        history: &Arc<History>,
    ) -> Result<Prepared, ReviveError> {
        let Planned { past, head, goes_on, .. } = planned;
        let (id, name) = (past.genesis.actor, past.genesis.name.clone());
        let (mut state, mut calls) = (past.good.clone().flatten(), 0);
        if let (Some(from), Some(component)) = (past.rerun_from, resolved.component()) {
            if resolved.component_digest() != past.genesis.component {
                return Err(ReviveError::OtherComponent { actor: id, name });
            }
            let mut subject = Subject {
                actor: id,
                manifest: resolved.manifest(),
                component,
                chain: head.chain_id,
                history: Arc::clone(history),
                made: past.good_made.clone(),
            };
            let mut rerun = self.rerun(&subject, state, from, past.length).await;
            if from > 0 && matches!(rerun, Err(RerunError::Diverged(_))) {
                // The instance that made these calls had made others before, and may have kept something of them in its memory. From
                // the beginning on every instance makes the calls that it had made.
                subject.made.clear();
                let whole = self.rerun(&subject, None, 0, past.length).await;
                rerun = whole.or(rerun);
            }
            let rerun =
                rerun.map_err(|source| ReviveError::Rerun { actor: id, name: name.clone(), from, source })?;
            (state, calls) = (rerun.state, rerun.calls);
        }
        let interrupted = match past.interrupted() {
            Some(from) => Some(self.interrupted(&past, head.chain_id, from, history).await?),
            None => None,
        };
        let now = self.now();
        let age = |time: &u64| Duration::from_nanos(now.saturating_sub(*time));
        let earlier_restarts = past.restarts.iter().map(age).collect();
        Ok(Prepared {
            past,
            resolved,
            state,
            calls,
            head,
            goes_on,
            earlier_restarts,
            interrupted,
            channels: KeptChannels::default(),
            spawned: Vec::new(),
        })
    }

    /// The host calls that the interrupted handling of a message had made.
    async fn interrupted(
        &self,
        past: &Past,
        chain: ChainId,
        from: u64,
        history: &Arc<History>,
    ) -> Result<Script, ReviveError> {
        let range = theater_core::EventRange { from, limit: usize::MAX };
        let events = history.reader.read(chain, range).await?;
        let host = |event: &theater_core::ChainEvent| {
            let kind = event.header.kind;
            event.header.seq < past.length && kind.0 >= EventKind::LOG.0 && kind != EventKind::SUPERVISION
        };
        let events = events.into_iter().filter(host).collect();
        Ok(Script { chain, history: Arc::clone(history), events, then_live: true })
    }

    /// Which actor this request is to bring back: by its id, or because it is for a child that its parent declares.
    ///
    /// # Errors
    /// [`StartFailed`](ActorError::StartFailed) as of a child that ended itself before it ran, where the child has ended for good.
    pub(super) fn take_prepared(&self, request: &SpawnRequest) -> Result<Option<Box<Prepared>>, ActorError> {
        let mut revival = lock(&self.revival);
        let Some(revival) = &mut *revival else {
            return match request.revive {
                Some(id) => Err(ActorError::UnknownActor { id }),
                None => Ok(None),
            };
        };
        let id = match request.revive {
            Some(id) => id,
            None => {
                let Some(parent) = request.parent else { return Ok(None) };
                let child: Arc<str> = request.manifest.as_str().into();
                match revival.declared.remove(&(parent, child)) {
                    Some(Some(id)) => id,
                    Some(None) => {
                        let reason = ExitReason::Completed { data: None };
                        return Err(ActorError::StartFailed { reason });
                    }
                    None => {
                        // It is new: its `init` may want to talk to the others.
                        self.held.send_replace(false);
                        return Ok(None);
                    }
                }
            }
        };
        Ok(Some(Box::new(revival.prepared.remove(&id).ok_or(ActorError::UnknownActor { id })?)))
    }

    /// Starts the next life of an actor that had been running, and then its children that were spawned.
    pub(super) async fn spawn_revived(
        self: &Arc<Self>,
        parent: Option<Arc<Entry>>,
        prepared: Prepared,
        child_spec: Option<theater_core::ChildSpec>,
    ) -> Result<ActorInfo, ActorError> {
        let Prepared { past, resolved, state, calls, head, goes_on, interrupted, channels, spawned, .. } =
            prepared;
        let earlier_restarts = prepared.earlier_restarts;
        let id = past.genesis.actor;
        let above = parent.as_ref().map_or(&Bound::NONE, |parent| &parent.bound);
        let bound = above.admit(resolved.manifest())?;
        let placement = past.genesis.placement.as_ref();
        let place = match &parent {
            Some(parent) => parent.core().place(),
            None => lock(&self.roots).place(),
        };
        let child_spec = child_spec
            .or_else(|| placement.map(|placement| placement.child_spec))
            .unwrap_or_else(|| resolved.manifest().spawned_spec());
        let first = past.first.clone().unwrap_or(Start::Init(None));
        let known = past.good.is_some();
        let chain = ChainLog::resume(id, Arc::clone(&self.store), head, past.bytes);
        let seed = Seed {
            incarnation: past.incarnation,
            good: known.then(|| state.clone()),
            // Above every number that was given out: each request has an event.
            requests: past.length,
            mailbox: mailbox(&past, interrupted),
            channels: channels.open,
            earlier_restarts,
            sources: resolved.sources,
            goes_on,
        };
        let parts = EntryParts {
            id,
            parent,
            place,
            manifest: Arc::clone(&resolved.loaded.manifest),
            component: resolved.component,
            child_id: placement.and_then(|placement| placement.child_id.as_deref()).map(Into::into),
            child_spec,
            bound,
            declared: Arc::clone(&resolved.loaded.children),
            snapshot: resolved.snapshot,
            first,
            chain,
        };
        let entry = Entry::revived(parts, seed);
        let chain_failed = |error| ActorError::Chain { id, source: Arc::new(error) };
        if past.ended.is_none() {
            let exited = Exited::new(past.incarnation, ExitReason::RuntimeEnded);
            self.append_unlimited(&entry, EventKind::EXITED, encode(&exited), |_| ())
                .map_err(chain_failed)?;
            self.anchor(&entry, EventKind::CHILD_EXITED, Some(&ExitReason::RuntimeEnded));
        }
        if calls > 0 {
            let snapshot = encode(&Snapshot { state: state.clone() });
            self.append_unlimited(&entry, EventKind::SNAPSHOT, snapshot, |_| ()).map_err(chain_failed)?;
        }
        for (channel, other) in channels.broken {
            self.tell_closed(&entry, other, &channel);
        }
        let start = if known { Start::LastGood(state) } else { entry.first.clone() };
        {
            let guard = Unregister::new(self, &entry);
            let _turn = entry.starts.lock().await;
            self.start_life(&entry, start).await?;
            guard.keep();
        }
        self.bring_back_spawned(&entry, spawned).await;
        Ok(entry.info())
    }

    async fn bring_back_spawned(self: &Arc<Self>, entry: &Arc<Entry>, spawned: Vec<SpawnRequest>) {
        let supervisor = self.outer().supervisor(entry.id).ok();
        for request in spawned {
            let id = request.revive.unwrap_or(entry.id);
            let started = match &supervisor {
                Some(supervisor) => {
                    supervisor.adopt_child(request).await.map(drop).map_err(|error| error.to_string())
                }
                None => self.outer().spawn(request).await.map(drop).map_err(|error| error.to_string()),
            };
            if let Err(error) = started {
                tracing::error!(actor = %id, %error, "an actor could not be brought back");
                if let Some(revival) = &mut *lock(&self.revival) {
                    revival.failed.push((id, error));
                }
            }
        }
    }
}

/// What waits for the actor: first what was interrupted, then in the order of the mailbox.
fn mailbox(past: &Past, interrupted: Option<Script>) -> Vec<Delivered> {
    let mut begun = interrupted.map(Box::new);
    let messages = past.pending.iter().filter_map(|(call, accepted)| {
        let envelope = envelope(accepted)?;
        // The oldest is the one that was being handled.
        Some(Delivered { call: *call, envelope, begun: begun.take() })
    });
    messages.collect()
}

/// The message as it stood in the mailbox. Whoever waited for an answer is gone.
fn envelope(accepted: &Accepted) -> Option<Envelope> {
    let Accepted { from, subject, data, .. } = accepted.clone();
    let (data, subject) = (data.unwrap_or_default(), subject.unwrap_or_default());
    Some(match &*accepted.function {
        "handle-send" => Envelope::Send { from, data },
        "handle-request" => {
            Envelope::Request { from, id: RequestId::parse(&subject)?, data, reply: oneshot::channel().0 }
        }
        "handle-channel-open" => {
            Envelope::ChannelOpen { from: from?, channel: subject, data, reply: oneshot::channel().0 }
        }
        "handle-channel-message" => Envelope::ChannelMessage { from: from?, channel: subject, data },
        "handle-channel-close" => Envelope::ChannelClose { from: from?, channel: subject },
        _ => return None,
    })
}

/// An error of reading a chain, with whose it is.
fn record_error(past: &Past, error: &PastError) -> ReviveError {
    let message = theater_core::error::with_causes(error);
    ReviveError::Record { actor: past.genesis.actor, name: past.genesis.name.clone(), message }
}
