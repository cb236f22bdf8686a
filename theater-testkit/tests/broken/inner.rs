//! The correct backend that is broken: one place to say which one that is.

use std::sync::Arc;

use theater_core::{ActorId, ActorRuntime, Caller, HostLinker, LinkError};
use theater_supervisor::SupervisorHost;
use theater_testkit::mock::MockBackend;
use theater_testkit::{HostAnswer, HostCall};

pub(crate) type InnerBackend = MockBackend;

pub(crate) fn backend() -> InnerBackend {
    MockBackend::new()
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
