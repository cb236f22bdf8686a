//! What an actor does.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use theater_core::{Bytes, Capabilities, ChildSpec, SupervisionSpec};

type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;
type InitFn = dyn Fn(u64, Option<Bytes>) -> Future<Result<Init, String>> + Send + Sync;
type HandleFn = dyn Fn(Option<Bytes>, Bytes) -> Future<Result<Step, String>> + Send + Sync;

/// How an `init` ends that does not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Init {
    /// The actor runs, with this state.
    Run(Option<Bytes>),
    /// The actor has nothing to do and ends: OTP's `ignore`.
    Done,
}

/// How a message leaves an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It goes on, with this state and this answer.
    Next(Option<Bytes>, Bytes),
    /// It ends itself, with a result.
    Complete(Option<Bytes>),
}

/// What an actor does: an `init` and a handler of messages, both async closures. A panic in either ends the life.
#[derive(Clone)]
pub struct Behaviour {
    /// How the parent's supervisor treats it.
    pub child_spec: ChildSpec,
    /// How it treats its own children, if it supervises any.
    pub supervision: Option<SupervisionSpec>,
    /// What it asks for. Here nothing depends on it but what its children may ask for.
    pub capabilities: Capabilities,
    pub(crate) init: Arc<InitFn>,
    pub(crate) handle: Arc<HandleFn>,
}

impl fmt::Debug for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behaviour")
            .field("child_spec", &self.child_spec)
            .field("supervision", &self.supervision)
            .finish_non_exhaustive()
    }
}

impl Behaviour {
    /// An actor that keeps the bytes that it is started with as its state, and handles messages so. The handler gets the
    /// state and the message; what it changes counts when it has answered.
    pub fn new<F, A>(handle: F) -> Self
    where
        F: Fn(Option<Bytes>, Bytes) -> A + Send + Sync + 'static,
        A: std::future::Future<Output = Result<Step, String>> + Send + 'static,
    {
        Self {
            child_spec: ChildSpec::default(),
            supervision: None,
            capabilities: Capabilities::default(),
            init: Arc::new(|_, bytes| Box::pin(async move { Ok(Init::Run(bytes)) })),
            handle: Arc::new(move |state, message| Box::pin(handle(state, message))),
        }
    }

    /// The same with this `init`, which gets the number of the life and the bytes that it is started with.
    #[must_use]
    pub fn init<F, A>(mut self, init: F) -> Self
    where
        F: Fn(u64, Option<Bytes>) -> A + Send + Sync + 'static,
        A: std::future::Future<Output = Result<Init, String>> + Send + 'static,
    {
        self.init = Arc::new(move |life, bytes| Box::pin(init(life, bytes)));
        self
    }

    /// The same under this child spec.
    #[must_use]
    pub fn child_spec(mut self, child_spec: ChildSpec) -> Self {
        self.child_spec = child_spec;
        self
    }

    /// The same with these capabilities.
    #[must_use]
    pub fn capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The same, supervising its children by these rules.
    #[must_use]
    pub fn supervises(mut self, supervision: SupervisionSpec) -> Self {
        self.supervision = Some(supervision);
        self
    }
}
