//! WASI 0.2, for components that ordinary toolchains build: `wasmtime-wasi`, with what a guest can observe recorded.
//!
//! A guest sees clocks and random numbers, the variables and the folder that it is granted, has its output in its log, and otherwise
//! an empty world: no arguments, no input, no network. What is always the same is not recorded; everything else is, so that a life
//! can be run again from its chain. The table in docs/manifest.md has every function.

mod clocks;
mod define;
mod environment;
mod filesystem;
mod output;
mod poll;
mod random;
mod streams;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use crate::store::ActorStore;
use filesystem::{Count, Streams};
pub(crate) use filesystem::{Entry, Failure, Stat};
use output::{Output, Stream};

/// The interfaces, as people read them.
pub(crate) const INTERFACES: &str = "wasi:{cli,clocks,filesystem,io,random,sockets}@0.2";

/// The interfaces that are linked, as imports name them, without their version.
const LINKED: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Whether an import is one of those that are linked here, of whichever 0.2: they are compatible.
pub(crate) fn provides(import: &str) -> bool {
    let Some((interface, version)) = import.split_once("@0.2.") else { return false };
    LINKED.contains(&interface) && version.parse::<u32>().is_ok()
}

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    // These take the places of the functions whose answers differ from one time to the next.
    clocks::add_to_linker(linker)?;
    random::add_to_linker(linker)?;
    poll::add_to_linker(linker)?;
    environment::add_to_linker(linker)?;
    filesystem::add_to_linker(linker)?;
    streams::add_to_linker(linker)
}

/// What a guest is told that writes more than a stream takes.
const TOO_MUCH: &str = "wrote more to a stream than check-write had allowed";

/// Two numbers for a guest, of what was hashed.
fn two_words(hasher: &blake3::Hasher) -> (u64, u64) {
    let mut words = [[0; 8]; 2];
    let mut stream = hasher.finalize_xof();
    words.iter_mut().for_each(|word| stream.fill(word));
    (u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1]))
}

/// Things that a guest may hold at a time: streams, waits, errors.
const MAX_RESOURCES: usize = 10_000;

/// The WASI world of one instance.
pub(crate) struct Wasi {
    ctx: WasiCtx,
    table: ResourceTable,
    output: Output,
    /// The latest time that the guest was told: no later one is before it, also where a record told it.
    latest: u64,
    /// The streams of files.
    streams: Streams,
    /// The files and folders that are open.
    open: Count,
}

impl std::fmt::Debug for Wasi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wasi").finish_non_exhaustive()
    }
}

impl Wasi {
    /// A world with nothing in it but clocks and an output.
    fn new(clock: Monotonic) -> Self {
        let output = Output::default();
        let ctx = WasiCtx::builder()
            .stdout(Stream::stdout(&output))
            .stderr(Stream::stderr(&output))
            .wall_clock(Resolution)
            .monotonic_clock(clock)
            // A socket is refused before there is one, and a name before it is looked up.
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        Self { ctx, table, output, latest: 0, streams: Streams::default(), open: Count::default() }
    }
}

/// A clock that goes on from the time of day at which a life begins: what a guest kept of an earlier life is not in its future.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Monotonic {
    /// Nanoseconds since the Unix epoch.
    base: u64,
    begun: Instant,
}

impl Monotonic {
    pub(super) fn begin(base: u64) -> Self {
        Self { base, begun: Instant::now() }
    }
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        let elapsed = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.base.saturating_add(elapsed)
    }
}

/// Says that the clock of the day counts nanoseconds on every machine. What it says otherwise is the runtime's clock's to say.
struct Resolution;

impl HostWallClock for Resolution {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl WasiView for ActorStore {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi();
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut wasi.table }
    }
}

impl ActorStore {
    /// The world, made when it is first used.
    fn wasi(&mut self) -> &mut Wasi {
        // A call that is run again is told no time but the recorded ones.
        let clock = self.services().and_then(|services| services.wasi).map(|(_, clock)| clock);
        let wasi = self.wasi.get_or_insert_with(|| {
            Box::new(Mutex::new(Wasi::new(clock.unwrap_or_else(|| Monotonic::begin(0)))))
        });
        wasi.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{ActorEngine, EngineConfig};

    #[test]
    fn the_reference_says_of_every_interface_what_a_guest_gets_and_whether_it_is_recorded() {
        let page = include_str!("../../../docs/manifest.md");
        let section = page.split("### WASI").nth(1).and_then(|rest| rest.split("###").next()).unwrap();
        for interface in LINKED {
            let name = interface.trim_start_matches("wasi:");
            let named = |end: &str| section.contains(&format!("`{name}{end}"));
            assert!(named("`") || named("."), "docs/manifest.md lacks {name}");
        }
    }

    #[test]
    fn every_interface_is_linked_whichever_0_2_a_component_imports() {
        let engine = ActorEngine::new(&EngineConfig { max_actors: 1, ..EngineConfig::default() }).unwrap();
        let mut linker = Linker::<ActorStore>::new(engine.wasmtime());
        linker.allow_shadowing(true);
        add_to_linker(&mut linker).unwrap();
        for version in 0..=13 {
            let imports =
                LINKED.map(|interface| format!("(import \"{interface}@0.2.{version}\" (instance))"));
            let component = wat::parse_str(format!("(component {})", imports.concat())).unwrap();
            let component = wasmtime::component::Component::new(engine.wasmtime(), component).unwrap();
            linker.instantiate_pre(&component).unwrap_or_else(|error| panic!("0.2.{version}: {error:#}"));
            assert!(LINKED.iter().all(|interface| provides(&format!("{interface}@0.2.{version}"))));
        }
        for other in [
            "wasi:http/types@0.2.0",
            "wasi:cli/stdout@0.3.0",
            "wasi:cli/stdout",
            "wasi:clocks/timezone@0.2.0",
        ] {
            assert!(!provides(other), "{other}");
        }
    }
}
