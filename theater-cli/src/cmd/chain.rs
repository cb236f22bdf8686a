//! `theater chain`: what is in a data folder, one file for each command.

mod export;
mod import;
mod line;
mod ls;
mod prune;
mod show;
mod tail;
mod verify;

use std::ops::Range;
use std::path::Path;

use theater_core::ChainId;

use crate::args::{ChainCommand, FilterArgs};
use crate::data::archive::Archive;
use crate::data::census::{Actor, Census};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::filter::Filter;

/// Performs the command.
pub(crate) async fn chain(command: ChainCommand, verbose: u8) -> Result<Exit, Failure> {
    match command {
        ChainCommand::Ls(args) => ls::ls(&args).await,
        ChainCommand::Show(args) => show::show(&args, verbose > 0).await,
        ChainCommand::Tail(args) => tail::tail(&args, verbose > 0).await,
        ChainCommand::Verify(args) => verify::verify(&args).await,
        ChainCommand::Export(args) => export::export(&args).await,
        ChainCommand::Import(args) => import::import(&args).await,
        ChainCommand::Prune(args) => prune::prune(&args).await,
    }
}

/// The chains that are wanted, with the positions of each that are worth reading.
async fn wanted(
    archive: &Archive,
    actors: &[&Actor],
    filter: &Filter,
) -> Result<Vec<(ChainId, Range<u64>)>, Failure> {
    let positions = filter.positions();
    let mut chains = Vec::with_capacity(actors.len());
    for actor in actors {
        let length = archive.length(actor.chain).await?;
        chains.push((actor.chain, positions.start.min(length)..positions.end.min(length)));
    }
    Ok(chains)
}

/// What all commands begin with that show events.
async fn open(args: &FilterArgs, folder: &Path) -> Result<(Archive, Census, Filter), Failure> {
    let archive = Archive::open(folder)?;
    let census = Census::take(&archive).await?;
    Ok((archive, census, Filter::from(args)))
}
