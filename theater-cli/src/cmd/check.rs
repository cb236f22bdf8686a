//! `theater check`: whether an app could be started.

mod digests;

use std::fmt::Write as _;

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_core::event::payload::Sources;
use theater_core::{ActorError, Shutdown};
use theater_wasm::{CheckedActor, WasmRuntime};

use crate::app::App;
use crate::args::CheckArgs;
use crate::decision;
use crate::engine::{NO_ENGINE, engine};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit, one_line};
use crate::output::{self, json_line};
use crate::text::{count, printable};

/// Checks the app's whole tree without starting anything of it.
pub(crate) async fn check(args: CheckArgs) -> Result<Exit, Failure> {
    let app = App::locate(&args.app, &args.sources);
    let outcome = match &app {
        Ok(app) => look(app).await,
        Err(error) => Err(anyhow!("{error:#}")),
    };
    let (exit, text) = match &outcome {
        Ok(actors) => {
            let problems = actors.iter().filter(|actor| actor.problem.is_some()).count();
            let exit = if problems == 0 { Exit::Success } else { Exit::NotStarted };
            if !args.json {
                tell_problems(actors);
            }
            let lines = if args.digests { digests::lines(actors) } else { String::new() };
            (exit, if args.json { json_line(&Report::new(actors)) } else { lines + &tree(actors, problems) })
        }
        Err(error) => {
            let report = Report { ok: false, actors: Vec::new(), error: Some(one_line(error)) };
            (Exit::NotStarted, if args.json { json_line(&report) } else { String::new() })
        }
    };
    output::data(&text).context("could not write to standard output").or_exit(Exit::Io)?;
    match outcome {
        Err(error) if !args.json => Err(Failure::new(exit, error)),
        _ => Ok(exit),
    }
}

async fn look(app: &App) -> anyhow::Result<Vec<CheckedActor>> {
    let engine = engine().context(NO_ENGINE)?;
    let runtime = WasmRuntime::builder(app.source()?).engine(engine).build().context(NO_ENGINE)?;
    runtime.check(app.reference()).await.map_err(|error| app.explain_check(error))
}

fn tell_problems(actors: &[CheckedActor]) {
    for actor in actors {
        let Some(problem) = &actor.problem else { continue };
        let problem = printable(&one_line(&anyhow::Error::new(problem.clone())));
        output::diagnostic(&format!("error: {}: {problem}", place(actor)));
    }
}

/// The ids on the way to an actor; the root's name for the root.
fn place(actor: &CheckedActor) -> String {
    match &actor.path[..] {
        [] => printable(&actor.manifest.name),
        path => printable(&path.join("/")),
    }
}

/// The tree, one line for each actor, and what comes of it.
fn tree(actors: &[CheckedActor], problems: usize) -> String {
    let mut text = String::new();
    let labels: Vec<_> = actors
        .iter()
        .map(|actor| {
            let id = actor.path.last().map_or(&*actor.manifest.name, |id| &**id);
            format!("{:indent$}{}", "", printable(id), indent = 2 * actor.path.len())
        })
        .collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).min(40);
    for (actor, label) in actors.iter().zip(labels) {
        let mark = if actor.problem.is_some() { "  (see above)" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label:width$}  {}{mark}", details(actor));
    }
    let all = count(actors.len() as u64, "actor", "actors");
    let _ = match problems {
        0 => writeln!(text, "ok: {all}"),
        problems => writeln!(text, "not ok: {} of {all} could not be started", problems),
    };
    text
}

fn details(actor: &CheckedActor) -> String {
    let mut parts = Vec::new();
    if let Some(spec) = actor.child_spec {
        parts.push(spec.restart.name().to_owned());
        if spec.significant {
            parts.push("significant".to_owned());
        }
        parts.push(match spec.shutdown {
            Shutdown::Kill => "killed at once".to_owned(),
            Shutdown::Infinity => "no limit to stop".to_owned(),
            Shutdown::After(time) => format!("{} to stop", humantime::format_duration(time)),
        });
    }
    let manifest = &actor.manifest;
    parts.push(match &manifest.component {
        Some(component) => printable(component.location()),
        None => "pure supervisor".to_owned(),
    });
    if manifest.supervises() {
        let spec = &manifest.supervision;
        parts.push(format!(
            "{}, {} within {}",
            decision::name(&spec.strategy),
            count(spec.intensity.into(), "restart", "restarts"),
            humantime::format_duration(spec.period)
        ));
    }
    parts.join("; ")
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    actors: Vec<Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Actor {
    path: Vec<String>,
    name: String,
    component: Option<String>,
    restart: Option<&'static str>,
    digests: Option<Sources>,
    problem: Option<String>,
}

impl Report {
    fn new(actors: &[CheckedActor]) -> Self {
        let line = |problem: &ActorError| one_line(&anyhow::Error::new(problem.clone()));
        let actors: Vec<_> = actors
            .iter()
            .map(|actor| Actor {
                path: actor.path.iter().map(ToString::to_string).collect(),
                name: actor.manifest.name.clone(),
                component: actor.manifest.component.as_ref().map(ToString::to_string),
                restart: actor.child_spec.map(|spec| spec.restart.name()),
                digests: actor.sources.clone(),
                problem: actor.problem.as_ref().map(line),
            })
            .collect();
        Self { ok: actors.iter().all(|actor| actor.problem.is_none()), actors, error: None }
    }
}
