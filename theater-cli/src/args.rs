//! What the command line may say.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};

use crate::exit_code;

/// Runs, watches and verifies supervision trees of WebAssembly actors.
#[derive(Debug, Parser)]
#[command(name = "theater", version, after_help = exit_code::help(), max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say more: whole stacks of guests, and on standard error information, debugging (-vv) or everything (-vvv)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start an app and show what happens in its tree until it ends
    ///
    /// Starts the actor of the manifest as the root of a tree and prints a line for each start, crash, restart, stop and log
    /// message, and for each decision of a supervisor. It ends when the root actor ends. Ctrl-C or SIGTERM stops the tree:
    /// children first, the latest started first, each within its grace. A second Ctrl-C kills what is left, a
    /// third gives up waiting.
    ///
    /// The lines go to standard output, everything else to standard error.
    #[command(after_help = exit_code::help())]
    Run(RunArgs),

    /// Check whether an app could be started, without starting it
    ///
    /// Reads the whole tree that the manifest declares and checks all of it: manifests and the rules about them, components
    /// with their imports and exports, initial states. Prints the tree; its last line is `ok: <n> actors`. What is wrong
    /// is told on standard error, with file and line where one can be named.
    #[command(after_help = exit_code::help())]
    Check(CheckArgs),

    /// Check a file of event chains that `run --chain-out` wrote
    ///
    /// Needs nothing but the file: it recomputes every hash and checks that each chain is whole and that the chains agree
    /// with what their parents' chains say about them. The last line of a good file is
    /// `verified: <actors> actors, <events> events`. Otherwise the first bad event is named.
    #[command(after_help = exit_code::help())]
    Verify(VerifyArgs),
}

/// The arguments of `theater run`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// The manifest of the root actor
    #[arg(value_name = "APP.toml")]
    pub(crate) app: PathBuf,

    /// The folder that manifests and components may come from, APP.toml included [default: its folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,

    /// Write the event chains of all actors to this file when the tree has ended, as JSON lines
    ///
    /// The file is written also when the root actor crashed or when the run was interrupted. It takes its name when it
    /// is complete.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(regular_name))]
    pub(crate) chain_out: Option<PathBuf>,

    /// Print one JSON object per line, and a summary as the last
    #[arg(long)]
    pub(crate) json: bool,

    /// How long the tree may take to stop before the rest of it is killed, such as 500ms or 1m
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) grace: Duration,
}

/// The arguments of `theater check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// The manifest of the root actor
    #[arg(value_name = "APP.toml")]
    pub(crate) app: PathBuf,

    /// The folder that manifests and components may come from, APP.toml included [default: its folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,

    /// Print one JSON object with the outcome
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `theater verify`.
#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// The file, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Print one JSON object with the outcome
    #[arg(long)]
    pub(crate) json: bool,
}

/// `-` would be taken for standard output elsewhere; here that has the lifecycle lines.
fn regular_name(name: PathBuf) -> Result<PathBuf, &'static str> {
    if name.as_os_str() == "-" {
        return Err("standard output has the lifecycle lines; give a file (./- for one of that name)");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn standard_output_is_no_place_for_chains() {
        assert!(Args::try_parse_from(["theater", "run", "a.toml", "--chain-out", "-"]).is_err());
        assert!(Args::try_parse_from(["theater", "run", "a.toml", "--chain-out", "./-"]).is_ok());
    }
}
