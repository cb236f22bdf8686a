//! Commands over a channel: the seed's way to reach a runtime, as an adapter in front of any [`ActorRuntime`].
//!
//! Inside a process, prefer the trait: it can be wrapped, mocked and read. The channel serves where a queue is
//! wanted between the caller and the runtime. Commands are completed concurrently: one that waits for an actor delays no
//! other.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use crate::actor::{ActorId, ActorInfo};
use crate::error::ActorError;
use crate::event::{ChainEvent, EventRange};
use crate::exit::ExitReason;
use crate::runtime::{ActorRuntime, Authority, RestartFrom, SpawnRequest, StartFrom, StopMode};
use crate::source::ManifestRef;

/// Where the answer to a command goes.
pub type Respond<T> = oneshot::Sender<Result<T, ActorError>>;

/// One operation on a runtime, with the place for its answer.
///
/// A command whose answer nobody waits for any more is carried out all the same.
#[derive(Debug)]
#[non_exhaustive]
pub enum TheaterCommand {
    /// Starts an actor from `init`.
    SpawnActor {
        /// The manifest.
        manifest: ManifestRef,
        /// Bytes for `init`.
        init_bytes: Option<Bytes>,
        /// The parent; `None` for a root actor.
        parent_id: Option<ActorId>,
        /// The answer.
        response_tx: Respond<ActorInfo>,
    },
    /// Starts an actor with a state.
    ResumeActor {
        /// The manifest.
        manifest: ManifestRef,
        /// The state.
        state_bytes: Option<Bytes>,
        /// The parent; `None` for a root actor.
        parent_id: Option<ActorId>,
        /// The answer.
        response_tx: Respond<ActorInfo>,
    },
    /// Ends an actor's life and starts the next.
    RestartActor {
        /// On whose authority.
        by: Authority,
        /// The actor.
        actor_id: ActorId,
        /// Where the next life starts from.
        from: RestartFrom,
        /// The answer.
        response_tx: Respond<ActorInfo>,
    },
    /// Ends an actor.
    StopActor {
        /// On whose authority.
        by: Authority,
        /// The actor.
        actor_id: ActorId,
        /// How.
        mode: StopMode,
        /// The answer.
        response_tx: Respond<ExitReason>,
    },
    /// Lists the children of an actor.
    ListChildren {
        /// The parent.
        parent_id: ActorId,
        /// The answer.
        response_tx: Respond<Vec<ActorInfo>>,
    },
    /// Reads an actor's last good state.
    GetActorState {
        /// On whose authority.
        by: Authority,
        /// The actor.
        actor_id: ActorId,
        /// The answer.
        response_tx: Respond<Option<Bytes>>,
    },
    /// Reads an actor's events.
    GetActorEvents {
        /// On whose authority.
        by: Authority,
        /// The actor.
        actor_id: ActorId,
        /// Which events.
        range: EventRange,
        /// The answer.
        response_tx: Respond<Vec<ChainEvent>>,
    },
}

/// Makes a command channel in front of `runtime`: the sender, and the loop that somebody has to run.
///
/// At most `capacity` commands wait in the channel and at most `capacity` are under way; beyond that `send` waits.
/// [`CommandLoop::run`] ends when all senders are gone and all commands are answered.
///
/// # Panics
/// If `capacity` is 0.
#[must_use]
pub fn command_channel<R: ActorRuntime + Clone>(
    runtime: R,
    capacity: usize,
) -> (mpsc::Sender<TheaterCommand>, CommandLoop<R>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (sender, CommandLoop { runtime, receiver, capacity })
}

/// Carries out the commands of one channel.
#[derive(Debug)]
pub struct CommandLoop<R> {
    runtime: R,
    receiver: mpsc::Receiver<TheaterCommand>,
    capacity: usize,
}

impl<R: ActorRuntime + Clone> CommandLoop<R> {
    /// Runs until all senders are gone and all commands are answered.
    pub async fn run(mut self) {
        let mut under_way = FuturesUnordered::new();
        let mut open = true;
        while open || !under_way.is_empty() {
            tokio::select! {
                command = self.receiver.recv(), if open && under_way.len() < self.capacity => match command {
                    Some(command) => under_way.push(complete(self.runtime.clone(), command)),
                    None => open = false,
                },
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
            }
        }
    }
}

fn complete<R: ActorRuntime>(runtime: R, command: TheaterCommand) -> BoxFuture<'static, ()> {
    // A receiver that is gone did not want the answer: nothing to report to anybody.
    Box::pin(async move {
        match command {
            TheaterCommand::SpawnActor { manifest, init_bytes, parent_id, response_tx } => {
                let request =
                    SpawnRequest::new(parent_id, manifest.as_str()).start(StartFrom::Init(init_bytes));
                let _ = response_tx.send(runtime.spawn(request).await);
            }
            TheaterCommand::ResumeActor { manifest, state_bytes, parent_id, response_tx } => {
                let request =
                    SpawnRequest::new(parent_id, manifest.as_str()).start(StartFrom::State(state_bytes));
                let _ = response_tx.send(runtime.spawn(request).await);
            }
            TheaterCommand::RestartActor { by, actor_id, from, response_tx } => {
                let _ = response_tx.send(runtime.restart(by, actor_id, from).await);
            }
            TheaterCommand::StopActor { by, actor_id, mode, response_tx } => {
                let _ = response_tx.send(runtime.stop(by, actor_id, mode).await);
            }
            TheaterCommand::ListChildren { parent_id, response_tx } => {
                let _ = response_tx.send(runtime.children(parent_id).await);
            }
            TheaterCommand::GetActorState { by, actor_id, response_tx } => {
                let _ = response_tx.send(runtime.state(by, actor_id).await);
            }
            TheaterCommand::GetActorEvents { by, actor_id, range, response_tx } => {
                let _ = response_tx.send(runtime.events(by, actor_id, range).await);
            }
        }
    })
}
