//! What a log gives back, compared with what was given to it.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use theater_chain::vfs::Vfs;
use theater_chain::{ChainReader, LogOptions, OpenError, ReadError, Recovery, SteppedStore, verify};
use theater_core::{ChainEvent, ChainId, EventHash, EventRange};
use theater_testkit::disk::SimDisk;

use crate::check::{Check, Checked};

/// Asks once. A log without threads answers reads at once.
pub(crate) fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// All chains of a log.
pub(crate) type Contents = HashMap<ChainId, Vec<ChainEvent>>;

pub(crate) fn contents(store: &SteppedStore) -> Result<Contents, ReadError> {
    let chains = once(store.chains()).expect("reading does not wait")?;
    let read = |chain| {
        once(store.read(chain, EventRange::ALL)).expect("reading does not wait").map(|events| (chain, events))
    };
    chains.into_iter().map(read).collect()
}

/// Opens what is on a disk as another process would.
pub(crate) fn look(disk: &SimDisk, options: &LogOptions) -> Result<(SteppedStore, Recovery), OpenError> {
    let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
    SteppedStore::open(vfs, options.clone())
}

/// How many events are there, all chains together.
pub(crate) fn count(contents: &Contents) -> usize {
    contents.values().map(Vec::len).sum()
}

/// Whether the contents are the first events that were taken, none of which a recovery has cut, in sound chains; how many.
pub(crate) fn compare<'a>(
    found: &Contents,
    taken: impl Iterator<Item = &'a ChainEvent>,
    cut: &HashSet<EventHash>,
) -> Checked<usize> {
    for events in found.values() {
        let ghost = events.iter().find(|event| cut.contains(&event.hash));
        Check::NoGhosts
            .holds(ghost.is_none(), || format!("an event that was cut is there again: {ghost:?}"))?;
    }
    let total = count(found);
    let mut expected = Contents::new();
    for event in taken.take(total) {
        expected.entry(event.header.chain_id).or_default().push(event.clone());
    }
    Check::Prefix.holds(*found == expected, || {
        let lens = |contents: &Contents| {
            let mut lens: Vec<_> =
                contents.iter().map(|(chain, events)| format!("{chain:.6} {}", events.len())).collect();
            lens.sort();
            lens.join(", ")
        };
        format!("found {} and not {}", lens(found), lens(&expected))
    })?;
    for events in found.values() {
        verify(events).map_err(|error| Check::Chains.broken(error.to_string()))?;
    }
    Ok(total)
}
