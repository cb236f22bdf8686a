//! Where manifests, and what they refer to, come from.

mod address;
mod checked;
mod content;
mod load;
mod reference;
mod scheme;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;

use crate::manifest::{ChildSpec, Manifest, ManifestError, ManifestErrorKind};

pub use crate::event::ContentDigest;
pub use crate::manifest::{AddressProblem, FetchError};
pub use address::{Address, authority};
pub use checked::{Content, INLINE, find, read, read_with};
pub use content::{ContentSource, MemoryContent, StoreSource};
pub use load::load;
pub use reference::{InvalidReference, Reference, toml_string};
pub use scheme::{SchemeSource, scheme, whole};

/// The largest manifest, in bytes.
pub const MAX_MANIFEST: u64 = 1 << 20;
/// The largest component or state, in bytes.
pub const MAX_FILE: u64 = 256 << 20;

/// A reference to a manifest, as a user or a guest wrote it. A [`ManifestSource`] gives it its meaning, unless it carries
/// the manifest itself.
#[derive(Debug, Clone)]
pub struct ManifestRef {
    name: String,
    pinned: Option<ContentDigest>,
    loaded: Option<Box<LoadedManifest>>,
}

impl ManifestRef {
    /// A reference that carries its manifest: nothing is looked up. `name` is what it is called in errors and records.
    #[must_use]
    pub fn embedded(name: impl Into<String>, loaded: LoadedManifest) -> Self {
        Self { name: name.into(), pinned: None, loaded: Some(Box::new(loaded)) }
    }

    /// What a source is asked for: the location alone.
    fn to(reference: &Reference) -> Self {
        Self { name: reference.location().to_owned(), pinned: reference.digest(), loaded: None }
    }

    /// Where a source is asked for it: the digest that the content must have. It is compared for the source; one that keeps
    /// content by digest saves itself the way.
    #[must_use]
    pub fn pinned(&self) -> Option<ContentDigest> {
        self.pinned
    }

    /// The reference as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The manifest that it carries.
    #[must_use]
    pub fn loaded(&self) -> Option<&LoadedManifest> {
        self.loaded.as_deref()
    }
}

impl<T: Into<String>> From<T> for ManifestRef {
    fn from(reference: T) -> Self {
        Self { name: reference.into(), pinned: None, loaded: None }
    }
}

impl fmt::Display for ManifestRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A manifest that was found and parsed. Cheap to clone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadedManifest {
    /// What it says.
    pub manifest: Arc<Manifest>,
    /// Its text, exactly: what its digest is made of.
    pub text: Arc<str>,
    /// The name that it has in errors and that relative references inside it start from.
    pub origin: Arc<str>,
    /// Where in that text it stands: the ids of the entries of `[[children]]` that lead to it, joined by `/`. `None` for
    /// the whole text. Part of what its digest is made of.
    pub within: Option<Arc<str>>,
    /// The children that it declares, with their manifests, in its order. Empty unless it was [loaded](load) as a tree.
    pub children: Arc<[LoadedChild]>,
    /// The scheme that it came over, which a [`SchemeSource`] says: what it refers to without one is of the same.
    scheme: Option<Arc<str>>,
}

/// A child that a manifest declares, with its own manifest.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoadedChild {
    /// Names the child among its siblings.
    pub id: Arc<str>,
    /// How it is treated: what its entry says, else its own manifest, else OTP's defaults.
    pub child_spec: ChildSpec,
    /// Its manifest, with its own children.
    pub manifest: LoadedManifest,
}

