//! `theater verify`: is this file what was recorded?

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_chain::jsonl::LineError;
use theater_chain::{ChainErrorKind, ExportError, ExportErrorKind, ExportReport, verify_export};
use theater_core::ActorId;

use crate::args::VerifyArgs;
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output;
use crate::text::{count, printable};

/// Verifies the file.
pub(crate) fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    let (name, input) = open(&args.file).or_exit(Exit::Io)?;
    let mut input = Remembering { input, line: Vec::new(), ended: false };
    match verify_export(&mut input) {
        Ok(report) => good(&name, &report, args.json),
        Err(error) => bad(&name, error, &input.line, args.json),
    }
}

fn open(file: &Path) -> anyhow::Result<(String, Box<dyn BufRead>)> {
    if file == Path::new("-") {
        return Ok(("(standard input)".to_owned(), Box::new(BufReader::new(io::stdin()))));
    }
    let name = file.display().to_string();
    let context = || format!("could not read {name}");
    let opened = File::open(file).with_context(context)?;
    if opened.metadata().with_context(context)?.is_dir() {
        return Err(anyhow!("it is a folder").context(context()));
    }
    // Lines are long: base64 of whole messages and states.
    Ok((name.clone(), Box::new(BufReader::with_capacity(256 << 10, opened))))
}

fn good(name: &str, report: &ExportReport, json: bool) -> Result<Exit, Failure> {
    let warnings: Vec<_> =
        report.time_regressions.iter().map(|(actor, times)| clock_went_back(*actor, *times)).collect();
    if json {
        return say(&output::json_line(&VerifiedObject {
            r#type: "verified",
            file: name,
            actors: report.actors,
            events: report.events,
            anchors: report.anchors,
            warnings: &warnings,
        }))
        .map(|()| Exit::Success);
    }
    for warning in &warnings {
        output::diagnostic(&format!("warning: {name}: {warning}"));
    }
    // The words do not change with the numbers: scripts compare this line.
    say(&format!("verified: {} actors, {} events\n", report.actors, report.events)).map(|()| Exit::Success)
}

fn clock_went_back(actor: ActorId, times: u64) -> String {
    let times = count(times, "time", "times");
    format!("actor {actor}: the clock went back {times} while it ran; its times are not all in order")
}

fn bad(name: &str, error: ExportError, last_line: &[u8], json: bool) -> Result<Exit, Failure> {
    let ExportError { line, kind, .. } = error;
    let kind = match kind {
        ExportErrorKind::Line(LineError::Io(error)) => {
            let error = anyhow!(error).context(format!("could not read {name}, line {line}"));
            return Err(Failure::new(Exit::Io, error));
        }
        kind => kind,
    };
    let fault = Fault::of(&kind, last_line);
    if json {
        say(&output::json_line(&fault.object(name, line)))?;
    } else {
        output::diagnostic(&format!("error: {name}:{line}: {}; {}", printable(&fault.text), fault.meaning));
    }
    Ok(Exit::NotVerified)
}

/// Prints to standard output.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The answer is in the exit code as well.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("could not write to standard output").or_exit(Exit::Io),
    }
}

/// The first fault of a file, for people and for machines.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    name: &'static str,
    actor: Option<ActorId>,
    seq: Option<u64>,
    text: String,
    meaning: &'static str,
}

impl Fault {
    fn of(kind: &ExportErrorKind, last_line: &[u8]) -> Self {
        let (actor, seq) = match kind {
            ExportErrorKind::Event { actor, seq, .. }
            | ExportErrorKind::Payload { actor, seq, .. }
            | ExportErrorKind::MissingChain { actor, seq, .. }
            | ExportErrorKind::Anchor { actor, seq, .. } => (Some(*actor), Some(*seq)),
            ExportErrorKind::Empty => (None, None),
            // What the line itself says, as far as it can be read: it is at fault, but it says where to look.
            _ => claimed(last_line),
        };
        let (name, meaning) = explain(kind);
        let text = match (kind, actor, seq) {
            (ExportErrorKind::Line(fault), Some(actor), Some(seq)) => {
                format!("actor {actor}, event {seq}: {fault}")
            }
            (ExportErrorKind::Actor { .. }, Some(actor), Some(seq)) => {
                format!("actor {actor}, event {seq}: {kind}")
            }
            _ => kind.to_string(),
        };
        Self { name, actor, seq, text, meaning }
    }

    fn object<'a>(&'a self, file: &'a str, line: u64) -> FaultObject<'a> {
        FaultObject {
            r#type: "fault",
            file,
            line,
            actor: self.actor,
            seq: self.seq,
            fault: self.name,
            text: &self.text,
            meaning: self.meaning,
        }
    }
}

/// Actor and position that a line claims to be of.
fn claimed(line: &[u8]) -> (Option<ActorId>, Option<u64>) {
    let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else { return (None, None) };
    let actor = line.get("actor").and_then(|actor| actor.as_str()?.parse().ok());
    (actor, line.get("seq").and_then(serde_json::Value::as_u64))
}

