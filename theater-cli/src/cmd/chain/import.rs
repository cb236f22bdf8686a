//! `theater chain import`: the chains of an export, into a data folder that no app runs with.

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_chain::{Durability, ImportError, ImportReport, import as read_in};

use crate::args::ImportArgs;
use crate::cmd::written;
use crate::data::open::OpenStore;
use crate::data::{Holds, StoreKind, explain, look};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, json_line};
use crate::text::count;

/// Verifies the export, and adds what the folder does not have.
pub(super) async fn import(args: &ImportArgs) -> Result<Exit, Failure> {
    let name = args.file.display().to_string();
    let input = input(&args.file).with_context(|| format!("could not read {name}")).or_exit(Exit::Io)?;
    let kind = match look(&args.data.folder)? {
        Holds::Store(kind) => kind,
        Holds::Absent | Holds::Nothing => StoreKind::Log,
    };
    let store = OpenStore::open(&args.data.folder, kind, Durability::Full)?;
    let outcome = read_in(input, &*store.store()).await;
    let closed = store.close().await.context("could not close the data folder").or_exit(Exit::Io);
    let report = match outcome {
        Ok(report) => report,
        Err(error) => return Err(explained(&name, &args.data.folder, kind, error)),
    };
    closed?;
    let text = if args.json { json_line(&ImportObject::new(&report)) } else { text(&report) };
    written(output::data(&text))
}

/// The export is read twice. What comes from a pipe is kept in a file that nobody sees meanwhile.
fn input(path: &Path) -> io::Result<BufReader<File>> {
    let mut file = if path == Path::new("-") {
        let mut copy = unnamed()?;
        io::copy(&mut io::stdin().lock(), &mut copy)?;
        copy
    } else {
        File::open(path)?
    };
    file.seek(SeekFrom::Start(0))?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    Ok(BufReader::with_capacity(256 << 10, file))
}

/// A file without a name, which is gone with this process.
fn unnamed() -> io::Result<File> {
    tempfile::tempfile()
}

fn explained(name: &str, folder: &Path, kind: StoreKind, error: ImportError) -> Failure {
    let context = format!("could not import {name}");
    match error {
        ImportError::Export(error) => Failure::new(Exit::NotVerified, anyhow!(error).context(context)),
        ImportError::OtherContent { .. } | ImportError::Retired { .. } => {
            Failure::new(Exit::Refused, anyhow!(error).context(context))
        }
        ImportError::Read(theater_chain::ReadError::Damaged(damage)) => {
            explain::open(folder, kind, damage.into())
        }
        error => Failure::new(Exit::Io, anyhow!(error).context(context)),
    }
}

fn text(report: &ImportReport) -> String {
    format!(
        "verified: {} actors, {} events; {} of {} were not there and have been added\n",
        report.export.actors,
        report.export.events,
        count(report.events, "event", "events"),
        count(report.chains, "chain", "chains"),
    )
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct ImportObject {
    r#type: &'static str,
    actors: u64,
    events: u64,
    added_chains: u64,
    added_events: u64,
}

impl ImportObject {
    fn new(report: &ImportReport) -> Self {
        Self {
            r#type: "imported",
            actors: report.export.actors,
            events: report.export.events,
            added_chains: report.chains,
            added_events: report.events,
        }
    }
}