impl LoadedManifest {
    /// Parses `text`.
    ///
    /// # Errors
    /// Those of [`Manifest::parse`].
    pub fn parse(origin: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Result<Self, ManifestError> {
        let (origin, text) = (origin.into(), text.into());
        let manifest = Arc::new(Manifest::parse(&origin, &text)?);
        Ok(Self { manifest, text, origin, within: None, children: Arc::default(), scheme: None })
    }

    /// Parses a file.
    ///
    /// # Errors
    /// [`TooLarge`](ManifestErrorKind::TooLarge) above [`MAX_MANIFEST`], [`NotText`](ManifestErrorKind::NotText), and those of
    /// [`Manifest::parse`].
    pub fn from_bytes(origin: impl Into<Arc<str>>, content: Bytes) -> Result<Self, ManifestError> {
        let origin = origin.into();
        let size = content.len() as u64;
        if size > MAX_MANIFEST {
            let kind = ManifestErrorKind::TooLarge { size, limit: MAX_MANIFEST };
            return Err(ManifestError::new(&*origin, kind));
        }
        let Ok(text) = String::from_utf8(content.into()) else {
            return Err(ManifestError::new(&*origin, ManifestErrorKind::NotText));
        };
        Self::parse(origin, text)
    }
}

/// Finds manifests and the files that they refer to.
///
/// # Contract
/// - A reference that would leave the source's root, by `..`, by an absolute path or by a link, is
///   [`OutsideRoot`](ManifestErrorKind::OutsideRoot), whether or not something is there.
/// - What does not exist is [`NotFound`](ManifestErrorKind::NotFound).
/// - The same reference may give another content later; callers that need it to be the same compare digests.
///
/// A source knows nothing of digests in references and of references that are the manifest itself: [`load`], [`find`] and
/// [`read`] see to them before and after they ask it, for every source alike. Whoever has a source uses those, not its methods.
///
/// Implementations: files inside a folder, a map of files and `https:` (`theater-wasm`), [`MapSource`] (tests), [`StoreSource`]
/// (content by digest), and [`SchemeSource`], which has one for each scheme.
#[async_trait]
pub trait ManifestSource: fmt::Debug + Send + Sync + 'static {
    /// Finds and parses a manifest.
    ///
    /// # Errors
    /// See the contract; those of [`Manifest::parse`] besides.
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError>;

    /// Reads what `manifest` refers to as `reference`: its component, its initial state.
    ///
    /// # Errors
    /// See the contract.
    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError>;

    /// The same for what must have this digest. Who asks compares it: a source that keeps content by digest saves itself the way,
    /// and all others keep this default.
    ///
    /// # Errors
    /// See the contract.
    async fn read_pinned(
        &self,
        manifest: &LoadedManifest,
        reference: &str,
        digest: &ContentDigest,
    ) -> Result<Bytes, ManifestError> {
        let _ = digest;
        self.read(manifest, reference).await
    }

    /// The reference to what `manifest` calls `reference`: another manifest, named relative to it.
    ///
    /// The default is for sources whose names are not relative to anything.
    ///
    /// # Errors
    /// See the contract.
    fn relative(&self, manifest: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        let _ = manifest;
        Ok(reference.into())
    }
}

/// Manifests and files by name, in memory. References are names; relative ones are not resolved.
///
/// # Examples
/// ```
/// use theater_core::{ManifestSource, MapSource};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let source = MapSource::new()
///     .with("a.toml", "name = \"a\"\ncomponent = \"a.wasm\"")
///     .with("a.wasm", &b"\0asm"[..]);
/// let loaded = source.manifest(&"a.toml".into()).await?;
/// assert_eq!(source.read(&loaded, "a.wasm").await?, &b"\0asm"[..]);
/// # Ok::<(), theater_core::ManifestError>(())
/// # }).unwrap().unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct MapSource {
    files: BTreeMap<String, File>,
}

#[derive(Debug, Clone)]
struct File {
    content: Bytes,
    /// Filled when the file is first used as a manifest: it never changes, so it is parsed once.
    parsed: Arc<OnceLock<Result<LoadedManifest, ManifestError>>>,
}

impl MapSource {
    /// An empty source.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more file.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.files.insert(name.into(), File { content: content.into(), parsed: Arc::default() });
        self
    }

    fn get(&self, name: &str) -> Result<&File, ManifestError> {
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            let kind = ManifestErrorKind::OutsideRoot;
            return Err(ManifestError::new(crate::error::printable(name), kind));
        }
        self.files
            .get(name)
            .ok_or_else(|| ManifestError::new(crate::error::printable(name), ManifestErrorKind::NotFound))
    }
}

#[async_trait]
impl ManifestSource for MapSource {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let file = self.get(reference.as_str())?;
        let parse = || {
            let text = std::str::from_utf8(&file.content)
                .map_err(|_| ManifestError::new(reference.as_str(), ManifestErrorKind::NotText))?;
            LoadedManifest::parse(reference.as_str(), text)
        };
        file.parsed.get_or_init(parse).clone()
    }

    async fn read(&self, _manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        Ok(self.get(reference)?.content.clone())
    }
}
