//! The settings of a runtime.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use dashmap::DashMap;
use theater_chain::{ChainStore, MemoryStore};
use theater_core::{ActorId, ExitQueue, ManifestSource};
use tokio::sync::broadcast;

use super::{Inner, WasmRuntime, system_clock};
use crate::component::ComponentCache;
use crate::content::{ContentStore, MemoryContents};
use crate::engine::{ActorEngine, EngineConfig, EngineError};
use crate::folder::Folders;
use crate::host::services::Provider;

/// The settings of a runtime that are not an actor's own.
#[derive(Clone)]
#[non_exhaustive]
pub struct RuntimeConfig {
    /// How long a tree may take to end in [`WasmRuntime::shutdown`] before the rest of it is killed. Default 10 s.
    pub shutdown_deadline: Duration,
    /// How long the children of an actor that ended itself may take before the rest of them is killed. Default 10 s.
    pub orphan_deadline: Duration,
    /// Levels of a tree, the root's included. Default 64. A deeper spawn is refused.
    pub max_depth: u32,
    /// Ended children that a parent keeps the records of; of more, those that started first are reaped. Default 1,000.
    pub retained_children: usize,
    /// Events that may wait for a watcher. Default 4,096.
    pub watch_capacity: usize,
    /// Nanoseconds since the Unix epoch. Default: the system's clock.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Ids for new actors. Default: UUID version 7 from the clock and the system's randomness.
    pub ids: Arc<dyn Fn() -> ActorId + Send + Sync>,
    /// Calls of actors that are at work with files at a time, each on a thread of its own; others wait their turn, and nobody
    /// else for them. Default 16.
    pub file_calls: usize,
    /// Files and folders that guests of WASI have open at a time, all together; one more is refused as `quota`. Of these, one actor
    /// has 32 at most. Default 256.
    pub open_files: usize,
    /// Requests of actors to other hosts that are under way at a time; others wait their turn, within the time that they have.
    /// Default 64.
    #[cfg(feature = "http-client")]
    pub http_calls: usize,
    /// The environment variables that actors may be given. Default: the process's own, as they are when the settings are made.
    pub environment: Arc<BTreeMap<String, String>>,
    /// 32 bytes that make a chain's id unique. Default: the system's randomness.
    pub nonces: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
}

impl fmt::Debug for RuntimeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeConfig")
            .field("shutdown_deadline", &self.shutdown_deadline)
            .field("orphan_deadline", &self.orphan_deadline)
            .field("max_depth", &self.max_depth)
            .field("retained_children", &self.retained_children)
            .field("watch_capacity", &self.watch_capacity)
            .field("file_calls", &self.file_calls)
            .field("open_files", &self.open_files)
            .finish_non_exhaustive()
    }
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            shutdown_deadline: Duration::from_secs(10),
            orphan_deadline: Duration::from_secs(10),
            max_depth: 64,
            retained_children: 1_000,
            watch_capacity: 4_096,
            file_calls: 16,
            open_files: 256,
            #[cfg(feature = "http-client")]
            http_calls: 64,
            clock: Arc::new(system_clock),
            environment: Arc::new(process_environment()),
            ids: Arc::new(|| ActorId::from_parts(system_clock() / 1_000_000, random())),
            nonces: Arc::new(random),
        }
    }
}

/// The process's variables. What is not Unicode cannot be given to a guest.
fn process_environment() -> BTreeMap<String, String> {
    let variable =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(variable).collect()
}

/// Random bytes, at most 32: BLAKE3 of a counter under a key that the operating system gave once. Nobody without the key
/// can tell them from random ones, and a start needs no system call for them.
fn random<const N: usize>() -> [u8; N] {
    static KEY: LazyLock<[u8; 32]> = LazyLock::new(|| {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system provides randomness");
        key
    });
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let hash = blake3::keyed_hash(&KEY, &count.to_le_bytes());
    let mut bytes = [0; N];
    bytes.copy_from_slice(&hash.as_bytes()[..N]);
    bytes
}

