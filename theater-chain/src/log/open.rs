//! Opening: loads what is there, settles it, and goes on behind it in a segment of a new term.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use theater_core::PayloadHash;
use tokio::sync::watch;

use super::load::{self, Loaded, Sidecar};
use super::state::{End, FOLDER, Segment, State, segment_path};
use super::{Jobs, LogOptions, Shared, blobs, housekeeping, retired};
use crate::flaw::{self, Flaw};
use crate::segment::{SegmentHeader, header};
use crate::store::{Damage, Lsn, Tails};
use crate::vfs::{Vfs, read_file, replace_file, write_all_at};

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The system did not do what was needed.
    #[error("could not {operation} {file}")]
    Io {
        /// What.
        operation: &'static str,
        /// With which file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What had been durable is not there as it was. Nothing was changed.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// There is nothing to read.
    #[error("there is no log in {folder}")]
    NoLog {
        /// The data folder.
        folder: String,
    },
    /// It was written in another format. Open it with the version that wrote it.
    #[error("{file} has format {found}, this program reads format {supported}")]
    Format {
        /// The file.
        file: String,
        /// Its format.
        found: i64,
        /// The format that this version reads.
        supported: i64,
    },
    /// Another process has the log open.
    #[error("another process uses {folder}")]
    InUse {
        /// The data folder.
        folder: String,
    },
}

impl OpenError {
    pub(crate) fn io(operation: &'static str, file: &str, source: io::Error) -> Self {
        Self::Io { operation, file: file.to_owned(), source }
    }
}

/// What was found in a log when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Events that are there.
    pub events: u64,
    /// Chains that are there.
    pub chains: usize,
    /// Segments that are there, before the one that was begun now.
    pub segments: usize,
    /// The term of this process.
    pub epoch: u32,
    /// Whether the log had been closed and not just left.
    pub closed: bool,
    /// How far the log says that it was durable.
    pub durable: Lsn,
    /// What was cut off its end.
    pub cut: Option<Cut>,
    /// Sidecars that were damaged and have been made again.
    pub rebuilt: Vec<String>,
}

/// A torn end: the last write of a process that ended in the middle of it. Nobody was told of anything in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub file: String,
    /// From where on.
    pub offset: u64,
    /// How much of it was not empty, at most.
    pub bytes: u64,
    /// What is wrong with what is there.
    pub why: String,
}

/// Keeps other processes out as long as the file is open.
pub(crate) fn lock(folder: &Path) -> Result<std::fs::File, OpenError> {
    let path = folder.join("lock");
    let name = path.display().to_string();
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| OpenError::io("open", &name, error))?;
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A process that was just forked holds what its parent has open until it becomes another program.
            Err(std::fs::TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { folder: folder.display().to_string() });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(OpenError::io("lock", &name, error)),
        }
    }
}

