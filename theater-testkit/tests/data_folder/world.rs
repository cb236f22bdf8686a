//! A log on a simulated disk, and what was put into it.

use std::sync::Arc;

use theater_chain::vfs::Vfs;
use theater_chain::{Chain, ChainStore, LogOptions, Lsn, SteppedStore};
use theater_core::event::payload::{Genesis, encode};
use theater_core::{ActorId, Bytes, ChainEvent, EventKind};
use theater_testkit::disk::SimDisk;

/// A log, its writer, and everything that was appended, in order.
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) store: Option<SteppedStore>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) events: Vec<(Lsn, ChainEvent)>,
}

pub(crate) fn options() -> LogOptions {
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (2 << 10, 4 << 10);
    options.store_id = Some(*b"sixteen bytes id");
    options
}

pub(crate) fn actor(number: u8) -> ActorId {
    ActorId::from_parts(1_764_000_000_000, [number; 10])
}

pub(crate) fn genesis(number: u8) -> Bytes {
    encode(&Genesis {
        actor: actor(number),
        nonce: [number; 32],
        name: format!("actor {number}"),
        component: "11".repeat(32),
        manifest: "22".repeat(32),
        parent: None,
        runtime: "theater".to_owned(),
        placement: None,
        sources: None,
    })
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = Self { disk: SimDisk::new(), store: None, chains: Vec::new(), events: Vec::new() };
        world.open();
        world
    }

    pub(crate) fn vfs(&self) -> Arc<dyn Vfs> {
        Arc::new(self.disk.clone())
    }

    /// Starts a process on the disk.
    pub(crate) fn open(&mut self) -> theater_chain::Recovery {
        let (store, recovery) = SteppedStore::open(self.vfs(), options()).expect("a sound log");
        let epoch = store.epoch();
        for chain in &mut self.chains {
            let mut head = chain.head();
            head.epoch = epoch;
            *chain = Chain::resume(head);
        }
        self.store = Some(store);
        recovery
    }

    pub(crate) fn store(&mut self) -> &mut SteppedStore {
        self.store.as_mut().expect("a process runs")
    }

    pub(crate) fn create(&mut self) -> usize {
        let number = self.chains.len();
        let store = self.store.as_ref().expect("a process runs");
        let (chain, event) = Chain::genesis(genesis(number as u8), store.epoch(), 1_000 + number as u64);
        store.create(event.clone()).expect("a new chain");
        self.events.push((store.accepted(), event));
        self.chains.push(chain);
        number
    }

    pub(crate) fn append(&mut self, chain: usize, payload: impl Into<Bytes>) {
        let store = self.store.as_ref().expect("a process runs");
        let before = self.chains[chain].head();
        let time = 2_000 + self.events.len() as u64;
        let event = self.chains[chain].append(EventKind::CALL, payload.into(), time);
        // The term that the writer has now is not that of the chain's last event.
        let stored = theater_chain::Head { epoch: self.stored_epoch(chain), ..before };
        store.append(stored, event.clone()).expect("it follows");
        self.events.push((store.accepted(), event));
    }

    fn stored_epoch(&self, chain: usize) -> u32 {
        let id = self.chains[chain].head().chain_id;
        let last = self.events.iter().rev().find(|(_, event)| event.header.chain_id == id);
        last.expect("it has begun").1.header.epoch
    }

    pub(crate) fn step(&mut self) {
        while self.store().step() {}
    }

    /// Writes, notes that everything is durable, and ends the process as if it had been killed. Others go on.
    pub(crate) fn kill(&mut self) {
        self.step();
        self.store().mark();
        self.store = None;
    }

    pub(crate) fn close(&mut self) {
        self.store.take().expect("a process runs").close().expect("a sound disk");
    }

    /// Forgets of the chains what is not among the events any more.
    pub(crate) fn rewind(&mut self) {
        let last_of = |chain: &mut Chain| {
            let id = chain.head().chain_id;
            let last = self.events.iter().rev().find(|(_, event)| event.header.chain_id == id);
            last.map(|(_, last)| *chain = Chain::resume(theater_chain::Head::after(last))).is_some()
        };
        self.chains.retain_mut(last_of);
    }

    /// Makes everything on the disk durable, as time does.
    pub(crate) fn settle(&self) {
        for name in self.disk.names() {
            self.disk.open(&name).expect("it is listed").sync_data().expect("a sound disk");
        }
    }

    /// Everything on the disk.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        files(&self.disk)
    }

    /// Two terms with sealed segments, a blob, and an end that was killed.
    pub(crate) fn lived() -> Self {
        let mut world = Self::new();
        for _ in 0..3 {
            world.create();
        }
        world.step();
        for number in 0..8 {
            world.append(number % 3, vec![number as u8; 100 + 30 * number]);
            if number % 2 == 1 {
                world.step();
            }
        }
        world.append(1, vec![7; (64 << 10) + 1]);
        world.step();
        world.close();
        world.open();
        world.create();
        for number in 0..4 {
            world.append(number, vec![number as u8; 50]);
        }
        world.kill();
        world
    }
}

pub(crate) fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    disk.names().into_iter().map(|name| (name.clone(), disk.content(&name).expect("it is listed"))).collect()
}
