//! The segmented log: all chains of a runtime in one file after the other, durable, one sync for all that wait.
//!
//! - `state` takes events: places, checksums, bytes. It touches no file.
//! - `writer` is the only one that writes segments, and decides when what is durable.
//! - `housekeeping` makes the next segment before it is needed, and sidecars of full ones.
//! - `load` reads a log that is there, and refuses damage; `open` cuts a torn end and goes on behind it.
//! - `read` gives events back.
//! - `remove` takes pruned payloads and retired chains out of segments that take no more; `retired` has the heads of those.
//! - `reader` does so for other processes, and changes nothing.
//! - `audit` verifies a whole folder; `repair` makes a damaged one usable again.
//!
//! The format is on a page, `docs/chain-format.md`.

mod audit;
mod blobs;
mod housekeeping;
mod load;
mod open;
mod options;
mod read;
mod reader;
mod remove;
pub mod repair;
mod retired;
mod state;
mod stepwise;
mod threads;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use async_trait::async_trait;
use theater_core::{ChainEvent, ChainId, EventRange};
use tokio::sync::{oneshot, watch};

use crate::chain::Head;
use crate::store::error::{check_append, check_genesis};
use crate::store::{
    AppendError, ChainReader, ChainStore, Durability, Lsn, Poisoned, PruneError, PruneReport, ReadError,
    RetireError, Tail, Tails,
};
use crate::vfs::{RealVfs, Vfs};

use housekeeping::Spare;
use state::State;

pub use audit::{FolderDamage, FolderError, FolderReport, verify_folder, verify_folder_on};
#[cfg(feature = "sqlite")]
pub(crate) use open::lock;
pub use open::{Cut, OpenError, Recovery};
pub use options::LogOptions;
pub use reader::{Events, LogReader, LogSummary};
pub use stepwise::SteppedStore;

/// What the writer asks others to do.
#[derive(Debug)]
enum Job {
    /// Make the next segment.
    Prepare,
    /// Give a segment that takes no more its sidecar.
    Seal(u32),
    /// Take chains that were retired out of a segment.
    Clean(u32),
    /// Remove payloads of a chain below a position.
    Prune(ChainId, u64, oneshot::Sender<Result<PruneReport, PruneError>>),
    /// Remove a chain.
    Retire(Head, oneshot::Sender<Result<(), RetireError>>),
}

/// What all threads of a log have in common.
#[derive(Debug)]
struct Shared {
    vfs: Arc<dyn Vfs>,
    options: LogOptions,
    epoch: u32,
    state: Mutex<State>,
    /// Wakes the writer.
    wake: Condvar,
    spare: Mutex<Option<Spare>>,
    /// Held while something is removed. Taken before the state and the blobs.
    removing: Mutex<()>,
    /// Held while a blob is written or removed. Taken before the state.
    blobs: Mutex<()>,
    jobs: Mutex<Jobs>,
    /// Counts changes of what is durable; whoever waits looks again.
    progress: watch::Sender<u64>,
    tails: Tails,
    /// The last event that was taken; read without the lock.
    accepted: AtomicU64,
}

/// Who performs jobs.
#[derive(Debug, Default)]
enum Jobs {
    /// Threads: one for what the writer needs, one for what takes long.
    Threads { house: mpsc::Sender<Job>, removals: mpsc::Sender<Job> },
    /// Whoever steps the writer, afterwards.
    Later(Vec<Job>),
    #[default]
    Nobody,
}

