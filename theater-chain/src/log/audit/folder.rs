//! All files of a data folder, on all cores, and whether they go together.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet};
use theater_core::{ActorId, ChainId, EventHash, EventHeader, PayloadHash};

use super::blob::{self, BlobAudit};
use super::segment::{self, BlobUse, ChainPart, SegmentAudit, goes_on};
use super::{Fault, FolderDamage, FolderReport, Progress};
use crate::log::blobs;
use crate::log::load::{self, Ending, Sidecar};
use crate::log::open::OpenError;
use crate::log::repair::DAMAGED;
use crate::log::retired;
use crate::log::state::{FOLDER, segment_path};
use crate::store::Lsn;
use crate::vfs::Vfs;

/// Bytes that are worth starting another thread for.
const WORTH_A_THREAD: u64 = 1 << 20;

/// Everything that is known of a folder.
#[derive(Debug)]
pub(in crate::log) struct Audit {
    pub(in crate::log) report: FolderReport,
    pub(in crate::log) damages: Vec<FolderDamage>,
    pub(in crate::log) segments: Vec<SegmentAudit>,
    /// Whose chains they are, as far as genesis events say.
    pub(in crate::log) actors: FxHashMap<ChainId, ActorId>,
    /// Blobs that are not what their names say, or are missing, and the first event that names each.
    pub(in crate::log) bad_blobs: Vec<(PayloadHash, Option<u64>)>,
}

/// The files of a folder, by what they are.
struct Files {
    segments: Vec<String>,
    sidecars: Vec<String>,
    blobs: Vec<PayloadHash>,
    others: Vec<String>,
}

/// Looks at every byte of every file.
pub(in crate::log) fn audit(vfs: &dyn Vfs, tell: &(dyn Fn(u64, u64) + Sync)) -> Result<Audit, OpenError> {
    let files = files(vfs)?;
    let progress = Progress { done: 0.into(), all: size(vfs, &files), tell };
    let (segments, mut blobs) = look(vfs, &files, &progress);
    blobs.extend(written_meanwhile(vfs, &segments, &blobs, &progress));
    // Read after the segments: what they lack by then is in it.
    let (retired, fault) = match retired::load(vfs) {
        Ok(heads) => (heads.into_iter().map(|head| head.chain_id).collect(), None),
        Err(error) => {
            (FxHashSet::default(), Some(Fault::new(retired::PATH, 0, None, None, error.to_string())))
        }
    };
    let mut audit = together(files, segments, blobs, &retired);
    audit.damages.extend(fault.map(|fault| FolderDamage { damage: fault.damage, lsn: None, actor: None }));
    Ok(audit)
}

/// Blobs that segments name and that were not there when the folder was listed: another process may write to it.
fn written_meanwhile(
    vfs: &dyn Vfs,
    segments: &[SegmentAudit],
    blobs: &[BlobAudit],
    progress: &Progress<'_>,
) -> Vec<BlobAudit> {
    let listed: BTreeSet<_> = blobs.iter().map(|blob| blob.hash).collect();
    let named: BTreeSet<_> =
        segments.iter().flat_map(|segment| &segment.blobs).map(|blob| blob.hash).collect();
    let new = named.difference(&listed).filter(|hash| vfs.open(&blobs::path(**hash)).is_ok());
    new.map(|hash| blob::audit(vfs, *hash, progress)).collect()
}