/// The name of a fault for machines, and what it means.
fn explain(kind: &ExportErrorKind) -> (&'static str, &'static str) {
    match kind {
        ExportErrorKind::Line(LineError::Unfinished) => ("unfinished-line", "the end of the file is missing"),
        ExportErrorKind::Line(LineError::Format { .. }) => {
            ("format", "this is not an export that this version reads")
        }
        ExportErrorKind::Line(_) => ("not-an-event", "the file was damaged or edited, or is no export"),
        ExportErrorKind::Empty => ("empty", "a run writes at least one event, so everything was removed"),
        ExportErrorKind::Event { fault, .. } | ExportErrorKind::Anchor { fault, .. } => explain_chain(fault),
        ExportErrorKind::Actor { .. } => ("actor", "the event is shown as another actor's"),
        ExportErrorKind::Payload { .. } => {
            ("payload-unreadable", "the event was not written by this runtime")
        }
        ExportErrorKind::MissingChain { .. } => ("missing-chain", "a whole chain was removed"),
        _ => ("other", "this version cannot say more about it"),
    }
}

fn explain_chain(fault: &ChainErrorKind) -> (&'static str, &'static str) {
    match fault {
        ChainErrorKind::Empty => ("empty", "everything was removed"),
        ChainErrorKind::Unsupported(_) => ("unsupported", "a later version wrote it, or it was changed"),
        ChainErrorKind::Genesis { .. } => ("genesis", "the beginning of the chain was removed, or replaced"),
        ChainErrorKind::Sequence { .. } => ("sequence", "events were removed, repeated or moved"),
        ChainErrorKind::ForeignChain { .. } => {
            ("foreign-chain", "the event was taken from another chain, or this chain's beginning was changed")
        }
        ChainErrorKind::Parent { .. } => {
            ("parent", "the event before it was replaced, or it was taken from elsewhere")
        }
        ChainErrorKind::Epoch { .. } => ("epoch", "two writers have written to this chain"),
        ChainErrorKind::PayloadLength { .. } | ChainErrorKind::Payload => {
            ("payload", "what the event says was changed after it was recorded")
        }
        ChainErrorKind::Hash { .. } => ("hash", "the event was changed after it was recorded"),
        ChainErrorKind::Cut { .. } => ("cut", "the end of that chain was removed"),
        ChainErrorKind::Anchor { .. } => ("anchor", "that chain was written anew after it was recorded"),
        _ => ("other", "this version cannot say more about it"),
    }
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct VerifiedObject<'a> {
    r#type: &'static str,
    file: &'a str,
    actors: u64,
    events: u64,
    anchors: u64,
    warnings: &'a [String],
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct FaultObject<'a> {
    r#type: &'static str,
    file: &'a str,
    line: u64,
    actor: Option<ActorId>,
    seq: Option<u64>,
    fault: &'a str,
    text: &'a str,
    meaning: &'a str,
}

/// A reader that keeps the line that was read last, so that a line which is no event can still be named.
struct Remembering<R> {
    input: R,
    line: Vec<u8>,
    /// The line is whole: the next byte begins another.
    ended: bool,
}

impl<R: BufRead> Read for Remembering<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: BufRead> BufRead for Remembering<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // The bytes are buffered: reading them again does not fail, and if it did there would be nothing to keep.
        if let Ok(available) = self.input.fill_buf() {
            let taken = &available[..amount.min(available.len())];
            if self.ended && !taken.is_empty() {
                self.line.clear();
            }
            // The reader that verifies never consumes beyond the end of a line.
            self.line.extend_from_slice(taken);
            self.ended = taken.last().map_or(self.ended, |byte| *byte == b'\n');
        }
        self.input.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_was_read_last_is_kept() {
        let mut input = Remembering {
            input: BufReader::with_capacity(3, &b"first\nsecond\nthird"[..]),
            line: Vec::new(),
            ended: false,
        };
        let mut line = Vec::new();
        for expected in ["first\n", "second\n", "third", "third"] {
            line.clear();
            input.read_until(b'\n', &mut line).unwrap();
            assert_eq!(input.line, expected.as_bytes());
        }
    }

    #[test]
    fn a_line_that_is_no_event_is_named_as_far_as_it_can_be_read() {
        let actor = ActorId::from_parts(1, [1; 10]);
        let line = format!("{{\"actor\":\"{actor}\",\"seq\":7,\"payload\":\"%\"}}");
        let kind = ExportErrorKind::Line(LineError::Format { found: "x".into() });
        let fault = Fault::of(&kind, line.as_bytes());
        assert_eq!((fault.actor, fault.seq), (Some(actor), Some(7)));
        assert!(fault.text.starts_with(&format!("actor {actor}, event 7: ")), "{}", fault.text);
        assert_eq!(Fault::of(&kind, b"{").actor, None);
    }
}
