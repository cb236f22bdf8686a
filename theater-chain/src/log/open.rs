//! Opening: reads what is there, verifies it before it trusts it, and goes on behind it.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use theater_core::ChainId;
use tokio::sync::watch;

use super::state::{ChainPlaces, End, FOLDER, Place, Segment, State, segment_path};
use super::{Jobs, LogOptions, Shared, blobs, housekeeping};
use crate::chain::Head;
use crate::flaw::{self, Flaw};
use crate::segment::SegmentHeader;
use crate::segment::index::{Broken, SegmentIndex};
use crate::segment::scan::Extent;
use crate::segment::{header, salvage};
use crate::store::{Damage, Lsn, Tails};
use crate::vfs::{Vfs, VfsFile, read_file, read_full_at, replace_file, write_all_at};

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
    /// Another process has the log open.
    #[error("another process uses {folder}")]
    InUse {
        /// The data folder.
        folder: String,
    },
}

impl OpenError {
    pub(super) fn io(operation: &'static str, file: &str, source: io::Error) -> Self {
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
pub(super) fn lock(folder: &Path) -> Result<std::fs::File, OpenError> {
    let path = folder.join("lock");
    let name = path.display().to_string();
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| OpenError::io("open", &name, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(OpenError::InUse { folder: folder.display().to_string() })
        }
        Err(std::fs::TryLockError::Error(error)) => Err(OpenError::io("lock", &name, error)),
    }
}

/// One segment as it was found.
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) header: SegmentHeader,
    pub(super) index: SegmentIndex,
    pub(super) file: Box<dyn VfsFile>,
    /// Whether the sidecar was there, and whether it was damaged.
    pub(super) sidecar: Sidecar,
    pub(super) cut: Option<Cut>,
}

/// The state of a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sidecar {
    Good,
    Missing,
    Damaged,
}

/// Reads all segments of a log, and changes nothing.
pub(super) fn load(vfs: &dyn Vfs) -> Result<Vec<Loaded>, OpenError> {
    let mut names: Vec<String> = match vfs.list(FOLDER) {
        Ok(names) => names.iter().filter_map(|name| name.strip_suffix(".seg").map(str::to_owned)).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(OpenError::io("list", FOLDER, error)),
    };
    names.sort_unstable();
    let last = names.len().saturating_sub(1);
    let mut loaded: Vec<Loaded> = Vec::with_capacity(names.len());
    for (number, name) in names.into_iter().enumerate() {
        let segment = load_segment(vfs, name, number == last)?;
        check_link(loaded.last(), &segment)?;
        loaded.push(segment);
    }
    Ok(loaded)
}

