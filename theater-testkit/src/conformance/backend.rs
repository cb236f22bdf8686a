//! The seam between the cases and the runtime under test.

use std::sync::Arc;

use theater_core::{ActorError, ActorId, ActorRuntime, ManifestRef, async_trait};

use crate::act::{Act, HostAnswer, HostCall};
use crate::program::Program;

/// What a runtime needs to be tested: a way to have actors that do as they are told.
///
/// Each case makes a backend of its own, so one backend is one runtime without actors.
///
/// # Contract
/// - An actor from [`program`](Self::program) starts, and stops, as the program says.
/// - Its `init` keeps the bytes that it is given as the state; without bytes it has none.
/// - [`act`](Self::act) makes it do one thing in one call. It returns when the call has ended, except for
///   [`Act::Busy`]: there it returns when the call has begun.
#[async_trait]
pub trait TestBackend: Send + Sync + 'static {
    /// How time passes in the cases.
    fn clock() -> Clock
    where
        Self: Sized,
    {
        Clock::Real
    }

    /// The runtime under test.
    fn runtime(&self) -> Arc<dyn ActorRuntime>;

    /// A reference to a manifest whose actors do what `program` says. Guests spell it the same way:
    /// [`ManifestRef::as_str`] has to be enough to find it.
    fn program(&self, program: &Program) -> ManifestRef {
        program.reference().into()
    }

    /// Makes an actor do something in a call of its own.
    ///
    /// # Errors
    /// If the actor cannot be called: it does not run, or there is no such actor. A call that traps is no error.
    async fn act(&self, actor: ActorId, act: Act) -> Result<(), ActorError>;

    /// Makes a supervising actor call a host function in a call of its own, and gives what the guest got.
    ///
    /// # Errors
    /// What the guest was told.
    async fn call(&self, actor: ActorId, call: HostCall) -> Result<HostAnswer, String>;

    /// Why the backend cannot be asked for this, if it cannot. Cases that need it are reported as skipped, with the
    /// reason.
    fn lacks(&self, capability: Capability) -> Option<&'static str> {
        let _ = capability;
        None
    }
}

/// How time passes for a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// As on the wall; on several threads.
    Real,
    /// It jumps to the next timer when nothing else is to do; on one thread.
    Virtual,
}

/// What a backend may lack without being wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// Guests: [`TestBackend::call`].
    HostFunctions,
    /// Starts that fail, trap or are ignored.
    FailingStarts,
    /// Starts that hang or take long.
    SlowStarts,
    /// Starts whose outcome differs from one life to the next.
    ChangingStarts,
    /// Calls that go on, and actors that do not stop when asked.
    Busy,
    /// Actors that end themselves.
    Completion,
    /// A mailbox that keeps its messages over a [`halt`](theater_core::ActorRuntime::halt).
    Mailbox,
    /// Supervision by the actors themselves: [`Program::supervision`].
    Supervision,
}
