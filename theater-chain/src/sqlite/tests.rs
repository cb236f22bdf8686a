//! The store with a writer that is stepped by hand: what happens between taking and committing.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use theater_core::{Bytes, EventKind};

use super::writer::{FailOnPanic, Step};
use super::*;
use crate::chain::Chain;

/// A chain, and what was appended to it.
struct Written {
    chain: Chain,
    events: Vec<ChainEvent>,
}

impl Written {
    fn create(store: &SqliteStore, who: &'static str) -> Self {
        let (chain, genesis) = Chain::genesis(who.into(), store.epoch(), 1);
        store.create(genesis.clone()).expect("it is new");
        Self { chain, events: vec![genesis] }
    }

    fn append(&mut self, store: &SqliteStore, payload: impl Into<Bytes>) -> Result<(), AppendError> {
        let mut chain = self.chain;
        let event = chain.append(EventKind::LOG, payload.into(), 2);
        store.append(self.chain.head(), event.clone())?;
        self.chain = chain;
        self.events.push(event);
        Ok(())
    }

    async fn check(&self, store: &SqliteStore) {
        let id = self.chain.head().chain_id;
        assert_eq!(store.read(id, EventRange::ALL).await.as_ref(), Ok(&self.events));
        for from in 0..self.events.len() {
            let range = EventRange { from: from as u64, limit: 2 };
            let expected = &self.events[range.within(self.events.len())];
            assert_eq!(store.read(id, range).await.as_deref(), Ok(expected), "from {from}");
        }
        assert_eq!(store.head(id).await, Ok(Some(self.chain.head())));
    }
}

fn open(options: SqliteOptions) -> (SqliteStore, Writer, TempDir) {
    let folder = tempfile::tempdir().expect("there is room for files");
    let (store, writer, _) = SqliteStore::without_thread(folder.path(), options).expect("it is empty");
    (store, writer, folder)
}

/// Whether there is no answer yet.
fn waits(answer: Pin<&mut impl Future>) -> bool {
    answer.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Events in the file, as anybody sees them.
fn in_file(folder: &TempDir) -> u64 {
    let connection = Connection::open(folder.path().join(SqliteStore::FILE)).expect("it is there");
    connection.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).expect("the table is there")
}

#[tokio::test]
async fn events_are_read_before_they_are_committed_and_while_some_are() {
    let (store, mut writer, folder) = open(SqliteOptions::default());
    let mut written = Written::create(&store, "one");
    written.append(&store, "a").unwrap();
    written.check(&store).await;
    assert_eq!((in_file(&folder), ChainStore::durable(&store)), (0, Ok(Lsn(0))));
    assert_eq!(writer.step(), Step::Wrote);
    written.check(&store).await;
    assert_eq!((in_file(&folder), ChainStore::durable(&store)), (2, Ok(Lsn(2))));
    written.append(&store, "b").unwrap();
    written.append(&store, "c").unwrap();
    written.check(&store).await;
    assert_eq!(in_file(&folder), 2);
    assert_eq!((writer.step(), writer.step()), (Step::Wrote, Step::Idle));
    written.check(&store).await;
    assert_eq!(in_file(&folder), 4);
}

#[tokio::test]
async fn nobody_is_told_that_an_event_is_durable_before_it_is_committed() {
    let (store, mut writer, _folder) = open(SqliteOptions::default());
    Written::create(&store, "one");
    let waiting = store.until_durable(store.accepted());
    tokio::pin!(waiting);
    assert!(waits(waiting.as_mut()));
    writer.step();
    assert_eq!(waiting.await, Ok(()));
}

#[tokio::test]
async fn a_store_takes_so_many_bytes_and_no_more_until_they_are_committed() {
    let options = SqliteOptions { pending: 10_000, ..SqliteOptions::default() };
    let (store, mut writer, _folder) = open(options);
    let mut written = Written::create(&store, "one");
    assert_eq!(written.append(&store, vec![1; 10_000]), Err(AppendError::Full), "it never fits");
    while written.append(&store, vec![1; 1_000]).is_ok() {}
    assert!((5..10).contains(&written.events.len()), "{} events", written.events.len());
    assert_eq!(written.append(&store, vec![1; 1_000]), Err(AppendError::Full));
    let ready = store.ready();
    tokio::pin!(ready);
    assert!(waits(ready.as_mut()));
    writer.step();
    assert_eq!(ready.await, Ok(()));
    written.append(&store, vec![1; 1_000]).unwrap();
    written.check(&store).await;
}

