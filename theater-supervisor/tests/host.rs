//! The host functions and the driver, over the testkit's runtime and tokio's paused time.

use std::sync::Arc;
use std::time::Duration;

use theater_chain::verify;
use theater_core::event::payload;
use theater_core::{
    ActorHandle, ActorId, ActorInfo, ActorRuntime, Authority, EventRange, ShutdownController, SupervisionSpec,
};
use theater_supervisor::{SupervisorEvent, SupervisorHost, SupervisorOutcome};
use theater_testkit::{FakeGuest, MockRuntime};
use tokio::task::JoinHandle;

#[path = "host/faults.rs"]
mod faults;
#[path = "host/functions.rs"]
mod functions;
#[path = "host/isolation.rs"]
mod isolation;
#[path = "host/rules.rs"]
mod rules;

/// How long a host function may take in these tests.
const DEADLINE: Duration = Duration::from_secs(10);

/// An actor whose supervisor runs.
struct Fixture {
    runtime: MockRuntime,
    parent: ActorId,
    guest: FakeGuest,
    shutdown: ShutdownController,
    supervisor: JoinHandle<theater_supervisor::Result<()>>,
}

/// A root actor whose supervisor runs: two restarts within five seconds.
async fn supervised(runtime: MockRuntime) -> Fixture {
    let parent = runtime.root();
    supervised_actor(runtime, parent).await
}

async fn supervised_actor(runtime: MockRuntime, parent: ActorId) -> Fixture {
    let host = SupervisorHost::builder()
        .supervision(SupervisionSpec::new(2, Duration::from_secs(5)))
        .deadline(DEADLINE)
        .build();
    let guest = linked(&runtime, parent, &host).await;
    let (shutdown, receiver) = ShutdownController::new();
    let supervisor = tokio::spawn(host.start(ActorHandle::new(parent, Arc::new(runtime.clone())), receiver));
    Fixture { runtime, parent, guest, shutdown, supervisor }
}

/// The guest of an actor whose host was never started.
async fn unsupervised(runtime: &MockRuntime, actor: ActorId) -> FakeGuest {
    linked(runtime, actor, &SupervisorHost::builder().deadline(DEADLINE).build()).await
}

async fn linked(runtime: &MockRuntime, actor: ActorId, host: &SupervisorHost) -> FakeGuest {
    let mut guest = FakeGuest::new(runtime, actor);
    host.setup_host_functions(&mut guest).await.expect("a fake guest links everything");
    guest
}

impl Fixture {
    async fn info(&self, child: &str) -> ActorInfo {
        self.runtime.info(Authority::Operator, id(child)).await.expect("the child has a record")
    }

    /// The child's current life, and whether it has ended.
    async fn life(&self, child: &str) -> (u64, bool) {
        let info = self.info(child).await;
        (info.incarnation.0, info.status.is_ended())
    }

    /// What happened to lives after the first `before` entries of the log.
    fn log_after(&self, before: usize) -> Vec<String> {
        self.runtime.history().split_off(before)
    }

    async fn records(&self) -> Vec<SupervisorEvent> {
        records(&self.runtime, self.parent).await
    }
}

/// The records about supervision on an actor's chain, which is verified on the way.
async fn records(runtime: &MockRuntime, actor: ActorId) -> Vec<SupervisorEvent> {
    let events =
        runtime.events(Authority::Operator, actor, EventRange::ALL).await.expect("the actor has a chain");
    verify(&events).expect("the chain is sound");
    events.iter().filter_map(|event| SupervisorEvent::read(event).ok()).collect()
}

/// What an outcome's record says.
fn outcome(record: &SupervisorEvent) -> SupervisorOutcome {
    payload::decode(record.data.as_ref().expect("an outcome has details")).expect("it is an outcome")
}

/// Lets everything that can run do so; paused time moves a little.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

fn id(text: &str) -> ActorId {
    text.parse().expect("the guest was given an id")
}
