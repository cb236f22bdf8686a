//! `theater repair`: make a damaged data folder usable again.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_chain::repair::{self, RepairError, RepairPlan, RepairStep, RestReport};
use theater_core::{ActorId, ChainId};

use crate::args::RepairArgs;
use crate::chain_file::PendingFile;
use crate::data::{StoreKind, existing, explain};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, json_line};
use crate::text::count;

/// Plans the repair, and does it unless only the plan is wanted.
pub(crate) fn repair(args: &RepairArgs) -> Result<Exit, Failure> {
    let folder = &args.data.folder;
    if existing(folder)? == StoreKind::Sqlite {
        let error = anyhow!(
            "{} was written with the store `sqlite`, which this command cannot repair; put a copy back, or see what SQLite \
             itself can save: sqlite3 chains.sqlite .recover",
            folder.display()
        );
        return Err(Failure::new(Exit::Data, error));
    }
    let plan = repair::plan(folder).map_err(|error| explained(folder, error))?;
    let rest = match &args.rest {
        Some(path) => Some(save_rest(folder, path)?),
        None => None,
    };
    let applied = !args.dry_run && !plan.steps.is_empty();
    if applied {
        repair::apply(folder, &plan).map_err(|error| explained(folder, error))?;
    }
    let text = if args.json {
        json_line(&RepairObject::new(&plan, applied, rest.as_ref()))
    } else {
        text(args, &plan, applied, rest.as_ref())
    };
    super::written(output::data(&text))
}

fn explained(folder: &Path, error: RepairError) -> Failure {
    match error {
        RepairError::Open(error) => explain::open(folder, StoreKind::Log, error),
        RepairError::Io { operation, file, source } => {
            let context = format!(
                "could not repair {}; what is left can be done by running it again",
                folder.display()
            );
            Failure::new(Exit::Io, explain::system(operation, Path::new(&file), source).context(context))
        }
        error => Failure::new(Exit::Data, anyhow!(error)),
    }
}

fn save_rest(folder: &Path, path: &Path) -> Result<RestReport, Failure> {
    let context = || format!("could not write {}", path.display());
    let mut file = PendingFile::create(path).with_context(context).or_exit(Exit::Io)?;
    let rest = repair::export_rest(folder, &mut file).map_err(|error| explained(folder, error))?;
    file.commit().with_context(context).or_exit(Exit::Io)?;
    Ok(rest)
}

fn text(args: &RepairArgs, plan: &RepairPlan, applied: bool, rest: Option<&RestReport>) -> String {
    if plan.damages.is_empty() {
        return "nothing is damaged: nothing to do\n".to_owned();
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for damage in &plan.damages {
        let _ = writeln!(text, "{damage}");
    }
    for step in &plan.steps {
        let _ = match step {
            RepairStep::Cut { file, len } => {
                writeln!(text, "{}: a copy is set aside, and all after byte {len} cut off", file)
            }
            RepairStep::Begin { file } => {
                writeln!(text, "{file}: begun without events, for the number of the store's term")
            }
            RepairStep::SetAside { file } => {
                writeln!(text, "{file}: set aside in the folder {}", repair::DAMAGED)
            }
            other => writeln!(text, "{other:?}"),
        };
    }
    for loss in &plan.losses {
        let of = match loss.actor {
            Some(actor) => format!("actor {actor}"),
            None => format!("chain {}", loss.chain),
        };
        let lost = count(loss.lost, "event", "events");
        let _ = writeln!(text, "{of}: {} kept, {lost} lost ({} of them sound)", loss.kept, loss.sound);
    }
    if let (Some(rest), Some(path)) = (rest, &args.rest) {
        let _ = writeln!(
            text,
            "{} behind the damage written to {}; {} without a known actor, {} unsound",
            count(rest.written, "sound event", "sound events"),
            path.display(),
            rest.nameless,
            rest.unsound
        );
    }
    let lost = count(plan.lost, "event", "events");
    let _ = if applied {
        writeln!(text, "repaired: events up to {} are kept, {lost} lost", plan.last)
    } else {
        writeln!(text, "nothing was changed; a repair keeps the events up to {} and loses {lost}", plan.last)
    };
    text
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct RepairObject {
    r#type: &'static str,
    repaired: bool,
    damages: Vec<String>,
    steps: Vec<StepObject>,
    last: u64,
    lost: u64,
    losses: Vec<LossObject>,
    rest: Option<RestObject>,
}

#[derive(Debug, Serialize)]
struct StepObject {
    step: &'static str,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    len: Option<u64>,
}

#[derive(Debug, Serialize)]
struct LossObject {
    actor: Option<ActorId>,
    chain: ChainId,
    kept: u64,
    lost: u64,
    sound: u64,
}

#[derive(Debug, Serialize)]
struct RestObject {
    written: u64,
    nameless: u64,
    unsound: u64,
}

impl RepairObject {
    fn new(plan: &RepairPlan, repaired: bool, rest: Option<&RestReport>) -> Self {
        let step = |step: &RepairStep| match step {
            RepairStep::Cut { file, len } => StepObject { step: "cut", file: file.clone(), len: Some(*len) },
            RepairStep::Begin { file } => StepObject { step: "begin", file: file.clone(), len: None },
            RepairStep::SetAside { file } => StepObject { step: "set-aside", file: file.clone(), len: None },
            other => StepObject { step: "unknown", file: format!("{other:?}"), len: None },
        };
        Self {
            r#type: "repair",
            repaired,
            damages: plan.damages.iter().map(ToString::to_string).collect(),
            steps: plan.steps.iter().map(step).collect(),
            last: plan.last.0,
            lost: plan.lost,
            losses: plan
                .losses
                .iter()
                .map(|loss| LossObject {
                    actor: loss.actor,
                    chain: loss.chain,
                    kept: loss.kept,
                    lost: loss.lost,
                    sound: loss.sound,
                })
                .collect(),
            rest: rest.map(|rest| RestObject {
                written: rest.written,
                nameless: rest.nameless,
                unsound: rest.unsound,
            }),
        }
    }
}