fn load_segment(vfs: &dyn Vfs, name: String, last: bool) -> Result<Loaded, OpenError> {
    let path = segment_path(&name);
    let damage = |offset: usize, chain: Option<ChainId>, what: String| {
        OpenError::from(Damage { file: path.clone(), offset: offset as u64, chain, what })
    };
    let file = vfs.open(&path).map_err(|error| OpenError::io("open", &path, error))?;
    let mut start = [0; header::HEADER_LEN];
    let read = read_full_at(&*file, &mut start, 0).map_err(|error| OpenError::io("read", &path, error))?;
    let header = SegmentHeader::decode(&start[..read]).map_err(|fault| damage(0, None, fault.to_string()))?;
    // So far nobody comes, and counting on from there stays possible.
    if header.first_lsn == 0 || header.first_lsn > u64::MAX / 2 || header.epoch == u32::MAX {
        let what = format!("no segment has the position {} or the term {}", header.first_lsn, header.epoch);
        return Err(damage(0, None, what));
    }
    if super::state::segment_name(header.first_lsn) != name {
        return Err(damage(
            0,
            None,
            format!("its first event is {}, not what its name says", header.first_lsn),
        ));
    }
    let sidecar_path = format!("{FOLDER}/{name}.idx");
    let mut sidecar = Sidecar::Missing;
    if let Ok(found) = vfs.open(&sidecar_path).and_then(|file| read_file(&*file)) {
        let len = file.len().map_err(|error| OpenError::io("read", &path, error))?;
        match SegmentIndex::decode(&found) {
            Some(index) if index.fits(&header, len) => {
                return Ok(Loaded { name, header, index, file, sidecar: Sidecar::Good, cut: None });
            }
            // Of a file that had this name before, or of this one before it was pruned.
            Some(index) if index.header_crc != header.crc() => {}
            Some(index) if !last || len < index.end => {
                let what = format!("the file has {len} bytes, and had {}", index.end);
                return Err(damage(usize::try_from(len).unwrap_or(usize::MAX), None, what));
            }
            _ => sidecar = Sidecar::Damaged,
        }
    }
    let bytes = read_file(&*file).map_err(|error| OpenError::io("read", &path, error))?;
    let (index, extent) = SegmentIndex::of(&bytes, &header).map_err(|broken| {
        let Broken { offset, chain, seq } = broken;
        damage(offset as usize, Some(chain), format!("event {seq} does not follow the one before"))
    })?;
    let cut = torn_end(&bytes, &header, &extent, last).map_err(|what| damage(extent.end, None, what))?;
    check_blobs(vfs, &index)?;
    let cut = cut.map(|(bytes, why)| Cut { file: path.clone(), offset: extent.end as u64, bytes, why });
    Ok(Loaded { name, header, index, file, sidecar, cut })
}

/// What is behind the last record, unless it is nothing: how many bytes, and why they are no record.
///
/// # Errors
/// If it was durable.
fn torn_end(
    bytes: &[u8],
    header: &SegmentHeader,
    extent: &Extent,
    last: bool,
) -> Result<Option<(u64, String)>, String> {
    let Some(fault) = &extent.fault else { return Ok(None) };
    if !last {
        return Err(format!("{fault}; the log goes on in the next segment"));
    }
    let behind = salvage::durable_behind(bytes, header, extent);
    let durable = behind.unwrap_or(0).max(extent.durable);
    if durable >= extent.next_lsn && !flaw::has(Flaw::DamageCut) {
        return Err(format!("{fault}; events {} to {durable} of the store were durable", extent.next_lsn));
    }
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(extent.end, |last| last + 1);
    Ok(Some(((used.max(extent.end) - extent.end) as u64, fault.to_string())))
}

/// A payload is durable before the event that names it.
fn check_blobs(vfs: &dyn Vfs, index: &SegmentIndex) -> Result<(), OpenError> {
    for hash in &index.blobs {
        let path = blobs::path(*hash);
        match vfs.open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = "the payload is missing".to_owned();
                return Err(Damage { file: path, offset: 0, chain: None, what }.into());
            }
            Err(error) => return Err(OpenError::io("open", &path, error)),
        }
    }
    Ok(())
}

/// Whether a segment goes on where the one before ended.
fn check_link(before: Option<&Loaded>, segment: &Loaded) -> Result<(), OpenError> {
    let damage =
        |what: String| Err(Damage { file: segment_path(&segment.name), offset: 0, chain: None, what }.into());
    let Some(before) = before else {
        return if segment.header.first_lsn == 1 && segment.header.prev_crc == 0 {
            Ok(())
        } else {
            damage(format!("the segments before event {} of the store are missing", segment.header.first_lsn))
        };
    };
    let crc = before.header.closing_crc.unwrap_or(before.index.last_crc);
    if before.header.store != segment.header.store {
        return damage("it belongs to another store".to_owned());
    }
    let pruned = before.header.closing_crc.is_some();
    let follows = before.index.next_lsn == segment.header.first_lsn
        || (pruned && before.index.next_lsn < segment.header.first_lsn);
    if !follows {
        let what = format!(
            "it begins with event {} of the store, the segment before ends before {}",
            segment.header.first_lsn, before.index.next_lsn
        );
        return damage(what);
    }
    if crc != segment.header.prev_crc || before.header.epoch > segment.header.epoch {
        return damage("it does not follow the segment before".to_owned());
    }
    Ok(())
}

