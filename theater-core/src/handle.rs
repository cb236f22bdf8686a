//! A runtime and one of its actors, together.

use std::sync::Arc;

use crate::actor::ActorId;
use crate::runtime::ActorRuntime;

/// Names one actor of one runtime. Cheap to clone.
///
/// It names the actor across restarts: what it does always concerns the current life, or fails with a typed error.
#[derive(Debug, Clone)]
pub struct ActorHandle {
    id: ActorId,
    runtime: Arc<dyn ActorRuntime>,
}

impl ActorHandle {
    /// A handle to an actor of `runtime`.
    #[must_use]
    pub fn new(id: ActorId, runtime: Arc<dyn ActorRuntime>) -> Self {
        Self { id, runtime }
    }

    /// The actor.
    #[must_use]
    pub fn id(&self) -> ActorId {
        self.id
    }

    /// The runtime that runs it.
    #[must_use]
    pub fn runtime(&self) -> &Arc<dyn ActorRuntime> {
        &self.runtime
    }

    /// A handle to no actor, for demonstrations: its runtime refuses everything.
    #[doc(hidden)]
    #[must_use]
    pub fn dummy() -> Self {
        Self::new(ActorId::from_parts(0, [1; 10]), Arc::new(crate::runtime::Nothing))
    }
}
