//! The arguments of `theater run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args as ClapArgs, ValueEnum};
use theater_chain::Durability;

use super::SourceArgs;
use crate::data::StoreKind;

/// The arguments of `theater run`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// The manifest of the root actor
    #[arg(value_name = "APP.toml")]
    pub(crate) app: PathBuf,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,

    /// Write the event chains of all actors of this run to this file when the tree has ended, as JSON lines
    ///
    /// The file is written also when the root actor crashed or when the run was interrupted. It takes its name when it
    /// is complete.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(regular_name))]
    pub(crate) chain_out: Option<PathBuf>,

    /// Where the event chains are kept [default: .theater beside APP.toml]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// How the event chains are kept
    #[arg(long, value_enum, default_value_t = StoreKind::Log)]
    pub(crate) store: StoreKind,

    /// What is kept for sure once it was told [default: what APP.toml says, or full]
    #[arg(long, value_enum)]
    pub(crate) durability: Option<DurabilityArg>,

    /// Start a new root actor, also where an earlier one could be gone on with
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Print one JSON object per line, and a summary as the last
    #[arg(long)]
    pub(crate) json: bool,

    /// How long the tree may take to stop before the rest of it is killed, such as 500ms or 1m
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) grace: Duration,
}

/// What can be asked of a store that keeps chains on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// What was told survives a loss of power
    Full,
    /// What was told survives the end of the process; a loss of power may take the last 100 ms
    Relaxed,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Self {
        match arg {
            DurabilityArg::Full => Self::Full,
            DurabilityArg::Relaxed => Self::Relaxed,
        }
    }
}

/// `-` would be taken for standard output elsewhere; here that has the lifecycle lines.
fn regular_name(name: PathBuf) -> Result<PathBuf, &'static str> {
    if name.as_os_str() == "-" {
        return Err("standard output has the lifecycle lines; give a file (./- for one of that name)");
    }
    Ok(name)
}
