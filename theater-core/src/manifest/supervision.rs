//! How children are supervised, as data: the tables `[supervision]` and `[child_spec]`. The names are OTP's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::runtime::{RestartFrom, StopMode};

/// Who is restarted when a child has to be. OTP's `strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Strategy {
    /// The child itself.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// The child and those that were started after it.
    RestForOne,
    /// The child itself; children are started at run time only, are forgotten when they end for good, and are stopped all
    /// at once. OTP's `simple_one_for_one`, Elixir's `DynamicSupervisor`.
    SimpleOneForOne,
}

/// When a supervisor ends because its significant children have. OTP's `auto_shutdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AutoShutdown {
    /// Never: then no child may be significant.
    #[default]
    Never,
    /// When one has ended by itself and is not started again.
    AnySignificant,
    /// When the last has.
    AllSignificant,
}

/// As what a supervisor ends that gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Escalation {
    /// As a failure: a transient supervisor is started again by its own supervisor.
    #[default]
    Abnormal,
    /// As OTP does, with `shutdown`, which counts as clean: a transient supervisor is not started again.
    Shutdown,
}

/// A number with three decimals: 1,000 of these are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thousandths(pub u32);

/// How long a restart waits.
///
/// The n-th restart in a row, counted from 0, waits `min * factor^n`, at most `max`, plus up to `jitter` of that, at
/// most `max` again. A life that lasted `reset_after` begins a new row. Akka's `restartWithBackoff`, but the jitter does not exceed
/// `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Backoff {
    /// The first wait.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How much longer each is than the one before. At least 1. Default 2.
    pub factor: Thousandths,
    /// Up to which part of the wait is added at random. At most 1. Default 0.
    pub jitter: Thousandths,
    /// How long a life has to last to count as a recovery. Default `(min + max) / 2`, as in Akka.
    pub reset_after: Duration,
}

impl Backoff {
    /// Waits from `min` to `max`, doubling, without jitter.
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Self {
        let reset_after = min.saturating_add(max) / 2;
        Self { min, max, factor: Thousandths(2_000), jitter: Thousandths(0), reset_after }
    }
}

/// How an actor supervises its children: the table `[supervision]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SupervisionSpec {
    /// Who is restarted. Default: the child itself.
    pub strategy: Strategy,
    /// How many restarts are allowed within `period`, counted over all children. Default 1, as in OTP.
    pub intensity: u32,
    /// The window in which restarts are counted. Default 5 s, as in OTP.
    pub period: Duration,
    /// When it ends because significant children have. Default: never.
    pub auto_shutdown: AutoShutdown,
    /// How many children it may have, those that wait for a restart included. Elixir's `max_children`. Default: as many
    /// as `limits.children` allows.
    pub max_children: Option<u32>,
    /// How long a restart waits. Default: not at all.
    pub backoff: Option<Backoff>,
    /// After how many crashes in a row that began from the same restored state, without a call that succeeded, the next
    /// restart is from `init`; after as many from there the supervisor gives up. Default 3; `None`: never.
    pub poison_after: Option<u32>,
    /// As what it ends when it gave up. Default: as a failure.
    pub escalation: Escalation,
}

impl SupervisionSpec {
    /// One-for-one with these limits.
    #[must_use]
    pub fn new(intensity: u32, period: Duration) -> Self {
        Self { intensity, period, ..Self::default() }
    }

    /// The same with another strategy.
    #[must_use]
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The same with another auto-shutdown.
    #[must_use]
    pub fn with_auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.auto_shutdown = auto_shutdown;
        self
    }
}

impl Default for SupervisionSpec {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            intensity: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::Never,
            max_children: None,
            backoff: None,
            poison_after: Some(3),
            escalation: Escalation::Abnormal,
        }
    }
}

/// When a child that ended is started again. OTP's `restart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Always.
    Permanent,
    /// When it did not end cleanly.
    Transient,
    /// Never.
    Temporary,
}

impl RestartPolicy {
    /// The policy as manifests write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Transient => "transient",
            Self::Temporary => "temporary",
        }
    }
}

