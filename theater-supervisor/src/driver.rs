//! Performs what the machine decides, over any runtime. Decides nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use theater_core::manifest::SupervisionSpec;
use theater_core::{
    ActorError, ActorHandle, ActorId, ActorInfo, ActorRuntime, Authority, ChildNotice, RestartFrom,
    ShutdownReceiver, SpawnRequest, StopMode,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, timeout};

use crate::event::SupervisorEvent;
use crate::machine::{Action, CallId, ChildKey, Input, Machine, Outcome, Request, Tick, Verdict};

/// What a host function asks of the driver, with the place for the answer.
#[derive(Debug)]
pub(crate) enum Command {
    Start { request: SpawnRequest, reply: oneshot::Sender<Verdict> },
    Restart { child: ActorInfo, reply: oneshot::Sender<Verdict> },
    Stop { child: ActorInfo, reply: oneshot::Sender<Verdict> },
}

/// Commands that may wait. A guest calls one function at a time, so more than one is rare.
pub(crate) const COMMANDS: usize = 64;

/// Something that was under way has ended.
enum Done {
    Start(ChildKey, Result<ActorInfo, ActorError>),
    Stop(ChildKey, Option<ActorError>),
    Notified,
}

/// Something that is under way: what to tell the machine if the runtime panics in it.
#[derive(Clone, Copy)]
enum Operation {
    Start(ChildKey),
    Restart(ChildKey),
    Stop(ChildKey),
    Notify,
}

pub(crate) struct Driver {
    supervisor: ActorHandle,
    deadline: Duration,
    machine: Machine,
    begin: Instant,
    commands: mpsc::Receiver<Command>,
    inputs: VecDeque<Input>,
    retries: VecDeque<ChildKey>,
    calls: HashMap<CallId, oneshot::Sender<Verdict>>,
    starts: HashMap<CallId, SpawnRequest>,
    next_call: u64,
    under_way: JoinSet<Done>,
    /// What each task of `under_way` does.
    operations: HashMap<task::Id, Operation>,
    /// Notices for the guest. At most one per life that ended; lives are bounded by the children and the intensity.
    notices: VecDeque<ChildNotice>,
    notifying: bool,
    outcome: Option<Outcome>,
}

