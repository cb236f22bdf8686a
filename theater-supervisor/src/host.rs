//! `SupervisorHost`: what a supervising actor can do with its children.

mod functions;
mod handle;

pub use handle::{ChildRef, SupervisorHandle};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use theater_core::{
    ActorError, ActorExports, ActorHandle, ActorId, HostLinker, LoadedChild, ShutdownReceiver,
    SupervisionSpec,
};
use tokio::sync::{mpsc, oneshot};

use crate::driver::{COMMANDS, Command, Driver, Settings};
use crate::error::{Result, SupervisorError};
use crate::event::GiveUpCause;
use crate::machine::Outcome;

/// The configuration of a [`SupervisorHost`]. It has no settings; those are the builder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SupervisorHostConfig {}

/// The functions of `theater:simple/supervisor`, and the supervisor behind them, for one life of one actor.
///
/// The functions are plain async methods over a [`Caller`](theater_core::Caller). [`start`](Self::start) runs the
/// supervisor: it restarts children by their child spec. While it runs, spawn, resume, restart and stop go through it,
/// so that what the guest does and what the rules do never fight. After it has ended they are refused. Where it was never
/// started they act on the runtime directly, and nothing is restarted by itself.
///
/// # Security
/// - **Hierarchical isolation**: only own children can be named. A stranger, an unknown id, the caller itself and a text
///   that is no id get the same answer.
/// - **Event tracking**: every call is recorded in the caller's chain before it has an effect, and its outcome after,
///   refusals included.
/// - **Safe state access**: states and events are read from snapshots, of children only.
///
/// # Examples
/// `examples/native-runtime` of the repository is a whole program.
/// ```
/// use theater_supervisor::{SupervisorHost, SupervisorHostConfig};
///
/// let supervisor = SupervisorHost::new(SupervisorHostConfig {});
/// # let _ = supervisor;
/// ```
#[derive(Debug, Clone)]
pub struct SupervisorHost {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    commands: mpsc::Sender<Command>,
    waiting: Mutex<Option<mpsc::Receiver<Command>>>,
    /// The actor whose supervisor was started. Stays after its end: what comes then is refused, not done unsupervised.
    started: Mutex<Option<ActorId>>,
}

/// Sets up a [`SupervisorHost`].
#[derive(Debug, Clone)]
pub struct SupervisorHostBuilder {
    settings: Settings,
}

impl SupervisorHostBuilder {
    /// The rules. Default: OTP's, one-for-one, one restart within 5 s.
    #[must_use]
    pub fn supervision(mut self, supervision: SupervisionSpec) -> Self {
        self.settings.supervision = supervision;
        self
    }

    /// The children that [`start_children`](SupervisorHost::start_children) starts, in this order; under
    /// simple-one-for-one the template. Default: none.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = LoadedChild>) -> Self {
        self.settings.children = children.into_iter().collect();
        self
    }

    /// How long one operation of the runtime may take, the child's own grace not counted. Default 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// How often the children are compared with what the runtime says of them, in case that it lost an exit.
    /// Default 30 s.
    #[must_use]
    pub fn reconcile_every(mut self, interval: Duration) -> Self {
        self.settings.reconcile_every = interval;
        self
    }

    /// How long ago restarts happened that count against the intensity already: those of a supervisor that this one goes on for.
    /// Default: none.
    #[must_use]
    pub fn earlier_restarts(mut self, ages: impl IntoIterator<Item = Duration>) -> Self {
        self.settings.earlier_restarts = ages.into_iter().collect();
        self
    }

    /// The seed of the backoff's jitter. Default: one that differs between supervisors.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// Makes the host.
    #[must_use]
    pub fn build(self) -> SupervisorHost {
        let (commands, waiting) = mpsc::channel(COMMANDS);
        SupervisorHost {
            inner: Arc::new(Inner {
                settings: self.settings,
                commands,
                waiting: Mutex::new(Some(waiting)),
                started: Mutex::new(None),
            }),
        }
    }
}

