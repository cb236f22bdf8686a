//! What durability costs, beside the disk itself in the same run: medians of interleaved rounds, as ratios.
//!
//! `cargo bench -p theater-chain --bench durable` (with `--features sqlite` SQLite stands beside it). A busy machine stretches every wake-up
//! of a thread to milliseconds and says nothing about the disk: under `chrt -f 10` it is the disk that is measured.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use theater_chain::{
    Chain, ChainStore, LogOptions, LogReader, MemoryStore, SegmentedStore, hash, verify, verify_folder,
};
use theater_core::{Bytes, ChainEvent, EventKind};

/// Bytes of an event's payload.
const PAYLOAD: usize = 200;
/// Rounds of each measurement, and how long one takes.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);
/// Actors that append at once.
const ACTORS: usize = 128;
/// Events of the large log.
const MANY: u64 = 1_000_000;

fn main() {
    // `cargo test --benches` runs it without measuring.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir_in(std::env::var_os("THEATER_BENCH_DIR").unwrap_or_else(|| ".".into()))
        .expect("a folder to write to");
    println!("{} rounds of {ROUND:?} each, medians; events of {PAYLOAD} bytes", ROUNDS);
    durable(folder.path());
    memory();
    many(folder.path());
}

/// The middle of what was measured.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn durable(folder: &Path) {
    let (mut raw, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
    let mut sqlite = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        raw.push(raw_loop(&folder.join("raw")));
        let (store, _) = SegmentedStore::open(folder.join(format!("log-{round}")), LogOptions::default())
            .expect("a new log");
        let store: Arc<dyn ChainStore> = Arc::new(store);
        one.push(writers(&store, 1));
        many.push(writers(&store, ACTORS));
        if let Some(store) = sqlite_store(&folder.join(format!("sqlite-{round}"))) {
            sqlite.0.push(writers(&store, 1));
            sqlite.1.push(writers(&store, ACTORS));
        }
    }
    let raw = median(raw);
    println!("\n| durable events per second | | ratio to the raw loop |\n|---|---:|---:|");
    println!("| raw: pwrite of {PAYLOAD} bytes into zeros, fdatasync | {raw:.0} | 1 |");
    let row = |name: &str, values: Vec<f64>| {
        if !values.is_empty() {
            let value = median(values);
            println!("| {name} | {value:.0} | {:.2} |", value / raw);
        }
    };
    row("segmented log, 1 writer", one);
    row(&format!("segmented log, {ACTORS} actors"), many);
    row("SQLite, 1 writer", sqlite.0);
    row(&format!("SQLite, {ACTORS} actors"), sqlite.1);
}

#[cfg(feature = "sqlite")]
fn sqlite_store(folder: &Path) -> Option<Arc<dyn ChainStore>> {
    let (store, _) =
        theater_chain::SqliteStore::open(folder, theater_chain::SqliteOptions::default()).ok()?;
    Some(Arc::new(store))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite_store(_folder: &Path) -> Option<Arc<dyn ChainStore>> {
    None
}

/// Appends to a file that was filled with zeros, one sync each: what the disk can do.
fn raw_loop(path: &Path) -> f64 {
    let file = zeros(path, 64 << 20);
    let payload = vec![7_u8; PAYLOAD];
    let (begun, mut events) = (Instant::now(), 0_u64);
    while begun.elapsed() < ROUND {
        write_at(&file, &payload, events * PAYLOAD as u64);
        file.sync_data().expect("a disk that works");
        events += 1;
    }
    events as f64 / begun.elapsed().as_secs_f64()
}

fn zeros(path: &Path, len: usize) -> File {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path).expect("a new file");
    write_at(&file, &vec![0; len], 0);
    file.sync_all().expect("a disk that works");
    file
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset).expect("room on the disk");
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], offset: u64) {
    let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset).expect("room on the disk");
    assert_eq!(written, bytes.len());
}

