//! Manifests and components from a folder.

use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use theater_core::error::printable;
use theater_core::source::{MAX_FILE, MAX_MANIFEST};
use theater_core::{
    Bytes, LoadedManifest, ManifestError, ManifestErrorKind, ManifestRef, ManifestSource, async_trait,
};

/// The most links that are followed on the way to one file, as in Linux.
const MAX_LINKS: usize = 40;

/// Files inside one folder, the root. Nothing outside of it can be reached: not by `..`, not by an absolute path, not by
/// a link.
///
/// A manifest is named by its path from the root; what it refers to, by the path from its own folder. An absolute path has to
/// begin with the root, as it was given or as it is without links.
#[derive(Debug, Clone)]
pub struct FileSource {
    root: Arc<Path>,
    /// The root as it was given, where that is another name for it: through a link.
    given: Option<Arc<Path>>,
}

impl FileSource {
    /// A source over `root`.
    ///
    /// # Errors
    /// If `root` is not a folder that can be read.
    pub fn new(root: impl AsRef<Path>) -> std::io::Result<Self> {
        let given = std::path::absolute(root.as_ref())?;
        let root = given.canonicalize()?;
        if !root.is_dir() {
            return Err(std::io::Error::from(std::io::ErrorKind::NotADirectory));
        }
        // With dots in it, it would not compare: a path is taken apart before its links are.
        let plain = !given.components().any(|part| part == Component::ParentDir);
        let given = (plain && given != root).then(|| given.into());
        Ok(Self { root: root.into(), given })
    }

    /// The root, without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Reads a file by its path from `folder`, which is inside the root.
    async fn read(&self, folder: &Path, reference: &str, limit: u64) -> Result<Bytes, ManifestError> {
        self.content(folder, reference, limit)
            .await
            .map_err(|kind| ManifestError::new(printable(reference), kind))
    }

    /// The same, from the root, for sources that have another name for it.
    pub(super) async fn at_root(&self, path: &str, limit: u64) -> Result<Bytes, ManifestErrorKind> {
        self.content(&self.root, path, limit).await
    }

    async fn content(&self, folder: &Path, reference: &str, limit: u64) -> Result<Bytes, ManifestErrorKind> {
        let path = self.inside(folder, reference).ok_or_else(|| self.outside())?;
        let source = self.clone();
        let read = tokio::task::spawn_blocking(move || source.read_blocking(&path, limit));
        match read.await {
            Ok(result) => result.map(Bytes::from),
            Err(error) => Err(io_kind(std::io::Error::other(error))),
        }
    }

