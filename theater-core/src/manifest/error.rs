//! What can be wrong with a manifest.

use std::fmt;
use std::sync::Arc;

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
    #[error("outside of the manifest root {root}; move it inside, or run with a root that holds it")]
    OutsideRoot {
        /// The root.
        root: String,
    },
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
    #[error("unknown key `{key}` in {table}; known are: {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands, such as `[limits]`.
        table: String,
        /// The keys that are known there.
        known: String,
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
    /// A handler that this runtime does not provide.
    #[error("handler `{handler}` is not provided by this runtime; it provides {provided}")]
    HandlerNotProvided {
        /// The handler.
        handler: &'static str,
        /// Those that it provides.
        provided: String,
    },
}
