//! `WasmRuntime`: actors as WebAssembly components on tokio tasks.

mod actor_runtime;
mod begin;
mod chain;
mod channels;
mod check;
mod config;
mod end;
mod entry;
mod folders;
mod growth;
mod life;
mod mailbox;
mod messages;
mod names;
mod observe;
mod past;
mod rerun;
mod retention;
mod revive;
mod seat;
mod spawn;

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use rustc_hash::FxBuildHasher;
use theater_chain::{AppendError, ChainStore, Lsn};
use theater_core::event::payload::{ChildAnchor, HostCall};
use theater_core::{
    ActorError, ActorHandle, ActorId, Authority, Bytes, Caller, ChainEvent, EventKind, ExitQueue, ExitReason,
    LimitError, ManifestSource,
};
use theater_supervisor::SupervisorHandle;
use tokio::sync::broadcast;

use crate::component::ComponentCache;
use crate::engine::ActorEngine;
use crate::host::services::Provider;
pub use check::CheckedActor;
pub use config::{RuntimeBuilder, RuntimeConfig};
use entry::Entry;
pub use growth::GrowthError;
pub(crate) use messages::Messenger;
pub use observe::{LifecycleEvent, LifecycleKind, LifecycleStream, Watched};
pub use rerun::{Rerun, RerunError};
pub use revive::{ReviveError, Revived, RevivedActor};

/// Runs actors that are WebAssembly components.
///
/// Cheap to clone; all clones are the same runtime. Dropping the last clone ends nothing: call
/// [`shutdown`](Self::shutdown). It must be used inside a tokio runtime with time enabled; with the feature `process`, with IO
/// enabled as well.
///
/// # Examples
/// ```no_run
/// use theater_core::{ActorRuntime, MapSource, SpawnRequest};
/// use theater_wasm::WasmRuntime;
///
/// # async fn example(component: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
/// let source = MapSource::new()
///     .with("app.toml", "name = \"app\"\ncomponent = \"app.wasm\"\n[[handlers]]\ntype = \"message-server\"")
///     .with("app.wasm", component);
/// let runtime = WasmRuntime::builder(source).build()?;
/// let app = runtime.spawn(SpawnRequest::new(None, "app.toml")).await?;
/// let answer = runtime.request(app.id, "hello").await?;
/// runtime.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WasmRuntime {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for WasmRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmRuntime").field("actors", &self.inner.registry.len()).finish_non_exhaustive()
    }
}

