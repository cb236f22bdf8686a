//! Bringing back what ran when the runtime that wrote the store ended: read, verify, run again what has to be, and only then start.

mod outcome;
pub(super) mod plan;
mod start;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use theater_core::event::payload::{Exited, encode};
use theater_core::{
    ActorError, ActorId, ActorRuntime, Bound, ChainId, EventKind, ExitReason, LoadedManifest, Manifest,
    ManifestRef, SpawnRequest, Strategy,
};
use tokio::sync::watch;

use super::chain::ChainLog;
use super::channels::KeptChannels;
use super::entry::lock;
use super::past::Past;
use super::rerun::{RerunError, Subject};
use super::spawn::Resolved;
use super::{Inner, WasmRuntime};
use crate::folder;
use crate::script::{History, Script};
use outcome::record_error;
pub use outcome::{ReviveError, Revived, RevivedActor};
pub(super) use plan::history;
use plan::{Plan, Planned};

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
}
