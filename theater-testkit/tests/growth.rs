//! A segmented log whose payloads are pruned and whose chains are retired, on a disk that loses power at every moment.

use std::sync::Arc;

use theater_chain::vfs::Vfs;
use theater_chain::{
    AppendError, Chain, ChainReader, ChainStore, Head, LogOptions, LogReader, PruneReport, ReadError,
    SegmentedStore, SteppedStore, verify_folder_on,
};
use theater_core::event::payload::{Pruned, encode};
use theater_core::{Bytes, ChainEvent, ChainId, EventKind, EventRange};
use theater_testkit::disk::{DiskFault, SimDisk};

/// A log and what was written to it.
struct World {
    disk: SimDisk,
    store: SteppedStore,
    chains: Vec<Chain>,
    written: Vec<Vec<ChainEvent>>,
}

fn options() -> LogOptions {
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (2 << 10, 4 << 10);
    options.store_id = Some(*b"sixteen bytes id");
    options
}

fn open(disk: &SimDisk) -> SteppedStore {
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    SteppedStore::open(vfs, options()).expect("a log that is not damaged").0
}

/// Runs what does not wait for anything.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a log without threads does everything at once"),
    }
}

impl World {
    /// Some chains that take turns, `rounds` events each, every tenth of them long enough for a blob.
    fn new(chains: usize, rounds: usize) -> Self {
        let disk = SimDisk::new();
        let store = open(&disk);
        let mut world = Self { disk, store, chains: Vec::new(), written: Vec::new() };
        for n in 0..chains {
            let (chain, genesis) = Chain::genesis(Bytes::from(format!("chain {n}")), 1, 1_000);
            world.store.create(genesis.clone()).expect("room");
            world.chains.push(chain);
            world.written.push(vec![genesis]);
        }
        for round in 0..rounds {
            for n in 0..chains {
                let len = if round % 10 == 3 { 70_000 } else { 100 + round % 7 };
                world.append(n, EventKind::LOG, vec![round as u8; len].into());
            }
        }
        world
    }

    fn append(&mut self, n: usize, kind: EventKind, payload: Bytes) {
        let head = self.chains[n].head();
        let event = self.chains[n].append(kind, payload, 2_000);
        self.store.append(head, event.clone()).expect("room");
        self.written[n].push(event);
        while self.store.step() {}
    }

    fn id(&self, n: usize) -> ChainId {
        self.chains[n].head().chain_id
    }

    fn head(&self, n: usize) -> Head {
        self.chains[n].head()
    }

    fn read(&self, n: usize) -> Vec<ChainEvent> {
        now(self.store.read(self.id(n), EventRange::ALL)).expect("readable")
    }

    /// Lets the chain say that it is pruned, and prunes it.
    fn prune(&mut self, n: usize, before: u64) -> PruneReport {
        self.append(n, EventKind::PRUNED, encode(&Pruned { before, events: 0, bytes: 0 }));
        now(self.store.prune(self.id(n), before)).expect("the disk works")
    }

    fn reopen(&mut self) {
        self.disk.kill();
        self.store = open(&self.disk);
    }

    fn blobs(&self) -> usize {
        self.disk.names().iter().filter(|name| name.starts_with("blobs/")).count()
    }

    fn bytes(&self) -> usize {
        let len = |name: &String| self.disk.content(name).map_or(0, |content| content.len());
        self.disk.names().iter().filter(|name| name.ends_with(".seg")).map(len).sum()
    }

    fn sound(&self) {
        verify_folder_on(&self.disk, |_, _| ()).expect("a sound folder");
    }
}

/// That events are those that were written, but for payloads that may be gone; how many are.
fn pruned(read: &[ChainEvent], written: &[ChainEvent], before: u64) -> usize {
    assert_eq!(read.len(), written.len());
    for (read, written) in read.iter().zip(written) {
        assert_eq!((read.header, read.hash), (written.header, written.hash));
        let may_go = written.header.seq < before && !written.header.kind.keeps_payload();
        assert!(read.payload == written.payload || may_go && read.is_pruned(), "{read:?}");
    }
    read.iter().filter(|event| event.is_pruned()).count()
}

