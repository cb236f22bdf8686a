//! One segment and its sidecar, on their own.

use rustc_hash::FxHashMap;
use theater_core::{ActorId, Bytes, ChainEvent, ChainId, EventHash, EventHeader, EventKind, PayloadHash};

use super::{Fault, Progress};
use crate::hash;
use crate::jsonl::actor_of;
use crate::log::blobs;
use crate::log::load::{self, Ending, Sidecar};
use crate::log::open::Cut;
use crate::log::state::{FOLDER, segment_name, segment_path};
use crate::segment::Record;
use crate::segment::header::SegmentHeader;
use crate::segment::index::{Broken, ChainSlots, IndexBuilder, SegmentIndex};
use crate::segment::record::{self, Form};
use crate::segment::scan::{Extent, Step};
use crate::segment::walk::{Walked, walk};
use crate::vfs::{Vfs, read_file, read_file_into};

/// Bytes after which progress is told.
const TELL: u64 = 4 << 20;

/// What is known of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::log) struct SegmentAudit {
    pub(in crate::log) name: String,
    /// `None` if it cannot be read.
    pub(in crate::log) header: Option<SegmentHeader>,
    /// Where the part before the first damaged record ends.
    pub(in crate::log) end: u64,
    /// What the next segment has to follow; `None` if it cannot be told.
    pub(in crate::log) ending: Option<Ending>,
    pub(in crate::log) sidecar: Sidecar,
    pub(in crate::log) durable: u64,
    pub(in crate::log) torn: Option<Cut>,
    /// The highest term of any event in it.
    pub(in crate::log) epoch: u32,
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) time_regressions: u64,
    pub(super) parts: Vec<ChainPart>,
    pub(super) blobs: Vec<BlobUse>,
    /// Whose chains begin here.
    pub(super) actors: Vec<(ChainId, ActorId)>,
    pub(super) faults: Vec<Fault>,
    /// Whether events that follow may lack what was before them.
    pub(super) gapped: bool,
    pub(super) stale_sidecar: bool,
}

/// The events of one chain in a segment, up to the first damage.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChainPart {
    pub(super) chain: ChainId,
    pub(super) offset: u64,
    pub(super) lsn: u64,
    pub(super) first: EventHeader,
    pub(super) last: EventHeader,
    pub(super) hash: EventHash,
}

/// An event whose payload is in a blob.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BlobUse {
    pub(super) hash: PayloadHash,
    pub(super) chain: ChainId,
    pub(super) lsn: u64,
    /// Where its event is in the segment.
    offset: u64,
    pub(super) len: u64,
}

impl SegmentAudit {
    /// Where the event at this place is, if its payload is in a blob.
    pub(in crate::log) fn offset_of_blob(&self, lsn: u64) -> Option<u64> {
        self.blobs.iter().find(|blob| blob.lsn == lsn).map(|blob| blob.offset)
    }

    /// How long each chain is at its end.
    pub(in crate::log) fn lengths(&self) -> impl Iterator<Item = (ChainId, u64)> {
        self.parts.iter().map(|part| (part.chain, part.last.seq + 1))
    }
}

/// Checks a segment, which is read into `bytes`. `last` says that no other follows it.
pub(super) fn audit(
    vfs: &dyn Vfs,
    name: &str,
    last: bool,
    progress: &Progress<'_>,
    bytes: &mut Vec<u8>,
) -> SegmentAudit {
    let mut before = look(vfs, name, last, progress, bytes);
    // What another process was just writing looks otherwise when it is read again.
    while !before.faults.is_empty() {
        let again = look(vfs, name, last, &Progress { done: 0.into(), all: 0, tell: &|_, _| () }, bytes);
        if again == before {
            break;
        }
        before = again;
    }
    before
}

fn look(vfs: &dyn Vfs, name: &str, last: bool, progress: &Progress<'_>, bytes: &mut Vec<u8>) -> SegmentAudit {
    let path = segment_path(name);
    let begins = u64::from_str_radix(name, 16).ok();
    let mut audit = SegmentAudit {
        name: name.to_owned(),
        header: None,
        end: 0,
        ending: None,
        sidecar: Sidecar::Missing,
        durable: 0,
        torn: None,
        epoch: 0,
        events: 0,
        bytes: 0,
        time_regressions: 0,
        parts: Vec::new(),
        blobs: Vec::new(),
        actors: Vec::new(),
        faults: Vec::new(),
        gapped: true,
        stale_sidecar: false,
    };
    // The sidecar first: where it is there, its segment takes no more.
    let sidecar_path = format!("{FOLDER}/{name}.idx");
    let sidecar = vfs.open(&sidecar_path).and_then(|file| read_file(&*file));
    if let Err(error) = vfs.open(&path).and_then(|file| read_file_into(&*file, bytes)) {
        audit.faults.push(Fault::new(&path, 0, None, begins, format!("it cannot be read: {error}")));
        return audit;
    }
    let bytes: &[u8] = bytes;
    audit.bytes = bytes.len() as u64;
    let header = match SegmentHeader::decode(bytes) {
        Ok(header) if segment_name(header.first_lsn) == name => header,
        Ok(header) => {
            let what = format!("its first event is {}, not what its name says", header.first_lsn);
            audit.faults.push(Fault::new(&path, 0, None, begins, what));
            progress.add(audit.bytes);
            return audit;
        }
        Err(fault) => {
            audit.faults.push(Fault::new(&path, 0, None, begins, fault.to_string()));
            progress.add(audit.bytes);
            return audit;
        }
    };
    audit.header = Some(header);
    let (extent, builder) = records(vfs, &mut audit, bytes, &header, last, progress);
    match sidecar {
        Ok(sidecar) => {
            audit.bytes += sidecar.len() as u64;
            progress.add(sidecar.len() as u64);
            let actual = || builder.finish(bytes, &header, &extent);
            compare(&mut audit, &sidecar_path, &sidecar, bytes.len() as u64, &header, actual);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            audit.sidecar = Sidecar::Damaged;
            let what = format!("it cannot be read: {error}");
            audit.faults.push(Fault::new(&sidecar_path, 0, None, None, what));
        }
    }
    audit
}

