//! Messages from actor to actor: between two, and among a thousand, with chains on. Beside each the sum of floors that were measured in
//! the same run (an export call each time that a guest is called, the hashes of the events, a channel), and what plain tokio needs for the same shape.
//!
//! `cargo bench -p theater-wasm --bench messages`. Processor time per message, the median of rounds in which all sides alternate, because a
//! shared machine changes its speed from one minute to the next.

#[path = "summary/floors.rs"]
mod floors;

use std::hint::black_box;
use std::sync::Arc;

use cpu_time::ProcessTime;
use floors::{Bare, BareActor, Echo, echo_task, hash_events};
use theater_core::{ActorId, ActorRuntime, Authority, EventRange, MapSource, SpawnRequest};
use theater_wasm::{ActorEngine, EngineConfig, WasmRuntime};
use tokio::sync::{mpsc, oneshot};

const ROUNDS: usize = 9;
/// Messages of one round.
const MESSAGES: usize = 10_000;
/// Export calls and hashes of one floor.
const FLOOR: u32 = 10_000;

/// What one message costs, in one round.
#[derive(Default)]
struct Round {
    floor: Vec<f64>,
    tokio: Vec<f64>,
    ours: Vec<f64>,
}

/// A shape: how many actors talk, and whether they wait for answers.
struct Shape {
    what: &'static str,
    actors: usize,
    asks: bool,
}

const SHAPES: [Shape; 4] = [
    Shape { what: "  send, two actors", actors: 2, asks: false },
    Shape { what: "  request, two actors", actors: 2, asks: true },
    Shape { what: "  send, among 1,000 actors", actors: 1_000, asks: false },
    Shape { what: "  request, among 1,000 actors", actors: 1_000, asks: true },
];

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        println!("messages: measured in release mode only, see its documentation");
        return;
    }
    // Room for the actors, and for the bare instance beside them.
    let mut config = EngineConfig::default();
    config.max_actors = 2_100;
    let engine = ActorEngine::new(&config).expect("an engine");
    println!(
        "{:<32} {:>9} {:>9} {:>9} {:>11} {:>11}",
        "processor time per message, us", "floor", "tokio", "ours", "ours/floor", "ours/tokio"
    );
    let mut one = tokio::runtime::Builder::new_current_thread();
    let mut two = tokio::runtime::Builder::new_multi_thread();
    for (name, builder) in [("one thread", &mut one), ("two threads", two.worker_threads(2))] {
        let tokio = builder.enable_all().build().expect("a tokio runtime");
        println!("{name}");
        let engine = engine.clone();
        // On a worker, like every task of a program that uses this.
        tokio.block_on(async { tokio::spawn(shapes(engine)).await }).expect("the rounds end");
    }
}

