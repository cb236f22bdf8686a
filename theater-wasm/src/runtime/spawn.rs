//! Starting: from a manifest to a running actor, and from one life to the next.

use std::sync::Arc;

use theater_core::event::payload::{Genesis, Placement, Sources, encode};
use theater_core::source::{self, ContentDigest, Reference};
use theater_core::{
    ActorError, ActorInfo, AutoShutdown, Bound, Bytes, ChildSpec, ExitReason, HandlerKind, LimitError,
    LoadedManifest, Manifest, ManifestError, ManifestErrorKind, RestartFrom, SpawnRequest, StartFrom,
    SupervisionRule,
};
use tokio::sync::oneshot;

use super::Inner;
use super::chain::ChainLog;
use super::entry::{Entry, EntryParts, Phase, Start, lock};
use super::life::LifeControl;
use crate::component::PreparedComponent;
use crate::folder::Place;
use crate::host;
use crate::instance::InstantiateError;

/// What an actor is among its siblings.
struct Child {
    manifest: String,
    child_id: Option<Arc<str>>,
    child_spec: ChildSpec,
    bound: Bound,
}

/// What a manifest refers to, fetched and checked.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) loaded: LoadedManifest,
    pub(super) component: Option<PreparedComponent>,
    /// The digests of all that.
    pub(super) sources: Sources,
    initial: Option<Bytes>,
    pub(super) snapshot: Option<Bytes>,
}

impl Resolved {
    pub(super) fn manifest(&self) -> &Manifest {
        &self.loaded.manifest
    }

    pub(super) fn component(&self) -> Option<&PreparedComponent> {
        self.component.as_ref()
    }

    /// As genesis events have it: empty for a pure supervisor.
    pub(super) fn component_digest(&self) -> String {
        self.sources.component.map(|digest| digest.to_string()).unwrap_or_default()
    }
}

impl Inner {
    pub(super) async fn spawn(self: &Arc<Self>, request: SpawnRequest) -> Result<ActorInfo, ActorError> {
        self.start_pacemaker();
        let parent = match request.parent {
            Some(id) => Some(self.find(id).ok_or(ActorError::UnknownActor { id })?),
            None => None,
        };
        // Refused before anything is fetched; checked again when the child takes its place.
        self.check_room(parent.as_ref())?;
        if let Some(prepared) = self.take_prepared(&request)? {
            return self.spawn_revived(parent, *prepared, request.child_spec).await;
        }
        let loaded = theater_core::load(&*self.source, &request.manifest).await?;
        let bound = parent.as_ref().map_or(&Bound::NONE, |parent| &parent.bound).admit_tree(&loaded)?;
        let resolved = self.resolve(loaded).await?;
        let above = Entry::upwards(parent.as_ref()).map(|entry| &*entry.manifest);
        let folder = Place::given(resolved.manifest(), above);
        self.check_folder(&resolved.loaded, folder).await?;
        let child_spec = request.child_spec.unwrap_or_else(|| resolved.loaded.manifest.spawned_spec());
        if let Some(parent) = &parent {
            check_significant(&parent.manifest, &resolved.loaded, child_spec)?;
        }
        let first = first_start(&resolved, request.start)?;
        // A reference that carries its manifest is a declared child's, and its name the id.
        let child_id = request.manifest.loaded().map(|_| request.manifest.as_str().into());
        let entry = self.create(
            parent,
            resolved,
            Child { manifest: request.manifest.as_str().to_owned(), child_id, child_spec, bound },
            first.clone(),
        )?;
        let guard = Unregister::new(self, &entry);
        let _turn = entry.starts.lock().await;
        self.start_life(&entry, first).await?;
        guard.keep();
        Ok(entry.info())
    }

    /// Starts the next life of an actor that has ended. The caller has its turn ([`Entry::starts`]).
    pub(super) async fn start_again(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        from: RestartFrom,
    ) -> Result<(), ActorError> {
        let start = match (from, entry.good_state()) {
            (RestartFrom::LastGood, Some(state)) => Start::LastGood(state),
            (RestartFrom::Snapshot, _) if entry.snapshot.is_some() => Start::Snapshot(entry.snapshot.clone()),
            _ => entry.first.clone(),
        };
        self.start_life(entry, start).await
    }

