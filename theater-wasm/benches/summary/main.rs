//! Processor time per operation, and its ratio to a floor measured in the same run with bare wasmtime, blake3 and tokio.
//!
//! `cargo bench -p theater-wasm --bench summary`. Rounds of both sides alternate; the median ratio of the rounds is what
//! counts, because a shared machine changes its speed from one minute to the next. Takes about half a minute.

mod floors;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ProcessTime;
use floors::{Bare, echo_task, hash_events};
use theater_core::{
    ActorId, ActorRuntime, Authority, EventRange, MapSource, RestartFrom, SpawnRequest, StopMode,
};
use theater_wasm::{ActorEngine, EngineConfig, WasmRuntime};
use tokio::sync::oneshot;

const ROUNDS: usize = 15;
const MESSAGE: &[u8] = &[b'm'; 64];

/// Processor time per operation, floor and ours, in one round.
struct Round {
    floor: Duration,
    ours: Duration,
}

struct Row {
    what: &'static str,
    bar: f64,
    rounds: Vec<Round>,
}

impl Row {
    fn print(&mut self) {
        let median = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let mut ratios: Vec<_> =
            self.rounds.iter().map(|r| r.ours.as_secs_f64() / r.floor.as_secs_f64()).collect();
        let mut floor: Vec<_> = self.rounds.iter().map(|r| r.floor.as_secs_f64() * 1e6).collect();
        let mut ours: Vec<_> = self.rounds.iter().map(|r| r.ours.as_secs_f64() * 1e6).collect();
        let ratio = median(&mut ratios);
        println!(
            "{:<44} {:>9.2} {:>9.2} {:>7.2} [{:.2}..{:.2}]  <= {:.1}  {}",
            self.what,
            median(&mut floor),
            median(&mut ours),
            ratio,
            ratios[0],
            ratios[ratios.len() - 1],
            self.bar,
            if ratio <= self.bar { "ok" } else { "ABOVE" },
        );
    }
}

/// Processor time of `work` per operation. The epoch thread's share is in both sides alike.
async fn measure<F: Future<Output = ()>>(operations: u32, work: impl FnOnce(u32) -> F) -> Duration {
    let start = ProcessTime::now();
    work(operations).await;
    start.elapsed() / operations
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        println!("summary: measured in release mode only, see its documentation");
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/components/ping.wasm");
    let component = std::fs::read(path).expect("the ping component is checked in");
    let engine = ActorEngine::new(&EngineConfig::default()).expect("an engine");
    let bare = Bare::new(&engine, &component);

    println!(
        "{:<44} {:>9} {:>9} {:>7}",
        "processor time per operation, median", "floor us", "ours us", "ratio"
    );
    // On one thread the figures are the work itself. On two, waking the other thread comes on top of both sides.
    let mut one = tokio::runtime::Builder::new_current_thread();
    let mut two = tokio::runtime::Builder::new_multi_thread();
    for (name, builder) in [("one thread", &mut one), ("two threads", two.worker_threads(2))] {
        let tokio = builder.enable_all().build().expect("a tokio runtime");
        let measured = tokio.block_on(async {
            // On a worker, like every task of a program that uses this.
            let (engine, bare, component) = (engine.clone(), bare.clone(), component.clone());
            tokio::spawn(async move { rounds(engine, bare, component).await }).await
        });
        println!("{name}");
        measured.expect("the rounds end").iter_mut().for_each(Row::print);
    }
}

