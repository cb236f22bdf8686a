//! Opening: verifies what is there before it trusts it, and begins a new term.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use rustc_hash::FxHashMap;
use theater_core::ChainId;

use super::read::{self, PATIENCE};
use super::schema::{About, RETIRED};
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
    /// Retired chains of which there are events.
    pub(super) leftover: Vec<i64>,
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
    let Loaded { state, events, leftover, before } = if there {
        check(&connection, file)?;
        load(&connection, file)?
    } else {
        let (state, before) =
            (State { next: 1, ..State::default() }, About { epoch: 0, closed: true, durable: 0 });
        Loaded { state, events: 0, leftover: Vec::new(), before }
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
        events,
        chains: state.order.len(),
        segments: 0,
        epoch,
        closed: before.closed,
        durable: Lsn(state.committed),
        cut: None,
        rebuilt: Vec::new(),
    };
    Ok(Opened { connection, state, recovery, leftover })
}

/// Every commit is synced from now on, until a store says otherwise.
fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Where a sync of the system does not reach the disk itself.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // What was pruned or retired is not to be found in the file either.
    connection.pragma_update(None, "secure_delete", true)?;
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

/// What is there.
struct Loaded {
    state: State,
    /// Events of chains that were not retired.
    events: u64,
    leftover: Vec<i64>,
    before: About,
}

/// What is there: every chain without a gap, its last event as it was written, and no place of the store's order empty but for what
/// was retired.
fn load(connection: &Connection, file: &str) -> Result<Loaded, OpenError> {
    let told = |error: rusqlite::Error| fault::open("read", file, &error);
    let before = About::read(connection).map_err(told)?;
    let before = before
        .ok_or_else(|| fault::damage(file, None, "the checksum of its one row about itself is another"))?;
    let (rows, last): (u64, u64) = connection
        .query_row("SELECT count(*), coalesce(max(lsn), 0) FROM event NOT INDEXED", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .map_err(told)?;
    let chains = chains(connection, file)?;
    let mut lengths = lengths(connection, file)?;
    let indexed: u64 = lengths.values().map(|length| length.count).sum();
    let (mut retired, mut leftover) = ((0, 0), Vec::new());
    for (number, _, head) in &chains {
        let Some(head) = head else { continue };
        retired.0 += head.length;
        if let Some(length) = lengths.remove(number) {
            retired.1 += length.count;
            leftover.push(*number);
        }
    }
    let events = rows.saturating_sub(retired.1);
    // Retired events may have been the last; then the row about the file says which that was.
    let last = if retired.0 > 0 { last.max(before.durable) } else { last };
    if events + retired.0 != last {
        let gone =
            if retired.0 > 0 { format!(" and {} of retired chains", retired.0) } else { String::new() };
        let what = format!("the last event of the store is {last}, but there are {events}{gone}");
        return Err(fault::damage(file, None, what).into());
    }
    if last < before.durable {
        let what = format!(
            "event {} of the store was durable, and the last one that is there is {last}",
            before.durable
        );
        return Err(fault::damage(file, None, what).into());
    }
    if indexed != rows && lengths.values().all(Length::is_whole) {
        let what = format!("there are {rows} events, and {indexed} in their index");
        return Err(fault::damage(file, None, what).into());
    }
    let mut state = State { lsn: last, committed: last, next: 1, ..State::default() };
    for (number, chain, last) in chains {
        let known = match last {
            Some(head) => Known { retired: true, ..Known::new(number, head) },
            None => {
                state.order.push(chain);
                Known::new(number, head(connection, file, (number, chain), lengths.remove(&number))?)
            }
        };
        state.chains.insert(chain, known);
        state.next = number + 1;
    }
    match lengths.keys().next() {
        Some(number) => Err(fault::damage(
            file,
            None,
            format!("there are events of a chain {number}, which is not there"),
        )
        .into()),
        None => Ok(Loaded { state, events, leftover, before }),
    }
}

/// Every chain: its number, its id, and its last head if it was retired.
fn chains(connection: &Connection, file: &str) -> Result<Vec<(i64, ChainId, Option<Head>)>, OpenError> {
    let told = |error: rusqlite::Error| fault::open("read", file, &error);
    let sql = format!("SELECT number, id, {RETIRED} FROM chain ORDER BY number");
    let mut statement = connection.prepare(&sql).map_err(told)?;
    let mut rows = statement.query([]).map_err(told)?;
    let mut chains = Vec::new();
    while let Some(row) = rows.next().map_err(told)? {
        let chain = schema::chain_id(row, 1).map_err(told)?;
        chains.push((row.get(0).map_err(told)?, chain, schema::retired(row, 2, file, chain)?));
    }
    Ok(chains)
}

/// How many events a chain has, and which.
#[derive(Debug, Clone, Copy)]
struct Length {
    count: u64,
    first: u64,
    last: u64,
}

impl Length {
    fn is_whole(&self) -> bool {
        self.first == 0 && self.last == self.count - 1
    }
}

/// The lengths of all chains that have events, by their number.
fn lengths(connection: &Connection, file: &str) -> Result<FxHashMap<i64, Length>, OpenError> {
    let told = |error: rusqlite::Error| fault::open("read", file, &error);
    let sql = "SELECT chain, count(*), min(seq), max(seq) FROM event GROUP BY chain";
    let mut statement = connection.prepare(sql).map_err(told)?;
    let lengths = statement.query_map([], |row| {
        Ok((row.get(0)?, Length { count: row.get(1)?, first: row.get(2)?, last: row.get(3)? }))
    });
    lengths.and_then(Iterator::collect).map_err(told)
}

fn head(
    connection: &Connection,
    file: &str,
    chain: (i64, ChainId),
    length: Option<Length>,
) -> Result<Head, OpenError> {
    let damage = |what: String| OpenError::from(fault::damage(file, Some(chain.1), what));
    let length = length.ok_or_else(|| damage("it has no events".to_owned()))?;
    let Length { count, first, last } = length;
    if !length.is_whole() {
        let what = format!("there are {count} events, from {first} to {last}: one is missing");
        return Err(damage(what));
    }
    match read::events(connection, file, chain, last..count) {
        Ok(events) => {
            let (_, event) = events.last().ok_or_else(|| damage(format!("event {last} is missing")))?;
            Ok(Head::after(event))
        }
        Err(error) => Err(fault::opening(file, error)),
    }
}
