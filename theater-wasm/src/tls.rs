//! Who may vouch for servers, for everything here that speaks TLS.

/// Who may vouch for servers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum TlsRoots {
    /// The certificate authorities that Mozilla trusts, as of this build.
    #[default]
    Mozilla,
    /// These and no others: certificates in PEM, one after the other.
    Pem(String),
}

/// Certificates that are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no certificates in PEM")]
#[non_exhaustive]
pub struct InvalidRoots;
