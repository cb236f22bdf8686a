//! `SupervisorHost`: what a supervising actor can do with its children.

mod functions;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use theater_core::manifest::SupervisionSpec;
use theater_core::{ActorError, ActorExports, ActorHandle, ActorId, HostLinker, ShutdownReceiver};
use tokio::sync::{mpsc, oneshot};

use crate::driver::{COMMANDS, Command, Driver, escalation};
use crate::error::{Result, SupervisorError};
use crate::machine::Verdict;

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
/// `examples/closures.rs` of this crate is a whole program.
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
    supervision: SupervisionSpec,
    deadline: Duration,
    commands: mpsc::Sender<Command>,
    waiting: Mutex<Option<mpsc::Receiver<Command>>>,
    /// The actor whose supervisor was started. Stays after its end: what comes then is refused, not done unsupervised.
    started: Mutex<Option<ActorId>>,
}

/// Sets up a [`SupervisorHost`].
#[derive(Debug, Clone)]
pub struct SupervisorHostBuilder {
    supervision: SupervisionSpec,
    deadline: Duration,
}

impl SupervisorHostBuilder {
    /// How often children may be restarted. Default: OTP's, once within 5 s.
    #[must_use]
    pub fn supervision(mut self, supervision: SupervisionSpec) -> Self {
        self.supervision = supervision;
        self
    }

    /// How long one function may take, the child's own grace not counted. Default 30 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Makes the host.
    #[must_use]
    pub fn build(self) -> SupervisorHost {
        let (commands, waiting) = mpsc::channel(COMMANDS);
        SupervisorHost {
            inner: Arc::new(Inner {
                supervision: self.supervision,
                deadline: self.deadline,
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
        SupervisorHostBuilder { supervision: SupervisionSpec::default(), deadline: Duration::from_secs(30) }
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

    /// Runs the supervisor of an actor until it is asked to end, or gives up.
    ///
    /// From the call on, before the future is first polled, the host functions go through it. A host runs once.
    ///
    /// # Errors
    /// [`ActorError::Escalated`] when a child's restarts exceeded the intensity: its other children have been stopped by
    /// then, latest first, and the actor itself has to end. [`SupervisorError::HandlerError`] when it was started before.
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
            tracing::debug!(actor = %actor_handle.id(), "supervisor started");
            let driver = Driver::new(actor_handle, inner.supervision, inner.deadline, commands);
            let outcome = Box::pin(driver.run(shutdown_receiver)).await;
            escalation(outcome, inner.supervision).map_or(Ok(()), |error| Err(error.into()))
        }
    }

    /// Hands a command to the supervisor of `caller`; `None` if none was started.
    async fn command(
        &self,
        caller: ActorId,
        command: impl FnOnce(oneshot::Sender<Verdict>) -> Command,
    ) -> Option<Verdict> {
        if *lock(&self.inner.started) != Some(caller) {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        if self.inner.commands.send(command(reply)).await.is_err() {
            return Some(Err(ActorError::ShuttingDown));
        }
        Some(answer.await.unwrap_or(Err(ActorError::ShuttingDown)))
    }
}
