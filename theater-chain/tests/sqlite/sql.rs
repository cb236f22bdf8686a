//! What people see who ask in SQL.

use rusqlite::{Connection, OpenFlags};
use theater_chain::{Chain, ChainStore, Head, SqliteStore, hash};
use theater_core::{Bytes, ChainEvent, EventKind};

use super::open;

/// A row of the view, every column but the payload as text.
type Row = (Vec<String>, Vec<u8>);

fn expected(lsn: u64, event: &ChainEvent) -> Row {
    let header = &event.header;
    let columns = [
        lsn.to_string(),
        header.chain_id.to_string(),
        header.seq.to_string(),
        header.kind.0.to_string(),
        header.kind.to_string(),
        header.epoch.to_string(),
        header.time.to_string(),
        header.payload_len.to_string(),
        header.prev.to_string(),
        header.payload_hash.to_string(),
        event.hash.to_string(),
    ];
    (columns.to_vec(), event.payload.to_vec())
}

const COLUMNS: [&str; 11] =
    ["lsn", "chain", "seq", "kind", "type", "epoch", "time", "payload_len", "prev", "payload_hash", "hash"];

#[test]
fn the_view_has_every_field_of_every_event_while_the_store_is_open_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).unwrap();
    // Bytes of all values in each number.
    let times = [0, 1, 0xff, 0x0102_0304_0506_0708, 0x7f80_90a0_b0c0_d0e0, 1_764_000_000_000_000_000];
    let kinds = EventKind::ALL.iter().copied().chain([EventKind(60_000), EventKind(0xff0f)]);
    let (chain, genesis) = Chain::genesis("one".into(), 1, times[3]);
    let (mut head, mut written) = (chain.head(), vec![genesis]);
    for (n, kind) in kinds.filter(|kind| *kind != EventKind::GENESIS).enumerate() {
        let epoch = [1, 0x00ff_ee01, u32::MAX][n * 3 / EventKind::ALL.len() % 3].max(head.epoch);
        let mut next = Chain::resume(Head { epoch, ..head });
        written.push(next.append(kind, Bytes::from(vec![n as u8; n * 30]), times[n % times.len()]));
        head = next.head();
    }
    store.create(written[0].clone()).unwrap();
    for (before, event) in written.iter().zip(&written[1..]) {
        store.append(Head::after(before), event.clone()).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(store.until_durable(store.accepted())).unwrap();

    let file = folder.path().join(SqliteStore::FILE);
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let text = COLUMNS.map(|column| format!("CAST({column} AS TEXT)")).join(", ");
    let mut statement =
        connection.prepare(&format!("SELECT {text}, payload FROM events ORDER BY lsn")).unwrap();
    let rows = statement.query_map([], |row| {
        let columns = (0..COLUMNS.len()).map(|n| row.get(n)).collect::<rusqlite::Result<Vec<String>>>()?;
        Ok((columns, row.get(COLUMNS.len())?))
    });
    let rows: Vec<Row> = rows.unwrap().map(Result::unwrap).collect();
    for (row, (lsn, event)) in rows.iter().zip((1..).zip(&written)) {
        assert_eq!(*row, expected(lsn, event));
    }
    assert_eq!(rows.len(), written.len());
}

#[test]
fn a_header_is_what_is_hashed() {
    let folder = super::closed(&[super::chain("one", 4)]);
    let connection = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
    let mut statement = connection.prepare("SELECT header, hash FROM event").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, [u8; 128]>(0)?, row.get::<_, [u8; 32]>(1)?)));
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    for (header, found) in rows {
        assert_eq!(*hash::event_hash(&hash::decode_header(&header).unwrap()).as_bytes(), found);
    }
}

#[test]
fn the_questions_of_the_page_are_answered() {
    let folder = super::closed(&[super::chain("one", 40)]);
    let connection = Connection::open(folder.path().join(SqliteStore::FILE)).unwrap();
    let page = include_str!("../../../docs/sqlite.md");
    let sql = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let questions: Vec<_> = sql.split(';').filter(|question| !question.trim().is_empty()).collect();
    let answers = questions.iter().map(|question| {
        let mut statement = connection.prepare(question).unwrap();
        let rows = statement.query_map([], |_| Ok(())).unwrap();
        rows.map(Result::unwrap).count()
    });
    let kinds = EventKind::ALL.len();
    assert_eq!(answers.collect::<Vec<_>>(), [20, kinds.min(40)]);
}
