//! Host functions and whoever links them: the static seam between a set of host functions and an engine.

use std::sync::Arc;

use crate::actor::ActorId;
use crate::runtime::ActorRuntime;

/// Who is calling a host function.
///
/// The engine's binding builds it from what it knows, never from what the guest says, so a guest cannot claim to be
/// somebody else.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The calling actor.
    pub id: ActorId,
    /// The runtime that runs it.
    pub runtime: Arc<dyn ActorRuntime>,
}

impl Caller {
    /// A caller.
    #[must_use]
    pub fn new(id: ActorId, runtime: Arc<dyn ActorRuntime>) -> Self {
        Self { id, runtime }
    }
}

/// Why host functions could not be linked, or exports not be found.
#[derive(Debug, Clone, thiserror::Error)]
#[error("could not link {interface}: {message}")]
#[non_exhaustive]
pub struct LinkError {
    /// The interface.
    pub interface: String,
    /// What the engine said.
    pub message: String,
}

impl LinkError {
    /// A failure to link `interface`.
    pub fn new(interface: impl Into<String>, message: impl Into<String>) -> Self {
        Self { interface: interface.into(), message: message.into() }
    }
}

/// Something that can be given the host functions of `H`: a component before it is instantiated, or a fake guest.
///
/// # Contract
/// - After `link_host` returned `Ok`, every call that the guest makes to `H`'s interface reaches this `host`, with a
///   [`Caller`] that names the guest's own actor.
/// - Linking the same `H` again replaces the host.
pub trait HostLinker<H>: Send {
    /// Links the functions of `host`.
    ///
    /// # Errors
    /// If the engine refuses them.
    fn link_host(&mut self, host: H) -> Result<(), LinkError>;
}

/// An instance whose optional exports can be discovered.
///
/// # Contract
/// `find_export` answers whether the guest exports `function` of `interface` with the type that the WIT package gives
/// it, and makes the runtime use it from then on. A missing export is `Ok(false)`, a wrong type an error.
pub trait ActorExports: Send {
    /// Looks for an export and registers it.
    ///
    /// # Errors
    /// If the export exists with another type.
    fn find_export(&mut self, interface: &str, function: &str) -> Result<bool, LinkError>;
}
