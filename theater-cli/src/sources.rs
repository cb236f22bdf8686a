//! Where an app takes its files from, put together from the command line.

use std::path::Path;

use anyhow::{Context, bail};
use theater_core::source::{SchemeSource, StoreSource};
use theater_wasm::{FileSource, FolderContent, MapFile};

use crate::args::SourceArgs;

/// What to do about a build that cannot fetch anything.
#[cfg(not(feature = "https"))]
pub(crate) const NO_HTTPS: &str =
    "this build has no https; build one with `cargo build --package theater-cli --features https`";

/// What to do about a `store:` that nobody gave.
const NO_STORE: &str = "give the folder of its content with --content DIR";

/// The source of an app in this root.
pub(crate) fn source(root: &Path, args: &SourceArgs) -> anyhow::Result<SchemeSource> {
    let files = FileSource::new(root)
        .with_context(|| format!("could not use {} as the root of manifests", root.display()))?;
    let mut source = SchemeSource::new(files).without("store", NO_STORE);
    source = match &args.map {
        Some(map) => mapped(source, map, args.content.is_some())?,
        None => https(source, args)?,
    };
    let Some(folder) = &args.content else { return Ok(source) };
    let content = FolderContent::new(folder)
        .with_context(|| format!("could not use {} as the folder of content", folder.display()))?;
    Ok(source.with("store", StoreSource::new(content)))
}

/// With a map nothing is fetched: what it does not have is refused.
fn mapped(mut source: SchemeSource, path: &Path, has_content: bool) -> anyhow::Result<SchemeSource> {
    let map = MapFile::open(path).context("the map cannot be used")?;
    let schemes = map.schemes();
    let stored = schemes.iter().any(|scheme| scheme == "store");
    if stored && has_content {
        bail!(
            "{} maps `store:` references, and --content gives a folder for them; leave one of them out",
            path.display()
        );
    }
    for scheme in &schemes {
        source = source.with(scheme, map.clone());
    }
    source = source.with("https", map.clone());
    Ok(if has_content { source } else { source.with("store", map) })
}

#[cfg(feature = "https")]
fn https(source: SchemeSource, args: &SourceArgs) -> anyhow::Result<SchemeSource> {
    let config = theater_wasm::HttpsConfig::default();
    let https = theater_wasm::HttpsSource::new(args.allow_host.iter().cloned(), config)?;
    Ok(source.with("https", https))
}

#[cfg(not(feature = "https"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it may fail")]
fn https(source: SchemeSource, args: &SourceArgs) -> anyhow::Result<SchemeSource> {
    let _ = &args.allow_host;
    Ok(source.without("https", NO_HTTPS))
}
