//! What was asked of the mock runtime.

use std::fmt;
use std::time::Duration;

use theater_core::{ActorId, Authority};

use crate::fault::Operation;

/// One call of a method of [`ActorRuntime`](theater_core::ActorRuntime).
///
/// It is shown as the method and the actor's name, or its id if there is no such actor: `spawn worker`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The method.
    pub operation: Operation,
    /// The actor; `None` for a start that has none yet.
    pub actor: Option<ActorId>,
    /// The actor's name, or the manifest's reference.
    pub name: String,
    /// On whose authority, where the method asks for it.
    pub by: Option<Authority>,
    /// When, in virtual time since the runtime was first used.
    pub at: Duration,
    /// The answer: the error as text where there was one. `None` while there is none, and for a call that was given up.
    pub answer: Option<Result<(), String>>,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.name)
    }
}
