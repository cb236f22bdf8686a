//! The stores, and what they answer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use theater_chain::{
    AppendError, ChainStore, Durability, Head, LogOptions, Lsn, MemoryStore, PruneError, PruneReport,
    ReadError, RetireError, SegmentedStore, SqliteOptions, SqliteStore, SteppedStore, Tail, Tailed,
};
use theater_core::{ChainEvent, ChainId, EventRange};
use theater_testkit::disk::SimDisk;

use super::operation::Deed;

/// How long a store may take to tell a follower what it has taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a store answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// To each event; and the place of the last that was taken.
    Taken(Vec<Result<Head, AppendError>>, Lsn),
    Events(Result<Vec<ChainEvent>, ReadError>),
    Head(Result<Option<Head>, ReadError>),
    Chains(Result<Vec<ChainId>, ReadError>),
    Durable(Lsn),
    /// How many terms there were; what went.
    Pruned(u32, Result<PruneReport, PruneError>),
    Retired(Result<(), RetireError>),
    /// How many terms there were.
    Reopened(u32),
    Heard(Vec<Tailed>),
    Everything(Vec<(ChainId, Option<Head>, Vec<ChainEvent>)>),
    Done,
}

/// Short enough to see where two differ.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events(Ok(events)) => f.write_str(&events.iter().map(brief).collect::<String>()),
            Self::Heard(told) => told.iter().try_for_each(|told| match told {
                Tailed::Event(lsn, event) => write!(f, "{lsn}:{}", brief(event)),
                other => write!(f, "{other:?} "),
            }),
            Self::Everything(chains) => chains.iter().try_for_each(|(chain, head, events)| {
                writeln!(f, "{chain}, {head:?}: {}", events.iter().map(brief).collect::<String>())
            }),
            other => write!(f, "{other:?}"),
        }
    }
}

fn brief(event: &ChainEvent) -> String {
    let hash = event.hash.to_string();
    format!("#{} {} ({} bytes) ", event.header.seq, &hash[..8], event.payload.len())
}

enum Store {
    Memory(MemoryStore),
    Segmented(SegmentedStore, SimDisk),
    Stepped(SteppedStore, SimDisk),
    Sqlite(SqliteStore, PathBuf, Durability),
    /// While it is opened again.
    Closed,
}

pub(super) struct Subject {
    name: &'static str,
    store: Store,
    terms: u32,
    /// Where it is followed from, and the follower.
    tail: Option<(Tail, Lsn)>,
}

/// So small that everything is in many segments.
fn log_options() -> LogOptions {
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (512, 8 << 10);
    options
}

fn sqlite(folder: &Path, durability: Durability) -> SqliteStore {
    let mut options = SqliteOptions::default();
    options.durability = durability;
    SqliteStore::open(folder, options).expect("what was closed in order can be opened").0
}

fn segmented(disk: &SimDisk) -> SegmentedStore {
    SegmentedStore::open_on(Arc::new(disk.clone()), log_options())
        .expect("what was closed in order can be opened")
        .0
}

fn stepped(disk: &SimDisk) -> SteppedStore {
    SteppedStore::open(Arc::new(disk.clone()), log_options())
        .expect("what was closed in order can be opened")
        .0
}

