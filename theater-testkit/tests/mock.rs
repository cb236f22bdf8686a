//! The mock runtime: what a test can make it do, and what it tells.

#[path = "mock/determinism.rs"]
mod determinism;
#[path = "mock/faults.rs"]
mod faults;
#[path = "mock/messages.rs"]
mod messages;
#[path = "mock/programs.rs"]
mod programs;
#[path = "mock/trees.rs"]
mod trees;

use std::time::Duration;

use theater_core::{
    ActorId, ActorRuntime, Authority, ChildSpec, RestartPolicy, SpawnRequest, StopMode, Strategy,
    SupervisionSpec,
};
use theater_testkit::expect::{exited, expect, started};
use theater_testkit::{MockRuntime, Program, StartOutcome, StopBehaviour, crash};

const SECOND: Duration = Duration::from_secs(1);

fn permanent() -> Program {
    Program::new(ChildSpec::new(RestartPolicy::Permanent))
}

fn rules(strategy: Strategy) -> SupervisionSpec {
    SupervisionSpec::new(10, 10 * SECOND).with_strategy(strategy)
}

/// Starts a child as the supervisor's guest would.
async fn spawn(mock: &MockRuntime, parent: ActorId, manifest: &str) -> ActorId {
    let child = mock.guest(parent).spawn(manifest, None).await.expect("it starts");
    child.parse().expect("a child is named by its id")
}
