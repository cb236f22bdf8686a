//! One log through all its processes, and what is known of it from outside.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::sync::Arc;

use theater_chain::flaw::{Flaw, with_flaws};
use theater_chain::vfs::Vfs;
use theater_chain::{
    AppendError, Chain, ChainStore, Durability, Head, LogOptions, Lsn, Poisoned, SteppedStore,
};
use theater_core::{Bytes, ChainEvent, EventHash, EventKind};
use theater_testkit::disk::{DiskFault, SimDisk};

use crate::case::{Case, End, Life, Op, Size};
use crate::check::{Check, Checked};
use crate::contents::{compare, contents, look, once};
use crate::flawed::{FlawedDisk, Wrong};

/// What came up, so that a property is not kept because nothing happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Stats {
    pub(crate) crashes: usize,
    pub(crate) kills: usize,
    pub(crate) crashes_in_recovery: usize,
    pub(crate) cuts: usize,
    pub(crate) events_cut: usize,
    pub(crate) acknowledged: usize,
    pub(crate) poisoned: usize,
    pub(crate) stalled: usize,
    pub(crate) refused: usize,
    pub(crate) blobs: usize,
    pub(crate) segments: usize,
    pub(crate) damage_reported: usize,
    pub(crate) damage_cut: usize,
}

/// An event that the log took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) event: ChainEvent,
    /// How far everything was synced then.
    pub(crate) durable: u64,
}

/// A log, and everything that anybody was told about it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) disk: SimDisk,
    pub(crate) vfs: Arc<FlawedDisk>,
    pub(crate) options: LogOptions,
    pub(crate) store: Option<SteppedStore>,
    pub(crate) epoch: u32,
    /// Whether everything is checked, and not only what is found at each opening. A log that goes on in the same segment gives its
    /// processes no terms, and is wrong in many ways before its ghosts show.
    pub(crate) thorough: bool,
    /// What the log has, in its order.
    pub(crate) taken: Vec<Taken>,
    /// What recoveries have cut.
    pub(crate) cut: HashSet<EventHash>,
    /// So many events were acknowledged.
    pub(crate) told: usize,
    /// So many of them must survive a loss of power.
    pub(crate) safe: usize,
    /// The mark behind an event, and how far everything was synced then.
    pub(crate) marks: Vec<(u64, u64)>,
    heads: BTreeMap<u8, Head>,
    poisoned: Option<Poisoned>,
    /// Whether anything but a full disk went wrong in this life.
    faulty: bool,
    made: u64,
    pub(crate) stats: Stats,
}

/// Plays a case on the log.
pub(crate) fn run(case: &Case) -> Checked<Stats> {
    play(case, Wrong::Nothing, &[])
}

/// Plays a case on a wrong variant of the log.
pub(crate) fn play(case: &Case, wrong: Wrong, flaws: &[Flaw]) -> Checked<Stats> {
    with_flaws(flaws, || play_here(case, wrong, !flaws.contains(&Flaw::SameSegment)))
}

fn play_here(case: &Case, wrong: Wrong, thorough: bool) -> Checked<Stats> {
    let mut world = World::new(case, wrong, thorough);
    for life in &case.lives {
        world.open(&life.openings)?;
        world.live(life)?;
    }
    world.open(&[])?;
    Ok(world.stats)
}

impl World {
    pub(crate) fn new(case: &Case, wrong: Wrong, thorough: bool) -> Self {
        let disk = SimDisk::new();
        let mut options = LogOptions::default();
        options.first_segment = case.first_segment;
        options.largest_segment = case.first_segment * 4;
        options.pending = 72 << 10;
        options.durability = case.durability;
        options.store_id = Some(*b"the same always!");
        Self {
            vfs: Arc::new(FlawedDisk::new(disk.clone(), wrong)),
            disk,
            options,
            store: None,
            epoch: 0,
            thorough,
            taken: Vec::new(),
            cut: HashSet::new(),
            told: 0,
            safe: 0,
            marks: Vec::new(),
            heads: BTreeMap::new(),
            poisoned: None,
            faulty: false,
            made: 0,
            stats: Stats::default(),
        }
    }

    pub(crate) fn dyn_vfs(&self) -> Arc<dyn Vfs> {
        Arc::<FlawedDisk>::clone(&self.vfs)
    }

