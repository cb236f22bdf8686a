//! Content by its digest.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{LoadedManifest, ManifestRef, ManifestSource, whole};
use crate::error::printable;
use crate::event::ContentDigest;
use crate::manifest::{FetchError, ManifestError, ManifestErrorKind};

/// Keeps content under its digest, and digests under labels.
///
/// What it gives is compared with the digest by whoever asks, so that a store that was tampered with is found out.
///
/// Implementations: [`MemoryContent`]; a folder (`theater-wasm`).
#[async_trait]
pub trait ContentSource: fmt::Debug + Send + Sync + 'static {
    /// The content with this digest; `None` if it is not kept here.
    ///
    /// # Errors
    /// If it could not be read.
    async fn get(&self, digest: &ContentDigest) -> Result<Option<Bytes>, ManifestErrorKind>;

    /// The digest that a label stands for now; `None` if there is no such label.
    ///
    /// # Errors
    /// If that could not be read.
    async fn label(&self, label: &str) -> Result<Option<ContentDigest>, ManifestErrorKind>;
}

/// Content in memory. Cheap to clone: all clones have the same content.
#[derive(Debug, Clone, Default)]
pub struct MemoryContent {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    contents: HashMap<ContentDigest, Bytes>,
    labels: HashMap<String, ContentDigest>,
}

impl MemoryContent {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps content, and says its digest.
    pub fn put(&self, content: impl Into<Bytes>) -> ContentDigest {
        let content = content.into();
        let digest = ContentDigest::of(&content);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).contents.insert(digest, content);
        digest
    }

    /// Lets a label stand for a digest, whatever it stood for before.
    pub fn set_label(&self, label: impl Into<String>, digest: ContentDigest) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).labels.insert(label.into(), digest);
    }
}

#[async_trait]
impl ContentSource for MemoryContent {
    async fn get(&self, digest: &ContentDigest) -> Result<Option<Bytes>, ManifestErrorKind> {
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).contents.get(digest).cloned())
    }

    async fn label(&self, label: &str) -> Result<Option<ContentDigest>, ManifestErrorKind> {
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).labels.get(label).copied())
    }
}

/// The scheme `store:` over a [`ContentSource`]: `store:` and a digest of 64 lowercase hexadecimal digits, or a label.
///
/// What is in a store is in no folder: manifests from here name what they need by whole references. A label may stand for
/// something else tomorrow, so the origin of a manifest has its digest.
#[derive(Debug, Clone)]
pub struct StoreSource {
    content: Arc<dyn ContentSource>,
}

impl StoreSource {
    /// The scheme over this store.
    pub fn new(content: impl ContentSource) -> Self {
        Self { content: Arc::new(content) }
    }

    async fn get(&self, location: &str) -> Result<(ContentDigest, Bytes), ManifestErrorKind> {
        let name = location.split_once(':').map_or(location, |(_, name)| name);
        let expected = match name.parse() {
            Ok(digest) => digest,
            Err(_) if !is_label(name) => return Err(FetchError::StoreName.into()),
            Err(_) => {
                let label = || FetchError::NoSuchLabel { label: printable(name) };
                self.content.label(name).await?.ok_or_else(label)?
            }
        };
        let bytes = self.content.get(&expected).await?.ok_or(ManifestErrorKind::NotFound)?;
        let found = ContentDigest::of(&bytes);
        if found == expected {
            Ok((expected, bytes))
        } else {
            Err(ManifestErrorKind::DigestMismatch { expected, found })
        }
    }
}

/// Not empty, not a path to anywhere, and printable.
fn is_label(name: &str) -> bool {
    let count = name.chars().count();
    (1..=200).contains(&count)
        && !name.chars().any(|part| part.is_control() || part == '\\')
        && !name.starts_with('/')
}

#[async_trait]
impl ManifestSource for StoreSource {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let location = reference.as_str();
        let (digest, bytes) =
            self.get(location).await.map_err(|kind| ManifestError::new(printable(location), kind))?;
        LoadedManifest::from_bytes(format!("store:{digest}"), bytes)
    }

    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        let failed = |kind| ManifestError::new(printable(reference), kind);
        let location = whole(&manifest.origin, reference).map_err(failed)?;
        self.get(&location).await.map(|(_, bytes)| bytes).map_err(failed)
    }

    fn relative(&self, manifest: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        whole(&manifest.origin, reference)
            .map(Into::into)
            .map_err(|kind| ManifestError::new(printable(reference), kind))
    }
}