/// Sets up a [`WasmRuntime`].
#[derive(Debug)]
pub struct RuntimeBuilder {
    source: Arc<dyn ManifestSource>,
    store: Option<Arc<dyn ChainStore>>,
    contents: Option<Arc<dyn ContentStore>>,
    folders: Option<PathBuf>,
    #[cfg(feature = "http-client")]
    http: Option<crate::http::Connector>,
    engine: Option<ActorEngine>,
    config: RuntimeConfig,
}

impl RuntimeBuilder {
    pub(super) fn new(source: Arc<dyn ManifestSource>) -> Self {
        Self {
            source,
            store: None,
            contents: None,
            folders: None,
            #[cfg(feature = "http-client")]
            http: None,
            engine: None,
            config: RuntimeConfig::default(),
        }
    }

    /// Keeps chains in this store. Default: in memory.
    #[must_use]
    pub fn chain_store(mut self, store: Arc<dyn ChainStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Keeps the contents that actors store in this one. Default: in memory, at most
    /// [`DEFAULT_CONTENT_LIMIT`](crate::DEFAULT_CONTENT_LIMIT) bytes.
    #[must_use]
    pub fn content_store(mut self, contents: Arc<dyn ContentStore>) -> Self {
        self.contents = Some(contents);
        self
    }

    /// Makes the folders here that actors get for themselves, each under the actor's id: `new_dir` of the handler
    /// `filesystem`. A folder stays across lives, and across ends of the process where its actor is brought back. It is
    /// removed when the record of its actor goes, which has ended for good then; what a process left of actors that are
    /// not brought back goes in [`WasmRuntime::revive`]. One process at a time may use a folder.
    ///
    /// Default: a temporary folder, which goes with the last clone of the runtime; a process that is killed leaves it.
    #[must_use]
    pub fn folders(mut self, path: impl Into<PathBuf>) -> Self {
        self.folders = Some(path.into());
        self
    }

    /// Who may vouch for the hosts that actors ask over `https:`. Default: the certificate authorities that Mozilla trusts.
    ///
    /// # Errors
    /// If these are no certificates.
    #[cfg(feature = "http-client")]
    pub fn http_roots(mut self, roots: &crate::TlsRoots) -> Result<Self, crate::InvalidRoots> {
        self.http = Some(crate::http::Connector::new(roots)?);
        Ok(self)
    }

    /// Runs actors on this engine, which several runtimes may share. Default: one of its own.
    #[must_use]
    pub fn engine(mut self, engine: ActorEngine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Changes settings.
    #[must_use]
    pub fn config(mut self, change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Makes the runtime.
    ///
    /// # Errors
    /// If the engine cannot be set up.
    pub fn build(self) -> Result<WasmRuntime, EngineError> {
        let engine = match self.engine {
            Some(engine) => engine,
            None => ActorEngine::new(&EngineConfig::default())?,
        };
        let (events, _) = broadcast::channel(self.config.watch_capacity.max(1));
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        let provider = Provider {
            clock: Arc::clone(&self.config.clock),
            environment: Arc::clone(&self.config.environment),
            contents: self.contents.unwrap_or_else(|| Arc::new(MemoryContents::default())),
            folders: Arc::new(Folders::new(self.folders, self.config.file_calls, self.config.open_files)),
            #[cfg(feature = "http-client")]
            http: Arc::new(crate::http::Client::new(
                self.http.unwrap_or_else(crate::http::Connector::mozilla),
                self.config.http_calls,
            )),
        };
        Ok(WasmRuntime {
            inner: Arc::new_cyclic(|this| Inner {
                engine,
                components: ComponentCache::default(),
                source: self.source,
                store,
                config: self.config,
                registry: DashMap::default(),
                channels: super::channels::Channels::default(),
                names: super::names::Names::default(),
                provider,
                root_exits: ExitQueue::new(),
                roots: Mutex::default(),
                events,
                pacemaker: std::sync::OnceLock::new(),
                revival: Mutex::default(),
                held: tokio::sync::watch::Sender::new(false),
                this: this.clone(),
            }),
        })
    }
}