    /// Begins a life and waits until it runs. If this future is dropped first, the life is killed.
    pub(super) async fn start_life(
        self: &Arc<Self>,
        entry: &Arc<Entry>,
        start: Start,
    ) -> Result<(), ActorError> {
        let (started, wait) = oneshot::channel();
        let control = self.begin_life(entry, start, started)?;
        let guard = KillOnDrop(Some(Arc::clone(&control)));
        let outcome = wait.await;
        guard.keep();
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => {
                control.ended().await;
                Err(start_error(self, reason))
            }
            Err(_) => {
                control.ended().await;
                let reason = ExitReason::HostPanicked { message: "the life's task was lost".to_owned() };
                Err(ActorError::StartFailed { reason })
            }
        }
    }

    fn check_room(&self, parent: Option<&Arc<Entry>>) -> Result<(), ActorError> {
        let Some(parent) = parent else {
            return if lock(&self.roots).closing { Err(ActorError::ShuttingDown) } else { Ok(()) };
        };
        let max_depth = self.config.max_depth;
        if parent.depth + 1 >= max_depth {
            return Err(LimitError::Depth { limit: u64::from(max_depth) }.into());
        }
        let core = parent.core();
        if core.closing || matches!(core.phase, Phase::Ended { .. }) {
            return Err(ActorError::ShuttingDown);
        }
        let limit = parent.limits().children;
        if core.live_children >= limit {
            return Err(LimitError::Children { limit: u64::from(limit) }.into());
        }
        Ok(())
    }

    /// Fetches and checks what a manifest refers to.
    pub(super) async fn resolve(&self, loaded: LoadedManifest) -> Result<Resolved, ActorError> {
        check_handlers(&loaded)?;
        self.check_memory(&loaded)?;
        let (component, component_digest) = match &loaded.manifest.component {
            Some(reference) => self
                .component(&loaded, reference)
                .await
                .map(|(component, digest)| (Some(component), Some(digest)))?,
            None => (None, None),
        };
        let (initial, init_state) = match &loaded.manifest.initial_state {
            Some(state) => (Some(Bytes::from(state.clone())), Some(ContentDigest::of(state.as_bytes()))),
            None => self.file(&loaded, loaded.manifest.init_state.as_ref()).await?,
        };
        let (snapshot, snapshot_digest) = self.file(&loaded, loaded.manifest.snapshot.as_ref()).await?;
        check_state(&loaded, snapshot.as_ref())?;
        let sources = Sources {
            manifest: ContentDigest::of(loaded.text.as_bytes()),
            component: component_digest,
            init_state,
            snapshot: snapshot_digest,
        };
        Ok(Resolved { component, sources, initial, snapshot, loaded })
    }

    async fn component(
        &self,
        loaded: &LoadedManifest,
        reference: &Reference,
    ) -> Result<(PreparedComponent, ContentDigest), ActorError> {
        let digest = |bytes: &Bytes| ContentDigest(self.components.digest(bytes));
        let content = source::read_with(&*self.source, loaded, reference, digest).await?;
        let component = self
            .components
            .prepare(&self.engine, &loaded.manifest, content.digest.0, content.bytes)
            .await
            .map_err(|kind| ActorError::Component { component: reference.location().to_owned(), kind })?;
        Ok((component, content.digest))
    }

    async fn file(
        &self,
        loaded: &LoadedManifest,
        reference: Option<&Reference>,
    ) -> Result<(Option<Bytes>, Option<ContentDigest>), ManifestError> {
        let Some(reference) = reference else { return Ok((None, None)) };
        let content = source::read(&*self.source, loaded, reference).await?;
        Ok((Some(content.bytes), Some(content.digest)))
    }

    fn check_memory(&self, loaded: &LoadedManifest) -> Result<(), ManifestError> {
        let (memory, most) = (loaded.manifest.limits.memory, self.engine.max_memory());
        if memory <= most {
            return Ok(());
        }
        let message = format!("this runtime gives an actor at most {most} bytes");
        let kind =
            ManifestErrorKind::InvalidValue { key: "memory".to_owned(), value: memory.to_string(), message };
        Err(ManifestError::new(&*loaded.origin, kind))
    }

    /// Gives the new actor its id, its chain, and its place among its siblings. Nobody can find it before its first life
    /// has begun.
    fn create(
        &self,
        parent: Option<Arc<Entry>>,
        resolved: Resolved,
        as_child: Child,
        first: Start,
    ) -> Result<Arc<Entry>, ActorError> {
        self.check_room(parent.as_ref())?;
        let id = (self.config.ids)();
        let name = resolved.loaded.manifest.register.as_ref();
        // Refused before there is a chain. Its first life registers it once more, which changes nothing.
        self.names.register(name, id)?;
        let genesis = Genesis {
            actor: id,
            nonce: (self.config.nonces)(),
            name: resolved.loaded.manifest.name.clone(),
            component: resolved.component_digest(),
            manifest: manifest_digest(&resolved.loaded, &resolved.sources),
            parent: parent.as_ref().map(|parent| parent.chain.anchor()),
            runtime: concat!("theater-wasm ", env!("CARGO_PKG_VERSION")).to_owned(),
            placement: Some(Placement {
                manifest: as_child.manifest,
                child_id: as_child.child_id.as_deref().map(str::to_owned),
                child_spec: as_child.child_spec,
            }),
            sources: Some(resolved.sources),
        };
        let chain =
            ChainLog::create(id, Arc::clone(&self.store), encode(&genesis), self.now()).map_err(|error| {
                self.names.free(name, id);
                ActorError::Chain { id, source: Arc::new(error) }
            })?;
        let place = match &parent {
            Some(parent) => parent.core().place(),
            None => lock(&self.roots).place(),
        };
        Ok(Entry::new(EntryParts {
            id,
            parent,
            place,
            manifest: Arc::clone(&resolved.loaded.manifest),
            component: resolved.component,
            child_id: as_child.child_id,
            child_spec: as_child.child_spec,
            bound: as_child.bound,
            declared: Arc::clone(&resolved.loaded.children),
            snapshot: resolved.snapshot,
            first,
            chain,
        }))
    }

    /// Forgets an actor and everything below it.
    pub(super) fn unregister(self: &Arc<Self>, entry: &Arc<Entry>, untaken: Untaken) {
        let mut below = vec![Arc::clone(entry)];
        while let Some(next) = below.pop() {
            self.close_channels(&next);
            self.forget_folder(&next);
            self.names.free(next.manifest.register.as_ref(), next.id);
            self.registry.remove(&next.id);
            next.exits.close();
            below.extend(std::mem::take(&mut next.core().children).into_values());
        }
        match &entry.parent {
            Some(parent) => {
                let mut core = parent.core();
                core.children.remove(&entry.place);
                core.retention.forget(entry.place);
                // A supervisor takes every exit sooner or later, and must not miss one.
                if untaken == Untaken::Forgotten || !parent.manifest.supervises() {
                    parent.exits.forget(entry.id);
                }
            }
            None => {
                let mut roots = lock(&self.roots);
                roots.children.remove(&entry.place);
                roots.retention.forget(entry.place);
                self.root_exits.forget(entry.id);
            }
        }
    }
}

