//! Who remembers what was answered.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use theater_chain::{ChainReader, LogOptions, LogReader, SegmentedStore};
use theater_core::event::payload::{self, Genesis};
use theater_core::{EventKind, EventRange};
use theater_wasm::{FileSource, WasmRuntime};

use crate::Rng;
use crate::app::{App, Running, WORKERS, request, send, text};

/// What one worker was asked to add, and what of it is certain.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    /// Additions that were answered, or whose message was taken.
    acknowledged: u64,
    /// Additions that were asked for: some of these may have been done.
    asked: u64,
    /// The largest total that was answered.
    largest: u64,
}

#[derive(Debug, Default)]
struct Known {
    counts: BTreeMap<String, Count>,
    spawned: Vec<String>,
    replies: u64,
    sends: u64,
    crashes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    known: Mutex<Known>,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().expect("no thread panicked")
    }

    pub(crate) fn replies(&self) -> u64 {
        self.known().replies
    }

    pub(crate) fn sends(&self) -> u64 {
        self.known().sends
    }

    pub(crate) fn crashes(&self) -> u64 {
        self.known().crashes
    }

    pub(crate) fn spawned(&self) -> usize {
        self.known().spawned.len()
    }

    /// Two clients per worker and one that spawns, for this long, or until the app is gone.
    pub(crate) fn load(&mut self, running: &Running, time: Duration, seed: u64) {
        let until = Instant::now() + time;
        let oracle = &*self;
        std::thread::scope(|scope| {
            for (number, worker) in WORKERS.iter().enumerate() {
                for client in 0..2 {
                    let rng = Rng::new(seed * 1_000 + number as u64 * 10 + client + 1);
                    scope.spawn(move || oracle.client(running, worker, until, rng));
                }
            }
            scope.spawn(move || oracle.spawner(running, until, seed));
            // The kill comes in the middle of it.
            std::thread::sleep(time);
        });
    }

    fn client(&self, running: &Running, worker: &str, until: Instant, mut rng: Rng) {
        let Ok(mut connection) = running.connect() else { return };
        let mut id = 0;
        while Instant::now() < until {
            id += 1;
            match rng.below(40) {
                0 => {
                    // A crash loses nothing that was answered.
                    if connection.ask(id, &request(worker, "crash")).is_err() {
                        return;
                    }
                    self.known().crashes += 1;
                }
                1..=9 => {
                    self.asks(worker);
                    let Ok(answer) = connection.ask(id, &send(worker, "add 1")) else { return };
                    if answer["ok"].is_object() {
                        let mut known = self.known();
                        known.sends += 1;
                        known.counts.entry(worker.to_owned()).or_default().acknowledged += 1;
                    }
                }
                _ => {
                    self.asks(worker);
                    let Ok(answer) = connection.ask(id, &request(worker, "add 1")) else { return };
                    if let Some(total) = text(&answer) {
                        let total: u64 = total.parse().expect("a total");
                        let mut known = self.known();
                        known.replies += 1;
                        let count = known.counts.entry(worker.to_owned()).or_default();
                        count.acknowledged += 1;
                        count.largest = count.largest.max(total);
                    }
                }
            }
        }
    }

    /// Notes that an addition may be done from now on.
    fn asks(&self, worker: &str) {
        self.known().counts.entry(worker.to_owned()).or_default().asked += 1;
    }

    fn spawner(&self, running: &Running, until: Instant, seed: u64) {
        if seed % 10 != 3 {
            return;
        }
        let Ok(mut connection) = running.connect() else { return };
        if Instant::now() < until
            && let Ok(answer) = connection.ask(1, &request("app", "spawn spawned.toml 7"))
            && let Some(id) = text(&answer)
        {
            self.known().spawned.push(id);
        }
    }

    /// That nothing is missing which was answered, and nothing is there that was not asked for.
    pub(crate) fn check(&self, running: &Running, when: &str) {
        let known = self.known();
        for (worker, count) in &known.counts {
            let total: u64 = running.answer(worker, "total").parse().expect("a total");
            assert!(
                total >= count.acknowledged && total >= count.largest,
                "{when}, {worker}: {total}, and {count:?} had been answered"
            );
            assert!(total <= count.asked, "{when}, {worker}: {total}, and only {count:?} had been asked for");
        }
        let children = running.answer("app", "list");
        for id in &known.spawned {
            assert!(children.lines().any(|child| child == id), "{when}: {id} is not among {children}");
            assert_eq!(running.answer(id, "total"), "7", "{when}: {id}");
        }
    }

    /// That the chains verify, say the same of every actor as it did itself, and give its state again.
    pub(crate) fn check_chains(&self, app: &App, lives: &BTreeMap<String, u64>) {
        let report = theater_chain::verify_folder(app.data(), |_, _| {}).expect("a sound folder");
        assert!(report.closed, "it was stopped in good order");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
        let manifests = runtime.block_on(manifests(app, lives));
        let (store, _) = SegmentedStore::open(app.data(), LogOptions::default()).expect("a sound log");
        let source = FileSource::new(app.path()).expect("a folder");
        let wasm =
            WasmRuntime::builder(source).chain_store(std::sync::Arc::new(store)).build().expect("an engine");
        let known = self.known();
        for (id, (name, manifest)) in manifests {
            let id = id.parse().expect("an id");
            let rerun = runtime.block_on(wasm.rerun(id, manifest)).unwrap_or_else(|error| {
                panic!("{name}: {}", theater_core::error::with_causes(&error));
            });
            if let Some(count) = known.counts.get(&name) {
                let state = String::from_utf8(rerun.state.unwrap_or_default().to_vec()).expect("text");
                let total = state.lines().find_map(|line| line.strip_prefix("total=")).expect("a total");
                let total: u64 = total.parse().expect("a number");
                assert!(
                    (count.acknowledged..=count.asked).contains(&total),
                    "{name} run again from its genesis: {total}, {count:?}"
                );
            }
        }
    }
}

/// The name and the manifest of each actor, whose chain must have as many lives as it said itself.
async fn manifests(app: &App, lives: &BTreeMap<String, u64>) -> BTreeMap<String, (String, String)> {
    let reader = LogReader::open(app.data()).expect("a sound log");
    let mut manifests = BTreeMap::new();
    for chain in reader.chains().await.expect("a list") {
        let events = reader.read(chain, EventRange::ALL).await.expect("a chain");
        let genesis: Genesis = payload::decode(&events[0].payload).expect("a genesis event");
        let id = genesis.actor.to_string();
        let started = events.iter().filter(|event| event.header.kind == EventKind::STARTED).count() as u64;
        let ended = events.iter().filter(|event| event.header.kind == EventKind::EXITED).count() as u64;
        assert_eq!(started, ended, "{}: every life has one end", genesis.name);
        let Some(life) = lives.get(&id) else { continue };
        assert_eq!(started, *life, "{}: lives on the chain", genesis.name);
        let manifest = match &*genesis.name {
            "app" => "app.toml".to_owned(),
            name => format!("{name}.toml"),
        };
        manifests.insert(id, (genesis.name, manifest));
    }
    assert_eq!(manifests.len(), lives.len(), "every actor has a chain");
    manifests
}