/// How a child is ended. OTP's `shutdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shutdown {
    /// At once. OTP: `brutal_kill`.
    Kill,
    /// After its current call, or killed after this time.
    After(Duration),
    /// After its current call, however long it takes.
    Infinity,
}

impl Shutdown {
    /// OTP's default for a kind of child: 5 s for a worker, infinity for a supervisor.
    #[must_use]
    pub fn default_of(child_type: ChildType) -> Self {
        match child_type {
            ChildType::Worker => Self::After(Duration::from_secs(5)),
            ChildType::Supervisor => Self::Infinity,
        }
    }
}

impl From<Shutdown> for StopMode {
    fn from(shutdown: Shutdown) -> Self {
        match shutdown {
            Shutdown::Kill => Self::Kill,
            Shutdown::After(grace) => Self::Graceful(grace),
            Shutdown::Infinity => Self::Infinity,
        }
    }
}

/// What kind of child it is. OTP's `type`: counts, reports and the default shutdown depend on it, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildType {
    /// An actor that works.
    #[default]
    Worker,
    /// An actor that has children.
    Supervisor,
}

/// How an actor is treated by its parent's supervisor. OTP's child specification, without id and start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChildSpec {
    /// When it is started again.
    pub restart: RestartPolicy,
    /// How it is ended.
    pub shutdown: Shutdown,
    /// What kind of child it is.
    pub child_type: ChildType,
    /// Whether its end may end the supervisor: see [`AutoShutdown`]. Never of a permanent child.
    pub significant: bool,
    /// Where an automatic restart starts from.
    pub restart_from: RestartFrom,
}

impl ChildSpec {
    /// A worker with this restart policy and the defaults besides.
    #[must_use]
    pub fn new(restart: RestartPolicy) -> Self {
        Self { restart, ..Self::default() }
    }

    /// The same with another shutdown.
    #[must_use]
    pub fn with_shutdown(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }

    /// The same of another type. The shutdown stays.
    #[must_use]
    pub fn with_type(mut self, child_type: ChildType) -> Self {
        self.child_type = child_type;
        self
    }

    /// The same, significant or not.
    #[must_use]
    pub fn with_significant(mut self, significant: bool) -> Self {
        self.significant = significant;
        self
    }

    /// The same with restarts from elsewhere.
    #[must_use]
    pub fn with_restart_from(mut self, from: RestartFrom) -> Self {
        self.restart_from = from;
        self
    }
}

impl Default for ChildSpec {
    /// A temporary worker that has 5 s to end.
    fn default() -> Self {
        ChildSpecKeys::default().resolve(RestartPolicy::Temporary, ChildType::Worker)
    }
}

/// What a manifest says of a child spec. What it leaves open follows from where the child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct ChildSpecKeys {
    /// `restart`.
    pub restart: Option<RestartPolicy>,
    /// `shutdown`.
    pub shutdown: Option<Shutdown>,
    /// `type`.
    pub child_type: Option<ChildType>,
    /// `significant`.
    pub significant: Option<bool>,
    /// `restart_from`.
    pub restart_from: Option<RestartFrom>,
}

impl ChildSpecKeys {
    /// These keys, and `other`'s where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            restart: self.restart.or(other.restart),
            shutdown: self.shutdown.or(other.shutdown),
            child_type: self.child_type.or(other.child_type),
            significant: self.significant.or(other.significant),
            restart_from: self.restart_from.or(other.restart_from),
        }
    }

    /// The child spec, with these defaults for restart and type.
    #[must_use]
    pub fn resolve(self, restart: RestartPolicy, child_type: ChildType) -> ChildSpec {
        let child_type = self.child_type.unwrap_or(child_type);
        ChildSpec {
            restart: self.restart.unwrap_or(restart),
            shutdown: self.shutdown.unwrap_or(Shutdown::default_of(child_type)),
            child_type,
            significant: self.significant.unwrap_or(false),
            restart_from: self.restart_from.unwrap_or_default(),
        }
    }
}