/// What all clones share.
pub(crate) struct Inner {
    engine: ActorEngine,
    components: ComponentCache,
    source: Arc<dyn ManifestSource>,
    store: Arc<dyn ChainStore>,
    config: RuntimeConfig,
    /// Ids are made here and not by guests, so nobody can choose them to collide: a fast hash will do.
    registry: DashMap<ActorId, Arc<Entry>, FxBuildHasher>,
    channels: channels::Channels,
    /// What host functions use.
    provider: Provider,
    names: names::Names,
    root_exits: ExitQueue,
    roots: std::sync::Mutex<entry::Roots>,
    events: broadcast::Sender<(Lsn, LifecycleEvent)>,
    pacemaker: OnceLock<()>,
    /// What is being brought back, until it is.
    revival: std::sync::Mutex<Option<revive::Revival>>,
    /// Whether messages wait until a whole tree is there.
    held: tokio::sync::watch::Sender<bool>,
    this: Weak<Inner>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl WasmRuntime {
    /// Starts the setup of a runtime that takes its manifests from `source`.
    #[must_use]
    pub fn builder(source: impl ManifestSource) -> RuntimeBuilder {
        RuntimeBuilder::new(Arc::new(source))
    }

    /// Sends a message to an actor, on behalf of the embedding program. Returns when it is in the mailbox, and that is durable.
    ///
    /// # Errors
    /// If it is not there: [`UnknownActor`](ActorError::UnknownActor), [`Ended`](ActorError::Ended),
    /// [`Limit`](ActorError::Limit), [`NoSuchExport`](ActorError::NoSuchExport).
    pub async fn send(&self, id: ActorId, message: impl Into<Bytes>) -> Result<(), ActorError> {
        self.inner.send(None, id, message.into())?;
        self.inner.told(id, ()).await
    }

    /// Asks an actor and waits for its answer, at most as long as the actor's `limits.host_deadline`, and until what led to the
    /// answer is durable.
    ///
    /// # Errors
    /// Those of [`send`](Self::send); [`Guest`](ActorError::Guest) if it answered with an error;
    /// [`Ended`](ActorError::Ended) if it ended meanwhile; [`NoReply`](ActorError::NoReply);
    /// [`DeadlineExceeded`](ActorError::DeadlineExceeded); [`Chain`](ActorError::Chain) if the chain store has failed.
    pub async fn request(&self, id: ActorId, message: impl Into<Bytes>) -> Result<Bytes, ActorError> {
        let answer = self.inner.request(None, id, message.into()).await?;
        self.inner.told(id, answer).await
    }

    /// A handle to an actor.
    #[must_use]
    pub fn handle(&self, id: ActorId) -> ActorHandle {
        ActorHandle::new(id, Arc::new(self.clone()))
    }

    /// The supervisor of an actor's current life: OTP's calls, for the embedding program.
    ///
    /// # Errors
    /// [`UnknownActor`](ActorError::UnknownActor); [`Ended`](ActorError::Ended) if it has no life;
    /// [`Unsupported`](ActorError::Unsupported) if it supervises nobody.
    pub fn supervisor(&self, id: ActorId) -> Result<SupervisorHandle, ActorError> {
        let entry = self.inner.find(id).ok_or(ActorError::UnknownActor { id })?;
        let core = entry.core();
        if let entry::Phase::Ended { reason, .. } = &core.phase {
            return Err(ActorError::Ended { id, reason: reason.clone() });
        }
        let handle = core.life.as_ref().and_then(|life| life.supervisor.get().cloned());
        handle.ok_or(ActorError::Unsupported { operation: "supervision by this actor" })
    }

    /// Watches what happens from now on.
    #[must_use]
    pub fn watch(&self) -> LifecycleStream {
        LifecycleStream::new(self.inner.events.subscribe(), Arc::clone(&self.inner.store))
    }

    /// The store that keeps the chains, those of ended and reaped actors too.
    #[must_use]
    pub fn chain_store(&self) -> &Arc<dyn ChainStore> {
        &self.inner.store
    }

    /// Ends all actors: roots latest first, each after its descendants. Nothing can be started afterwards.
    ///
    /// Every tree has [`RuntimeConfig::shutdown_deadline`]; what has not ended then is killed.
    pub async fn shutdown(&self) {
        self.inner.shutdown(theater_core::StopMode::Graceful(self.inner.config.shutdown_deadline)).await;
    }

    /// Ends all actors at once, without waiting for guest code.
    pub async fn kill(&self) {
        self.inner.shutdown(theater_core::StopMode::Kill).await;
    }
}

impl Drop for Inner {
    /// Parents know their children and children their parents: without this they would keep each other for ever.
    fn drop(&mut self) {
        for entry in &self.registry {
            entry.core().children.clear();
        }
    }
}

impl Inner {
    /// The runtime as its own users see it.
    fn outer(&self) -> WasmRuntime {
        WasmRuntime { inner: self.this.upgrade().expect("`self` is borrowed from the Arc") }
    }

    fn caller(&self, id: ActorId) -> Caller {
        Caller::new(id, Arc::new(self.outer()))
    }

    fn now(&self) -> u64 {
        (self.config.clock)()
    }

    /// Keeps one near timer in tokio's timer wheel. A deadline that is set while there is none nearer wakes the thread
    /// that waits for timers, a system call per request; behind this one it is only noted.
    fn start_pacemaker(&self) {
        self.pacemaker.get_or_init(|| {
            let this = self.this.clone();
            tokio::spawn(async move {
                while this.strong_count() > 0 {
                    tokio::time::sleep(PACE).await;
                }
            });
        });
    }

    /// The entry of an actor. The registry's guard ends with the statement.
    fn find(&self, id: ActorId) -> Option<Arc<Entry>> {
        self.registry.get(&id).map(|entry| Arc::clone(&entry))
    }

    /// The entry of an actor on which `by` may act.
    fn target(&self, by: Authority, id: ActorId) -> Result<Arc<Entry>, ActorError> {
        // A parent never changes, so having it is being allowed for good.
        self.find(id).filter(|entry| by.covers(entry.parent_id())).ok_or_else(|| by.refusal(id))
    }

