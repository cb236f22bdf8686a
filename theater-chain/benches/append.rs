//! Sealing, appending and verifying.

use criterion::{BatchSize, Criterion, Throughput};
use theater_chain::{Chain, ChainStore, MemoryStore, verify};
use theater_core::{Bytes, ChainEvent, EventKind};

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    for size in [64, 1 << 10, 64 << 10] {
        let payload = Bytes::from(vec![7; size]);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("seal/{size}"), |bencher| {
            let (mut chain, _) = Chain::genesis("bench".into(), 1, 0);
            bencher.iter(|| chain.append(EventKind::CALL, payload.clone(), 1));
        });
        group.bench_function(format!("seal_and_store/{size}"), |bencher| {
            bencher.iter_batched(
                || {
                    let (chain, genesis) = Chain::genesis("bench".into(), 1, 0);
                    let store = MemoryStore::new();
                    store.create(genesis).expect("a new store is empty");
                    (chain, store)
                },
                |(mut chain, store)| {
                    for time in 0..100 {
                        let head = chain.head();
                        store
                            .append(head, chain.append(EventKind::CALL, payload.clone(), time))
                            .expect("in order");
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
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
    let mut criterion = Criterion::default().configure_from_args();
    append(&mut criterion);
    verification(&mut criterion);
    criterion.final_summary();
}
