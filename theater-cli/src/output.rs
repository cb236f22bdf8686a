//! What the command prints, and the thread that prints what happens.

use std::io::{self, Write as _};

use serde::Serialize;
use theater_chain::Poisoned;
use theater_core::{ActorId, ExitReason, Incarnation};
use theater_wasm::{LifecycleEvent, LifecycleKind, LifecycleStream, WasmRuntime, Watched};
use tokio::sync::oneshot;

use crate::crash_report::CrashReport;
use crate::decision::Decision;
use crate::render::Renderer;

/// Prints to standard error. If that is gone as well, there is nobody to tell.
pub(crate) fn diagnostic(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints to standard output.
pub(crate) fn data(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// Writes to standard output.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// A lifecycle event, as far as it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) time: u64,
    pub(crate) actor: ActorId,
    pub(crate) name: &'a str,
    pub(crate) child_id: Option<&'a str>,
    pub(crate) parent: Option<ActorId>,
    pub(crate) incarnation: Incarnation,
    pub(crate) kind: &'a LifecycleKind,
}

impl<'a> From<&'a LifecycleEvent> for Seen<'a> {
    fn from(event: &'a LifecycleEvent) -> Self {
        Self {
            time: event.time,
            actor: event.actor,
            name: &event.name,
            child_id: event.child_id.as_deref(),
            parent: event.parent,
            incarnation: event.incarnation,
            kind: &event.kind,
        }
    }
}

/// How lifecycle events are shown.
#[derive(Debug)]
pub(crate) enum Format {
    /// Aligned lines.
    Human(Renderer),
    /// One JSON object per line.
    Json,
}