    fn read_blocking(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ManifestErrorKind> {
        let real = self.follow(path)?;
        // A pipe or device would block or never end.
        if !real.metadata().map_err(io_kind)?.is_file() {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file");
            return Err(ManifestErrorKind::Io(Arc::new(error)));
        }
        let mut content = Vec::new();
        // The length may change while it is read, so the limit is on what comes.
        let file = std::fs::File::open(&real).map_err(io_kind)?;
        let size = file.take(limit + 1).read_to_end(&mut content).map_err(io_kind)? as u64;
        if size > limit { Err(ManifestErrorKind::TooLarge { size, limit }) } else { Ok(content) }
    }

    /// Follows the links on the way to `path`, which is inside the root, one at a time. One that leads outside is refused
    /// before anything is looked at there: whether its target exists is nobody's business.
    fn follow(&self, path: &Path) -> Result<PathBuf, ManifestErrorKind> {
        let mut path = path.to_owned();
        for _ in 0..MAX_LINKS {
            let Some((link, target)) = self.first_link(&path)? else { return Ok(path) };
            let folder = link.parent().unwrap_or(&self.root);
            let whole = self.real(&folder.join(target)).ok_or_else(|| self.outside())?;
            let rest = path.strip_prefix(&link).expect("a link on the way is a part of the path");
            // Joining nothing would leave a slash at the end, and a file is no folder.
            path = if rest.as_os_str().is_empty() { whole } else { whole.join(rest) };
        }
        Err(io_kind(std::io::Error::other("too many links")))
    }

    /// The first link on the way from the root to `path`, and where it points.
    fn first_link(&self, path: &Path) -> Result<Option<(PathBuf, PathBuf)>, ManifestErrorKind> {
        let inner = path.strip_prefix(&self.root).map_err(|_| self.outside())?;
        let mut place = self.root.to_path_buf();
        for part in inner.components() {
            place.push(part);
            if place.symlink_metadata().map_err(io_kind)?.is_symlink() {
                let target = place.read_link().map_err(io_kind)?;
                return Ok(Some((place, target)));
            }
        }
        Ok(None)
    }

    /// A path without `.` and `..`, if by its words it is inside the root.
    fn real(&self, path: &Path) -> Option<PathBuf> {
        self.inside(&self.root, path.to_str()?)
    }

    /// The path that `reference` names from `folder`, if by its words it stays inside the root, by either name of that.
    fn inside(&self, folder: &Path, reference: &str) -> Option<PathBuf> {
        let by_given = || {
            let given = self.given.as_deref()?;
            let path =
                Path::new(reference).is_absolute().then(|| lexically_inside(given, given, reference))??;
            let inner = path.strip_prefix(given).ok()?;
            Some(if inner.as_os_str().is_empty() { self.root.to_path_buf() } else { self.root.join(inner) })
        };
        lexically_inside(&self.root, folder, reference).or_else(by_given)
    }

    /// The folder from which a manifest's own references start.
    fn folder(&self, manifest: &LoadedManifest) -> PathBuf {
        // An inline one has no file: it starts at the root.
        let path = self.inside(&self.root, &manifest.origin);
        path.as_deref().and_then(Path::parent).unwrap_or(&self.root).to_owned()
    }

    /// The path from the root, with `/` between its parts, of what `reference` names from `folder`.
    fn path_from_root(&self, folder: &Path, reference: &str) -> Option<String> {
        let path = self.inside(folder, reference)?;
        let inner = path.strip_prefix(&self.root).ok()?;
        let parts = inner.components().map(|part| part.as_os_str().to_str());
        Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
    }

    fn outside(&self) -> ManifestErrorKind {
        ManifestErrorKind::OutsideRoot
    }
}

fn io_kind(error: std::io::Error) -> ManifestErrorKind {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => ManifestErrorKind::NotFound,
        _ => ManifestErrorKind::Io(Arc::new(error)),
    }
}

/// The path that `reference` names from `folder`, if it stays inside `root` by its words alone. This comes before any look
/// at the disk, so that a refusal says nothing about what is there.
fn lexically_inside(root: &Path, folder: &Path, reference: &str) -> Option<PathBuf> {
    if reference.contains('\0') {
        return None;
    }
    let reference = Path::new(reference);
    let mut path = if reference.is_absolute() { PathBuf::new() } else { folder.to_owned() };
    for part in reference.components() {
        match part {
            Component::Normal(_) | Component::RootDir => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() || !(path.starts_with(root) || reference.is_absolute()) {
                    return None;
                }
            }
            Component::Prefix(_) => return None,
        }
    }
    path.starts_with(root).then_some(path)
}

