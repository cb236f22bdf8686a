//! The end of a run: its exit code, and what there is to say about it.

use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;
use theater_core::{ActorError, ExitReason};

use super::run::{Asked, Ended, NotBegun};
use crate::app::App;
use crate::args::RunArgs;
use crate::exit_code::Exit;
use crate::export::Tally;
use crate::failure::{Failure, one_line, report};
use crate::output::{self, ReasonObject};
use crate::render;
use crate::text::{self, count};

/// What was found on the chains, and whether they were written.
pub(super) struct Records {
    pub(super) tally: Result<Tally, Failure>,
    /// `None` where nobody asked for them.
    pub(super) written: Option<Result<(), Failure>>,
    /// Whether all of it is durable, and the store is closed.
    pub(super) kept: Result<(), Failure>,
}

/// What there is to say at the end.
pub(super) struct Outcome {
    ended: Result<ExitReason, anyhow::Error>,
    /// The code where the root did not come to run.
    not_begun: Exit,
    /// Frames of the guest that did not start.
    frames: Vec<String>,
    records: Records,
    seconds: f64,
}

impl Outcome {
    pub(super) fn new(app: &App, asked: &Asked, took: Duration, ended: Ended, records: Records) -> Self {
        let (mut frames, mut not_begun) = (Vec::new(), Exit::NotStarted);
        let ended = match ended {
            Ended::Root(reason) => Ok(reason),
            // Stopped before it ran: that is how a run ends that was told to.
            Ended::NotStarted(_) if asked.is_asked() => Ok(ExitReason::Stopped),
            Ended::NotStarted(error) => {
                if let NotBegun::Start(ActorError::StartFailed { reason }) = &*error {
                    frames = render::frames(reason, false);
                }
                not_begun = error.exit();
                Err(error.explain(app))
            }
            Ended::Abandoned => Err(anyhow!("left before the end")),
        };
        Self { ended, not_begun, frames, records, seconds: took.as_secs_f64() }
    }

    /// The code of the whole. A record that was asked for and is missing weighs more than how the run went.
    pub(super) fn exit(&self, asked: &Asked) -> Exit {
        if self.records.tally.is_err()
            || self.records.kept.is_err()
            || asked.store.is_some()
            || matches!(self.records.written, Some(Err(_)))
            || asked.output.is_some()
        {
            return Exit::Io;
        }
        asked.exit.unwrap_or(match &self.ended {
            Err(_) => self.not_begun,
            Ok(reason) if reason.is_clean() => Exit::Success,
            Ok(_) => Exit::RootFailed,
        })
    }

    /// The last object of `--json`.
    pub(super) fn object(&self, asked: &Asked) -> SummaryObject<'_> {
        let tally = self.records.tally.as_ref().ok();
        let data = match &self.ended {
            Ok(ExitReason::Completed { data: Some(data) }) => Some(data),
            _ => None,
        };
        let text = data.and_then(|data| std::str::from_utf8(data).ok());
        SummaryObject {
            r#type: "summary",
            exit_code: self.exit(asked).code(),
            reason: self.ended.as_ref().ok().map(ReasonObject::from),
            error: self.errors().next().map(one_line),
            actors: tally.map(|tally| tally.actors),
            lives: tally.map(|tally| tally.lives),
            restarts: tally.map(|tally| tally.restarts),
            events: tally.map(|tally| tally.events),
            seconds: self.seconds,
            result: text,
            result_hex: if text.is_none() { data.map(|data| text::hex(data)) } else { None },
        }
    }

    /// What went wrong with the run itself, the weightiest first.
    fn errors(&self) -> impl Iterator<Item = &anyhow::Error> {
        let failures = [
            self.records.kept.as_ref().err(),
            self.records.tally.as_ref().err(),
            self.records.written.as_ref().and_then(|written| written.as_ref().err()),
        ];
        self.ended
            .as_ref()
            .err()
            .into_iter()
            .chain(failures.into_iter().flatten().map(|failure| &failure.error))
    }

    /// The summary and everything that went wrong, for people: on standard error.
    pub(super) fn explain(&self, app: &App, args: &RunArgs, asked: &Asked) {
        if asked.exit == Some(Exit::BrokenPipe) && !matches!(self.records.written, Some(Err(_))) {
            return;
        }
        for error in self.errors() {
            output::diagnostic(&report(error));
        }
        for frame in &self.frames {
            output::diagnostic(&format!("    {frame}"));
        }
        if args.json {
            return;
        }
        if let Ok(reason) = &self.ended {
            output::diagnostic(&last_words(app, reason));
        }
        if let (Ok(_), Ok(tally)) = (&self.ended, &self.records.tally) {
            output::diagnostic(&format!(
                "{}, {} ({}), {} in {:.3} s",
                count(tally.actors, "actor", "actors"),
                count(tally.lives, "life", "lives"),
                count(tally.restarts, "restart", "restarts"),
                count(tally.events, "event", "events"),
                self.seconds,
            ));
        }
        if let (Some(path), Some(Ok(()))) = (&args.chain_out, &self.records.written) {
            let path = path.display();
            output::diagnostic(&format!("event chains: {path} (check them with: theater verify {path})"));
        }
    }
}

/// How the root actor ended, with the result that it gave.
fn last_words(app: &App, reason: &ExitReason) -> String {
    let app = app.path();
    let app = app.display();
    match reason {
        ExitReason::Completed { data: Some(data) } => format!("{app}: completed with\n{}", text::bytes(data)),
        reason if reason.is_clean() => format!("{app}: {reason}"),
        reason => format!("error: {app}: the root actor ended: {}", text::printable(&reason.to_string())),
    }
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
pub(super) struct SummaryObject<'a> {
    r#type: &'static str,
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    actors: Option<u64>,
    lives: Option<u64>,
    restarts: Option<u64>,
    events: Option<u64>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_hex: Option<String>,
}
