//! The wasmtime engine, set up once for everybody who runs actors on it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::Component;
use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How the engine is sized. All sizes are limits; memory is used only as actors use it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EngineConfig {
    /// Actors that may live at a time. Default 1,000, or less where the kernel's `vm.max_map_count` allows less.
    ///
    /// Each takes about 32 MiB above 4 GiB of address space, and six memory maps: beyond about 10,000 raise
    /// `vm.max_map_count`.
    pub max_actors: u32,
    /// The largest memory that a manifest may allow, in bytes. Default 256 MiB.
    pub max_memory: u64,
    /// Actors with large components that may live at a time. Default 32.
    ///
    /// A component above 4 MiB, or that needs more tables or instances than others, as those with a whole interpreter in them do, is
    /// not held in a place of the pool: it gets its memory from the system when it starts.
    pub max_large_actors: u32,
    /// The folder in which compiled components are kept for other processes, and for later ones. Absolute, and made if it is not there.
    /// Default none: each process compiles what it runs, which takes seconds for a component with an interpreter in it.
    ///
    /// What is in it is run as it is: nobody else may be able to write there. It is kept below 512 MiB, the least used goes first.
    #[cfg(feature = "compile-cache")]
    pub compile_cache: Option<std::path::PathBuf>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            max_actors: 1_000,
            max_memory: 256 << 20,
            max_large_actors: 32,
            #[cfg(feature = "compile-cache")]
            compile_cache: None,
        }
    }
}

/// The largest component, in bytes, that is tried in the pool first.
const SMALL: usize = 4 << 20;

/// One epoch tick: the grain at which guests are preempted and their processor time is counted.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Memory maps that the rest of the process may need.
const SPARE_MAPS: u64 = 5_000;
/// Memory maps of one live actor: its memory, its tables and its stack with their guards.
const MAPS_PER_ACTOR: u64 = 6;
/// The same of one that is not in the pool, whose components have more memories and tables.
const MAPS_PER_LARGE_ACTOR: u64 = 12;

/// An engine that runs actors: pooled instances, images copied on write, a clock that preempts.
///
/// Cheap to clone. The clock's thread ends with the last clone.
#[derive(Clone)]
pub struct ActorEngine {
    pooled: Engine,
    large: Engine,
    large_places: Arc<Semaphore>,
    max_actors: u32,
    max_large_actors: u32,
    max_memory: u64,
    _ticker: Arc<Ticker>,
}

/// A compiled component, and where its instances live. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Compiled {
    pub(crate) component: Component,
    /// What bounds how many there are, where the pool does not.
    pub(crate) places: Option<Arc<Semaphore>>,
}

impl std::fmt::Debug for ActorEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorEngine").field("max_actors", &self.max_actors).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("places", &self.places).finish_non_exhaustive()
    }
}

/// The engine could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("could not set up the WebAssembly engine for {max_actors} actors: {source:#}")]
#[non_exhaustive]
pub struct EngineError {
    /// How many actors it was to run.
    pub max_actors: u32,
    source: wasmtime::Error,
}

