//! What is fuzzed: functions that must answer whatever the bytes are, and never panic.
//!
//! `.ci/fuzz` runs each for a while. `theater-testkit/tests/fuzz_seeds.rs` runs the seeds, and what fuzzing has found, through the same
//! functions in every `cargo test`.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use theater_chain::vfs::Vfs;
use theater_chain::{Chain, ChainReader, ChainStore, LogOptions, SteppedStore, verify, verify_export};
use theater_core::{EventKind, EventRange, Manifest};
use theater_testkit::disk::SimDisk;

/// An export that somebody sent: read, and verified.
pub fn chain_import(bytes: &[u8]) {
    let mut reader = theater_chain::jsonl::Reader::new(bytes);
    while let Ok(Some(_)) = reader.next_event() {}
    let _ = verify_export(bytes);
}

/// A manifest, and what can be said of it.
pub fn manifest(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(error) = Manifest::parse("a.toml", text)
    {
        assert!(!error.to_string().is_empty());
    }
}

/// A log whose segment, or sidecar, is not what anybody wrote.
///
/// The first byte says what the others are: a whole segment, changes of a good one, or changes of a good one's sidecar; and whether
/// checksums are made to fit again, so that what is behind them is reached.
pub fn record_scanner(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let (mut segment, mut sidecar) = (good().0.clone(), None);
    match kind % 3 {
        0 => segment = bytes.to_vec(),
        1 => change(&mut segment, bytes),
        _ => sidecar = Some(good().1.clone()),
    }
    if kind & 0x80 != 0 {
        fit(&mut segment);
    }
    if let Some(sidecar) = &mut sidecar {
        change(sidecar, bytes);
    }
    let disk = SimDisk::new();
    disk.create_dir("log").expect("the disk works");
    put(&disk, SEGMENT, &segment);
    if let Some(sidecar) = sidecar {
        put(&disk, SIDECAR, &sidecar);
    }
    open(&disk);
    // And once more, after whatever recovery did.
    disk.kill();
    open(&disk);
}

const SEGMENT: &str = "log/0000000000000001.seg";
const SIDECAR: &str = "log/0000000000000001.idx";

fn options() -> LogOptions {
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (4 << 10, 4 << 10);
    options.store_id = Some([7; 16]);
    options
}

/// Opens the log, and reads and verifies all of it.
fn open(disk: &SimDisk) {
    let Ok((mut store, recovery)) = SteppedStore::open(Arc::new(disk.clone()), options()) else { return };
    let chains = once(store.chains()).unwrap_or_default();
    assert_eq!(chains.len(), recovery.chains);
    for chain in chains {
        if let Ok(events) = once(store.read(chain, EventRange::ALL)) {
            let _ = verify(&events);
        }
    }
    let (_, genesis) = Chain::genesis(recovery.epoch.to_le_bytes().to_vec().into(), store.epoch(), 1);
    if store.create(genesis).is_ok() {
        assert!(store.step(), "the disk works");
    }
}

/// A log without threads answers at once.
fn once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("reading does not wait"),
    }
}

/// A segment with events, marks and a blob, and its sidecar.
fn good() -> &'static (Vec<u8>, Vec<u8>) {
    static GOOD: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    GOOD.get_or_init(|| {
        let disk = SimDisk::new();
        let (mut store, _) = SteppedStore::open(Arc::new(disk.clone()), options()).expect("an empty disk");
        let mut chains: Vec<Chain> = Vec::new();
        for number in 0..3 {
            let (chain, genesis) = Chain::genesis(vec![number; 40].into(), 1, 1);
            store.create(genesis).expect("it is new");
            chains.push(chain);
        }
        for number in 0..6 {
            let chain = &mut chains[number % 3];
            let head = chain.head();
            store
                .append(head, chain.append(EventKind::LOG, vec![1; 30 * number].into(), 2))
                .expect("it follows");
            store.step();
            store.mark();
        }
        store.close().expect("the disk works");
        let read = |name| disk.content(name).expect("it is there");
        (read(SEGMENT), read(SIDECAR))
    })
}

fn put(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let file = disk.create(name).expect("the disk works");
    file.write_at(bytes, 0).expect("the disk works");
}

/// Each five bytes are a change: where, what, how much.
fn change(bytes: &mut Vec<u8>, script: &[u8]) {
    for step in script.chunks_exact(5) {
        let at = usize::from(u16::from_le_bytes([step[0], step[1]])) % bytes.len().max(1);
        match step[2] % 4 {
            0 => bytes.truncate(at),
            1 => bytes.splice(at..at, std::iter::repeat_n(step[3], step[4].into())).for_each(drop),
            2 => drop(bytes.drain(at..(at + usize::from(step[4])).min(bytes.len()))),
            _ => {
                bytes.iter_mut().skip(at).take(usize::from(step[4] % 9) + 1).for_each(|byte| *byte = step[3])
            }
        }
    }
}

/// Makes the checksums of a segment's header and records fit.
fn fit(bytes: &mut [u8]) {
    if bytes.len() < 64 {
        return;
    }
    let mut seed = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&seed.to_le_bytes());
    let mut at = 64;
    while let Some(len) =
        bytes.get(at..at + 4).map(|len| u32::from_le_bytes([len[0], len[1], len[2], len[3]]))
    {
        let end = at.saturating_add((len as usize).next_multiple_of(8));
        if len < 8 || end > bytes.len() {
            return;
        }
        seed = crc32c::crc32c_append(crc32c::crc32c_append(seed, &bytes[at..at + 4]), &bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&seed.to_le_bytes());
        at = end;
    }
}
