//! `MockRuntime`: a whole runtime in memory, for one thread, in which a test decides what happens next.

mod actor_runtime;
mod backend;
mod builder;
mod call;
mod chaos;
mod lives;
mod mailbox;
mod queue;
mod schedule;
mod settle;
mod supervise;
mod tree;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use theater_core::event::payload::Origin;
use theater_core::{ActorId, Bytes, ChainEvent, ChildExit, ChildNotice, ExitReason, StopMode};

use crate::act::Act;
use crate::log::{Log, What};
use crate::program::{Program, StartOutcome};

pub use backend::MockBackend;
pub use builder::MockRuntimeBuilder;
pub use call::Call;
pub use chaos::FaultGuard;
pub use schedule::Schedule;
pub use settle::{Rest, Stuck};
pub use tree::{Node, TreeSnapshot};

use lives::{Lives, Start};

/// An [`ActorRuntime`](theater_core::ActorRuntime) in memory. Cheap to clone; all clones are the same runtime.
///
/// It follows the contract of `ActorRuntime`, chains included, except for the faults that a test asks for. Ids, times and
/// everything random are counted from its seed, so two runs with the same seed and the same commands are the same run, byte
/// for byte: the [`log`](Self::log) and every [`chain`](Self::chain).
///
/// It belongs on one thread, in a tokio runtime of the current thread whose time is paused; then time is virtual, and nothing
/// waits. What its [`Schedule`] says decides which of the things that could happen next does.
///
/// A manifest's reference spells out the program of its actors: see [`Program::read`].
///
/// # Examples
/// ```
/// use theater_core::{ActorRuntime, SpawnRequest};
/// use theater_testkit::{MockRuntime, crash};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let mock = MockRuntime::new();
/// let app = mock.spawn(SpawnRequest::new(None, "app")).await?.id;
/// let child = mock.spawn(SpawnRequest::new(Some(app), "worker permanent")).await?.id;
/// mock.crash(child, crash());
/// mock.settle(100).await?;
/// assert_eq!(mock.history(), ["start app 1", "start worker permanent 1", "exit worker permanent 1 trapped"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MockRuntime {
    lives: Arc<Mutex<Lives>>,
}

impl MockRuntime {
    /// A runtime without actors and faults, where what is ready first happens first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the setup of a runtime.
    #[must_use]
    pub fn builder() -> MockRuntimeBuilder {
        MockRuntimeBuilder::new()
    }

