//! `theater chain show`: events, in the order in which they were recorded.

use std::io::{self, BufWriter, Write};

use super::line::Lines;
use super::{open, wanted};
use crate::args::ShowArgs;
use crate::cmd::written;
use crate::data::merge::{Direction, Merge};
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Prints the events.
pub(super) async fn show(args: &ShowArgs, whole: bool) -> Result<Exit, Failure> {
    let (archive, census, filter) = open(&args.filter, &args.data.folder).await?;
    let actors = census.select(&args.filter.actors)?;
    let extent = archive.extent();
    let direction = if args.reverse { Direction::NewestFirst } else { Direction::OldestFirst };
    let mut events = Merge::new(&archive, wanted(&archive, &actors, &filter).await?, direction)?;
    let mut lines = Lines::new(args.json, whole);
    lines.expect(&actors);
    let mut out = BufWriter::new(io::stdout().lock());
    let mut left = args.limit.unwrap_or(usize::MAX);
    while left > 0 {
        let Some((lsn, event)) = events.next()? else { break };
        if !filter.takes(&event.header) {
            continue;
        }
        left -= 1;
        if let Err(error) = out.write_all(lines.line(&census, extent, lsn, &event).as_bytes()) {
            return written(Err(error));
        }
    }
    written(out.flush())
}