#[tokio::test]
async fn on_a_full_disk_events_wait_and_nothing_of_them_is_there_until_there_is_room() {
    let (store, mut writer, folder) = open(SqliteOptions::default());
    let mut written = Written::create(&store, "one");
    writer.step();
    let pages: u64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    writer.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    // The first of them would fit alone.
    written.append(&store, "short").unwrap();
    for _ in 0..20 {
        written.append(&store, vec![7; 5_000]).unwrap();
    }
    for _ in 0..3 {
        assert_eq!((writer.step(), in_file(&folder)), (Step::Stalled, 1));
        written.append(&store, "another").unwrap();
        written.check(&store).await;
        assert_eq!(ChainStore::durable(&store), Ok(Lsn(1)), "it has not failed");
    }
    writer.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    // What had been tried, and what was taken since.
    assert_eq!((writer.step(), writer.step(), writer.step()), (Step::Wrote, Step::Wrote, Step::Idle));
    written.check(&store).await;
    assert_eq!((in_file(&folder), ChainStore::durable(&store)), (25, Ok(Lsn(25))));
}

#[tokio::test]
async fn events_wait_while_somebody_else_writes() {
    let (store, mut writer, folder) = open(SqliteOptions::default());
    let written = Written::create(&store, "one");
    writer.connection.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(writer.step(), Step::Stalled);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writer.step(), Step::Wrote);
    written.check(&store).await;
}

#[tokio::test]
async fn after_a_failed_commit_nothing_is_taken_any_more_and_reading_goes_on() {
    let (store, mut writer, folder) = open(SqliteOptions::default());
    let mut written = Written::create(&store, "one");
    writer.step();
    written.append(&store, "lost").unwrap();
    writer.connection.pragma_update(None, "query_only", true).unwrap();
    let waiting = store.until_durable(Lsn(2));
    assert_eq!(writer.step(), Step::Failed);
    writer.connection.pragma_update(None, "query_only", false).unwrap();
    assert_eq!(writer.step(), Step::Failed, "it does not try again");

    let failed = ChainStore::durable(&store).unwrap_err();
    assert_eq!((failed.operation, &*failed.file), ("commit events to", SqliteStore::FILE));
    assert_eq!(waiting.await, Err(failed.clone()));
    assert_eq!(store.ready().await, Ok(()), "there is room");
    assert_eq!(store.until_durable(Lsn(1)).await, Ok(()), "what was durable stays so");
    assert_eq!(written.append(&store, "x"), Err(AppendError::Poisoned(failed.clone())));
    let (_, genesis) = Chain::genesis("two".into(), 1, 1);
    assert_eq!(store.create(genesis), Err(AppendError::Poisoned(failed)));
    written.check(&store).await;
    assert_eq!(in_file(&folder), 1);
}

#[tokio::test]
async fn whoever_waits_for_a_writer_that_panics_is_told() {
    let (store, _writer, _folder) = open(SqliteOptions::default());
    Written::create(&store, "one");
    let waiting = store.until_durable(Lsn(1));
    let shared = Arc::clone(&store.shared);
    let panicked = std::thread::spawn(move || {
        let _on_panic = FailOnPanic(shared);
        panic!("as a writer might");
    });
    assert!(panicked.join().is_err());
    assert!(waiting.await.unwrap_err().message.contains("panicked"));
}

#[test]
fn where_durability_is_relaxed_events_are_synced_soon_after_their_commit() {
    let options = SqliteOptions {
        durability: Durability::Relaxed,
        sync_interval: Duration::from_millis(1),
        ..SqliteOptions::default()
    };
    let (store, writer, folder) = open(options);
    let synced = || {
        let connection = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
        connection.query_row("SELECT durable FROM store", [], |row| row.get::<_, u64>(0)).unwrap()
    };
    assert_eq!(synced(), 0);
    let mut written = Written::create(&store, "one");
    let writing = std::thread::spawn(move || writer.run());
    for last in 1..4 {
        while synced() < last {
            std::thread::sleep(Duration::from_millis(1));
        }
        written.append(&store, "x").unwrap();
    }
    store.shared.lock().closing = true;
    store.shared.wake.notify_all();
    writing.join().unwrap();
    assert_eq!(synced(), 4);
}