    /// The same with a program behind a manifest's reference.
    #[must_use]
    pub fn program(self, manifest: &str, program: Program) -> Self {
        self.bring(manifest, program);
        self
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a program behind a manifest's reference, for actors that are started from now on.
    pub fn bring(&self, manifest: &str, program: Program) {
        self.lives().programs.insert(manifest.to_owned(), program);
    }

    /// Adds to the log what the runtime itself cannot know.
    pub fn note(&self, what: What) {
        self.lives().note(what);
    }

    /// Adds a running root actor.
    #[must_use]
    pub fn root(&self) -> ActorId {
        self.actor(None, "root")
    }

    /// Adds a running child, as its parent's guest would without a supervisor, and without waiting.
    #[must_use]
    pub fn child(&self, parent: ActorId) -> ActorId {
        self.actor(Some(parent), "child")
    }

    fn actor(&self, parent: Option<ActorId>, name: &str) -> ActorId {
        let mut lives = self.lives();
        let id = lives.add(parent, name, None);
        if let Some(start) = lives.begin(id, Origin::Init, None) {
            // It runs whatever a program of this name says: the test has asked for it.
            let _ = lives.settle(Start { outcome: StartOutcome::Ok, ..start });
        }
        id
    }

    /// Ends the current life of an actor, as a crash would.
    pub fn crash(&self, id: ActorId, reason: ExitReason) {
        self.crash_together(&[id], reason);
    }

    /// Ends the current lives of several actors, before anybody hears of any of these ends.
    pub fn crash_together(&self, ids: &[ActorId], reason: ExitReason) {
        let mut lives = self.lives();
        for id in ids {
            if reason == ExitReason::Killed
                && let Some(incarnation) = lives.actors.get(id).map(|actor| actor.incarnation)
            {
                // A kill by somebody outside.
                lives.note(What::StopAsked { id: *id, incarnation, mode: StopMode::Kill });
            }
            lives.end(*id, None, reason.clone());
        }
        drop(lives);
        self.pump();
    }

    /// Gives an exit to a parent's supervisor, whether or not it happened.
    pub fn tell_exit(&self, parent: ActorId, exit: ChildExit) {
        self.lives().exits(Some(parent)).push(exit);
    }

    /// Tells the parent of the end of a child's last life once more, against the contract.
    pub fn tell_last_exit_again(&self, child: ActorId) {
        let lives = self.lives();
        let Some(actor) = lives.actors.get(&child) else { return };
        if let Some(exit) = actor.last_exit.clone() {
            lives.exits(actor.parent).push(exit);
        }
    }

    /// Puts a state in place, as a call that succeeded would.
    pub fn set_state(&self, id: ActorId, state: impl Into<Bytes>) {
        self.lives().set_state(id, state.into());
    }

    /// What happened, from the beginning.
    #[must_use]
    pub fn log(&self) -> Log {
        self.lives().log.clone()
    }

    /// What was asked of the runtime, in order, with the answers.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lives().calls.clone()
    }

    /// The same, forgetting it.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        self.lives().take_calls()
    }

    /// What was asked of the runtime, in order, as texts such as `spawn worker`.
    #[must_use]
    pub fn call_names(&self) -> Vec<String> {
        self.lives().calls.iter().map(ToString::to_string).collect()
    }

    /// What happened to lives, in order, as texts: `start NAME LIFE`, `fail NAME LIFE`, `exit NAME LIFE REASON`.
    #[must_use]
    pub fn history(&self) -> Vec<String> {
        self.lives().history.clone()
    }

    /// The notices that a parent was given.
    #[must_use]
    pub fn notices(&self, parent: ActorId) -> Vec<ChildNotice> {
        let lives = self.lives();
        lives.notices.iter().filter(|(to, _)| *to == parent).map(|(_, notice)| notice.clone()).collect()
    }

    /// How many children have a record, one that is starting included.
    #[must_use]
    pub fn records(&self, parent: ActorId) -> usize {
        self.lives().children(parent).count()
    }

    /// The events of an actor's chain, oldest first; none for an actor without a record.
    #[must_use]
    pub fn chain(&self, id: ActorId) -> Vec<ChainEvent> {
        self.lives().actors.get(&id).map(|actor| actor.events.clone()).unwrap_or_default()
    }

    /// All actors that have a record, as a tree.
    #[must_use]
    pub fn tree(&self) -> TreeSnapshot {
        TreeSnapshot::of(&self.lives())
    }

    /// Puts a message into an actor's mailbox, on behalf of the embedding program. The actor does what its program says.
    ///
    /// # Errors
    /// [`UnknownActor`](theater_core::ActorError::UnknownActor), [`Ended`](theater_core::ActorError::Ended).
    pub fn send(&self, to: ActorId, message: impl Into<Bytes>) -> Result<(), theater_core::ActorError> {
        self.send_from(None, to, message.into())
    }

    /// Makes an actor do something in a call of its own, after what it is doing.
    ///
    /// Returns when the call has ended; for [`Act::Busy`] when it has begun.
    ///
    /// # Errors
    /// [`UnknownActor`](theater_core::ActorError::UnknownActor), [`Ended`](theater_core::ActorError::Ended).
    pub async fn act(&self, id: ActorId, act: Act) -> Result<(), theater_core::ActorError> {
        self.perform(id, act).await
    }
}
