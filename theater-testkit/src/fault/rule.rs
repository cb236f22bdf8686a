//! A fault that a test writes.

use std::fmt;
use std::sync::Arc;

use theater_core::ActorId;

use super::{FaultKind, FaultSpec, Operation, When};
use crate::mock::Call;

type Predicate = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

/// Which operations go wrong, when, and how.
///
/// # Examples
/// ```
/// use theater_testkit::fault::{FaultKind, FaultRule, Operation};
///
/// // The second start of something called `worker` takes a second longer.
/// let rule = FaultRule::new(Operation::Spawn, FaultKind::Delay(1_000))
///     .nth(2)
///     .only(|call| call.name == "worker");
/// assert_eq!(format!("{rule:?}"), "delay by 1000 ms spawn, Nth(2), of those that a predicate picks");
/// ```
#[derive(Clone)]
pub struct FaultRule {
    pub(crate) operation: Operation,
    pub(crate) when: When,
    pub(crate) kind: FaultKind,
    only: Option<Predicate>,
}

impl FaultRule {
    /// This fault, for every operation of this kind.
    #[must_use]
    pub fn new(operation: Operation, kind: FaultKind) -> Self {
        Self { operation, kind, when: When::From(1), only: None }
    }

    /// Only for the `n`-th of them, from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.when = When::Nth(n);
        self
    }

    /// Only from the `n`-th of them on, from 1.
    #[must_use]
    pub fn from(mut self, n: u64) -> Self {
        self.when = When::From(n);
        self
    }

    /// For each of them with this probability, in thousandths.
    #[must_use]
    pub fn rate(mut self, thousandths: u16) -> Self {
        self.when = When::Rate(thousandths);
        self
    }

    /// Only for those that `picks` picks. Others are not counted.
    #[must_use]
    pub fn only(mut self, picks: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.only = Some(Arc::new(picks));
        self
    }

    /// Only for those that are about this actor. Others are not counted.
    #[must_use]
    pub fn on(self, actor: ActorId) -> Self {
        self.only(move |call| call.actor == Some(actor))
    }

    pub(crate) fn is_about(&self, call: &Call) -> bool {
        self.operation == call.operation && self.only.as_ref().is_none_or(|only| only(call))
    }
}

impl From<FaultSpec> for FaultRule {
    fn from(spec: FaultSpec) -> Self {
        Self { operation: spec.operation, when: spec.when, kind: spec.kind, only: None }
    }
}

impl fmt::Debug for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {:?}", self.kind, self.operation, self.when)?;
        if self.only.is_some() {
            f.write_str(", of those that a predicate picks")?;
        }
        Ok(())
    }
}
