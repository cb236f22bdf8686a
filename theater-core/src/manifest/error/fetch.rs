//! Why something that is not in the folder could not be had.

use std::time::Duration;

/// Why what a reference with a scheme names could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nothing here knows the scheme.
    #[error(
        "unknown scheme `{scheme}:`; known are: {known}. A file whose name has a colon is written ./{scheme}:..."
    )]
    UnknownScheme {
        /// The scheme.
        scheme: String,
        /// Those that are known, with their colons.
        known: String,
    },
    /// The scheme is known and not to be had here.
    #[error("`{scheme}:` cannot be used here: {hint}")]
    Unavailable {
        /// The scheme.
        scheme: String,
        /// What to do.
        hint: &'static str,
    },
    /// What came over a scheme named something by a path, and has no folder that this could start from.
    #[error(
        "what a manifest from `{scheme}:` refers to needs a whole reference, with a scheme: it is in no folder"
    )]
    NoFolder {
        /// The scheme that the manifest came over.
        scheme: String,
    },
    /// An address that is none.
    #[error("not an https address: {problem}")]
    Address {
        /// What is wrong with it.
        problem: AddressProblem,
    },
    /// What follows `store:` is neither a digest nor a label.
    #[error("`store:` is followed by 64 lowercase hexadecimal digits, or by a label of 1 to 200 characters")]
    StoreName,
    /// The store knows no such label.
    #[error("the content store has no label `{label}`")]
    NoSuchLabel {
        /// The label, cut to a printable length.
        label: String,
    },
    /// The host may not be asked.
    #[error("host `{host}` is not allowed; allowed are: {allowed}. To allow it: --allow-host {host}")]
    HostNotAllowed {
        /// The host, with its port unless that is 443.
        host: String,
        /// Those that are allowed.
        allowed: String,
    },
    /// The server named another place. Where that is allowed, the reference can name it itself.
    #[error(
        "the server redirects (status {status}), and redirects are not followed; refer to the place itself"
    )]
    Redirect {
        /// The status.
        status: u16,
    },
    /// The server did not give it.
    #[error("the server answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// It took too long.
    #[error("took longer than {}s", limit.as_secs_f64())]
    TooSlow {
        /// How long it might have taken.
        limit: Duration,
    },
    /// The server could not be reached, or is not the one that it should be.
    #[error("could not be fetched: {message}")]
    Transport {
        /// What the client said.
        message: String,
    },
    /// A map says where everything is, and it does not say it of this.
    #[error("not in the map; to add it: {line}")]
    NotMapped {
        /// The line to add.
        line: String,
    },
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressProblem {
    /// It does not begin as one.
    #[error("it does not begin with https://")]
    Scheme,
    /// There is a user or password in it, which would end up in records.
    #[error("it must not have a user or a password")]
    User,
    /// No host, or one with characters that hosts do not have.
    #[error("its host is missing or ill-formed")]
    Host,
    /// The port is no port.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// Characters that do not belong there.
    #[error("it has a character that has to be percent-encoded, or a fragment")]
    Character,
    /// Too long.
    #[error("it is longer than 2000 bytes")]
    Length,
}
