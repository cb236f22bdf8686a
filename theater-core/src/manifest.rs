//! Manifests: what an actor is made of, as data.
//!
//! Parsing is pure: a text goes in, a [`Manifest`] or an error that names the line comes out. Where the text comes
//! from is a [`ManifestSource`](crate::ManifestSource)'s business. `docs/manifest.md` is the reference.

mod children;
mod error;
mod keeping;
mod nearest;
mod parse;
mod read;
mod supervision;

use std::time::Duration;

use crate::capability::PermissionPolicy;
use crate::name::ActorName;
use crate::source::Reference;

pub use children::{ChildEntry, ChildSource};
pub use error::{AddressProblem, FetchError, ManifestError, ManifestErrorKind, SupervisionRule};
pub use keeping::{ChainLimits, DurabilityMode, SnapshotPolicy};
pub use supervision::{
    AutoShutdown, Backoff, ChildSpec, ChildSpecKeys, ChildType, Escalation, RestartPolicy, Shutdown,
    Strategy, SupervisionSpec, Thousandths,
};

/// How many levels a declared tree may have.
pub const MAX_DEPTH: usize = 64;

/// How many actors a declared tree may have: manifests that name others twice would grow without bound.
pub const MAX_DECLARED: usize = 100_000;

/// An actor's manifest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Manifest {
    /// The actor's name. Not unique.
    pub name: String,
    /// The name that the actor registers, to be addressed by: unique in its runtime.
    pub register: Option<ActorName>,
    /// The version of the actor, for people.
    pub version: Option<String>,
    /// Where the component is, relative to the manifest. `None`: a pure supervisor, an actor that does nothing but
    /// supervise.
    pub component: Option<Reference>,
    /// One line about the actor.
    pub description: Option<String>,
    /// More about the actor.
    pub long_description: Option<String>,
    /// Kept for manifests of the original system. Chains are always kept here, so it changes nothing.
    pub save_chain: Option<bool>,
    /// Where the bytes of the initial state are, relative to the manifest.
    pub init_state: Option<Reference>,
    /// The bytes of the initial state themselves, as later manifests of the original system give them. Not together with
    /// `init_state`.
    pub initial_state: Option<String>,
    /// Where the bytes of the snapshot are that [`RestartFrom::Snapshot`](crate::RestartFrom::Snapshot) starts from,
    /// relative to the manifest.
    pub snapshot: Option<Reference>,
    /// Which host interfaces the actor is given.
    pub handlers: Vec<HandlerSpec>,
    /// What of that its children may not have.
    pub permission_policy: PermissionPolicy,
    /// What the actor may use.
    pub limits: Limits,
    /// How long what the app was told about is kept. Only the root's counts. `None`: as whoever runs it says.
    pub durability: Option<DurabilityMode>,
    /// When its state is written to its chain.
    pub snapshots: SnapshotPolicy,
    /// How long its chain may get.
    pub chain: ChainLimits,
    /// How its parent's supervisor treats it, as far as the manifest says.
    pub child_spec: ChildSpecKeys,
    /// How it supervises its own children.
    pub supervision: SupervisionSpec,
    /// The children that its supervisor starts, in this order. Under
    /// [`SimpleOneForOne`](Strategy::SimpleOneForOne) at most one, the template.
    pub children: Vec<ChildEntry>,
}

impl Manifest {
    /// Parses a manifest. `origin` names the text in errors: a path, for example.
    ///
    /// # Errors
    /// On text that is not TOML, on an unknown key, a wrong type, a missing or an illegal value. The error names the
    /// line.
    ///
    /// # Examples
    /// ```
    /// use theater_core::Manifest;
    ///
    /// let manifest = Manifest::parse("a.toml", "name = \"a\"\ncomponent = \"a.wasm\"")?;
    /// assert_eq!(manifest.name, "a");
    ///
    /// let error = Manifest::parse("a.toml", "name = \"a\"\ncomponent = 7").unwrap_err();
    /// assert_eq!(error.line, Some(2));
    /// # Ok::<(), theater_core::ManifestError>(())
    /// ```
    pub fn parse(origin: &str, text: &str) -> Result<Self, ManifestError> {
        parse::manifest(origin, text)
    }

    /// Whether the actor has a supervisor: it asks for the handler, declares children, or has no component.
    #[must_use]
    pub fn supervises(&self) -> bool {
        self.has_handler(HandlerKind::Supervisor) || !self.children.is_empty() || self.component.is_none()
    }

    /// What kind of child the actor is unless its child spec says otherwise: a supervisor where it
    /// [supervises](Self::supervises).
    #[must_use]
    pub fn child_type(&self) -> ChildType {
        if self.supervises() { ChildType::Supervisor } else { ChildType::Worker }
    }

    /// How the actor is treated when it is started at run time: temporary unless its manifest says otherwise.
    #[must_use]
    pub fn spawned_spec(&self) -> ChildSpec {
        self.child_spec.resolve(RestartPolicy::Temporary, self.child_type())
    }

