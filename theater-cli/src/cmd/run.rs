//! `theater run`: start an app, show what happens, end it well.
//!
//! - `begin` goes on with the tree that there was, or starts a new one.
//! - `setup` opens the data folder, and makes the runtime over it.
//! - `records` reads what was recorded when the tree has ended, and closes the store.

mod begin;
mod records;
mod setup;

use std::collections::HashSet;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use theater_chain::Poisoned;
use theater_core::{ActorError, ActorRuntime, ChainId, ExitReason};
use theater_wasm::WasmRuntime;

use crate::app::App;
use crate::args::RunArgs;
use crate::chain_file::PendingFile;
use crate::control::server::{Control, Server};
use crate::data::open::OpenStore;
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, Format, Printer, Trouble};
use crate::render::Renderer;
use crate::signals::{Signal, Signals};
use crate::style;

use super::summary::Outcome;
pub(super) use begin::NotBegun;

/// Runs the app until its root actor has ended.
pub(crate) async fn run(args: RunArgs, verbose: u8) -> Result<Exit, Failure> {
    setup::check(&args)?;
    let app = App::locate(&args.app, &args.sources).or_exit(Exit::NotStarted)?;
    if let Some(path) = &args.chain_out {
        // Better now than after an hour's run.
        PendingFile::probe(path).with_context(|| cannot_write(path)).or_exit(Exit::Io)?;
    }
    // From here on the tree is ended before the process is.
    let mut signals = Signals::listen().context("could not listen for signals").or_exit(Exit::NotStarted)?;
    let data = tokio::select! {
        data = setup::store(&app, &args) => data?,
        // What is read or repaired there can take long. To leave in the middle of it does as little harm as a loss of power.
        signal = signals.next() => return Ok(signal.exit()),
    };
    let runtime = setup::runtime(&app, &args, &data)?;
    match setup::tell(&data, args.json) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Exit::BrokenPipe),
        told => told.context("could not write to standard output").or_exit(Exit::Io)?,
    }
    let before = setup::chains(&data).await?;
    let control = Control::new(&app, &data, runtime.clone());
    // Without it the app can run as well.
    let server = Server::start(&data, &control).unwrap_or_else(|warning| {
        output::diagnostic(&format!("warning: {warning}"));
        None
    });
    let format = if args.json {
        Format::Json
    } else {
        Format::Human(Renderer::new(now(), style::wanted(&std::io::stdout()), verbose > 0))
    };
    let printer = Printer::start(runtime.clone(), format)
        .context("could not start a thread")
        .or_exit(Exit::NotStarted)?;
    let begun = Instant::now();
    let asked = Asked::default();
    Run { app, args, data, runtime, signals, printer, control, server, before, begun, asked }.finish().await
}

/// The system's clock, in nanoseconds since the Unix epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

fn cannot_write(path: &Path) -> String {
    format!("could not write the event chains to {}", path.display())
}

/// A run in progress.
struct Run {
    app: App,
    args: RunArgs,
    data: OpenStore,
    runtime: WasmRuntime,
    signals: Signals,
    printer: Printer,
    control: Control,
    server: Option<Server>,
    /// Chains from before this run.
    before: HashSet<ChainId>,
    begun: Instant,
    asked: Asked,
}

/// Who has asked the run to end.
#[derive(Debug, Default)]
pub(super) struct Asked {
    signals: u32,
    /// The code of the first who asked.
    pub(super) exit: Option<Exit>,
    /// What went wrong with standard output, unless its reader just went away.
    pub(super) output: Option<std::io::Error>,
    /// What went wrong with the event store.
    pub(super) store: Option<Poisoned>,
    /// Somebody asked over the control socket.
    pub(super) control: bool,
}

/// How the tree ended.
pub(super) enum Ended {
    /// The root actor ran, and ended.
    Root(ExitReason),
    /// It did not come to run.
    NotStarted(Box<NotBegun>),
    /// Somebody did not want to wait any longer.
    Abandoned,
}

