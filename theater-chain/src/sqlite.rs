//! Chains in a file of SQLite, for those who trust it more than our own log, or who want to ask in SQL.
//!
//! - `state` takes events: it knows heads and what waits, and touches no file.
//! - `writer` is the only one that changes the file: what waits becomes one transaction.
//! - `schema` is what the file looks like; `open` verifies one before it trusts it.
//! - `remove` is the part of the writer that prunes and retires.
//! - `read` gives events back, to the store and to a [`SqliteReader`] in another process.
//! - `export` makes such a file of any store.

mod export;
mod fault;
mod open;
mod options;
mod read;
mod reader;
mod remove;
mod schema;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use theater_core::{ChainEvent, ChainId, EventRange};
use tokio::sync::{oneshot, watch};

use crate::chain::Head;
use crate::log::{self, OpenError, Recovery};
use crate::store::error::{check_append, check_genesis};
use crate::store::{
    AppendError, ChainReader, ChainStore, Durability, Lsn, Poisoned, PruneError, PruneReport, ReadError,
    RetireError, Tail, Tails,
};
use crate::vfs;

use read::Pool;
use remove::{Prune, Removal};
use state::State;
use writer::Writer;

pub use export::{Exported, SqliteExportError, export_sqlite};
pub use options::SqliteOptions;
pub use reader::SqliteReader;

/// What the threads of a store have in common.
#[derive(Debug)]
struct Shared {
    options: SqliteOptions,
    epoch: u32,
    state: Mutex<State>,
    /// Wakes the writer.
    wake: Condvar,
    /// Counts changes of what is durable; whoever waits looks again.
    progress: watch::Sender<u64>,
    tails: Tails,
    /// The last event that was taken; read without the lock.
    accepted: AtomicU64,
    pool: Pool,
}

impl Shared {
    /// Every change of the state is whole before the lock is given back, so that a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progressed(&self) {
        self.progress.send_modify(|changes| *changes += 1);
    }

    fn fail(&self, failed: Poisoned) {
        let mut state = self.lock();
        state.failed.get_or_insert(failed);
        // Whoever waits for one hears that nobody answers.
        state.jobs.clear();
        drop(state);
        self.progressed();
    }

    fn take(&self, state: &mut State, event: ChainEvent) -> Result<(), AppendError> {
        let followed = self.tails.is_followed().then(|| event.clone());
        let lsn = state.take(event, self.options.pending)?;
        self.accepted.store(lsn, Ordering::Release);
        if let Some(event) = followed {
            self.tails.send(Lsn(lsn), event);
        }
        if std::mem::take(&mut state.writer_waits) {
            self.wake.notify_all();
        }
        Ok(())
    }

    /// Waits until something holds of the state. Looks whenever the writer has got further.
    async fn until(&self, holds: impl Fn(&State) -> bool + Send) -> Result<(), Poisoned> {
        let look = || {
            let state = self.lock();
            match &state.failed {
                // What was durable before stays so.
                _ if holds(&state) => Some(Ok(())),
                Some(failed) => Some(Err(failed.clone())),
                None => None,
            }
        };
        if let Some(found) = look() {
            return found;
        }
        let mut progress = self.progress.subscribe();
        loop {
            if let Some(found) = look() {
                return found;
            }
            // The sender is in `self`.
            let _ = progress.changed().await;
        }
    }
}

/// Keeps chains in one file of SQLite, `chains.sqlite` in a data folder.
///
/// Events are taken at once and committed by one thread, all that wait meanwhile in one transaction. What the store calls durable
/// survives a loss of power. After one failed commit it takes nothing more; a full disk is none: the store waits for room.
///
/// The file is for everybody to read with SQL, while the store is open too: the view `events` has every field of every event. It is
/// not for others to write. Copies of a file that is open are made with SQLite's `VACUUM INTO` or `.backup`.
///
/// # Examples
/// ```
/// use theater_chain::{Chain, ChainStore, SqliteOptions, SqliteStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let (store, recovery) = SqliteStore::open(folder, SqliteOptions::default())?;
/// assert_eq!(recovery.events, 0);
/// let (chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1_000);
/// store.create(genesis)?;
/// store.close()?;
/// drop(store);
///
/// let (store, recovery) = SqliteStore::open(folder, SqliteOptions::default())?;
/// assert_eq!((recovery.events, recovery.closed), (1, true));
/// assert_eq!(store.chain_head(chain.head().chain_id), Some(chain.head()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Keeps other processes out.
    lock: Mutex<Option<std::fs::File>>,
}

impl SqliteStore {
    /// What the file is called in its folder.
    pub const FILE: &'static str = "chains.sqlite";

    /// Opens the store in a folder, which is made if it does not exist. Nobody else may have a store open there.
    ///
    /// Reads the whole file: its structure is checked, and that no chain has a gap. A chain's last event is checked here, any other
    /// when it is read.
    ///
    /// # Errors
    /// See [`OpenError`]: no event was changed then.
    pub fn open(folder: impl AsRef<Path>, options: SqliteOptions) -> Result<(Self, Recovery), OpenError> {
        let (store, writer, recovery) = Self::without_thread(folder.as_ref(), options)?;
        let writer = std::thread::Builder::new()
            .name("theater-sqlite".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::io("start the thread that writes", Self::FILE, error))?;
        *store.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
        Ok((store, recovery))
    }

