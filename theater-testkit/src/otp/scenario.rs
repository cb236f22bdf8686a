//! The format of the recordings: one JSON object a line.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A supervisor's setup, and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its number, for messages.
    #[serde(default)]
    pub n: u64,
    /// The supervisor's flags.
    pub flags: Flags,
    /// The children that it starts with.
    pub children: Vec<ChildPlan>,
    /// How its start ended.
    pub init: InitOutcome,
    /// What happened while it started.
    pub init_events: Vec<Event>,
    /// What was done then, one after the other.
    pub steps: Vec<Step>,
}

/// The supervisor's flags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Who is restarted.
    pub strategy: Strategy,
    /// Restarts that are allowed within the period.
    pub intensity: u32,
    /// Seconds. The recordings have an hour, so that time plays no part.
    pub period: u64,
    /// When it ends with its significant children.
    pub auto_shutdown: AutoShutdown,
}

/// OTP's `strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are those of OTP")]
pub enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
}

/// OTP's `auto_shutdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are those of OTP")]
pub enum AutoShutdown {
    Never,
    AnySignificant,
    AllSignificant,
}

/// A child specification, and how its lives will go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildPlan {
    /// Its id.
    pub id: u32,
    /// `permanent`, `transient` or `temporary`.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// `worker` or `supervisor`.
    #[serde(rename = "type")]
    pub child_type: ChildType,
    /// Whether its end may end the supervisor.
    pub significant: bool,
    /// The outcomes of its starts, one after the other; then all go well.
    pub plan: Vec<Start>,
    /// Whether it ignores being asked to stop.
    pub stubborn: bool,
}

/// OTP's `restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are those of OTP")]
pub enum Restart {
    Permanent,
    Transient,
    Temporary,
}

/// OTP's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are those of OTP")]
pub enum ChildType {
    Worker,
    Supervisor,
}

/// OTP's `shutdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// `brutal_kill`.
    BrutalKill,
    /// `infinity`.
    Infinity,
    /// Milliseconds.
    After(u64),
}

/// How a start goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are those of OTP")]
pub enum Start {
    Ok,
    Error,
    Ignore,
}

/// How the supervisor's own start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitOutcome {
    /// It runs.
    Ok,
    /// This child did not start.
    FailedToStartChild(u32),
}

/// Why a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// `normal`.
    Normal,
    /// `shutdown`.
    Shutdown,
    /// `{shutdown, x}`.
    ShutdownWith,
    /// `killed`.
    Killed,
    /// Anything else.
    Boom,
}

/// Something that happened to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It was started: its id, and which attempt at starting it, from 0.
    Start(u32, u64),
    /// A start failed or was ignored.
    StartFailed(u32, u64, Start),
    /// It ended.
    Exit(u32, u64, Exit),
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A child ends by itself.
    Crash(u32, Exit),
    /// Two end before the supervisor hears of either.
    CrashBoth(u32, u32),
    /// `start_child`.
    StartChild(ChildPlan),
    /// `terminate_child`.
    TerminateChild(u32),
    /// `restart_child`.
    RestartChild(u32),
    /// `delete_child`.
    DeleteChild(u32),
    /// The supervisor is told to end.
    StopSupervisor,
}

/// What an operation answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are those of OTP")]
pub enum OpResult {
    Ok,
    OkIgnored,
    StartError,
    AlreadyStarted,
    AlreadyPresent,
    NotFound,
    Running,
    Restarting,
    Shutdown,
    /// The supervisor has ended.
    Noproc,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was done.
    pub op: Op,
    /// What it answered.
    pub result: OpResult,
    /// What happened until the supervisor came to rest.
    pub events: Vec<Event>,
    /// Whether the supervisor lives.
    pub alive: bool,
    /// Why it ended, if it did.
    pub exit_reason: Option<String>,
    /// Its children.
    pub children: Vec<ChildLine>,
    /// `count_children`: specs, active, supervisors, workers. Empty when it has ended.
    pub counts: Vec<usize>,
}

/// A child as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildLine {
    /// Its id.
    pub id: u32,
    /// How it is.
    pub state: State,
    /// `worker` or `supervisor`.
    #[serde(rename = "type")]
    pub child_type: ChildType,
}

/// How a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words are those of OTP")]
pub enum State {
    Running,
    Undefined,
    Restarting,
}

/// A line that is not a scenario.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not a scenario")]
#[non_exhaustive]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub source: serde_json::Error,
}

/// Reads scenarios, one a line. Empty lines are passed over.
///
/// # Errors
/// On the first line that is not one.
pub fn parse(text: &str) -> Result<Vec<Scenario>, ParseError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| ParseError { line: index + 1, source })
        })
        .collect()
}

/// The recordings write variants as Erlang terms: a word, or a list that begins with one.
mod term {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Term {
        Word(String),
        Number(u64),
        List(Vec<serde_json::Value>),
    }

    pub(super) fn unknown<T, E: serde::de::Error>(what: &str, term: &Term) -> Result<T, E> {
        let text = serde_json::to_string(term).unwrap_or_default();
        Err(E::custom(format!("unknown {what} {text}")))
    }
}
use term::{Term, unknown};

