//! The correct backend that is broken: one place to say which one that is.

use std::sync::Arc;

use theater_core::{
    ActorError, ActorId, ActorRuntime, ActorStatus, Authority, Caller, ExitReason, HostLinker, LinkError,
    async_trait,
};
use theater_supervisor::SupervisorHost;
use theater_testkit::conformance::{Capability, TestBackend};
use theater_testkit::{Act, FakeRuntime, HostAnswer, HostCall, crash};

pub(crate) type InnerBackend = Fake;

pub(crate) fn backend() -> InnerBackend {
    Fake::default()
}

#[derive(Debug, Default)]
pub(crate) struct Fake {
    runtime: FakeRuntime,
}

#[async_trait]
impl TestBackend for Fake {
    fn runtime(&self) -> Arc<dyn ActorRuntime> {
        Arc::new(self.runtime.clone())
    }

    async fn act(&self, actor: ActorId, act: Act) -> Result<(), ActorError> {
        match self.runtime.info(Authority::Operator, actor).await?.status {
            ActorStatus::Running => {}
            ActorStatus::Ended(reason) => return Err(ActorError::Ended { id: actor, reason }),
            _ => return Err(ActorError::Unsupported { operation: "act" }),
        }
        match act {
            Act::SetState(state) => self.runtime.set_state(actor, state),
            Act::Crash => self.runtime.crash(actor, crash()),
            Act::Complete(data) => self.runtime.crash(actor, ExitReason::Completed { data }),
            Act::Call(call) => drop(self.call(actor, call).await),
            _ => return Err(ActorError::Unsupported { operation: "act" }),
        }
        Ok(())
    }

    async fn call(&self, actor: ActorId, call: HostCall) -> Result<HostAnswer, String> {
        self::call(self.runtime(), actor, call).await
    }

    fn lacks(&self, capability: Capability) -> Option<&'static str> {
        match capability {
            Capability::Busy => Some("calls take no time"),
            Capability::Mailbox => Some("there is none"),
            Capability::Supervision => Some("actors run no supervisors"),
            _ => None,
        }
    }
}

/// Links a host to a guest that is nothing but that.
struct Link(Option<SupervisorHost>);

impl HostLinker<SupervisorHost> for Link {
    fn link_host(&mut self, host: SupervisorHost) -> Result<(), LinkError> {
        self.0 = Some(host);
        Ok(())
    }
}

/// Makes one call of a host function on a runtime, as the guest of `actor` would.
pub(crate) async fn call(
    runtime: Arc<dyn ActorRuntime>,
    actor: ActorId,
    call: HostCall,
) -> Result<HostAnswer, String> {
    let text = |error: theater_supervisor::SupervisorError| error.to_string();
    let mut link = Link(None);
    SupervisorHost::builder().build().setup_host_functions(&mut link).await.map_err(text)?;
    let host = link.0.ok_or("not linked")?;
    let caller = Caller::new(actor, runtime);
    match call {
        HostCall::Spawn { manifest, init } => host
            .spawn(&caller, manifest, init.map(Vec::from))
            .await
            .map(|id| HostAnswer::Child(id.to_string())),
        HostCall::Resume { manifest, state } => host
            .resume(&caller, manifest, state.map(Vec::from))
            .await
            .map(|id| HostAnswer::Child(id.to_string())),
        HostCall::ListChildren => host
            .list_children(&caller)
            .await
            .map(|ids| HostAnswer::Children(ids.iter().map(ToString::to_string).collect())),
        HostCall::RestartChild(child) => host.restart_child(&caller, &child).await.map(|()| HostAnswer::Done),
        HostCall::StopChild(child) => host.stop_child(&caller, &child).await.map(|()| HostAnswer::Done),
        HostCall::GetChildState(child) => host.get_child_state(&caller, &child).await.map(HostAnswer::State),
        HostCall::GetChildEvents(child) => host.get_child_events(&caller, &child).await.map(|events| {
            HostAnswer::Events(events.iter().map(theater_core::ChainEvent::event_type).collect())
        }),
        other => return Err(format!("no such function: {other:?}")),
    }
    .map_err(text)
}