impl ActorEngine {
    /// Sets up an engine.
    ///
    /// # Errors
    /// If the machine does not give the address space, or is not supported, or the folder for compiled components cannot be used.
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let max_actors = config.max_actors.min(actors_by_memory_maps(config.max_large_actors)).max(1);
        let failed = |source| EngineError { max_actors, source };
        let engines = [pooled(max_actors, config.max_memory), on_demand()];
        #[cfg(feature = "compile-cache")]
        let engines = cached(config.compile_cache.as_deref(), engines).map_err(failed)?;
        let [pooled, large] = engines;
        let pooled = Engine::new(&pooled).map_err(failed)?;
        let large = Engine::new(&large).map_err(failed)?;
        let engines = [pooled.weak(), large.weak()];
        let ticker = Ticker::start(engines).map_err(|error| failed(wasmtime::Error::from(error)))?;
        let large_places = Arc::new(Semaphore::new(config.max_large_actors as usize));
        let (max_large_actors, max_memory) = (config.max_large_actors, config.max_memory);
        let ticker = Arc::new(ticker);
        Ok(Self { pooled, large, large_places, max_actors, max_large_actors, max_memory, _ticker: ticker })
    }

    /// Compiles a component for the pool, or where it is too large for that, to be held outside of it.
    pub(crate) fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Compiled> {
        let outside = || {
            let component = Component::new(&self.large, bytes)?;
            Ok(Compiled { component, places: Some(Arc::clone(&self.large_places)) })
        };
        if bytes.len() > SMALL {
            return outside();
        }
        match Component::new(&self.pooled, bytes) {
            Ok(component) => Ok(Compiled { component, places: None }),
            // What is wrong with the component itself is wrong here too.
            Err(error) => outside().map_err(|_| error),
        }
    }

    /// The engine itself: the one that holds its instances in a pool.
    #[must_use]
    pub fn wasmtime(&self) -> &Engine {
        &self.pooled
    }

    /// How many actors it runs at a time.
    #[must_use]
    pub fn max_actors(&self) -> u32 {
        self.max_actors
    }

    /// How many actors with large components it runs at a time, besides the others.
    #[must_use]
    pub fn max_large_actors(&self) -> u32 {
        self.max_large_actors
    }

    /// The largest memory of one actor, in bytes.
    #[must_use]
    pub fn max_memory(&self) -> u64 {
        self.max_memory
    }
}

fn pooled(max_actors: u32, max_memory: u64) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // A component made by the usual tools has three core instances and two tables.
    pool.total_component_instances(max_actors)
        .total_core_instances(max_actors.saturating_mul(4))
        .total_tables(max_actors.saturating_mul(2))
        .total_memories(max_actors)
        // An idle store keeps the stack of its last call.
        .total_stacks(max_actors)
        .max_memory_size(usize::try_from(max_memory).unwrap_or(usize::MAX))
        .max_core_instance_size(256 << 10)
        // Guests linked with a small stack at the bottom of their memory are cleaned by this alone.
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(16 << 10)
        .max_unused_warm_slots(256);
    let mut config = common();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .async_stack_size(512 << 10)
        .max_wasm_stack(256 << 10);
    config
}

/// For components with an interpreter, which take deep stacks.
fn on_demand() -> Config {
    let mut config = common();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .async_stack_size(4 << 20)
        .max_wasm_stack(2 << 20);
    config
}

fn common() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_init_cow(true)
        // Explicit, because another crate may turn the feature on: it makes every call several times as dear.
        .concurrency_support(false)
        // What a guest computes must not depend on the machine, or a recorded life could not be run again.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    config
}

/// The same engines, with a folder for compiled components that nobody else may enter if it is made here.
#[cfg(feature = "compile-cache")]
fn cached<const N: usize>(
    folder: Option<&std::path::Path>,
    mut engines: [Config; N],
) -> wasmtime::Result<[Config; N]> {
    let Some(folder) = folder else { return Ok(engines) };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let mut settings = wasmtime::CacheConfig::new();
    settings.with_directory(folder);
    let cache = wasmtime::Cache::new(settings)?;
    for engine in &mut engines {
        engine.cache(Some(cache.clone()));
    }
    Ok(engines)
}

/// At the limit of memory maps the whole process breaks, not just one spawn, so the pool stays below it, and leaves room for the
/// actors beside it.
fn actors_by_memory_maps(large: u32) -> u32 {
    let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    match maps {
        Some(maps) => {
            let taken = SPARE_MAPS + u64::from(large) * MAPS_PER_LARGE_ACTOR;
            u32::try_from(maps.saturating_sub(taken) / MAPS_PER_ACTOR).unwrap_or(u32::MAX)
        }
        None => u32::MAX,
    }
}

/// The thread that advances the engines' epochs.
struct Ticker {
    stop: std::sync::mpsc::Sender<()>,
}

impl Ticker {
    fn start(engines: [EngineWeak; 2]) -> std::io::Result<Self> {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::Builder::new().name("theater-epoch".to_owned()).spawn(move || {
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                for engine in &engines {
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // An error means that the thread has ended already.
        let _ = self.stop.send(());
    }
}
