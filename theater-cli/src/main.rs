//! The `theater` command: runs, watches and verifies supervision trees of WebAssembly actors.
//!
//! `docs/cli.md` is its reference. Everything that can be decided without a terminal is decided in the libraries; this
//! crate reads arguments, prints, and gives exit codes.

mod app;
mod args;
mod cbor;
mod chain_file;
mod cmd;
mod control;
mod crash_report;
mod data;
mod decision;
mod engine;
mod exit_code;
mod export;
mod failure;
mod filter;
mod output;
mod progress;
mod render;
mod select;
mod signals;
mod sources;
mod style;
mod text;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Command};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};

fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr(args.verbose);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(args)));
    match outcome {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            output::diagnostic(&failure.report());
            failure.exit.into()
        }
        Err(_) => {
            // The panic hook has said where.
            output::diagnostic("error: this is a bug in theater; please report it with the lines above");
            Exit::Bug.into()
        }
    }
}

fn dispatch(args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Verify(args) => cmd::verify::verify(&args),
        Command::Check(check) => block_on(cmd::check::check(check)),
        Command::Run(run) => block_on(cmd::run::run(run, args.verbose)),
        #[cfg(unix)]
        Command::Status(status) => cmd::status::status(&status),
        #[cfg(unix)]
        Command::Send(message) => cmd::message::send(&message),
        #[cfg(unix)]
        Command::Request(message) => cmd::message::request(&message),
        #[cfg(not(unix))]
        Command::Status(_) | Command::Send(_) | Command::Request(_) => Err(Failure::new(
            Exit::NotRunning,
            anyhow::anyhow!("this system has no sockets that a running app could listen on"),
        )),
        Command::Chain(chain) => block_on(cmd::chain::chain(chain, args.verbose)),
        Command::Repair(args) => cmd::repair::repair(&args),
    }
}

fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().or_exit(Exit::NotStarted)?;
    let outcome = runtime.block_on(command);
    // A component that is being compiled, or a reader that does not read, must not delay the end.
    runtime.shutdown_background();
    outcome
}

/// Diagnostics of the libraries go to standard error: warnings, and more with `-v`. `RUST_LOG` decides where `-v` does
/// not.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => {
            "warn,theater=info,theater_core=info,theater_chain=info,theater_supervisor=info,theater_wasm=info"
        }
        2 => {
            "warn,theater=debug,theater_core=debug,theater_chain=debug,theater_supervisor=debug,theater_wasm=debug"
        }
        _ => "trace",
    };
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if verbose == 0 => EnvFilter::new(filter),
        _ => EnvFilter::new(level),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(style::wanted(&std::io::stderr()))
        .init();
}