async fn rounds(engine: ActorEngine, bare: Bare, component: Vec<u8>) -> [Row; 3] {
    let manifest = "name = \"ping\"\ncomponent = \"ping.wasm\"\n[[handlers]]\ntype = \"message-server\"\n";
    let source = MapSource::new().with("ping.toml", manifest).with("ping.wasm", component);
    let runtime = WasmRuntime::builder(source)
        .engine(engine)
        .config(|config| config.retained_children = 100)
        .build()
        .expect("a runtime");
    // Warm slots and caches on both sides.
    spawn_ours(&runtime, 200).await;
    spawn_floor(&bare, 200).await;
    let mut rows = [
        Row { what: "  spawn, init, stop", bar: 2.0, rounds: Vec::new() },
        Row { what: "  request round trip with its two events", bar: 2.0, rounds: Vec::new() },
        Row { what: "  trap to running again", bar: 2.0, rounds: Vec::new() },
    ];
    let actor = spawn(&runtime).await;
    request_ours(&runtime, actor, 1).await;
    let chain = runtime.events(Authority::Operator, actor, EventRange::ALL).await.expect("it has a chain");
    // The call and the return of that request, as they are recorded.
    let payloads: Vec<_> = chain[chain.len() - 2..].iter().map(|event| event.payload.to_vec()).collect();
    for _ in 0..ROUNDS {
        rows[0].rounds.push(Round {
            floor: measure(2_000, |n| spawn_floor(&bare, n)).await,
            ours: measure(2_000, |n| spawn_ours(&runtime, n)).await,
        });
        let call = measure(20_000, |n| call_floor(&bare, n)).await;
        let hash = measure(20_000, |n| hash_floor(&payloads, n)).await;
        let channel = measure(20_000, channel_floor).await;
        rows[1].rounds.push(Round {
            floor: call + hash + channel,
            ours: measure(20_000, |n| request_ours(&runtime, actor, n)).await,
        });
        rows[2].rounds.push(Round {
            floor: measure(1_000, |n| trap_floor(&bare, n)).await,
            ours: measure(1_000, |n| trap_ours(&runtime, n)).await,
        });
    }
    runtime.shutdown().await;
    rows
}

async fn spawn(runtime: &WasmRuntime) -> ActorId {
    runtime.spawn(SpawnRequest::new(None, "ping.toml")).await.expect("it starts").id
}

/// What `spawn` and `stop` say, on bare tokio: an answer after `init`, a life that goes on, an end that is waited for.
async fn spawn_floor(bare: &Bare, n: u32) {
    for _ in 0..n {
        let bare = bare.clone();
        let (started, running) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let life = tokio::spawn(async move {
            let mut actor = bare.instantiate().await;
            actor.init().await;
            started.send(()).expect("somebody waits");
            stopped.await.expect("somebody stops it");
        });
        running.await.expect("it starts");
        stop.send(()).expect("it runs");
        life.await.expect("it ends");
    }
}

async fn spawn_ours(runtime: &WasmRuntime, n: u32) {
    for _ in 0..n {
        let id = spawn(runtime).await;
        runtime
            .stop(Authority::Operator, id, StopMode::Graceful(Duration::from_secs(1)))
            .await
            .expect("it stops");
    }
}

async fn call_floor(bare: &Bare, n: u32) {
    let mut actor = bare.instantiate().await;
    actor.init().await;
    for _ in 0..n {
        assert!(actor.message(MESSAGE, true).await);
    }
}

async fn hash_floor(payloads: &[Vec<u8>], n: u32) {
    let key = blake3::Hasher::new_derive_key("theater bench");
    let mut head = [0; 32];
    for _ in 0..n {
        head = hash_events(&key, black_box(payloads), head);
    }
    black_box(head);
}

async fn channel_floor(n: u32) {
    let echo = echo_task();
    let message: Arc<[u8]> = MESSAGE.into();
    for _ in 0..n {
        let (reply, answer) = oneshot::channel();
        echo.send((Arc::clone(&message), reply)).await.expect("it listens");
        answer.await.expect("it answers");
    }
}

async fn request_ours(runtime: &WasmRuntime, id: ActorId, n: u32) {
    for _ in 0..n {
        runtime.request(id, MESSAGE).await.expect("it answers");
    }
}

/// A trap, the end of the store, and the next life up to its first answer.
async fn trap_floor(bare: &Bare, n: u32) {
    let mut actor = bare.instantiate().await;
    actor.init().await;
    for _ in 0..n {
        let next = bare.clone();
        actor = tokio::spawn(async move {
            assert!(!actor.message(b"!", true).await, "it traps");
            drop(actor);
            let mut actor = next.instantiate().await;
            actor.init().await;
            actor
        })
        .await
        .expect("it lives again");
    }
}

async fn trap_ours(runtime: &WasmRuntime, n: u32) {
    let id = spawn(runtime).await;
    for _ in 0..n {
        runtime.request(id, "!").await.expect_err("it traps");
        runtime.restart(Authority::Operator, id, RestartFrom::LastGood).await.expect("it lives again");
    }
    runtime.stop(Authority::Operator, id, StopMode::Kill).await.expect("it stops");
}
