//! The segment format is the published one: golden files, byte by byte, and a verifier that is not ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use theater_chain::vfs::RealVfs;
use theater_chain::{
    Chain, ChainStore, FolderError, Head, LogOptions, LogReader, Lsn, SegmentedStore, SteppedStore, repair,
    verify_folder,
};
use theater_core::{Bytes, ChainEvent, EventKind};

const T0: u64 = 1_764_000_000_000_000_000;

fn options() -> LogOptions {
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (1 << 10, 2 << 10);
    options.store_id = Some(*b"golden folder v1");
    options
}

fn open(folder: &Path) -> SteppedStore {
    let vfs = RealVfs::new(folder).expect("a folder can be made");
    SteppedStore::open(Arc::new(vfs), options()).expect("a sound log").0
}

/// What was appended, in order.
#[derive(Default)]
struct Written {
    events: Vec<ChainEvent>,
}

impl Written {
    fn genesis(&mut self, store: &SteppedStore, payload: impl Into<Bytes>) -> Chain {
        let (chain, event) = Chain::genesis(payload.into(), store.epoch(), T0);
        store.create(event.clone()).expect("a new chain");
        self.events.push(event);
        chain
    }

    fn append(
        &mut self,
        store: &SteppedStore,
        chain: &mut Chain,
        (kind, time): (u16, u64),
        payload: impl Into<Bytes>,
    ) {
        let before = chain.head();
        *chain = Chain::resume(Head { epoch: store.epoch(), ..before });
        let event = chain.append(EventKind(kind), payload.into(), T0 + time);
        store.append(before, event.clone()).expect("it follows");
        self.events.push(event);
    }
}

/// The last segment.
const LAST: &str = "log/0000000000000006.seg";

/// Two terms of a log with the page's chain and another: the first is closed, with a full segment; the second, with a blob, is killed
/// in the middle of a write.
fn write(folder: &Path) -> Vec<ChainEvent> {
    let mut written = Written::default();
    let genesis: Vec<u8> = b"theater-genesis-v1\0".iter().copied().chain(0..16).chain([0xa5; 32]).collect();

    let mut store = open(folder);
    let mut one = written.genesis(&store, genesis);
    written.append(&store, &mut one, (1, 1), "");
    store.step();
    let mut other = written.genesis(&store, "other");
    written.append(&store, &mut one, (2, 2), "hello");
    store.step();
    written.append(&store, &mut other, (3, 4), vec![0xee; 200]);
    store.close().expect("a sound disk");

    let mut store = open(folder);
    let long: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    written.append(&store, &mut one, (3, 1_000_000_000), long);
    store.step();
    store.mark();
    written.append(&store, &mut other, (4, 1_000_000_001), "the last");
    store.step();
    let whole = written.events.len();
    written.append(&store, &mut one, (4, 1_000_000_002), vec![0xaa; 150]);
    store.step();
    drop(store);
    written.events.truncate(whole);

    // Of the last record, the second half did not get to the disk.
    let last = folder.join(LAST);
    let mut bytes = std::fs::read(&last).expect("it was written");
    let end = bytes.iter().rposition(|byte| *byte != 0).expect("it has records") + 1;
    bytes[end - 100..end].fill(0);
    std::fs::write(last, bytes).expect("it was written");
    written.events
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

/// All files of a data folder by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for part in ["log", "blobs"] {
        for entry in std::fs::read_dir(folder.join(part)).expect("a data folder") {
            let entry = entry.expect("a data folder");
            let name = format!("{part}/{}", entry.file_name().display());
            files.insert(name, std::fs::read(entry.path()).expect("a file"));
        }
    }
    files
}

fn copy_of_golden() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("room for a folder");
    for (name, content) in files(&golden()) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("log or blobs")).expect("room for a folder");
        std::fs::write(path, content).expect("room for a file");
    }
    folder
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/chain-format.md");
    std::fs::read_to_string(path).expect("the page of the format")
}

