//! Lifecycle events as lines for people.

use std::collections::HashMap;
use std::fmt::Write as _;

use theater_core::event::payload::Origin;
use theater_core::{ActorId, ExitReason, Incarnation};
use theater_wasm::LifecycleKind;

use crate::decision::Decision;
use crate::output::Seen;
use crate::style::Style;
use crate::text::{count, printable};

/// Frames of a guest's stack that are shown without `-v`.
const FRAMES: usize = 5;

/// Names longer than this are cut, so that the columns stay.
const LONGEST_NAME: usize = 24;

/// Turns lifecycle events into lines. It remembers the actors that it has shown, and how wide its columns are.
#[derive(Debug)]
pub(crate) struct Renderer {
    colour: bool,
    all_frames: bool,
    /// The time of the first column's zero, in nanoseconds since the Unix epoch.
    zero: u64,
    ids: ShortIds,
    names: HashMap<ActorId, String>,
    name_width: usize,
}

impl Renderer {
    pub(crate) fn new(zero: u64, colour: bool, all_frames: bool) -> Self {
        Self { colour, all_frames, zero, ids: ShortIds::default(), names: HashMap::new(), name_width: 12 }
    }

    /// One event, as one line and perhaps indented ones below it.
    pub(crate) fn event(&mut self, seen: &Seen<'_>) -> String {
        let (style, what, detail) = self.describe(seen);
        // A declared child goes by its id: several may have one manifest.
        let name = short_name(seen.child_id.unwrap_or(seen.name));
        self.name_width = self.name_width.max(name.chars().count());
        self.names.entry(seen.actor).or_insert_with(|| name.clone());
        let id = self.ids.of(seen.actor);
        let mut detail = detail.lines();
        let mut line = format!(
            "{}  {name:<width$}  {}  {}",
            Style::Quiet.paint(&self.clock(seen.time), self.colour),
            Style::Quiet.paint(&format!("{id:<8}"), self.colour),
            style.paint(&format!("{what:<11}"), self.colour),
            width = self.name_width,
        );
        if let Some(first) = detail.next() {
            line.push_str("  ");
            line.push_str(first);
        }
        // Columns without a detail leave blanks behind.
        let mut text = line.trim_end().to_owned();
        text.push('\n');
        for more in detail
            .map(|more| (more, Style::Plain))
            .chain(self.frames(seen).iter().map(|f| (f.as_str(), Style::Quiet)))
        {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:>10}{}", "", more.1.paint(&format!("  {}", more.0), self.colour));
        }
        text
    }

    /// Events were lost because the reader of standard output was too slow.
    pub(crate) fn gap(&self, lost: u64) -> String {
        let lost = count(lost, "event is", "events are");
        let text = format!("... {lost} not shown: standard output is read too slowly (the chains have them)");
        format!("{}\n", Style::Bad.paint(&text, self.colour))
    }

    fn clock(&self, time: u64) -> String {
        // The runtime's clock may be set back.
        format!("{:>8.3}", time.saturating_sub(self.zero) as f64 / 1e9)
    }

    fn describe(&mut self, seen: &Seen<'_>) -> (Style, &'static str, String) {
        match seen.kind {
            LifecycleKind::Started { origin } if seen.incarnation == Incarnation::FIRST => {
                (Style::Good, "started", from(*origin).to_owned())
            }
            LifecycleKind::Started { origin } => {
                (Style::Mended, "restarted", format!("life {} {}", seen.incarnation, from(*origin)))
            }
            LifecycleKind::StartFailed { reason } => {
                (Style::Bad, "not started", printable_lines(&reason.to_string()))
            }
            LifecycleKind::Exited { reason } => {
                let (style, what) = end(reason);
                (style, what, end_detail(reason, seen.incarnation))
            }
            LifecycleKind::Log { message } => (Style::Plain, "log", printable_lines(message)),
            LifecycleKind::Supervision { payload } => {
                let decision = Decision::read(payload);
                (Style::Decision, "supervisor", self.decision(&decision))
            }
            // A kind that a later runtime adds: show that there was something.
            other => (Style::Quiet, "event", printable_lines(&format!("{other:?}"))),
        }
    }

    fn decision(&mut self, decision: &Decision) -> String {
        let text = printable_lines(&decision.text());
        match decision.child {
            Some(child) => {
                let name = self.names.get(&child).map(|name| format!("{name} ")).unwrap_or_default();
                format!("{name}{}: {text}", self.ids.of(child))
            }
            None => text,
        }
    }

    /// The guest's stack, without the frames that every panic has.
    fn frames(&self, seen: &Seen<'_>) -> Vec<String> {
        let (LifecycleKind::Exited { reason } | LifecycleKind::StartFailed { reason }) = seen.kind else {
            return Vec::new();
        };
        frames(reason, self.all_frames)
    }
}