impl Run {
    async fn finish(mut self) -> Result<Exit, Failure> {
        let ended = self.live().await;
        // Whoever asks now comes too late.
        drop(self.server.take());
        if let Ended::Abandoned = ended {
            return Ok(self.abandon().await);
        }
        let records = tokio::select! {
            records = records::settle(&self.data, &self.before, self.control.root(), self.args.chain_out.as_deref()) => records,
            // A disk that is full may keep us waiting.
            signal = self.signals.next() => {
                self.asked.exit.get_or_insert(signal.exit());
                return Ok(self.abandon().await);
            }
        };
        let outcome = Outcome::new(&self.app, &self.asked, self.begun.elapsed(), ended, records);
        let last =
            if self.args.json { output::json_line(&outcome.object(&self.asked)) } else { String::new() };
        tokio::select! {
            printed = self.printer.finish(&last) => {
                if let Err(error) = printed {
                    self.asked.broken(error);
                }
            }
            // Whoever reads does not read, and the user does not wait.
            signal = self.signals.next() => return Ok(self.asked.exit.unwrap_or(signal.exit())),
        }
        outcome.explain(&self.app, &self.args, &self.asked);
        let exit = outcome.exit(&self.asked);
        match self.asked.output.take() {
            Some(error) => {
                Err(Failure::new(exit, anyhow!(error).context("could not write to standard output")))
            }
            None => Ok(exit),
        }
    }

    /// From the start to the end of the tree. Whoever asks for the end is answered while events go on being printed.
    async fn live(&mut self) -> Ended {
        let runtime = self.runtime.clone();
        let mut exits = runtime.exits(None);
        let app = self.app.clone();
        let mut spawn = std::pin::pin!(begin::root(&runtime, &app, self.args.fresh, self.args.json));
        let mut starting = true;
        let ended = loop {
            tokio::select! {
                // The start before the end, also when both have come: a start that is given up takes its records along.
                biased;
                started = &mut spawn, if starting => match started {
                    Ok(root) => {
                        starting = false;
                        self.control.started(root.id);
                    }
                    // An app that has nothing more to do than its `init` is no failure.
                    Err(NotBegun::Start(ActorError::StartFailed {
                        reason: reason @ ExitReason::Completed { .. },
                    })) => {
                        break Ended::Root(reason);
                    }
                    Err(error) => break Ended::NotStarted(Box::new(error)),
                },
                Some(exit) = exits.next() => break Ended::Root(exit.reason),
                signal = self.signals.next() => {
                    if self.on_signal(signal) {
                        return Ended::Abandoned;
                    }
                }
                trouble = self.printer.trouble() => {
                    match trouble {
                        Trouble::Output(error) => self.asked.broken(error),
                        Trouble::Store(failed) => self.asked.store = Some(failed),
                    }
                    self.stop();
                }
                () = self.control.stop_asked() => {
                    self.asked.control = true;
                    self.stop();
                }
            }
        };
        // The root's descendants have ended with it; what is left to do is quick, and not to be left out.
        loop {
            tokio::select! {
                () = runtime.shutdown() => return ended,
                signal = self.signals.next() => {
                    if self.on_signal(signal) {
                        return Ended::Abandoned;
                    }
                }
            }
        }
    }

    /// Stops the tree, kills it, or gives up: whether the run is to be left as it is.
    fn on_signal(&mut self, signal: Signal) -> bool {
        self.asked.signals += 1;
        self.asked.exit.get_or_insert(signal.exit());
        match self.asked.signals {
            1 => {
                let grace = humantime::format_duration(self.args.grace);
                output::diagnostic(&format!("stopping, for {grace} at most; once more to kill"));
                self.stop();
                false
            }
            2 => {
                output::diagnostic("killing; once more to leave without the event chains");
                let runtime = self.runtime.clone();
                tokio::spawn(async move { runtime.kill().await });
                false
            }
            _ => true,
        }
    }

    fn stop(&self) {
        let runtime = self.runtime.clone();
        tokio::spawn(async move { runtime.shutdown().await });
    }

    async fn abandon(mut self) -> Exit {
        if let Some(path) = &self.args.chain_out {
            output::diagnostic(&format!("warning: left without writing {}", path.display()));
        }
        tokio::select! {
            closed = self.data.close() => if let Err(failed) = closed {
                output::diagnostic(&format!("warning: {failed}"));
            },
            // A disk may take as long as it likes, and the user need not.
            _ = self.signals.next() => {}
        }
        self.asked.exit.unwrap_or(Exit::Interrupted)
    }
}

impl Asked {
    /// Whether somebody has asked at all.
    pub(super) fn is_asked(&self) -> bool {
        self.exit.is_some() || self.output.is_some() || self.store.is_some() || self.control
    }

    fn broken(&mut self, error: std::io::Error) {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            self.exit.get_or_insert(Exit::BrokenPipe);
        } else {
            self.output = Some(error);
        }
    }
}
