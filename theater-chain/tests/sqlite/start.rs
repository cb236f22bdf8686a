//! Starts: what is there again, and what is refused.

use std::fs;

use rusqlite::Connection;
use theater_chain::{
    AppendError, ChainReader, ChainStore, Durability, Lsn, OpenError, SqliteOptions, SqliteStore,
};

use super::{all, append, chain, closed, id, open};

#[tokio::test]
async fn everything_is_there_at_the_next_start_and_each_start_is_a_new_term() {
    let chains = [chain("one", 30), chain("two", 1), chain("three", 12)];
    let folder = closed(&chains);
    for term in 2..5 {
        let (store, recovery) = open(folder.path()).unwrap();
        assert_eq!((recovery.epoch, store.epoch()), (term, term));
        assert_eq!((recovery.events, recovery.chains, recovery.durable), (43, 3, Lsn(43)));
        assert_eq!((recovery.closed, recovery.cut, recovery.rebuilt), (true, None, vec![]));
        assert_eq!((store.accepted(), ChainStore::durable(&store)), (Lsn(43), Ok(Lsn(43))));
        assert_eq!(store.chains().await.unwrap(), chains.each_ref().map(|chain| id(chain)));
        for chain in &chains {
            assert_eq!(all(&store, id(chain)).await, *chain);
        }
        assert_eq!(
            store.create(chains[1][0].clone()),
            Err(AppendError::AlreadyExists { chain: id(&chains[1]) })
        );
    }
}

#[tokio::test]
async fn a_chain_goes_on_after_a_start_where_it_ended() {
    let whole = chain("one", 40);
    let folder = closed(&[whole[..15].to_vec()]);
    let (store, _) = open(folder.path()).unwrap();
    for event in &whole[15..] {
        let head = store.chain_head(id(&whole)).unwrap();
        store.append(head, event.clone()).unwrap();
    }
    append(&store, &[chain("two", 3)]);
    assert_eq!(store.accepted(), Lsn(43));
    store.close().unwrap();
    drop(store);
    let (store, recovery) = open(folder.path()).unwrap();
    assert_eq!((recovery.events, recovery.chains), (43, 2));
    assert_eq!(all(&store, id(&whole)).await, whole);
}

#[test]
fn a_store_that_is_dropped_has_written_everything() {
    let folder = tempfile::tempdir().unwrap();
    for durability in [Durability::Full, Durability::Relaxed] {
        let mut options = SqliteOptions::default();
        options.durability = durability;
        let (store, _) = SqliteStore::open(folder.path(), options).unwrap();
        assert_eq!(store.durability(), durability);
        append(&store, &[chain(durability.name(), 1_000)]);
    }
    let (_, recovery) = open(folder.path()).unwrap();
    assert_eq!((recovery.events, recovery.closed), (2_000, true));
    assert!(!folder.path().join("chains.sqlite-wal").exists(), "a closed store is one file");
}

#[test]
fn a_store_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::InUse { .. })));
    drop(store);
    assert!(open(folder.path()).is_ok());
}

#[test]
fn a_file_of_another_format_is_refused_and_left_as_it_is() {
    let folder = closed(&[chain("one", 3)]);
    let file = folder.path().join(SqliteStore::FILE);
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 2).unwrap();
    let before = fs::read(&file).unwrap();
    let refused = open(folder.path()).unwrap_err();
    assert_eq!(refused.to_string(), "chains.sqlite has format 2, this program reads format 1");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(SqliteStore::FILE);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(other);
    for content in [fs::read(&file).unwrap(), b"A letter to my grandmother, longer than a header. ".repeat(9)]
    {
        fs::write(&file, &content).unwrap();
        let refused = open(folder.path()).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Damaged(damage) if damage.file == SqliteStore::FILE),
            "{refused}"
        );
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}
