//! The rules of one supervisor, as a pure machine: inputs go in with their time, actions come out.
//!
//! The semantics are those of OTP's `supervisor`, strategy one-for-one. The rule that restarts a child is
//! [`restarts`]; how often is [`Intensity`]'s. What OTP's supervisor process does one after the other is done here by letting
//! later calls about a child wait until the operation on it has ended; other children are not held up.

mod children;
mod window;

use theater_core::manifest::{RestartPolicy, SupervisionSpec};
use theater_core::{
    ActorError, ActorId, ActorInfo, ChildNotice, ChildSpec, ExitReason, Incarnation, StopMode,
};

use crate::event::{Decision, SupervisionReport};
use children::{Child, Children, Phase, Waiting};
pub use window::Intensity;

/// Milliseconds since the supervisor started. The machine never reads a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

/// Names a call, to find its reply. The driver gives them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Names a child inside a machine, from before it has an id. Later children have greater keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildKey(pub u64);

/// Whether a child with this policy is started again after this exit.
///
/// | | completed, stopped | trapped, timed out, killed, ... |
/// |---|---|---|
/// | permanent | yes | yes |
/// | transient | no | yes |
/// | temporary | no | no |
///
/// OTP: `supervisor`, "restart" of a child specification; clean are `normal`, `shutdown` and `{shutdown, _}`.
#[must_use]
pub fn restarts(policy: RestartPolicy, reason: &ExitReason) -> bool {
    match policy {
        RestartPolicy::Permanent => true,
        RestartPolicy::Transient => !reason.is_clean(),
        RestartPolicy::Temporary => false,
    }
}

/// What the guest's host functions ask for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Request {
    /// Start a child; the driver knows which.
    Start,
    /// End a child's life, if it has one, and start the next.
    Restart(ActorInfo),
    /// End a child.
    Stop(ActorInfo),
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A host function asks for something.
    Call {
        /// To find the reply.
        call: CallId,
        /// What.
        request: Request,
    },
    /// A start or restart has succeeded.
    Started {
        /// The child.
        child: ChildKey,
        /// What is known about it now.
        info: ActorInfo,
    },
    /// A start or restart has failed: nothing runs.
    StartFailed {
        /// The child.
        child: ChildKey,
        /// Why.
        error: ActorError,
    },
    /// A stop has ended.
    StopEnded {
        /// The child.
        child: ChildKey,
        /// Why it failed, if it did.
        error: Option<ActorError>,
    },
    /// A life has ended.
    Exited {
        /// The child.
        id: ActorId,
        /// Which life.
        incarnation: Incarnation,
        /// Why.
        reason: ExitReason,
    },
    /// The time for another try at a restart that failed has come.
    Retry {
        /// The child.
        child: ChildKey,
    },
    /// The supervisor itself has to end.
    Shutdown,
}

/// What has to be done.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Action {
    /// Start the child that this call asked for. Answer with `Started` or `StartFailed`.
    Start {
        /// The child.
        child: ChildKey,
        /// The call.
        call: CallId,
    },
    /// End the child's life, if it has one, and start the next from the last good state. Answer with `Started` or
    /// `StartFailed`.
    Restart {
        /// The child.
        child: ChildKey,
        /// Its id.
        id: ActorId,
        /// How the life that is still there is ended: [`Kill`](StopMode::Kill) where none is.
        mode: StopMode,
    },
    /// End the child. Answer with `StopEnded`.
    Stop {
        /// The child.
        child: ChildKey,
        /// Its id.
        id: ActorId,
        /// How.
        mode: StopMode,
    },
    /// Come back with `Retry`, after everything that waits already.
    RetryLater {
        /// The child.
        child: ChildKey,
    },
    /// Answer a call.
    Reply {
        /// The call.
        call: CallId,
        /// The answer.
        verdict: Verdict,
    },
    /// Record a decision.
    Report(SupervisionReport),
    /// Tell the actor's guest code.
    Notify(ChildNotice),
    /// End. Nothing comes after this.
    Finish(Outcome),
}

/// The answer to a call: the child's id.
pub type Verdict = Result<ActorId, ActorError>;

