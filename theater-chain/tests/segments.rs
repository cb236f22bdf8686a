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
use theater_core::event::payload::{Exited, Genesis, Origin, Started, encode};
use theater_core::{ActorId, Bytes, ChainEvent, EventKind, ExitReason, Incarnation};

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
    fn genesis(&mut self, store: &SteppedStore, number: u8, name: &str) -> Chain {
        let payload = encode(&Genesis {
            actor: ActorId::from_parts(1_764_000_000_000, [number; 10]),
            nonce: [number; 32],
            name: name.to_owned(),
            component: "11".repeat(32),
            manifest: "22".repeat(32),
            parent: None,
            runtime: "theater 0.1.0".to_owned(),
            placement: None,
        });
        let (chain, event) = Chain::genesis(payload, store.epoch(), T0 + self.events.len() as u64);
        store.create(event.clone()).expect("a new chain");
        self.events.push(event);
        chain
    }

    fn append(&mut self, store: &SteppedStore, chain: &mut Chain, kind: EventKind, payload: Bytes) {
        let before = chain.head();
        *chain = Chain::resume(Head { epoch: store.epoch(), ..before });
        let event = chain.append(kind, payload, T0 + self.events.len() as u64);
        store.append(before, event.clone()).expect("it follows");
        self.events.push(event);
    }
}

/// Two terms of a log: the first is closed, with a full segment, a blob and a mark; the second is killed in the middle of a write.
fn write(folder: &Path) -> Vec<ChainEvent> {
    let mut written = Written::default();
    let started =
        encode(&Started::new(Incarnation::FIRST, Origin::Init, Some(&Bytes::from_static(b"{}"))));
    let exited = encode(&Exited::new(Incarnation::FIRST, ExitReason::Stopped));

    let mut store = open(folder);
    let mut one = written.genesis(&store, 1, "one");
    written.append(&store, &mut one, EventKind::STARTED, started.clone());
    store.step();
    let mut other = written.genesis(&store, 2, "other");
    store.step();
    written.append(&store, &mut other, EventKind::STARTED, started);
    let long: Vec<u8> = (0..65_537_u32).map(|i| (i % 251) as u8).collect();
    written.append(&store, &mut one, EventKind::CALL, long.into());
    store.step();
    written.append(&store, &mut one, EventKind::RETURN, Bytes::new());
    store.close().expect("a sound disk");

    let mut store = open(folder);
    written.append(&store, &mut other, EventKind::EXITED, exited.clone());
    store.step();
    store.mark();
    written.append(&store, &mut one, EventKind::EXITED, exited);
    store.step();
    let (whole, first) = (written.events.len(), written.events.len() as u64 - 1);
    written.append(&store, &mut one, EventKind::CALL, "lost in the middle of a write".into());
    store.step();
    drop(store);
    written.events.truncate(whole);

    // Of the last record, the second half did not get to the disk.
    let last = folder.join(format!("log/{first:016x}.seg"));
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
    if written != files(&golden()) {
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
    assert_eq!((report.chains, report.events, report.blobs, report.epoch), (2, 8, 1, 2));
    assert_eq!((report.last, report.durable, report.closed), (Lsn(8), Lsn(7), false));
    let torn = report.torn.unwrap();
    assert_eq!(reader.summary().torn, Some(torn.clone()));
    assert_eq!(torn.file, "log/0000000000000007.seg");
}

#[test]
fn the_golden_files_are_opened_and_written_on() {
    let folder = copy_of_golden();
    let torn = LogReader::open(folder.path()).unwrap().summary().torn;
    let (store, recovery) = SegmentedStore::open(folder.path(), options()).unwrap();
    assert_eq!((recovery.events, recovery.epoch, recovery.closed, recovery.cut), (8, 3, false, torn));
    let (_, genesis) = Chain::genesis("a third".into(), store.epoch(), T0);
    store.create(genesis).unwrap();
    store.close().unwrap();
    let report = verify_folder(folder.path(), |_, _| ()).unwrap();
    assert_eq!((report.events, report.closed, report.torn), (9, true, None));
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
    assert_eq!(said.lines().last(), Some("verified: 2 chains, 8 events"), "{said}");
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
    let path = folder.path().join("log/0000000000000007.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    repair::apply(folder.path(), &repair::plan(folder.path()).unwrap()).unwrap();
    assert_eq!(verify_folder(folder.path(), |_, _| ()).unwrap().events, 6);
    let Some(output) = python(folder.path()) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "verified: 2 chains, 6 events", "{}", String::from_utf8_lossy(&output.stderr));
}
