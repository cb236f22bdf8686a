//! `theater chain tail`: the last events, and those that come.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use theater_chain::Lsn;
use theater_core::{ChainEvent, ChainId};

use super::line::Lines;
use super::{open, wanted};
use crate::args::TailArgs;
use crate::cmd::written;
use crate::data::archive::Archive;
use crate::data::census::Census;
use crate::data::merge::{Direction, Merge};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::filter::Filter;
use crate::signals::{Signal, Signals};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(150);

/// Prints the last events, and follows.
pub(super) async fn tail(args: &TailArgs, whole: bool) -> Result<Exit, Failure> {
    let (archive, mut census, filter) = open(&args.filter, &args.data.folder).await?;
    let mut tail = Tail {
        args,
        archive: &archive,
        filter,
        lines: Lines::new(args.json, whole),
        named: None,
        seen: HashMap::new(),
    };
    let last = tail.last(&census).await?;
    if let Err(error) = tail.print(&census, last) {
        return written(Err(error));
    }
    if !args.follow {
        return Ok(Exit::Success);
    }
    let mut signals = Signals::listen().context("could not listen for signals").or_exit(Exit::Io)?;
    loop {
        tokio::select! {
            // It was asked to go on until somebody has had enough.
            signal = signals.next() => return Ok(match signal {
                Signal::Interrupt => Exit::Success,
                Signal::Terminate => signal.exit(),
            }),
            () = tokio::time::sleep(PAUSE) => {}
        }
        archive.refresh()?;
        census.update(&archive).await?;
        let new = tail.newer(&census).await?;
        if let Err(error) = tail.print(&census, new) {
            return written(Err(error));
        }
    }
}

/// What has been printed, and how.
struct Tail<'a> {
    args: &'a TailArgs,
    archive: &'a Archive,
    filter: Filter,
    lines: Lines,
    /// The chains that were asked for; `None`: all, those that come too.
    named: Option<Vec<ChainId>>,
    /// How many events of each chain have been looked at.
    seen: HashMap<ChainId, u64>,
}

type Events = VecDeque<(Lsn, ChainEvent)>;

impl Tail<'_> {
    /// The last events, oldest first.
    async fn last(&mut self, census: &Census) -> Result<Events, Failure> {
        let actors = census.select(&self.args.filter.actors)?;
        let chains = wanted(self.archive, &actors, &self.filter).await?;
        self.lines.expect(&actors);
        if !self.args.filter.actors.is_empty() {
            self.named = Some(actors.iter().map(|actor| actor.chain).collect());
        }
        self.seen.extend(chains.iter().map(|(chain, range)| (*chain, range.end)));
        let mut merge = Merge::new(self.archive, chains, Direction::NewestFirst)?;
        let mut events = Events::new();
        while events.len() < self.args.lines
            && let Some((lsn, event)) = merge.next()?
        {
            if self.filter.takes(&event.header) {
                events.push_front((lsn, event));
            }
        }
        Ok(events)
    }

    /// The events that have come since.
    async fn newer(&mut self, census: &Census) -> Result<Events, Failure> {
        let actors: Vec<_> = match &self.named {
            Some(chains) => chains.iter().filter_map(|chain| census.of(*chain)).collect(),
            None => census.actors().iter().collect(),
        };
        let mut chains = wanted(self.archive, &actors, &self.filter).await?;
        for (chain, range) in &mut chains {
            let seen = self.seen.entry(*chain).or_insert(range.start);
            range.start = (*seen).max(range.start).min(range.end);
            *seen = range.end.max(*seen);
        }
        chains.retain(|(_, range)| !range.is_empty());
        let mut merge = Merge::new(self.archive, chains, Direction::OldestFirst)?;
        let mut events = Events::new();
        while let Some((lsn, event)) = merge.next()? {
            if self.filter.takes(&event.header) {
                events.push_back((lsn, event));
            }
        }
        Ok(events)
    }

    fn print(&mut self, census: &Census, events: Events) -> io::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let extent = self.archive.extent();
        let mut out = io::stdout().lock();
        for (lsn, event) in events {
            out.write_all(self.lines.line(census, extent, lsn, &event).as_bytes())?;
        }
        out.flush()
    }
}