fn records(
    vfs: &dyn Vfs,
    audit: &mut SegmentAudit,
    bytes: &[u8],
    header: &SegmentHeader,
    last: bool,
    progress: &Progress<'_>,
) -> (Extent, IndexBuilder) {
    let path = segment_path(&audit.name);
    let mut builder = IndexBuilder::default();
    let mut chains: FxHashMap<ChainId, usize> = FxHashMap::default();
    let mut bad: Vec<Fault> = Vec::new();
    let mut behind_damage = 0;
    let mut told = 0;
    let mut next = header.first_lsn;
    let extent = walk(bytes, header, |walked| match walked {
        Walked::Record { step, behind } => {
            let offset = u64::from(step.slot.offset);
            if offset >= told + TELL {
                progress.add(offset - told);
                told = offset;
            }
            let Record::Event { header: event, .. } = step.record else { return };
            next = step.lsn + 1;
            audit.epoch = audit.epoch.max(event.epoch);
            behind_damage += u64::from(behind);
            let faults = &mut audit.faults;
            if let Some(what) = check_event(vfs, &step) {
                faults.push(Fault::new(&path, offset, Some(event.chain_id), Some(step.lsn), what));
            }
            if let Record::Event { form: Form::Blob, .. } = step.record {
                let (hash, chain, len) = (event.payload_hash, event.chain_id, event.payload_len);
                audit.blobs.push(BlobUse { hash, chain, lsn: step.lsn, offset, len });
            }
            if event.seq == 0 {
                audit.actors.extend(actor(vfs, &step).map(|actor| (event.chain_id, actor)));
            }
            // What is behind damage lacks what was in it: it can be sound, but follow nothing.
            if behind {
                return;
            }
            step.found().iter().for_each(|found| builder.add(found));
            if let Some(what) = follow(&mut audit.parts, &mut chains, &step, &mut audit.time_regressions) {
                faults.push(Fault::new(&path, offset, Some(event.chain_id), Some(step.lsn), what));
            }
        }
        Walked::Bad { offset, fault } => {
            // As far as the damaged bytes can be believed; see `together`.
            let chain = match record::read_unchecked(&bytes[offset..]) {
                Ok((Record::Event { header, .. }, _)) => Some(header.chain_id),
                _ => None,
            };
            bad.push(Fault::new(&path, offset as u64, chain, Some(next), fault.to_string()));
        }
    });
    progress.add((bytes.len() as u64).saturating_sub(told));
    audit.events = extent.events;
    audit.end = extent.end as u64;
    audit.durable = extent.durable;
    audit.gapped = false;
    audit.ending = Some(Ending { header: *header, next_lsn: extent.next_lsn, last_crc: extent.last_crc });
    match load::torn_end(bytes, header, &extent, last) {
        Ok(torn) => {
            audit.torn = torn.map(|(bytes, why)| Cut { file: path, offset: audit.end, bytes, why });
            if audit.torn.is_some() && behind_damage > 0 {
                // Later events of the same write: they go with it.
                audit.faults.retain(|fault| fault.damage.offset < audit.end);
                audit.blobs.retain(|blob| blob.offset < audit.end);
            }
        }
        Err(what) => {
            // The opener's words for the first, which say why it is no torn end.
            if let Some(first) = bad.first_mut() {
                first.damage.what = what;
            }
            audit.faults.append(&mut bad);
            audit.faults.sort_by_key(|fault| fault.damage.offset);
            audit.gapped = true;
            audit.ending = None;
        }
    }
    (extent, builder)
}

