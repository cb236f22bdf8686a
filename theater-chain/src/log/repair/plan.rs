//! Where a damaged log has to end, and what that costs.

use std::collections::{BTreeMap, BTreeSet};

use theater_core::{ActorId, Bytes, ChainEvent, ChainId, PayloadHash};

use super::{ChainLoss, RepairPlan, RepairStep};
use crate::jsonl::actor_of;
use crate::log::audit::{self, Audit, SegmentAudit};
use crate::log::blobs;
use crate::log::load::Ending;
use crate::log::open::OpenError;
use crate::log::state::{FOLDER, segment_name, segment_path};
use crate::segment::Record;
use crate::segment::header::{HEADER_LEN, SegmentHeader};
use crate::segment::index::SegmentIndex;
use crate::segment::record::Form;
use crate::segment::scan::Extent;
use crate::segment::walk::{Walked, walk};
use crate::store::Lsn;
use crate::vfs::{Vfs, read_file};

/// Where the sound beginning ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Whole segments before it.
    pub(super) whole: usize,
    /// How much is kept of the next one, in bytes; its header at least, or nothing.
    pub(super) len: u64,
}

/// A plan, and what it was made from: where the log has to end, unless it can stay.
pub(super) fn plan(vfs: &dyn Vfs) -> Result<(RepairPlan, Audit, Option<End>), OpenError> {
    let audit = audit::audit(vfs, &|_, _| ())?;
    let end = end(&audit);
    let kept = match end {
        Some(end) => ending(vfs, &audit, end)?,
        None => audit.segments.last().and_then(|last| last.ending),
    };
    let epoch = epoch(&audit);
    let last = Lsn(kept.map_or(0, |kept| kept.next_lsn - 1));
    let mut plan = RepairPlan {
        damages: audit.damages.clone(),
        steps: Vec::new(),
        last,
        lost: 0,
        losses: Vec::new(),
        epoch,
    };
    if !plan.damages.is_empty() {
        plan.steps = steps(vfs, &audit, end, last);
        (plan.losses, plan.lost) = losses(vfs, &audit, end, last);
    }
    Ok((plan, audit, end))
}

/// Where the log has to end; `None` if no event is damaged.
fn end(audit: &Audit) -> Option<End> {
    let places = audit.damages.iter().filter_map(|damage| place(audit, damage));
    let (whole, offset) = places.min()?;
    let readable = audit.segments.get(whole).is_some_and(|segment| segment.header.is_some());
    // A header alone is not worth a file.
    if readable && offset > HEADER_LEN as u64 {
        return Some(End { whole, len: offset });
    }
    // One that an interrupted repair has begun is begun again.
    let holds_events = |segment: &SegmentAudit| {
        segment.ending.is_some_and(|ending| ending.next_lsn > ending.header.first_lsn)
    };
    let before = &audit.segments[..whole.min(audit.segments.len())];
    Some(End { whole: before.iter().rposition(holds_events).map_or(0, |last| last + 1), len: 0 })
}

/// The segment and the offset from where on a damage takes the log; `None` if it takes no event.
fn place(audit: &Audit, damage: &crate::FolderDamage) -> Option<(usize, u64)> {
    let file = &damage.damage.file;
    if let Some(number) = audit.segments.iter().position(|segment| segment_path(&segment.name) == *file) {
        return Some((number, damage.damage.offset.min(audit.segments[number].end)));
    }
    let lsn = damage.lsn?.0;
    let uses = |segment: &SegmentAudit| segment.offset_of_blob(lsn);
    if let Some(found) =
        audit.segments.iter().enumerate().find_map(|(number, segment)| Some((number, uses(segment)?)))
    {
        return Some(found);
    }
    // A segment that is missing: nothing can follow it.
    let follow = audit.segments.iter().position(|segment| *segment.name > *segment_name(lsn));
    Some((follow.unwrap_or(audit.segments.len()), 0))
}

fn read(vfs: &dyn Vfs, path: &str) -> Option<Vec<u8>> {
    vfs.open(path).and_then(|file| read_file(&*file)).ok()
}

/// The header of a segment; where it cannot be read, one that will do to find what proves itself behind it.
pub(super) fn header_of(audit: &Audit, segment: &SegmentAudit) -> Option<SegmentHeader> {
    let guess = || {
        let other = audit.segments.iter().find_map(|segment| segment.header);
        let first_lsn = u64::from_str_radix(&segment.name, 16).ok()?;
        Some(SegmentHeader {
            store: other.map_or([0; 16], |other| other.store),
            first_lsn,
            epoch: 0,
            capacity: 0,
            prev_crc: 0,
            closing_crc: None,
            rewrites: 0,
        })
    };
    segment.header.or_else(guess)
}

