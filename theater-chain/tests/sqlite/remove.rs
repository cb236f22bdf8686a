//! Payloads that were pruned and chains that were retired: what is gone, what stays, and what is there after a start.

use std::fs;

use rusqlite::Connection;
use theater_chain::{
    AppendError, ChainReader, ChainStore, Durability, Head, Lsn, OpenError, PruneError, PruneReport,
    ReadError, RetireError, SqliteOptions, SqliteReader, SqliteStore,
};
use theater_core::{Bytes, ChainEvent, EventRange};

use super::{all, append, chain, closed, id, open};

/// A chain as it is once it was pruned below a position, and what went.
fn pruned(events: &[ChainEvent], before: usize) -> (Vec<ChainEvent>, PruneReport) {
    let (mut events, mut report) = (events.to_vec(), PruneReport::default());
    for event in events.iter_mut().take(before).filter(|event| !event.header.kind.keeps_payload()) {
        report.events += u64::from(!event.payload.is_empty());
        report.bytes += event.payload.len() as u64;
        event.payload = Bytes::new();
    }
    (events, report)
}

fn last(events: &[ChainEvent]) -> Head {
    Head::after(events.last().expect("a chain has events"))
}

fn file(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join(SqliteStore::FILE)
}

#[tokio::test]
async fn payloads_below_a_position_go_and_nothing_else() {
    let chains = [chain("one", 700), chain("two", 40)];
    for durability in [Durability::Full, Durability::Relaxed] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = SqliteOptions::default();
        options.durability = durability;
        let (store, _) = SqliteStore::open(folder.path(), options).unwrap();
        append(&store, &chains);
        let (first, all_of_it) = (pruned(&chains[0], 300), pruned(&chains[0], 700));
        assert!(first.1.events > 0 && first.1.events < 300, "some kinds keep theirs");
        let reader = SqliteReader::open(file(&folder)).unwrap();

        // Without waiting for the commit of what was taken.
        assert_eq!(store.prune(id(&chains[0]), 300).await, Ok(first.1));
        assert_eq!(all(&store, id(&chains[0])).await, first.0);
        assert_eq!(all(&reader, id(&chains[0])).await, first.0);
        assert_eq!(store.prune(id(&chains[0]), 300).await, Ok(PruneReport::default()), "they are gone");
        let rest = PruneReport {
            events: all_of_it.1.events - first.1.events,
            bytes: all_of_it.1.bytes - first.1.bytes,
        };
        assert_eq!(store.prune(id(&chains[0]), u64::MAX).await, Ok(rest));
        let unknown = id(&chain("three", 1));
        assert_eq!(store.prune(unknown, 1).await, Err(PruneError::UnknownChain { chain: unknown }));
        store.close().unwrap();
        assert!(matches!(store.prune(id(&chains[1]), 1).await, Err(PruneError::Poisoned(_))), "it is closed");
        drop(store);

        let (store, recovery) = open(folder.path()).unwrap();
        assert_eq!((recovery.events, recovery.chains, store.accepted()), (740, 2, Lsn(740)));
        assert_eq!(all(&store, id(&chains[0])).await, all_of_it.0);
        assert_eq!(all(&store, id(&chains[1])).await, chains[1]);
        assert_eq!(store.chain_head(id(&chains[0])), Some(last(&chains[0])));
    }
}

#[tokio::test]
async fn a_pruned_payload_is_not_found_in_the_file_once_the_store_is_closed() {
    let secret = b"what nobody should find here any more".repeat(300);
    let mut events = chain("one", 1);
    let mut writer = theater_chain::Chain::resume(last(&events));
    events.push(writer.append(theater_core::EventKind::LOG, secret.clone().into(), 5));
    let folder = closed(std::slice::from_ref(&events));
    let holds = || fs::read(file(&folder)).unwrap().windows(37).any(|window| window == &secret[..37]);
    assert!(holds());
    let (store, _) = open(folder.path()).unwrap();
    assert_eq!(store.prune(id(&events), 2).await.unwrap().events, 1);
    store.close().unwrap();
    assert!(!holds());
}

#[tokio::test]
async fn damage_is_told_and_not_pruned_away() {
    let events = chain("one", 30);
    let folder = closed(std::slice::from_ref(&events));
    Connection::open(file(&folder))
        .unwrap()
        .execute("UPDATE event SET hash = zeroblob(32) WHERE lsn = 8", [])
        .unwrap();
    let (store, _) = open(folder.path()).unwrap();
    let told = store.prune(id(&events), 30).await.unwrap_err();
    assert!(
        matches!(&told, PruneError::Rewrite(ReadError::Damaged(damage)) if damage.what.starts_with("event 7: "))
    );
    assert!(matches!(store.read(id(&events), EventRange::ALL).await, Err(ReadError::Damaged(_))));
    assert!(ChainStore::durable(&store).is_ok(), "the store has not failed");
}

