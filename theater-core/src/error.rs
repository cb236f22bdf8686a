//! What can go wrong when actors are run.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::actor::ActorId;
use crate::capability::Refused;
use crate::exit::ExitReason;
use crate::manifest::ManifestError;
use crate::name::ActorName;

/// Why an operation on an actor was refused or failed.
///
/// A refusal has no effect but its record. The same answer is given for an actor that does not exist and for one that
/// is not the caller's child, so that nobody can find out which actors exist by asking.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ActorError {
    /// The target is not a child of the caller: a stranger, the caller itself, unknown, or not an id at all.
    #[error("not a child of this actor: `{id}` (list-children names its children)")]
    NotAChild {
        /// What the caller gave, cut to a printable length.
        id: String,
    },
    /// No actor has this id. Only the embedding program is told so.
    #[error("unknown actor {id}")]
    UnknownActor {
        /// The id.
        id: ActorId,
    },
    /// A guest addressed an actor that does not exist.
    #[error("no actor `{id}`")]
    NotFound {
        /// What the caller gave, cut to a printable length.
        id: String,
    },
    /// The name that an actor is to register is taken. Whose it is, only the embedding program can find out.
    #[error(
        "the name `{name}` is registered by another actor; it is free again when that has ended for good"
    )]
    NameTaken {
        /// The name.
        name: ActorName,
    },
    /// A guest named a channel that does not exist or that it is not an end of.
    #[error("no channel `{id}` of this actor")]
    NoSuchChannel {
        /// What the caller gave, cut to a printable length.
        id: String,
    },
    /// The manifest could not be found, read or understood.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The actor asks for more than its parent has. Nothing was started.
    #[error(transparent)]
    NotGranted(#[from] Box<Refused>),
    /// The component cannot run here.
    #[error("component {component}: {kind}")]
    Component {
        /// The manifest's reference to the component.
        component: String,
        /// What is wrong with it.
        kind: ComponentErrorKind,
    },
    /// The actor ended before it was running. Nothing is left running.
    #[error("the actor did not start: {reason}")]
    StartFailed {
        /// Why.
        reason: ExitReason,
    },
    /// The actor's life has ended.
    #[error("actor {id} is not running: {reason}")]
    Ended {
        /// The actor.
        id: ActorId,
        /// How it ended.
        reason: ExitReason,
    },
    /// The actor has not ended, so its record cannot be reaped.
    #[error("actor {id} is still running; stop it first")]
    StillRunning {
        /// The actor.
        id: ActorId,
    },
    /// The runtime or the parent is shutting down and starts nothing any more.
    #[error("shutting down")]
    ShuttingDown,
    /// The operation did not end in time and was given up.
    #[error("{operation} did not end within {limit:?}")]
    DeadlineExceeded {
        /// What was given up.
        operation: &'static str,
        /// The time it was given.
        limit: Duration,
    },
    /// The target waits for the caller, directly or through others, so waiting for it would never end.
    #[error("{operation} would deadlock: actor {id} is waiting for this actor")]
    WouldDeadlock {
        /// What was refused.
        operation: &'static str,
        /// The target.
        id: ActorId,
    },
    /// A limit was reached.
    #[error("{0}")]
    Limit(#[from] LimitError),
    /// The message handler of the target answered with an error. The target lives on.
    #[error("actor {id} answered with an error: {error}")]
    Guest {
        /// The target.
        id: ActorId,
        /// What it said.
        error: String,
    },
    /// The actor does not export what the operation needs.
    #[error("actor {id} does not export {export}")]
    NoSuchExport {
        /// The target.
        id: ActorId,
        /// The missing export.
        export: &'static str,
    },
    /// No request with this id waits for an answer of this actor.
    #[error("no outstanding request `{id}` (list-outstanding-requests names them)")]
    NoSuchRequest {
        /// What the caller gave, cut to a printable length.
        id: String,
    },
    /// The request was cancelled, or its handler ended without an answer.
    #[error("actor {id} gave no answer")]
    NoReply {
        /// The actor that was asked.
        id: ActorId,
    },
    /// A supervisor gave up: a child's restarts exceeded the intensity.
    #[error(
        "gave up on child {child}: more than {intensity} restarts within {period:?}, last exit: {reason}"
    )]
    Escalated {
        /// The child.
        child: ActorId,
        /// How many restarts were allowed.
        intensity: u32,
        /// Within which time.
        period: Duration,
        /// The child's last exit reason.
        reason: ExitReason,
    },
    /// A supervisor gave up: a child crashed again and again without a call that succeeded, from its restored state and
    /// then from its initial one.
    #[error(
        "gave up on child {child}: {crashes} crashes in a row from its initial state, last exit: {reason}"
    )]
    Poisoned {
        /// The child.
        child: ActorId,
        /// How many crashes in a row.
        crashes: u32,
        /// The child's last exit reason.
        reason: ExitReason,
    },
    /// A supervisor ended because a significant child had, as its `auto_shutdown` says.
    #[error("shut down because significant child {child} ended")]
    AutoShutdown {
        /// The child.
        child: ActorId,
    },
    /// A declared child did not start, so its supervisor did not either.
    #[error("child `{child}` did not start: {}", cause(error))]
    ChildNotStarted {
        /// The child's id in the manifest.
        child: String,
        /// Why.
        error: Box<ActorError>,
    },
    /// The event log did not take the event, so the operation did not happen.
    #[error("event chain of {id}")]
    Chain {
        /// Whose chain.
        id: ActorId,
        /// What the store said.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The runtime panicked, against its contract: a bug of the runtime, contained. What became of the operation is not
    /// known.
    #[error("the runtime panicked in {operation}")]
    Panicked {
        /// What was asked.
        operation: &'static str,
    },
    /// This runtime does not do that.
    #[error("this runtime does not support {operation}")]
    Unsupported {
        /// What was asked.
        operation: &'static str,
    },
    /// The other end of the command channel is gone.
    #[error("the runtime behind the command channel has ended")]
    RuntimeGone,
}

