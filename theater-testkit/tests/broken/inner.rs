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
    let mut link = Link(None);
    let linked = SupervisorHost::builder().build().setup_host_functions(&mut link).await;
    linked.map_err(|error| error.to_string())?;
    let host = link.0.ok_or("not linked")?;
    call.perform(&host, &Caller::new(actor, runtime)).await
}
