//! Sealing, appending and verifying.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use theater_chain::{Chain, ChainStore, MemoryStore, hash, verify};
use theater_core::{Bytes, ChainEvent, EventKind};

/// Events that are appended to one store per measurement.
const APPENDED: u64 = 100;

/// What keeping the derived key is worth: an event hash as it is, and with the key derived each time.
fn header_hash(criterion: &mut Criterion) {
    let (_, event) = Chain::genesis("bench".into(), 1, 0);
    let mut group = criterion.benchmark_group("event_hash");
    group.bench_function("key_kept", |bencher| bencher.iter(|| hash::event_hash(black_box(&event.header))));
    group.bench_function("key_derived_each_time", |bencher| {
        bencher.iter(|| {
            blake3::derive_key(
                "theater 2026-11-23 event-chain v1 event header",
                &hash::encode_header(black_box(&event.header)),
            )
        });
    });
    group.finish();
}

fn append(criterion: &mut Criterion) {
    for size in [64, 1 << 10, 64 << 10] {
        let payload = Bytes::from(vec![7; size]);
        let mut group = criterion.benchmark_group(format!("append/{size}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("seal", |bencher| {
            let (mut chain, _) = Chain::genesis("bench".into(), 1, 0);
            bencher.iter(|| chain.append(EventKind::CALL, payload.clone(), 1));
        });
        group.throughput(Throughput::Elements(APPENDED));
        group.bench_function("seal_and_store_100", |bencher| {
            bencher.iter_batched(
                || {
                    let (chain, genesis) = Chain::genesis("bench".into(), 1, 0);
                    let store = MemoryStore::new();
                    store.create(genesis).expect("a new store is empty");
                    (chain, store)
                },
                |(mut chain, store)| {
                    for time in 0..APPENDED {
                        let head = chain.head();
                        let event = chain.append(EventKind::CALL, payload.clone(), time);
                        store.append(head, event).expect("in order");
                    }
                    // Dropped by the bench, outside of what it measures.
                    store
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn verification(criterion: &mut Criterion) {
    let (mut chain, genesis) = Chain::genesis("bench".into(), 1, 0);
    let mut events: Vec<ChainEvent> = vec![genesis];
    events.extend((1..1_000).map(|time| chain.append(EventKind::CALL, Bytes::from(vec![7; 200]), time)));
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(events.len() as u64));
    group.bench_function("1000_events_of_200_bytes", |bencher| {
        bencher.iter(|| verify(&events).expect("a sound chain"));
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    header_hash(&mut criterion);
    append(&mut criterion);
    verification(&mut criterion);
    criterion.final_summary();
}
