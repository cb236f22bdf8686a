//! What a bystander notices of a hostile actor on the same runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use theater_core::{ActorId, ActorRuntime, Authority, SpawnRequest, StartFrom, StopMode};
use theater_wasm::WasmRuntime;

use crate::support::*;

/// Requests that one median is of.
const REQUESTS: usize = 300;
/// Times that a pair of medians is taken: other programs use the machine too, and never make a request faster.
const ROUNDS: usize = 6;

/// The median time of requests to the bystander, each sent when the last was answered.
async fn median(runtime: &WasmRuntime, bystander: ActorId) -> Duration {
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let started = Instant::now();
        runtime.request(bystander, "hello").await.expect("an answer");
        times.push(started.elapsed());
        // A client thinks in between: what counts is how long one request takes, not how many there are.
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    times.sort_unstable();
    times[REQUESTS / 2]
}

/// Keeps a hostile actor at it: whenever it has ended it is started again. Counts how often it began.
async fn attack(runtime: WasmRuntime, message: String, begun: Arc<AtomicUsize>) {
    loop {
        let Ok(actor) =
            runtime.spawn(SpawnRequest::new(None, "hostile.toml").start(StartFrom::Init(None))).await
        else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        begun.fetch_add(1, Ordering::Relaxed);
        // However it ends, or is refused. One that sleeps for ever is stopped in the middle of it.
        let asked = runtime.request(actor.id, message.clone());
        let mode = match message.starts_with('Z') {
            true => {
                let _ = tokio::time::timeout(Duration::from_millis(10), asked).await;
                StopMode::Graceful(Duration::from_millis(50))
            }
            false => {
                let _ = asked.await;
                StopMode::Kill
            }
        };
        let _ = runtime.stop(Authority::Operator, actor.id, mode).await;
        let _ = runtime.reap(Authority::Operator, actor.id).await;
    }
}

/// The medians of requests to a bystander while nothing else happens, and while a hostile actor does this: in turns, and the round
/// with the smallest ratio counts, because noise from elsewhere only adds.
async fn ratio(message: &str) -> (f64, Duration, Duration) {
    let runtime = runtime();
    let bystander = root(&runtime, "ping.toml").await;
    let mut best = (f64::INFINITY, Duration::ZERO, Duration::ZERO);
    median(&runtime, bystander).await;
    for _ in 0..ROUNDS {
        let quiet = median(&runtime, bystander).await;
        let begun = Arc::new(AtomicUsize::new(0));
        let message = message.replace("PING", &bystander.to_string());
        let attacking = tokio::spawn(attack(runtime.clone(), message, Arc::clone(&begun)));
        // Its component is compiled first.
        eventually("somebody attacks", || async { (begun.load(Ordering::Relaxed) > 0).then_some(()) }).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let loud = median(&runtime, bystander).await;
        attacking.abort();
        let _ = attacking.await;
        let ratio = loud.as_secs_f64() / quiet.as_secs_f64();
        if ratio < best.0 {
            best = (ratio, quiet, loud);
        }
        if best.0 <= 2.0 {
            break;
        }
    }
    runtime.kill().await;
    best
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bystanders_median_latency_stays_within_twice_its_quiet_one_whatever_a_hostile_actor_does() {
    let attacks = [
        "e",
        "l",
        "cbare.toml",
        "rhostile.toml",
        "mnobody",
        "oPING",
        "p",
        "g70000",
        "iPING ../../etc/passwd",
        "z3600000",
        "z1",
        "Z3600000",
    ];
    let mut slow = Vec::new();
    for attack in attacks {
        let (ratio, quiet, loud) = ratio(attack).await;
        eprintln!("{attack}: {ratio:.2} (quiet {quiet:?}, loud {loud:?})");
        if ratio > 2.0 {
            slow.push(format!("{attack}: {quiet:?} became {loud:?}, {ratio:.1} times as long"));
        }
    }
    assert!(slow.is_empty(), "{}", slow.join("\n"));
}
