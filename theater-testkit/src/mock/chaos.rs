//! Faults at work in a mock runtime.

use theater_core::{ActorError, ActorId, Authority};

use super::MockRuntime;
use super::call::Call;
use super::lives::Lives;
use super::schedule::Random;
use crate::fault::{FaultKind, FaultRule, Operation};
use crate::log::What;

/// The rules that are installed.
#[derive(Debug, Default)]
pub(super) struct Faults {
    installed: Vec<Installed>,
    next: u64,
}

#[derive(Debug)]
struct Installed {
    number: u64,
    rule: FaultRule,
    random: Random,
    /// Operations that the rule is about, so far.
    met: u64,
    fired: u64,
}

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule, seed: u64) -> u64 {
        self.next += 1;
        let random = Random::new(seed ^ self.next);
        self.installed.push(Installed { number: self.next, rule, random, met: 0, fired: 0 });
        self.next
    }

    fn remove(&mut self, number: u64) {
        self.installed.retain(|installed| installed.number != number);
    }

    fn fired(&self, number: u64) -> u64 {
        self.installed.iter().find(|installed| installed.number == number).map_or(0, |rule| rule.fired)
    }

    fn meet(&mut self, call: &Call) -> Option<FaultKind> {
        let mut found = None;
        for installed in &mut self.installed {
            if !installed.rule.is_about(call) {
                continue;
            }
            installed.met += 1;
            let full = installed.rule.kind == FaultKind::Full && installed.fired > 0;
            let chance = installed.random.next();
            if found.is_none() && (full || installed.rule.when.hits(installed.met, chance)) {
                installed.fired += 1;
                found = Some(installed.rule.kind);
            }
        }
        found
    }
}

/// A fault that was installed. Dropping it takes the fault away.
#[derive(Debug)]
#[must_use = "the fault is taken away when this is dropped"]
pub struct FaultGuard {
    mock: MockRuntime,
    number: u64,
}

impl FaultGuard {
    /// How often the fault has happened.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.mock.lives().faults.fired(self.number)
    }
}

impl Drop for FaultGuard {
    fn drop(&mut self) {
        self.mock.lives().faults.remove(self.number);
    }
}

impl MockRuntime {
    /// Lets something go wrong from now on, until the guard is dropped. Of several rules that hit, the first counts.
    ///
    /// # Examples
    /// ```
    /// use theater_testkit::fault::{FaultKind, FaultRule, Operation};
    /// use theater_testkit::MockRuntime;
    ///
    /// let mock = MockRuntime::new();
    /// let full = mock.inject(FaultRule::new(Operation::Record, FaultKind::Fail).nth(2));
    /// assert_eq!(full.fired(), 0);
    /// ```
    pub fn inject(&self, rule: impl Into<FaultRule>) -> FaultGuard {
        let mut lives = self.lives();
        let seed = lives.seed;
        let number = lives.faults.add(rule.into(), seed);
        FaultGuard { mock: self.clone(), number }
    }
}

impl Lives {
    /// What goes wrong with an operation, if something does.
    pub(super) fn meet(&mut self, operation: Operation, actor: Option<ActorId>) -> Option<FaultKind> {
        if self.faults.installed.is_empty() {
            return None;
        }
        let call = self.call(operation, actor, None);
        self.meet_call(&call)
    }

    pub(super) fn meet_call(&mut self, call: &Call) -> Option<FaultKind> {
        let kind = self.faults.meet(call)?;
        self.note(What::Fault { what: format!("{kind} {call}") });
        Some(kind)
    }

    pub(super) fn call(
        &mut self,
        operation: Operation,
        actor: Option<ActorId>,
        by: Option<Authority>,
    ) -> Call {
        let name = actor.map_or_else(String::new, |id| {
            self.actors.get(&id).map_or_else(|| id.to_string(), |actor| actor.name.clone())
        });
        Call { operation, actor, name, by, at: self.now(), answer: None }
    }

    /// Forgets the calls so far and returns them.
    pub(super) fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }
}

/// The error of an operation that a fault lets fail.
pub(super) fn failure(operation: Operation, id: Option<ActorId>) -> ActorError {
    match (operation, id) {
        (Operation::Record | Operation::Append | Operation::Events, Some(id)) => {
            let source = std::io::Error::other("scripted");
            ActorError::Chain { id, source: std::sync::Arc::new(source) }
        }
        _ => ActorError::Unsupported { operation: operation.name() },
    }
}