#[tokio::test]
async fn of_a_retired_chain_the_head_stays_whatever_was_written_before_and_after() {
    let chains = [chain("one", 700), chain("two", 40), chain("three", 5)];
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).unwrap();
    append(&store, &chains);
    let gone = id(&chains[0]);
    let head = last(&chains[0]);
    let early = Head::after(&chains[0][3]);
    assert_eq!(store.retire(early).await, Err(RetireError::Conflict { actual: head }));
    let unknown = Head { chain_id: id(&chain("four", 1)), ..head };
    assert_eq!(store.retire(unknown).await, Err(RetireError::UnknownChain { chain: unknown.chain_id }));
    assert_eq!(store.retire(head).await, Ok(()));
    assert_eq!(store.retire(head).await, Ok(()), "it is gone already");

    let check = async |reader: &dyn ChainReader| {
        assert_eq!(reader.head(gone).await, Ok(Some(head)));
        let range = EventRange { from: 3, limit: 1 };
        assert_eq!(reader.read(gone, range).await, Err(ReadError::Retired { chain: gone }));
        assert_eq!(reader.chains().await.unwrap(), [id(&chains[1]), id(&chains[2])]);
        assert_eq!(all(reader, id(&chains[1])).await, chains[1]);
    };
    let refuses = async |store: &SqliteStore| {
        let next = theater_chain::Chain::resume(head).append(theater_core::EventKind::LOG, "x".into(), 9);
        assert_eq!(store.append(head, next), Err(AppendError::Retired { chain: gone }));
        assert_eq!(store.create(chains[0][0].clone()), Err(AppendError::AlreadyExists { chain: gone }));
        assert_eq!(store.prune(gone, 9).await, Err(PruneError::Retired { chain: gone }));
    };
    check(&store).await;
    check(&SqliteReader::open(file(&folder)).unwrap()).await;
    refuses(&store).await;
    append(&store, &[chain("five", 2)]);
    assert_eq!(store.accepted(), Lsn(747));
    assert_eq!(store.retire(last(&chain("five", 2))).await, Ok(()));
    drop(store);

    // The last event of the store was of a chain that is gone. No place is given again.
    let (store, recovery) = open(folder.path()).unwrap();
    assert_eq!((recovery.events, recovery.chains, recovery.closed), (45, 2, true));
    assert_eq!((store.accepted(), recovery.durable), (Lsn(747), Lsn(747)));
    check(&store).await;
    refuses(&store).await;
    append(&store, &[chain("six", 1)]);
    store.close().unwrap();
    let connection = Connection::open(file(&folder)).unwrap();
    let rows: (u64, u64) = connection
        .query_row("SELECT count(*), max(lsn) FROM event", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(rows, (46, 748));
}

#[tokio::test]
async fn what_a_process_leaves_of_a_retired_chain_the_next_one_removes() {
    let chains = [chain("one", 6), chain("two", 4)];
    let folder = closed(&chains);
    let (store, _) = open(folder.path()).unwrap();
    store.retire(last(&chains[0])).await.unwrap();
    store.close().unwrap();
    drop(store);
    // As if it had been ended before it removed the last two events.
    let copy = closed(&chains);
    let connection = Connection::open(file(&folder)).unwrap();
    connection.execute("ATTACH ?1 AS copy", [file(&copy).to_str().unwrap()]).unwrap();
    let left = "INSERT INTO event SELECT * FROM copy.event WHERE chain = 1 AND seq > 3";
    assert_eq!(connection.execute(left, []).unwrap(), 2);
    drop(connection);

    let (store, recovery) = open(folder.path()).unwrap();
    assert_eq!((recovery.events, recovery.chains, store.accepted()), (4, 1, Lsn(10)));
    assert_eq!(
        store.read(id(&chains[0]), EventRange::ALL).await,
        Err(ReadError::Retired { chain: id(&chains[0]) })
    );
    assert_eq!(all(&store, id(&chains[1])).await, chains[1]);
    store.close().unwrap();
    let connection = Connection::open(file(&folder)).unwrap();
    assert_eq!(connection.query_row("SELECT count(*) FROM event", [], |row| row.get::<_, u64>(0)), Ok(4));
}

#[tokio::test]
async fn a_changed_head_of_a_retired_chain_and_an_event_that_is_missing_beside_one_are_refused() {
    let chains = [chain("one", 6), chain("two", 4)];
    for (change, why) in [
        ("UPDATE chain SET length = 5 WHERE number = 1", "the checksum of its last head is another"),
        ("UPDATE chain SET hash = zeroblob(32) WHERE number = 1", "the checksum of its last head is another"),
        ("UPDATE chain SET hash = x'00' WHERE number = 1", "its last head: "),
        ("UPDATE chain SET epoch = 7 WHERE number = 1", "the checksum of its last head is another"),
        ("UPDATE chain SET crc = NULL WHERE number = 1", "its last head: "),
        (
            "UPDATE chain SET length = NULL WHERE number = 1",
            "the last event of the store is 8, but there are 4",
        ),
        (
            "DELETE FROM event WHERE chain = 2 AND seq = 3",
            "the last event of the store is 10, but there are 3 and 6 of retired chains",
        ),
    ] {
        let folder = closed(&chains);
        let (store, _) = open(folder.path()).unwrap();
        store.retire(last(&chains[0])).await.unwrap();
        store.close().unwrap();
        drop(store);
        assert_eq!(Connection::open(file(&folder)).unwrap().execute(change, []), Ok(1));
        match open(folder.path()) {
            Err(OpenError::Damaged(damage)) => {
                assert!(damage.what.starts_with(why), "{change}: {}", damage.what)
            }
            other => panic!("{change}: {other:?}"),
        }
    }
}
