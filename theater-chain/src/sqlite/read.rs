//! Reading rows: what the store itself, and a reader beside it, have in common.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};
use theater_core::{ChainEvent, ChainId};

use super::fault;
use super::schema::{self, COLUMNS, RETIRED};
use crate::chain::Head;
use crate::store::{Lsn, ReadError};

/// Connections that are kept for the next reads.
const KEPT: usize = 4;

/// How long a reader waits where SQLite itself asks it to: while a file is recovered after a crash, or closed.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Read-only connections to one file. As many are open as reads go on at once.
#[derive(Debug)]
pub(super) struct Pool {
    path: PathBuf,
    /// What the file is called in errors.
    pub(super) file: String,
    free: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(path: &Path, file: String) -> Self {
        Self { path: path.to_owned(), file, free: Mutex::default() }
    }

    /// Reads with a connection that nobody else uses meanwhile.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match free {
            Some(connection) => connection,
            None => open(&self.path).map_err(|error| fault::read(&self.file, None, &error))?,
        };
        let read = read(&connection);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(connection);
        }
        read
    }

    /// Closes what is not in use.
    pub(super) fn clear(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// The events of a chain at these positions, all of which are there.
pub(super) fn events(
    connection: &Connection,
    file: &str,
    (number, chain): (i64, ChainId),
    range: Range<u64>,
) -> Result<Vec<(Lsn, ChainEvent)>, ReadError> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let told = |error: rusqlite::Error| fault::read(file, Some(chain), &error);
    let sql = format!("SELECT {COLUMNS} FROM event WHERE chain = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq");
    let mut statement = connection.prepare_cached(&sql).map_err(told)?;
    let mut rows = statement.query(params![number, range.start, range.end]).map_err(told)?;
    let mut events = Vec::new();
    for seq in range {
        let Some(row) = rows.next().map_err(told)? else {
            return Err(fault::damage(file, Some(chain), format!("event {seq} is missing")).into());
        };
        events.push(schema::event(row, file, chain, seq)?);
    }
    Ok(events)
}

/// What there is of a chain.
pub(super) enum Found {
    /// Its number, and how many events it has.
    Events(i64, u64),
    /// Its last head.
    Retired(Head),
}

/// What there is of a chain; `None` if there is no such chain.
pub(super) fn find(connection: &Connection, file: &str, chain: ChainId) -> Result<Option<Found>, ReadError> {
    let told = |error: rusqlite::Error| fault::read(file, Some(chain), &error);
    let sql = format!(
        "SELECT number, (SELECT max(seq) + 1 FROM event WHERE event.chain = number), {RETIRED} FROM chain WHERE id = ?1"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(told)?;
    let mut rows = statement.query([&chain.as_bytes()[..]]).map_err(told)?;
    let Some(row) = rows.next().map_err(told)? else { return Ok(None) };
    if let Some(head) = schema::retired(row, 2, file, chain)? {
        return Ok(Some(Found::Retired(head)));
    }
    match row.get(1).map_err(told)? {
        Some(length) => Ok(Some(Found::Events(row.get(0).map_err(told)?, length))),
        None => Err(fault::damage(file, Some(chain), "it has no events").into()),
    }
}
