//! Manifests, components and states over `https:`, from hosts that are allowed.

mod allowed;
mod cache;
mod client;

use std::sync::Arc;
use std::time::Duration;

use theater_core::error::printable;
use theater_core::source::{Address, ContentDigest, FetchError, MAX_FILE, MAX_MANIFEST, whole};
use theater_core::{
    Bytes, LoadedManifest, ManifestError, ManifestErrorKind, ManifestRef, ManifestSource, async_trait,
};
use tokio::sync::Semaphore;

pub use allowed::{AllowedHost, InvalidHost};
use cache::ContentCache;
use client::Client;

use crate::tls::{InvalidRoots, TlsRoots};

/// Fetches that run at a time; others wait their turn.
const AT_ONCE: usize = 8;

/// What an [`HttpsSource`] may do, and with what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HttpsConfig {
    /// Bytes of a component or state. Default 256 MiB; a manifest has 1 MiB at most besides.
    pub max_size: u64,
    /// How long one fetch may take, from its turn to its last byte. Default 30 s.
    pub deadline: Duration,
    /// Bytes of content that are kept in memory for references with a digest. Default 64 MiB.
    pub cached: u64,
    /// Who may vouch for servers. Default: the certificate authorities that Mozilla trusts.
    pub roots: TlsRoots,
}

impl Default for HttpsConfig {
    fn default() -> Self {
        Self {
            max_size: MAX_FILE,
            deadline: Duration::from_secs(30),
            cached: 64 << 20,
            roots: TlsRoots::default(),
        }
    }
}

/// The scheme `https:`: content from hosts that are allowed, and from no others.
///
/// - Only `https`, and only with a certificate that is valid for the host. No proxy is used.
/// - A redirect is an error: where it leads, nobody has allowed.
/// - What is larger than allowed, or takes longer, is an error. Nothing is decompressed.
/// - What has been fetched is kept in memory by its digest, within a bound: a reference with that digest is not fetched again, from whatever
///   address. One without a digest is fetched each time.
/// - What a manifest refers to without a scheme starts at its own address.
///
/// # Examples
/// ```no_run
/// use theater_core::source::{SchemeSource, find};
/// use theater_wasm::{FileSource, HttpsConfig, HttpsSource};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let https = HttpsSource::new(["example.org".parse()?, "parts.example.org:8443".parse()?], HttpsConfig::default())?;
/// let source = SchemeSource::new(FileSource::new("apps")?).with("https", https);
/// let shop = find(&source, &"https://example.org/shop/app.toml".into()).await?;
/// # let _ = shop;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct HttpsSource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    allowed: Vec<AllowedHost>,
    config: HttpsConfig,
    client: Client,
    cache: ContentCache,
    turns: Arc<Semaphore>,
}

impl HttpsSource {
    /// The scheme for these hosts.
    ///
    /// # Errors
    /// If the certificates of `config.roots` are none.
    pub fn new(
        allowed: impl IntoIterator<Item = AllowedHost>,
        config: HttpsConfig,
    ) -> Result<Self, InvalidRoots> {
        let client = Client::new(&config.roots, config.deadline)?;
        let cache = ContentCache::new(config.cached);
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let allowed = allowed.into_iter().collect();
        Ok(Self { inner: Arc::new(Inner { allowed, config, client, cache, turns }) })
    }

    /// The content at an address, from memory if it must have a digest that is there.
    async fn get(
        &self,
        location: &str,
        pinned: Option<&ContentDigest>,
        limit: u64,
    ) -> Result<Bytes, ManifestErrorKind> {
        let inner = &self.inner;
        let address = Address::parse(location)?;
        if !inner.allowed.iter().any(|allowed| allowed.is(&address)) {
            let allowed: Vec<_> = inner.allowed.iter().map(ToString::to_string).collect();
            let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            return Err(FetchError::HostNotAllowed { host: address.authority(), allowed }.into());
        }
        if let Some(content) = pinned.and_then(|digest| inner.cache.get(digest)) {
            let size = content.len() as u64;
            return if size > limit { Err(ManifestErrorKind::TooLarge { size, limit }) } else { Ok(content) };
        }
        let turn = Arc::clone(&inner.turns).acquire_owned().await;
        let client = inner.client.clone();
        let fetching = tokio::task::spawn_blocking(move || {
            // Kept until the end, also when nobody waits for it any more.
            let _turn = turn;
            client.get(&address, limit)
        });
        let content = fetching
            .await
            .map_err(|error| ManifestErrorKind::Io(Arc::new(std::io::Error::other(error))))??;
        inner.cache.put(&content);
        Ok(content)
    }
}

#[async_trait]
impl ManifestSource for HttpsSource {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let location = reference.as_str();
        let failed = |kind| ManifestError::new(printable(location), kind);
        let origin = whole("", location).map_err(failed)?;
        let pinned = reference.pinned();
        let content = self.get(&origin, pinned.as_ref(), MAX_MANIFEST.min(self.inner.config.max_size));
        let content = content.await.map_err(failed)?;
        LoadedManifest::from_bytes(origin, content)
    }

    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        self.related(manifest, reference, None).await
    }

    async fn read_pinned(
        &self,
        manifest: &LoadedManifest,
        reference: &str,
        digest: &ContentDigest,
    ) -> Result<Bytes, ManifestError> {
        self.related(manifest, reference, Some(digest)).await
    }

    fn relative(&self, manifest: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        whole(&manifest.origin, reference)
            .map(Into::into)
            .map_err(|kind| ManifestError::new(printable(reference), kind))
    }
}

impl HttpsSource {
    async fn related(
        &self,
        manifest: &LoadedManifest,
        reference: &str,
        pinned: Option<&ContentDigest>,
    ) -> Result<Bytes, ManifestError> {
        let failed = |kind| ManifestError::new(printable(reference), kind);
        let location = whole(&manifest.origin, reference).map_err(failed)?;
        self.get(&location, pinned, self.inner.config.max_size).await.map_err(failed)
    }
}