#[tokio::test]
async fn a_removal_comes_after_what_was_taken_before_it_and_goes_on_while_events_are_committed() {
    let (store, mut writer, folder) = open(SqliteOptions::default());
    let mut written = Written::create(&store, "one");
    for _ in 0..600 {
        written.append(&store, "x").unwrap();
    }
    let id = written.chain.head().chain_id;
    let pruning = store.prune(id, u64::MAX);
    let retiring = store.retire(written.chain.head());
    tokio::pin!(pruning, retiring);
    assert!(waits(pruning.as_mut()) && waits(retiring.as_mut()));
    assert_eq!(writer.remove(false), Step::Idle, "the events are not committed yet");
    assert_eq!(writer.step(), Step::Wrote);
    // The first part of the one, then all of the other, then what is left of the one.
    assert_eq!((writer.remove(false), writer.remove(false)), (Step::Wrote, Step::Wrote));
    assert!(waits(pruning.as_mut()));
    assert_eq!(retiring.await, Ok(()));
    assert_eq!(writer.remove(false), Step::Wrote);
    assert_eq!(pruning.await, Err(PruneError::Retired { chain: id }));

    let other = Written::create(&store, "two");
    while in_file(&folder) > 0 {
        assert_eq!(writer.remove(false), Step::Wrote);
    }
    assert_eq!((writer.step(), in_file(&folder)), (Step::Wrote, 1));
    other.check(&store).await;
}

#[tokio::test]
async fn what_cannot_be_removed_on_a_full_disk_is_refused_and_still_there() {
    let (store, mut writer, _folder) = open(SqliteOptions::default());
    let mut written = Written::create(&store, "one");
    written.append(&store, vec![7; 50]).unwrap();
    writer.step();
    let pages: u64 = writer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    writer.connection.pragma_update(None, "max_page_count", pages).unwrap();
    written.append(&store, vec![7; 50_000]).unwrap();
    let head = written.chain.head();
    let retiring = store.retire(head);
    tokio::pin!(retiring);
    assert!(waits(retiring.as_mut()));
    assert_eq!((writer.step(), writer.remove(true)), (Step::Stalled, Step::Wrote));
    assert!(matches!(retiring.await, Err(RetireError::Write(_))));
    written.append(&store, "it is not gone").unwrap();
    written.check(&store).await;

    // What was committed before can go.
    let pruning = store.prune(head.chain_id, u64::MAX);
    tokio::pin!(pruning);
    assert!(waits(pruning.as_mut()));
    assert_eq!(
        (writer.step(), writer.remove(true), writer.remove(true)),
        (Step::Stalled, Step::Wrote, Step::Wrote)
    );
    assert_eq!(pruning.await, Ok(PruneReport { events: 1, bytes: 50 }));
}

#[tokio::test]
async fn a_removal_that_fails_fails_the_store_and_all_that_wait_are_told() {
    let (store, mut writer, _folder) = open(SqliteOptions::default());
    let mut written = Written::create(&store, "one");
    written.append(&store, "stays").unwrap();
    writer.step();
    writer.connection.pragma_update(None, "query_only", true).unwrap();
    let head = written.chain.head();
    let (retiring, pruning) = (store.retire(head), store.prune(head.chain_id, 2));
    tokio::pin!(retiring, pruning);
    assert!(waits(retiring.as_mut()) && waits(pruning.as_mut()));
    assert_eq!(writer.remove(false), Step::Failed);
    let failed = ChainStore::durable(&store).unwrap_err();
    assert_eq!(failed.operation, "retire a chain in");
    assert_eq!(retiring.await, Err(RetireError::Poisoned(failed.clone())));
    assert_eq!(pruning.await, Err(PruneError::Poisoned(failed.clone())));
    assert_eq!(store.prune(head.chain_id, 2).await, Err(PruneError::Poisoned(failed)));
    written.check(&store).await;
}
