//! A store in which something goes wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use theater_chain::{
    AppendError, ChainReader, ChainStore, Durability, Head, Lsn, Poisoned, PruneError, PruneReport,
    ReadError, RetireError, Tail,
};
use theater_core::{ChainEvent, ChainId, EventRange, async_trait};

/// What goes wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFault {
    /// It takes this many more events, and none after them.
    FullAfter(u64),
    /// It refuses the n-th event from now, from 1, and no other, as a full store would.
    FailNth(u64),
}

/// A [`ChainStore`] over another that refuses events when a test says so. It never loses one that it took. Cheap to clone.
///
/// # Examples
/// ```
/// use theater_chain::{AppendError, Chain, ChainStore, MemoryStore};
/// use theater_core::EventKind;
/// use theater_testkit::fault::{FaultyStore, StoreFault};
///
/// let store = FaultyStore::new(MemoryStore::new());
/// let (mut chain, genesis) = Chain::genesis("who I am".into(), 1, 1);
/// let head = store.create(genesis)?;
/// let event = chain.append(EventKind::LOG, "x".into(), 2);
/// {
///     let full = store.inject(StoreFault::FullAfter(0));
///     assert_eq!(store.append(head, event.clone()), Err(AppendError::Full));
///     assert_eq!(full.fired(), 1);
/// }
/// assert_eq!(store.append(head, event)?, chain.head());
/// # Ok::<(), AppendError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FaultyStore<S> {
    inner: Arc<S>,
    faults: Arc<Mutex<Faults>>,
}

#[derive(Debug, Default)]
struct Faults {
    installed: Vec<Installed>,
    next: u64,
}

#[derive(Debug)]
struct Installed {
    number: u64,
    fault: StoreFault,
    met: u64,
    fired: u64,
}

fn lock(faults: &Mutex<Faults>) -> MutexGuard<'_, Faults> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: ChainStore> FaultyStore<S> {
    /// A store over this one, without faults.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self { inner: Arc::new(inner), faults: Arc::default() }
    }

    /// Lets something go wrong from now on, until the guard is dropped.
    pub fn inject(&self, fault: StoreFault) -> StoreGuard {
        let mut faults = lock(&self.faults);
        faults.next += 1;
        let number = faults.next;
        faults.installed.push(Installed { number, fault, met: 0, fired: 0 });
        StoreGuard { faults: Arc::clone(&self.faults), number }
    }

    fn check(&self) -> Result<(), AppendError> {
        let mut refused = false;
        for installed in &mut lock(&self.faults).installed {
            installed.met += 1;
            let hit = match installed.fault {
                StoreFault::FullAfter(count) => installed.met > count,
                StoreFault::FailNth(nth) => installed.met == nth,
            };
            installed.fired += u64::from(hit);
            refused |= hit;
        }
        if refused { Err(AppendError::Full) } else { Ok(()) }
    }
}

/// A fault that was installed in a store. Dropping it takes the fault away.
#[derive(Debug)]
#[must_use = "the fault is taken away when this is dropped"]
pub struct StoreGuard {
    faults: Arc<Mutex<Faults>>,
    number: u64,
}

impl StoreGuard {
    /// How often the fault has happened.
    #[must_use]
    pub fn fired(&self) -> u64 {
        let faults = lock(&self.faults);
        faults.installed.iter().find(|installed| installed.number == self.number).map_or(0, |it| it.fired)
    }
}

impl Drop for StoreGuard {
    fn drop(&mut self) {
        lock(&self.faults).installed.retain(|installed| installed.number != self.number);
    }
}

#[async_trait]
impl<S: ChainStore> ChainReader for FaultyStore<S> {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        self.inner.head(chain).await
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        self.inner.read(chain, range).await
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        self.inner.chains().await
    }
}

#[async_trait]
impl<S: ChainStore> ChainStore for FaultyStore<S> {
    fn create(&self, genesis: ChainEvent) -> Result<Head, AppendError> {
        self.check()?;
        self.inner.create(genesis)
    }

    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        self.check()?;
        self.inner.append(expected, event)
    }

    fn epoch(&self) -> u32 {
        self.inner.epoch()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn accepted(&self) -> Lsn {
        self.inner.accepted()
    }

    fn durable(&self) -> Result<Lsn, Poisoned> {
        self.inner.durable()
    }

    async fn until_durable(&self, lsn: Lsn) -> Result<(), Poisoned> {
        self.inner.until_durable(lsn).await
    }

    async fn ready(&self) -> Result<(), Poisoned> {
        self.inner.ready().await
    }

    fn tail(&self) -> Tail {
        self.inner.tail()
    }

    async fn prune(&self, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
        self.inner.prune(chain, before).await
    }

    async fn retire(&self, head: Head) -> Result<(), RetireError> {
        self.inner.retire(head).await
    }
}
