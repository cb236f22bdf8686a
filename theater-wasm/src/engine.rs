//! The wasmtime engine, set up once for everybody who runs actors on it.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

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
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { max_actors: 1_000, max_memory: 256 << 20 }
    }
}

/// One epoch tick: the grain at which guests are preempted and their processor time is counted.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Memory maps that the rest of the process may need.
const SPARE_MAPS: u64 = 5_000;
/// Memory maps of one live actor: its memory, its tables and its stack with their guards.
const MAPS_PER_ACTOR: u64 = 6;

/// An engine that runs actors: pooled instances, images copied on write, a clock that preempts.
///
/// Cheap to clone. The clock's thread ends with the last clone.
#[derive(Clone)]
pub struct ActorEngine {
    engine: Engine,
    max_actors: u32,
    max_memory: u64,
    _ticker: Arc<Ticker>,
}

impl std::fmt::Debug for ActorEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorEngine").field("max_actors", &self.max_actors).finish_non_exhaustive()
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
    /// If the machine does not give the address space, or is not supported.
    pub fn new(config: &EngineConfig) -> Result<Self, EngineError> {
        let max_actors = config.max_actors.min(actors_by_memory_maps()).max(1);
        let failed = |source| EngineError { max_actors, source };
        let engine = Engine::new(&wasmtime_config(max_actors, config.max_memory)).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(|error| failed(wasmtime::Error::from(error)))?;
        Ok(Self { engine, max_actors, max_memory: config.max_memory, _ticker: Arc::new(ticker) })
    }

    /// The engine itself.
    #[must_use]
    pub fn wasmtime(&self) -> &Engine {
        &self.engine
    }

    /// How many actors it runs at a time.
    #[must_use]
    pub fn max_actors(&self) -> u32 {
        self.max_actors
    }

    /// The largest memory of one actor, in bytes.
    #[must_use]
    pub fn max_memory(&self) -> u64 {
        self.max_memory
    }
}

fn wasmtime_config(max_actors: u32, max_memory: u64) -> Config {
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
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .memory_init_cow(true)
        .async_stack_size(512 << 10)
        .max_wasm_stack(256 << 10)
        // Explicit, because another crate may turn the feature on: it makes every call several times as dear.
        .concurrency_support(false)
        // What a guest computes must not depend on the machine, or a recorded life could not be run again.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    config
}

/// At the limit of memory maps the whole process breaks, not just one spawn, so the pool stays below it.
fn actors_by_memory_maps() -> u32 {
    let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    match maps {
        Some(maps) => u32::try_from(maps.saturating_sub(SPARE_MAPS) / MAPS_PER_ACTOR).unwrap_or(u32::MAX),
        None => u32::MAX,
    }
}

/// The thread that advances the engine's epoch.
struct Ticker {
    stop: std::sync::mpsc::Sender<()>,
}

impl Ticker {
    fn start(engine: &Engine) -> std::io::Result<Self> {
        let weak = engine.weak();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::Builder::new().name("theater-epoch".to_owned()).spawn(move || {
            while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
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
