//! Reading a store that another process may have open.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::Connection;
use theater_core::{ChainEvent, ChainId, EventRange};

use super::read::{self, Found, Pool};
use super::{fault, schema};
use crate::chain::Head;
use crate::log::OpenError;
use crate::store::{ChainReader, Lsn, ReadError};

/// Reads the file of a [`SqliteStore`](super::SqliteStore), also while another process writes to it.
///
/// It changes no event and keeps no writer waiting. Every answer is of one moment, and has what was committed by then. Each event that
/// is read is checked: what is not there as it was written is an error.
///
/// # Examples
/// ```
/// use theater_chain::{Chain, ChainStore, Lsn, SqliteOptions, SqliteReader, SqliteStore};
/// use theater_core::EventRange;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let (store, _) = SqliteStore::open(folder, SqliteOptions::default())?;
/// let (chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1_000);
/// store.create(genesis.clone())?;
/// store.until_durable(store.accepted()).await?;
///
/// let reader = SqliteReader::open(folder.join(SqliteStore::FILE))?;
/// let read = reader.read_places(chain.head().chain_id, EventRange::ALL)?;
/// assert_eq!(read, [(Lsn(1), genesis)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteReader {
    pool: Pool,
}

impl SqliteReader {
    /// Opens a file that exists.
    ///
    /// # Errors
    /// [`Io`](OpenError::Io) if there is no such file or it cannot be read; [`Damaged`](OpenError::Damaged) and
    /// [`Format`](OpenError::Format) if it is not a store's, or of another version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        // SQLite's own words for a file that is not there say less.
        std::fs::metadata(path).map_err(|error| OpenError::io("open", &file, error))?;
        let pool = Pool::new(path, file);
        let there = pool
            .with(|connection| Ok(schema::recognize(connection, &pool.file)))
            .map_err(|error| fault::opening(&pool.file, error))??;
        if !there {
            return Err(fault::damage(&pool.file, None, "there is no store in it").into());
        }
        Ok(Self { pool })
    }

    /// Events of a chain, oldest first, each with its place in the store's order. A range beyond the end gives fewer or none.
    ///
    /// # Errors
    /// [`UnknownChain`](ReadError::UnknownChain), [`Retired`](ReadError::Retired); if what is stored cannot be read.
    pub fn read_places(
        &self,
        chain: ChainId,
        range: EventRange,
    ) -> Result<Vec<(Lsn, ChainEvent)>, ReadError> {
        self.at_one_moment(Some(chain), |connection, file| {
            let (number, length) = match read::find(connection, file, chain)? {
                Some(Found::Events(number, length)) => (number, length),
                Some(Found::Retired(_)) => return Err(ReadError::Retired { chain }),
                None => return Err(ReadError::UnknownChain { chain }),
            };
            let range = range.within(usize::try_from(length).unwrap_or(usize::MAX));
            read::events(connection, file, (number, chain), range.start as u64..range.end as u64)
        })
    }

    fn at_one_moment<T>(
        &self,
        chain: Option<ChainId>,
        read: impl FnOnce(&Connection, &str) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let file = &*self.pool.file;
        self.pool.with(|connection| {
            // Ends when it is dropped.
            let moment =
                connection.unchecked_transaction().map_err(|error| fault::read(file, chain, &error))?;
            read(&moment, file)
        })
    }
}

#[async_trait]
impl ChainReader for SqliteReader {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        self.at_one_moment(Some(chain), |connection, file| {
            let (number, length) = match read::find(connection, file, chain)? {
                Some(Found::Events(number, length)) => (number, length),
                Some(Found::Retired(head)) => return Ok(Some(head)),
                None => return Ok(None),
            };
            let last = read::events(connection, file, (number, chain), length.saturating_sub(1)..length)?;
            Ok(last.last().map(|(_, event)| Head::after(event)))
        })
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        Ok(self.read_places(chain, range)?.into_iter().map(|(_, event)| event).collect())
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        self.at_one_moment(None, |connection, file| {
            let list = || -> rusqlite::Result<_> {
                let sql = "SELECT id FROM chain WHERE length IS NULL ORDER BY number";
                let mut statement = connection.prepare_cached(sql)?;
                let chains = statement.query_map([], |row| schema::chain_id(row, 0))?;
                chains.collect()
            };
            list().map_err(|error| fault::read(file, None, &error))
        })
    }
}
