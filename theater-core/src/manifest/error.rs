//! What can be wrong with a manifest.

mod fetch;

use std::fmt;
use std::sync::Arc;

use crate::event::ContentDigest;
use crate::name::ActorName;
use crate::source::InvalidReference;
pub use fetch::{AddressProblem, FetchError};

/// A manifest, or something that it refers to, that cannot be used: what is wrong, and where.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub struct ManifestError {
    /// The manifest or file, as it was named.
    pub origin: String,
    /// The line, counted from 1, where one can be named.
    pub line: Option<u32>,
    /// What is wrong.
    #[source]
    pub kind: ManifestErrorKind,
}

impl ManifestError {
    /// An error without a line.
    pub fn new(origin: impl Into<String>, kind: ManifestErrorKind) -> Self {
        Self { origin: origin.into(), line: None, kind }
    }

    /// The same, in a line.
    #[must_use]
    pub fn at_line(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.origin, self.kind),
            None => write!(f, "{}: {}", self.origin, self.kind),
        }
    }
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestErrorKind {
    /// There is no such manifest or file.
    #[error("not found")]
    NotFound,
    /// The reference leaves the folder that manifests may come from.
    ///
    /// Guests are told this as well, so it says nothing about the host's folders.
    #[error("outside of the manifest root; move it inside, or run with a root that holds it")]
    OutsideRoot,
    /// Its reference ends in something that was meant as a digest and is none.
    #[error(transparent)]
    InvalidDigest(#[from] InvalidReference),
    /// Its content is not the one that the reference is about.
    #[error(
        "has another content than its reference says: expected blake3 {expected}, found {found}; if the content that is \
         there now is meant, write #blake3={found}"
    )]
    DigestMismatch {
        /// The digest in the reference.
        expected: ContentDigest,
        /// The digest of what is there.
        found: ContentDigest,
    },
    /// What a reference with a scheme names could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It could not be read.
    #[error("could not be read: {0}")]
    Io(Arc<std::io::Error>),
    /// It is larger than a manifest or component may be.
    #[error("too large: {size} bytes, at most {limit}")]
    TooLarge {
        /// Size in bytes.
        size: u64,
        /// Limit in bytes.
        limit: u64,
    },
    /// It is not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// It is not TOML.
    #[error("not valid TOML: {message}")]
    Syntax {
        /// What the parser said.
        message: String,
    },
    /// A key that nothing reads.
    #[error("unknown key `{key}` in {table}{}; known are: {known}", meant(near))]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands, such as `[limits]`.
        table: String,
        /// The keys that are known there.
        known: String,
        /// A known one that looks like it.
        near: Option<&'static str>,
    },
    /// A key that has to be there.
    #[error("missing key `{key}` in {table}")]
    MissingKey {
        /// The key.
        key: String,
        /// Where it belongs.
        table: String,
    },
    /// A value of another type.
    #[error("`{key}` must be {expected}, found {found}")]
    WrongType {
        /// The key.
        key: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A value of the right type that is not allowed.
    #[error("`{key}` = {value}: {message}")]
    InvalidValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is allowed.
        message: String,
    },
    /// Two keys that mean the same and exclude each other.
    #[error("`{key}` and `{other}` both given; keep one of them")]
    Conflict {
        /// One.
        key: String,
        /// The other.
        other: String,
    },
    /// What a manifest says about supervision does not go together.
    #[error(transparent)]
    Rule(#[from] SupervisionRule),
    /// A declared child asks for more than its parent has.
    #[error(transparent)]
    NotGranted(Box<crate::capability::Refused>),
    /// A declared child's manifest cannot be used.
    #[error("child `{id}`: {error}")]
    Child {
        /// The child's id.
        id: String,
        /// What is wrong, and where.
        #[source]
        error: Box<ManifestError>,
    },
    /// A handler that this runtime does not provide.
    #[error("handler `{handler}` is not provided by this runtime; it provides {provided}")]
    HandlerNotProvided {
        /// The handler.
        handler: &'static str,
        /// Those that it provides.
        provided: String,
    },
    /// A handler that this build of the runtime lacks.
    #[error("handler `{handler}` is not in this build; {remedy}")]
    HandlerNotBuilt {
        /// The handler.
        handler: &'static str,
        /// How to get a build that has it.
        remedy: String,
    },
}

fn meant(near: &Option<&'static str>) -> String {
    near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default()
}

/// A rule about supervision that a manifest breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisionRule {
    /// OTP: `bad_combination`.
    #[error(
        "a significant child must not be permanent, because it is always started again; set `restart` to \
         \"transient\" or \"temporary\""
    )]
    SignificantPermanent,
    /// OTP: `bad_combination`.
    #[error(
        "a significant child has no effect while [supervision] `auto_shutdown` is \"never\"; set it to \
         \"any-significant\" or \"all-significant\""
    )]
    SignificantNever,
    /// OTP: `duplicate_child_name`.
    #[error("child `{id}` stands in line {first} already; ids must differ among siblings")]
    DuplicateChild {
        /// The id.
        id: String,
        /// The line of the first.
        first: u32,
    },
    /// A name is one actor's.
    #[error("the name `{name}` is registered by another actor of this tree; `register` must differ")]
    DuplicateName {
        /// The name.
        name: ActorName,
    },
    /// A child is a reference to a manifest or a manifest itself.
    #[error(
        "child `{id}` needs `manifest`, the path of its own manifest, or an inline one: `component`, or `children` \
         for a pure supervisor"
    )]
    NothingToStart {
        /// The id.
        id: String,
    },
    /// A child is one of both.
    #[error(
        "child `{id}` has both `manifest` and `{key}`; keep one: a manifest of its own, or one that stands here"
    )]
    TwoManifests {
        /// The id.
        id: String,
        /// The key of an inline manifest.
        key: &'static str,
    },
    /// OTP: `bad_start_spec`.
    #[error(
        "a simple-one-for-one supervisor starts its children at run time: it may declare one, the template, but \
         declares {found}"
    )]
    Templates {
        /// How many there are.
        found: usize,
    },
    /// There is nothing to restart from.
    #[error(
        "`restart_from` = \"snapshot\" needs `snapshot`, the path of the state to start from, in the manifest of the child"
    )]
    NoSnapshot,
    /// What a pure supervisor has no use for.
    #[error("`{key}` has no use without `component`: a manifest without one is a pure supervisor")]
    PureSupervisor {
        /// The key.
        key: &'static str,
    },
    /// `max` below `min`.
    #[error("`max` of a backoff must not be below its `min`")]
    BackoffRange,
    /// A manifest that declares itself.
    #[error("cyclic manifests: {path}")]
    Cycle {
        /// From one to itself.
        path: String,
    },
    /// A tree that is too large.
    #[error("the declared tree has more than {limit} actors")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A tree that is too deep.
    #[error("the declared tree is deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}
