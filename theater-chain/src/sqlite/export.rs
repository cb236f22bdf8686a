//! A file of SQLite of what any store has.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use theater_core::{ChainEvent, ChainId, EventRange};

use super::schema::About;
use super::{fault, schema};
use crate::store::{ChainReader, ReadError};

/// Events that are read at once.
const AT_ONCE: usize = 256;

/// What an export has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// Chains.
    pub chains: usize,
    /// Events of all of them.
    pub events: u64,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteExportError {
    /// The events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The events that were read are not one after the other.
    #[error("chain {chain} was read with event {found} where {expected} must follow")]
    Sequence {
        /// The chain.
        chain: ChainId,
        /// The position that had to come.
        expected: u64,
        /// The position that came.
        found: u64,
    },
    /// The file could not be written. If it exists, it is left as it is: choose another name.
    #[error("could not write {file}")]
    Write {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Writes all chains of a store into a new file of SQLite, for asking in SQL. It is what a
/// [`SqliteStore`](super::SqliteStore) keeps, and can be opened as one under the name [`FILE`](super::SqliteStore::FILE).
///
/// The store's order is not exported, which a [`ChainReader`] does not tell: the places are those of the chains, one after the other. A
/// chain that grows meanwhile is exported as long as it was at some moment. If the export fails, or is given up, there is no file.
///
/// # Errors
/// See [`SqliteExportError`].
///
/// # Examples
/// ```
/// use theater_chain::{Chain, ChainStore, MemoryStore, export_sqlite};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let store = MemoryStore::new();
/// store.create(Chain::genesis("who I am".into(), 1, 1_000).1)?;
/// let exported = export_sqlite(&store, folder.join("chains.sqlite")).await?;
/// assert_eq!((exported.chains, exported.events), (1, 1));
/// # Ok(())
/// # }
/// ```
pub async fn export_sqlite(
    reader: &dyn ChainReader,
    path: impl AsRef<Path> + Send,
) -> Result<Exported, SqliteExportError> {
    let file = NewFile::create(path.as_ref())?;
    let mut exported = Exported { chains: 0, events: 0 };
    let mut epoch = 0;
    for (number, chain) in (1..).zip(reader.chains().await?) {
        exported.chains += 1;
        let mut next = 0;
        loop {
            let events = reader.read(chain, EventRange { from: next, limit: AT_ONCE }).await?;
            for event in &events {
                if event.header.seq != next {
                    return Err(SqliteExportError::Sequence {
                        chain,
                        expected: next,
                        found: event.header.seq,
                    });
                }
                next += 1;
                epoch = epoch.max(event.header.epoch);
            }
            file.add(number, exported.events, &events)?;
            exported.events += events.len() as u64;
            if events.len() < AT_ONCE {
                break;
            }
        }
    }
    file.finish(epoch, exported.events)?;
    Ok(exported)
}

/// A file that is removed again unless it is finished.
struct NewFile {
    path: PathBuf,
    /// In a transaction, until it is finished.
    connection: Option<Connection>,
    finished: bool,
}

impl NewFile {
    fn create(path: &Path) -> Result<Self, SqliteExportError> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|source| SqliteExportError::Write { file: path.display().to_string(), source })?;
        let mut new = Self { path: path.to_owned(), connection: None, finished: false };
        let connection = Connection::open(path).map_err(|error| new.told(&error))?;
        let begin = || {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            schema::create(&connection)
        };
        begin().map_err(|error| new.told(&error))?;
        new.connection = Some(connection);
        Ok(new)
    }

    fn told(&self, error: &rusqlite::Error) -> SqliteExportError {
        SqliteExportError::Write { file: self.path.display().to_string(), source: fault::system(error) }
    }

    /// Adds the next events of a chain; `before` is how many there are already, of all chains.
    fn add(&self, chain: i64, before: u64, events: &[ChainEvent]) -> Result<(), SqliteExportError> {
        let add = |connection: &Connection| -> rusqlite::Result<()> {
            let mut row = connection.prepare_cached(schema::INSERT_EVENT)?;
            for (lsn, event) in (before + 1..).zip(events) {
                if event.header.seq == 0 {
                    let id = event.header.chain_id;
                    let mut insert = connection.prepare_cached(schema::INSERT_CHAIN)?;
                    insert.execute(params![chain, &id.as_bytes()[..]])?;
                }
                schema::insert(&mut row, lsn, chain, event)?;
            }
            Ok(())
        };
        self.connection.as_ref().map_or(Ok(()), add).map_err(|error| self.told(&error))
    }

    fn finish(mut self, epoch: u32, events: u64) -> Result<(), SqliteExportError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let finish = || {
            About { epoch, closed: true, durable: events }.write(&connection)?;
            connection.execute_batch("COMMIT")
        };
        finish().map_err(|error| self.told(&error))?;
        connection.close().map_err(|(_, error)| self.told(&error))?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // Closed before its file is removed, with what it has beside it.
            drop(self.connection.take());
            // If that fails too there is nothing more to do.
            let _ = fs::remove_file(&self.path);
        }
    }
}
