//! Damage is told, with the file and the chain, and never read as if it were what was written.

use std::fs;

use proptest::prelude::*;
use rusqlite::{Connection, params};
use theater_chain::{ChainReader, OpenError, ReadError, SqliteReader, SqliteStore};
use theater_core::{ChainEvent, ChainId, EventRange};

use super::{chain, closed, id, open};

/// Changes the file of a closed store.
fn change(folder: &tempfile::TempDir, sql: &str, chain: ChainId, seq: u64) {
    let connection = Connection::open(folder.path().join(SqliteStore::FILE)).expect("it is there");
    let chain = &chain.as_bytes()[..];
    let changed = connection.execute(sql, params![chain, seq]).expect("the tables are there");
    assert_eq!(changed, 1, "{sql}");
}

const THE_EVENT: &str = "chain = (SELECT number FROM chain WHERE id = ?1) AND seq = ?2";

/// What damage is told when the store is opened: the chain, and what is wrong.
fn refusal(folder: &tempfile::TempDir) -> (Option<ChainId>, String) {
    let file = folder.path().join(SqliteStore::FILE);
    let before = fs::read(&file).expect("it is there");
    let refused = match open(folder.path()) {
        Err(OpenError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    };
    assert_eq!(fs::read(&file).expect("it is there"), before, "it is left as it is");
    assert_eq!(refused.file, SqliteStore::FILE);
    (refused.chain, refused.what)
}

#[test]
fn a_change_of_a_chains_last_event_is_refused() {
    let chains = [chain("one", 5), chain("two", 9)];
    for change_it in [
        "payload = CAST('forged' AS BLOB)",
        "payload = x''",
        "hash = zeroblob(32)",
        "hash = x'00'",
        "header = zeroblob(128)",
        "header = x'01'",
        "crc = crc + 1",
    ] {
        let folder = closed(&chains);
        change(&folder, &format!("UPDATE event SET {change_it} WHERE {THE_EVENT}"), id(&chains[1]), 8);
        let (chain, what) = refusal(&folder);
        assert_eq!(chain, Some(id(&chains[1])), "{change_it}: {what}");
        assert!(what.starts_with("event 8: "), "{change_it}: {what}");
    }
}

#[test]
fn a_chain_with_a_gap_is_refused() {
    let chains = [chain("one", 5), chain("two", 9)];
    for seq in [0, 4] {
        let folder = closed(&chains);
        change(&folder, &format!("DELETE FROM event WHERE {THE_EVENT}"), id(&chains[1]), seq);
        let (_, what) = refusal(&folder);
        assert_eq!(what, "the last event of the store is 14, but there are 13");
        // Even if the store's order is made to fit.
        let connection = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
        let missing = "(SELECT min(lsn) FROM event WHERE lsn + 1 NOT IN (SELECT lsn FROM event)) + 1";
        connection.execute(&format!("UPDATE event SET lsn = {missing} WHERE lsn = 14"), []).unwrap();
        let crc =
            [1_u64, 1, 13].iter().fold(0, |crc, field| crc32c::crc32c_append(crc, &field.to_le_bytes()));
        connection.execute("UPDATE store SET durable = 13, crc = ?1", [crc]).unwrap();
        drop(connection);
        let (chain, what) = refusal(&folder);
        assert_eq!(chain, Some(id(&chains[1])), "{what}");
        assert!(what.contains("one is missing"), "{what}");
    }
}

#[test]
fn a_store_whose_end_was_cut_off_is_refused() {
    let chains = [chain("one", 5), chain("two", 9)];
    let folder = closed(&chains);
    change(&folder, &format!("DELETE FROM event WHERE {THE_EVENT}"), id(&chains[1]), 8);
    let (_, what) = refusal(&folder);
    assert_eq!(what, "event 14 of the store was durable, and the last one that is there is 13");
}

#[test]
fn a_term_that_was_changed_is_refused() {
    for change_it in ["epoch = 0", "closed = 0", "durable = 0"] {
        let folder = closed(&[chain("one", 5)]);
        let connection = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
        connection.execute(&format!("UPDATE store SET {change_it}"), []).unwrap();
        drop(connection);
        assert_eq!(refusal(&folder).1, "the checksum of its one row about itself is another", "{change_it}");
    }
}

#[test]
fn a_chain_that_is_missing_is_refused() {
    let chains = [chain("one", 5), chain("two", 9)];
    let folder = closed(&chains);
    let connection = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    connection.execute("DELETE FROM chain WHERE number = 2", []).unwrap();
    drop(connection);
    assert_eq!(refusal(&folder).1, "there are events of a chain 2, which is not there");
}

#[test]
fn a_table_that_is_missing_is_damage() {
    for table in ["store", "chain", "event"] {
        let folder = closed(&[chain("one", 5)]);
        let connection = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection
            .execute_batch(&format!("DROP VIEW events; ALTER TABLE {table} RENAME TO elsewhere"))
            .unwrap();
        drop(connection);
        let (_, what) = refusal(&folder);
        assert!(what.contains(&format!("no such table: {table}")), "{what}");
    }
}

#[tokio::test]
async fn a_change_of_an_earlier_event_is_told_when_it_is_read_and_the_rest_is_given() {
    let chains = [chain("one", 5), chain("two", 9)];
    let folder = closed(&chains);
    let forge = format!("UPDATE event SET payload = CAST('forged' AS BLOB) WHERE {THE_EVENT}");
    change(&folder, &forge, id(&chains[1]), 3);
    let (store, _) = open(folder.path()).unwrap();
    let reader = SqliteReader::open(folder.path().join(SqliteStore::FILE)).unwrap();
    for reader in [&store as &dyn ChainReader, &reader] {
        let ReadError::Damaged(damage) = reader.read(id(&chains[1]), EventRange::ALL).await.unwrap_err()
        else {
            panic!("it is damaged");
        };
        assert_eq!((damage.chain, &*damage.what), (Some(id(&chains[1])), "event 3: its checksum is another"));
        let before = EventRange { from: 0, limit: 3 };
        assert_eq!(reader.read(id(&chains[1]), before).await.unwrap(), chains[1][..3]);
        let after = EventRange { from: 4, limit: 9 };
        assert_eq!(reader.read(id(&chains[1]), after).await.unwrap(), chains[1][4..]);
        assert_eq!(reader.read(id(&chains[0]), EventRange::ALL).await.unwrap(), chains[0]);
    }
}

/// Everything that a store gives, or that it does not give everything.
fn everything(folder: &std::path::Path, chains: &[Vec<ChainEvent>]) -> Option<Vec<Vec<ChainEvent>>> {
    let (store, _) = open(folder).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be built");
    runtime.block_on(async {
        let listed = store.chains().await.expect("they are in memory");
        assert_eq!(
            listed,
            chains.iter().map(|chain| id(chain)).collect::<Vec<_>>(),
            "chains that it was opened with"
        );
        let mut everything = Vec::new();
        for chain in listed {
            everything.push(store.read(chain, EventRange::ALL).await.ok()?);
        }
        Some(everything)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_bits_change_in_the_file_nothing_else_than_what_was_written_is_read(
        place in any::<prop::sample::Index>(),
        mask in 1..=u8::MAX,
        length in 1..600_usize,
    ) {
        use std::sync::LazyLock;
        static CHAINS: LazyLock<[Vec<ChainEvent>; 2]> = LazyLock::new(|| [chain("one", 30), chain("two", 70)]);
        static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let folder = closed(&*CHAINS);
            fs::read(folder.path().join(SqliteStore::FILE)).expect("it is there")
        });
        // In memory where there is such a place: the disk is not what is tested.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut bytes = FILE.clone();
        let from = place.index(bytes.len());
        for byte in bytes.iter_mut().skip(from).take(length) {
            *byte ^= mask;
        }
        fs::write(folder.path().join(SqliteStore::FILE), bytes).unwrap();
        if let Some(read) = everything(folder.path(), &*CHAINS) {
            prop_assert_eq!(&read[..], &CHAINS[..]);
        }
    }
}
