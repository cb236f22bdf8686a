//! Loading: reads what is there, and believes nothing that it has not checked. Changes nothing.

use std::io;

use rustc_hash::FxHashMap;
use theater_core::{ChainId, EventHash};

use super::blobs;
use super::open::{Cut, OpenError};
use super::state::{ChainPlaces, FOLDER, Place, segment_name, segment_path};
use crate::chain::Head;
use crate::flaw::{self, Flaw};
use crate::segment::SegmentHeader;
use crate::segment::index::{Broken, ChainSlots, SegmentIndex};
use crate::segment::record::MAX_LSN;
use crate::segment::scan::{Extent, Found};
use crate::segment::{header, salvage};
use crate::store::Damage;
use crate::vfs::{Vfs, VfsFile, read_file, read_full_at};

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

impl Loaded {
    pub(super) fn ending(&self) -> Ending {
        Ending { header: self.header, next_lsn: self.index.next_lsn, last_crc: self.index.last_crc }
    }

    /// Whether the next segment takes its place and its name, because nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.index.events == 0 && self.index.next_lsn == self.header.first_lsn
    }
}

/// How far a log is durable, as its files say.
pub(super) fn durable(loaded: &[Loaded]) -> u64 {
    let said = loaded.iter().map(|segment| segment.index.durable).max().unwrap_or(0);
    // A segment is synced before the next one is begun, and before it gets its sidecar.
    let implied = loaded.last().map_or(0, |last| match last.sidecar {
        Sidecar::Good => last.index.next_lsn - 1,
        _ => last.header.first_lsn - 1,
    });
    said.max(implied)
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
    let files = match vfs.list(FOLDER) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(OpenError::io("list", FOLDER, error)),
    };
    let with =
        |end: &str| files.iter().filter_map(|file| file.strip_suffix(end).map(str::to_owned)).collect();
    let (mut names, sidecars): (Vec<String>, Vec<String>) = (with(".seg"), with(".idx"));
    names.sort_unstable();
    check_sidecars(&sidecars, &names)?;
    let last = names.len().saturating_sub(1);
    let mut loaded: Vec<Loaded> = Vec::with_capacity(names.len());
    for (number, name) in names.into_iter().enumerate() {
        let segment = load_segment(vfs, name, number == last)?;
        check_link(loaded.last().map(Loaded::ending).as_ref(), &segment.name, &segment.header)?;
        loaded.push(segment);
    }
    Ok(loaded)
}

/// Loads a log that another process may be writing to meanwhile.
///
/// A file is not read at one moment: what was written while it was read can be there without what was written before. What looks
/// damaged for that reason looks otherwise when it is read again.
pub(super) fn load_live(vfs: &dyn Vfs) -> Result<Vec<Loaded>, OpenError> {
    let mut seen = None;
    loop {
        match load(vfs) {
            Err(OpenError::Damaged(damage)) if seen.as_ref() != Some(&damage) => seen = Some(damage),
            loaded => return loaded,
        }
    }
}

/// A sidecar is written after its segment, so where it is the segment was.
fn check_sidecars(sidecars: &[String], segments: &[String]) -> Result<(), Damage> {
    match sidecars.iter().find(|name| segments.binary_search(name).is_err()) {
        None => Ok(()),
        Some(name) => {
            let what = "the segment is missing, its sidecar is there".to_owned();
            Err(Damage { file: segment_path(name), offset: 0, chain: None, what })
        }
    }
}

