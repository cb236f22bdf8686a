//! The rules of one supervisor, as a pure machine: inputs go in with their time, actions come out.
//!
//! The semantics are those of OTP's `supervisor`; `docs/semantics.md` has every difference. Where to look:
//!
//! | file | rule |
//! |---|---|
//! | `policy` | which exits lead to a restart |
//! | `exits` | what an exit leads to |
//! | `window`, `backoff`, `poison` | how often, how late, and from where a restart is |
//! | `groups` | one-for-all and rest-for-one |
//! | `calls` | start, terminate, restart, delete |
//! | `begin`, `ending` | the supervisor's own start and end |
//! | `view` | list and count |
//!
//! OTP's supervisor is a process and does one thing after the other. So does this one under the group strategies:
//! what comes while a child is being started or stopped waits. Under the others only the calls about that child wait,
//! except while the declared children are being started.

mod backoff;
mod begin;
mod calls;
mod child;
mod children;
mod ending;
mod exits;
mod groups;
mod io;
mod poison;
mod policy;
mod restarting;
mod view;
mod window;

use std::collections::VecDeque;
use std::sync::Arc;

use theater_core::{ActorError, ActorId, ExitReason, Incarnation, SupervisionSpec};

use crate::error::ChildError;
use backoff::Random;
use child::Waiting;
use children::Children;
use ending::Ending;
use groups::Group;

pub use backoff::delay;
pub use io::{
    Action, By, CallId, ChildKey, DeclaredChild, Input, Outcome, Report, Request, Target, Tick, Verdict,
};
pub use policy::restarts;
pub use view::{ChildCounts, ChildState, ChildView};
pub use window::Intensity;

/// One supervisor.
///
/// # Guarantees
/// - Every call gets exactly one reply, every `Begin` one `Begun`, and `Finish` comes exactly once, provided every `Start`,
///   `Restart`, `Stop` and `RetryLater` is answered.
/// - An exit of an older life, or one told twice, changes nothing.
/// - A child that was asked to stop, or to restart, by a call is not answered by a restart of its own.
/// - After `Shutdown`, or after giving up, nothing is started, and children are stopped one after the other, latest
///   first; all at once under simple-one-for-one.
/// - The same inputs at the same times give the same actions.
/// - An input costs O(1) with n children. A group restart costs O(children concerned), and the input with which the supervisor
///   begins to end O(n).
#[derive(Debug)]
pub struct Machine {
    spec: SupervisionSpec,
    window: Intensity,
    random: Random,
    children: Children,
    /// The group that is being restarted.
    group: Option<Group>,
    /// Set while declared children are being started.
    beginning: bool,
    /// What came while the supervisor was busy, under the group strategies.
    deferred: VecDeque<Deferred>,
    /// Calls about actors that may turn out to be children whose start has not been answered.
    unknown: VecDeque<Input>,
    /// Set when the supervisor has begun to end.
    ending: Option<Ending>,
    finished: bool,
}

impl Machine {
    /// A supervisor without children. The jitter of its backoff is the same in every machine: see
    /// [`with_seed`](Self::with_seed).
    #[must_use]
    pub fn new(spec: SupervisionSpec) -> Self {
        Self {
            spec,
            window: Intensity::new(spec.intensity, spec.period),
            random: Random::new(0),
            children: Children::default(),
            group: None,
            beginning: false,
            deferred: VecDeque::new(),
            unknown: VecDeque::new(),
            ending: None,
            finished: false,
        }
    }