#[test]
fn the_same_operations_write_the_golden_files_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let written = files(folder.path());
    if !golden().is_dir() || written != files(&golden()) {
        let kept = folder.keep();
        panic!(
            "the format has changed: logs that people have would not open. What is written today is in {}",
            kept.display()
        );
    }
}

#[test]
fn the_golden_files_are_read_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let expected = write(folder.path());
    let reader = LogReader::open(golden()).unwrap();
    let events: Vec<_> = reader.events(Lsn(1)).map(|event| event.unwrap().1).collect();
    assert_eq!(events, expected);
    let report = verify_folder(golden(), |_, _| ()).unwrap();
    assert_eq!((report.chains, report.events, report.blobs, report.epoch), (2, 7, 1, 2));
    assert_eq!((report.last, report.durable, report.closed), (Lsn(7), Lsn(7), false));
    let torn = report.torn.unwrap();
    assert_eq!(reader.summary().torn, Some(torn.clone()));
    assert_eq!(torn.file, LAST);
    let published = "f2b05788c219b9f67eddfc0cbcdca2d67146b4bd079b3f4401e101e4f069f8b1";
    assert_eq!(events[5].hash.to_string(), published, "the chain is the one on the page");
}

#[test]
fn the_golden_files_are_opened_and_written_on() {
    let folder = copy_of_golden();
    let torn = LogReader::open(folder.path()).unwrap().summary().torn;
    let (store, recovery) = SegmentedStore::open(folder.path(), options()).unwrap();
    assert_eq!((recovery.events, recovery.epoch, recovery.closed, recovery.cut), (7, 3, false, torn));
    let (_, genesis) = Chain::genesis("a third".into(), store.epoch(), T0);
    store.create(genesis).unwrap();
    store.close().unwrap();
    let report = verify_folder(folder.path(), |_, _| ()).unwrap();
    assert_eq!((report.events, report.closed, report.torn), (8, true, None));
}

#[test]
fn the_page_of_the_format_names_every_golden_file_with_its_hash() {
    let page = page();
    for (name, content) in files(&golden()) {
        let hash = theater_chain::hash::payload_hash(&content).to_string();
        let line = page.lines().find(|line| line.contains(&hash));
        assert!(line.is_some_and(|line| line.contains(&name)), "docs/chain-format.md lacks {name}: {hash}");
    }
}

/// Runs the page's program, if there is a Python that can.
fn python(folder: &Path) -> Option<Output> {
    let page = page();
    let program = page.rsplit("```python\n").next().expect("a split has a first part");
    let program = program.split("```").next().expect("a split has a first part");
    let has_blake3 = Command::new("python3").args(["-c", "import blake3"]).output();
    if !has_blake3.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "LEFT OUT: python3 with the package blake3 is not here, so the page's verifier was not run"
        );
        return None;
    }
    Some(Command::new("python3").args(["-c", program]).arg(folder).output().expect("it was there just now"))
}

#[test]
fn the_python_verifier_of_segments_agrees_with_ours() {
    let Some(output) = python(&golden()) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().last(), Some("verified: 2 chains, 7 events"), "{said}");
    assert!(said.contains("torn end"), "{said}");

    let names: Vec<String> = files(&golden()).into_keys().filter(|name| !name.ends_with(".idx")).collect();
    for name in names {
        let folder = copy_of_golden();
        let path = folder.path().join(&name);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = verify_folder(folder.path(), |_, _| ()).unwrap_err();
        let FolderError::Damaged { damages, .. } = error else { panic!("{error}") };
        assert_eq!(damages[0].damage.file, name);
        let output = python(folder.path()).unwrap();
        assert!(!output.status.success(), "{name}");
    }
}

#[test]
fn the_python_verifier_agrees_about_a_repaired_log() {
    let folder = copy_of_golden();
    let path = folder.path().join(LAST);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    repair::apply(folder.path(), &repair::plan(folder.path()).unwrap()).unwrap();
    assert_eq!(verify_folder(folder.path(), |_, _| ()).unwrap().events, 5);
    let Some(output) = python(folder.path()) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "verified: 2 chains, 5 events", "{}", String::from_utf8_lossy(&output.stderr));
}