#[test]
fn pruned_payloads_are_gone_from_the_disk_and_the_chain_verifies() {
    let mut world = World::new(2, 60);
    let (bytes, blobs) = (world.bytes(), world.blobs());
    let report = world.prune(0, 40);
    assert_eq!(report.events, 39, "all but the genesis event");
    let check = |read: Vec<ChainEvent>| {
        assert_eq!(pruned(&read, &world.written[0], 40), 39);
        theater_chain::verify(&read).expect("sound")
    };
    assert_eq!(check(world.read(0)), world.head(0));
    assert_eq!(world.read(1), world.written[1], "nobody else lost anything");
    assert!(world.bytes() < bytes - 30 * 100, "{} of {bytes}", world.bytes());
    assert_eq!(world.blobs(), blobs, "the other chain has the same long payloads");
    world.sound();
    let reader = LogReader::open_on(Arc::new(world.disk.clone())).expect("a log");
    check(now(reader.read(world.id(0), EventRange::ALL)).expect("readable"));

    let report = world.prune(1, 40);
    assert_eq!(report.events, 39);
    assert_eq!(world.blobs(), blobs - 4, "nobody names them any more");
    world.reopen();
    assert_eq!(pruned(&world.read(0), &world.written[0], 40), 39);
    assert_eq!(pruned(&world.read(1), &world.written[1], 40), 39);
    world.sound();
    assert_eq!(now(world.store.prune(world.id(0), 40)), Ok(PruneReport::default()), "all of it is gone");
}

#[test]
fn a_log_that_was_pruned_again_and_again_goes_on() {
    let mut world = World::new(3, 10);
    for round in 1..8_u64 {
        for n in 0..3 {
            for _ in 0..10 {
                world.append(n, EventKind::LOG, vec![round as u8; 150].into());
            }
            world.prune(n, 10 * round);
        }
        world.reopen();
        world.sound();
    }
    for n in 0..3 {
        let read = world.read(n);
        // What the last segments have is not gone yet.
        assert!(pruned(&read, &world.written[n], 70) > 50);
        assert_eq!(theater_chain::verify(&read), Ok(world.head(n)));
    }
}

#[test]
fn a_payload_that_is_written_again_after_it_was_pruned_is_there() {
    let mut world = World::new(1, 5);
    let long: Bytes = vec![3; 70_000].into();
    for _ in 0..60 {
        world.append(0, EventKind::LOG, vec![1; 100].into());
    }
    assert_eq!(world.blobs(), 1);
    world.prune(0, 20);
    assert_eq!(world.blobs(), 0);
    world.append(0, EventKind::LOG, long.clone());
    assert_eq!(world.read(0).last().map(|event| event.payload.clone()), Some(long.clone()));
    world.reopen();
    assert_eq!(world.read(0).last().map(|event| event.payload.clone()), Some(long));
}

#[test]
fn a_loss_of_power_at_any_moment_of_pruning_loses_nothing_else() {
    for nth in 1.. {
        for seed in 0..4 {
            let mut world = World::new(2, 25);
            world.append(0, EventKind::PRUNED, encode(&Pruned { before: 20, events: 0, bytes: 0 }));
            world.disk.inject(DiskFault::Dark { nth });
            let answer = now(world.store.prune(world.id(0), 20));
            let dark = world.disk.is_dark();
            world.disk.crash(seed);
            world.store = open(&world.disk);
            let gone = pruned(&world.read(0), &world.written[0], 20);
            assert_eq!(world.read(1), world.written[1]);
            if let Ok(report) = &answer {
                assert!(gone as u64 >= report.events, "{nth}, {seed}: it was said to be gone");
            }
            world.sound();
            world.append(1, EventKind::LOG, "and it goes on".into());
            let again = now(world.store.prune(world.id(0), 20)).expect("the disk works again");
            assert_eq!(pruned(&world.read(0), &world.written[0], 20) as u64, gone as u64 + again.events);
            world.reopen();
            assert_eq!(theater_chain::verify(&world.read(0)), Ok(world.head(0)));
            if !dark {
                assert!(nth > 31, "only {} operations", nth - 1);
                return;
            }
        }
    }
}

