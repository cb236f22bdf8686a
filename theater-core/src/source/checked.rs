//! The one way to what a reference names: every runtime goes through these functions, so that no source has to know about
//! digests and inline text, and none can forget them.

use bytes::Bytes;

use super::{LoadedManifest, ManifestRef, ManifestSource, Reference};
use crate::error::printable;
use crate::event::ContentDigest;
use crate::manifest::{ManifestError, ManifestErrorKind};

/// What a manifest without a place of its own is called. What it refers to starts at the source's root.
pub const INLINE: &str = "(inline manifest)";

/// What a reference named, with its digest.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Content {
    /// The bytes.
    pub bytes: Bytes,
    /// Their digest: the reference's, where it has one.
    pub digest: ContentDigest,
}

/// Finds one manifest, without its children: see [`load`](super::load).
///
/// A reference that carries its manifest is not looked up, nor is one with a line break: that is the manifest itself. The
/// content of one with a digest is compared with that.
///
/// # Errors
/// Those of the source; [`InvalidDigest`](ManifestErrorKind::InvalidDigest) and
/// [`DigestMismatch`](ManifestErrorKind::DigestMismatch) besides.
pub async fn find(
    source: &dyn ManifestSource,
    reference: &ManifestRef,
) -> Result<LoadedManifest, ManifestError> {
    if let Some(loaded) = reference.loaded() {
        return Ok(loaded.clone());
    }
    let text = reference.as_str();
    if text.contains('\n') {
        return LoadedManifest::parse(INLINE, text);
    }
    let reference = Reference::parse(text)
        .map_err(|error| ManifestError::new(printable(text), ManifestErrorKind::InvalidDigest(error)))?;
    let loaded = source.manifest(&ManifestRef::to(&reference)).await?;
    check_text(&reference, &loaded)?;
    Ok(loaded)
}

/// Reads what a manifest refers to, and compares its digest where the reference has one.
///
/// # Errors
/// Those of the source; [`DigestMismatch`](ManifestErrorKind::DigestMismatch) besides.
///
/// # Examples
/// ```
/// use theater_core::source::{ContentDigest, read};
/// use theater_core::{LoadedManifest, ManifestErrorKind, MapSource};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let source = MapSource::new().with("a.wasm", &b"other bytes"[..]);
/// let pinned = format!("a.wasm#blake3={}", ContentDigest::of(b"the right bytes"));
/// let text = format!("name = \"a\"\ncomponent = \"{pinned}\"");
/// let loaded = LoadedManifest::parse("a.toml", text)?;
/// let component = loaded.manifest.component.as_ref().expect("it has one");
/// let error = read(&source, &loaded, component).await.unwrap_err();
/// assert!(matches!(error.kind, ManifestErrorKind::DigestMismatch { .. }));
/// # Ok::<(), theater_core::ManifestError>(())
/// # }).unwrap().unwrap();
/// ```
pub async fn read(
    source: &dyn ManifestSource,
    manifest: &LoadedManifest,
    reference: &Reference,
) -> Result<Content, ManifestError> {
    read_with(source, manifest, reference, |bytes| ContentDigest::of(bytes)).await
}

/// The same for callers that have another way to the digest: a memory of those that they have seen.
///
/// # Errors
/// See [`read`].
pub async fn read_with(
    source: &dyn ManifestSource,
    manifest: &LoadedManifest,
    reference: &Reference,
    digest: impl FnOnce(&Bytes) -> ContentDigest + Send,
) -> Result<Content, ManifestError> {
    let location = reference.location();
    let bytes = match reference.digest() {
        Some(digest) => source.read_pinned(manifest, location, &digest).await?,
        None => source.read(manifest, location).await?,
    };
    let digest = digest(&bytes);
    check(reference, digest)?;
    Ok(Content { bytes, digest })
}

/// Compares a manifest's text with what its reference says.
pub(super) fn check_text(reference: &Reference, loaded: &LoadedManifest) -> Result<(), ManifestError> {
    match reference.digest() {
        // Of the text that is there now, not the one that was parsed: a source may have changed it.
        Some(_) => check(reference, ContentDigest::of(loaded.text.as_bytes())),
        None => Ok(()),
    }
}

fn check(reference: &Reference, found: ContentDigest) -> Result<(), ManifestError> {
    match reference.digest() {
        Some(expected) if expected != found => {
            let kind = ManifestErrorKind::DigestMismatch { expected, found };
            Err(ManifestError::new(printable(reference.location()), kind))
        }
        _ => Ok(()),
    }
}