    /// The same with another seed for the jitter of its backoff.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = Random::new(seed);
        self
    }

    /// The same with restarts that count against the intensity already.
    #[must_use]
    pub fn with_restarts(mut self, restarts: impl IntoIterator<Item = Tick>) -> Self {
        self.window.remember(restarts);
        self
    }

    /// Takes one input and appends what has to be done.
    pub fn step(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>) {
        if self.finished {
            refuse(input, actions);
            return;
        }
        self.take(now, input, actions);
        self.take_deferred(now, actions);
        if self.children.counts().unanswered == 0 {
            for input in std::mem::take(&mut self.unknown) {
                self.take(now, input, actions);
                self.take_deferred(now, actions);
            }
        }
        for (id, early) in self.children.take_strangers() {
            actions.push(Action::Notify { id, incarnation: early.incarnation, reason: early.reason });
        }
        self.go_on_ending(actions);
    }

    /// Takes what was deferred, as far as nothing has to wait again. What is left when the supervisor ends is refused there.
    fn take_deferred(&mut self, now: Tick, actions: &mut Vec<Action>) {
        while !self.must_wait() && self.ending.is_none() {
            match self.deferred.pop_front() {
                None => return,
                Some(Deferred::Input(input)) => self.take(now, input, actions),
                Some(Deferred::About { child, waiting }) => self.deferred_about(child, waiting, actions),
                Some(Deferred::Exit { child, id, incarnation, reason, progressed }) => {
                    // One whose child was forgotten has been told, and has no consequence.
                    if self.children.slot(child).is_some() && self.children.of_actor(id).is_some() {
                        self.exited(now, id, incarnation, reason, progressed, actions);
                    }
                }
            }
        }
    }

    fn take(&mut self, now: Tick, input: Input, actions: &mut Vec<Action>) {
        match input {
            Input::Started { child, id, incarnation, child_spec } => {
                self.started(now, child, id, incarnation, child_spec, actions);
            }
            Input::Ignored { child } => self.ignored(child, actions),
            Input::StartFailed { child, error } => self.start_failed(child, error, actions),
            Input::StopEnded { child, error } => self.stop_ended(now, child, error, actions),
            Input::Shutdown => self.end(Outcome::Shutdown),
            Input::Exited { id, incarnation, reason, progressed } => {
                self.exited(now, id, incarnation, reason, progressed, actions);
            }
            input @ (Input::Call { .. } | Input::Begin { .. }) if self.ending.is_some() => {
                refuse(input, actions);
            }
            Input::Call { call, by, request } if self.is_about_unanswered(&request) => {
                self.unknown.push_back(Input::Call { call, by, request });
            }
            Input::Call { call, by, request } if self.must_wait() => self.defer_call(call, by, request),
            input if self.must_wait() => self.deferred.push_back(Deferred::Input(input)),
            Input::Begin { children } => self.begin(children, actions),
            Input::Call { call, by, request } => self.call(call, by, request, actions),
            Input::Retry { child, attempt } => self.retry(now, child, attempt, actions),
        }
    }

    /// Whether what comes has to wait until an operation has ended: under the group strategies, and until all declared
    /// children have been started, one thing is done at a time.
    fn must_wait(&self) -> bool {
        let serial = self.beginning || policy::is_group(self.spec.strategy);
        serial && self.children.counts().busy > 0 && self.ending.is_none()
    }

    /// Whether children are started at run time only and forgotten when they end.
    fn is_dynamic(&self) -> bool {
        self.spec.strategy == theater_core::Strategy::SimpleOneForOne
    }
}

/// What came while the supervisor was busy.
#[derive(Debug)]
enum Deferred {
    Input(Input),
    /// A call about a child that was known when it came.
    About {
        child: ChildKey,
        waiting: Waiting,
    },
    /// An exit that the guest has been told of; the rules have not been asked yet.
    Exit {
        child: ChildKey,
        id: ActorId,
        incarnation: Incarnation,
        reason: Arc<ExitReason>,
        progressed: Option<bool>,
    },
}

/// Answers what a supervisor that ends does not do any more.
fn refuse(input: Input, actions: &mut Vec<Action>) {
    match input {
        Input::Call { call, .. } => actions.push(Action::Reply { call, verdict: Err(refusal()) }),
        Input::Begin { .. } => actions.push(Action::Begun(Err(ActorError::ShuttingDown))),
        _ => {}
    }
}

fn refusal() -> ChildError {
    ChildError::Actor(ActorError::ShuttingDown)
}

#[cfg(test)]
mod tests;
