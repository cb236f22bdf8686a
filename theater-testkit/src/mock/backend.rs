//! The mock runtime as a backend of the conformance suite.

use std::sync::Arc;

use theater_core::{ActorError, ActorId, ActorRuntime, async_trait};

use super::MockRuntime;
use crate::act::{Act, HostAnswer, HostCall};
use crate::conformance::{Clock, TestBackend};

/// A [`MockRuntime`] under test.
#[derive(Debug, Clone, Default)]
pub struct MockBackend {
    mock: MockRuntime,
}

impl MockBackend {
    /// A backend over a new mock runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A backend over this one.
    #[must_use]
    pub fn over(mock: MockRuntime) -> Self {
        Self { mock }
    }

    /// The mock runtime.
    #[must_use]
    pub fn mock(&self) -> &MockRuntime {
        &self.mock
    }
}

#[async_trait]
impl TestBackend for MockBackend {
    fn clock() -> Clock {
        Clock::Virtual
    }

    fn runtime(&self) -> Arc<dyn ActorRuntime> {
        Arc::new(self.mock.clone())
    }

    async fn act(&self, actor: ActorId, act: Act) -> Result<(), ActorError> {
        self.mock.act(actor, act).await
    }

    async fn call(&self, actor: ActorId, call: HostCall) -> Result<HostAnswer, String> {
        self.mock.guest(actor).call(call).await
    }
}