impl Shared {
    /// Every change of the state is whole before the lock is given back, so that a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, job: Job) {
        match &mut *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            // A thread is gone when the store is being closed; nothing of this is needed then.
            Jobs::Threads { house, removals } => match job {
                Job::Prepare | Job::Seal(_) => drop(house.send(job)),
                Job::Clean(_) | Job::Prune(..) | Job::Retire(..) => drop(removals.send(job)),
            },
            Jobs::Later(jobs) => jobs.push(job),
            Jobs::Nobody => {}
        }
    }

    /// Whether there is a thread for what takes long.
    fn has_threads(&self) -> bool {
        matches!(&*self.jobs.lock().unwrap_or_else(PoisonError::into_inner), Jobs::Threads { .. })
    }

    fn progressed(&self) {
        self.progress.send_modify(|changes| *changes += 1);
    }

    fn fail(&self, failed: Poisoned) {
        self.lock().failed.get_or_insert(failed);
        self.progressed();
    }

    fn durable(&self, state: &State) -> u64 {
        match self.options.durability {
            Durability::Full => state.synced,
            _ => state.written,
        }
    }

    fn take(&self, state: &mut State, event: ChainEvent) -> Result<(), AppendError> {
        let lsn = state.take(&event, &self.options)?;
        self.accepted.store(lsn, Ordering::Release);
        if self.tails.is_followed() {
            self.tails.send(Lsn(lsn), event);
        }
        if std::mem::take(&mut state.writer_waits) {
            self.wake.notify_all();
        }
        Ok(())
    }
}

/// Keeps chains in a segmented log on a disk.
///
/// Events are taken at once and written by one thread, which syncs once for all that wait meanwhile. What it calls durable
/// survives a loss of power. After one failed write or sync it takes nothing more.
///
/// # Examples
/// ```
/// use theater_chain::{Chain, ChainStore, LogOptions, SegmentedStore};
/// use theater_core::EventRange;
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let (store, recovery) = SegmentedStore::open(folder, LogOptions::default())?;
/// assert_eq!(recovery.events, 0);
/// let (chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1_000);
/// store.create(genesis)?;
/// store.close()?;
/// drop(store);
///
/// let (store, recovery) = SegmentedStore::open(folder, LogOptions::default())?;
/// assert_eq!((recovery.events, recovery.cut), (1, None));
/// # let head = store.chain_head(chain.head().chain_id);
/// assert_eq!(head, Some(chain.head()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SegmentedStore {
    shared: Arc<Shared>,
    threads: Mutex<threads::Threads>,
    /// Keeps other processes out.
    lock: Mutex<Option<std::fs::File>>,
}

impl SegmentedStore {
    /// Opens the log in a folder, which is made if it does not exist. Nobody else may have it open.
    ///
    /// # Errors
    /// See [`OpenError`]: nothing was changed then.
    pub fn open(folder: impl AsRef<Path>, options: LogOptions) -> Result<(Self, Recovery), OpenError> {
        let folder = folder.as_ref();
        let vfs = RealVfs::new(folder)
            .map_err(|error| OpenError::io("make the folder", &folder.display().to_string(), error))?;
        let lock = open::lock(folder)?;
        let (store, recovery) = Self::open_on(Arc::new(vfs), options)?;
        *store.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
        Ok((store, recovery))
    }

    /// Opens the log on any disk. Whoever calls sees to it that nobody else has it open.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(vfs: Arc<dyn Vfs>, options: LogOptions) -> Result<(Self, Recovery), OpenError> {
        let (shared, recovery) = open::open(vfs, options)?;
        let threads = threads::Threads::start(&shared)
            .map_err(|error| OpenError::io("start the thread that writes", state::FOLDER, error))?;
        Ok((Self { shared, threads: Mutex::new(threads), lock: Mutex::default() }, recovery))
    }

    /// The head of a chain, without waiting for anything.
    #[must_use]
    pub fn chain_head(&self, chain: ChainId) -> Option<Head> {
        self.shared.lock().chains.get(&chain).map(|chain| chain.head)
    }

    /// Writes what waits, and closes the log so that the next start need not look for a torn end. Nothing more is taken then,
    /// others may open the log, and what was taken can still be read. Dropping the store does the same, and keeps errors to itself.
    ///
    /// # Errors
    /// If the store has failed, or cannot write what waits.
    pub fn close(&self) -> Result<(), Poisoned> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = threads.stop(&self.shared);
        // Nothing of this store writes any more.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        stopped
    }
}

impl Drop for SegmentedStore {
    fn drop(&mut self) {
        // Whoever wants to know closes it.
        let _ = self.close();
    }
}