/// How often a lock is tried again, and after which time, before it is another process that has it.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Opens a log: reads it, cuts a torn end, and begins a new segment of a new term.
pub(super) fn open(vfs: Arc<dyn Vfs>, options: LogOptions) -> Result<(Arc<Shared>, Recovery), OpenError> {
    for folder in [FOLDER, blobs::FOLDER] {
        vfs.create_dir(folder).map_err(|error| OpenError::io("make the folder", folder, error))?;
    }
    let mut loaded = load::load(&*vfs)?;
    let mut recovery = Recovery {
        events: 0,
        chains: 0,
        segments: 0,
        epoch: loaded.last().map_or(0, |segment| segment.header.epoch) + 1,
        closed: loaded.last().is_none_or(|segment| segment.sidecar == Sidecar::Good),
        durable: Lsn(load::durable(&loaded)),
        cut: loaded.last().and_then(|segment| segment.cut.clone()),
        rebuilt: Vec::new(),
    };
    settle(&*vfs, &mut loaded, &mut recovery)?;
    remove_leftovers(&*vfs);
    let mut state = State {
        chains: Default::default(),
        order: Vec::new(),
        segments: Vec::new(),
        sealed: Default::default(),
        dead: Default::default(),
        blobs: Default::default(),
        end: End { offset: 0, crc: 0, lsn: 0 },
        chunks: Vec::new(),
        writing: Arc::default(),
        pending: 0,
        written: 0,
        synced: 0,
        marked: 0,
        failed: None,
        closing: false,
        writer_waits: false,
    };
    retired::add(&mut state.chains, &mut state.order, &retired::load_to_open(&*vfs)?);
    let mut store = options.store_id;
    for segment in loaded {
        store = Some(segment.header.store);
        // Nothing is in it: the segment that is begun now takes its place and its name.
        if segment.is_empty() && !flaw::has(Flaw::SameSegment) {
            state.end.crc = segment.header.prev_crc;
            continue;
        }
        recovery.segments += 1;
        recovery.events += segment.index.events;
        add(&mut state, segment)?;
    }
    recovery.chains = state.order.len();
    // The segment that is begun says so of those before it.
    (state.written, state.synced, state.marked) = (state.end.lsn, state.end.lsn, state.end.lsn);
    let store = match store {
        Some(store) => store,
        None => random_id()?,
    };
    remove_unnamed_blobs(&*vfs, &state);
    if !(flaw::has(Flaw::SameSegment) && go_on(&mut state)) {
        begin(&*vfs, &mut state, &options, store, recovery.epoch)?;
    }
    let accepted = AtomicU64::new(state.end.lsn);
    let shared = Shared {
        vfs,
        options,
        epoch: recovery.epoch,
        state: Mutex::new(state),
        wake: std::sync::Condvar::new(),
        spare: Mutex::new(None),
        removing: Mutex::new(()),
        blobs: Mutex::new(()),
        jobs: Mutex::new(Jobs::Nobody),
        progress: watch::Sender::new(0),
        tails: Tails::default(),
        accepted,
    };
    Ok((Arc::new(shared), recovery))
}

/// Makes what is trusted from now on durable: what another process has written may not have been synced. Cuts the torn end,
/// and writes the sidecars that are missing.
fn settle(vfs: &dyn Vfs, loaded: &mut [Loaded], recovery: &mut Recovery) -> Result<(), OpenError> {
    // A process that was killed may have named a blob and not synced the name.
    vfs.sync_dir(blobs::FOLDER).map_err(|error| OpenError::io("sync", blobs::FOLDER, error))?;
    let last = loaded.len().saturating_sub(1);
    for (number, segment) in loaded.iter_mut().enumerate() {
        if segment.sidecar == Sidecar::Good {
            continue;
        }
        let path = segment_path(&segment.name);
        let name = format!("{}.idx", segment.name);
        let end = segment.index.end;
        // Each but the last was synced before the next was made. Nor is a mark believed here: it may be what was not synced.
        let trusted = flaw::has(Flaw::FailedSyncTrusted) || flaw::has(Flaw::TornEndStays);
        if number == last && !trusted {
            renew(vfs, segment).map_err(|error| OpenError::io("write again", &path, error))?;
        }
        if !flaw::has(Flaw::TornEndStays) {
            segment.file.set_len(end).map_err(|error| OpenError::io("cut the end of", &path, error))?;
        }
        segment.file.sync_data().map_err(|error| OpenError::io("sync", &path, error))?;
        if flaw::has(Flaw::SameSegment) {
            continue;
        }
        replace_file(vfs, FOLDER, &name, &segment.index.encode())
            .map_err(|error| OpenError::io("write", &format!("{FOLDER}/{name}"), error))?;
        if segment.sidecar == Sidecar::Damaged {
            recovery.rebuilt.push(format!("{FOLDER}/{name}"));
        }
    }
    Ok(())
}