    fn full(&self) -> bool {
        self.options.durability == Durability::Full
    }

    /// What a process knows when it begins.
    pub(crate) fn begin(&mut self, store: SteppedStore) {
        self.heads.clear();
        for taken in &self.taken {
            let chain =
                self.heads.entry(chain_of(&self.heads, &taken.event)).or_insert(Head::after(&taken.event));
            *chain = Head::after(&taken.event);
        }
        (self.poisoned, self.faulty) = (None, false);
        self.store = Some(store);
    }

    fn live(&mut self, life: &Life) -> Checked {
        for op in &life.ops {
            self.perform(*op)?;
            if self.disk.is_dark() {
                break;
            }
            self.observe()?;
        }
        self.end(life.end)?;
        match life.rot {
            Some(rot) if self.thorough => self.check_rot(rot),
            _ => Ok(()),
        }
    }

    fn store(&mut self) -> &mut SteppedStore {
        self.store.as_mut().expect("a process is running")
    }

    fn perform(&mut self, op: Op) -> Checked {
        match op {
            Op::Append { chain, size } => return self.append(chain, size),
            Op::Step => {
                let idle = !self.store().step();
                self.stats.stalled += usize::from(idle && !self.faulty && self.behind());
            }
            Op::Sync => {
                if self.store().sync() && !self.disk.is_dark() {
                    self.observe()?;
                    self.safe = self.told;
                    self.check_ahead()?;
                }
            }
            Op::Mark => {
                let mark = (self.taken.len() as u64, self.safe as u64);
                if self.store().mark() {
                    self.marks.push(mark);
                }
            }
            Op::Heal => {
                self.disk.heal();
                while self.store().step() {}
                self.observe()?;
                let goes_on = self.poisoned.is_some() || !self.behind();
                Check::Room.holds(goes_on, || format!("told {} of {}", self.told, self.taken.len()))?;
            }
            fault => self.inject(fault),
        }
        Ok(())
    }

    pub(crate) fn inject(&mut self, op: Op) {
        let fault = match op {
            Op::Fail(operation, nth) => DiskFault::Fail { operation, nth, kind: io::ErrorKind::Other },
            Op::Short(nth, most) => DiskFault::Short { nth, most },
            Op::Room(left) => DiskFault::Room(self.disk.used() + left),
            Op::Dark(nth) => DiskFault::Dark { nth },
            _ => return,
        };
        self.faulty |= !matches!(fault, DiskFault::Room(_));
        self.disk.inject(fault);
    }

    /// Whether something that was taken is not acknowledged.
    fn behind(&self) -> bool {
        self.told < self.taken.len()
    }

    fn append(&mut self, chain: u8, size: Size) -> Checked {
        let payload = self.payload(size);
        let epoch = self.epoch;
        let head = self.heads.get(&chain).copied();
        let (event, result) = match head {
            None => {
                let (_, genesis) = Chain::genesis(named(chain, &payload), epoch, self.made);
                (genesis.clone(), self.store().create(genesis))
            }
            Some(head) => {
                let event = Chain::resume(Head { epoch, ..head }).append(EventKind::LOG, payload, self.made);
                (event.clone(), self.store().append(head, event))
            }
        };
        match result {
            Ok(head) => {
                self.heads.insert(chain, head);
                self.stats.blobs += usize::from(event.payload.len() > 64 << 10);
                self.taken.push(Taken { event, durable: self.safe as u64 });
            }
            Err(AppendError::Full) => self.stats.refused += 1,
            Err(AppendError::Poisoned(failed)) => self.check_poison(failed)?,
            Err(error) => return Err(Check::Prefix.broken(format!("an event was refused: {error}"))),
        }
        let accepted = self.store().accepted();
        Check::Prefix.holds(accepted == Lsn(self.taken.len() as u64), || format!("accepted is {accepted}"))
    }

    fn payload(&mut self, size: Size) -> Bytes {
        self.made += 1;
        let (len, first) = match size {
            Size::Bytes(len) => (len.max(9), self.made),
            Size::Blob(which) => ((64 << 10) + 1, u64::from(which)),
        };
        let mut bytes = vec![u8::try_from(first % 251).expect("below 251"); len];
        bytes[1..9].copy_from_slice(&first.to_le_bytes());
        bytes.into()
    }