impl Subject {
    /// All stores there are, empty; SQLite's in this folder. The one in memory comes first.
    pub(super) fn all(folder: PathBuf, durability: Durability) -> Vec<Self> {
        let disks = [SimDisk::new(), SimDisk::new()];
        let stores = [
            ("memory", Store::Memory(MemoryStore::new())),
            ("segmented", Store::Segmented(segmented(&disks[0]), disks[0].clone())),
            ("stepped", Store::Stepped(stepped(&disks[1]), disks[1].clone())),
            ("sqlite", Store::Sqlite(sqlite(&folder, durability), folder, durability)),
        ];
        stores.map(|(name, store)| Self { name, store, terms: 1, tail: None }).into()
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn store(&self) -> &dyn ChainStore {
        match &self.store {
            Store::Memory(store) => store,
            Store::Segmented(store, _) => store,
            Store::Stepped(store, _) => store,
            Store::Sqlite(store, ..) => store,
            Store::Closed => unreachable!("it is opened again before anything else is done"),
        }
    }

    /// Does one thing.
    ///
    /// # Errors
    /// If the store cannot do it at all.
    pub(super) async fn perform(&mut self, deed: &Deed) -> Result<Answer, String> {
        let store = self.store();
        Ok(match deed {
            Deed::Create(genesis) => Answer::Taken(vec![store.create(genesis.clone())], store.accepted()),
            Deed::Append(head, events) => {
                let heads = std::iter::once(*head).chain(events.iter().map(Head::after));
                let answers = heads.zip(events).map(|(head, event)| store.append(head, event.clone()));
                Answer::Taken(answers.collect(), store.accepted())
            }
            Deed::Read(chain, range) => Answer::Events(store.read(*chain, *range).await),
            Deed::Head(chain) => Answer::Head(store.head(*chain).await),
            Deed::Chains => Answer::Chains(store.chains().await),
            Deed::UntilDurable => {
                let lsn = store.accepted();
                if let Store::Stepped(store, _) = &mut self.store {
                    while store.step() {}
                }
                self.store().until_durable(lsn).await.map_err(|error| error.to_string())?;
                Answer::Durable(self.store().durable().map_err(|error| error.to_string())?)
            }
            Deed::Prune(chain, before) => {
                let terms = self.reopen()?;
                Answer::Pruned(terms, self.store().prune(*chain, *before).await)
            }
            Deed::Retire(head) => Answer::Retired(store.retire(*head).await),
            Deed::Reopen => Answer::Reopened(self.reopen()?),
            Deed::Follow => {
                self.tail = Some((store.tail(), store.accepted()));
                Answer::Done
            }
            Deed::Hear => self.hear().await?,
            Deed::Everything => self.everything().await?,
        })
    }

    /// How many terms there were since.
    fn reopen(&mut self) -> Result<u32, String> {
        // Who followed the store that is closed has heard its last event.
        self.tail = None;
        self.terms += 1;
        let closed = |error: theater_chain::Poisoned| error.to_string();
        self.store = match std::mem::replace(&mut self.store, Store::Closed) {
            Store::Segmented(store, disk) => {
                store.close().map_err(closed)?;
                Store::Segmented(segmented(&disk), disk)
            }
            Store::Stepped(store, disk) => {
                store.close().map_err(closed)?;
                Store::Stepped(stepped(&disk), disk)
            }
            Store::Sqlite(store, folder, durability) => {
                store.close().map_err(closed)?;
                // Closed it still keeps others out.
                drop(store);
                Store::Sqlite(sqlite(&folder, durability), folder, durability)
            }
            memory => memory,
        };
        // In memory there is one term, and nothing to open.
        let kept = !matches!(self.store, Store::Memory(_));
        Ok(if kept { self.store().epoch() } else { self.terms })
    }

    async fn hear(&mut self) -> Result<Answer, String> {
        let last = self.store().accepted();
        let Some((tail, heard)) = &mut self.tail else { return Ok(Answer::Done) };
        let mut told = Vec::new();
        while *heard < last {
            let next = tokio::time::timeout(PATIENCE, tail.next()).await;
            let next = next.map_err(|_| format!("a follower is not told of event {}", heard.0 + 1))?;
            told.push(next.ok_or("a follower is told that the store is gone")?);
            heard.0 += 1;
        }
        Ok(Answer::Heard(told))
    }

    async fn everything(&self) -> Result<Answer, String> {
        let store = self.store();
        let mut everything = Vec::new();
        for chain in store.chains().await.map_err(|error| error.to_string())? {
            let head = store.head(chain).await.map_err(|error| error.to_string())?;
            let events = store.read(chain, EventRange::ALL).await.map_err(|error| error.to_string())?;
            everything.push((chain, head, events));
        }
        Ok(Answer::Everything(everything))
    }
}