pub(super) fn load_segment(vfs: &dyn Vfs, name: String, last: bool) -> Result<Loaded, OpenError> {
    let path = segment_path(&name);
    let damage = |offset: usize, chain: Option<ChainId>, what: String| {
        OpenError::from(Damage { file: path.clone(), offset: offset as u64, chain, what })
    };
    let file = vfs.open(&path).map_err(|error| OpenError::io("open", &path, error))?;
    let mut start = [0; header::HEADER_LEN];
    let read = read_full_at(&*file, &mut start, 0).map_err(|error| OpenError::io("read", &path, error))?;
    let header = SegmentHeader::decode(&start[..read]).map_err(|fault| damage(0, None, fault.to_string()))?;
    if header.first_lsn == 0 || header.first_lsn > MAX_LSN || header.epoch == u32::MAX {
        let what = format!("no segment has the position {} or the term {}", header.first_lsn, header.epoch);
        return Err(damage(0, None, what));
    }
    if segment_name(header.first_lsn) != name {
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
pub(super) fn torn_end(
    bytes: &[u8],
    header: &SegmentHeader,
    extent: &Extent,
    last: bool,
) -> Result<Option<(u64, String)>, String> {
    let Some(fault) = &extent.fault else { return Ok(None) };
    if !last {
        return Err(format!("{fault}; the log goes on in the next segment"));
    }
    let behind = salvage::durable_behind(bytes, header, extent.end);
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

/// How a segment ends: what the next one has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) header: SegmentHeader,
    pub(super) next_lsn: u64,
    pub(super) last_crc: u32,
}

impl Ending {
    /// The checksum that the next segment goes on from.
    pub(super) fn crc(&self) -> u32 {
        self.header.closing_crc.unwrap_or(self.last_crc)
    }
}

/// Whether a segment goes on where the one before ended.
pub(super) fn check_link(before: Option<&Ending>, name: &str, header: &SegmentHeader) -> Result<(), Damage> {
    let damage = |what: String| Err(Damage { file: segment_path(name), offset: 0, chain: None, what });
    let Some(before) = before else {
        return if header.first_lsn == 1 && header.prev_crc == 0 {
            Ok(())
        } else {
            damage(format!("the segments before event {} of the store are missing", header.first_lsn))
        };
    };
    if before.header.store != header.store {
        return damage("it belongs to another store".to_owned());
    }
    let pruned = before.header.closing_crc.is_some();
    let follows = before.next_lsn == header.first_lsn || (pruned && before.next_lsn < header.first_lsn);
    if !follows {
        let what = format!(
            "it begins with event {} of the store, the segment before ends before {}",
            header.first_lsn, before.next_lsn
        );
        return damage(what);
    }
    if before.crc() != header.prev_crc || before.header.epoch > header.epoch {
        return damage("it does not follow the segment before".to_owned());
    }
    Ok(())
}

/// Adds the events of a segment to what is known of its chains.
///
/// # Errors
/// If a chain does not go on where it ended before.
pub(super) fn add(
    chains: &mut FxHashMap<ChainId, ChainPlaces>,
    order: &mut Vec<ChainId>,
    number: u32,
    loaded: &Loaded,
) -> Result<(), Damage> {
    for chain in &loaded.index.chains {
        add_chain(chains, order, number, chain).map_err(|what| Damage {
            file: segment_path(&loaded.name),
            offset: chain.slots.first().map_or(0, |slot| u64::from(slot.offset)),
            chain: Some(chain.chain),
            what,
        })?;
    }
    Ok(())
}

/// Adds events of one chain to what is known of it; what is wrong, if they do not follow that.
pub(super) fn add_chain(
    chains: &mut FxHashMap<ChainId, ChainPlaces>,
    order: &mut Vec<ChainId>,
    number: u32,
    chain: &ChainSlots,
) -> Result<(), String> {
    let known = chains.get(&chain.chain);
    if known.is_some_and(|known| known.retired) {
        return Ok(());
    }
    let (length, hash) = known.map_or((0, EventHash::ZERO), |known| (known.head.length, known.head.hash));
    if chain.first_seq != length || chain.prev != hash {
        return Err(format!("event {} of the chain follows {length} events", chain.first_seq));
    }
    let places = chain.slots.iter().map(|slot| Place { segment: number, slot: *slot });
    let known = chains.entry(chain.chain).or_insert_with(|| {
        order.push(chain.chain);
        let head = Head { chain_id: chain.chain, length: 0, hash: chain.prev, epoch: chain.epoch };
        ChainPlaces::new(head, Vec::with_capacity(chain.slots.len()))
    });
    known.places.extend(places);
    known.head = Head {
        chain_id: chain.chain,
        length: known.places.len() as u64,
        hash: chain.hash,
        epoch: chain.epoch,
    };
    Ok(())
}

/// Adds one event to what is known of its chain; what is wrong, if it does not follow that.
pub(super) fn add_event(
    chains: &mut FxHashMap<ChainId, ChainPlaces>,
    order: &mut Vec<ChainId>,
    number: u32,
    found: &Found,
) -> Result<(), String> {
    let known = chains.get(&found.chain);
    if known.is_some_and(|known| known.retired) {
        return Ok(());
    }
    let (length, hash) = known.map_or((0, EventHash::ZERO), |known| (known.head.length, known.head.hash));
    if found.seq != length || found.prev != hash {
        return Err(format!("event {} of the chain follows {length} events", found.seq));
    }
    let head = Head { chain_id: found.chain, length: length + 1, hash: found.hash, epoch: found.epoch };
    let known = chains.entry(found.chain).or_insert_with(|| {
        order.push(found.chain);
        ChainPlaces::new(head, Vec::new())
    });
    known.head = head;
    known.places.push(Place { segment: number, slot: found.slot });
    Ok(())
}
