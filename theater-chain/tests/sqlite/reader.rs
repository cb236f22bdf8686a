//! Reading beside a store that is open.

use theater_chain::{
    ChainReader, ChainStore, Head, Lsn, OpenError, ReadError, SqliteReader, SqliteStore, verify,
};
use theater_core::{ChainId, EventRange};

use super::{all, append, chain, closed, id, open};

#[tokio::test]
async fn a_reader_gives_what_the_store_gives_and_each_events_place() {
    let chains = [chain("one", 40), chain("two", 20)];
    let folder = closed(&chains);
    let reader = SqliteReader::open(folder.path().join(SqliteStore::FILE)).unwrap();
    assert_eq!(reader.chains().await.unwrap(), chains.each_ref().map(|chain| id(chain)));
    for chain in &chains {
        assert_eq!(all(&reader, id(chain)).await, *chain);
        assert_eq!(reader.head(id(chain)).await, Ok(chain.last().map(Head::after)));
    }
    // They were appended in turns.
    let places = reader.read_places(id(&chains[1]), EventRange { from: 3, limit: 2 }).unwrap();
    assert_eq!(places, [(Lsn(8), chains[1][3].clone()), (Lsn(10), chains[1][4].clone())]);
    let beyond = EventRange { from: u64::MAX, limit: usize::MAX };
    assert_eq!(reader.read_places(id(&chains[1]), beyond), Ok(Vec::new()));
    let unknown = ChainId([7; 32]);
    assert_eq!(reader.head(unknown).await, Ok(None));
    assert_eq!(reader.read_places(unknown, EventRange::ALL), Err(ReadError::UnknownChain { chain: unknown }));
}

#[tokio::test]
async fn a_reader_sees_every_durable_event_of_an_open_store_and_a_chain_only_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).unwrap();
    let reader = SqliteReader::open(folder.path().join(SqliteStore::FILE)).unwrap();
    assert_eq!(reader.chains().await, Ok(Vec::new()));
    let whole = chain("one", 3_000);
    let mut seen = 0;
    append(&store, &[whole[..1].to_vec()]);
    for (before, event) in whole.iter().zip(&whole[1..]) {
        store.append(Head::after(before), event.clone()).unwrap();
        if event.header.seq % 100 != 50 {
            continue;
        }
        if event.header.seq % 200 == 50 {
            store.until_durable(store.accepted()).await.unwrap();
        }
        let durable = ChainStore::durable(&store).unwrap().0;
        let read = all(&reader, id(&whole)).await;
        assert!(read.len() as u64 >= durable && read.len() >= seen, "{} events", read.len());
        assert_eq!(read, whole[..read.len()]);
        verify(&read).unwrap();
        seen = read.len();
    }
    store.until_durable(store.accepted()).await.unwrap();
    assert_eq!(all(&reader, id(&whole)).await, whole);
}

#[test]
fn a_file_that_is_not_there_or_is_no_store_is_refused_and_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(SqliteStore::FILE);
    let missing = SqliteReader::open(&file).unwrap_err();
    assert!(
        matches!(&missing, OpenError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    );
    assert!(!file.exists());
    for content in [&b""[..], &b"no database, and longer than the header of one. ".repeat(5)] {
        std::fs::write(&file, content).unwrap();
        assert!(matches!(SqliteReader::open(&file), Err(OpenError::Damaged(_))));
    }
}
