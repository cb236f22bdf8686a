//! Content in a folder of files that are named by their digests.

use std::collections::BTreeMap;
use std::path::Path;

use theater_core::source::{ContentDigest, ContentSource, MAX_FILE, MAX_MANIFEST};
use theater_core::{Bytes, ManifestErrorKind, async_trait};

use super::FileSource;

/// The file that has the labels.
const LABELS: &str = "labels.toml";

/// A folder of files, each named by the BLAKE3 digest of its content: 64 lowercase hexadecimal digits, as `b3sum` prints them.
///
/// Labels stand in its file `labels.toml`, one `label = "digest"` to a line. No part of a file's name ever comes from a
/// reference but digits, and a link that leads out of the folder is refused. The files are read anew each time.
///
/// # Examples
/// ```
/// use theater_core::source::{ContentDigest, ContentSource};
/// use theater_wasm::FolderContent;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let digest = ContentDigest::of(b"a component");
/// std::fs::write(folder.path().join(digest.to_string()), "a component")?;
/// std::fs::write(folder.path().join("labels.toml"), format!("desk = \"{digest}\""))?;
///
/// let content = FolderContent::new(folder.path())?;
/// assert_eq!(content.label("desk").await?, Some(digest));
/// assert_eq!(content.get(&digest).await?.as_deref(), Some(&b"a component"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FolderContent {
    files: FileSource,
}

impl FolderContent {
    /// The content of a folder.
    ///
    /// # Errors
    /// If `folder` is not a folder that can be read.
    pub fn new(folder: impl AsRef<Path>) -> std::io::Result<Self> {
        FileSource::new(folder).map(|files| Self { files })
    }

    async fn file(&self, name: &str, limit: u64) -> Result<Option<Bytes>, ManifestErrorKind> {
        match self.files.at_root(name, limit).await {
            Ok(content) => Ok(Some(content)),
            Err(ManifestErrorKind::NotFound) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

#[async_trait]
impl ContentSource for FolderContent {
    async fn get(&self, digest: &ContentDigest) -> Result<Option<Bytes>, ManifestErrorKind> {
        self.file(&digest.to_string(), MAX_FILE).await
    }

    async fn label(&self, label: &str) -> Result<Option<ContentDigest>, ManifestErrorKind> {
        let Some(content) = self.file(LABELS, MAX_MANIFEST).await? else { return Ok(None) };
        let text = std::str::from_utf8(&content).map_err(|_| ManifestErrorKind::NotText)?;
        let labels: BTreeMap<String, String> = toml::from_str(text).map_err(|error| {
            ManifestErrorKind::Syntax { message: format!("{LABELS}: {}", error.message()) }
        })?;
        let Some(digest) = labels.get(label) else { return Ok(None) };
        digest.parse().map(Some).map_err(|error: theater_core::event::InvalidDigest| {
            ManifestErrorKind::InvalidValue {
                key: label.to_owned(),
                value: theater_core::error::printable(digest),
                message: error.to_string(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use theater_core::source::{StoreSource, find};
    use theater_core::{ManifestError, ManifestErrorKind};

    use super::*;

    const MANIFEST: &str = "name = \"a\"\ncomponent = \"store:a\"\n";

    async fn look(folder: &Path, reference: &str) -> Result<String, ManifestError> {
        let source = StoreSource::new(FolderContent::new(folder).unwrap());
        find(&source, &reference.into()).await.map(|loaded| loaded.origin.to_string())
    }

    #[tokio::test]
    async fn what_is_in_the_folder_is_found_by_digest_and_by_label() {
        let folder = tempfile::tempdir().unwrap();
        let digest = ContentDigest::of(MANIFEST.as_bytes());
        let name = format!("store:{digest}");
        assert!(matches!(look(folder.path(), &name).await.unwrap_err().kind, ManifestErrorKind::NotFound));
        std::fs::write(folder.path().join(digest.to_string()), MANIFEST).unwrap();
        std::fs::write(folder.path().join(LABELS), format!("\"shop/app\" = \"{digest}\"\nbad = \"5a\""))
            .unwrap();
        for reference in [&*name, "store:shop/app"] {
            assert_eq!(look(folder.path(), reference).await.unwrap(), name);
        }
        let error = look(folder.path(), "store:bad").await.unwrap_err().to_string();
        assert!(error.contains("64 lowercase hexadecimal digits"), "{error}");
        std::fs::write(folder.path().join(LABELS), "a = 1").unwrap();
        let error = look(folder.path(), "store:a").await.unwrap_err().to_string();
        assert!(error.contains("labels.toml"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_was_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let digest = ContentDigest::of(MANIFEST.as_bytes());
        std::fs::write(folder.path().join(digest.to_string()), "name = \"other\"\ncomponent = \"b\"")
            .unwrap();
        let kind = look(folder.path(), &format!("store:{digest}")).await.unwrap_err().kind;
        assert!(
            matches!(kind, ManifestErrorKind::DigestMismatch { expected, .. } if expected == digest),
            "{kind}"
        );
    }

    #[tokio::test]
    async fn no_reference_names_a_file_of_the_folder_or_beside_it() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("store");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(outer.path().join("secret.toml"), MANIFEST).unwrap();
        std::fs::write(folder.join("inside.toml"), MANIFEST).unwrap();
        for name in ["../secret.toml", "inside.toml", "labels.toml", "./inside.toml", "/etc/passwd"] {
            assert!(look(&folder, &format!("store:{name}")).await.is_err(), "{name}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_that_leads_out_of_the_folder_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("store");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(outer.path().join("outside"), MANIFEST).unwrap();
        let digest = ContentDigest::of(MANIFEST.as_bytes());
        std::os::unix::fs::symlink(outer.path().join("outside"), folder.join(digest.to_string())).unwrap();
        let kind = look(&folder, &format!("store:{digest}")).await.unwrap_err().kind;
        assert!(matches!(kind, ManifestErrorKind::OutsideRoot), "{kind}");
    }
}