#[async_trait]
impl ManifestSource for FileSource {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let reference = reference.as_str();
        let content = self.read(&self.root, reference, MAX_MANIFEST).await?;
        // One file has one name: cycles are found by it.
        let origin = self.path_from_root(&self.root, reference).unwrap_or_else(|| reference.to_owned());
        LoadedManifest::from_bytes(origin, content)
    }

    fn relative(&self, manifest: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        let outside = || ManifestError::new(printable(reference), self.outside());
        self.path_from_root(&self.folder(manifest), reference).map(Into::into).ok_or_else(outside)
    }

    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        self.read(&self.folder(manifest), reference, MAX_FILE).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "name = \"a\"\ncomponent = \"a.wasm\"\n";

    /// A root with a manifest, a folder with another, and a file beside the root.
    fn tree() -> (tempfile::TempDir, FileSource) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("inner")).unwrap();
        std::fs::write(root.join("a.toml"), MANIFEST).unwrap();
        std::fs::write(root.join("a.wasm"), "outer").unwrap();
        std::fs::write(root.join("inner/b.toml"), MANIFEST).unwrap();
        std::fs::write(root.join("inner/a.wasm"), "inner").unwrap();
        std::fs::write(root.join("binary.toml"), [0xff, 0xfe]).unwrap();
        std::fs::write(folder.path().join("secret.toml"), MANIFEST).unwrap();
        let source = FileSource::new(&root).unwrap();
        (folder, source)
    }

    async fn kind(source: &FileSource, reference: &str) -> ManifestErrorKind {
        source.manifest(&reference.into()).await.unwrap_err().kind
    }

    #[tokio::test]
    async fn references_start_at_the_root_and_inside_a_manifest_at_its_folder() {
        let (_folder, source) = tree();
        for (reference, content) in
            [("a.toml", "outer"), ("inner/b.toml", "inner"), ("inner/../a.toml", "outer")]
        {
            let loaded = source.manifest(&reference.into()).await.unwrap();
            assert_eq!(
                ManifestSource::read(&source, &loaded, "a.wasm").await.unwrap(),
                content,
                "{reference}"
            );
        }
        let inner = source.manifest(&"inner/b.toml".into()).await.unwrap();
        assert_eq!(ManifestSource::read(&source, &inner, "../a.wasm").await.unwrap(), "outer");
        let inline = theater_core::load(&source, &MANIFEST.into()).await.unwrap();
        assert_eq!(ManifestSource::read(&source, &inline, "a.wasm").await.unwrap(), "outer");
    }

    #[tokio::test]
    async fn nothing_outside_the_root_can_be_reached_or_found_out() {
        let (folder, source) = tree();
        let absolute = folder.path().join("secret.toml").display().to_string();
        for reference in [
            "../secret.toml",
            "../gone.toml",
            "inner/../../secret.toml",
            "/etc/passwd",
            "/gone",
            &*absolute,
            "a\0b",
        ] {
            let kind = kind(&source, reference).await;
            assert!(matches!(kind, ManifestErrorKind::OutsideRoot), "{reference}: {kind}");
            // Guests are told this.
            let host = folder.path().to_str().unwrap();
            assert!(!kind.to_string().contains(host), "{kind}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            // Whether or not there is something at the other end.
            for (link, target) in [("link.toml", "secret.toml"), ("dangling.toml", "gone.toml")] {
                symlink(folder.path().join(target), source.root().join(link)).unwrap();
                assert!(matches!(kind(&source, link).await, ManifestErrorKind::OutsideRoot), "{link}");
            }
            symlink("../a.toml", source.root().join("inner/up.toml")).unwrap();
            symlink("inner", source.root().join("alias")).unwrap();
            for reference in ["inner/up.toml", "alias/b.toml", "alias/up.toml"] {
                source
                    .manifest(&reference.into())
                    .await
                    .unwrap_or_else(|error| panic!("{reference}: {error}"));
            }
            symlink("loop.toml", source.root().join("loop.toml")).unwrap();
            assert!(matches!(kind(&source, "loop.toml").await, ManifestErrorKind::Io(_)));
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn an_absolute_path_may_name_the_root_as_it_was_given_or_as_it_is() {
        let (folder, direct) = tree();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(direct.root(), &link).unwrap();
        let source = FileSource::new(&link).unwrap();
        for root in [link.as_path(), direct.root()] {
            let reference = root.join("inner/b.toml").display().to_string();
            let loaded = source.manifest(&reference.as_str().into()).await.unwrap();
            assert_eq!(&*loaded.origin, "inner/b.toml", "one file has one name");
            assert_eq!(ManifestSource::read(&source, &loaded, "a.wasm").await.unwrap(), "inner");
            for out in ["../secret.toml", "inner/../../secret.toml"] {
                let reference = root.join(out).display().to_string();
                assert!(
                    matches!(kind(&source, &reference).await, ManifestErrorKind::OutsideRoot),
                    "{reference}"
                );
            }
        }
        let beside = folder.path().join("linkx/a.toml").display().to_string();
        assert!(matches!(kind(&source, &beside).await, ManifestErrorKind::OutsideRoot));
    }

    #[tokio::test]
    async fn what_is_no_manifest_is_refused_with_its_reason() {
        let (_folder, source) = tree();
        assert!(matches!(kind(&source, "gone.toml").await, ManifestErrorKind::NotFound));
        assert!(matches!(kind(&source, "binary.toml").await, ManifestErrorKind::NotText));
        assert!(matches!(kind(&source, "inner").await, ManifestErrorKind::Io(_)));
        assert!(matches!(kind(&source, "a.toml/x").await, ManifestErrorKind::NotFound));
        let large = vec![b' '; usize::try_from(MAX_MANIFEST).unwrap() + 1];
        std::fs::write(source.root().join("large.toml"), large).unwrap();
        assert!(matches!(kind(&source, "large.toml").await, ManifestErrorKind::TooLarge { .. }));
    }
}