    /// Whether the actor is given the host interfaces of this kind of handler.
    #[must_use]
    pub fn has_handler(&self, kind: HandlerKind) -> bool {
        self.handlers.iter().any(|handler| handler.kind == kind)
    }
}

/// One host interface that a manifest asks for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HandlerSpec {
    /// Which.
    pub kind: HandlerKind,
    /// Its settings as they stand there.
    pub config: toml::Table,
    /// What it grants: the settings, and the defaults of those that are not there.
    pub grant: crate::capability::Grant,
    /// The line of the manifest, for later errors.
    pub line: u32,
}

/// The kinds of handler that manifests know. A runtime need not provide them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandlerKind {
    /// `theater:simple/runtime`. Every actor has it, whether it asks or not.
    Runtime,
    /// `theater:simple/supervisor` and the callbacks of `supervisor-handlers`.
    Supervisor,
    /// `theater:simple/message-server-host` and `message-server-client`.
    MessageServer,
    /// `theater:simple/store`.
    Store,
    /// `theater:simple/timing`.
    Timing,
    /// `theater:simple/random`.
    Random,
    /// `theater:simple/environment`.
    Environment,
    /// `theater:simple/filesystem`.
    Filesystem,
    /// `theater:simple/http-client`.
    HttpClient,
    /// `theater:simple/http-framework`.
    HttpFramework,
    /// `theater:simple/process`.
    Process,
    /// WASI 0.2: clocks, random numbers, and output that goes to the log.
    Wasi,
}

impl HandlerKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Runtime,
        Self::Supervisor,
        Self::MessageServer,
        Self::Store,
        Self::Timing,
        Self::Random,
        Self::Environment,
        Self::Filesystem,
        Self::HttpClient,
        Self::HttpFramework,
        Self::Process,
        Self::Wasi,
    ];

    /// The name in a manifest's `type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Runtime => "runtime",
            Self::Supervisor => "supervisor",
            Self::MessageServer => "message-server",
            Self::Store => "store",
            Self::Timing => "timing",
            Self::Random => "random",
            Self::Environment => "environment",
            Self::Filesystem => "filesystem",
            Self::HttpClient => "http-client",
            Self::HttpFramework => "http-framework",
            Self::Process => "process",
            Self::Wasi => "wasi",
        }
    }

    /// The name in `[permission_policy]`: the original system had others there.
    pub(crate) fn policy_name(self) -> &'static str {
        match self {
            Self::MessageServer => "message_server",
            Self::Filesystem => "file_system",
            Self::HttpClient => "http_client",
            Self::HttpFramework => "http_framework",
            other => other.name(),
        }
    }
}

/// What an actor may use: the table `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Processor time of one call into the guest. Default 5 s. Exceeded: [`TimedOut`](crate::ExitReason::TimedOut).
    pub call_deadline: Duration,
    /// How long one host call may take that waits for another actor. Default 30 s. Exceeded: the call gets an error.
    pub host_deadline: Duration,
    /// Linear memory in bytes. Default 32 MiB. Exceeded: [`OutOfMemory`](crate::ExitReason::OutOfMemory).
    pub memory: u64,
    /// Messages that may wait. Default 1,000. Exceeded: see [`mailbox_overflow`](Self::mailbox_overflow).
    pub mailbox: u32,
    /// What happens when a message comes and the mailbox is full. Default: the sender is refused.
    pub mailbox_overflow: MailboxOverflow,
    /// Bytes of one message, request or reply. Default 1 MiB. Exceeded: the sender is refused; a reply that is too
    /// large ends the actor with [`MessageTooLarge`](crate::ExitReason::MessageTooLarge).
    pub message: u64,
    /// Bytes of state. Default 8 MiB. Exceeded: [`StateTooLarge`](crate::ExitReason::StateTooLarge).
    pub state: u64,
    /// Bytes of one event's payload. Default 2 MiB. Exceeded: [`EventTooLarge`](crate::ExitReason::EventTooLarge).
    pub event: u64,
    /// Channels that may be open at a time. Default 1,000. Exceeded: opening one is refused, whichever end has reached it.
    pub channels: u32,
    /// Children that may live at a time. Default 100,000. Exceeded: spawn is refused.
    pub children: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_deadline: Duration::from_secs(5),
            host_deadline: Duration::from_secs(30),
            memory: 32 << 20,
            mailbox: 1_000,
            mailbox_overflow: MailboxOverflow::Refuse,
            message: 1 << 20,
            state: 8 << 20,
            event: 2 << 20,
            channels: 1_000,
            children: 100_000,
        }
    }
}

/// What happens when a message comes and the mailbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailboxOverflow {
    /// The sender is told; the receiver notices nothing.
    Refuse,
    /// The sender is told, and the receiver ends with [`MailboxOverflow`](crate::ExitReason::MailboxOverflow).
    Exit,
}
