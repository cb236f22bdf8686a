//! Expectations of a log, by the names of actors.

use std::collections::BTreeMap;
use std::fmt;

use theater_core::{ActorId, Incarnation};

use crate::log::{Entry, Log, What};

/// Something that is looked for in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    kind: Kind,
    name: String,
    life: Option<Incarnation>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Started,
    Failed,
    StopAsked,
    Exited,
}

impl Pattern {
    /// The same, in this life only.
    #[must_use]
    pub fn life(mut self, life: u64) -> Self {
        self.life = Some(Incarnation(life));
        self
    }

    fn fits(&self, entry: &Entry, names: &BTreeMap<ActorId, &str>) -> bool {
        let (kind, id, life) = match &entry.what {
            What::Started { id, incarnation } => (Kind::Started, id, incarnation),
            What::StartFailed { id, incarnation, .. } => (Kind::Failed, id, incarnation),
            What::StopAsked { id, incarnation, .. } => (Kind::StopAsked, id, incarnation),
            What::Exited { id, incarnation, .. } => (Kind::Exited, id, incarnation),
            _ => return false,
        };
        let named = names.get(id).is_some_and(|name| *name == self.name);
        kind == self.kind && named && self.life.is_none_or(|wanted| wanted == *life)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            Kind::Started => "started",
            Kind::Failed => "failed",
            Kind::StopAsked => "stop asked of",
            Kind::Exited => "exited",
        };
        write!(f, "{verb} {}", self.name)?;
        self.life.map_or(Ok(()), |life| write!(f, " {life}"))
    }
}

fn pattern(kind: Kind, name: &str) -> Pattern {
    Pattern { kind, name: name.to_owned(), life: None }
}

/// A life of the actor with this name comes to run.
#[must_use]
pub fn started(name: &str) -> Pattern {
    pattern(Kind::Started, name)
}

/// A start of the actor with this name fails.
#[must_use]
pub fn failed(name: &str) -> Pattern {
    pattern(Kind::Failed, name)
}

/// The actor with this name is asked to stop, or is ended without asking.
#[must_use]
pub fn stop_asked(name: &str) -> Pattern {
    pattern(Kind::StopAsked, name)
}

/// A life of the actor with this name ends.
#[must_use]
pub fn exited(name: &str) -> Pattern {
    pattern(Kind::Exited, name)
}

/// What a log is expected to say.
#[derive(Debug, Clone)]
pub struct Expectation<'a> {
    log: &'a Log,
    names: BTreeMap<ActorId, &'a str>,
}

/// Expects something of a log. Each expectation panics, with what was looked for and with the log, where it is not met.
///
/// # Examples
/// ```
/// use theater_core::{ActorRuntime, Authority, SpawnRequest, StopMode};
/// use theater_testkit::expect::{exited, expect, started};
/// use theater_testkit::MockRuntime;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let mock = MockRuntime::new();
/// let app = mock.spawn(SpawnRequest::new(None, "app")).await?.id;
/// mock.spawn(SpawnRequest::new(Some(app), "worker")).await?;
/// mock.stop(Authority::Operator, app, StopMode::Kill).await?;
/// expect(&mock.log())
///     .in_order([started("app"), started("worker"), exited("worker"), exited("app")])
///     .never(started("worker").life(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn expect(log: &Log) -> Expectation<'_> {
    let mut names = BTreeMap::new();
    for entry in log.entries() {
        if let What::Begins { id, name, .. } = &entry.what {
            names.insert(*id, name.as_str());
        }
    }
    Expectation { log, names }
}

impl Expectation<'_> {
    /// These happen in this order, perhaps with other things in between.
    ///
    /// # Panics
    /// If they do not.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the expectation was checked")]
    pub fn in_order(self, patterns: impl IntoIterator<Item = Pattern>) -> Self {
        let mut entries = self.log.entries().iter();
        let mut met = Vec::new();
        for pattern in patterns {
            assert!(
                entries.any(|entry| pattern.fits(entry, &self.names)),
                "`{pattern}` does not come after [{}] in\n{}",
                met.join(", "),
                self.log
            );
            met.push(pattern.to_string());
        }
        self
    }

    /// This does not happen.
    ///
    /// # Panics
    /// If it does.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the expectation was checked")]
    pub fn never(self, pattern: Pattern) -> Self {
        self.times(pattern, 0)
    }

    /// This happens so often.
    ///
    /// # Panics
    /// If it happens more or less often.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "the expectation was checked")]
    pub fn times(self, pattern: Pattern, count: usize) -> Self {
        let found = self.log.entries().iter().filter(|entry| pattern.fits(entry, &self.names)).count();
        assert!(found == count, "`{pattern}` comes {found} times and not {count} times in\n{}", self.log);
        self
    }
}
