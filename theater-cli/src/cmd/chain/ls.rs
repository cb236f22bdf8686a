//! `theater chain ls`: whose chains are kept.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Serialize;
use theater_core::event::payload::{self, Exited, Started};
use theater_core::{ActorId, ChainEvent, ChainId, EventKind, EventRange, ExitReason, Incarnation};

use super::line::time;
use crate::args::LsArgs;
use crate::cmd::written;
use crate::data::archive::{Archive, Extent};
use crate::data::census::{Actor, Census};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::output::{self, ReasonObject, json_line, timestamp};
use crate::progress::{Progress, Unit};
use crate::text::{count, printable};

/// Events that are read at once.
const PAGE: usize = 512;

/// Prints the actors.
pub(super) async fn ls(args: &LsArgs) -> Result<Exit, Failure> {
    let archive = Archive::open(&args.data.folder)?;
    let census = Census::take(&archive).await?;
    let extent = archive.extent();
    let mut all = 0;
    for actor in census.actors() {
        all += archive.length(actor.chain).await?;
    }
    let progress = Progress::begin("reading", Unit::Events, all);
    let mut rows = Vec::with_capacity(census.actors().len());
    for actor in census.actors() {
        rows.push(Row::read(&archive, actor, extent, &progress)?);
    }
    drop(progress);
    let rows = if args.tree { as_tree(rows) } else { rows.into_iter().map(|row| (0, row)).collect() };
    let text = if args.json {
        rows.iter().map(|(_, row)| json_line(&row.object())).collect()
    } else {
        table(&rows, args.tree)
    };
    written(output::data(&text))
}

/// One actor.
struct Row<'a> {
    actor: &'a Actor,
    events: u64,
    bytes: u64,
    first: u64,
    last: u64,
    incarnation: Option<Incarnation>,
    status: Status,
}

/// Where an actor is, as far as its chain says.
enum Status {
    Running,
    /// Its life has no end on its chain, and no app runs: the process was killed.
    Interrupted,
    Ended(ExitReason),
    /// It has not come to run.
    NotStarted,
}

impl<'a> Row<'a> {
    fn read(
        archive: &Archive,
        actor: &'a Actor,
        extent: Extent,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        let mut row = Self {
            actor,
            events: 0,
            bytes: 0,
            first: 0,
            last: 0,
            incarnation: None,
            status: Status::NotStarted,
        };
        loop {
            let page = archive.read_places(actor.chain, EventRange { from: row.events, limit: PAGE })?;
            page.iter().for_each(|(_, event)| row.count(event));
            progress.add(page.len() as u64);
            if page.len() < PAGE {
                break;
            }
        }
        if matches!(row.status, Status::Running) && !extent.running {
            row.status = Status::Interrupted;
        }
        Ok(row)
    }

    fn count(&mut self, event: &ChainEvent) {
        if self.events == 0 {
            self.first = event.header.time;
        }
        self.last = event.header.time;
        self.events += 1;
        self.bytes += event.payload.len() as u64;
        match event.header.kind {
            EventKind::STARTED => {
                self.status = Status::Running;
                let started = payload::decode::<Started>(&event.payload);
                self.incarnation = started.ok().map(|started| started.incarnation);
            }
            EventKind::EXITED => {
                if let Ok(exited) = payload::decode::<Exited>(&event.payload) {
                    self.incarnation = Some(exited.incarnation);
                    self.status = Status::Ended(exited.reason);
                }
            }
            _ => {}
        }
    }

    fn status(&self) -> (&'static str, Option<&ExitReason>) {
        match &self.status {
            Status::Running => ("running", None),
            Status::Interrupted => ("interrupted", None),
            Status::Ended(reason) => ("ended", Some(reason)),
            Status::NotStarted => ("not-started", None),
        }
    }

    fn object(&self) -> RowObject<'_> {
        let (status, reason) = self.status();
        RowObject {
            r#type: "actor",
            actor: self.actor.called.id,
            name: &self.actor.called.name,
            path: self.actor.called.path(),
            parent: self.actor.parent,
            chain: self.actor.chain,
            events: self.events,
            bytes: self.bytes,
            first: timestamp(self.first),
            last: timestamp(self.last),
            incarnation: self.incarnation,
            status,
            reason: reason.map(ReasonObject::from),
        }
    }

    fn cells(&self, name: String) -> Vec<String> {
        let status = match self.status() {
            (status, Some(reason)) => format!("{status}: {}", printable(&reason.to_string())),
            (status, None) => status.to_owned(),
        };
        vec![
            name,
            self.actor.called.id.to_string(),
            self.events.to_string(),
            self.bytes.to_string(),
            time(self.first),
            time(self.last),
            status,
        ]
    }
}

/// Children below their parents, each with its level.
fn as_tree(rows: Vec<Row<'_>>) -> Vec<(usize, Row<'_>)> {
    let ids: std::collections::HashSet<_> = rows.iter().map(|row| row.actor.called.id).collect();
    let mut below: HashMap<Option<ActorId>, Vec<Row<'_>>> = HashMap::new();
    for row in rows {
        // A child whose parent's chain is not kept stands on its own.
        let parent = row.actor.parent.filter(|parent| ids.contains(parent));
        below.entry(parent).or_default().push(row);
    }
    let mut todo: Vec<_> =
        below.remove(&None).unwrap_or_default().into_iter().rev().map(|row| (0, row)).collect();
    let mut ordered = Vec::new();
    while let Some((level, row)) = todo.pop() {
        let children = below.remove(&Some(row.actor.called.id)).unwrap_or_default();
        todo.extend(children.into_iter().rev().map(|child| (level + 1, child)));
        ordered.push((level, row));
    }
    ordered
}

fn table(rows: &[(usize, Row<'_>)], tree: bool) -> String {
    let header = ["actor", "id", "events", "bytes", "first", "last", "status"].map(str::to_owned).to_vec();
    let name = |level: usize, row: &Row<'_>| {
        let called = &row.actor.called;
        let own = called.path.last().cloned().unwrap_or_default();
        if tree {
            format!("{:indent$}{}", "", printable(&own), indent = 2 * level)
        } else {
            printable(&called.path())
        }
    };
    let lines: Vec<_> =
        std::iter::once(header).chain(rows.iter().map(|(level, row)| row.cells(name(*level, row)))).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut shown = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            // Writing to a string cannot fail.
            let _ = match column {
                2 | 3 => write!(shown, "{cell:>width$}  "),
                _ => write!(shown, "{cell:<width$}  "),
            };
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    let events = rows.iter().map(|(_, row)| row.events).sum();
    text.push_str(&format!(
        "{}, {}\n",
        count(rows.len() as u64, "actor", "actors"),
        count(events, "event", "events")
    ));
    text
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct RowObject<'a> {
    r#type: &'static str,
    actor: ActorId,
    name: &'a str,
    path: String,
    parent: Option<ActorId>,
    chain: ChainId,
    events: u64,
    bytes: u64,
    first: String,
    last: String,
    incarnation: Option<Incarnation>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonObject>,
}