/// How a supervisor ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was asked to.
    Shutdown,
    /// A child ended too often.
    Escalated {
        /// The child.
        child: ActorId,
        /// Its last exit reason.
        reason: ExitReason,
    },
}

/// One supervisor.
///
/// # Guarantees
/// - Every call gets exactly one reply, and `Finish` comes exactly once, provided every `Start`, `Restart`, `Stop` and
///   `RetryLater` is answered.
/// - An exit of an older life, or one told twice, changes nothing.
/// - A child that was asked to stop, or to restart, by a call is not answered by a restart of its own.
/// - After `Shutdown`, or after giving up, children are stopped one after the other, latest first, and nothing is started.
/// - The same inputs at the same times give the same actions.
/// - An input costs O(log n) with n children, except the one with which it begins to end: that one asks every child for
///   calls that wait.
#[derive(Debug)]
pub struct Machine {
    spec: SupervisionSpec,
    window: Intensity,
    children: Children,
    /// Set when the supervisor has begun to end.
    ending: Option<Outcome>,
    finished: bool,
}

impl Machine {
    /// A supervisor without children.
    #[must_use]
    pub fn new(spec: SupervisionSpec) -> Self {
        Self {
            spec,
            window: Intensity::new(spec.intensity, spec.period),
            children: Children::default(),
            ending: None,
            finished: false,
        }
    }

    /// How many children it keeps: live ones, and ended ones that may be started again under their child spec.
    #[must_use]
    pub fn child_count(&self) -> usize {
        self.children.len()
    }

    /// Takes one input and appends what has to be done.
    pub fn step(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>) {
        if self.finished {
            if let Input::Call { call, .. } = input {
                actions.push(Action::Reply { call, verdict: Err(ActorError::ShuttingDown) });
            }
            return;
        }
        let was_ending = self.ending.is_some();
        match input {
            Input::Call { call, .. } if self.ending.is_some() => {
                actions.push(Action::Reply { call, verdict: Err(ActorError::ShuttingDown) });
            }
            Input::Call { call, request: Request::Start } => {
                let child = self.children.add(Child::starting(call));
                actions.push(Action::Start { child, call });
            }
            Input::Call { call, request: Request::Restart(info) } => {
                let child = self.children.adopt(&info);
                self.call(child, Waiting::Restart(call), actions);
            }
            Input::Call { call, request: Request::Stop(info) } => {
                let child = self.children.adopt(&info);
                self.call(child, Waiting::Stop(call), actions);
            }
            Input::Started { child, info } => self.started(now, child, &info, actions),
            Input::StartFailed { child, error } => self.start_failed(child, error, actions),
            Input::StopEnded { child, error } => self.stop_ended(child, error, actions),
            Input::Exited { id, incarnation, reason } => self.exited(now, id, incarnation, reason, actions),
            Input::Retry { child } => self.retry(now, child, actions),
            Input::Shutdown => {
                self.ending.get_or_insert(Outcome::Shutdown);
            }
        }
        for (id, incarnation, reason) in self.children.take_strangers() {
            actions.push(Action::Notify(ChildNotice::new(id, incarnation, reason)));
        }
        self.go_on_ending(!was_ending, actions);
    }

    /// A call about one child: now, or after what is being done with it.
    fn call(&mut self, key: ChildKey, waiting: Waiting, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(key) else { return };
        let Some(id) = child.id else { return };
        match (&child.phase, waiting) {
            (Phase::Starting { .. } | Phase::Stopping { .. }, waiting) => child.waiting.push_back(waiting),
            (phase @ (Phase::Running | Phase::Restarting | Phase::Down), Waiting::Restart(call)) => {
                let mode = if *phase == Phase::Running { child.spec.shutdown.into() } else { StopMode::Kill };
                child.phase = Phase::Starting { call: Some(call) };
                actions.push(Action::Restart { child: key, id, mode });
            }
            (Phase::Running, Waiting::Stop(call)) => {
                child.exited = false;
                child.phase = Phase::Stopping { call: Some(call) };
                actions.push(Action::Stop { child: key, id, mode: child.spec.shutdown.into() });
            }
            // A pending retry is cancelled. What has ended is stopped all the same: the runtime may know more.
            (Phase::Restarting | Phase::Down, Waiting::Stop(call)) => {
                child.exited = true;
                child.phase = Phase::Stopping { call: Some(call) };
                actions.push(Action::Stop { child: key, id, mode: child.spec.shutdown.into() });
            }
        }
    }

