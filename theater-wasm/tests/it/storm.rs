//! A restart storm: three levels, every strategy, random traps; and at the end everything is where it belongs.
//!
//! `THEATER_STORM_SEED` and `THEATER_STORM_SECONDS` choose another storm.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use theater_core::{ActorId, ActorRuntime, ActorStatus, Authority, EventKind};
use theater_wasm::{LifecycleKind, LifecycleStream, WasmRuntime, Watched};

use crate::support::{eventually, root};
use crate::tree::{app, live, verify_chains};

const WORKERS: usize = 3;

/// A root that outlives everything, and below it a supervisor of each strategy that gives up every now and then.
fn manifest() -> String {
    let mut text = "name = \"app\"\n[supervision]\nintensity = 1000000\n".to_owned();
    for strategy in ["one-for-one", "one-for-all", "rest-for-one"] {
        text.push_str(&format!(
            "[[children]]\nid = \"{strategy}\"\n[children.supervision]\nstrategy = \"{strategy}\"\nintensity = 12\n\
             period = \"500ms\"\n"
        ));
        for n in 0..WORKERS {
            text.push_str(&format!("[[children.children]]\nid = \"w{n}\"\nmanifest = \"worker.toml\"\n"));
        }
    }
    text.push_str(
        "[[children]]\nid = \"desk\"\ncomponent = \"supervisor.wasm\"\n\
         handlers = [{ type = \"message-server\" }, { type = \"supervisor\" }]\n\
         [children.supervision]\nstrategy = \"simple-one-for-one\"\nintensity = 12\nperiod = \"500ms\"\n\
         [[children.children]]\nid = \"errand\"\nmanifest = \"worker.toml\"\n",
    );
    text
}

/// Who lives, as the runtime's events tell it.
#[derive(Debug, Default)]
struct Census {
    alive: BTreeMap<ActorId, (u64, Option<ActorId>)>,
    restarts: usize,
    escalations: usize,
}

impl Census {
    fn take(&mut self, watch: &mut LifecycleStream) {
        while let Some(item) = watch.try_next() {
            let Watched::Event(event) = item else { panic!("the census lost events") };
            match event.kind {
                LifecycleKind::Started { .. } => {
                    self.restarts += usize::from(event.incarnation.0 > 1);
                    let before = self.alive.insert(event.actor, (event.incarnation.0, event.parent));
                    assert!(before.is_none(), "{} lives twice", event.actor);
                }
                LifecycleKind::Exited { reason } => {
                    self.escalations += usize::from(reason.name() == "escalated");
                    let lived = self.alive.remove(&event.actor);
                    assert_eq!(lived.map(|life| life.0), Some(event.incarnation.0), "{}", event.actor);
                }
                _ => {}
            }
        }
    }
}

/// SplitMix64: the storm is the same for the same seed, as far as threads allow.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).expect("31 bits")
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The workers that live now, below all supervisors. Supervisors may end while they are asked.
async fn workers(runtime: &WasmRuntime, app: ActorId) -> Vec<ActorId> {
    let mut workers = Vec::new();
    for supervisor in live(runtime, app).await {
        if let Ok(children) = runtime.children(supervisor.id).await {
            let running = children.into_iter().filter(|child| child.status == ActorStatus::Running);
            workers.extend(running.map(|child| child.id));
        }
    }
    workers
}

async fn storm(runtime: &WasmRuntime, app: ActorId, seed: &mut u64, watch: &mut LifecycleStream) -> Census {
    let until = Instant::now() + Duration::from_secs(setting("THEATER_STORM_SECONDS", 3));
    let mut census = Census::default();
    while Instant::now() < until {
        let workers = workers(runtime, app).await;
        for _ in 0..1 + random(seed) % 4 {
            if workers.is_empty() {
                break;
            }
            let victim = workers[random(seed) % workers.len()];
            let command = ["crash", "abort", "quit", "add 1", "recurse"][random(seed) % 5];
            // It may have ended meanwhile.
            let _ = runtime.send(victim, command).await;
        }
        let desk = live(runtime, app).await.into_iter().find(|child| child.name == "desk");
        if let Some(desk) = desk
            && runtime.children(desk.id).await.is_ok_and(|children| children.len() < 8)
        {
            let _ = runtime.send(desk.id, "spawn errand").await;
        }
        tokio::time::sleep(Duration::from_millis(random(seed) as u64 % 12)).await;
        census.take(watch);
    }
    census
}

/// Whether everything that is declared runs.
async fn at_rest(runtime: &WasmRuntime, app: ActorId) -> bool {
    let supervisors = runtime.children(app).await.expect("the root lives");
    let running = |status: &ActorStatus| *status == ActorStatus::Running;
    let mut found = 0;
    for supervisor in supervisors.iter().filter(|child| running(&child.status)) {
        let Ok(children) = runtime.children(supervisor.id).await else { return false };
        let alive = children.iter().filter(|child| running(&child.status)).count();
        let busy = children.iter().any(|child| !running(&child.status) && !child.status.is_ended());
        found += usize::from(!busy && (supervisor.name == "desk" || alive == WORKERS));
    }
    found == 4
}

/// Whether every worker, and the desk, answers. Mailboxes survive restarts, so there may be crashes in them still.
async fn all_answer(runtime: &WasmRuntime, app: ActorId) -> bool {
    for id in workers(runtime, app).await {
        let answer = runtime.request(id, "total").await;
        if !answer
            .is_ok_and(|total| std::str::from_utf8(&total).is_ok_and(|total| total.parse::<i64>().is_ok()))
        {
            return false;
        }
    }
    for supervisor in live(runtime, app).await {
        if supervisor.name == "desk" && runtime.request(supervisor.id, "list").await.is_err() {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_storm_of_restarts_nobody_is_an_orphan_a_zombie_or_lost() {
    let mut seed = setting("THEATER_STORM_SEED", 1);
    let told = format!("THEATER_STORM_SEED={seed}");
    // For the failures that cannot say it: tests show what they print only when they fail.
    println!("{told}");
    let runtime = app(&manifest());
    let mut watch = runtime.watch();
    let app = root(&runtime, "app.toml").await;
    let mut census = storm(&runtime, app, &mut seed, &mut watch).await;

    eventually(&format!("everything declared runs again and answers, {told}"), || async {
        (at_rest(&runtime, app).await && all_answer(&runtime, app).await).then_some(())
    })
    .await;
    census.take(&mut watch);
    assert!(census.restarts > 50, "{told}: only {} restarts", census.restarts);
    assert!(census.escalations > 0, "{told}: nobody gave up");
    for (id, (_, parent)) in &census.alive {
        let orphan = parent.is_some_and(|parent| !census.alive.contains_key(&parent));
        assert!(!orphan, "{told}: {id} lives without its parent");
        assert!(*id == app || parent.is_some(), "{told}: {id} has no parent");
    }
    // The decisions behind it are on the supervisors' chains.
    let mut decisions = 0;
    for supervisor in live(&runtime, app).await {
        let events = runtime.events(Authority::Operator, supervisor.id, theater_core::EventRange::ALL).await;
        decisions += events
            .expect("a chain")
            .iter()
            .filter(|event| event.header.kind == EventKind::SUPERVISION)
            .count();
    }
    assert!(decisions > 0, "{told}");

    runtime.shutdown().await;
    census.take(&mut watch);
    assert!(census.alive.is_empty(), "{told}: {:?} live on", census.alive);
    verify_chains(&runtime).await;
}
