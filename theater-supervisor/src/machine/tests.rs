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

use theater_core::ActorStatus;

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
}

impl Bench {
    pub(super) fn new(intensity: u32) -> Self {
        let spec = SupervisionSpec::new(intensity, Duration::from_millis(PERIOD_MS));
        Self { machine: Machine::new(spec), now: 10_000, policies: Vec::new() }
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
        actions.iter().map(text).collect()
    }

    pub(super) fn policy(&self, child: u64) -> RestartPolicy {
        let index = usize::try_from(child).expect("children are few") - 1;
        self.policies.get(index).copied().unwrap_or(RestartPolicy::Permanent)
    }

    pub(super) fn call_start(&mut self, call: u64) -> Vec<String> {
        self.step(Input::Call { call: CallId(call), request: Request::Start })
    }

    pub(super) fn call_restart(&mut self, call: u64, child: u64) -> Vec<String> {
        let info = info(child, 1, self.policy(child));
        self.step(Input::Call { call: CallId(call), request: Request::Restart(info) })
    }

    pub(super) fn call_stop(&mut self, call: u64, child: u64) -> Vec<String> {
        let info = info(child, 1, self.policy(child));
        self.step(Input::Call { call: CallId(call), request: Request::Stop(info) })
    }

    pub(super) fn started(&mut self, child: u64, incarnation: u64) -> Vec<String> {
        let info = info(child, incarnation, self.policy(child));
        self.step(Input::Started { child: ChildKey(child), info })
    }

    pub(super) fn start_failed(&mut self, child: u64) -> Vec<String> {
        let error = ActorError::StartFailed { reason: ExitReason::InitFailed { error: "no".into() } };
        self.step(Input::StartFailed { child: ChildKey(child), error })
    }

    pub(super) fn stop_ended(&mut self, child: u64) -> Vec<String> {
        self.step(Input::StopEnded { child: ChildKey(child), error: None })
    }

    pub(super) fn stop_refused(&mut self, child: u64) -> Vec<String> {
        let error = Some(ActorError::Unsupported { operation: "stop" });
        self.step(Input::StopEnded { child: ChildKey(child), error })
    }

    pub(super) fn exited(&mut self, child: u64, incarnation: u64, reason: ExitReason) -> Vec<String> {
        self.step(Input::Exited { id: id(child), incarnation: Incarnation(incarnation), reason })
    }

    pub(super) fn retry(&mut self, child: u64) -> Vec<String> {
        self.step(Input::Retry { child: ChildKey(child) })
    }

    pub(super) fn shutdown(&mut self) -> Vec<String> {
        self.step(Input::Shutdown)
    }
}

fn text(action: &Action) -> String {
    match action {
        Action::Start { child, call } => format!("start {} for {}", child.0, call.0),
        Action::Restart { child, id, .. } => {
            assert_eq!(number(*id), child.0, "the id of another child");
            format!("restart {}", child.0)
        }
        Action::Stop { child, id, .. } => {
            assert_eq!(number(*id), child.0, "the id of another child");
            format!("stop {}", child.0)
        }
        Action::RetryLater { child } => format!("retry later {}", child.0),
        Action::Reply { call, verdict: Ok(_) } => format!("reply {}: ok", call.0),
        Action::Reply { call, verdict: Err(error) } => format!("reply {}: {error}", call.0),
        Action::Report(report) => {
            let decision = match &report.decision {
                Decision::Restart { count, intensity, .. } => format!("restart {count} of {intensity}"),
                Decision::Leave => "leave".to_owned(),
                Decision::GiveUp { .. } => "give up".to_owned(),
            };
            format!("report {}.{}: {decision}", number(report.child), report.incarnation)
        }
        Action::Notify(notice) => {
            format!("notify {}.{} {}", number(notice.child), notice.incarnation, notice.reason.name())
        }
        Action::Finish(Outcome::Shutdown) => "finish: shutdown".to_owned(),
        Action::Finish(Outcome::Escalated { child, reason }) => {
            format!("finish: escalated by {}, {}", number(*child), reason.name())
        }
    }
}