/// What becomes of the exits of an actor without a record that nobody has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untaken {
    Forgotten,
    /// Where somebody will take them.
    Kept,
}

/// A first start that failed leaves no record.
pub(super) struct Unregister<'a> {
    inner: &'a Arc<Inner>,
    entry: Option<Arc<Entry>>,
}

impl<'a> Unregister<'a> {
    pub(super) fn new(inner: &'a Arc<Inner>, entry: &Arc<Entry>) -> Self {
        Self { inner, entry: Some(Arc::clone(entry)) }
    }

    pub(super) fn keep(mut self) {
        self.entry = None;
    }
}

impl Drop for Unregister<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.inner.unregister(&entry, Untaken::Forgotten);
        }
    }
}

/// A start that nobody waits for any more must leave nothing running.
struct KillOnDrop(Option<Arc<LifeControl>>);

impl KillOnDrop {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(control) = self.0.take() {
            control.kill(ExitReason::Killed);
        }
    }
}

fn start_error(inner: &Inner, reason: ExitReason) -> ActorError {
    let no_room = InstantiateError::NoRoom.to_string();
    let no_large_room = InstantiateError::NoLargeRoom.to_string();
    match reason {
        ExitReason::StartFailed { error } if error == no_room => {
            LimitError::Actors { limit: u64::from(inner.engine.max_actors()) }.into()
        }
        ExitReason::StartFailed { error } if error == no_large_room => {
            LimitError::LargeActors { limit: u64::from(inner.engine.max_large_actors()) }.into()
        }
        reason => ActorError::StartFailed { reason },
    }
}

