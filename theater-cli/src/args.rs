//! What the command line may say.

mod chain;
mod control;
mod run;
mod source;

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};

use crate::exit_code;

pub(crate) use chain::{
    ChainCommand, ExportArgs, FilterArgs, ImportArgs, LsArgs, PruneArgs, RepairArgs, ShowArgs, TailArgs,
    VerifyFolderArgs,
};
pub(crate) use control::{MessageArgs, StatusArgs};
pub(crate) use run::RunArgs;
pub(crate) use source::SourceArgs;

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

    /// Show how an app is that runs with a data folder: what it keeps and how far, and its actors
    #[command(after_help = exit_code::help())]
    Status(StatusArgs),

    /// Send a message to an actor of a running app
    ///
    /// Returns when the message is in the actor's mailbox, and that is durable.
    #[command(after_help = exit_code::help())]
    Send(MessageArgs),

    /// Ask an actor of a running app, and print its answer as it is
    ///
    /// The answer is printed when everything that led to it is durable.
    #[command(after_help = exit_code::help())]
    Request(MessageArgs),

    /// Look at the event chains in a data folder, of an app that runs or has ended
    #[command(subcommand, after_help = exit_code::help())]
    Chain(ChainCommand),

    /// Make a damaged data folder usable again, without deleting anything
    ///
    /// Keeps the longest sound beginning of what was recorded, and sets damaged files aside in the folder `damaged`. A torn end
    /// is no damage: `run` cuts it by itself.
    #[command(after_help = exit_code::help())]
    Repair(RepairArgs),
}

/// Where a command looks for chains.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct DataArgs {
    /// The data folder
    #[arg(long = "data", value_name = "DIR", default_value = ".theater")]
    pub(crate) folder: PathBuf,
}

/// The arguments of `theater check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// The manifest of the root actor
    #[arg(value_name = "APP.toml")]
    pub(crate) app: PathBuf,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,

    /// Print the lines that pin everything to what it is now, to paste into the manifests
    #[arg(long)]
    pub(crate) digests: bool,

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