/// How what is kept ends; `None` if nothing is.
pub(super) fn ending(vfs: &dyn Vfs, audit: &Audit, end: End) -> Result<Option<Ending>, OpenError> {
    let partly = audit.segments.get(end.whole).filter(|_| end.len > 0);
    let Some((segment, header)) = partly.and_then(|segment| Some((segment, segment.header?))) else {
        return Ok(end.whole.checked_sub(1).and_then(|last| audit.segments[last].ending));
    };
    let path = segment_path(&segment.name);
    let bytes = vfs.open(&path).and_then(|file| read_file(&*file));
    let bytes = bytes.map_err(|error| OpenError::io("read", &path, error))?;
    let mut extent = Extent::begin(&header);
    let gaps = header.closing_crc.is_some();
    while (extent.end as u64) < end.len {
        let rest = bytes.get(extent.end..).unwrap_or_default();
        if extent.advance(rest, gaps).is_err() {
            break;
        }
    }
    Ok(Some(Ending { header, next_lsn: extent.next_lsn, last_crc: extent.last_crc }))
}

/// A term that is not below any that was used.
fn epoch(audit: &Audit) -> u32 {
    let headers = audit.segments.iter().filter_map(|segment| segment.header).map(|header| header.epoch);
    let events = audit.segments.iter().map(|segment| segment.epoch);
    let unread = audit.segments.iter().filter(|segment| segment.header.is_none()).count();
    let known = headers.chain(events).max().unwrap_or(0);
    known.saturating_add(u32::try_from(unread).unwrap_or(u32::MAX))
}

fn steps(vfs: &dyn Vfs, audit: &Audit, end: Option<End>, last: Lsn) -> Vec<RepairStep> {
    let set_aside = |file: String| RepairStep::SetAside { file };
    let sidecar = |name: &str| format!("{FOLDER}/{name}.idx");
    let exists = |file: &String| vfs.open(file).is_ok();
    let mut steps = Vec::new();
    if let Some(end) = end {
        let behind = &audit.segments[end.whole.min(audit.segments.len())..];
        let cut = behind.first().filter(|_| end.len > 0);
        if let Some(cut) = cut {
            // It would say what is no longer so.
            steps.extend(Some(sidecar(&cut.name)).filter(exists).map(set_aside));
            steps.push(RepairStep::Cut { file: segment_path(&cut.name), len: end.len });
        }
        let begun = segment_name(last.0 + 1);
        let begins = audit.segments.iter().any(|segment| segment.header.is_some());
        let behind = &behind[usize::from(cut.is_some())..];
        if begins {
            // First, so that nothing opens before it is there.
            if behind.iter().any(|segment| segment.name == begun) {
                steps.extend(Some(sidecar(&begun)).filter(exists).map(set_aside));
            }
            steps.push(RepairStep::Begin { file: segment_path(&begun) });
        }
        // The last first: as long as one of them is there, nothing opens.
        for segment in behind.iter().rev().filter(|segment| !begins || segment.name != begun) {
            steps.extend(Some(sidecar(&segment.name)).filter(exists).map(set_aside));
            steps.push(set_aside(segment_path(&segment.name)));
        }
    }
    let named: BTreeSet<&str> = audit.damages.iter().map(|damage| damage.damage.file.as_str()).collect();
    for file in named {
        let missing = file.strip_suffix(".seg").map(|name| format!("{name}.idx"));
        let alone = missing.filter(|_| !exists(&file.to_owned()));
        let aside = alone.filter(exists).or_else(|| {
            let kind = file.ends_with(".idx") || file.starts_with(blobs::FOLDER);
            Some(file.to_owned()).filter(|file| kind && exists(file))
        });
        let step = aside.map(set_aside);
        steps.extend(step.filter(|step| !steps.contains(step)));
    }
    steps
}

/// What is behind the end: how far each chain went, and how many of those events are sound.
#[derive(Debug, Default)]
struct Behind {
    chains: BTreeMap<ChainId, (u64, u64)>,
    /// Whose chains begin in segments without a header.
    actors: BTreeMap<ChainId, ActorId>,
    next_lsn: u64,
}

