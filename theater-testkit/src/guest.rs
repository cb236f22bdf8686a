//! A guest without a component.

use theater_core::{ActorExports, ActorId, Bytes, Caller, HostLinker, LinkError};
use theater_supervisor::SupervisorHost;

use crate::act::{HostAnswer, HostCall};
use crate::mock::MockRuntime;

/// Calls the host functions that it was linked to, as the guest of one actor.
///
/// Ids go in and errors come out as texts, as they do through the WIT interface.
#[derive(Debug)]
pub struct FakeGuest {
    mock: MockRuntime,
    caller: Caller,
    host: Option<SupervisorHost>,
    /// The exports that it claims to have, and whether their types are right.
    exports: Vec<(String, bool)>,
}

impl FakeGuest {
    /// The guest of `actor`, linked to nothing yet.
    #[must_use]
    pub fn new(mock: &MockRuntime, actor: ActorId) -> Self {
        Self {
            mock: mock.clone(),
            caller: Caller::new(actor, std::sync::Arc::new(mock.clone())),
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

    /// The same, linked to this host.
    #[must_use]
    pub(crate) fn linked(mut self, host: SupervisorHost) -> Self {
        self.host = Some(host);
        self
    }

    /// Calls a function as data. The mock runtime's log has the call and its answer.
    ///
    /// # Errors
    /// What a guest would be told; for `list-children` what would trap it.
    pub async fn call(&self, call: HostCall) -> Result<HostAnswer, String> {
        let host = self.host.as_ref().ok_or("the guest is not linked to a supervisor host")?;
        let number = self.mock.host_called(self.caller.id, &call);
        let answer = call.perform(host, &self.caller).await;
        self.mock.host_answered(self.caller.id, number, answer.clone());
        answer
    }

    /// `supervisor.spawn`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn spawn(&self, manifest: &str, init_bytes: Option<&[u8]>) -> Result<String, String> {
        let init = init_bytes.map(Bytes::copy_from_slice);
        self.call(HostCall::Spawn { manifest: manifest.to_owned(), init }).await.map(child)
    }

    /// `supervisor.resume`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn resume(&self, manifest: &str, state_bytes: Option<&[u8]>) -> Result<String, String> {
        let state = state_bytes.map(Bytes::copy_from_slice);
        self.call(HostCall::Resume { manifest: manifest.to_owned(), state }).await.map(child)
    }

    /// `supervisor.list-children`.
    ///
    /// # Errors
    /// What would trap a guest.
    pub async fn list_children(&self) -> Result<Vec<String>, String> {
        self.call(HostCall::ListChildren).await.map(|answer| match answer {
            HostAnswer::Children(children) => children,
            other => unreachable!("list-children answered {other:?}"),
        })
    }

    /// `supervisor.restart-child`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn restart_child(&self, child: &str) -> Result<(), String> {
        self.call(HostCall::RestartChild(child.to_owned())).await.map(drop)
    }

    /// `supervisor.stop-child`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn stop_child(&self, child: &str) -> Result<(), String> {
        self.call(HostCall::StopChild(child.to_owned())).await.map(drop)
    }

    /// `supervisor.get-child-state`.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn get_child_state(&self, child: &str) -> Result<Option<Vec<u8>>, String> {
        self.call(HostCall::GetChildState(child.to_owned())).await.map(|answer| match answer {
            HostAnswer::State(state) => state.map(Vec::from),
            other => unreachable!("get-child-state answered {other:?}"),
        })
    }

    /// `supervisor.get-child-events`: the names of their kinds.
    ///
    /// # Errors
    /// What a guest would be told.
    pub async fn get_child_events(&self, child: &str) -> Result<Vec<String>, String> {
        self.call(HostCall::GetChildEvents(child.to_owned())).await.map(|answer| match answer {
            HostAnswer::Events(events) => events,
            other => unreachable!("get-child-events answered {other:?}"),
        })
    }
}

fn child(answer: HostAnswer) -> String {
    match answer {
        HostAnswer::Child(id) => id,
        other => unreachable!("a start answered {other:?}"),
    }
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