    fn started(&mut self, now: Tick, key: ChildKey, info: &ActorInfo, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(key) else { return };
        let Phase::Starting { call } = child.phase else { return };
        child.phase = Phase::Running;
        child.exited = false;
        child.incarnation = info.incarnation;
        child.spec = info.child_spec;
        if let Some(call) = call {
            actions.push(Action::Reply { call, verdict: Ok(info.id) });
        }
        self.children.name(key, info.id);
        // It may have died before its start was answered.
        if let Some((incarnation, reason)) = self.children.take_early_exit(info.id) {
            self.exited(now, info.id, incarnation, reason, actions);
        }
        self.next_waiting(key, actions);
    }

    fn start_failed(&mut self, key: ChildKey, error: ActorError, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(key) else { return };
        let Phase::Starting { call } = child.phase else { return };
        match (call, child.id) {
            // A restart by rule: OTP tries again until it succeeds or the intensity is exceeded.
            (None, Some(_)) if self.ending.is_none() => {
                child.last_reason = ExitReason::StartFailed { error: error.to_string() };
                child.phase = Phase::Restarting;
                actions.push(Action::RetryLater { child: key });
            }
            (call, id) => {
                child.phase = Phase::Down;
                if let Some(call) = call {
                    actions.push(Action::Reply { call, verdict: Err(error) });
                }
                if id.is_none() {
                    self.children.remove(key);
                }
            }
        }
        self.next_waiting(key, actions);
    }

    fn stop_ended(&mut self, key: ChildKey, error: Option<ActorError>, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(key) else { return };
        let Phase::Stopping { call } = child.phase else { return };
        let Some(id) = child.id else { return };
        // Whatever the exit of this life says when it comes: it was asked for.
        // A stop that was refused leaves the child as it was, unless the supervisor ends: then it has done what it could.
        let refused = error.is_some() && self.ending.is_none();
        child.phase = if refused && !child.exited { Phase::Running } else { Phase::Down };
        if !refused {
            child.answered = child.answered.max(child.incarnation);
        }
        if let Some(call) = call {
            let verdict = match error {
                Some(error) => Err(error),
                None => Ok(id),
            };
            actions.push(Action::Reply { call, verdict });
        }
        self.next_waiting(key, actions);
    }

    /// A life has ended, by itself or because somebody ended it.
    fn exited(
        &mut self,
        now: Tick,
        id: ActorId,
        incarnation: Incarnation,
        reason: ExitReason,
        actions: &mut Vec<Action>,
    ) {
        let Some(key) = self.children.key(id) else {
            if self.children.keep_early_exit(id, incarnation, &reason) {
                return;
            }
            // A child that was started past this supervisor: nobody's rule, but news.
            actions.push(Action::Notify(ChildNotice::new(id, incarnation, reason)));
            return;
        };
        let Some(child) = self.children.get_mut(key) else { return };
        if incarnation <= child.seen {
            return;
        }
        if incarnation < child.incarnation {
            // An older life: its end was dealt with when the next one was started.
            child.seen = incarnation;
            return;
        }
        if incarnation > child.incarnation && matches!(child.phase, Phase::Starting { .. }) {
            // The exit of the life whose start has not been answered yet.
            self.children.keep_early_exit(id, incarnation, &reason);
            return;
        }
        if incarnation > child.incarnation {
            // Somebody restarted it past this supervisor. It is its child all the same. An end that was asked for leaves
            // a child down that was down: it may be that of a restart which was given up.
            child.incarnation = incarnation;
            if child.phase == Phase::Down && !reason.is_requested() {
                child.phase = Phase::Running;
            }
        }
        child.seen = incarnation;
        match child.phase {
            // An answer to our own stop or restart, or a crash just before it: either way it is being dealt with.
            Phase::Starting { .. } | Phase::Stopping { .. } => {
                child.exited = true;
                if !reason.is_requested() {
                    actions.push(Action::Notify(ChildNotice::new(id, incarnation, reason)));
                }
            }
            Phase::Restarting | Phase::Down => {}
            Phase::Running if incarnation <= child.answered => child.phase = Phase::Down,
            Phase::Running => {
                child.last_reason = reason.clone();
                actions.push(Action::Notify(ChildNotice::new(id, incarnation, reason.clone())));
                if restarts(child.spec.restart, &reason) && self.ending.is_none() {
                    self.restart(now, key, actions);
                } else {
                    child.phase = Phase::Down;
                    let reason = reason.to_string();
                    let report =
                        SupervisionReport { child: id, incarnation, reason, decision: Decision::Leave };
                    actions.push(Action::Report(report));
                }
            }
        }
        self.children.forget_if_over(key);
    }