/// Writes a segment again, into a new file. Where a process died because a sync had failed, the system shows what it wrote and takes it for
/// synced, and so will every later sync; and what is durable must not be written over.
fn renew(vfs: &dyn Vfs, segment: &mut Loaded) -> io::Result<()> {
    let mut bytes = read_file(&*segment.file)?;
    bytes.truncate(usize::try_from(segment.index.end).map_err(|_| io::ErrorKind::FileTooLarge)?);
    replace_file(vfs, FOLDER, &format!("{}.seg", segment.name), &bytes)?;
    segment.file = vfs.open(&segment_path(&segment.name))?;
    Ok(())
}

/// Removes what an earlier process had begun and not finished. What stays does no harm.
fn remove_leftovers(vfs: &dyn Vfs) {
    for folder in [FOLDER, blobs::FOLDER] {
        for name in vfs.list(folder).unwrap_or_default() {
            if name.ends_with(".tmp") || format!("{folder}/{name}") == housekeeping::SPARE {
                let _ = vfs.remove(&format!("{folder}/{name}"));
            }
        }
    }
}

/// Removes blobs that no event names: of events that were pruned, or whose record was cut off. What stays does no harm.
fn remove_unnamed_blobs(vfs: &dyn Vfs, state: &State) {
    for name in vfs.list(blobs::FOLDER).unwrap_or_default() {
        if name.parse().is_ok_and(|hash: PayloadHash| !state.blobs.contains_key(&hash)) {
            let _ = vfs.remove(&format!("{}/{name}", blobs::FOLDER));
        }
    }
}

/// Adds the events of a segment to what is known.
fn add(state: &mut State, loaded: Loaded) -> Result<(), OpenError> {
    let number = u32::try_from(state.segments.len()).expect("there are fewer than 2^32 segments");
    load::add(&mut state.chains, &mut state.order, number, &loaded)?;
    let crc = loaded.ending().crc();
    state.end = End { offset: loaded.index.end, crc, lsn: loaded.index.next_lsn - 1 };
    for hash in &loaded.index.blobs {
        *state.blobs.entry(*hash).or_default() += 1;
    }
    for chain in &loaded.index.chains {
        if state.chains.get(&chain.chain).is_some_and(|known| known.retired) {
            let bytes: u64 = chain.slots.iter().map(|slot| u64::from(slot.len)).sum();
            *state.dead.entry(number).or_default() += bytes;
        }
    }
    state.sealed.insert(number);
    let file = OnceLock::from(loaded.file);
    state.segments.push(Arc::new(Segment { name: loaded.name, header: loaded.header, file }));
    Ok(())
}

/// Goes on behind the end of the last segment, as a log must not. Whether there is one.
fn go_on(state: &mut State) -> bool {
    state.segments.last().is_some_and(|segment| state.end.offset < segment.header.capacity)
}

/// Begins the segment that this process writes first.
fn begin(
    vfs: &dyn Vfs,
    state: &mut State,
    options: &LogOptions,
    store: [u8; 16],
    epoch: u32,
) -> Result<(), OpenError> {
    let header = SegmentHeader {
        store,
        first_lsn: state.end.lsn + 1,
        epoch,
        capacity: options.first_segment.max(header::HEADER_LEN as u64),
        prev_crc: state.end.crc,
        closing_crc: None,
        rewrites: 0,
    };
    let segment = Segment::new(header);
    let path = segment.path();
    let make = || {
        let file = housekeeping::prepare(vfs, header.capacity)?;
        write_all_at(&*file, &header.encode(), 0)?;
        file.sync_data()?;
        vfs.rename(housekeeping::SPARE, &path)?;
        vfs.sync_dir(FOLDER)?;
        Ok(file)
    };
    let file = make().map_err(|error| OpenError::io("make", &path, error))?;
    // It was made empty above.
    let _ = segment.file.set(file);
    state.segments.push(Arc::new(segment));
    state.end.offset = header::HEADER_LEN as u64;
    state.end.crc = header.crc();
    Ok(())
}

fn random_id() -> Result<[u8; 16], OpenError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| OpenError::io("make an id for", FOLDER, io::Error::other(error.to_string())))?;
    Ok(id)
}