impl Format {
    fn line(&mut self, watched: &Watched) -> String {
        match (self, watched) {
            (Self::Human(renderer), Watched::Event(event)) => renderer.event(&Seen::from(event)),
            (Self::Human(renderer), Watched::Gap(lost)) => renderer.gap(*lost),
            (Self::Json, Watched::Event(event)) => json_line(&EventObject::new(&Seen::from(event))),
            (Self::Json, Watched::Gap(lost)) => json_line(&GapObject { r#type: "gap", lost: *lost }),
            // The run ends, and its summary says why.
            (_, Watched::StoreFailed(_)) => String::new(),
            // An item that a later runtime adds.
            (_, other) => {
                tracing::debug!(?other, "not shown");
                String::new()
            }
        }
    }
}

/// An object as one line of text.
pub(crate) fn json_line(object: &impl Serialize) -> String {
    let mut line = serde_json::to_string(object).expect("objects have text keys and plain values");
    line.push('\n');
    line
}

/// A moment as JSON shows it: RFC 3339 in UTC, to the nanosecond.
pub(crate) fn timestamp(nanos: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_nanos(nanos);
    humantime::format_rfc3339_nanos(time).to_string()
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct EventObject<'a> {
    r#type: &'static str,
    time: String,
    actor: ActorId,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    child_id: Option<&'a str>,
    parent: Option<ActorId>,
    incarnation: Incarnation,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<theater_core::event::payload::Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
}

/// An exit reason: its name for machines, its text for people.
#[derive(Debug, Serialize)]
pub(crate) struct ReasonObject {
    name: &'static str,
    text: String,
    clean: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backtrace: Vec<String>,
}

impl ReasonObject {
    /// A reason of which only the text is known.
    pub(crate) fn of_text(text: String) -> Self {
        Self { name: "unknown", text, clean: false, backtrace: Vec::new() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl From<&ExitReason> for ReasonObject {
    fn from(reason: &ExitReason) -> Self {
        let backtrace = match reason {
            ExitReason::Trapped { backtrace, .. } => backtrace.clone(),
            _ => Vec::new(),
        };
        Self { name: reason.name(), text: reason.to_string(), clean: reason.is_clean(), backtrace }
    }
}

#[derive(Debug, Serialize)]
struct GapObject {
    r#type: &'static str,
    lost: u64,
}

impl<'a> EventObject<'a> {
    fn new(seen: &Seen<'a>) -> Self {
        let mut object = Self {
            r#type: "unknown",
            time: timestamp(seen.time),
            actor: seen.actor,
            name: seen.name,
            child_id: seen.child_id,
            parent: seen.parent,
            incarnation: seen.incarnation,
            origin: None,
            reason: None,
            message: None,
            decision: None,
        };
        match seen.kind {
            LifecycleKind::Started { origin } => {
                object.r#type = "started";
                object.origin = Some(*origin);
            }
            LifecycleKind::StartFailed { reason } => {
                object.r#type = "start-failed";
                object.reason = Some(reason.into());
            }
            LifecycleKind::Exited { reason } => {
                object.r#type = "exited";
                object.reason = Some(reason.into());
            }
            LifecycleKind::Log { message } => {
                object.r#type = "log";
                object.message = Some(message);
            }
            LifecycleKind::Supervision { payload } => {
                object.r#type = "supervision";
                object.decision = Some(Decision::read(payload));
            }
            // A kind that a later runtime adds keeps the type `unknown`.
            _ => {}
        }
        object
    }
}

/// Prints what happens, from a thread of its own: a reader that is slow delays this thread and nobody else.
#[derive(Debug)]
pub(crate) struct Printer {
    end: Option<oneshot::Sender<String>>,
    /// How printing ended; `None` when that has been told.
    outcome: Option<oneshot::Receiver<io::Result<()>>>,
    /// That the event store has failed; `None` when that has been told.
    store: Option<oneshot::Receiver<Poisoned>>,
}

/// Why a run cannot go on.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nothing more can be printed.
    Output(io::Error),
    /// Nothing more can be kept.
    Store(Poisoned),
}

impl Printer {
    /// Starts printing what happens in `runtime` from now on.
    pub(crate) fn start(runtime: WasmRuntime, format: Format) -> io::Result<Self> {
        let stream = runtime.watch();
        let (end, ended) = oneshot::channel();
        let (finish, outcome) = oneshot::channel();
        let (failed, store) = oneshot::channel();
        let mut stream = Watching { stream, failed: Some(failed) };
        let handle = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("printer".to_owned()).spawn(move || {
            // Whoever listens may be gone: then the run is over anyway.
            let _ = finish.send(handle.block_on(print(runtime, &mut stream, format, ended)));
        })?;
        Ok(Self { end: Some(end), outcome: Some(outcome), store: Some(store) })
    }

    /// Why the run cannot go on, when that is so. Cancel-safe; answers once to each.
    pub(crate) async fn trouble(&mut self) -> Trouble {
        loop {
            let Self { outcome, store, .. } = self;
            tokio::select! {
                // What was asked for: the failure first, it may be why printing ended.
                biased;
                failed = told(store) => if let Ok(failed) = failed {
                    return Trouble::Store(failed);
                },
                ended = told(outcome) => if let Err(error) = ended.unwrap_or_else(|_| Err(panicked())) {
                    return Trouble::Output(error);
                },
            }
        }
    }

    /// Prints what has happened up to now, then `last`. Cancel-safe, if called again after that.
    ///
    /// # Errors
    /// If it could not be printed, unless [`trouble`](Self::trouble) has said so.
    pub(crate) async fn finish(&mut self, last: &str) -> io::Result<()> {
        if let Some(end) = self.end.take() {
            // The thread may have ended: then it cannot print anything more.
            let _ = end.send(last.to_owned());
        }
        if self.outcome.is_none() {
            return Ok(());
        }
        told(&mut self.outcome).await.unwrap_or_else(|_| Err(panicked()))
    }
}

fn panicked() -> io::Error {
    io::Error::other("the thread that prints has panicked")
}

/// What is told, once; never answers after that. Cancel-safe.
async fn told<T>(receiver: &mut Option<oneshot::Receiver<T>>) -> Result<T, oneshot::error::RecvError> {
    let Some(waiting) = receiver else { return std::future::pending().await };
    let answer = waiting.await;
    *receiver = None;
    answer
}

/// What happens, and a word to the run when the event store fails.
#[derive(Debug)]
struct Watching {
    stream: LifecycleStream,
    failed: Option<oneshot::Sender<Poisoned>>,
}

impl Watching {
    async fn next(&mut self) -> Option<Watched> {
        let watched = self.stream.next().await;
        self.look(watched)
    }

    fn try_next(&mut self) -> Option<Watched> {
        let watched = self.stream.try_next();
        self.look(watched)
    }

    fn look(&mut self, watched: Option<Watched>) -> Option<Watched> {
        if let (Some(Watched::StoreFailed(poisoned)), Some(failed)) = (&watched, &self.failed)
            && !failed.is_closed()
            && let Some(failed) = self.failed.take()
        {
            // If the run has ended it will see for itself.
            let _ = failed.send(poisoned.clone());
        }
        watched
    }
}

async fn print(
    runtime: WasmRuntime,
    stream: &mut Watching,
    mut format: Format,
    mut ended: oneshot::Receiver<String>,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout());
    let last = loop {
        let watched = tokio::select! {
            biased;
            last = &mut ended => break last,
            watched = stream.next() => watched,
        };
        let Some(watched) = watched else { break ended.await };
        show(&runtime, &mut format, &watched, &mut out).await?;
        // One write for a burst, none left behind after it.
        while let Some(watched) = stream.try_next() {
            show(&runtime, &mut format, &watched, &mut out).await?;
        }
        out.flush()?;
    };
    while let Some(watched) = stream.try_next() {
        show(&runtime, &mut format, &watched, &mut out).await?;
    }
    out.write_all(last.unwrap_or_default().as_bytes())?;
    out.flush()
}

/// Prints one item, and the crash report that belongs to it: for people to standard error, as one block.
async fn show(
    runtime: &WasmRuntime,
    format: &mut Format,
    watched: &Watched,
    out: &mut impl io::Write,
) -> io::Result<()> {
    out.write_all(format.line(watched).as_bytes())?;
    let Watched::Event(event) = watched else { return Ok(()) };
    let Some(report) = CrashReport::about(event, runtime).await else { return Ok(()) };
    match format {
        Format::Json => out.write_all(json_line(&report).as_bytes()),
        Format::Human(_) => {
            // What led to it stands above it.
            out.flush()?;
            diagnostic(report.text().trim_end());
            Ok(())
        }
    }
}
