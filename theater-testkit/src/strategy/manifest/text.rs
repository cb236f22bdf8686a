//! Writing a manifest.

use std::fmt::{self, Write};
use std::time::Duration;

use theater_core::{
    AutoShutdown, ChildSpecKeys, ChildType, Escalation, Limits, MailboxOverflow, RestartFrom, RestartPolicy,
    Shutdown, Strategy, SupervisionSpec, Thousandths,
};

use super::meaning::{ChildMeaning, Meaning};

/// A manifest as text: its meaning, and what somebody has added.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) means: &'a Meaning,
    /// Lines at the top, before the first table.
    pub(super) top: &'a str,
    /// Lines at the end, which begin with a table.
    pub(super) end: &'a str,
    /// The keys of the top that are left out.
    pub(super) without: &'a [&'a str],
}

impl<'a> Document<'a> {
    pub(super) fn new(means: &'a Meaning) -> Self {
        Self { means, top: "", end: "", without: &[] }
    }
}

impl fmt::Display for Document<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut top = String::new();
        write_keys(&mut top, self.means, true)?;
        for line in top.lines() {
            let key = line.split(' ').next().unwrap_or_default();
            if !self.without.contains(&key) {
                writeln!(f, "{line}")?;
            }
        }
        f.write_str(self.top)?;
        write_tables(f, self.means, "")?;
        if self.means.child_spec != ChildSpecKeys::default() {
            writeln!(f, "[child_spec]")?;
            write_child_spec(f, &self.means.child_spec)?;
        }
        f.write_str(self.end)
    }
}

/// The keys of a manifest that are no tables.
fn write_keys(f: &mut impl Write, means: &Meaning, named: bool) -> fmt::Result {
    if named {
        writeln!(f, "name = {}", quoted(&means.name))?;
    }
    let texts = [
        ("version", &means.version),
        ("component", &means.component),
        ("description", &means.description),
        ("long_description", &means.long_description),
        ("init_state", &means.init_state),
        ("initial_state", &means.initial_state),
        ("snapshot", &means.snapshot),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            writeln!(f, "{key} = {}", quoted(value))?;
        }
    }
    means.save_chain.map_or(Ok(()), |save| writeln!(f, "save_chain = {save}"))
}

/// The tables of a manifest, or of an inline child under this prefix.
fn write_tables(f: &mut impl Write, means: &Meaning, prefix: &str) -> fmt::Result {
    for handler in &means.handlers {
        writeln!(f, "[[{prefix}handlers]]\ntype = \"{}\"", handler.name())?;
    }
    if means.limits != Limits::default() {
        writeln!(f, "[{prefix}limits]")?;
        write_limits(f, &means.limits)?;
    }
    // Without a component it is what makes the manifest one of a pure supervisor.
    if means.supervision != SupervisionSpec::default() || means.component.is_none() {
        writeln!(f, "[{prefix}supervision]")?;
        write_supervision(f, &means.supervision, prefix)?;
    }
    for (id, keys, source) in &means.children {
        writeln!(f, "[[{prefix}children]]\nid = {}", quoted(id))?;
        write_child_spec(f, keys)?;
        match source {
            ChildMeaning::Reference(path) => writeln!(f, "manifest = {}", quoted(path))?,
            ChildMeaning::Inline(means) => {
                write_keys(f, means, false)?;
                write_tables(f, means, &format!("{prefix}children."))?;
            }
        }
    }
    Ok(())
}

fn write_limits(f: &mut impl Write, limits: &Limits) -> fmt::Result {
    writeln!(f, "call_deadline = {}", time(limits.call_deadline))?;
    writeln!(f, "host_deadline = {}", time(limits.host_deadline))?;
    // Half of them as people write them.
    writeln!(f, "memory = \"{}KiB\"\nmessage = {}", limits.memory >> 10, limits.message)?;
    writeln!(f, "state = \"{}KiB\"\nevent = {}", limits.state >> 10, limits.event)?;
    writeln!(f, "mailbox = {}\nchildren = {}", limits.mailbox, limits.children)?;
    let overflow = match limits.mailbox_overflow {
        MailboxOverflow::Refuse => "refuse",
        MailboxOverflow::Exit => "exit",
    };
    writeln!(f, "mailbox_overflow = \"{overflow}\"")
}

fn write_supervision(f: &mut impl Write, spec: &SupervisionSpec, prefix: &str) -> fmt::Result {
    let strategy = match spec.strategy {
        Strategy::OneForAll => "one-for-all",
        Strategy::RestForOne => "rest-for-one",
        Strategy::SimpleOneForOne => "simple-one-for-one",
        _ => "one-for-one",
    };
    writeln!(f, "strategy = \"{strategy}\"\nintensity = {}", spec.intensity)?;
    writeln!(f, "period = {}", time(spec.period))?;
    let mode = match spec.auto_shutdown {
        AutoShutdown::AnySignificant => "any-significant",
        AutoShutdown::AllSignificant => "all-significant",
        _ => "never",
    };
    writeln!(f, "auto_shutdown = \"{mode}\"")?;
    if let Some(limit) = spec.max_children {
        writeln!(f, "max_children = {limit}")?;
    }
    match spec.poison_after {
        Some(crashes) => writeln!(f, "poison_after = {crashes}")?,
        None => writeln!(f, "poison_after = \"never\"")?,
    }
    let escalation = if spec.escalation == Escalation::Shutdown { "shutdown" } else { "abnormal" };
    writeln!(f, "escalation = \"{escalation}\"")?;
    let Some(backoff) = spec.backoff else { return Ok(()) };
    writeln!(f, "[{prefix}supervision.backoff]")?;
    writeln!(f, "min = {}\nmax = {}", time(backoff.min), time(backoff.max))?;
    writeln!(f, "factor = {}\njitter = {}", number(backoff.factor), number(backoff.jitter))?;
    writeln!(f, "reset_after = {}", time(backoff.reset_after))
}

fn write_child_spec(f: &mut impl Write, keys: &ChildSpecKeys) -> fmt::Result {
    if let Some(restart) = keys.restart {
        let word = match restart {
            RestartPolicy::Permanent => "permanent",
            RestartPolicy::Transient => "transient",
            RestartPolicy::Temporary => "temporary",
        };
        writeln!(f, "restart = \"{word}\"")?;
    }
    match keys.shutdown {
        None => {}
        Some(Shutdown::Kill) => writeln!(f, "shutdown = \"kill\"")?,
        Some(Shutdown::Infinity) => writeln!(f, "shutdown = \"infinity\"")?,
        Some(Shutdown::After(grace)) => writeln!(f, "shutdown = {}", time(grace))?,
    }
    if let Some(child_type) = keys.child_type {
        let word = if child_type == ChildType::Supervisor { "supervisor" } else { "worker" };
        writeln!(f, "type = \"{word}\"")?;
    }
    if let Some(significant) = keys.significant {
        writeln!(f, "significant = {significant}")?;
    }
    if let Some(from) = keys.restart_from {
        let word = match from {
            RestartFrom::Initial => "initial",
            RestartFrom::Snapshot => "snapshot",
            _ => "last-good",
        };
        writeln!(f, "restart_from = \"{word}\"")?;
    }
    Ok(())
}

/// A TOML string on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// Whole microseconds: the mean of two waits may be half a millisecond.
fn time(time: Duration) -> String {
    if time.subsec_micros().is_multiple_of(1_000) {
        format!("\"{}ms\"", time.as_millis())
    } else {
        format!("\"{}us\"", time.as_micros())
    }
}

fn number(value: Thousandths) -> String {
    format!("{}.{:03}", value.0 / 1_000, value.0 % 1_000)
}