macro_rules! as_term {
    ($type:ty, $what:literal, $read:expr, $write:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let term = Term::deserialize(deserializer)?;
                let read: fn(&Term) -> Option<Self> = $read;
                read(&term).map_or_else(|| unknown($what, &term), Ok)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let write: fn(&Self) -> Term = $write;
                write(self).serialize(serializer)
            }
        }
    };
}

fn word(text: &str) -> Term {
    Term::Word(text.to_owned())
}

fn list<const N: usize>(parts: [serde_json::Value; N]) -> Term {
    Term::List(parts.into())
}

/// The parts of a list that begins with a word.
fn parts(term: &Term) -> Option<(&str, &[serde_json::Value])> {
    match term {
        Term::List(parts) => {
            let (first, rest) = parts.split_first()?;
            Some((first.as_str()?, rest))
        }
        _ => None,
    }
}

fn value<T: for<'de> Deserialize<'de>>(value: &serde_json::Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn json(value: impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("plain values")
}

as_term!(
    Shutdown,
    "shutdown",
    |term| match term {
        Term::Word(word) if word == "brutal_kill" => Some(Self::BrutalKill),
        Term::Word(word) if word == "infinity" => Some(Self::Infinity),
        Term::Number(millis) => Some(Self::After(*millis)),
        _ => None,
    },
    |shutdown| match shutdown {
        Self::BrutalKill => word("brutal_kill"),
        Self::Infinity => word("infinity"),
        Self::After(millis) => Term::Number(*millis),
    }
);

as_term!(
    InitOutcome,
    "init",
    |term| match (term, parts(term)) {
        (Term::Word(word), _) if word == "ok" => Some(Self::Ok),
        (_, Some(("failed_to_start_child", [id]))) => Some(Self::FailedToStartChild(value(id)?)),
        _ => None,
    },
    |outcome| match outcome {
        Self::Ok => word("ok"),
        Self::FailedToStartChild(id) => list([json("failed_to_start_child"), json(id)]),
    }
);

as_term!(
    Exit,
    "exit reason",
    |term| match (term, parts(term)) {
        (Term::Word(word), _) => match &**word {
            "normal" => Some(Self::Normal),
            "shutdown" => Some(Self::Shutdown),
            "killed" | "kill" => Some(Self::Killed),
            "boom" => Some(Self::Boom),
            _ => None,
        },
        (_, Some(("shutdown", [_]))) => Some(Self::ShutdownWith),
        _ => None,
    },
    |exit| match exit {
        Self::Normal => word("normal"),
        Self::Shutdown => word("shutdown"),
        Self::ShutdownWith => list([json("shutdown"), json("x")]),
        Self::Killed => word("killed"),
        Self::Boom => word("boom"),
    }
);

as_term!(
    Event,
    "event",
    |term| match parts(term)? {
        ("start", [id, attempt]) => Some(Self::Start(value(id)?, value(attempt)?)),
        ("start_failed", [id, attempt, how]) => {
            Some(Self::StartFailed(value(id)?, value(attempt)?, value(how)?))
        }
        ("exit", [id, attempt, reason]) => Some(Self::Exit(value(id)?, value(attempt)?, value(reason)?)),
        _ => None,
    },
    |event| match event {
        Self::Start(id, attempt) => list([json("start"), json(id), json(attempt)]),
        Self::StartFailed(id, attempt, how) => {
            list([json("start_failed"), json(id), json(attempt), json(how)])
        }
        Self::Exit(id, attempt, reason) => list([json("exit"), json(id), json(attempt), json(reason)]),
    }
);

as_term!(
    Op,
    "operation",
    |term| match (term, parts(term)) {
        (Term::Word(word), _) if word == "stop_supervisor" => Some(Self::StopSupervisor),
        (_, Some((word, arguments))) => match (word, arguments) {
            ("crash", [id, reason]) => Some(Self::Crash(value(id)?, value(reason)?)),
            ("crash_both", [one, other]) => Some(Self::CrashBoth(value(one)?, value(other)?)),
            ("start_child", [plan]) => Some(Self::StartChild(value(plan)?)),
            ("terminate_child", [id]) => Some(Self::TerminateChild(value(id)?)),
            ("restart_child", [id]) => Some(Self::RestartChild(value(id)?)),
            ("delete_child", [id]) => Some(Self::DeleteChild(value(id)?)),
            _ => None,
        },
        _ => None,
    },
    |op| match op {
        Self::Crash(id, reason) => list([json("crash"), json(id), json(reason)]),
        Self::CrashBoth(one, other) => list([json("crash_both"), json(one), json(other)]),
        Self::StartChild(plan) => list([json("start_child"), json(plan)]),
        Self::TerminateChild(id) => list([json("terminate_child"), json(id)]),
        Self::RestartChild(id) => list([json("restart_child"), json(id)]),
        Self::DeleteChild(id) => list([json("delete_child"), json(id)]),
        Self::StopSupervisor => word("stop_supervisor"),
    }
);

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
