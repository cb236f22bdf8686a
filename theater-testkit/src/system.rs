//! A supervisor with children on a mock runtime, under commands: everything but WebAssembly.

mod perform;

use std::sync::Arc;

use theater_core::{ActorId, ActorRuntime, Authority, ChainEvent, StopMode, SupervisionSpec};
use tokio::task::JoinHandle;

use crate::fault::FaultSpec;
use crate::log::Log;
use crate::mock::{MockRuntime, Schedule, Stuck, TreeSnapshot};
use crate::program::Program;
use crate::strategy::Cmd;

/// What a system is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemSetup {
    /// The rules of its supervisor.
    pub supervision: SupervisionSpec,
    /// The children that it begins with, in this order.
    pub children: Vec<Program>,
    /// Which of the things that are ready happens next.
    pub schedule: Schedule,
    /// What goes wrong.
    pub faults: Vec<FaultSpec>,
    /// The seed of ids, jitter and faults.
    pub seed: u64,
}

impl SystemSetup {
    /// A system without children and faults, where what is ready first happens first.
    #[must_use]
    pub fn new(supervision: SupervisionSpec) -> Self {
        Self { supervision, children: Vec::new(), schedule: Schedule::Fifo, faults: Vec::new(), seed: 0 }
    }

    /// The same with these children.
    #[must_use]
    pub fn children(mut self, children: impl IntoIterator<Item = Program>) -> Self {
        self.children = children.into_iter().collect();
        self
    }
}

/// What became of a system.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SystemRun {
    /// Everything that happened.
    pub log: Log,
    /// The chains of all actors that had a record just before the end, in start order.
    pub chains: Vec<(ActorId, Vec<ChainEvent>)>,
    /// The tree just before the end.
    pub tree: TreeSnapshot,
}

/// Runs commands on a system: with [`Schedule::Fifo`] each when it has come to rest after the one before, with other
/// schedules while it is at work. At the end it comes to rest, and its supervisor is stopped.
///
/// The same setup and commands give the same run, byte for byte. Commands that wait, because a start hangs or a stop
/// takes its time, do not keep the next ones from their turn.
///
/// # Errors
/// [`Stuck`] if the system did not come to rest, at some point, within a hundred thousand steps.
///
/// # Panics
/// If it is called inside another tokio runtime.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy;
/// use theater_testkit::system::{SystemSetup, run};
///
/// proptest!(ProptestConfig::with_cases(32), |(
///     supervision in strategy::supervision_spec(),
///     commands in strategy::commands(0..20),
/// )| {
///     let setup = SystemSetup::new(supervision);
///     prop_assert_eq!(run(&setup, &commands)?, run(&setup, &commands)?);
/// });
/// ```
pub fn run(setup: &SystemSetup, commands: &[Cmd]) -> Result<SystemRun, Stuck> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime of this thread needs nothing that could fail");
    runtime.block_on(async {
        let mut system = System::start(setup).await?;
        for command in commands {
            system.perform(command).await?;
        }
        system.finish().await
    })
}

/// Steps that a system may take to come to rest.
const BUDGET: usize = 100_000;

/// A system under way, for tests that look at it between commands. Needs a tokio runtime of the current thread whose
/// time is paused.
#[derive(Debug)]
pub struct System {
    mock: MockRuntime,
    /// Whether commands come while the system is at work.
    eager: bool,
    supervisor: ActorId,
    /// Another root actor, with a child of its own.
    stranger: ActorId,
    /// How many children were started by commands.
    started: u32,
    under_way: Vec<JoinHandle<()>>,
}

impl System {
    /// Starts a system, and lets it come to rest.
    ///
    /// # Errors
    /// [`Stuck`].
    pub async fn start(setup: &SystemSetup) -> Result<Self, Stuck> {
        let eager = setup.schedule != Schedule::Fifo;
        let builder = MockRuntime::builder()
            .seed(setup.seed)
            .schedule(setup.schedule.clone())
            .faults(setup.faults.iter().copied());
        let mock = if eager { builder.manual() } else { builder }.build();
        let (supervisor, stranger) = (mock.root(), mock.root());
        let _ = mock.child(stranger);
        mock.supervise(supervisor, setup.supervision);
        let mut system = Self { mock, eager, supervisor, stranger, started: 0, under_way: Vec::new() };
        for child in &setup.children {
            system.perform(&Cmd::Start(Box::new(child.clone()))).await?;
        }
        Ok(system)
    }

    /// The runtime.
    #[must_use]
    pub fn mock(&self) -> &MockRuntime {
        &self.mock
    }

    /// The supervising actor.
    #[must_use]
    pub fn supervisor(&self) -> ActorId {
        self.supervisor
    }

    /// The children of the supervisor that have a record, in start order.
    pub async fn children(&self) -> Vec<ActorId> {
        let children = self.mock.tree().find(self.supervisor).map(|node| node.children.clone());
        children.unwrap_or_default().iter().map(|node| node.info.id).collect()
    }

    /// Ends the supervisor and returns what happened.
    ///
    /// # Errors
    /// [`Stuck`].
    pub async fn finish(mut self) -> Result<SystemRun, Stuck> {
        self.mock.settle(BUDGET).await?;
        let tree = self.mock.tree();
        let chains = tree.nodes().map(|node| (node.info.id, self.mock.chain(node.info.id))).collect();
        let (mock, id): (Arc<dyn ActorRuntime>, _) = (Arc::new(self.mock.clone()), self.supervisor);
        // A fault may refuse it: then the kill, which the embedding program would try next.
        let stopping = async move {
            for mode in [StopMode::Infinity, StopMode::Kill] {
                if mock.stop(Authority::Operator, id, mode).await.is_ok() {
                    return;
                }
            }
        };
        self.under_way.push(tokio::spawn(stopping));
        self.mock.settle(BUDGET).await?;
        for task in self.under_way {
            task.abort();
        }
        Ok(SystemRun { log: self.mock.log(), chains, tree })
    }
}
