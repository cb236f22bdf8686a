//! `theater chain verify`: whether everything in a data folder is what was recorded.

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_chain::{FolderDamage, FolderError, verify_folder};
use theater_core::{ActorId, ChainId};

use crate::args::VerifyFolderArgs;
use crate::cmd::written;
use crate::data::anchors::{self, ChainFault, Checked};
use crate::data::archive::Archive;
use crate::data::census::Census;
use crate::data::{StoreKind, existing, explain};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, json_line};
use crate::progress::{Progress, Unit};
use crate::text::{count, printable};

/// Verifies files, chains and anchors.
pub(super) async fn verify(args: &VerifyFolderArgs) -> Result<Exit, Failure> {
    let folder = args.data.folder.clone();
    // The files first: what is wrong with them says more than what is wrong with the events in them.
    if existing(&folder)? == StoreKind::Log {
        let damages = tokio::task::block_in_place(|| damages(&folder))?;
        if !damages.is_empty() {
            return bad(&damages.iter().map(FaultObject::from).collect::<Vec<_>>(), args.json);
        }
    }
    let archive = Archive::open(&folder)?;
    let last = archive.last().await?;
    let census = Census::take(&archive).await?;
    let mut all = 0;
    for actor in census.actors() {
        all += archive.length(actor.chain).await?;
    }
    let progress = Progress::begin("verifying chains", Unit::Events, all);
    let checked = tokio::task::block_in_place(|| anchors::check(&archive, &census, last, &progress));
    drop(progress);
    let checked = checked?;
    if checked.faults.is_empty() {
        good(&census, &checked, args.json)
    } else {
        bad(&checked.faults.iter().map(FaultObject::from).collect::<Vec<_>>(), args.json)
    }
}

/// What is wrong with the files.
fn damages(folder: &std::path::Path) -> Result<Vec<FolderDamage>, Failure> {
    let progress = Progress::begin("verifying files", Unit::Bytes, 0);
    match verify_folder(folder, |done, all| progress.set(done, all)) {
        Ok(_) => Ok(Vec::new()),
        Err(FolderError::Damaged { damages, .. }) => Ok(damages),
        Err(FolderError::Unreadable(error)) => Err(explain::open(folder, StoreKind::Log, error)),
        Err(other) => Err(anyhow!(other)).context("could not verify the data folder").or_exit(Exit::Data),
    }
}

fn good(census: &Census, checked: &Checked, json: bool) -> Result<Exit, Failure> {
    let actors = census.actors().len() as u64;
    let warnings: Vec<_> = checked
        .time_regressions
        .iter()
        .map(|(actor, times)| {
            let times = count(*times, "time", "times");
            format!("actor {actor}: the clock went back {times} while it ran; its times are not all in order")
        })
        .collect();
    if json {
        let object = VerifiedObject {
            r#type: "verified",
            actors,
            events: checked.events,
            anchors: checked.anchors,
            pruned: checked.pruned,
            retired: checked.retired,
            warnings: &warnings,
        };
        return written(output::data(&json_line(&object)));
    }
    for warning in &warnings {
        output::diagnostic(&format!("warning: {warning}"));
    }
    // The words do not change with the numbers: scripts compare this line.
    written(output::data(&format!("verified: {actors} actors, {} events\n", checked.events)))
}

fn bad(faults: &[FaultObject], json: bool) -> Result<Exit, Failure> {
    if json {
        written(output::data(&faults.iter().map(json_line).collect::<String>()))?;
        return Ok(Exit::NotVerified);
    }
    for fault in faults {
        output::diagnostic(&format!("error: {}", printable(&fault.text)));
    }
    output::diagnostic(&format!("not verified: {}", count(faults.len() as u64, "fault", "faults")));
    Ok(Exit::NotVerified)
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct VerifiedObject<'a> {
    r#type: &'static str,
    actors: u64,
    events: u64,
    anchors: u64,
    pruned: u64,
    retired: u64,
    warnings: &'a [String],
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct FaultObject {
    r#type: &'static str,
    file: Option<String>,
    offset: Option<u64>,
    actor: Option<ActorId>,
    chain: Option<ChainId>,
    seq: Option<u64>,
    text: String,
}

impl From<&FolderDamage> for FaultObject {
    fn from(found: &FolderDamage) -> Self {
        Self {
            r#type: "fault",
            file: Some(found.damage.file.clone()),
            offset: Some(found.damage.offset),
            actor: found.actor,
            chain: found.damage.chain,
            seq: None,
            text: found.to_string(),
        }
    }
}

impl From<&ChainFault> for FaultObject {
    fn from(fault: &ChainFault) -> Self {
        Self {
            r#type: "fault",
            file: None,
            offset: None,
            actor: Some(fault.actor),
            chain: None,
            seq: Some(fault.seq),
            text: format!("actor {}, event {}: {}", fault.actor, fault.seq, fault.text),
        }
    }
}
