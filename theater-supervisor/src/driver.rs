//! Performs what the machine decides, over any runtime. Decides nothing.

mod perform;
mod timers;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorHandle, ActorInfo, ChildExit, ChildNotice, LoadedChild, ShutdownReceiver, SpawnRequest,
    SupervisionSpec,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, timeout};

use crate::machine::{
    By, CallId, ChildCounts, ChildKey, ChildView, DeclaredChild, Input, Machine, Outcome, Request, Tick,
    Verdict,
};
pub(crate) use perform::grace;
use timers::Timers;

/// What is asked of the driver, with the place for the answer.
#[derive(Debug)]
pub(crate) enum Command {
    /// A call, with what to start where it is a start.
    Call { by: By, request: Request, spawn: Option<Box<SpawnRequest>>, reply: oneshot::Sender<Verdict> },
    /// Start the declared children.
    Begin { reply: oneshot::Sender<Result<(), ActorError>> },
    /// List the children.
    List { reply: oneshot::Sender<Vec<ChildView>> },
    /// Count the children.
    Count { reply: oneshot::Sender<ChildCounts> },
    /// List and count them, without anything in between.
    ListAndCount { reply: oneshot::Sender<(Vec<ChildView>, ChildCounts)> },
}

/// Commands that may wait. A guest calls one function at a time, so more than one is rare.
pub(crate) const COMMANDS: usize = 64;

/// What a supervisor is set up with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) supervision: SupervisionSpec,
    pub(crate) children: Vec<LoadedChild>,
    pub(crate) deadline: Duration,
    pub(crate) reconcile_every: Duration,
    pub(crate) seed: Option<u64>,
    pub(crate) earlier_restarts: Vec<Duration>,
}

/// Something that was under way has ended.
enum Done {
    Start(ChildKey, Result<ActorInfo, ActorError>),
    Stop(ChildKey, Option<ActorError>),
    Notified,
    Reaped,
    Children(Result<Vec<ActorInfo>, ActorError>),
}

/// Something that is under way: what to tell the machine if the runtime panics in it.
#[derive(Clone, Copy)]
enum Operation {
    Start(ChildKey),
    Restart(ChildKey),
    Stop(ChildKey),
    Notify,
    Reap,
    Reconcile,
}

pub(crate) struct Driver {
    supervisor: ActorHandle,
    settings: Settings,
    machine: Machine,
    /// How far the machine's time is ahead of `begin`.
    past: Duration,
    begin: Instant,
    commands: mpsc::Receiver<Command>,
    inputs: VecDeque<Input>,
    timers: Timers,
    calls: HashMap<CallId, oneshot::Sender<Verdict>>,
    begun: Option<oneshot::Sender<Result<(), ActorError>>>,
    /// What calls want to start, until it is being started.
    starts: HashMap<CallId, SpawnRequest>,
    /// What the named children are, to start them anew if the runtime loses them.
    named: HashMap<Arc<str>, SpawnRequest>,
    next_call: u64,
    under_way: JoinSet<Done>,
    /// What each task of `under_way` does.
    operations: HashMap<task::Id, Operation>,
    /// The starts among them, to give them up.
    starting: HashMap<ChildKey, AbortHandle>,
    /// Notices for the guest. At most one per life that ended; lives are bounded by the children and the intensity.
    notices: VecDeque<ChildNotice>,
    notifying: bool,
    reconciling: bool,
    outcome: Option<Outcome>,
}

impl Driver {
    pub(crate) fn new(
        supervisor: ActorHandle,
        settings: Settings,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        // Any number will do that differs between supervisors: their jitters must not keep step.
        let seed = settings.seed.unwrap_or_else(|| {
            let bytes = supervisor.id().as_bytes().last_chunk().copied().unwrap_or_default();
            u64::from_le_bytes(bytes)
        });
        // The machine's time begins a whole window before ours, so that it has room for what happened before.
        let past = settings.supervision.period;
        let earlier = settings.earlier_restarts.iter().filter_map(|age| past.checked_sub(*age)).map(tick);
        Self {
            machine: Machine::new(settings.supervision).with_seed(seed).with_restarts(earlier),
            past,
            supervisor,
            settings,
            begin: Instant::now(),
            commands,
            inputs: VecDeque::new(),
            timers: Timers::default(),
            calls: HashMap::new(),
            begun: None,
            starts: HashMap::new(),
            named: HashMap::new(),
            next_call: 0,
            under_way: JoinSet::new(),
            operations: HashMap::new(),
            starting: HashMap::new(),
            notices: VecDeque::new(),
            notifying: false,
            reconciling: false,
            outcome: None,
        }
    }

