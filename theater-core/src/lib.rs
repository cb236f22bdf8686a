//! Types and traits of the Theater actor runtime: no engine, no I/O, no clock.
//!
//! Start with [`ActorRuntime`]: the contract between whatever executes actors and everything above it.
//!
//! | module | what it has |
//! |---|---|
//! | [`actor`] | [`ActorId`], [`Incarnation`], [`ActorInfo`] |
//! | [`runtime`] | [`ActorRuntime`] and its requests |
//! | [`exit`], [`exits`] | why lives end, and the notices about it |
//! | [`error`] | [`ActorError`] |
//! | [`event`] | [`ChainEvent`], kinds and payloads |
//! | [`manifest`], [`source`] | manifests and where they come from |
//! | [`capability`] | what manifests grant, and that a child has at most what its parent has |
//! | [`content`] | names of stored contents |
//! | [`host`] | [`Caller`], [`HostLinker`]: linking host functions to guests |
//! | [`handle`], [`shutdown`] | [`ActorHandle`], [`ShutdownReceiver`] |
//! | [`name`] | names that actors register, to be addressed by |
//! | [`command`] | the command channel in front of any runtime |

#![forbid(unsafe_code)]

pub mod actor;
pub mod capability;
pub mod command;
pub mod content;
pub mod error;
pub mod event;
pub mod exit;
pub mod exits;
pub mod handle;
pub mod host;
pub mod manifest;
pub mod name;
pub mod runtime;
pub mod shutdown;
pub mod source;

/// Implementors of [`ActorRuntime`] annotate their `impl` with this.
pub use async_trait::async_trait;
pub use bytes::Bytes;

pub use actor::{ActorId, ActorInfo, ActorStatus, Incarnation};
pub use capability::{Bound, Capabilities};
pub use command::{TheaterCommand, command_channel};
pub use error::{ActorError, ComponentErrorKind, LimitError};
pub use event::{
    ChainEvent, ChainId, EventDraft, EventHash, EventHeader, EventKind, EventRange, PayloadHash,
};
pub use exit::ExitReason;
pub use exits::{ChildExit, ExitQueue, ExitStream};
pub use handle::ActorHandle;
pub use host::{ActorExports, Caller, HostLinker, LinkError};
pub use manifest::{
    AutoShutdown, Backoff, ChainLimits, ChildEntry, ChildSource, ChildSpec, ChildSpecKeys, ChildType,
    DurabilityMode, Escalation, HandlerKind, HandlerSpec, Limits, MailboxOverflow, Manifest, ManifestError,
    ManifestErrorKind, RestartPolicy, Shutdown, SnapshotPolicy, Strategy, SupervisionRule, SupervisionSpec,
    Thousandths,
};
pub use name::{ActorName, InvalidActorName};
pub use runtime::{ActorRuntime, Authority, ChildNotice, RestartFrom, SpawnRequest, StartFrom, StopMode};
pub use shutdown::{ShutdownController, ShutdownReceiver};
pub use source::{LoadedChild, LoadedManifest, ManifestRef, ManifestSource, MapSource, load};
