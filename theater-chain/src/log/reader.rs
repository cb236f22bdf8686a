//! Reading a log without opening it: without the lock, without changing anything, also while another process writes to it.
//!
//! - `grow` picks up what was appended since.
//! - `events` goes through all events in the store's order.

mod events;
mod grow;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use rustc_hash::FxHashMap;
use theater_core::{ChainEvent, ChainId, EventRange};

use super::load::{self, Loaded, Sidecar};
use super::open::{Cut, OpenError};
use super::state::{ChainPlaces, FOLDER, Place, Segment};
use super::{read, retired};
use crate::chain::Head;
use crate::segment::record::{self, Form};
use crate::segment::scan::Extent;
use crate::store::{ChainReader, Lsn, ReadError};
use crate::vfs::{RealVfs, Vfs};

pub use events::Events;
use grow::Growing;

/// What a [`LogReader`] has found so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSummary {
    /// Segments.
    pub segments: usize,
    /// Events.
    pub events: u64,
    /// Chains.
    pub chains: usize,
    /// The term of the process that wrote last; 0 if none has.
    pub epoch: u32,
    /// The last event's place.
    pub last: Lsn,
    /// Up to where the files say that events are durable. Those above are pending: their writer is about to make them so, or has
    /// ended before it could say that they are.
    pub durable: Lsn,
    /// Whether the log was closed. If not, a process is writing to it, or has just ended.
    pub closed: bool,
    /// What is behind the last record and is none: a torn end that the next opening cuts, or a record that a running process
    /// was writing when it was looked at.
    pub torn: Option<Cut>,
    /// Sidecars that are damaged. The next opening makes them again.
    pub damaged_sidecars: Vec<String>,
}

/// Reads a segmented log, and changes nothing. Cheap to clone; all clones see the same.
///
/// It needs no lock and disturbs nobody: another process may write to the log meanwhile. What that appends is seen after
/// [`refresh`](Self::refresh).
///
/// # Examples
/// ```
/// use theater_chain::{Chain, ChainReader, ChainStore, LogOptions, LogReader, Lsn, SegmentedStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let (store, _) = SegmentedStore::open(folder, LogOptions::default())?;
/// let reader = LogReader::open(folder)?;
/// assert_eq!(reader.summary().events, 0);
///
/// let (chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1_000);
/// store.create(genesis.clone())?;
/// store.until_durable(store.accepted()).await?;
///
/// assert_eq!(reader.refresh()?, 1);
/// assert_eq!(reader.head(chain.head().chain_id).await?, Some(chain.head()));
/// assert_eq!(reader.events(Lsn(1)).next().transpose()?, Some((Lsn(1), genesis)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogReader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    vfs: Arc<dyn Vfs>,
    view: RwLock<View>,
    /// Taken before the view where both are needed.
    growing: Mutex<Option<Growing>>,
}

/// What is known of a log.
#[derive(Debug)]
struct View {
    chains: FxHashMap<ChainId, ChainPlaces>,
    order: Vec<ChainId>,
    pieces: Vec<Piece>,
    events: u64,
    next_lsn: u64,
    durable: u64,
    closed: bool,
    torn: Option<Cut>,
    damaged_sidecars: Vec<String>,
}

/// One segment, and how far it has been read.
#[derive(Debug)]
struct Piece {
    segment: Arc<Segment>,
    end: usize,
}

impl Inner {
    /// Every change of the view is whole before the lock is given back.
    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogReader {
    /// Looks at the log in a data folder.
    ///
    /// # Errors
    /// [`NoLog`](OpenError::NoLog); [`Damaged`](OpenError::Damaged) if what was durable is not there as it was, as far as that shows
    /// without reading segments that have a sidecar. [`verify_folder`](crate::verify_folder) reads everything.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let folder = folder.as_ref();
        if !folder.join(FOLDER).is_dir() {
            return Err(OpenError::NoLog { folder: folder.display().to_string() });
        }
        Self::open_on(Arc::new(RealVfs::read_only(folder)))
    }