/// What is wrong with an event as such.
fn check_event(vfs: &dyn Vfs, step: &Step<'_>) -> Option<String> {
    let Record::Event { form, header, hash: claimed, payload } = &step.record else { return None };
    if hash::event_hash(header) != *claimed {
        return Some("the header is not what was sealed".to_owned());
    }
    if *form == Form::Inline {
        if header.payload_len != payload.len() as u64 {
            return Some("the payload has another length than was sealed".to_owned());
        }
        if header.payload_hash != hash::payload_hash(payload) {
            return Some("the payload is not what was sealed".to_owned());
        }
    }
    if (header.kind == EventKind::GENESIS) != (header.seq == 0) {
        return Some("the genesis event is the first and only the first".to_owned());
    }
    // Of a payload that was pruned, or cannot be read and is a fault of its own, nothing can be said.
    let genesis = (header.seq == 0).then(|| genesis_payload(vfs, step)).flatten();
    if genesis.is_some_and(|payload| hash::chain_id(&payload) != header.chain_id) {
        return Some("the chain's id is not that of its genesis event".to_owned());
    }
    None
}

fn genesis_payload(vfs: &dyn Vfs, step: &Step<'_>) -> Option<Bytes> {
    let Record::Event { form, header, payload, .. } = &step.record else { return None };
    match form {
        Form::Inline => Some(Bytes::copy_from_slice(payload)),
        Form::Blob => blobs::read(vfs, header.payload_hash).ok().flatten(),
        Form::Pruned => None,
    }
}

/// Whose chain it is that begins with this event.
fn actor(vfs: &dyn Vfs, step: &Step<'_>) -> Option<ActorId> {
    let Record::Event { header, hash, .. } = &step.record else { return None };
    let payload = genesis_payload(vfs, step)?;
    actor_of(&ChainEvent { header: *header, hash: *hash, payload }).ok()
}

/// Adds an event to what is known of its chain; what is wrong, if it does not follow.
fn follow(
    parts: &mut Vec<ChainPart>,
    chains: &mut FxHashMap<ChainId, usize>,
    step: &Step<'_>,
    regressions: &mut u64,
) -> Option<String> {
    let Record::Event { header, hash, .. } = &step.record else { return None };
    let Some(part) = chains.get(&header.chain_id).map(|place| &mut parts[*place]) else {
        chains.insert(header.chain_id, parts.len());
        let (chain, offset) = (header.chain_id, u64::from(step.slot.offset));
        parts.push(ChainPart { chain, offset, lsn: step.lsn, first: *header, last: *header, hash: *hash });
        return None;
    };
    let what = goes_on(&part.last, part.hash, header);
    *regressions += u64::from(header.time < part.last.time);
    (part.last, part.hash) = (*header, *hash);
    what
}

/// What is wrong, if an event does not follow another.
pub(super) fn goes_on(last: &EventHeader, hash: EventHash, next: &EventHeader) -> Option<String> {
    if next.seq != last.seq + 1 {
        return Some(format!("event {} of the chain follows event {}", next.seq, last.seq));
    }
    if next.prev != hash {
        return Some(format!("event {} of the chain does not follow the one before", next.seq));
    }
    if next.epoch < last.epoch {
        return Some(format!("epoch {} after epoch {}", next.epoch, last.epoch));
    }
    None
}

/// Compares a sidecar with what is in its segment, which has `len` bytes.
fn compare(
    audit: &mut SegmentAudit,
    path: &str,
    sidecar: &[u8],
    len: u64,
    header: &SegmentHeader,
    actual: impl FnOnce() -> Result<SegmentIndex, Broken>,
) {
    let mut damaged = |what: String| {
        audit.sidecar = Sidecar::Damaged;
        audit.faults.push(Fault::new(path, 0, None, None, what));
    };
    let Some(index) = SegmentIndex::decode(sidecar) else {
        return damaged("it is not a sidecar that was written".to_owned());
    };
    if index.header_crc != header.crc() {
        // Of a segment that had this name before: nobody believes it.
        audit.stale_sidecar = true;
        return;
    }
    if index.end != len {
        let what = format!("the file has {len} bytes, and had {}", index.end);
        let (file, at) = (segment_path(&audit.name), audit.end.min(index.end));
        let lsn = audit.ending.map(|ending| ending.next_lsn);
        // Records may be gone without a trace in the segment itself.
        audit.faults.push(Fault::new(&file, at, None, lsn, what));
        audit.gapped |= audit.end < index.end;
        audit.torn = None;
        audit.sidecar = Sidecar::Damaged;
        return;
    }
    if audit.gapped {
        // The segment is at fault, and was named; the sidecar knows whose events those were.
        for fault in &mut audit.faults {
            let at = fault.damage.offset;
            let has = |chain: &&ChainSlots| chain.slots.iter().any(|slot| u64::from(slot.offset) == at);
            let chain = index.chains.iter().find(has);
            fault.damage.chain = chain.map(|chain| chain.chain).or(fault.damage.chain);
        }
        return;
    }
    match actual() {
        Ok(actual) if actual == index => audit.sidecar = Sidecar::Good,
        Ok(_) => damaged("it does not say what is in its segment".to_owned()),
        // The event was named.
        Err(_) => {}
    }
}
