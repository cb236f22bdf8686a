//! Sources by scheme.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Address, LoadedManifest, ManifestRef, ManifestSource};
use crate::error::printable;
use crate::event::ContentDigest;
use crate::manifest::{FetchError, ManifestError, ManifestErrorKind};

/// The scheme of a location, without its colon, if it has one: two or more letters, digits and `+-.`, a letter first. One letter
/// is a drive, and so a path.
#[must_use]
pub fn scheme(location: &str) -> Option<&str> {
    let (scheme, _) = location.split_once(':')?;
    let mut bytes = scheme.bytes();
    let good = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    (good && scheme.len() >= 2).then_some(scheme)
}

/// The whole reference to what something at `base` calls `reference`: one with a scheme is whole; another starts at the folder of
/// an `https:` address. Nothing else has a folder.
///
/// # Errors
/// [`FetchError::NoFolder`], and those of [`Address`].
///
/// # Examples
/// ```
/// use theater_core::source::whole;
///
/// assert_eq!(whole("https://example.org/shop/app.toml", "desk.wasm")?, "https://example.org/shop/desk.wasm");
/// assert!(whole("store:app", "desk.wasm").is_err());
/// # Ok::<(), theater_core::ManifestErrorKind>(())
/// ```
pub fn whole(base: &str, reference: &str) -> Result<String, ManifestErrorKind> {
    let https = |scheme: &str| scheme.eq_ignore_ascii_case("https");
    match (scheme(reference), scheme(base)) {
        (Some(own), _) if https(own) => Address::parse(reference).map(|address| address.to_string()),
        (Some(_), _) => Ok(reference.to_owned()),
        (None, Some(of_base)) if https(of_base) => {
            Address::parse(base)?.join(reference).map(|address| address.to_string())
        }
        (None, of_base) => {
            let scheme = of_base.unwrap_or_default().to_ascii_lowercase();
            Err(FetchError::NoFolder { scheme }.into())
        }
    }
}

/// A source for each scheme, and one for references without: files.
///
/// What a manifest refers to without a scheme is looked for where the manifest came from. So one that came over `https:` cannot
/// name a local file, whatever its source says: a reference that would leave its scheme that way is refused here.
///
/// # Examples
/// ```
/// use theater_core::source::{ContentDigest, FetchError, MemoryContent, SchemeSource, StoreSource, find};
/// use theater_core::{ManifestErrorKind, MapSource};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let content = MemoryContent::new();
/// let digest = content.put(&b"name = \"a\"\ncomponent = \"store:a-component\""[..]);
/// let source = SchemeSource::new(MapSource::new()).with("store", StoreSource::new(content));
/// let loaded = find(&source, &format!("store:{digest}").into()).await?;
/// assert_eq!(loaded.manifest.name, "a");
///
/// let error = find(&source, &"ftp://example.org/a.toml".into()).await.unwrap_err();
/// assert!(matches!(error.kind, ManifestErrorKind::Fetch(FetchError::UnknownScheme { .. })));
/// # Ok::<(), theater_core::ManifestError>(())
/// # }).unwrap().unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SchemeSource {
    files: Arc<dyn ManifestSource>,
    schemes: BTreeMap<String, Slot>,
}

#[derive(Debug, Clone)]
enum Slot {
    Source(Arc<dyn ManifestSource>),
    Unavailable(&'static str),
}

impl SchemeSource {
    /// A source that knows no schemes yet, with the one for references without.
    pub fn new(files: impl ManifestSource) -> Self {
        Self { files: Arc::new(files), schemes: BTreeMap::new() }
    }

    /// The same, with a source for a scheme. It is asked with the whole location, the scheme included, and the origins of its
    /// manifests begin with the scheme.
    ///
    /// # Panics
    /// If `scheme` is none.
    #[must_use]
    pub fn with(self, scheme: &str, source: impl ManifestSource) -> Self {
        self.slot(scheme, Slot::Source(Arc::new(source)))
    }

    /// The same, with a scheme that cannot be used here: `hint` says what to do about it.
    ///
    /// # Panics
    /// If `scheme` is none.
    #[must_use]
    pub fn without(self, scheme: &str, hint: &'static str) -> Self {
        self.slot(scheme, Slot::Unavailable(hint))
    }

    fn slot(mut self, name: &str, slot: Slot) -> Self {
        assert!(scheme(&format!("{name}:")).is_some(), "`{name}` is no scheme");
        self.schemes.insert(name.to_ascii_lowercase(), slot);
        self
    }

    /// The source for locations of this scheme.
    fn of(&self, scheme: Option<&str>) -> Result<&dyn ManifestSource, FetchError> {
        let Some(scheme) = scheme.map(str::to_ascii_lowercase) else { return Ok(&*self.files) };
        match self.schemes.get(&scheme) {
            Some(Slot::Source(source)) => Ok(&**source),
            Some(Slot::Unavailable(hint)) => Err(FetchError::Unavailable { scheme, hint }),
            None => {
                let usable = |(name, slot): (&String, &Slot)| match slot {
                    Slot::Source(_) => Some(format!("{name}:")),
                    Slot::Unavailable(_) => None,
                };
                let known: Vec<_> = self.schemes.iter().filter_map(usable).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(FetchError::UnknownScheme { scheme: printable(&scheme), known })
            }
        }
    }

    /// The source for what `manifest` calls `reference`.
    fn from(&self, manifest: &LoadedManifest, reference: &str) -> Result<&dyn ManifestSource, ManifestError> {
        self.of(scheme(reference).or(manifest.scheme.as_deref())).map_err(|error| failed(reference, error))
    }
}

fn failed(reference: &str, error: impl Into<ManifestErrorKind>) -> ManifestError {
    ManifestError::new(printable(reference), error.into())
}

#[async_trait]
impl ManifestSource for SchemeSource {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let location = reference.as_str();
        let scheme = scheme(location);
        let source = self.of(scheme).map_err(|error| failed(location, error))?;
        let mut loaded = source.manifest(reference).await?;
        loaded.scheme = scheme.map(|scheme| scheme.to_ascii_lowercase().into());
        Ok(loaded)
    }

    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        self.from(manifest, reference)?.read(manifest, reference).await
    }

    async fn read_pinned(
        &self,
        manifest: &LoadedManifest,
        reference: &str,
        digest: &ContentDigest,
    ) -> Result<Bytes, ManifestError> {
        self.from(manifest, reference)?.read_pinned(manifest, reference, digest).await
    }

    fn relative(&self, manifest: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        let related = self.from(manifest, reference)?.relative(manifest, reference)?;
        match (scheme(reference).or(manifest.scheme.as_deref()), scheme(related.as_str())) {
            // A file whose name looks like a scheme.
            (None, Some(_)) => Ok(format!("./{related}").into()),
            (Some(from), None) => Err(failed(reference, FetchError::NoFolder { scheme: from.to_owned() })),
            _ => Ok(related),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_has_two_or_more_characters_and_a_colon() {
        for (location, expected) in [
            ("https://h", Some("https")),
            ("store:x", Some("store")),
            ("a+b-c.d:", Some("a+b-c.d")),
            ("C:\\a.toml", None),
            ("a.toml", None),
            ("./ab:c", None),
            ("1a:b", None),
            ("a b:c", None),
            (":a", None),
            ("\u{e4}\u{e4}:a", None),
        ] {
            assert_eq!(scheme(location), expected, "{location}");
        }
    }
}