    /// Looks at a log on any disk.
    ///
    /// # Errors
    /// As [`open`](Self::open), but that a disk without a log has an empty one.
    pub fn open_on(vfs: Arc<dyn Vfs>) -> Result<Self, OpenError> {
        let loaded = load::load_live(&*vfs)?;
        let mut view = View {
            chains: FxHashMap::default(),
            order: Vec::new(),
            pieces: Vec::with_capacity(loaded.len()),
            events: 0,
            next_lsn: 1,
            durable: load::durable(&loaded),
            closed: loaded.last().is_none_or(|segment| segment.sidecar == Sidecar::Good),
            torn: loaded.last().and_then(|segment| segment.cut.clone()),
            damaged_sidecars: Vec::new(),
        };
        // Read after the segments: what they lack by then is in it.
        retired::add(&mut view.chains, &mut view.order, &retired::load_to_open(&*vfs)?);
        let mut growing = None;
        for loaded in loaded {
            let number = u32::try_from(view.pieces.len()).expect("there are fewer than 2^32 segments");
            load::add(&mut view.chains, &mut view.order, number, &loaded)?;
            let Loaded { name, header, index, file, sidecar, .. } = loaded;
            if sidecar == Sidecar::Damaged {
                view.damaged_sidecars.push(format!("{FOLDER}/{name}.idx"));
            }
            view.events += index.events;
            view.next_lsn = index.next_lsn;
            let end = usize::try_from(index.end).expect("a segment that was read is in memory");
            let extent = Extent {
                end,
                last_crc: index.last_crc,
                next_lsn: index.next_lsn,
                durable: index.durable,
                events: index.events,
                fault: None,
            };
            let segment = Arc::new(Segment { name, header, file: OnceLock::from(file) });
            growing = Some(Growing { segment: Arc::clone(&segment), extent });
            view.pieces.push(Piece { segment, end });
        }
        let inner = Inner { vfs, view: RwLock::new(view), growing: Mutex::new(growing) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Picks up what was appended since, new segments included; how many events.
    ///
    /// # Errors
    /// If what follows cannot be read, or does not follow what was there: what was seen before stays.
    pub fn refresh(&self) -> Result<u64, ReadError> {
        grow::refresh(&self.inner)
    }

    /// What was found so far.
    #[must_use]
    pub fn summary(&self) -> LogSummary {
        let view = self.inner.view();
        LogSummary {
            segments: view.pieces.len(),
            events: view.events,
            chains: view.order.len(),
            epoch: view.pieces.last().map_or(0, |piece| piece.segment.header.epoch),
            last: Lsn(view.next_lsn - 1),
            durable: Lsn(view.durable),
            closed: view.closed,
            torn: view.torn.clone(),
            damaged_sidecars: view.damaged_sidecars.clone(),
        }
    }

    /// Up to where the files say that events are durable; see [`LogSummary::durable`].
    #[must_use]
    pub fn durable(&self) -> Lsn {
        Lsn(self.inner.view().durable)
    }

    /// All events from a place of the store's order on, oldest first. After its end it goes on once a [`refresh`](Self::refresh) has
    /// found more.
    #[must_use]
    pub fn events(&self, from: Lsn) -> Events {
        Events::new(Arc::clone(&self.inner), from)
    }

    /// Events of a chain, oldest first, each with its place in the store's order.
    ///
    /// # Errors
    /// As [`ChainReader::read`].
    pub fn read_places(
        &self,
        chain: ChainId,
        range: EventRange,
    ) -> Result<Vec<(Lsn, ChainEvent)>, ReadError> {
        let places: Vec<(Place, Arc<Segment>)> = {
            let view = self.inner.view();
            let places = view.chains.get(&chain).ok_or(ReadError::UnknownChain { chain })?.read()?;
            let piece = |place: &Place| (*place, Arc::clone(&view.pieces[place.segment as usize].segment));
            places[range.within(places.len())].iter().map(piece).collect()
        };
        places.into_iter().map(|(place, segment)| self.event(chain, place, &segment)).collect()
    }

    fn event(&self, chain: ChainId, place: Place, segment: &Segment) -> Result<(Lsn, ChainEvent), ReadError> {
        let bytes = read::record_bytes(segment, place.slot)?;
        let (mut event, form) = read::decode(&segment.path(), chain, &bytes, place.slot)?;
        payload(&*self.inner.vfs, &mut event, form)?;
        // It has just been decoded, so there is a prefix.
        let lsn = record::prefix(&bytes).map_or(0, |prefix| prefix.lsn);
        Ok((Lsn(lsn), event))
    }
}

#[async_trait]
impl ChainReader for LogReader {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        Ok(self.inner.view().chains.get(&chain).map(|chain| chain.head))
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        Ok(self.read_places(chain, range)?.into_iter().map(|(_, event)| event).collect())
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        Ok(self.inner.view().order.clone())
    }
}

/// The payload of an event that was read, wherever it is.
fn payload(vfs: &dyn Vfs, event: &mut ChainEvent, form: Form) -> Result<(), ReadError> {
    if form == Form::Blob {
        event.payload = read::blob(vfs, event.header.chain_id, event.header.payload_hash)?;
    }
    Ok(())
}
