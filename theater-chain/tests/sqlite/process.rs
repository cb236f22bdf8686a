//! Two processes and one store. A test runs itself again as the other process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use theater_chain::{
    ChainReader, ChainStore, Head, LogOptions, Lsn, OpenError, SegmentedStore, SqliteReader, SqliteStore,
};
use theater_core::EventRange;

use super::{all, append, chain, id, open};

/// In the environment of the other process: its folder.
const FOLDER: &str = "THEATER_TEST_SQLITE_FOLDER";

/// Another process, which ends with this test, whatever becomes of it.
struct Other(Child);

/// What it says, a number a line.
struct Says(BufReader<ChildStderr>);

impl Other {
    fn run(test: &str, folder: &Path) -> (Self, Says) {
        let mut child = Command::new(std::env::current_exe().expect("this is a program"))
            .args(["--exact", test, "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program that runs can be run again");
        let says = BufReader::new(child.stderr.take().expect("it was asked for"));
        (Self(child), Says(says))
    }

    fn kill(mut self) {
        self.0.kill().expect("it is ours");
        self.0.wait().expect("it is ours");
    }
}

impl Iterator for Says {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it speaks UTF-8");
        if line.is_empty() { None } else { Some(line.trim().parse().unwrap_or_else(|_| panic!("{line}"))) }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder, if this is the other process.
fn other_process() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Waits until the process that has started this one is gone, or has had enough.
fn until_let_go() {
    let _ = std::io::stdin().read(&mut [0]);
}

#[tokio::test]
async fn a_second_process_is_refused_as_the_log_refuses_it_and_may_read() {
    let written = chain("one", 5);
    if let Some(folder) = other_process() {
        let (store, _) = open(&folder).unwrap();
        append(&store, &[written]);
        store.until_durable(store.accepted()).await.unwrap();
        eprintln!("{}", store.accepted());
        return until_let_go();
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "process::a_second_process_is_refused_as_the_log_refuses_it_and_may_read";
    let (other, mut says) = Other::run(name, folder.path());
    assert_eq!(says.next(), Some(5));

    let refused = open(folder.path()).unwrap_err();
    assert!(matches!(&refused, OpenError::InUse { folder: told } if Path::new(told) == folder.path()));
    let log = SegmentedStore::open(folder.path(), LogOptions::default()).unwrap_err();
    assert_eq!(refused.to_string(), log.to_string());
    let reader = SqliteReader::open(folder.path().join(SqliteStore::FILE)).unwrap();
    assert_eq!(all(&reader, id(&written)).await, written);

    other.kill();
    let (store, recovery) = open(folder.path()).unwrap();
    assert_eq!((recovery.events, recovery.epoch, recovery.closed), (5, 2, false));
    assert_eq!(all(&store, id(&written)).await, written);
}

/// Chains that the other process writes to, in turns.
const CHAINS: u64 = 5;

/// Copies that are taken of the files.
const COPIES: usize = 12;

/// What SQLite's log says of itself, which changes when the log begins anew.
fn generation(file: &Path) -> Vec<u8> {
    let mut header = Vec::new();
    if let Ok(log) = fs::File::open(file.with_extension("sqlite-wal")) {
        log.take(32).read_to_end(&mut header).expect("it can be read");
    }
    header
}

/// Copies the file and then its log, without asking anybody; whether the log did not begin anew meanwhile. If it did, the copy has the
/// file of before and the log of after.
fn copy(from: &Path, to: &Path) -> bool {
    let log = |file: &Path| file.with_extension("sqlite-wal");
    let before = generation(from);
    fs::copy(from, to).expect("there is room for files");
    fs::copy(log(from), log(to)).expect("it has been there since the store was opened");
    generation(from) == before
}

#[tokio::test]
async fn a_copy_of_the_files_taken_at_any_moment_has_all_that_was_durable_and_no_hole() {
    // The same in both processes.
    let chains: Vec<_> = (0..CHAINS).map(|n| chain(&n.to_string(), 40_000)).collect();
    if let Some(folder) = other_process() {
        let (store, _) = open(&folder).unwrap();
        for seq in 0..chains[0].len() {
            store.ready().await.unwrap();
            for chain in &chains {
                match seq.checked_sub(1) {
                    None => store.create(chain[seq].clone()),
                    Some(before) => store.append(Head::after(&chain[before]), chain[seq].clone()),
                }
                .unwrap();
            }
            if seq % 20 == 0 {
                store.until_durable(store.accepted()).await.unwrap();
                eprintln!("{}", store.accepted());
            }
        }
        return until_let_go();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(SqliteStore::FILE);
    let name = "process::a_copy_of_the_files_taken_at_any_moment_has_all_that_was_durable_and_no_hole";
    let (other, mut says) = Other::run(name, folder.path());
    let told = Arc::new(AtomicU64::new(says.next().unwrap()));
    let telling = Arc::clone(&told);
    let listening = std::thread::spawn(move || says.for_each(|lsn| telling.store(lsn, Ordering::Release)));

    let (mut taken, mut generations) = (Vec::new(), Vec::new());
    while taken.len() < COPIES {
        let to = folder.path().join(format!("copy-{}", taken.len()));
        fs::create_dir_all(&to).unwrap();
        let durable = told.load(Ordering::Acquire);
        if copy(&file, &to.join(SqliteStore::FILE)) {
            generations.push(generation(&file));
            taken.push((to, durable));
        }
        // Copies of different moments.
        while told.load(Ordering::Acquire) < durable + 1_000 {
            assert!(!listening.is_finished(), "the other process has ended");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    other.kill();
    listening.join().unwrap();
    generations.dedup();
    assert!(generations.len() > 1, "events went from the log into the file meanwhile");

    for (copy, durable) in taken {
        let (store, recovery) = open(&copy).unwrap();
        assert!(!recovery.closed && recovery.durable == Lsn(recovery.events), "{recovery:?}");
        assert!(recovery.events >= durable, "{durable} were durable: {recovery:?}");
        // A beginning of the order in which they were appended.
        for (n, chain) in (0..).zip(&chains) {
            let length = (recovery.events + CHAINS - 1 - n) / CHAINS;
            let expected = &chain[..usize::try_from(length).unwrap()];
            match store.read(id(chain), EventRange::ALL).await {
                Ok(read) => assert_eq!(read, expected),
                Err(error) => assert!(length == 0, "{error}"),
            }
        }
    }
}