/// The guest's stack for people: the machinery of panics is left out, and all but the innermost frames are, unless all
/// of it is wanted.
pub(crate) fn frames(reason: &ExitReason, all: bool) -> Vec<String> {
    let ExitReason::Trapped { backtrace, .. } = reason else { return Vec::new() };
    let machinery =
        if all { 0 } else { backtrace.iter().take_while(|frame| is_panic_machinery(frame)).count() };
    // A stack of nothing but machinery is better than none.
    let rest = if machinery == backtrace.len() { &backtrace[..] } else { &backtrace[machinery..] };
    let shown = if all { rest.len() } else { rest.len().min(FRAMES) };
    let mut lines: Vec<String> =
        rest[..shown].iter().map(|frame| format!("at {}", printable(frame))).collect();
    if shown < rest.len() {
        lines.push(format!(
            "(and {}; -v shows all)",
            count((rest.len() - shown) as u64, "more frame", "more frames")
        ));
    }
    lines
}

fn is_panic_machinery(frame: &str) -> bool {
    [
        "core::panicking",
        "core::result::unwrap_failed",
        "core::option::",
        "std::panicking",
        "rust_begin_unwind",
        "rust_panic",
        "__rust_",
        "abort",
    ]
    .iter()
    .any(|part| frame.contains(part))
}

pub(crate) fn from(origin: Origin) -> &'static str {
    match origin {
        Origin::Init => "from init",
        Origin::Given => "from the state that its parent gave",
        Origin::LastGood => "from its last good state",
        Origin::Snapshot => "from its snapshot",
        // An origin that a later runtime adds.
        _ => "from elsewhere",
    }
}

fn end(reason: &ExitReason) -> (Style, &'static str) {
    match reason {
        ExitReason::Completed { .. } => (Style::Good, "completed"),
        ExitReason::Stopped | ExitReason::ParentStopped => (Style::Quiet, "stopped"),
        ExitReason::Killed => (Style::Mended, "killed"),
        ExitReason::Escalated { .. } => (Style::Bad, "gave up"),
        ExitReason::AutoShutdown { .. } => (Style::Good, "shut down"),
        _ => (Style::Bad, "crashed"),
    }
}

fn end_detail(reason: &ExitReason, incarnation: Incarnation) -> String {
    let life = if incarnation == Incarnation::FIRST { String::new() } else { format!("life {incarnation}") };
    let detail = match reason {
        ExitReason::Completed { data: Some(data) } => {
            format!("with {}", count(data.len() as u64, "byte", "bytes"))
        }
        ExitReason::Completed { data: None } | ExitReason::Stopped | ExitReason::Killed => String::new(),
        other => other.to_string(),
    };
    let parts: Vec<_> = [life, detail].into_iter().filter(|part| !part.is_empty()).collect();
    printable_lines(&parts.join(": "))
}