    /// Appends to an actor's chain, and tells the watchers what they want to know of it. `keep` takes what the caller
    /// needs of the event.
    fn append<T>(
        &self,
        entry: &Entry,
        kind: EventKind,
        payload: Bytes,
        keep: impl FnOnce(&ChainEvent) -> T,
    ) -> Result<T, ActorError> {
        let (size, limit) = (payload.len() as u64, entry.limits().event);
        if size > limit {
            return Err(LimitError::Event { size, limit }.into());
        }
        self.append_unlimited(entry, kind, payload, keep)
            .map_err(|error| ActorError::Chain { id: entry.id, source: Arc::new(error) })
    }

    /// The same without a bound, for what no guest has a part in.
    fn append_unlimited<T>(
        &self,
        entry: &Entry,
        kind: EventKind,
        payload: Bytes,
        keep: impl FnOnce(&ChainEvent) -> T,
    ) -> Result<T, AppendError> {
        let watched =
            matches!(kind, EventKind::LOG | EventKind::SUPERVISION) && self.events.receiver_count() > 0;
        let shown = watched.then(|| payload.clone());
        let size = payload.len() as u64;
        let kept = entry.chain.append(kind, payload, || self.now(), keep)?;
        warn_of_growth(entry, size);
        if let Some(payload) = shown {
            self.tell_recorded(entry, kind, payload);
        }
        Ok(kept)
    }

    fn tell_recorded(&self, entry: &Entry, kind: EventKind, payload: Bytes) {
        let kind = if kind == EventKind::SUPERVISION {
            LifecycleKind::Supervision { payload }
        } else {
            match theater_core::event::payload::decode::<HostCall>(&payload) {
                Ok(HostCall::Called { data: Some(data), .. }) => {
                    LifecycleKind::Log { message: String::from_utf8_lossy(&data).into_owned() }
                }
                _ => return,
            }
        };
        self.tell(entry, kind);
    }

    /// Tells the watchers. A slow one loses events and is told so; nobody waits for it.
    fn tell(&self, entry: &Entry, kind: LifecycleKind) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let incarnation = entry.core().incarnation;
        let event = LifecycleEvent {
            actor: entry.id,
            name: entry.manifest.name.clone(),
            child_id: entry.child_id.clone(),
            parent: entry.parent_id(),
            incarnation,
            time: self.now(),
            kind,
        };
        // It stands on a chain already, so what the store has taken so far covers it. An error means that the last
        // watcher has just gone.
        let _ = self.events.send((self.store.accepted(), event));
    }

    /// Waits until everything that an answer to the outside can be about is durable.
    async fn told<T>(&self, id: ActorId, answer: T) -> Result<T, ActorError> {
        let accepted = self.store.accepted();
        // Where nothing has to be waited for there need be no future, which is a boxed one.
        if self.store.durable().is_ok_and(|durable| durable >= accepted) {
            return Ok(answer);
        }
        match self.store.until_durable(accepted).await {
            Ok(()) => Ok(answer),
            Err(failed) => Err(ActorError::Chain { id, source: Arc::new(failed) }),
        }
    }

    /// Writes where a child's chain is into its parent's chain: the tree anchors itself.
    fn anchor(&self, child: &Entry, kind: EventKind, reason: Option<&ExitReason>) {
        let Some(parent) = &child.parent else { return };
        let anchor = ChildAnchor {
            incarnation: child.core().incarnation,
            reason: reason.map(|reason| reason.name().to_owned()),
            anchor: child.chain.anchor(),
        };
        if let Err(error) = self.append(parent, kind, theater_core::event::payload::encode(&anchor), |_| ()) {
            // The parent's own next event will fail as well, and ends it.
            tracing::error!(actor = %parent.id, child = %child.id, %error, "could not anchor a child's chain");
        }
    }
}

/// Says once when a chain has got as long as its manifest wants to be warned of.
fn warn_of_growth(entry: &Entry, added: u64) {
    let limits = &entry.manifest.chain;
    if limits.warn_events.is_none() && limits.warn_bytes.is_none() {
        return;
    }
    let (events, bytes) = entry.chain.totals();
    let crossed =
        |limit: Option<u64>, before: u64, now: u64| limit.is_some_and(|at| before < at && at <= now);
    if crossed(limits.warn_events, events - 1, events) || crossed(limits.warn_bytes, bytes - added, bytes) {
        tracing::warn!(actor = %entry.id, name = %entry.manifest.name, events, bytes, "the event chain grows");
    }
}

/// How near the nearest timer is kept.
const PACE: Duration = Duration::from_millis(20);

/// The system's clock, in nanoseconds since the Unix epoch.
fn system_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
