//! `theater chain export`: chains as JSON lines, or in a file of SQLite.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use theater_chain::{ChainReader, Head, Lsn, ReadError, SqliteExportError, export_sqlite, jsonl};
use theater_core::{ChainEvent, ChainId, EventRange};

use super::{open, wanted};
use crate::args::ExportArgs;
use crate::chain_file::PendingFile;
use crate::data::archive::Archive;
use crate::data::census::{Actor, Census};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::filter::Filter;
use crate::output;
use crate::progress::{Progress, Unit};
use crate::text::count;

/// Events that are read at once.
const PAGE: u64 = 512;

/// Writes the chains, as far as they are durable.
pub(super) async fn export(args: &ExportArgs) -> Result<Exit, Failure> {
    let (archive, census, filter) = open(&args.filter, &args.data.folder).await?;
    // A beginning of the store's order: what one chain remembers of another is in it.
    let last = archive.extent().durable.min(archive.last().await?);
    let actors = census.select(&args.filter.actors)?;
    if let Some(path) = &args.sqlite {
        return sqlite(archive, &actors, last, path).await;
    }
    let chains = Chains { archive: &archive, census: &census, filter: &filter, last };
    let exported = match &args.out {
        Some(path) => {
            let context = || format!("could not write {}", path.display());
            let mut file = PendingFile::create(path).with_context(context).or_exit(Exit::Io)?;
            let exported = chains.write(&actors, &mut file).await?;
            file.commit().with_context(context).or_exit(Exit::Io)?;
            exported
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let exported = chains.write(&actors, &mut out).await?;
            match out.flush() {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::BrokenPipe),
                flushed => flushed.context("could not write to standard output").or_exit(Exit::Io)?,
            }
            exported
        }
    };
    let Some(exported) = exported else { return Ok(Exit::BrokenPipe) };
    tell(exported, args.out.as_deref());
    if !filter.takes_all() || !args.filter.actors.is_empty() {
        output::diagnostic("note: events were left out, so the export as a whole need not verify");
    }
    Ok(Exit::Success)
}

fn tell((actors, events): (u64, u64), path: Option<&Path>) {
    let to = path.map(|path| format!(" to {}", path.display())).unwrap_or_default();
    let (actors, events) = (count(actors, "actor", "actors"), count(events, "event", "events"));
    output::diagnostic(&format!("exported {actors}, {events}{to}"));
}

/// What is exported.
struct Chains<'a> {
    archive: &'a Archive,
    census: &'a Census,
    filter: &'a Filter,
    last: Lsn,
}

impl Chains<'_> {
    /// How many actors and events were written; `None` if whoever reads has had enough.
    async fn write(&self, actors: &[&Actor], mut out: impl Write) -> Result<Option<(u64, u64)>, Failure> {
        let chains = wanted(self.archive, actors, self.filter).await?;
        let all = chains.iter().map(|(_, range)| range.end - range.start).sum();
        let progress = Progress::begin("exporting", Unit::Events, all);
        let mut exported = (0, 0);
        for (chain, mut range) in chains {
            let Some(actor) = self.census.of(chain) else { continue };
            let before = exported.1;
            while !range.is_empty() {
                let limit = usize::try_from(PAGE.min(range.end - range.start)).unwrap_or(usize::MAX);
                let page = self.archive.read_places(chain, EventRange { from: range.start, limit })?;
                range.start += limit as u64;
                progress.add(limit as u64);
                let takes =
                    |(lsn, event): &&(Lsn, ChainEvent)| *lsn <= self.last && self.filter.takes(&event.header);
                let page: Vec<_> = page.iter().filter(takes).map(|(_, event)| event).collect();
                exported.1 += page.len() as u64;
                match jsonl::write_events(&mut out, actor.called.id, page) {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
                    written => written.context("could not write the export").or_exit(Exit::Io)?,
                }
            }
            exported.0 += u64::from(exported.1 > before);
        }
        Ok(Some(exported))
    }
}

async fn sqlite(archive: Archive, actors: &[&Actor], last: Lsn, path: &Path) -> Result<Exit, Failure> {
    let mut chains = Vec::new();
    for actor in actors {
        let mut length = archive.length(actor.chain).await?;
        // The last events may not be durable yet.
        while length > 0 {
            let at = archive.read_places(actor.chain, EventRange { from: length - 1, limit: 1 })?;
            if at.first().is_some_and(|(lsn, _)| *lsn <= last) {
                break;
            }
            length -= 1;
        }
        if length > 0 {
            chains.push((actor.chain, length));
        }
    }
    let selected = Selected { archive, chains };
    match export_sqlite(&selected, path).await {
        Ok(exported) => tell((exported.chains as u64, exported.events), Some(path)),
        Err(SqliteExportError::Read(error)) => return Err(selected.archive.failure(error)),
        Err(error) => return Err(Failure::new(Exit::Io, anyhow!(error))),
    }
    Ok(Exit::Success)
}

/// Some of the chains, each up to a position.
#[derive(Debug)]
struct Selected {
    archive: Archive,
    chains: Vec<(ChainId, u64)>,
}

#[async_trait]
impl ChainReader for Selected {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        let Some((_, length)) = self.chains.iter().find(|(id, _)| *id == chain) else { return Ok(None) };
        let last = self.archive.reader().read(chain, EventRange { from: length - 1, limit: 1 }).await?;
        Ok(last.first().map(Head::after))
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        let known = self.chains.iter().find(|(id, _)| *id == chain);
        let (_, length) = known.ok_or(ReadError::UnknownChain { chain })?;
        let within = range.within(usize::try_from(*length).unwrap_or(usize::MAX));
        let range = EventRange { from: within.start as u64, limit: within.len() };
        self.archive.reader().read(chain, range).await
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        Ok(self.chains.iter().map(|(chain, _)| *chain).collect())
    }
}