#[async_trait]
impl ChainReader for Shared {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        Ok(self.lock().chains.get(&chain).map(|chain| chain.head))
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        read::read(self, chain, range)
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        Ok(self.lock().order.clone())
    }
}

#[async_trait]
impl ChainStore for Shared {
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError> {
        check_genesis(&genesis)?;
        let (chain, head) = (genesis.header.chain_id, Head::after(&genesis));
        let mut state = self.lock();
        if state.chains.contains_key(&chain) {
            return Err(AppendError::AlreadyExists { chain });
        }
        self.take(&mut state, genesis)?;
        Ok(head)
    }

    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        let chain = expected.chain_id;
        let mut state = self.lock();
        let known = state.chains.get(&chain).ok_or(AppendError::UnknownChain { chain })?;
        if known.retired {
            return Err(AppendError::Retired { chain });
        }
        let actual = known.head;
        check_append(actual, expected, &event)?;
        let head = Head::after(&event);
        self.take(&mut state, event)?;
        Ok(head)
    }

    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn durability(&self) -> Durability {
        self.options.durability
    }

    fn accepted(&self) -> Lsn {
        Lsn(self.accepted.load(Ordering::Acquire))
    }

    fn durable(&self) -> Result<Lsn, Poisoned> {
        let state = self.lock();
        match &state.failed {
            Some(failed) => Err(failed.clone()),
            None => Ok(Lsn(self.durable(&state))),
        }
    }

    async fn until_durable(&self, lsn: Lsn) -> Result<(), Poisoned> {
        self.until(|state| self.durable(state) >= lsn.0).await
    }

    async fn ready(&self) -> Result<(), Poisoned> {
        let most = self.options.pending / 2;
        self.until(|state| state.pending <= most).await
    }

    fn tail(&self) -> Tail {
        self.tails.follow()
    }

    async fn prune(&self, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
        if self.lock().closing {
            return Err(closed().into());
        }
        if !self.has_threads() {
            return remove::prune(self, chain, before);
        }
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Prune(chain, before, reply));
        answer.await.unwrap_or_else(|_| Err(closed().into()))
    }

    async fn retire(&self, head: Head) -> Result<(), RetireError> {
        if self.lock().closing {
            return Err(closed().into());
        }
        if !self.has_threads() {
            return remove::retire(self, head);
        }
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Retire(head, reply));
        answer.await.unwrap_or_else(|_| Err(closed().into()))
    }
}

/// Nothing is done in a store that is being closed.
fn closed() -> Poisoned {
    let closed = std::io::Error::other("the store is being closed");
    Poisoned::new("rewrite", state::FOLDER, &closed)
}

impl Shared {
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

/// The store is its shared part with threads around.
macro_rules! delegate_to_shared {
    ($store:ty) => {
        #[async_trait]
        impl ChainReader for $store {
            async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
                self.shared.head(chain).await
            }

            async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
                self.shared.read(chain, range).await
            }

            async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
                self.shared.chains().await
            }
        }

        #[async_trait]
        impl ChainStore for $store {
            fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError> {
                self.shared.create(genesis)
            }

            fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
                self.shared.append(expected, event)
            }

            fn epoch(&self) -> u32 {
                self.shared.epoch
            }

            fn durability(&self) -> Durability {
                self.shared.durability()
            }

            fn accepted(&self) -> Lsn {
                self.shared.accepted()
            }

            fn durable(&self) -> Result<Lsn, Poisoned> {
                ChainStore::durable(&*self.shared)
            }

            async fn until_durable(&self, lsn: Lsn) -> Result<(), Poisoned> {
                self.shared.until_durable(lsn).await
            }

            async fn ready(&self) -> Result<(), Poisoned> {
                self.shared.ready().await
            }

            fn tail(&self) -> Tail {
                self.shared.tail()
            }

            async fn prune(&self, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
                self.shared.prune(chain, before).await
            }

            async fn retire(&self, head: Head) -> Result<(), RetireError> {
                self.shared.retire(head).await
            }
        }
    };
}

delegate_to_shared!(SegmentedStore);
delegate_to_shared!(SteppedStore);