/// Opens a log: reads it, cuts a torn end, and begins a new segment of a new term.
pub(super) fn open(vfs: Arc<dyn Vfs>, options: LogOptions) -> Result<(Arc<Shared>, Recovery), OpenError> {
    for folder in [FOLDER, blobs::FOLDER] {
        vfs.create_dir(folder).map_err(|error| OpenError::io("make the folder", folder, error))?;
    }
    let mut loaded = load(&*vfs)?;
    let mut recovery = Recovery {
        events: 0,
        chains: 0,
        segments: 0,
        epoch: loaded.last().map_or(0, |segment| segment.header.epoch) + 1,
        closed: loaded.last().is_none_or(|segment| segment.sidecar == Sidecar::Good),
        durable: Lsn(loaded.iter().map(|segment| segment.index.durable).max().unwrap_or(0)),
        cut: loaded.last().and_then(|segment| segment.cut.clone()),
        rebuilt: Vec::new(),
    };
    settle(&*vfs, &mut loaded, &mut recovery)?;
    remove_leftovers(&*vfs);
    let mut state = State {
        chains: Default::default(),
        order: Vec::new(),
        segments: Vec::new(),
        end: End { offset: 0, crc: 0, lsn: 0 },
        chunks: Vec::new(),
        writing: Arc::default(),
        pending: 0,
        written: 0,
        synced: 0,
        failed: None,
        closing: false,
        writer_waits: false,
    };
    let mut store = options.store_id;
    for segment in loaded {
        store = Some(segment.header.store);
        // Nothing is in it: the segment that is begun now takes its place and its name.
        let stays = flaw::has(Flaw::SameSegment);
        if !stays && segment.index.events == 0 && segment.index.next_lsn == segment.header.first_lsn {
            state.end.crc = segment.header.prev_crc;
            continue;
        }
        recovery.segments += 1;
        recovery.events += segment.index.events;
        add(&mut state, segment)?;
    }
    recovery.chains = state.order.len();
    (state.written, state.synced) = (state.end.lsn, state.end.lsn);
    let store = match store {
        Some(store) => store,
        None => random_id()?,
    };
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

/// Adds the events of a segment to what is known.
fn add(state: &mut State, loaded: Loaded) -> Result<(), OpenError> {
    let number = u32::try_from(state.segments.len()).expect("there are fewer than 2^32 segments");
    for chain in &loaded.index.chains {
        let known = state.chains.get(&chain.chain);
        let (length, hash) =
            known.map_or((0, theater_core::EventHash::ZERO), |known| (known.head.length, known.head.hash));
        if chain.first_seq != length || chain.prev != hash {
            return Err(Damage {
                file: segment_path(&loaded.name),
                offset: chain.slots.first().map_or(0, |slot| u64::from(slot.offset)),
                chain: Some(chain.chain),
                what: format!("event {} of the chain follows {length} events", chain.first_seq),
            }
            .into());
        }
        let places = chain.slots.iter().map(|slot| Place { segment: number, slot: *slot });
        let order = &mut state.order;
        let known = state.chains.entry(chain.chain).or_insert_with(|| {
            order.push(chain.chain);
            let head = Head { chain_id: chain.chain, length: 0, hash: chain.prev, epoch: chain.epoch };
            ChainPlaces { head, places: Vec::with_capacity(chain.slots.len()) }
        });
        known.places.extend(places);
        known.head = Head {
            chain_id: chain.chain,
            length: known.places.len() as u64,
            hash: chain.hash,
            epoch: chain.epoch,
        };
    }
    let crc = loaded.header.closing_crc.unwrap_or(loaded.index.last_crc);
    state.end = End { offset: loaded.index.end, crc, lsn: loaded.index.next_lsn - 1 };
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