fn printable_lines(text: &str) -> String {
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn short_name(name: &str) -> String {
    let name = printable(name);
    if name.chars().count() <= LONGEST_NAME {
        return name;
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// Short names for ids. Ids of one moment begin alike, so the short form is the end of an id, as much of it as no other
/// actor was given.
#[derive(Debug, Default)]
pub(crate) struct ShortIds {
    given: HashMap<ActorId, String>,
    taken: HashMap<String, ActorId>,
}

impl ShortIds {
    /// The short form of this id: always the same for one actor, never the same for two.
    pub(crate) fn of(&mut self, id: ActorId) -> String {
        if let Some(short) = self.given.get(&id) {
            return short.clone();
        }
        let whole = id.to_string();
        let short = [8, 12]
            .iter()
            .map(|digits| whole[whole.len() - digits..].to_owned())
            .find(|short| !self.taken.contains_key(short))
            .unwrap_or(whole);
        self.taken.insert(short.clone(), id);
        self.given.insert(id, short.clone());
        short
    }
}

#[cfg(test)]
mod tests {
    use theater_core::Bytes;

    use super::*;

    fn id(last: u8) -> ActorId {
        ActorId::from_parts(1_764_000_000_000, [1, 2, 3, 4, 5, 6, 7, 8, 9, last])
    }

    fn seen<'a>(incarnation: u64, kind: &'a LifecycleKind) -> Seen<'a> {
        Seen {
            time: 1_250_000_000,
            actor: id(1),
            name: "worker",
            child_id: None,
            parent: None,
            incarnation: Incarnation(incarnation),
            kind,
        }
    }

    fn line(incarnation: u64, kind: LifecycleKind) -> String {
        Renderer::new(1_000_000_000, false, false).event(&seen(incarnation, &kind))
    }

    #[test]
    fn a_first_life_is_started_and_a_further_one_restarted() {
        let kind = LifecycleKind::Started { origin: Origin::Init };
        assert_eq!(
            line(1, kind),
            "   0.250  worker        06070901  started      from init\n"
                .replace("06070901", &id(1).to_string()[28..])
        );
        let kind = LifecycleKind::Started { origin: Origin::LastGood };
        assert!(line(3, kind).ends_with("restarted    life 3 from its last good state\n"));
    }

    #[test]
    fn a_crash_shows_why_and_where_without_the_machinery_of_panics() {
        let backtrace = [
            "guest.wasm!core::panicking::panic_fmt",
            "guest.wasm!worker::price",
            "guest.wasm!handle-request",
        ];
        let reason = ExitReason::Trapped {
            message: "wasm trap: unreachable".into(),
            backtrace: backtrace.map(str::to_owned).to_vec(),
        };
        let text = line(1, LifecycleKind::Exited { reason });
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("crashed      trapped: wasm trap: unreachable"), "{text}");
        assert_eq!(
            lines[1..],
            ["            at guest.wasm!worker::price", "            at guest.wasm!handle-request"]
        );
    }

    #[test]
    fn a_guests_log_cannot_write_to_the_terminals_controls_or_fake_a_line() {
        let text = line(1, LifecycleKind::Log { message: "fine\x1b[2J\n   0.300  root  crashed".into() });
        assert!(!text.contains('\x1b'));
        assert!(text.lines().nth(1).unwrap().starts_with("               0.300"), "{text}");
    }

    #[test]
    fn ends_that_were_asked_for_are_no_crashes() {
        for (reason, word) in [
            (ExitReason::Stopped, "stopped"),
            (ExitReason::Killed, "killed"),
            (ExitReason::ParentStopped, "stopped      its parent stopped"),
            (ExitReason::Completed { data: Some(Bytes::from_static(b"xy")) }, "completed    with 2 bytes"),
        ] {
            let text = line(1, LifecycleKind::Exited { reason });
            assert!(text.trim_end().ends_with(word), "{text}");
        }
    }

    #[test]
    fn short_ids_are_distinct_and_stay() {
        let mut ids = ShortIds::default();
        // Same last twelve digits, other time.
        let twins: Vec<_> = (1..=3).map(|time| ActorId::from_parts(time, [7; 10])).collect();
        let given: Vec<_> = twins.iter().map(|id| ids.of(*id)).collect();
        assert_eq!(given.iter().map(String::len).collect::<Vec<_>>(), [8, 12, 36]);
        assert_eq!(given, twins.iter().map(|id| ids.of(*id)).collect::<Vec<_>>());
    }

    #[test]
    fn a_declared_child_goes_by_its_id() {
        let kind = LifecycleKind::Started { origin: Origin::Init };
        let declared = Seen { child_id: Some("store"), ..seen(1, &kind) };
        let line = Renderer::new(0, false, false).event(&declared);
        assert!(line.contains("  store  "), "{line}");
    }

    #[test]
    fn colours_are_there_only_where_they_are_wanted() {
        let kind = LifecycleKind::Started { origin: Origin::Init };
        assert!(!line(1, kind.clone()).contains('\x1b'));
        assert!(Renderer::new(0, true, false).event(&seen(1, &kind)).contains("\x1b[32mstarted"));
    }
}
