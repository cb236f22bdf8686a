//! Reading the chains in a data folder, whether an app writes to them or not.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use theater_chain::{ChainReader, LogReader, Lsn, ReadError, SqliteReader, SqliteStore};
use theater_core::{ChainEvent, ChainId, EventRange};

use super::{StoreKind, existing, explain};
use crate::exit_code::Exit;
use crate::failure::Failure;

/// The chains in a data folder. Changes nothing.
#[derive(Debug)]
pub(crate) struct Archive {
    folder: PathBuf,
    kind: StoreKind,
    files: Files,
}

#[derive(Debug)]
enum Files {
    Log(LogReader),
    Sqlite(SqliteReader),
}

/// Which events are there, and which of them for sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Up to where events survive, as the running app says, or else the files.
    pub(crate) durable: Lsn,
    /// Whether an app runs with the folder.
    pub(crate) running: bool,
}

impl Extent {
    /// Whether an event may still be lost.
    pub(crate) fn is_pending(self, lsn: Lsn) -> bool {
        lsn > self.durable
    }
}

impl Archive {
    /// Opens what is there.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        let kind = existing(folder)?;
        let explain = |error| explain::open(folder, kind, error);
        let files = match kind {
            StoreKind::Sqlite => {
                Files::Sqlite(SqliteReader::open(folder.join(SqliteStore::FILE)).map_err(explain)?)
            }
            _ => Files::Log(LogReader::open(folder).map_err(explain)?),
        };
        Ok(Self { folder: folder.to_owned(), kind, files })
    }

    /// The chains, for whoever need not know where they are.
    pub(crate) fn reader(&self) -> &dyn ChainReader {
        match &self.files {
            Files::Log(reader) => reader,
            Files::Sqlite(reader) => reader,
        }
    }

    /// Looks again at what is there.
    pub(crate) fn refresh(&self) -> Result<(), Failure> {
        match &self.files {
            Files::Log(reader) => reader.refresh().map(drop).map_err(|error| self.failure(error)),
            // Every answer is of the moment in which it is asked.
            Files::Sqlite(_) => Ok(()),
        }
    }

    /// Events of a chain, each with its place in the store's order; none of a chain that has been retired meanwhile.
    pub(crate) fn read_places(
        &self,
        chain: ChainId,
        range: EventRange,
    ) -> Result<Vec<(Lsn, ChainEvent)>, Failure> {
        let read = match &self.files {
            Files::Log(reader) => reader.read_places(chain, range),
            Files::Sqlite(reader) => reader.read_places(chain, range),
        };
        match read {
            Err(ReadError::Retired { .. }) => Ok(Vec::new()),
            read => read.map_err(|error| self.failure(error)),
        }
    }

    /// All chains, in the order in which they were created.
    pub(crate) async fn chains(&self) -> Result<Vec<ChainId>, Failure> {
        self.reader().chains().await.map_err(|error| self.failure(error))
    }

    /// How many events a chain has.
    pub(crate) async fn length(&self, chain: ChainId) -> Result<u64, Failure> {
        let head = self.reader().head(chain).await.map_err(|error| self.failure(error))?;
        Ok(head.map_or(0, |head| head.length))
    }

    /// The last place that is there now: everything up to it can be read.
    pub(crate) async fn last(&self) -> Result<Lsn, Failure> {
        if let Files::Log(reader) = &self.files {
            return Ok(reader.summary().last);
        }
        let mut last = Lsn(0);
        for chain in self.chains().await? {
            let length = self.length(chain).await?;
            let range = EventRange { from: length.saturating_sub(1), limit: 1 };
            let found = self.read_places(chain, range)?;
            last = last.max(found.last().map_or(Lsn(0), |(lsn, _)| *lsn));
        }
        Ok(last)
    }

    /// How far events are durable: what the app says that runs with the folder, otherwise what the files say.
    pub(crate) fn extent(&self) -> Extent {
        let files = match &self.files {
            Files::Log(reader) => reader.durable(),
            // What can be read was committed.
            Files::Sqlite(_) => Lsn(u64::MAX),
        };
        match told(&self.folder) {
            Some(Some(durable)) => Extent { durable: durable.max(files), running: true },
            Some(None) => Extent { durable: files, running: true },
            None => Extent { durable: files, running: false },
        }
    }

    /// An error of reading, with what to do.
    pub(crate) fn failure(&self, error: ReadError) -> Failure {
        match error {
            ReadError::Damaged(damage) => explain::open(&self.folder, self.kind, damage.into()),
            error => {
                let context = format!("could not read the data folder {}", self.folder.display());
                Failure::new(Exit::Data, anyhow!(error).context(context))
            }
        }
    }
}

/// What the app says that runs with the folder: `None` if none does, or it does not say.
#[cfg(unix)]
fn told(folder: &Path) -> Option<Option<Lsn>> {
    use crate::control::client::Client;
    use crate::control::protocol::{Answer, Operation};

    let mut client = Client::connect(folder).ok()??;
    Some(match client.ask(Operation::Durable) {
        Ok(Ok(Answer::Durable(durable))) => Some(Lsn(durable.durable)),
        _ => None,
    })
}

#[cfg(not(unix))]
fn told(_: &Path) -> Option<Option<Lsn>> {
    None
}
