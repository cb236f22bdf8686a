//! Opening: verifies what is there before it trusts it, and begins a new term.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustc_hash::FxHashMap;
use theater_core::ChainId;

use super::read::{self, PATIENCE};
use super::schema::About;
use super::state::{Known, State};
use super::{SqliteOptions, fault, schema};
use crate::chain::Head;
use crate::log::{OpenError, Recovery};
use crate::store::{Durability, Lsn};

/// A file that was opened.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) state: State,
    pub(super) recovery: Recovery,
}

/// Opens the file, makes it if there is none, and begins a new term. The caller keeps other processes out.
pub(super) fn open(path: &Path, file: &str, options: &SqliteOptions) -> Result<Opened, OpenError> {
    let told = |operation: &'static str| move |error: rusqlite::Error| fault::open(operation, file, &error);
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(told("open"))?;
    connection.busy_timeout(PATIENCE).map_err(told("open"))?;
    // What is refused, or has failed, stays as it is. Closing in good order moves everything into the file before.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(told("open"))?;
    let there = schema::recognize(&connection, file)?;
    let (state, before) = if there {
        check(&connection, file)?;
        load(&connection, file)?
    } else {
        (State { next: 1, ..State::default() }, About { epoch: 0, closed: true, durable: 0 })
    };
    settings(&connection).map_err(told("set up"))?;
    let journal: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(told("set up"))?;
    if journal != "wal" {
        let source =
            std::io::Error::other(format!("its journal cannot be a write-ahead log, only {journal}"));
        return Err(OpenError::io("set up", file, source));
    }
    let epoch =
        before.epoch.checked_add(1).ok_or_else(|| fault::damage(file, None, "its terms are used up"))?;
    let mut begin = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !there {
            schema::create(&transaction)?;
        }
        About { epoch, closed: false, durable: state.lsn }.write(&transaction)?;
        transaction.commit()
    };
    begin().map_err(told("begin a term in"))?;
    if options.durability != Durability::Full {
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(told("set up"))?;
    }
    let recovery = Recovery {
        events: state.lsn,
        chains: state.order.len(),
        segments: 0,
        epoch,
        closed: before.closed,
        durable: Lsn(state.committed),
        cut: None,
        rebuilt: Vec::new(),
    };
    Ok(Opened { connection, state, recovery })
}

/// Every commit is synced from now on, until a store says otherwise.
fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Where a sync of the system does not reach the disk itself.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // By the writer, which notices when it fails.
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}

/// Whether SQLite finds its own structures in order.
fn check(connection: &Connection, file: &str) -> Result<(), OpenError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| fault::open("check", file, &error))?;
    if found == "ok" { Ok(()) } else { Err(fault::damage(file, None, found).into()) }
}

/// What is there: every chain without a gap, its last event as it was written, and no place of the store's order empty.
fn load(connection: &Connection, file: &str) -> Result<(State, About), OpenError> {
    let told = |error: rusqlite::Error| fault::open("read", file, &error);
    let before = About::read(connection).map_err(told)?;
    let before = before
        .ok_or_else(|| fault::damage(file, None, "the checksum of its one row about itself is another"))?;
    let (events, last): (u64, u64) = connection
        .query_row("SELECT count(*), coalesce(max(lsn), 0) FROM event NOT INDEXED", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(told)?;
    if events != last {
        let what = format!("the last event of the store is {last}, but there are {events}");
        return Err(fault::damage(file, None, what).into());
    }
    if last < before.durable {
        let what = format!(
            "event {} of the store was durable, and the last one that is there is {last}",
            before.durable
        );
        return Err(fault::damage(file, None, what).into());
    }
    let mut lengths = lengths(connection, file)?;
    let indexed: u64 = lengths.values().flatten().sum();
    let gaps = lengths.values().any(Result::is_err);
    if !gaps && indexed != events {
        let what = format!("there are {events} events, and {indexed} in their index");
        return Err(fault::damage(file, None, what).into());
    }
    let mut state = State { lsn: last, committed: last, next: 1, ..State::default() };
    let mut statement = connection.prepare("SELECT number, id FROM chain ORDER BY number").map_err(told)?;
    let mut rows = statement.query([]).map_err(told)?;
    while let Some(row) = rows.next().map_err(told)? {
        let (number, chain) = (row.get(0).map_err(told)?, schema::chain_id(row, 1).map_err(told)?);
        let length = lengths.remove(&number).unwrap_or(Ok(0));
        let head = head(connection, file, (number, chain), length)?;
        state.order.push(chain);
        state.chains.insert(chain, Known { number, head, waiting: Default::default() });
        state.next = number + 1;
    }
    match lengths.keys().next() {
        Some(number) => Err(fault::damage(
            file,
            None,
            format!("there are events of a chain {number}, which is not there"),
        )
        .into()),
        None => Ok((state, before)),
    }
}

/// How many events each chain has, by its number; what is wrong with it, if there is a gap.
type Lengths = FxHashMap<i64, Result<u64, String>>;

fn lengths(connection: &Connection, file: &str) -> Result<Lengths, OpenError> {
    let told = |error: rusqlite::Error| fault::open("read", file, &error);
    let sql = "SELECT chain, count(*), min(seq), max(seq) FROM event GROUP BY chain";
    let mut statement = connection.prepare(sql).map_err(told)?;
    let lengths = statement.query_map([], |row| {
        let (number, count, first, last): (i64, u64, u64, u64) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let whole = first == 0 && last == count - 1;
        let gap = || format!("there are {count} events, from {first} to {last}: one is missing");
        Ok((number, if whole { Ok(count) } else { Err(gap()) }))
    });
    lengths.and_then(Iterator::collect).map_err(told)
}

fn head(
    connection: &Connection,
    file: &str,
    chain: (i64, ChainId),
    length: Result<u64, String>,
) -> Result<Head, OpenError> {
    let damage = |what: String| OpenError::from(fault::damage(file, Some(chain.1), what));
    let length = length.map_err(damage)?;
    let last = length.checked_sub(1).ok_or_else(|| damage("it has no events".to_owned()))?;
    match read::events(connection, file, chain, last..length) {
        Ok(events) => {
            let (_, event) = events.last().ok_or_else(|| damage(format!("event {last} is missing")))?;
            Ok(Head::after(event))
        }
        Err(error) => Err(fault::opening(file, error)),
    }
}
