//! A guest without a component.

use theater_core::{ActorExports, ActorId, Caller, HostLinker, LinkError};
use theater_supervisor::SupervisorHost;

use crate::act::{HostAnswer, HostCall};
use crate::runtime::FakeRuntime;

/// Calls the host functions that it was linked to, as the guest of one actor.
///
/// Ids go in and errors come out as texts, as they do through the WIT interface.
#[derive(Debug)]
pub struct FakeGuest {
    caller: Caller,
    host: Option<SupervisorHost>,
    /// The exports that it claims to have, and whether their types are right.
    exports: Vec<(String, bool)>,
}

impl FakeGuest {
    /// The guest of `actor`, linked to nothing yet.
    #[must_use]
    pub fn new(runtime: &FakeRuntime, actor: ActorId) -> Self {
        Self {
            caller: Caller::new(actor, std::sync::Arc::new(runtime.clone())),
            host: None,
            exports: Vec::new(),
        }
    }

    /// The same with an export, of the right type or of a wrong one.
    #[must_use]
    pub fn export(mut self, function: &str, right_type: bool) -> Self {
        self.exports.push((function.to_owned(), right_type));
        self
    }

    fn host(&self) -> Result<&SupervisorHost, String> {
        self.host.as_ref().ok_or_else(|| "the guest is not linked to a supervisor host".to_owned())
    }

    /// Calls a function as data.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn call(&self, call: HostCall) -> Result<HostAnswer, String> {
        Ok(match call {
            HostCall::Spawn { manifest, init } => {
                HostAnswer::Child(self.spawn(&manifest, init.as_deref()).await?)
            }
            HostCall::Resume { manifest, state } => {
                HostAnswer::Child(self.resume(&manifest, state.as_deref()).await?)
            }
            HostCall::ListChildren => HostAnswer::Children(self.list_children().await?),
            HostCall::RestartChild(child) => self.restart_child(&child).await.map(|()| HostAnswer::Done)?,
            HostCall::StopChild(child) => self.stop_child(&child).await.map(|()| HostAnswer::Done)?,
            HostCall::GetChildState(child) => {
                HostAnswer::State(self.get_child_state(&child).await?.map(Into::into))
            }
            HostCall::GetChildEvents(child) => HostAnswer::Events(self.get_child_events(&child).await?),
        })
    }

    /// `supervisor.spawn`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn spawn(&self, manifest: &str, init_bytes: Option<&[u8]>) -> Result<String, String> {
        let init_bytes = init_bytes.map(Vec::from);
        text(self.host()?.spawn(&self.caller, manifest.to_owned(), init_bytes).await).map(|id| id.to_string())
    }

    /// `supervisor.resume`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn resume(&self, manifest: &str, state_bytes: Option<&[u8]>) -> Result<String, String> {
        let state_bytes = state_bytes.map(Vec::from);
        text(self.host()?.resume(&self.caller, manifest.to_owned(), state_bytes).await)
            .map(|id| id.to_string())
    }

    /// `supervisor.list-children`.
    ///
    /// # Errors
    /// What would trap a guest.
    pub async fn list_children(&self) -> Result<Vec<String>, String> {
        text(self.host()?.list_children(&self.caller).await)
            .map(|ids| ids.iter().map(ToString::to_string).collect())
    }

    /// `supervisor.restart-child`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn restart_child(&self, child: &str) -> Result<(), String> {
        text(self.host()?.restart_child(&self.caller, child).await)
    }

    /// `supervisor.stop-child`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn stop_child(&self, child: &str) -> Result<(), String> {
        text(self.host()?.stop_child(&self.caller, child).await)
    }

    /// `supervisor.get-child-state`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn get_child_state(&self, child: &str) -> Result<Option<Vec<u8>>, String> {
        text(self.host()?.get_child_state(&self.caller, child).await).map(|state| state.map(Vec::from))
    }

    /// `supervisor.get-child-events`: the names of their kinds.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn get_child_events(&self, child: &str) -> Result<Vec<String>, String> {
        text(self.host()?.get_child_events(&self.caller, child).await)
            .map(|events| events.iter().map(theater_core::ChainEvent::event_type).collect())
    }
}

fn text<T>(result: theater_supervisor::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

impl HostLinker<SupervisorHost> for FakeGuest {
    fn link_host(&mut self, host: SupervisorHost) -> Result<(), LinkError> {
        self.host = Some(host);
        Ok(())
    }
}

impl ActorExports for FakeGuest {
    fn find_export(&mut self, interface: &str, function: &str) -> Result<bool, LinkError> {
        match self.exports.iter().find(|(name, _)| name == function) {
            None => Ok(false),
            Some((_, true)) => Ok(true),
            Some((name, false)) => Err(LinkError::new(interface, format!("{name} has another type"))),
        }
    }
}