    /// What anybody can see of the store now: what it calls durable, and whether it has failed.
    fn observe(&mut self) -> Checked {
        let before = self.told;
        match self.store().durable() {
            Ok(Lsn(lsn)) => {
                let still = self.poisoned.is_none();
                Check::Poisoned.holds(still, || "the store had failed and works again".to_owned())?;
                self.told = self.told.max(usize::try_from(lsn).expect("few"));
            }
            Err(failed) => self.check_poison(failed)?,
        }
        // Also of a store that has failed: what was durable before stays so.
        loop {
            let next = Lsn(self.told as u64 + 1);
            match once(self.store().until_durable(next)) {
                Some(Ok(())) => self.told += 1,
                Some(Err(failed)) => break self.check_poison(failed)?,
                None => break,
            }
        }
        if self.told == before {
            return Ok(());
        }
        let taken = self.taken.len();
        let told = self.told;
        Check::AheadOfDisk
            .holds(told <= taken, || format!("{told} are called durable, {taken} were taken"))?;
        self.stats.acknowledged += told - before;
        if self.full() {
            self.safe = told;
        }
        self.check_ahead()
    }

    fn check_poison(&mut self, failed: Poisoned) -> Checked {
        Check::Room.holds(self.faulty, || format!("nothing was wrong but a full disk: {failed}"))?;
        if self.poisoned.is_none() {
            self.stats.poisoned += 1;
        }
        let first = self.poisoned.get_or_insert_with(|| failed.clone());
        Check::Poisoned.holds(*first == failed, || format!("first {first}, then {failed}"))
    }

    /// What would be there if the power went at this moment, or the process was killed.
    fn check_ahead(&self) -> Checked {
        if !self.thorough {
            return Ok(());
        }
        let ends = [
            ("a loss of power", self.disk.synced(), self.safe),
            ("a kill", self.disk.copy(), self.told),
            ("a torn end", torn(&self.disk, self.made), self.safe),
        ];
        for (end, disk, least) in ends {
            let broken = |told: String| Check::AheadOfDisk.broken(format!("after {end}: {told}"));
            let (store, _) = look(&disk, &self.options).map_err(|error| broken(format!("{error:?}")))?;
            let found = contents(&store).map_err(|error| broken(error.to_string()))?;
            let found = compare(&found, self.taken.iter().map(|taken| &taken.event), &self.cut)?;
            Check::AheadOfDisk.holds(found >= least, || {
                format!("after {end}: {found} events, {least} were acknowledged")
            })?;
        }
        Ok(())
    }

    fn end(&mut self, end: End) -> Checked {
        let store = self.store.take().expect("a process is running");
        let dark = self.disk.is_dark();
        match end {
            End::Power(seed) => {
                drop(store);
                self.lose_power(seed);
            }
            End::Kill | End::Close if dark => {
                drop(store);
                self.lose_power(self.made);
            }
            End::Kill => {
                drop(store);
                self.disk.kill();
                self.stats.kills += 1;
            }
            End::Close => {
                let closed = store.close();
                if self.disk.is_dark() {
                    self.lose_power(self.made);
                    return Ok(());
                }
                if closed.is_ok() {
                    (self.told, self.safe) = (self.taken.len(), self.taken.len());
                    self.check_ahead()?;
                }
                self.disk.kill();
                self.stats.kills += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn lose_power(&mut self, seed: u64) {
        self.disk.crash(seed);
        self.told = self.safe;
        self.stats.crashes += 1;
    }
}

/// The disk after a loss of power at this moment.
fn torn(disk: &SimDisk, seed: u64) -> SimDisk {
    let copy = disk.copy();
    copy.crash(seed);
    copy
}

/// The name of a chain is the first byte of its first event.
fn named(chain: u8, payload: &Bytes) -> Bytes {
    let mut payload = payload.to_vec();
    payload[0] = chain;
    payload.into()
}

fn chain_of(heads: &BTreeMap<u8, Head>, event: &ChainEvent) -> u8 {
    let known = heads.iter().find(|(_, head)| head.chain_id == event.header.chain_id);
    known.map_or(event.payload[0], |(chain, _)| *chain)
}