/// Writers with a chain each, each of which waits until its event is durable before it writes the next. Events per second.
fn writers(store: &Arc<dyn ChainStore>, count: usize) -> f64 {
    let mut runtime = match count {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.build().expect("threads");
    let events = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let writers: Vec<_> = (0..count)
        .map(|writer| {
            let (store, events) = (Arc::clone(store), Arc::clone(&events));
            runtime.spawn(async move {
                let mut nonce = [0; 16];
                getrandom(&mut nonce, writer);
                let (mut chain, genesis) = Chain::genesis(nonce.to_vec().into(), store.epoch(), 1);
                store.create(genesis).expect("a new chain");
                let payload = Bytes::from(vec![7; PAYLOAD]);
                while begun.elapsed() < ROUND {
                    let head = chain.head();
                    let event = chain.append(EventKind::CALL, payload.clone(), 2);
                    store.append(head, event).expect("the only writer");
                    store.until_durable(store.accepted()).await.expect("a disk that works");
                    events.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    runtime.block_on(async {
        for writer in writers {
            writer.await.expect("no panic");
        }
    });
    events.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// Bytes that no other writer of this run has.
fn getrandom(nonce: &mut [u8; 16], writer: usize) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    nonce[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    nonce[8..].copy_from_slice(&(writer as u64).to_le_bytes());
}

/// What an append in memory costs beside its two hashes.
fn memory() {
    const EVENTS: u64 = 100_000;
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let (mut hashes, mut appends, mut verifies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut chain, genesis) = Chain::genesis("bench".into(), 1, 0);
        let sample = chain.append(EventKind::CALL, payload.clone(), 1);
        let begun = Instant::now();
        for _ in 0..EVENTS {
            black_box(hash::payload_hash(black_box(&payload)));
            black_box(hash::event_hash(black_box(&sample.header)));
        }
        hashes.push(begun.elapsed().as_secs_f64());

        let (mut chain, store) = (Chain::genesis("bench".into(), 1, 0).0, MemoryStore::new());
        store.create(genesis.clone()).expect("a new store");
        let begun = Instant::now();
        for time in 0..EVENTS {
            let head = chain.head();
            let event = chain.append(EventKind::CALL, payload.clone(), time);
            store.append(head, event).expect("the only writer");
        }
        appends.push(begun.elapsed().as_secs_f64());

        let (mut chain, genesis) = Chain::genesis("bench".into(), 1, 0);
        let mut events: Vec<ChainEvent> = vec![genesis];
        events.extend((1..EVENTS).map(|time| chain.append(EventKind::CALL, payload.clone(), time)));
        let begun = Instant::now();
        verify(&events).expect("a sound chain");
        verifies.push(begun.elapsed().as_secs_f64());
    }
    let nanos = |values: Vec<f64>| median(values) * 1e9 / EVENTS as f64;
    let (hashes, appends, verifies) = (nanos(hashes), nanos(appends), nanos(verifies));
    println!("\n| in memory, ns per event | | ratio to the two hashes |\n|---|---:|---:|");
    println!("| two hashes | {hashes:.0} | 1 |");
    println!("| seal and append | {appends:.0} | {:.2} |", appends / hashes);
    println!("| verify | {verifies:.0} | {:.2} |", verifies / hashes);
    println!("\nverify: {:.2} million events per second on one core", 1_000.0 / verifies);
}

/// A log with a million events: opening, reading, verifying.
fn many(folder: &Path) {
    let folder = folder.join("many");
    let payload = Bytes::from(vec![7; PAYLOAD]);
    let begun = Instant::now();
    let (store, _) = SegmentedStore::open(&folder, LogOptions::default()).expect("a new log");
    let mut chains: Vec<Chain> = (0..100_u8)
        .map(|number| {
            let (chain, genesis) = Chain::genesis(vec![number].into(), store.epoch(), 1);
            store.create(genesis).expect("a new chain");
            chain
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for number in 0..MANY - 100 {
        let chain = &mut chains[usize::try_from(number % 100).expect("below 100")];
        let head = chain.head();
        let event = chain.append(EventKind::CALL, payload.clone(), number);
        if number % 10_000 == 0 {
            runtime.block_on(store.ready()).expect("a disk that works");
        }
        store.append(head, event).expect("room");
    }
    runtime.block_on(store.until_durable(store.accepted())).expect("a disk that works");
    println!("\n| {MANY} events in 100 chains | s |\n|---|---:|");
    println!("| written and durable | {:.2} |", begun.elapsed().as_secs_f64());
    // Not closed, as after kill -9.
    std::mem::forget(store);
    let copy = folder.with_extension("killed");
    copy_folder(&folder, &copy);
    let cold = drop_caches();
    let open = |name: &str, folder: &Path| {
        let begun = Instant::now();
        let (store, recovery) = SegmentedStore::open(folder, LogOptions::default()).expect("a sound log");
        println!("| {name} | {:.2} |", begun.elapsed().as_secs_f64());
        assert_eq!(recovery.events, MANY);
        store
    };
    let word = if cold { "cold" } else { "warm: the page cache could not be dropped" };
    open(&format!("opened after a kill, {word}"), &copy).close().expect("a disk that works");
    let cold = drop_caches();
    let word = if cold { "cold" } else { "warm" };
    drop(open(&format!("opened after a close, {word}"), &copy));
    let begun = Instant::now();
    let reader = LogReader::open(&copy).expect("a sound log");
    println!("| opened to read | {:.2} |", begun.elapsed().as_secs_f64());
    drop(reader);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let verified = |name: &str| {
        let (begun, worked) = (Instant::now(), ProcessTime::now());
        black_box(verify_folder(&copy, |_, _| {}).expect("a sound folder"));
        println!("| verified on {cores} cores, {name} | {:.2} |", begun.elapsed().as_secs_f64());
        MANY as f64 / worked.elapsed().as_secs_f64() / 1e6
    };
    verified("from the disk");
    // Processor time, so that what else the machine does counts less.
    let rate = verified("from the page cache");
    println!("\nverify: {rate:.2} million events per second and core, files included");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a new folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// Whether the system has forgotten what it had read: asks for root on Linux.
fn drop_caches() -> bool {
    let synced = std::process::Command::new("sync").status().is_ok_and(|status| status.success());
    synced && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}