impl Driver {
    pub(crate) fn new(
        supervisor: ActorHandle,
        spec: SupervisionSpec,
        deadline: Duration,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            supervisor,
            deadline,
            machine: Machine::new(spec),
            begin: Instant::now(),
            commands,
            inputs: VecDeque::new(),
            retries: VecDeque::new(),
            calls: HashMap::new(),
            starts: HashMap::new(),
            next_call: 0,
            under_way: JoinSet::new(),
            operations: HashMap::new(),
            notices: VecDeque::new(),
            notifying: false,
            outcome: None,
        }
    }

    /// Runs until the machine has finished.
    pub(crate) async fn run(mut self, mut shutdown: ShutdownReceiver) -> Outcome {
        let mut exits = self.supervisor.runtime().exits(Some(self.supervisor.id()));
        let (mut exits_open, mut commands_open, mut asked) = (true, true, false);
        loop {
            self.work_off_inputs().await;
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            // Exits come before answers: a child that died right after its start has died, whatever the answer says.
            tokio::select! {
                biased;
                () = shutdown.wait(), if !asked => {
                    asked = true;
                    self.inputs.push_back(Input::Shutdown);
                }
                exit = exits.next(), if exits_open => match exit {
                    Some(exit) => self.inputs.push_back(Input::Exited {
                        id: exit.id,
                        incarnation: exit.incarnation,
                        reason: exit.reason,
                    }),
                    None => exits_open = false,
                },
                command = self.commands.recv(), if commands_open => match command {
                    Some(command) => self.take(command),
                    None => commands_open = false,
                },
                Some(done) = self.under_way.join_next_with_id(), if !self.under_way.is_empty() => {
                    self.ended(done);
                }
                // Everything that waited has been taken: now the next try.
                () = std::future::ready(()), if !self.retries.is_empty() => {
                    tokio::task::yield_now().await;
                    let child = self.retries.pop_front();
                    self.inputs.extend(child.map(|child| Input::Retry { child }));
                }
            }
        }
    }

    fn take(&mut self, command: Command) {
        self.next_call += 1;
        let call = CallId(self.next_call);
        let (request, reply) = match command {
            Command::Start { request, reply } => {
                self.starts.insert(call, request);
                (Request::Start, reply)
            }
            Command::Restart { child, reply } => (Request::Restart(child), reply),
            Command::Stop { child, reply } => (Request::Stop(child), reply),
        };
        self.calls.insert(call, reply);
        self.inputs.push_back(Input::Call { call, request });
    }

    fn begin(&mut self, operation: Operation, work: impl Future<Output = Done> + Send + 'static) {
        let task = self.under_way.spawn(work);
        self.operations.insert(task.id(), operation);
    }

    fn ended(&mut self, done: Result<(task::Id, Done), JoinError>) {
        let task = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let operation = self.operations.remove(&task);
        let done = match done {
            Ok((_, done)) => done,
            Err(error) => {
                tracing::error!(supervisor = %self.supervisor.id(), %error, "the runtime panicked");
                let Some(operation) = operation else { return };
                lost(operation)
            }
        };
        match done {
            Done::Start(child, Ok(info)) => self.inputs.push_back(Input::Started { child, info }),
            Done::Start(child, Err(error)) => self.inputs.push_back(Input::StartFailed { child, error }),
            Done::Stop(child, error) => self.inputs.push_back(Input::StopEnded { child, error }),
            Done::Notified => {
                self.notifying = false;
                self.notify_next();
            }
        }
    }

    async fn work_off_inputs(&mut self) {
        let mut actions = Vec::new();
        while let Some(input) = self.inputs.pop_front() {
            let now = Tick(u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX));
            self.machine.step(now, input, &mut actions);
            for action in actions.drain(..) {
                self.perform(action).await;
            }
            // Only now: the guest hears of an end after the decision about it is recorded.
            self.notify_next();
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Start { child, call } => {
                let Some(request) = self.starts.remove(&call) else { return };
                let runtime = self.supervisor.runtime().clone();
                let limit = self.deadline;
                self.begin(Operation::Start(child), async move {
                    // A start that is given up leaves nothing running: the runtime promises it.
                    let started = timeout(limit, runtime.spawn(request)).await;
                    Done::Start(child, started.unwrap_or_else(|_| Err(exceeded("spawn", limit))))
                });
            }
            Action::Restart { child, id, mode } => {
                let (runtime, by) = (self.supervisor.runtime().clone(), self.authority());
                let limit = self.deadline.saturating_add(grace(mode));
                self.begin(Operation::Restart(child), async move {
                    let started = timeout(limit, runtime.restart(by, id, RestartFrom::LastGood)).await;
                    Done::Start(child, started.unwrap_or_else(|_| Err(exceeded("restart", limit))))
                });
            }
            Action::Stop { child, id, mode } => {
                let (runtime, by) = (self.supervisor.runtime().clone(), self.authority());
                let limit = self.deadline.saturating_add(grace(mode));
                self.begin(Operation::Stop(child), async move {
                    let stopped = match mode {
                        StopMode::Infinity => Ok(runtime.stop(by, id, mode).await),
                        _ => timeout(limit, runtime.stop(by, id, mode)).await,
                    };
                    let error = match stopped {
                        Ok(Ok(_)) => None,
                        Ok(Err(error)) => Some(error),
                        Err(_) => Some(exceeded("stop", limit)),
                    };
                    Done::Stop(child, error)
                });
            }
            Action::RetryLater { child } => self.retries.push_back(child),
            Action::Reply { call, verdict } => self.reply(call, verdict),
            Action::Report(report) => {
                tracing::debug!(supervisor = %self.supervisor.id(), ?report, "supervision");
                let recording =
                    self.supervisor.runtime().record(self.supervisor.id(), SupervisorEvent::report(&report));
                match timeout(self.deadline, recording).await {
                    Ok(Ok(_)) => {}
                    // The rule is followed all the same: not restarting a child would help nobody.
                    Ok(Err(error)) => tracing::error!(%error, "a supervision decision was not recorded"),
                    Err(_) => tracing::error!("recording a supervision decision took too long"),
                }
            }
            Action::Notify(notice) => self.notices.push_back(notice),
            Action::Finish(outcome) => self.outcome = Some(outcome),
        }
    }

    fn authority(&self) -> Authority {
        Authority::Parent(self.supervisor.id())
    }

    fn reply(&mut self, call: CallId, verdict: Verdict) {
        self.starts.remove(&call);
        let Some(reply) = self.calls.remove(&call) else { return };
        // The guest may have been ended while it waited.
        let _ = reply.send(verdict);
    }

    /// One notice at a time, so that the guest hears of ends in their order.
    fn notify_next(&mut self) {
        if self.notifying {
            return;
        }
        let Some(notice) = self.notices.pop_front() else { return };
        self.notifying = true;
        let (supervisor, limit) = (self.supervisor.clone(), self.deadline);
        self.begin(Operation::Notify, async move {
            let notified = timeout(limit, supervisor.runtime().notify(supervisor.id(), notice)).await;
            if let Err(error) = notified.unwrap_or_else(|_| Err(exceeded("notify", limit))) {
                tracing::debug!(supervisor = %supervisor.id(), %error, "a notice was not taken");
            }
            Done::Notified
        });
    }
}

/// What a panic of the runtime comes to: an operation that failed. Without an answer the machine would wait for ever.
fn lost(operation: Operation) -> Done {
    match operation {
        Operation::Start(child) => Done::Start(child, Err(ActorError::Panicked { operation: "spawn" })),
        Operation::Restart(child) => Done::Start(child, Err(ActorError::Panicked { operation: "restart" })),
        Operation::Stop(child) => Done::Stop(child, Some(ActorError::Panicked { operation: "stop" })),
        Operation::Notify => Done::Notified,
    }
}

fn exceeded(operation: &'static str, limit: Duration) -> ActorError {
    ActorError::DeadlineExceeded { operation, limit }
}

/// How long a stop in this mode may take by itself.
pub(crate) fn grace(mode: StopMode) -> Duration {
    match mode {
        StopMode::Graceful(grace) => grace,
        // Bounded by the caller's own deadline only.
        StopMode::Infinity => Duration::from_secs(365 * 24 * 3_600),
        _ => Duration::ZERO,
    }
}

/// The child of an escalation, for the error that ends the supervisor.
pub(crate) fn escalation(outcome: Outcome, spec: SupervisionSpec) -> Option<ActorError> {
    let (child, reason): (ActorId, _) = match outcome {
        Outcome::Escalated { child, reason } => (child, reason),
        Outcome::Shutdown => return None,
    };
    Some(ActorError::Escalated { child, intensity: spec.intensity, period: spec.period, reason })
}
