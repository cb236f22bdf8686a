//! The rules, one by one.
//!
//! Actions are compared as short texts, so that a test shows the whole answer of the machine and nothing can come
//! unseen.

mod calls;
mod cost;
mod ending;
mod exits;
mod restarting;

use std::time::Duration;

use std::sync::Arc;

use theater_core::{
    ActorError, ActorId, ActorInfo, ActorStatus, ChildSpec, ExitReason, Incarnation, RestartPolicy,
    SupervisionSpec,
};

use crate::event::Decision;

use super::*;

pub(super) const PERIOD_MS: u64 = 5_000;

/// The id of the child with this number: children are numbered as they were started, from 1, like their keys.
pub(super) fn id(number: u64) -> ActorId {
    ActorId::from_parts(number, [0; 10])
}

fn number(id: ActorId) -> u64 {
    id.as_bytes()[..6].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(super) fn trapped() -> ExitReason {
    ExitReason::Trapped { message: "unreachable".into(), backtrace: Vec::new() }
}

pub(super) fn info(number: u64, incarnation: u64, policy: RestartPolicy) -> ActorInfo {
    ActorInfo::new(id(number), None, "child", ActorStatus::Running)
        .with_incarnation(Incarnation(incarnation))
        .with_child_spec(ChildSpec::new(policy))
}

/// A machine with a clock and children to come back to.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) machine: Machine,
    pub(super) now: u64,
    policies: Vec<RestartPolicy>,
    /// The keys of the children by their numbers.
    keys: std::collections::BTreeMap<u64, ChildKey>,
    numbers: std::collections::HashMap<ChildKey, u64>,
}

impl Bench {
    pub(super) fn new(intensity: u32) -> Self {
        let spec = SupervisionSpec::new(intensity, Duration::from_millis(PERIOD_MS));
        Self {
            machine: Machine::new(spec),
            now: 10_000,
            policies: Vec::new(),
            keys: Default::default(),
            numbers: Default::default(),
        }
    }

    /// A machine with running children of these policies.
    pub(super) fn with(intensity: u32, policies: &[RestartPolicy]) -> Self {
        let mut bench = Self::new(intensity);
        for policy in policies {
            bench.policies.push(*policy);
            let child = bench.policies.len() as u64;
            assert_eq!(bench.call_start(0), [format!("start {child} for 0")]);
            assert_eq!(bench.started(child, 1), ["reply 0: ok"]);
        }
        bench
    }

    pub(super) fn step(&mut self, input: Input) -> Vec<String> {
        let mut actions = Vec::new();
        self.machine.step(Tick(self.now), input, &mut actions);
        actions.iter().map(|action| self.text(action)).collect()
    }

    pub(super) fn policy(&self, child: u64) -> RestartPolicy {
        let index = usize::try_from(child).expect("children are few") - 1;
        self.policies.get(index).copied().unwrap_or(RestartPolicy::Permanent)
    }

    pub(super) fn call_start(&mut self, call: u64) -> Vec<String> {
        let request = Request::Start { id: None, child_spec: None };
        self.step(Input::Call { call: CallId(call), by: By::Guest, request })
    }

    pub(super) fn call_restart(&mut self, call: u64, child: u64) -> Vec<String> {
        let info = info(child, 1, self.policy(child));
        let request = Request::Renew(Target::Actor(info));
        self.step(Input::Call { call: CallId(call), by: By::Guest, request })
    }

    pub(super) fn call_stop(&mut self, call: u64, child: u64) -> Vec<String> {
        let info = info(child, 1, self.policy(child));
        let request = Request::Terminate(Target::Actor(info));
        self.step(Input::Call { call: CallId(call), by: By::Guest, request })
    }

    pub(super) fn started(&mut self, child: u64, incarnation: u64) -> Vec<String> {
        self.step(Input::Started {
            child: self.key(child),
            id: id(child),
            incarnation: Incarnation(incarnation),
            child_spec: ChildSpec::new(self.policy(child)),
        })
    }

    pub(super) fn start_failed(&mut self, child: u64) -> Vec<String> {
        let error = ActorError::StartFailed { reason: ExitReason::InitFailed { error: "no".into() } };
        self.step(Input::StartFailed { child: self.key(child), error })
    }

