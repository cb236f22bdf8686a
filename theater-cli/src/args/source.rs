//! The arguments that say where an app may take its files from.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// Where manifests, components and states may come from.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct SourceArgs {
    /// The folder that manifests and components may come from, APP.toml included [default: its folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,

    /// The folder that `store:` references are read from: files named by their BLAKE3 digests, labels in labels.toml
    #[arg(long, value_name = "DIR")]
    pub(crate) content: Option<PathBuf>,

    /// A TOML file that says which local file stands for a reference with a scheme, and that nothing else does
    #[arg(long, value_name = "FILE", conflicts_with = "allow_host")]
    pub(crate) map: Option<PathBuf>,

    /// A host that `https:` references may be fetched from; give it once for each
    #[arg(long, value_name = "HOST[:PORT]", value_parser = host)]
    pub(crate) allow_host: Vec<Host>,
}

#[cfg(feature = "https")]
pub(crate) type Host = theater_wasm::AllowedHost;

#[cfg(feature = "https")]
fn host(text: &str) -> Result<Host, theater_wasm::InvalidHost> {
    text.parse()
}

/// Without the feature there is none.
#[cfg(not(feature = "https"))]
pub(crate) type Host = std::convert::Infallible;

#[cfg(not(feature = "https"))]
fn host(_: &str) -> Result<Host, &'static str> {
    Err(crate::sources::NO_HTTPS)
}