    /// The store, and the writer that somebody has to run.
    fn without_thread(folder: &Path, options: SqliteOptions) -> Result<(Self, Writer, Recovery), OpenError> {
        vfs::make_durable_folder(folder)
            .map_err(|error| OpenError::io("make the folder", &folder.display().to_string(), error))?;
        let lock = log::lock(folder)?;
        let path = folder.join(Self::FILE);
        let open::Opened { connection, state, recovery, leftover } = open::open(&path, Self::FILE, &options)?;
        let shared = Arc::new(Shared {
            options,
            epoch: recovery.epoch,
            accepted: AtomicU64::new(state.lsn),
            state: Mutex::new(state),
            wake: Condvar::new(),
            progress: watch::Sender::new(0),
            tails: Tails::default(),
            pool: Pool::new(&path, Self::FILE.to_owned()),
        });
        let writer = Writer::new(Arc::clone(&shared), connection, leftover);
        Ok((Self { shared, writer: Mutex::new(None), lock: Mutex::new(Some(lock)) }, writer, recovery))
    }

    /// The head of a chain, without waiting for anything.
    #[must_use]
    pub fn chain_head(&self, chain: ChainId) -> Option<Head> {
        self.shared.lock().chains.get(&chain).map(|known| known.head)
    }

    /// Writes what waits, and closes the file. Nothing more is taken then, others may open the file, and what was taken can still be read.
    /// Dropping the store does the same, and keeps errors to itself.
    ///
    /// # Errors
    /// If the store has failed, or cannot write what waits.
    pub fn close(&self) -> Result<(), Poisoned> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(writer) = writer else { return Ok(()) };
        // The last connection that may write tidies up when it is closed, so it has to be the last.
        self.shared.pool.clear();
        self.shared.lock().closing = true;
        self.shared.wake.notify_all();
        // If it panicked it has said so.
        let _ = writer.join();
        // Nothing of this store writes any more.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        let state = self.shared.lock();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        if state.committed != state.lsn {
            let full = io::Error::from(io::ErrorKind::StorageFull);
            return Err(Poisoned::new("write what was taken to", Self::FILE, &full));
        }
        Ok(())
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Whoever wants to know closes it.
        let _ = self.close();
    }
}

#[async_trait]
impl ChainReader for SqliteStore {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        Ok(self.chain_head(chain))
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        let (number, range, waiting) = {
            let state = self.shared.lock();
            let known = state.chains.get(&chain).ok_or(ReadError::UnknownChain { chain })?;
            if known.retired {
                return Err(ReadError::Retired { chain });
            }
            let range = range.within(usize::try_from(known.head.length).unwrap_or(usize::MAX));
            let range = range.start as u64..range.end as u64;
            let waiting = known.waiting.iter().filter(|waiting| range.contains(&waiting.event.header.seq));
            (known.number, range.clone(), waiting.map(Arc::clone).collect::<Vec<_>>())
        };
        // What does not wait was committed, and does not change but for payloads that go.
        let committed = range.start..range.end - waiting.len() as u64;
        let mut events = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or(0));
        if !committed.is_empty() {
            let file = &self.shared.pool.file;
            let read = |connection: &_| read::events(connection, file, (number, chain), committed);
            match self.shared.pool.with(read) {
                Ok(read) => events.extend(read.into_iter().map(|(_, event)| event)),
                Err(_) if self.shared.lock().chains.get(&chain).is_some_and(|known| known.retired) => {
                    return Err(ReadError::Retired { chain });
                }
                Err(error) => return Err(error),
            }
        }
        events.extend(waiting.iter().map(|waiting| waiting.event.clone()));
        Ok(events)
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        Ok(self.shared.lock().order.clone())
    }
}

#[async_trait]
impl ChainStore for SqliteStore {
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError> {
        check_genesis(&genesis)?;
        let (chain, head) = (genesis.header.chain_id, Head::after(&genesis));
        let mut state = self.shared.lock();
        if state.chains.contains_key(&chain) {
            return Err(AppendError::AlreadyExists { chain });
        }
        self.shared.take(&mut state, genesis)?;
        Ok(head)
    }

    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        let chain = expected.chain_id;
        let mut state = self.shared.lock();
        let known = state.chains.get(&chain).ok_or(AppendError::UnknownChain { chain })?;
        if known.retired {
            return Err(AppendError::Retired { chain });
        }
        check_append(known.head, expected, &event)?;
        let head = Head::after(&event);
        self.shared.take(&mut state, event)?;
        Ok(head)
    }

    fn epoch(&self) -> u32 {
        self.shared.epoch
    }

    fn durability(&self) -> Durability {
        match self.shared.options.durability {
            Durability::Full => Durability::Full,
            _ => Durability::Relaxed,
        }
    }

    fn accepted(&self) -> Lsn {
        Lsn(self.shared.accepted.load(Ordering::Acquire))
    }

    fn durable(&self) -> Result<Lsn, Poisoned> {
        let state = self.shared.lock();
        match &state.failed {
            Some(failed) => Err(failed.clone()),
            None => Ok(Lsn(state.committed)),
        }
    }

    async fn until_durable(&self, lsn: Lsn) -> Result<(), Poisoned> {
        self.shared.until(|state| state.committed >= lsn.0).await
    }

    async fn ready(&self) -> Result<(), Poisoned> {
        let most = self.shared.options.pending / 2;
        self.shared.until(|state| state.pending <= most).await
    }

    fn tail(&self) -> Tail {
        self.shared.tails.follow()
    }

    async fn prune(&self, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
        let (reply, answer) = oneshot::channel();
        self.shared.ask(Removal::Prune(Prune::new(chain, before), reply))?;
        answer.await.unwrap_or_else(|_| Err(self.shared.gone().into()))
    }

    async fn retire(&self, head: Head) -> Result<(), RetireError> {
        let (reply, answer) = oneshot::channel();
        self.shared.ask(Removal::Retire(head, reply))?;
        answer.await.unwrap_or_else(|_| Err(self.shared.gone().into()))
    }
}
