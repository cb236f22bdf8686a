//! The data folder: what is in it, and opening it for a run.
//!
//! - `open` opens the store that a run writes to.
//! - `explain` turns what went wrong into what to do.
//! - `archive` reads the chains for all other commands, whether an app runs or not.

pub(crate) mod anchors;
pub(crate) mod archive;
pub(crate) mod census;
pub(crate) mod explain;
pub(crate) mod merge;
pub(crate) mod open;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use theater_chain::{Durability, SqliteStore};

use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};

/// The data folder of a manifest that names none, beside it.
pub(crate) const DEFAULT: &str = ".theater";

/// The folder of a log, in the data folder.
const LOG: &str = "log";

/// How chains are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// In a log of files
    Log,
    /// In a file of SQLite, which can be asked in SQL
    Sqlite,
    /// In memory: nothing is kept
    Memory,
}

impl StoreKind {
    /// The word for it on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Sqlite => "sqlite",
            Self::Memory => "memory",
        }
    }
}

/// What a durability means, for people.
pub(crate) fn promise(durability: Durability) -> &'static str {
    match durability {
        Durability::Memory => "memory: nothing is kept when the app ends",
        Durability::Relaxed => "relaxed: a loss of power may lose the last 100 ms",
        Durability::Full => "full: what was told survives a loss of power",
        _ => "of a later version",
    }
}

/// What a folder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// There is no such folder.
    Absent,
    /// No store has been there.
    Nothing,
    /// A store of this kind.
    Store(StoreKind),
}

/// Looks at a folder, and changes nothing.
pub(crate) fn look(folder: &Path) -> Result<Holds, Failure> {
    let metadata = match folder.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holds::Absent),
        Err(error) => {
            let context = format!("could not look at the data folder {}", folder.display());
            return Err(Failure::new(Exit::Data, anyhow!(error).context(context)));
        }
    };
    if !metadata.is_dir() {
        let error = anyhow!("{} is a file, and no data folder", folder.display());
        return Err(Failure::new(Exit::Data, error));
    }
    if folder.join(SqliteStore::FILE).exists() {
        return Ok(Holds::Store(StoreKind::Sqlite));
    }
    let log = folder.join(LOG);
    let entries = match log.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holds::Nothing),
        Err(error) => {
            let context = format!("could not look at {}", log.display());
            return Err(Failure::new(Exit::Data, anyhow!(error).context(context)));
        }
    };
    let segment =
        entries.flatten().any(|entry| Path::new(&entry.file_name()).extension() == Some("seg".as_ref()));
    Ok(if segment { Holds::Store(StoreKind::Log) } else { Holds::Nothing })
}

/// The kind of the store in a folder that has to have one.
pub(crate) fn existing(folder: &Path) -> Result<StoreKind, Failure> {
    let shown = folder.display();
    let missing = |text: String| Err(Failure::new(Exit::Data, anyhow!(text)));
    match look(folder)? {
        Holds::Store(kind) => Ok(kind),
        Holds::Absent => missing(format!(
            "there is no data folder {shown}; `theater run` makes one beside its manifest, name it with --data"
        )),
        Holds::Nothing => {
            missing(format!("{shown} is no data folder, or nothing has been recorded in it yet"))
        }
    }
}

/// Where a run keeps its chains.
pub(crate) fn of_run(data: Option<&Path>, manifest: &Path) -> PathBuf {
    match (data, manifest.parent()) {
        (Some(data), _) => data.to_owned(),
        (None, Some(beside)) => beside.join(DEFAULT),
        (None, None) => PathBuf::from(DEFAULT),
    }
}

/// Makes the folder, so that what is wrong with it shows before anything else is done.
pub(crate) fn make(folder: &Path) -> Result<(), Failure> {
    theater_chain::vfs::RealVfs::new(folder)
        .map(drop)
        .map_err(|error| explain::system("make the data folder", folder, error))
        .with_context(|| format!("could not use the data folder {}", folder.display()))
        .or_exit(Exit::Data)
}
