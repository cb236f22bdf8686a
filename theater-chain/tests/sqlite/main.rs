//! The store in SQLite over its whole life: starts, damage, other processes, readers, exports and SQL.

mod damage;
mod export;
mod process;
mod reader;
mod remove;
mod sql;
mod start;

use std::path::Path;

use theater_chain::{Chain, ChainReader, ChainStore, OpenError, SqliteOptions, SqliteStore};
use theater_core::{Bytes, ChainEvent, ChainId, EventKind, EventRange};

/// A chain with as many events, sealed in the first term.
fn chain(who: &str, length: u64) -> Vec<ChainEvent> {
    let (mut chain, genesis) = Chain::genesis(who.to_owned().into(), 1, 1_000);
    let rest = (1..length).map(|seq| {
        let later = &EventKind::ALL[1..];
        let kind = later[usize::try_from(seq).expect("few") % later.len()];
        // Some take pages of their own.
        let payload = Bytes::from(vec![seq as u8; if seq % 10 == 0 { 9_000 } else { 50 }]);
        chain.append(kind, payload, 1_000 + seq)
    });
    std::iter::once(genesis).chain(rest).collect()
}

/// Appends the events of these chains, in turns.
fn append(store: &dyn ChainStore, chains: &[Vec<ChainEvent>]) {
    let longest = chains.iter().map(Vec::len).max().unwrap_or(0);
    for seq in 0..longest {
        for chain in chains.iter().filter(|chain| seq < chain.len()) {
            let event = chain[seq].clone();
            let taken = match seq.checked_sub(1) {
                None => store.create(event),
                Some(before) => store.append(theater_chain::Head::after(&chain[before]), event),
            };
            taken.expect("it follows");
        }
    }
}

fn open(folder: &Path) -> Result<(SqliteStore, theater_chain::Recovery), OpenError> {
    SqliteStore::open(folder, SqliteOptions::default())
}

/// A folder with a store that has these chains and was closed.
fn closed(chains: &[Vec<ChainEvent>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room for files");
    let (store, _) = open(folder.path()).expect("it is empty");
    append(&store, chains);
    store.close().expect("there is room for events");
    folder
}

fn id(chain: &[ChainEvent]) -> ChainId {
    chain[0].header.chain_id
}

async fn all(reader: &dyn ChainReader, chain: ChainId) -> Vec<ChainEvent> {
    reader.read(chain, EventRange::ALL).await.expect("it is there as it was written")
}