    fn retry(&mut self, now: Tick, key: ChildKey, actions: &mut Vec<Action>) {
        // Cancelled meanwhile, or the supervisor is ending.
        if self.ending.is_none()
            && self.children.get(key).is_some_and(|child| child.phase == Phase::Restarting)
        {
            self.restart(now, key, actions);
        }
    }

    /// Starts a child again by the rule, or gives up.
    fn restart(&mut self, now: Tick, key: ChildKey, actions: &mut Vec<Action>) {
        let admitted = self.window.admit(now);
        let (intensity, period) = (self.spec.intensity, self.spec.period);
        let period_ms = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        let count = self.window.count();
        let Some(child) = self.children.get_mut(key) else { return };
        let Some(id) = child.id else { return };
        let decision = if admitted {
            child.phase = Phase::Starting { call: None };
            Decision::Restart { count, intensity, period_ms }
        } else {
            child.phase = Phase::Down;
            self.ending = Some(Outcome::Escalated { child: id, reason: child.last_reason.clone() });
            Decision::GiveUp { intensity, period_ms }
        };
        let reason = child.last_reason.to_string();
        actions.push(Action::Report(SupervisionReport {
            child: id,
            incarnation: child.incarnation,
            reason,
            decision,
        }));
        if admitted {
            // The life has ended: its grace, which may be infinite, is not for the start of the next.
            actions.push(Action::Restart { child: key, id, mode: StopMode::Kill });
        }
    }

    /// After an operation on a child has ended: the next call that waits for it.
    fn next_waiting(&mut self, key: ChildKey, actions: &mut Vec<Action>) {
        if self.ending.is_some() {
            return;
        }
        let Some(child) = self.children.get_mut(key) else { return };
        if matches!(child.phase, Phase::Starting { .. } | Phase::Stopping { .. }) {
            return;
        }
        match child.waiting.pop_front() {
            Some(waiting) => self.call(key, waiting, actions),
            None => self.children.forget_if_over(key),
        }
    }

    /// While ending: stops the latest child that is there. One at a time, so the order is exact; a start that is under way
    /// is waited for, as OTP's supervisor process would.
    fn go_on_ending(&mut self, begins: bool, actions: &mut Vec<Action>) {
        let Some(outcome) = &self.ending else { return };
        // Calls that come from now on are refused at once, so nothing waits again.
        if begins {
            for call in self.children.take_waiting() {
                actions.push(Action::Reply { call, verdict: Err(ActorError::ShuttingDown) });
            }
        }
        while let Some((key, child)) = self.children.last_mut() {
            match (&child.phase, child.id) {
                (Phase::Starting { .. } | Phase::Stopping { .. }, _) => return,
                (Phase::Running, Some(id)) => {
                    child.phase = Phase::Stopping { call: None };
                    actions.push(Action::Stop { child: key, id, mode: child.spec.shutdown.into() });
                    return;
                }
                _ => self.children.remove(key),
            }
        }
        actions.push(Action::Finish(outcome.clone()));
        self.finished = true;
    }
}

/// The child spec of a child that is not known yet.
fn unknown_spec() -> ChildSpec {
    ChildSpec::default()
}

#[cfg(test)]
mod tests;