    /// Runs until the machine has finished.
    pub(crate) async fn run(mut self, mut shutdown: ShutdownReceiver) -> Outcome {
        let mut exits = self.supervisor.runtime().exits(Some(self.supervisor.id()));
        let (mut exits_open, mut commands_open, mut asked) = (true, true, false);
        let mut reconcile = self.begin + self.settings.reconcile_every;
        loop {
            self.work_off_inputs().await;
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            let timer = self.timers.next();
            // Exits come before answers: a child that died right after its start has died, whatever the answer says.
            tokio::select! {
                biased;
                () = shutdown.wait(), if !asked => {
                    asked = true;
                    self.inputs.push_back(Input::Shutdown);
                }
                exit = exits.next(), if exits_open => match exit {
                    Some(exit) => self.inputs.push_back(exited(exit)),
                    None => exits_open = false,
                },
                command = self.commands.recv(), if commands_open => match command {
                    Some(command) => self.take(command),
                    None => commands_open = false,
                },
                Some(done) = self.under_way.join_next_with_id(), if !self.under_way.is_empty() => {
                    self.ended(done);
                }
                () = tokio::time::sleep_until(reconcile) => {
                    reconcile = Instant::now() + self.settings.reconcile_every;
                    self.look_for_lost_exits();
                }
                // Everything that waited has been taken: now the next try.
                () = timer => {
                    let due = self.timers.take_due().into_iter();
                    self.inputs.extend(due.map(|(child, attempt)| Input::Retry { child, attempt }));
                }
            }
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Call { by, request, spawn, reply } => {
                self.next_call += 1;
                let call = CallId(self.next_call);
                if let Some(spawn) = spawn {
                    self.starts.insert(call, *spawn);
                }
                self.calls.insert(call, reply);
                self.inputs.push_back(Input::Call { call, by, request });
            }
            Command::Begin { reply } => {
                let dynamic = self.settings.supervision.strategy == theater_core::Strategy::SimpleOneForOne;
                // The one child that a dynamic supervisor declares is its template.
                let declared = if dynamic { Vec::new() } else { self.settings.children.clone() };
                for child in &declared {
                    self.named.insert(Arc::clone(&child.id), declared_request(&self.supervisor, child));
                }
                self.begun = Some(reply);
                let children =
                    declared.iter().map(|child| DeclaredChild::new(Arc::clone(&child.id), child.child_spec));
                self.inputs.push_back(Input::Begin { children: children.collect() });
            }
            // Whoever asked may have given up.
            Command::List { reply } => drop(reply.send(self.machine.which_children())),
            Command::Count { reply } => drop(reply.send(self.machine.count_children())),
            Command::ListAndCount { reply } => {
                drop(reply.send((self.machine.which_children(), self.machine.count_children())));
            }
        }
    }

    fn begin_operation(
        &mut self,
        operation: Operation,
        work: impl Future<Output = Done> + Send + 'static,
    ) -> AbortHandle {
        let task = self.under_way.spawn(work);
        self.operations.insert(task.id(), operation);
        task
    }