/// Both mutexes hold plain values that are valid at every moment.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SupervisorHost {
    /// Makes a host with the default settings.
    #[must_use]
    pub fn new(_config: SupervisorHostConfig) -> Self {
        Self::builder().build()
    }

    /// Starts a setup with other settings.
    #[must_use]
    pub fn builder() -> SupervisorHostBuilder {
        SupervisorHostBuilder {
            settings: Settings {
                supervision: SupervisionSpec::default(),
                children: Vec::new(),
                deadline: Duration::from_secs(30),
                reconcile_every: Duration::from_secs(30),
                seed: None,
                earlier_restarts: Vec::new(),
            },
        }
    }

    /// The supervisor as the embedding program sees it.
    #[must_use]
    pub fn handle(&self) -> SupervisorHandle {
        SupervisorHandle::new(Arc::clone(&self.inner))
    }

    /// Gives the seven functions to a component that is not instantiated yet.
    ///
    /// # Errors
    /// If the component's engine refuses them.
    pub async fn setup_host_functions<C>(&self, actor_component: &mut C) -> Result<()>
    where
        C: HostLinker<Self> + ?Sized,
    {
        actor_component
            .link_host(self.clone())
            .map_err(|error| SupervisorError::HandlerError(error.to_string()))
    }

    /// Finds the callbacks that an instance exports in `theater:simple/supervisor-handlers`. All are optional.
    ///
    /// # Errors
    /// If one is exported with another type than the interface gives it.
    pub async fn add_export_functions<I>(&self, actor_instance: &mut I) -> Result<()>
    where
        I: ActorExports + ?Sized,
    {
        for function in ["handle-child-error", "handle-child-exit", "handle-child-external-stop"] {
            actor_instance
                .find_export("theater:simple/supervisor-handlers", function)
                .map_err(|error| SupervisorError::HandlerError(error.to_string()))?;
        }
        Ok(())
    }

    /// Runs the supervisor of an actor until it is asked to end, or ends by its rules.
    ///
    /// From the call on, before the future is first polled, the host functions go through it. A host runs once.
    ///
    /// # Errors
    /// Why the actor itself has to end; its children have been stopped by then, latest first.
    /// [`ActorError::Escalated`] when a child's restarts exceeded the intensity, [`ActorError::Poisoned`] when a child
    /// crashed from every state, [`ActorError::AutoShutdown`] when a significant child ended,
    /// [`ActorError::ChildNotStarted`] when a declared child did not start.
    /// [`SupervisorError::HandlerError`] when it was started before.
    pub fn start(
        &self,
        actor_handle: ActorHandle,
        shutdown_receiver: ShutdownReceiver,
    ) -> impl Future<Output = Result<()>> + Send + 'static {
        let commands = lock(&self.inner.waiting).take();
        if commands.is_some() {
            *lock(&self.inner.started) = Some(actor_handle.id());
        }
        let inner = Arc::clone(&self.inner);
        async move {
            let Some(commands) = commands else {
                return Err(SupervisorError::HandlerError(
                    "this supervisor host was started before".to_owned(),
                ));
            };
            let supervisor = actor_handle.id();
            tracing::debug!(actor = %supervisor, "supervisor started");
            let driver = Driver::new(actor_handle, inner.settings.clone(), commands);
            let outcome = Box::pin(driver.run(shutdown_receiver)).await;
            cause_of_end(outcome, supervisor, inner.settings.supervision)
                .map_or(Ok(()), |error| Err(error.into()))
        }
    }

    /// Starts the declared children in their order, each when the one before runs, and returns when the last does.
    ///
    /// A life calls it once, when its `init` has ended.
    ///
    /// # Errors
    /// [`ActorError::ChildNotStarted`]: those that ran have been stopped again, latest first, and the supervisor has ended.
    /// [`SupervisorError::HandlerError`] when the supervisor was not [started](Self::start).
    pub async fn start_children(&self) -> Result<()> {
        if lock(&self.inner.started).is_none() {
            return Err(SupervisorError::HandlerError("this supervisor host was not started".to_owned()));
        }
        let begun = self.inner.ask(|reply| Command::Begin { reply }).await;
        Ok(begun.unwrap_or(Err(ActorError::ShuttingDown))?)
    }
}

impl Inner {
    /// Hands a command to the supervisor; `None` if it has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// The template of a dynamic supervisor, if `id` names it.
    fn template(&self, id: &str) -> Option<&LoadedChild> {
        let dynamic = self.settings.supervision.strategy == theater_core::Strategy::SimpleOneForOne;
        self.settings.children.first().filter(|template| dynamic && *template.id == *id)
    }
}

/// Why the actor has to end with its supervisor; `None` if the supervisor was asked to.
fn cause_of_end(outcome: Outcome, supervisor: ActorId, spec: SupervisionSpec) -> Option<ActorError> {
    match outcome {
        Outcome::Shutdown => None,
        // A child that never ran has no actor: the supervisor stands for it.
        Outcome::AutoShutdown { child } => {
            Some(ActorError::AutoShutdown { child: child.unwrap_or(supervisor) })
        }
        Outcome::Escalated { child, reason, cause } => {
            let (child, reason) = (child.unwrap_or(supervisor), (*reason).clone());
            Some(match cause {
                GiveUpCause::Poison { crashes } => ActorError::Poisoned { child, crashes, reason },
                _ => {
                    let (intensity, period) = (spec.intensity, spec.period);
                    ActorError::Escalated { child, intensity, period, reason }
                }
            })
        }
        Outcome::NotStarted { id, error } => {
            Some(ActorError::ChildNotStarted { child: id.to_string(), error: Box::new(error) })
        }
    }
}