/// BLAKE3 of a manifest's text; for one that stands in another, of that one's text and its place in it.
fn manifest_digest(loaded: &LoadedManifest, sources: &Sources) -> String {
    let Some(within) = &loaded.within else { return sources.manifest.to_string() };
    let mut hasher = blake3::Hasher::new();
    hasher.update(loaded.text.as_bytes()).update(b"\0").update(within.as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn check_handlers(loaded: &LoadedManifest) -> Result<(), ManifestError> {
    match loaded.manifest.handlers.iter().find(|handler| !host::provides(handler.kind)) {
        None => Ok(()),
        Some(handler) => {
            let name = handler.kind.name();
            if let Some(feature) = host::feature_of(handler.kind) {
                let kind = ManifestErrorKind::HandlerNeedsFeature { handler: name, feature };
                return Err(ManifestError::new(&*loaded.origin, kind).at_line(handler.line));
            }
            let provided: Vec<_> = HandlerKind::ALL
                .into_iter()
                .filter(|kind| host::provides(*kind))
                .map(HandlerKind::name)
                .collect();
            let provided = provided.join(", ");
            let kind = ManifestErrorKind::HandlerNotProvided { handler: name, provided };
            Err(ManifestError::new(&*loaded.origin, kind).at_line(handler.line))
        }
    }
}

/// A significant child must be able to end its supervisor. For declared children this is known before anything starts;
/// here it is for those that are spawned.
fn check_significant(
    parent: &Manifest,
    loaded: &LoadedManifest,
    spec: ChildSpec,
) -> Result<(), ManifestError> {
    let never = parent.supervision.auto_shutdown == AutoShutdown::Never;
    if spec.significant && never && parent.supervises() {
        return Err(ManifestError::new(&*loaded.origin, SupervisionRule::SignificantNever.into()));
    }
    Ok(())
}

pub(super) fn first_start(resolved: &Resolved, start: StartFrom) -> Result<Start, ActorError> {
    let initial = resolved.initial.clone();
    let start = match start {
        StartFrom::Init(given) => Start::Init(merge(initial, given)),
        StartFrom::State(Some(state)) => Start::State(Some(state)),
        StartFrom::State(None) => Start::Init(initial),
    };
    check_state(&resolved.loaded, start.state())?;
    Ok(start)
}

/// A life does not begin from a state that it could not return.
fn check_state(loaded: &LoadedManifest, state: Option<&Bytes>) -> Result<(), ActorError> {
    let limit = loaded.manifest.limits.state;
    match state.map(|state| state.len() as u64).filter(|size| *size > limit) {
        Some(size) => Err(LimitError::State { size, limit }.into()),
        None => Ok(()),
    }
}

/// The initial state of the manifest with what the parent gave: two JSON objects are merged, one level deep, the
/// parent's keys winning; anything else replaces.
fn merge(initial: Option<Bytes>, given: Option<Bytes>) -> Option<Bytes> {
    let (initial, given) = match (initial, given) {
        (Some(initial), Some(given)) => (initial, given),
        (initial, given) => return given.or(initial),
    };
    let object =
        |bytes: &[u8]| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes).ok();
    match (object(&initial), object(&given)) {
        (Some(mut merged), Some(given)) => {
            merged.extend(given);
            Some(serde_json::Value::Object(merged).to_string().into())
        }
        _ => Some(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<Bytes> {
        Some(Bytes::from(text.to_owned()))
    }

    #[test]
    fn two_json_objects_are_merged_and_anything_else_replaces() {
        assert_eq!(merge(bytes(r#"{"a":1,"b":2}"#), bytes(r#"{"b":3}"#)), bytes(r#"{"a":1,"b":3}"#));
        assert_eq!(merge(bytes(r#"{"a":1}"#), bytes("5")), bytes("5"));
        assert_eq!(merge(bytes("x"), None), bytes("x"));
        assert_eq!(merge(None, bytes("y")), bytes("y"));
        assert_eq!(merge(None, None), None);
    }
}
