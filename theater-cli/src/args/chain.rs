//! The arguments of `theater chain` and `theater repair`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, Subcommand};

use super::DataArgs;
use crate::filter::{KindFilter, Moment, Positions};

/// What can be done with chains.
#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// List the actors whose chains are kept
    Ls(LsArgs),
    /// Print events, oldest first, in the order in which they were recorded
    Show(ShowArgs),
    /// Print the last events, and with --follow those that come
    Tail(TailArgs),
    /// Check everything in the data folder: files, chains, and that the chains agree with each other
    ///
    /// The last line of a good folder is `verified: <actors> actors, <events> events`. Otherwise every fault is named.
    Verify(VerifyFolderArgs),
    /// Write chains as JSON lines, which `theater verify` checks, or into a file of SQLite
    Export(ExportArgs),
    /// Add the chains of a file of JSON lines to a data folder that no app runs with
    ///
    /// The file is verified first. What the folder has already is not added again.
    Import(ImportArgs),
    /// Remove what old events say; their hashes stay, so that the chains verify
    ///
    /// What an app would need to go on stays.
    Prune(PruneArgs),
}

/// Which events.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct FilterArgs {
    /// Only of this actor: its id, its short id, its name, or the ids that lead to it; may be repeated
    #[arg(long = "actor", value_name = "ACTOR")]
    pub(crate) actors: Vec<String>,

    /// Only of this kind, or of all whose name begins so: theater/call, theater:simple/supervisor; may be repeated
    #[arg(long = "kind", value_name = "KIND")]
    pub(crate) kinds: Vec<KindFilter>,

    /// Only from then on: 2026-01-31T12:00:00Z, or how long ago, such as 10m
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,

    /// Only until then: 2026-01-31T12:00:00Z, or how long ago, such as 10m
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,

    /// Only at these positions of their chains: 5..10, 5.., ..10 (10 not included), or 7
    #[arg(long, value_name = "A..B")]
    pub(crate) seq: Option<Positions>,
}

/// The arguments of `theater chain ls`.
#[derive(Debug, ClapArgs)]
pub(crate) struct LsArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Children below their parents
    #[arg(long)]
    pub(crate) tree: bool,

    /// Print one JSON object per actor
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater chain show`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    /// The newest first
    #[arg(long)]
    pub(crate) reverse: bool,

    /// At most so many events
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,

    /// Print one JSON object per event
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater chain tail`.
#[derive(Debug, ClapArgs)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    /// How many events
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub(crate) lines: usize,

    /// Go on with the events that come, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Print one JSON object per event
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater chain verify`.
#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyFolderArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Print JSON objects: one for each fault, or one for a good folder
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater chain export`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) filter: FilterArgs,

    /// Write JSON lines to this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Write whole chains into a new file of SQLite instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "kinds", "since", "until", "seq"])]
    pub(crate) sqlite: Option<PathBuf>,
}

/// The arguments of `theater chain import`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    /// The file of JSON lines, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater chain prune`.
#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("what").required(true).multiple(true)))]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Only events that are older, such as 7d
    #[arg(long, value_name = "DURATION", group = "what", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Option<Duration>,

    /// Not the last N events of a chain
    #[arg(long, value_name = "N", group = "what")]
    pub(crate) keep_last: Option<u64>,

    /// Only of this actor; may be repeated
    #[arg(long = "actor", value_name = "ACTOR")]
    pub(crate) actors: Vec<String>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater repair`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Before the repair, write the sound events that it would lose to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) rest: Option<PathBuf>,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
