//! Reading an export back into a store.

use std::collections::BTreeMap;
use std::io::{BufRead, Seek, SeekFrom};

use theater_core::{ChainEvent, ChainId, EventHash};

use crate::chain::Head;
use crate::export::{self, Export, ExportError, ExportErrorKind, ExportReport};
use crate::hash;
use crate::jsonl::Reader;
use crate::store::{AppendError, ChainStore, Poisoned, ReadError};

/// What an import has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportReport {
    /// What the export holds.
    pub export: ExportReport,
    /// Chains that the store did not have, or not all of.
    pub chains: u64,
    /// Events that it did not have.
    pub events: u64,
}

/// Why an export was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The export is not sound. The store was not changed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The store has a chain of this name that goes otherwise, or further. The store was not changed.
    #[error("line {line}: chain {chain} is in the store already, with other events")]
    OtherContent {
        /// Where the chain begins, counted from 1.
        line: u64,
        /// The chain.
        chain: ChainId,
    },
    /// The store has retired a chain of this name. The store was not changed.
    #[error("line {line}: chain {chain} was retired by the store, and does not come back")]
    Retired {
        /// Where the chain begins, counted from 1.
        line: u64,
        /// The chain.
        chain: ChainId,
    },
    /// The export is not what it was when it was verified: somebody writes to it. The events before this line are in the store.
    #[error("line {line}: the export has changed since it was verified")]
    Changed {
        /// The line, counted from 1.
        line: u64,
    },
    /// The store cannot be read. It was not changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store did not take an event. Those before it are there: importing the same export again goes on with it.
    #[error("line {line}: {source}")]
    Append {
        /// The event's line, counted from 1.
        line: u64,
        /// What the store says.
        source: AppendError,
    },
    /// The store has failed. Which events are there is not known.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// Reads an export into a store. The export is verified whole before the store is touched, and read a second time then: it is never in memory.
///
/// Chains that the store has are not written again. A chain that it has the beginning of, as an import leaves one that was ended early, is
/// completed. Nothing else may write to these chains meanwhile. When this returns `Ok`, everything is durable.
///
/// # Errors
/// See [`ImportError`]. Unless the store itself fails, either all of the export is there afterwards or nothing of it.
///
/// # Examples
/// ```
/// use theater_chain::{MemoryStore, import};
/// # use theater_chain::{Chain, jsonl::write_events};
/// # use theater_core::{ActorId, event::payload::{Genesis, encode}};
/// # let actor = ActorId::from_parts(1, [1; 10]);
/// # let genesis = Genesis { actor, nonce: [7; 32], name: "one".into(), component: String::new(), placement: None,
/// #     manifest: String::new(), parent: None, runtime: "test".into(), sources: None };
/// # let mut export = Vec::new();
/// # write_events(&mut export, actor, [&Chain::genesis(encode(&genesis), 1, 1).1])?;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// // A `BufReader` of a file will do as well.
/// let report = import(std::io::Cursor::new(&export), &store).await?;
/// assert_eq!((report.chains, report.events), (1, 1));
/// let again = import(std::io::Cursor::new(&export), &store).await?;
/// assert_eq!((again.chains, again.events), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn import(
    mut input: impl BufRead + Seek,
    store: &dyn ChainStore,
) -> Result<ImportReport, ImportError> {
    let unreadable = |error: std::io::Error| ExportError {
        line: 1,
        kind: ExportErrorKind::Line(crate::jsonl::LineError::Io(error)),
    };
    let start = input.stream_position().map_err(unreadable)?;
    let (export, report) = export::read(&mut input)?;
    let mut chains = compare(&export, store).await?;
    let (mut added, mut events) = (std::collections::BTreeSet::new(), 0);
    input.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    let mut reader = Reader::new(input);
    loop {
        let line = reader.line() + 1;
        let next = reader.next_event().map_err(|error| ExportError { line, kind: error.into() })?;
        let Some(exported) = next else { break };
        let event = exported.event;
        let chain = event.header.chain_id;
        let state = chains.get_mut(&chain);
        let state = state.filter(|state| state.verified(&event)).ok_or(ImportError::Changed { line })?;
        if event.header.seq < state.there {
            continue;
        }
        state.head = Some(
            append(store, state.head, event).await.map_err(|source| ImportError::Append { line, source })?,
        );
        added.insert(chain);
        events += 1;
    }
    store.until_durable(store.accepted()).await?;
    Ok(ImportReport { export: report, chains: added.len() as u64, events })
}

/// What a store has of a chain.
#[derive(Debug)]
struct Known<'a> {
    /// What was verified.
    hashes: &'a [EventHash],
    there: u64,
    head: Option<Head>,
}

impl Known<'_> {
    /// Whether this event is the one that was verified.
    fn verified(&self, event: &ChainEvent) -> bool {
        let header = &event.header;
        let known = usize::try_from(header.seq).ok().and_then(|seq| self.hashes.get(seq));
        let whole = event.is_pruned() || hash::payload_hash(&event.payload) == header.payload_hash;
        known == Some(&event.hash) && hash::event_hash(header) == event.hash && whole
    }
}

/// Compares the chains with what the store has of them.
async fn compare<'a>(
    export: &'a Export,
    store: &dyn ChainStore,
) -> Result<BTreeMap<ChainId, Known<'a>>, ImportError> {
    let mut known = BTreeMap::new();
    for (chain, line, hashes) in export.chains() {
        let head = store.head(chain).await?;
        if let Some(head) = head {
            if let Err(ReadError::Retired { .. }) =
                store.read(chain, theater_core::EventRange { from: 0, limit: 0 }).await
            {
                return Err(ImportError::Retired { line, chain });
            }
            if !begins(hashes, &head) {
                return Err(ImportError::OtherContent { line, chain });
            }
        }
        known.insert(chain, Known { hashes, there: head.map_or(0, |head| head.length), head });
    }
    Ok(known)
}

/// Whether what the store has is how the chain begins, or all of it.
fn begins(hashes: &[EventHash], head: &Head) -> bool {
    let last = head.length.checked_sub(1).and_then(|last| usize::try_from(last).ok());
    last.and_then(|last| hashes.get(last)) == Some(&head.hash)
}

async fn append(store: &dyn ChainStore, head: Option<Head>, event: ChainEvent) -> Result<Head, AppendError> {
    store.ready().await?;
    match head {
        Some(head) => store.append(head, event),
        None => store.create(event),
    }
}