impl Behind {
    fn see(&mut self, chain: ChainId, length: u64, sound: u64) {
        let seen = self.chains.entry(chain).or_default();
        *seen = (seen.0.max(length), seen.1 + sound);
    }
}

fn losses(vfs: &dyn Vfs, audit: &Audit, end: Option<End>, last: Lsn) -> (Vec<ChainLoss>, u64) {
    let Some(end) = end else { return (Vec::new(), 0) };
    let bad: BTreeSet<PayloadHash> = audit.bad_blobs.iter().map(|(hash, _)| *hash).collect();
    let mut kept: BTreeMap<ChainId, u64> = BTreeMap::new();
    for segment in &audit.segments[..end.whole.min(audit.segments.len())] {
        kept.extend(segment.lengths());
    }
    let mut behind = Behind { next_lsn: last.0 + 1, ..Behind::default() };
    for (number, segment) in audit.segments.iter().enumerate().skip(end.whole) {
        let from = if number == end.whole { end.len } else { 0 };
        let bytes = read(vfs, &segment_path(&segment.name));
        if let (Some(header), Some(bytes)) = (header_of(audit, segment), bytes) {
            records(&bytes, &header, from, &bad, &mut kept, &mut behind);
        }
        sidecar(vfs, &segment.name, segment.header, from, &mut behind);
    }
    let missing = audit.damages.iter().filter_map(|damage| damage.lsn).map(|lsn| segment_name(lsn.0));
    let is_missing = |name: &String| audit.segments.iter().all(|segment| segment.name != *name);
    missing.filter(is_missing).for_each(|name| sidecar(vfs, &name, None, 0, &mut behind));
    let lost = behind.next_lsn - 1 - last.0;
    let chains = std::mem::take(&mut behind.chains);
    let loss = |(chain, (length, sound)): (ChainId, (u64, u64))| {
        let kept = kept.get(&chain).copied().unwrap_or(0);
        let lost = length.saturating_sub(kept);
        let actor = audit.actors.get(&chain).or_else(|| behind.actors.get(&chain)).copied();
        ChainLoss { chain, actor, kept, lost, sound: sound.min(lost) }
    };
    (chains.into_iter().map(loss).filter(|loss| loss.lost > 0).collect(), lost)
}

/// Looks at the records of a segment: those before `from` are kept.
fn records(
    bytes: &[u8],
    header: &SegmentHeader,
    from: u64,
    bad: &BTreeSet<PayloadHash>,
    kept: &mut BTreeMap<ChainId, u64>,
    behind: &mut Behind,
) {
    walk(bytes, header, |walked| {
        let Walked::Record { step, .. } = walked else { return };
        if u64::from(step.slot.offset) >= from {
            // A mark too knows how many there were.
            behind.next_lsn = behind.next_lsn.max(step.lsn + 1);
        }
        let Record::Event { form, header: event, hash, payload } = step.record else { return };
        if u64::from(step.slot.offset) < from {
            kept.insert(event.chain_id, event.seq + 1);
            return;
        }
        let here = form != Form::Inline || crate::hash::payload_hash(payload) == event.payload_hash;
        let sound = here && crate::hash::event_hash(&event) == hash && !bad.contains(&event.payload_hash);
        behind.see(event.chain_id, event.seq + 1, u64::from(sound));
        if sound && event.seq == 0 && form == Form::Inline {
            let genesis = ChainEvent { header: event, hash, payload: Bytes::copy_from_slice(payload) };
            behind.actors.extend(actor_of(&genesis).ok().map(|actor| (event.chain_id, actor)));
        }
    });
}

/// Asks a sidecar, which knows of events that cannot be read any more.
fn sidecar(vfs: &dyn Vfs, name: &str, header: Option<SegmentHeader>, from: u64, behind: &mut Behind) {
    let bytes = read(vfs, &format!("{FOLDER}/{name}.idx"));
    let index = bytes.and_then(|bytes| SegmentIndex::decode(&bytes));
    let Some(index) = index.filter(|index| header.is_none_or(|header| header.crc() == index.header_crc))
    else {
        return;
    };
    for chain in index.chains {
        if chain.slots.last().is_some_and(|slot| u64::from(slot.offset) >= from) {
            behind.see(chain.chain, chain.first_seq + chain.slots.len() as u64, 0);
        }
    }
    behind.next_lsn = behind.next_lsn.max(index.next_lsn);
}
