//! Opening the store that a run writes to, and closing it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use serde::Serialize;
use theater_chain::{
    ChainStore, Durability, LogOptions, MemoryStore, Poisoned, Recovery, SegmentedStore, SqliteOptions,
    SqliteStore,
};

use super::{Holds, StoreKind, explain, look, make, promise};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::text::count;

/// An open store.
#[derive(Debug)]
pub(crate) struct OpenStore {
    handle: Handle,
    /// Where it is; `None` in memory.
    folder: Option<PathBuf>,
    recovery: Option<Recovery>,
}

/// Who can close it.
#[derive(Debug, Clone)]
enum Handle {
    Log(Arc<SegmentedStore>),
    Sqlite(Arc<SqliteStore>),
    Memory(Arc<MemoryStore>),
}

impl OpenStore {
    /// A store that keeps nothing.
    pub(crate) fn in_memory() -> Self {
        Self { handle: Handle::Memory(Arc::new(MemoryStore::new())), folder: None, recovery: None }
    }

    /// Opens the store in a folder, which is made if it does not exist.
    pub(crate) fn open(folder: &Path, kind: StoreKind, durability: Durability) -> Result<Self, Failure> {
        match look(folder)? {
            Holds::Store(found) if found != kind => return Err(other_kind(folder, found, kind)),
            Holds::Absent => make(folder)?,
            _ => {}
        }
        let explain = |error| explain::open(folder, kind, error);
        let (handle, recovery) = match kind {
            StoreKind::Log => {
                let mut options = LogOptions::default();
                options.durability = durability;
                let (store, recovery) = SegmentedStore::open(folder, options).map_err(explain)?;
                (Handle::Log(Arc::new(store)), recovery)
            }
            StoreKind::Sqlite => {
                let mut options = SqliteOptions::default();
                options.durability = durability;
                let (store, recovery) = SqliteStore::open(folder, options).map_err(explain)?;
                (Handle::Sqlite(Arc::new(store)), recovery)
            }
            StoreKind::Memory => return Ok(Self::in_memory()),
        };
        Ok(Self { handle, folder: Some(folder.to_owned()), recovery: Some(recovery) })
    }

    /// The store as others use it.
    pub(crate) fn store(&self) -> Arc<dyn ChainStore> {
        match &self.handle {
            Handle::Log(store) => Arc::clone(store) as Arc<dyn ChainStore>,
            Handle::Sqlite(store) => Arc::clone(store) as Arc<dyn ChainStore>,
            Handle::Memory(store) => Arc::clone(store) as Arc<dyn ChainStore>,
        }
    }

    /// Where it is; `None` in memory.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// How it keeps chains.
    pub(crate) fn kind(&self) -> StoreKind {
        match self.handle {
            Handle::Log(_) => StoreKind::Log,
            Handle::Sqlite(_) => StoreKind::Sqlite,
            Handle::Memory(_) => StoreKind::Memory,
        }
    }

    /// Writes what waits and closes the store, off the threads that others wait for.
    pub(crate) async fn close(&self) -> Result<(), Poisoned> {
        let handle = self.handle.clone();
        let close = move || match &handle {
            Handle::Log(store) => store.close(),
            Handle::Sqlite(store) => store.close(),
            Handle::Memory(_) => Ok(()),
        };
        let panicked = |error: tokio::task::JoinError| {
            Poisoned::new("close", "the event store", &std::io::Error::other(error.to_string()))
        };
        tokio::task::spawn_blocking(close).await.unwrap_or_else(|error| Err(panicked(error)))
    }

    /// What there is to say of it at the start, for people.
    pub(crate) fn lines(&self) -> String {
        let durability = promise(self.store().durability());
        let Some(folder) = &self.folder else {
            return format!("data: none; store: memory; durability: {durability}");
        };
        let mut text =
            format!("data: {}; store: {}; durability: {durability}", folder.display(), self.kind().name());
        let Some(recovery) = self.recovery.as_ref().filter(|recovery| recovery.events > 0) else {
            return text;
        };
        text.push_str(&format!(
            "\nrecovered: {} of {}",
            count(recovery.events, "event", "events"),
            count(recovery.chains as u64, "chain", "chains")
        ));
        if !recovery.closed {
            text.push_str("; the process before did not close the store");
        }
        if let Some(cut) = &recovery.cut {
            text.push_str(&format!(
                "; cut off a torn end: {} of {}, from byte {} on ({}); nobody was told of it",
                count(cut.bytes, "byte", "bytes"),
                cut.file,
                cut.offset,
                cut.why
            ));
        }
        if !recovery.rebuilt.is_empty() {
            text.push_str(&format!("; made again what was damaged: {}", recovery.rebuilt.join(", ")));
        }
        text
    }

    /// The same for machines.
    pub(crate) fn object(&self) -> DataObject {
        let durability = self.store().durability();
        DataObject {
            r#type: "data",
            data: self.folder.as_ref().map(|folder| folder.display().to_string()),
            store: self.kind().name(),
            durability: durability.name(),
            durability_text: promise(durability),
            recovered: self.recovery.as_ref().map(RecoveredObject::from),
        }
    }
}

fn other_kind(folder: &Path, found: StoreKind, kind: StoreKind) -> Failure {
    let shown = folder.display();
    let error = anyhow!(
        "the data folder {shown} was written with the store `{}`, and not with `{}`: run with --store {}, or name another \
         folder with --data",
        found.name(),
        kind.name(),
        found.name()
    );
    Failure::new(Exit::Data, error)
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
pub(crate) struct DataObject {
    r#type: &'static str,
    data: Option<String>,
    store: &'static str,
    durability: &'static str,
    durability_text: &'static str,
    recovered: Option<RecoveredObject>,
}

#[derive(Debug, Serialize)]
struct RecoveredObject {
    events: u64,
    chains: usize,
    epoch: u32,
    closed: bool,
    cut: Option<CutObject>,
    rebuilt: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CutObject {
    file: String,
    offset: u64,
    bytes: u64,
    why: String,
}

impl From<&Recovery> for RecoveredObject {
    fn from(recovery: &Recovery) -> Self {
        Self {
            events: recovery.events,
            chains: recovery.chains,
            epoch: recovery.epoch,
            closed: recovery.closed,
            cut: recovery.cut.as_ref().map(|cut| CutObject {
                file: cut.file.clone(),
                offset: cut.offset,
                bytes: cut.bytes,
                why: cut.why.clone(),
            }),
            rebuilt: recovery.rebuilt.clone(),
        }
    }
}
