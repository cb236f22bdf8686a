//! Playing scenarios, and comparing how they went.

use std::fmt;

use super::player::RulesPlayer;
use super::scenario::{ChildPlan, Event, InitOutcome, Op, OpResult, Scenario, Step};

/// Plays the operations of scenarios: the [`Model`](super::Model), the machine ([`RulesPlayer`]), or anybody's supervisor.
///
/// # Contract
/// - [`init`](Self::init) comes first and once.
/// - Each operation is performed when the supervisor has come to rest, and its [`Step`] is taken when it has come to rest again.
/// - When it has ended, every operation is answered with [`Step::after_the_end`].
pub trait Player {
    /// Starts the supervisor with these children: how that ended, and what happened.
    fn init(&mut self, children: &[ChildPlan]) -> (InitOutcome, Vec<Event>);

    /// Performs one operation.
    fn step(&mut self, op: &Op) -> Step;

    /// Whether the supervisor has not ended.
    fn is_alive(&self) -> bool;
}

impl<P: Player + ?Sized> Player for Box<P> {
    fn init(&mut self, children: &[ChildPlan]) -> (InitOutcome, Vec<Event>) {
        (**self).init(children)
    }

    fn step(&mut self, op: &Op) -> Step {
        (**self).step(op)
    }

    fn is_alive(&self) -> bool {
        (**self).is_alive()
    }
}

impl Step {
    /// What is answered when the supervisor has ended: [`OpResult::Noproc`], and nothing happens.
    #[must_use]
    pub fn after_the_end(op: &Op) -> Self {
        Self {
            op: op.clone(),
            result: OpResult::Noproc,
            events: Vec::new(),
            alive: false,
            exit_reason: None,
            children: Vec::new(),
            counts: Vec::new(),
        }
    }
}

/// Plays a scenario's setup and operations on a fresh supervisor, and returns the scenario as it went there. The
/// recordings end with the supervisor, and so does this.
///
/// # Examples
/// A supervisor held against the recordings from OTP: here the model.
/// ```
/// use theater_testkit::otp::{self, Model};
///
/// for scenario in otp::parse(otp::GOLDEN)? {
///     otp::agree(&scenario, &otp::play(Model::new(&scenario.flags), &scenario))?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn play(mut player: impl Player, scenario: &Scenario) -> Scenario {
    let (init, init_events) = player.init(&scenario.children);
    let steps = scenario.steps.iter();
    let steps = steps.map_while(|step| player.is_alive().then(|| player.step(&step.op))).collect();
    Scenario { init, init_events, steps, ..scenario.clone() }
}

/// Plays a scenario on the [`Machine`](theater_supervisor::Machine).
#[must_use]
pub fn record(scenario: &Scenario) -> Scenario {
    play(RulesPlayer::new(&scenario.flags), scenario)
}

/// Where a scenario went otherwise than it says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// The scenario's number.
    pub n: u64,
    /// The step, from 0; `None` for the start.
    pub step: Option<usize>,
    /// What the scenario says, and what happened, field by field, where they differ.
    pub differences: Vec<(&'static str, String, String)>,
}

impl std::error::Error for Disagreement {}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => writeln!(f, "scenario {}, step {step}:", self.n)?,
            None => writeln!(f, "scenario {}, start:", self.n)?,
        }
        for (field, expected, found) in &self.differences {
            writeln!(f, "  {field}")?;
            writeln!(f, "  - {expected}")?;
            writeln!(f, "  + {found}")?;
        }
        Ok(())
    }
}

/// Compares a scenario with how it went; the first difference.
///
/// # Errors
/// The first step that differs.
pub fn agree(expected: &Scenario, found: &Scenario) -> Result<(), Disagreement> {
    let n = expected.n;
    let mut differences = Vec::new();
    differ(&mut differences, "init", &expected.init, &found.init);
    differ(&mut differences, "events", &expected.init_events, &found.init_events);
    if !differences.is_empty() {
        return Err(Disagreement { n, step: None, differences });
    }
    for (index, step) in expected.steps.iter().enumerate() {
        let Some(other) = found.steps.get(index) else {
            differ(&mut differences, "steps", &expected.steps.len(), &found.steps.len());
            return Err(Disagreement { n, step: Some(index), differences });
        };
        differ(&mut differences, "op", &step.op, &other.op);
        differ(&mut differences, "result", &step.result, &other.result);
        differ(&mut differences, "events", &step.events, &other.events);
        differ(&mut differences, "alive", &step.alive, &other.alive);
        differ(&mut differences, "exit_reason", &step.exit_reason, &other.exit_reason);
        differ(&mut differences, "children", &step.children, &other.children);
        differ(&mut differences, "counts", &step.counts, &other.counts);
        if !differences.is_empty() {
            return Err(Disagreement { n, step: Some(index), differences });
        }
    }
    Ok(())
}

fn differ<T: PartialEq + serde::Serialize>(
    differences: &mut Vec<(&'static str, String, String)>,
    field: &'static str,
    expected: &T,
    found: &T,
) {
    if expected != found {
        let text = |value: &T| serde_json::to_string(value).expect("plain values");
        differences.push((field, text(expected), text(found)));
    }
}
