//! Exports of other stores.

use std::fs;

use async_trait::async_trait;
use theater_chain::{
    ChainReader, Head, Lsn, MemoryStore, ReadError, SqliteExportError, SqliteReader, SqliteStore,
    export_sqlite,
};
use theater_core::{ChainEvent, ChainId, EventRange};

use super::{all, append, chain, id, open};

#[tokio::test]
async fn an_export_has_everything_and_can_be_opened_as_a_store() {
    // More than are read at once, exactly as many, and one.
    let chains = [chain("one", 700), chain("two", 256), chain("three", 1)];
    let store = MemoryStore::new();
    append(&store, &chains);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(SqliteStore::FILE);
    let exported = export_sqlite(&store, &file).await.unwrap();
    assert_eq!((exported.chains, exported.events), (3, 957));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "it is one file");

    let reader = SqliteReader::open(&file).unwrap();
    let (lsn, first) =
        reader.read_places(id(&chains[1]), EventRange { from: 0, limit: 1 }).unwrap().remove(0);
    assert_eq!((lsn, &first), (Lsn(701), &chains[1][0]), "one chain after the other");
    drop(reader);
    let (store, recovery) = open(folder.path()).unwrap();
    assert_eq!((recovery.events, recovery.chains, recovery.closed, recovery.epoch), (957, 3, true, 2));
    assert_eq!(store.chains().await.unwrap(), chains.each_ref().map(|chain| id(chain)));
    for chain in &chains {
        assert_eq!(all(&store, id(chain)).await, *chain);
    }
}

#[tokio::test]
async fn a_file_that_exists_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious");
    fs::write(&file, "mine").unwrap();
    let refused = export_sqlite(&MemoryStore::new(), &file).await.unwrap_err();
    assert!(
        matches!(&refused, SqliteExportError::Write { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists)
    );
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

/// Gives a chain of which not everything can be read, or not in order.
#[derive(Debug)]
struct Broken {
    events: Vec<ChainEvent>,
    error: Option<ReadError>,
}

#[async_trait]
impl ChainReader for Broken {
    async fn head(&self, _chain: ChainId) -> Result<Option<Head>, ReadError> {
        Ok(self.events.last().map(Head::after))
    }

    async fn read(&self, _chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        match &self.error {
            Some(error) if range.from > 0 => Err(error.clone()),
            _ => Ok(self.events[range.within(self.events.len())].to_vec()),
        }
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        Ok(vec![id(&self.events)])
    }
}

#[tokio::test]
async fn an_export_that_fails_leaves_no_file() {
    let events = chain("one", 1_000);
    let error = ReadError::Io { file: "x".into(), kind: std::io::ErrorKind::Other, message: "gone".into() };
    let unreadable = Broken { events: events.clone(), error: Some(error.clone()) };
    let mut with_gap = Broken { events, error: None };
    with_gap.events.remove(500);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export");
    let failed = export_sqlite(&unreadable, &file).await.unwrap_err();
    assert!(matches!(failed, SqliteExportError::Read(told) if told == error));
    let failed = export_sqlite(&with_gap, &file).await.unwrap_err();
    assert!(matches!(failed, SqliteExportError::Sequence { expected: 500, found: 501, .. }));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_export_can_go_on_in_a_task() {
    fn is_send(_: impl Send) {}
    is_send(export_sqlite(&MemoryStore::new(), "never polled"));
}