#[test]
fn a_retired_chain_is_gone_from_the_disk_and_its_head_stays() {
    let mut world = World::new(2, 60);
    let (bytes, head) = (world.bytes(), world.head(0));
    now(world.store.retire(head)).expect("the disk works");
    while world.store.step() {}
    assert!(world.bytes() < bytes * 2 / 3, "{} of {bytes}", world.bytes());
    let reader = LogReader::open_on(Arc::new(world.disk.clone())).expect("a log");
    for _ in 0..2 {
        let (store, chain) = (&world.store, world.id(0));
        for store in [store as &dyn ChainReader, &reader] {
            assert_eq!(now(store.head(chain)), Ok(Some(head)));
            assert_eq!(now(store.read(chain, EventRange::ALL)), Err(ReadError::Retired { chain }));
            assert_eq!(now(store.chains()), Ok(vec![world.id(1)]));
        }
        assert_eq!(store.create(world.written[0][0].clone()), Err(AppendError::AlreadyExists { chain }));
        let event = Chain::resume(head).append(EventKind::LOG, "more".into(), 1);
        assert_eq!(store.append(head, event), Err(AppendError::Retired { chain }));
        assert_eq!(world.read(1), world.written[1]);
        world.sound();
        world.reopen();
    }
    // Places in the store's order are never given twice.
    let accepted = world.store.accepted();
    world.reopen();
    assert_eq!(world.store.accepted(), accepted);
}

#[test]
fn a_log_whose_last_segments_are_empty_goes_on_behind_them() {
    let mut world = World::new(1, 40);
    let head = world.head(0);
    world.reopen();
    now(world.store.retire(head)).expect("the disk works");
    let accepted = world.store.accepted();
    for _ in 0..3 {
        while world.store.step() {}
        world.reopen();
        assert_eq!(world.store.accepted(), accepted);
        assert_eq!(now(world.store.head(head.chain_id)), Ok(Some(head)));
        world.sound();
    }
    let (chain, genesis) = Chain::genesis("another".into(), world.store.epoch(), 1);
    world.store.create(genesis.clone()).expect("room");
    while world.store.step() {}
    world.reopen();
    assert_eq!(now(world.store.read(chain.head().chain_id, EventRange::ALL)), Ok(vec![genesis]));
    assert_eq!(world.store.accepted().0, accepted.0 + 1);
}

#[test]
fn a_loss_of_power_at_any_moment_of_retiring_leaves_the_chain_or_its_head() {
    for nth in 1.. {
        for seed in 0..4 {
            let mut world = World::new(2, 25);
            let head = world.head(0);
            world.disk.inject(DiskFault::Dark { nth });
            let answer = now(world.store.retire(head));
            world.store.step();
            let dark = world.disk.is_dark();
            world.disk.crash(seed);
            world.store = open(&world.disk);
            assert_eq!(now(world.store.head(world.id(0))), Ok(Some(head)));
            match now(world.store.read(world.id(0), EventRange::ALL)) {
                Ok(read) => {
                    assert!(answer.is_err(), "{nth}, {seed}: it was said to be gone");
                    assert_eq!(read, world.written[0]);
                }
                Err(error) => assert_eq!(error, ReadError::Retired { chain: world.id(0) }),
            }
            assert_eq!(world.read(1), world.written[1]);
            world.sound();
            if !dark {
                assert!(nth > 30, "only {nth} operations");
                return;
            }
        }
    }
}