    pub(super) fn stop_ended(&mut self, child: u64) -> Vec<String> {
        self.step(Input::StopEnded { child: self.key(child), error: None })
    }

    pub(super) fn stop_refused(&mut self, child: u64) -> Vec<String> {
        let error = Some(ActorError::Unsupported { operation: "stop" });
        self.step(Input::StopEnded { child: self.key(child), error })
    }

    pub(super) fn exited(&mut self, child: u64, incarnation: u64, reason: ExitReason) -> Vec<String> {
        let reason = Arc::new(reason);
        let incarnation = Incarnation(incarnation);
        self.step(Input::Exited { id: id(child), incarnation, reason, progressed: None })
    }

    /// The time for the latest retry of a child has come.
    pub(super) fn retry(&mut self, child: u64) -> Vec<String> {
        let slot = self.machine.children.slot(self.key(child));
        let attempt = slot.map_or(0, |slot| self.machine.children.cold(slot).attempt);
        self.step(Input::Retry { child: self.key(child), attempt })
    }

    pub(super) fn shutdown(&mut self) -> Vec<String> {
        self.step(Input::Shutdown)
    }
}

impl Bench {
    pub(super) fn key(&self, child: u64) -> ChildKey {
        self.keys.get(&child).copied().unwrap_or(ChildKey(u64::MAX))
    }

    pub(super) fn children(&self) -> usize {
        self.machine.count_children().specs
    }

    /// The number of the child with this key; a new one gets the next.
    fn number_of(&mut self, key: ChildKey) -> u64 {
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        let next = self.keys.last_key_value().map_or(1, |(last, _)| last + 1);
        self.know(next, key);
        next
    }

    /// Gives the child with this key a number, unless it has one.
    pub(super) fn know(&mut self, number: u64, key: ChildKey) {
        self.keys.entry(number).or_insert(key);
        self.numbers.entry(key).or_insert(number);
    }

    fn text(&mut self, action: &Action) -> String {
        match action {
            Action::Start { child, call: Some(call), .. } => {
                format!("start {} for {}", self.number_of(*child), call.0)
            }
            Action::Start { child, .. } => format!("start {}", self.number_of(*child)),
            Action::Restart { child, id, .. } => {
                self.know(number(*id), *child);
                assert_eq!(number(*id), self.number_of(*child), "the id of another child");
                format!("restart {}", self.number_of(*child))
            }
            Action::Stop { child, id, .. } => {
                self.know(number(*id), *child);
                assert_eq!(number(*id), self.number_of(*child), "the id of another child");
                format!("stop {}", self.number_of(*child))
            }
            Action::Abandon { child } => format!("abandon {}", self.number_of(*child)),
            Action::Begun(outcome) => format!("begun: {outcome:?}"),
            Action::Reap { id } => format!("reap {}", number(*id)),
            Action::RetryLater { child, .. } => format!("retry later {}", self.number_of(*child)),
            Action::Reply { call, verdict: Ok(_) } => format!("reply {}: ok", call.0),
            Action::Reply { call, verdict: Err(error) } => format!("reply {}: {error}", call.0),
            Action::Report(report) => {
                let decision = match &report.decision {
                    Decision::Restart { count, intensity, .. } => format!("restart {count} of {intensity}"),
                    Decision::Leave => "leave".to_owned(),
                    Decision::GiveUp { .. } => "give up".to_owned(),
                    Decision::Wait { delay_ms } => format!("wait {delay_ms} ms"),
                    Decision::AutoShutdown { .. } => "auto-shutdown".to_owned(),
                };
                format!("report {}.{}: {decision}", report.child.map_or(0, number), report.incarnation)
            }
            Action::Notify { id, incarnation, reason } => {
                format!("notify {}.{incarnation} {}", number(*id), reason.name())
            }
            Action::Finish(Outcome::Shutdown) => "finish: shutdown".to_owned(),
            Action::Finish(Outcome::Escalated { child, reason, .. }) => {
                format!("finish: escalated by {}, {}", child.map_or(0, number), reason.name())
            }
            Action::Finish(Outcome::AutoShutdown { child }) => {
                format!("finish: auto-shutdown by {}", child.map_or(0, number))
            }
            Action::Finish(Outcome::NotStarted { id, .. }) => format!("finish: {id} not started"),
        }
    }
}