fn list(vfs: &dyn Vfs, folder: &str) -> Result<Vec<String>, OpenError> {
    match vfs.list(folder) {
        Ok(mut names) => {
            names.sort_unstable();
            Ok(names)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(OpenError::io("list", folder, error)),
    }
}

fn files(vfs: &dyn Vfs) -> Result<Files, OpenError> {
    let mut files =
        Files { segments: Vec::new(), sidecars: Vec::new(), blobs: Vec::new(), others: Vec::new() };
    for name in list(vfs, FOLDER)? {
        if let Some(name) = name.strip_suffix(".seg") {
            files.segments.push(name.to_owned());
        } else if let Some(name) = name.strip_suffix(".idx") {
            files.sidecars.push(name.to_owned());
        } else if format!("{FOLDER}/{name}") != retired::PATH {
            files.others.push(format!("{FOLDER}/{name}"));
        }
    }
    for name in list(vfs, blobs::FOLDER)? {
        match blob::hash_of(&name) {
            Some(hash) => files.blobs.push(hash),
            None => files.others.push(format!("{}/{name}", blobs::FOLDER)),
        }
    }
    files.others.extend(list(vfs, DAMAGED)?.iter().map(|name| format!("{DAMAGED}/{name}")));
    files.others.extend(list(vfs, "")?.into_iter().filter(|name| name != "lock"));
    Ok(files)
}

/// All bytes that will be read, as far as the disk says.
fn size(vfs: &dyn Vfs, files: &Files) -> u64 {
    let segments = files.segments.iter().map(|name| segment_path(name));
    let sidecars = files.sidecars.iter().map(|name| format!("{FOLDER}/{name}.idx"));
    let blobs = files.blobs.iter().map(|hash| blobs::path(*hash));
    let len = |path: String| vfs.open(&path).and_then(|file| file.len()).unwrap_or(0);
    segments.chain(sidecars).chain(blobs).map(len).sum()
}

/// Looks at each file on its own, on all cores.
fn look(vfs: &dyn Vfs, files: &Files, progress: &Progress<'_>) -> (Vec<SegmentAudit>, Vec<BlobAudit>) {
    let jobs = files.segments.len() + files.blobs.len();
    let worth = usize::try_from(progress.all / WORTH_A_THREAD).unwrap_or(usize::MAX);
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(jobs).min(worth + 1);
    let next = AtomicUsize::new(0);
    let done = Mutex::new((Vec::with_capacity(files.segments.len()), Vec::with_capacity(files.blobs.len())));
    let work = || {
        let mut bytes = Vec::new();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if let Some(name) = files.segments.get(job) {
                let last = job + 1 == files.segments.len();
                let audit = segment::audit(vfs, name, last, progress, &mut bytes);
                done.lock().unwrap_or_else(PoisonError::into_inner).0.push(audit);
            } else if let Some(hash) = files.blobs.get(job - files.segments.len()) {
                let audit = blob::audit(vfs, *hash, progress);
                done.lock().unwrap_or_else(PoisonError::into_inner).1.push(audit);
            } else {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..cores {
            scope.spawn(work);
        }
        work();
    });
    let (mut segments, mut blobs) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    segments.sort_unstable_by(|one: &SegmentAudit, other| one.name.cmp(&other.name));
    blobs.sort_unstable_by_key(|blob: &BlobAudit| blob.hash);
    (segments, blobs)
}

/// One chain across segments.
struct Known {
    last: EventHeader,
    hash: EventHash,
    /// How many gaps there were when it was last seen.
    gaps: usize,
}

/// Whether everything goes together.
fn together(
    files: Files,
    mut segments: Vec<SegmentAudit>,
    blobs: Vec<BlobAudit>,
    retired: &FxHashSet<ChainId>,
) -> Audit {
    let mut faults: Vec<Fault> = Vec::new();
    let mut chains: FxHashMap<ChainId, Known> = FxHashMap::default();
    let mut actors: FxHashMap<ChainId, ActorId> = FxHashMap::default();
    let mut before: Option<Ending> = None;
    let mut gaps = 0;
    let mut regressions = 0;
    for (number, segment) in segments.iter_mut().enumerate() {
        // Behind a segment that does not say how it ends, nothing can be said of the next.
        let header = segment.header.filter(|_| number == 0 || before.is_some());
        let link = header.map_or(Ok(()), |header| load::check_link(before.as_ref(), &segment.name, &header));
        if let Err(damage) = link {
            faults.push(Fault { damage, lsn: header.map(|header| header.first_lsn) });
            gaps += 1;
        }
        before = segment.ending;
        let path = segment_path(&segment.name);
        // Of a chain that was retired some segments may have events and others none any more.
        for part in segment.parts.iter().filter(|part| !retired.contains(&part.chain)) {
            regressions +=
                u64::from(chains.get(&part.chain).is_some_and(|known| known.last.time > part.first.time));
            if let Some(what) = join(&mut chains, part, gaps) {
                faults.push(Fault::new(&path, part.offset, Some(part.chain), Some(part.lsn), what));
            }
        }
        actors.extend(segment.actors.iter().copied());
        regressions += segment.time_regressions;
        gaps += usize::from(segment.gapped);
        faults.append(&mut segment.faults);
    }
    for name in files.sidecars.iter().filter(|name| files.segments.binary_search(name).is_err()) {
        let lsn = u64::from_str_radix(name, 16).ok();
        let what = "the segment is missing, its sidecar is there";
        faults.push(Fault::new(&segment_path(name), 0, None, lsn, what));
    }
    let mut others = files.others;
    let stale = segments.iter().filter(|segment| segment.stale_sidecar);
    others.extend(stale.map(|segment| format!("{FOLDER}/{}.idx", segment.name)));
    let bad_blobs = check_blobs(&segments, &blobs, &mut faults, &mut others);
    // In the order of the log; what concerns no event, last.
    for fault in faults.iter_mut().filter(|fault| {
        fault.damage.chain.is_some_and(|chain| !chains.contains_key(&chain) && !actors.contains_key(&chain))
    }) {
        // Only the damaged bytes speak of such a chain.
        fault.damage.chain = None;
    }
    faults.sort_by_key(|fault| (fault.lsn.unwrap_or(u64::MAX), fault.damage.offset));
    let damage = |fault: Fault| FolderDamage {
        actor: fault.damage.chain.and_then(|chain| actors.get(&chain).copied()),
        lsn: fault.lsn.map(Lsn),
        damage: fault.damage,
    };
    let damages = faults.into_iter().map(damage).collect();
    let report = report(&segments, &blobs, chains.len(), others, regressions);
    Audit { report, damages, segments, actors, bad_blobs }
}

fn join(chains: &mut FxHashMap<ChainId, Known>, part: &ChainPart, gaps: usize) -> Option<String> {
    let what = match chains.get(&part.chain) {
        // What is missing was named.
        Some(known) if known.gaps != gaps && part.first.seq > known.last.seq => None,
        Some(known) => goes_on(&known.last, known.hash, &part.first),
        None if part.first.seq == 0 && part.first.prev == EventHash::ZERO => None,
        None if gaps > 0 => None,
        None => Some(format!("event {} of the chain follows none", part.first.seq)),
    };
    chains.insert(part.chain, Known { last: part.last, hash: part.hash, gaps });
    what
}

/// Compares blobs with the events that name them.
fn check_blobs(
    segments: &[SegmentAudit],
    blobs: &[BlobAudit],
    faults: &mut Vec<Fault>,
    others: &mut Vec<String>,
) -> Vec<(PayloadHash, Option<u64>)> {
    let mut uses: FxHashMap<PayloadHash, Vec<&BlobUse>> = FxHashMap::default();
    for blob in segments.iter().flat_map(|segment| &segment.blobs) {
        uses.entry(blob.hash).or_default().push(blob);
    }
    let mut bad = Vec::new();
    for blob in blobs {
        let used = uses.remove(&blob.hash).unwrap_or_default();
        let first = used.first();
        let length = || used.iter().find(|blob_use| blob_use.len != blob.len);
        if let Some(fault) = &blob.fault {
            let mut fault = fault.clone();
            (fault.damage.chain, fault.lsn) = (first.map(|first| first.chain), first.map(|first| first.lsn));
            bad.push((blob.hash, fault.lsn));
            faults.push(fault);
        } else if let Some(wrong) = length() {
            let what = format!("the payload has {} bytes, {} were sealed", blob.len, wrong.len);
            faults.push(Fault::new(&blobs::path(blob.hash), 0, Some(wrong.chain), Some(wrong.lsn), what));
            bad.push((blob.hash, Some(wrong.lsn)));
        } else if used.is_empty() {
            others.push(blobs::path(blob.hash));
        }
    }
    let missing: BTreeSet<_> =
        uses.into_iter().map(|(hash, uses)| (uses[0].lsn, hash, uses[0].chain)).collect();
    for (lsn, hash, chain) in missing {
        faults.push(Fault::new(&blobs::path(hash), 0, Some(chain), Some(lsn), "the payload is missing"));
        bad.push((hash, Some(lsn)));
    }
    bad
}

fn report(
    segments: &[SegmentAudit],
    blobs: &[BlobAudit],
    chains: usize,
    mut leftovers: Vec<String>,
    time_regressions: u64,
) -> FolderReport {
    leftovers.sort_unstable();
    let last = segments.last();
    let closed = last.is_none_or(|last| last.sidecar == Sidecar::Good);
    let next = segments.iter().filter_map(|segment| segment.ending).map(|ending| ending.next_lsn).max();
    let said = segments.iter().map(|segment| segment.durable).max().unwrap_or(0);
    // A segment is synced before the next one is begun, and before it gets its sidecar.
    let implied = match last.and_then(|last| Some((last.header?, last.ending?))) {
        Some((_, ending)) if closed => ending.next_lsn - 1,
        Some((header, _)) => header.first_lsn - 1,
        None => 0,
    };
    FolderReport {
        chains,
        events: segments.iter().map(|segment| segment.events).sum(),
        bytes: segments.iter().map(|segment| segment.bytes).chain(blobs.iter().map(|blob| blob.len)).sum(),
        segments: segments.len(),
        blobs: blobs.len(),
        epoch: segments
            .iter()
            .filter_map(|segment| segment.header)
            .map(|header| header.epoch)
            .max()
            .unwrap_or(0),
        last: Lsn(next.map_or(0, |next| next - 1)),
        durable: Lsn(said.max(implied)),
        closed,
        torn: last.and_then(|last| last.torn.clone()),
        leftovers,
        time_regressions,
    }
}