#[test]
fn the_python_verifier_of_segments_agrees_about_what_was_removed() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/chain-format.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let program =
        page.split("```python\n").nth(2).and_then(|rest| rest.split("```").next()).expect("its program");
    // It needs Python and one package; a machine without them can read it all the same.
    let blake3 = std::process::Command::new("python3").args(["-c", "import blake3"]).output();
    if !blake3.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "LEFT OUT: python3 with the package blake3 is not here, so the page's verifier was not run"
        );
        return;
    }
    let mut world = World::new(3, 25);
    world.prune(0, 20);
    now(world.store.retire(world.head(1))).expect("the disk works");
    while world.store.step() {}
    world.prune(2, 20);
    let folder = tempfile::tempdir().expect("a folder");
    for name in world.disk.names() {
        let path = folder.path().join(&name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, world.disk.content(&name).expect("a file")).expect("room");
    }
    let run = || {
        let mut python = std::process::Command::new("python3");
        python.args(["-c", program]).arg(folder.path()).output().expect("python3 is here")
    };
    let told = run();
    let text = String::from_utf8_lossy(&told.stdout);
    assert!(text.starts_with("verified: 2 chains, "), "{text}{}", String::from_utf8_lossy(&told.stderr));
    std::fs::remove_file(folder.path().join("log/retired")).expect("it was there");
    assert!(!run().status.success(), "what was removed has to be said");
}

/// Everything at once, with the threads of a log: appends, reads, and removing what is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn readers_and_writers_go_on_while_things_are_removed() {
    let (store, _) = SegmentedStore::open_on(Arc::new(SimDisk::new()), options()).expect("an empty disk");
    let store = Arc::new(store);
    let (mut chain, genesis) = Chain::genesis("one".into(), 1, 1);
    let id = chain.head().chain_id;
    store.create(genesis.clone()).expect("room");
    let (writing, mut written) = (Arc::clone(&store), vec![genesis]);
    let writer = tokio::task::spawn_blocking(move || {
        for n in 0..1_500_u64 {
            // The same few long payloads again and again: blobs come and go.
            let len = if n % 16 == 0 { 70_000 + n as usize % 3 } else { 100 };
            let head = chain.head();
            let event = chain.append(EventKind::LOG, vec![7; len].into(), n);
            while writing.append(head, event.clone()) == Err(AppendError::Full) {
                std::thread::yield_now();
            }
            written.push(event);
        }
        written
    });
    let pruning = Arc::clone(&store);
    let pruner = tokio::spawn(async move {
        let mut gone = 0;
        for n in 0.. {
            let (other, genesis) = Chain::genesis(Bytes::from(format!("other {n}")), 1, 1);
            pruning.create(genesis).expect("room");
            pruning.retire(other.head()).await.expect("the disk works");
            let length = pruning.chain_head(id).expect("a chain").length;
            gone += pruning.prune(id, length).await.expect("the disk works").events;
            if length == 1_501 && gone > 1_000 {
                return (gone, other.head());
            }
            tokio::task::yield_now().await;
        }
        unreachable!("it ends when there is nothing more to do")
    });
    let mut looks = 0;
    while !pruner.is_finished() {
        let head = store.head(id).await.expect("readable").expect("a chain");
        let from = head.length.saturating_sub(300);
        for event in store.read(id, EventRange { from, limit: 300 }).await.expect("readable") {
            let whole = theater_chain::hash::payload_hash(&event.payload) == event.header.payload_hash;
            assert!(whole || event.is_pruned(), "event {}", event.header.seq);
        }
        looks += 1;
    }
    let (written, (gone, last)) = (writer.await.expect("no panic"), pruner.await.expect("no panic"));
    let read = store.read(id, EventRange::ALL).await.expect("readable");
    assert_eq!(pruned(&read, &written, u64::MAX) as u64, gone);
    assert_eq!(store.head(last.chain_id).await, Ok(Some(last)));
    assert!(looks > 3, "{looks}");
}
