//! Which manifest a user means, and from where it may take its files.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use theater_core::ActorError;
use theater_core::source::{SchemeSource, scheme};

use crate::args::SourceArgs;
use crate::sources;

/// An app on disk: a manifest inside a root folder.
#[derive(Debug, Clone)]
pub(crate) struct App {
    /// The folder that manifests and components may come from.
    pub(crate) root: PathBuf,
    /// The manifest, relative to the root, with `/` between its parts.
    pub(crate) manifest: String,
    /// Where else its files may come from.
    sources: SourceArgs,
}

impl App {
    /// Finds the app.
    ///
    /// The manifest itself is not followed if it is a link: whether it leads out of the root is for the manifest
    /// source to say.
    pub(crate) fn locate(app: &Path, sources: &SourceArgs) -> anyhow::Result<Self> {
        let metadata = app.metadata().with_context(|| match app.try_exists() {
            Ok(false) => format!("there is no manifest {}; give the path of a TOML file", app.display()),
            _ => format!("could not read the manifest {}", app.display()),
        })?;
        if metadata.is_dir() {
            let inside = app.join("app.toml");
            bail!("{} is a folder; name the manifest in it, such as {}", app.display(), inside.display());
        }
        let name = app.file_name().ok_or_else(|| anyhow!("{} does not name a file", app.display()))?;
        let folder = match app.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let sources = sources.clone();
        let Some(root) = sources.root.clone() else {
            return Ok(Self { root: folder.to_owned(), manifest: text(Path::new(name))?, sources });
        };
        let absolute = |path: &Path| path.canonicalize().with_context(|| format!("{}", path.display()));
        let whole = absolute(folder)?;
        let base = absolute(&root).context("--root cannot be used")?;
        if !base.is_dir() {
            bail!("--root {} is not a folder", root.display());
        }
        let inner = whole.strip_prefix(&base).map_err(|_| {
            anyhow!(
                "{} is outside of --root {}; give a root that holds it, or move it inside",
                app.display(),
                root.display()
            )
        })?;
        let manifest = text(&inner.join(name))?;
        Ok(Self { root, manifest, sources })
    }

    /// Where its manifests and components come from.
    pub(crate) fn source(&self) -> anyhow::Result<SchemeSource> {
        sources::source(&self.root, &self.sources)
    }

    /// How the source knows the manifest: by its path, also where that looks like something else.
    pub(crate) fn reference(&self) -> String {
        match scheme(&self.manifest) {
            Some(_) => format!("./{}", self.manifest),
            None => self.manifest.clone(),
        }
    }

    /// The manifest as the user can open it.
    pub(crate) fn path(&self) -> PathBuf {
        let root = if self.root == Path::new(".") { Path::new("") } else { &self.root };
        root.join(&self.manifest)
    }

    /// An error of starting the app, with the manifest's path in it such that the user can open it.
    pub(crate) fn explain(&self, error: ActorError) -> anyhow::Error {
        self.error(error, "could not start")
    }

    /// The same for an app that is only checked.
    pub(crate) fn explain_check(&self, error: ActorError) -> anyhow::Error {
        self.error(error, "could not check")
    }

    fn error(&self, error: ActorError, what: &str) -> anyhow::Error {
        let context = format!("{what} {}", self.path().display());
        let error = match error {
            ActorError::Manifest(mut error) if error.origin == self.manifest => {
                error.origin = self.path().display().to_string();
                ActorError::Manifest(error)
            }
            other => other,
        };
        anyhow::Error::new(error).context(context)
    }
}

/// A relative path with `/` between its parts, as manifests write it.
fn text(path: &Path) -> anyhow::Result<String> {
    let part = |part: Component<'_>| {
        part.as_os_str()
            .to_str()
            .map(str::to_owned)
            // A reference with a line break would be taken for a manifest's text.
            .filter(|part| !part.contains('\n'))
            .ok_or_else(|| anyhow!("{} is not UTF-8, or has a line break; rename it", path.display()))
    };
    Ok(path.components().map(part).collect::<Result<Vec<_>, _>>()?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifests_own_folder_is_the_root_unless_another_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("deep/down");
        std::fs::create_dir_all(&inner).unwrap();
        let manifest = inner.join("app.toml");
        std::fs::write(&manifest, "").unwrap();

        let locate = |app: &Path, root: Option<&Path>| {
            App::locate(app, &SourceArgs { root: root.map(Path::to_owned), ..SourceArgs::default() })
        };
        let app = locate(&manifest, None).unwrap();
        assert_eq!((app.root.as_path(), app.manifest.as_str()), (inner.as_path(), "app.toml"));
        let app = locate(&manifest, Some(folder.path())).unwrap();
        assert_eq!((app.root.as_path(), app.manifest.as_str()), (folder.path(), "deep/down/app.toml"));
        assert_eq!(app.path(), manifest);

        let other = tempfile::tempdir().unwrap();
        let error = locate(&manifest, Some(other.path())).unwrap_err().to_string();
        assert!(error.contains("outside of --root"), "{error}");
        let odd = App { manifest: "app:v2.toml".to_owned(), ..app.clone() };
        assert_eq!(
            (app.reference(), odd.reference()),
            ("deep/down/app.toml".to_owned(), "./app:v2.toml".to_owned())
        );

        let error = locate(&inner, None).unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }
}