fn component(name: &str) -> Vec<u8> {
    let path = format!("{}/../examples/components/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("the components are checked in")
}

async fn shapes(engine: ActorEngine) {
    let handlers = "[[handlers]]\ntype = \"message-server\"\n[limits]\nmailbox = 100000\n";
    let source = MapSource::new()
        .with("worker.toml", format!("name = \"worker\"\ncomponent = \"worker.wasm\"\n{handlers}"))
        .with("worker.wasm", component("worker.wasm"));
    let runtime = WasmRuntime::builder(source).engine(engine.clone()).build().expect("a runtime");
    let bare = Bare::new(&engine, &component("worker.wasm"));
    let mut actors = Vec::new();
    for _ in 0..1_000 {
        actors.push(runtime.spawn(SpawnRequest::new(None, "worker.toml")).await.expect("it starts").id);
    }
    for shape in &SHAPES {
        let actors = &actors[..shape.actors];
        let payloads = events_of_one(&runtime, actors, shape).await;
        let mut bares = instances(&bare, shape.actors).await;
        let mut round = Round::default();
        for _ in 0..ROUNDS {
            let call = per(MESSAGES, call_floor(&mut bares, MESSAGES, shape.asks)).await;
            let hash = per(FLOOR as usize, async { hash_floor(&payloads, FLOOR) }).await;
            let channel = per(MESSAGES, tokio_pairs(2, MESSAGES, shape.asks)).await;
            round.floor.push(call + hash + channel);
            round.tokio.push(per(MESSAGES, tokio_pairs(shape.actors, MESSAGES, shape.asks)).await);
            round.ours.push(per(MESSAGES, ours(&runtime, actors, MESSAGES, shape.asks)).await);
        }
        let [floor, tokio, ours] =
            [&mut round.floor, &mut round.tokio, &mut round.ours].map(|values| median(values));
        let name = shape.what;
        println!(
            "{name:<32} {floor:>9.2} {tokio:>9.2} {ours:>9.2} {:>11.2} {:>11.2}",
            ours / floor,
            ours / tokio
        );
    }
    runtime.shutdown().await;
}

/// Processor time of `work` for each of `operations`, in microseconds.
async fn per(operations: usize, work: impl Future<Output = ()>) -> f64 {
    let start = ProcessTime::now();
    work.await;
    start.elapsed().as_secs_f64() * 1e6 / operations as f64
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The payloads of all events that one message of this shape leaves, on both chains.
async fn events_of_one(runtime: &WasmRuntime, actors: &[ActorId], shape: &Shape) -> Vec<Vec<u8>> {
    let (from, to) = (actors[0], actors[1]);
    let before = [chain(runtime, from).await.len(), chain(runtime, to).await.len()];
    ours(runtime, actors, 1, shape.asks).await;
    let mut payloads = chain(runtime, from).await.split_off(before[0]);
    payloads.append(&mut chain(runtime, to).await.split_off(before[1]));
    payloads
}

async fn chain(runtime: &WasmRuntime, actor: ActorId) -> Vec<Vec<u8>> {
    let events = runtime.events(Authority::Operator, actor, EventRange::ALL).await.expect("a chain");
    events.into_iter().map(|event| event.payload.to_vec()).collect()
}

/// Each message is one that a guest sends to the next actor because it was told to. As many are under way as there are pairs.
async fn ours(runtime: &WasmRuntime, actors: &[ActorId], messages: usize, asks: bool) {
    let pairs = actors.len() / 2;
    let each = messages.div_ceil(pairs);
    let working: Vec<_> = actors
        .chunks_exact(2)
        .take(pairs.min(messages))
        .map(|pair| {
            let (runtime, from, to) = (runtime.clone(), pair[0], pair[1]);
            tokio::spawn(async move {
                let command = if asks { format!("ask {to} total") } else { format!("send {to} total") };
                for _ in 0..each {
                    runtime.request(from, command.clone()).await.expect("it answers");
                }
                // The mailbox is in order: everything before this has been handled.
                runtime.request(to, "total").await.expect("it answers");
            })
        })
        .collect();
    for one in working {
        one.await.expect("it ends");
    }
}

/// The same shape with tasks: each pair has a front that is asked over a oneshot, and passes on over a channel, with or without waiting.
async fn tokio_pairs(tasks: usize, messages: usize, asks: bool) {
    let pairs = tasks / 2;
    let each = messages.div_ceil(pairs);
    let message: Arc<[u8]> = Arc::from(&b"total"[..]);
    let mut working = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        let (back, message) = (echo_task(), Arc::clone(&message));
        let (front, mut inbox) = mpsc::channel::<Echo>(1_000);
        tokio::spawn(async move {
            while let Some((message, reply)) = inbox.recv().await {
                let (passed, answer) = oneshot::channel();
                back.send((Arc::clone(&message), passed)).await.expect("it listens");
                let answered = if asks { answer.await.expect("it answers") } else { message };
                let _ = reply.send(answered);
            }
        });
        working.push(tokio::spawn(async move {
            for _ in 0..each {
                let (reply, answer) = oneshot::channel();
                front.send((Arc::clone(&message), reply)).await.expect("it listens");
                answer.await.expect("it answers");
            }
        }));
    }
    for one in working {
        one.await.expect("it ends");
    }
}

/// Bare instances of the same component, as many as there are actors.
async fn instances(bare: &Bare, actors: usize) -> Vec<BareActor> {
    let mut bares = Vec::with_capacity(actors);
    for _ in 0..actors {
        let mut actor = bare.instantiate().await;
        actor.init().await;
        bares.push(actor);
    }
    bares
}

/// The guest that is told to send is called once, and the one that it sends to once: pair after pair, as the actors are.
async fn call_floor(bares: &mut [BareActor], messages: usize, asks: bool) {
    let command = if asks { "ask" } else { "send" };
    let command = format!("{command} {} total", ActorId::from_parts(0, [7; 10]));
    let pairs = bares.len() / 2;
    for n in 0..messages {
        let pair = 2 * (n % pairs);
        assert!(bares[pair].message(command.as_bytes(), true).await);
        assert!(bares[pair + 1].message(b"total", asks).await);
    }
}

fn hash_floor(payloads: &[Vec<u8>], messages: u32) {
    let key = blake3::Hasher::new_derive_key("theater bench");
    let mut head = [0; 32];
    for _ in 0..messages {
        head = hash_events(&key, black_box(payloads), head);
    }
    black_box(head);
}