    fn ended(&mut self, done: Result<(task::Id, Done), JoinError>) {
        let task = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let operation = self.operations.remove(&task);
        if let Some(Operation::Start(child) | Operation::Restart(child)) = operation {
            self.starting.remove(&child);
        }
        let done = match (done, operation) {
            (Ok((_, done)), _) => done,
            (Err(error), Some(operation)) => {
                if !error.is_cancelled() {
                    tracing::error!(supervisor = %self.supervisor.id(), %error, "the runtime panicked");
                }
                lost(operation, error.is_cancelled())
            }
            (Err(_), None) => return,
        };
        match done {
            Done::Start(child, started) => self.inputs.push_back(answer(child, started)),
            Done::Stop(child, error) => self.inputs.push_back(Input::StopEnded { child, error }),
            Done::Notified => {
                self.notifying = false;
                self.notify_next();
            }
            Done::Reaped => {}
            Done::Children(children) => self.compare(children),
        }
    }

    async fn work_off_inputs(&mut self) {
        let mut actions = Vec::new();
        while let Some(input) = self.inputs.pop_front() {
            let now = tick(self.begin.elapsed().saturating_add(self.past));
            self.machine.step(now, input, &mut actions);
            for action in actions.drain(..) {
                self.perform(action).await;
            }
            // Only now: the guest hears of an end after the decision about it is recorded.
            self.notify_next();
        }
    }

    /// A runtime promises every exit exactly once. One that breaks the promise must not cost a child for ever: from
    /// time to time what it says of the children is compared with what the machine believes.
    fn look_for_lost_exits(&mut self) {
        if self.reconciling || self.machine.count_children().active == 0 {
            return;
        }
        self.reconciling = true;
        let (supervisor, limit) = (self.supervisor.clone(), self.settings.deadline);
        self.begin_operation(Operation::Reconcile, async move {
            let children = timeout(limit, supervisor.runtime().children(supervisor.id())).await;
            Done::Children(children.unwrap_or_else(|_| Err(exceeded("children", limit))))
        });
    }

    fn compare(&mut self, children: Result<Vec<ActorInfo>, ActorError>) {
        self.reconciling = false;
        let Ok(children) = children else { return };
        for child in children {
            let theater_core::ActorStatus::Ended(reason) = child.status else { continue };
            if self.machine.awaits_exit(child.id, child.incarnation) {
                tracing::debug!(child = %child.id, "an exit that was not told");
                let exit = ChildExit::new(child.id, child.incarnation, reason);
                self.inputs.push_back(exited(exit));
            }
        }
    }
}

fn tick(time: Duration) -> Tick {
    Tick(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn exited(exit: ChildExit) -> Input {
    Input::Exited {
        id: exit.id,
        incarnation: exit.incarnation,
        reason: Arc::new(exit.reason),
        progressed: exit.progressed,
    }
}

/// What a start came to. An actor that ended itself cleanly before it ran is OTP's `ignore`.
fn answer(child: ChildKey, started: Result<ActorInfo, ActorError>) -> Input {
    match started {
        Ok(info) => {
            Input::Started { child, id: info.id, incarnation: info.incarnation, child_spec: info.child_spec }
        }
        Err(ActorError::StartFailed { reason: theater_core::ExitReason::Completed { .. } }) => {
            Input::Ignored { child }
        }
        Err(error) => Input::StartFailed { child, error },
    }
}

fn declared_request(supervisor: &ActorHandle, child: &LoadedChild) -> SpawnRequest {
    let manifest = theater_core::ManifestRef::embedded(&*child.id, child.manifest.clone());
    SpawnRequest::new(Some(supervisor.id()), manifest).child_spec(child.child_spec)
}

/// What a panic of the runtime comes to, or a start that was given up: an operation that failed. Without an answer the
/// machine would wait for ever.
fn lost(operation: Operation, given_up: bool) -> Done {
    let error = |operation| {
        if given_up { ActorError::ShuttingDown } else { ActorError::Panicked { operation } }
    };
    match operation {
        Operation::Start(child) => Done::Start(child, Err(error("spawn"))),
        Operation::Restart(child) => Done::Start(child, Err(error("restart"))),
        Operation::Stop(child) => Done::Stop(child, Some(error("stop"))),
        Operation::Notify => Done::Notified,
        Operation::Reap => Done::Reaped,
        Operation::Reconcile => Done::Children(Err(error("children"))),
    }
}

fn exceeded(operation: &'static str, limit: Duration) -> ActorError {
    ActorError::DeadlineExceeded { operation, limit }
}
