//! Two processes and one store. A test runs itself again as the other process.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
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

    fn go_on(&mut self) {
        self.0.stdin.as_mut().expect("it was asked for").write_all(&[1]).expect("it listens");
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

/// Events that it writes while one copy is taken.
const AT_ONCE: u64 = 1_000;

/// Copies that are taken of the files.
const COPIES: u64 = 12;

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
    let length = COPIES * AT_ONCE / CHAINS;
    let chains: Vec<_> = (0..CHAINS).map(|n| chain(&n.to_string(), length)).collect();
    if let Some(folder) = other_process() {
        let (store, _) = open(&folder).unwrap();
        for seq in 0..chains[0].len() {
            if (seq as u64 * CHAINS).is_multiple_of(AT_ONCE) && std::io::stdin().read(&mut [0]).unwrap() == 0
            {
                return;
            }
            for chain in &chains {
                match seq.checked_sub(1) {
                    None => store.create(chain[seq].clone()),
                    Some(before) => store.append(Head::after(&chain[before]), chain[seq].clone()),
                }
                .unwrap();
            }
            if seq % 20 == 19 {
                store.until_durable(store.accepted()).await.unwrap();
                eprintln!("{}", store.accepted());
            }
        }
        return until_let_go();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(SqliteStore::FILE);
    let name = "process::a_copy_of_the_files_taken_at_any_moment_has_all_that_was_durable_and_no_hole";
    let (mut other, says) = Other::run(name, folder.path());
    let told = Arc::new(AtomicU64::new(0));
    let telling = Arc::clone(&told);
    let listening = std::thread::spawn(move || says.for_each(|lsn| telling.store(lsn, Ordering::Release)));
    let until = |lsn: u64| {
        while told.load(Ordering::Acquire) < lsn {
            assert!(!listening.is_finished(), "the other process has ended");
            std::thread::sleep(Duration::from_millis(1));
        }
    };

    let (mut taken, mut generations) = (Vec::new(), Vec::new());
    for copies in 0..COPIES {
        let to = folder.path().join(format!("copy-{copies}"));
        fs::create_dir_all(&to).unwrap();
        other.go_on();
        // A few of these, so that the copy is taken among them.
        until(copies * AT_ONCE + 100);
        let durable = loop {
            let durable = told.load(Ordering::Acquire);
            if copy(&file, &to.join(SqliteStore::FILE)) {
                break durable;
            }
        };
        generations.push(generation(&file));
        taken.push((to, durable));
        until((copies + 1) * AT_ONCE);
    }
    other.kill();
    listening.join().unwrap();
    generations.dedup();
    assert!(generations.len() > 1, "the log never began anew: nothing went from it into the file meanwhile");

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