/// Why a child did not start, without saying twice that it did not.
fn cause(error: &ActorError) -> String {
    match error {
        ActorError::StartFailed { reason } => reason.to_string(),
        other => other.to_string(),
    }
}

impl ActorError {
    /// A refusal that echoes what the caller gave, cut and escaped so that it can be shown and stored.
    #[must_use]
    pub fn not_a_child(given: &str) -> Self {
        Self::NotAChild { id: printable(given) }
    }
}

/// One text with an error and all its causes, as a guest is told it.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Transparent wrappers say the same as their cause.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Cuts a text that a guest gave to 64 characters and escapes what does not print.
#[must_use]
pub fn printable(given: &str) -> String {
    printed(given).into_owned()
}

/// The same without a copy of what can stay as it is.
#[must_use]
pub fn printed(given: &str) -> Cow<'_, str> {
    // Ids and names, which stand in many records.
    if given.len() <= 64 && given.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\') {
        return Cow::Borrowed(given);
    }
    let mut text = String::with_capacity(given.len().min(64));
    for character in given.chars().take(64) {
        match character {
            '"' | '\'' => text.push(character),
            other => text.extend(other.escape_debug()),
        }
    }
    if given.chars().nth(64).is_some() {
        text.push('…');
    }
    Cow::Owned(text)
}

/// What is wrong with a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentErrorKind {
    /// The bytes are not a WebAssembly component.
    #[error("not a WebAssembly component: {message}")]
    NotAComponent {
        /// What the parser said.
        message: String,
    },
    /// An export that an actor must have is missing or has another type.
    #[error(
        "export {export} is missing or has another type; build it against the WIT package theater:simple"
    )]
    MissingExport {
        /// The export.
        export: String,
    },
    /// An import that nothing provides.
    #[error("import {import} is not provided; {hint}")]
    UnknownImport {
        /// The import.
        import: String,
        /// What to do about it.
        hint: String,
    },
    /// The bytes do not have the digest that was asked for, or other checks of the content failed.
    #[error("{message}")]
    Rejected {
        /// Why.
        message: String,
    },
}

/// A limit that was reached. Limits are set in `[limits]` of the manifest unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// A message, request or reply is too large.
    #[error("message too large: {size} bytes, limits.message of the receiver or sender is {limit}")]
    Message {
        /// Size in bytes.
        size: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// A state is too large.
    #[error("state too large: {size} bytes, limits.state is {limit}")]
    State {
        /// Size in bytes.
        size: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// An event is too large.
    #[error("event too large: {size} bytes, limits.event is {limit}")]
    Event {
        /// Size in bytes.
        size: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// The receiver's chain has as many events as it may: it takes no more messages.
    #[error(
        "event chain full: {length} events, chain.max_events of the receiver is {limit}; raise it to go on"
    )]
    ChainEvents {
        /// Events.
        length: u64,
        /// Limit in events.
        limit: u64,
    },
    /// The receiver's chain has as many bytes of payloads as it may: it takes no more messages.
    #[error(
        "event chain full: {size} bytes, chain.max_bytes of the receiver is {limit}; prune the chain or raise it"
    )]
    ChainBytes {
        /// Size in bytes.
        size: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// The mailbox is full; send again later.
    #[error("mailbox full: {limit} messages wait already (limits.mailbox); send again later")]
    Mailbox {
        /// Limit in messages.
        limit: u64,
    },
    /// One of the two ends has as many channels as it may.
    #[error("too many channels: limits.channels of one of the two ends is {limit}")]
    Channels {
        /// Limit in open channels.
        limit: u64,
    },
    /// The runtime runs as many actors as it can.
    #[error("too many actors: this runtime runs at most {limit}")]
    Actors {
        /// Limit in live actors.
        limit: u64,
    },
    /// The runtime runs as many actors with large components as it may.
    #[error("too many actors with large components: this runtime runs at most {limit} of them")]
    LargeActors {
        /// Limit in live actors.
        limit: u64,
    },
    /// The parent has as many children as it may.
    #[error("too many children: limits.children is {limit}")]
    Children {
        /// Limit in live children.
        limit: u64,
    },
    /// The parent's supervisor keeps as many children as it may, those that wait for a restart included.
    #[error("too many children: supervision.max_children is {limit}")]
    MaxChildren {
        /// Limit in children.
        limit: u64,
    },
    /// The tree would become too deep.
    #[error("supervision tree too deep: at most {limit} levels")]
    Depth {
        /// Limit in levels.
        limit: u64,
    },
}
