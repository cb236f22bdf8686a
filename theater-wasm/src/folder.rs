//! The folders of actors: which one an actor has, and how it is opened.
//!
//! Everything below an open folder is named from it, through `cap-std`: no path leads out of it, whatever links are in it.

mod files;
mod own;
mod path;
mod remove;

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use theater_core::capability::{FilesystemGrant, Grant};
use theater_core::{ActorId, Manifest};

#[cfg(unix)]
pub(crate) use files::nonblocking;
pub(crate) use files::{FileError, create_dir, delete, exists, list, read, sync, write};
pub(crate) use own::{Folders, NotDone};
pub(crate) use path::{FilePath, InvalidPath, LONGEST_PATH};
pub(crate) use remove::delete_dir;

/// Which folder an actor has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// One that is there.
    Given {
        /// Where the topmost actor has its folder: the one path that is the operator's, and opened as it stands.
        root: String,
        /// The way down from there, one step for each actor that has less than the one above it. Each is opened through the
        /// folder before, so no link in there leads out of what the actor above has.
        steps: Vec<String>,
    },
    /// One of its own.
    Own(ActorId),
}

/// What a manifest grants of files.
pub(crate) fn granted(manifest: &Manifest) -> Option<&FilesystemGrant> {
    manifest.handlers.iter().find_map(|handler| match &handler.grant {
        Grant::Filesystem(grant) => Some(grant),
        _ => None,
    })
}

impl Place {
    /// The existing folder that a manifest names. `above` are the manifests of the actors above, the nearest first. `None` where it names
    /// none.
    pub(crate) fn given<'a>(
        manifest: &'a Manifest,
        above: impl IntoIterator<Item = &'a Manifest>,
    ) -> Option<Self> {
        let mut lowest = granted(manifest).filter(|grant| grant.path.is_some())?;
        let mut steps = Vec::new();
        // A pure supervisor has nothing, and stands in nobody's way.
        for wider in above.into_iter().filter_map(granted) {
            let Some(step) = lowest.path_in(wider) else { break };
            if !step.is_empty() {
                steps.push(step);
            }
            lowest = wider;
        }
        steps.reverse();
        Some(Self::Given { root: lowest.path.clone()?, steps })
    }

    /// The folder that an actor has. `None` where its manifest grants none.
    pub(crate) fn of<'a>(
        id: ActorId,
        manifest: &'a Manifest,
        above: impl IntoIterator<Item = &'a Manifest>,
    ) -> Option<Self> {
        if granted(manifest)?.new_dir { Some(Self::Own(id)) } else { Self::given(manifest, above) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Where the runtime keeps it is nobody's business.
            Self::Own(_) => f.write_str("the actor's own folder"),
            Self::Given { root, steps } => {
                write!(f, "the folder `{root}`")?;
                steps.iter().try_for_each(|step| write!(f, ", and `{step}` in it"))
            }
        }
    }
}

/// A folder that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{place} cannot be opened: {source}")]
pub(crate) struct FolderError {
    place: Place,
    source: io::Error,
}

impl Place {
    /// Opens the folder. Blocks.
    ///
    /// # Errors
    /// If it is not there, is no folder, may not be opened, or lies outside what the actors above have.
    pub(crate) fn open(&self, folders: &Folders) -> Result<Dir, FolderError> {
        let opened = match self {
            Self::Own(id) => folders.own(*id),
            Self::Given { root, steps } => {
                let root = Dir::open_ambient_dir(root, ambient_authority());
                root.and_then(|root| steps.iter().try_fold(root, |folder, step| folder.open_dir(step)))
            }
        };
        opened.map_err(|source| FolderError { place: self.clone(), source })
    }
}

/// The folder of one life of an actor: opened when it is first used, and the same one from then on.
#[derive(Debug)]
pub(crate) struct Folder {
    folders: Arc<Folders>,
    place: Place,
    dir: OnceLock<Arc<Dir>>,
}

impl Folder {
    pub(crate) fn new(folders: Arc<Folders>, place: Place) -> Self {
        Self { folders, place, dir: OnceLock::new() }
    }

    /// The runtime's folders, which bound how much is done at a time.
    pub(crate) fn folders(&self) -> &Arc<Folders> {
        &self.folders
    }

    /// The open folder. Blocks.
    ///
    /// # Errors
    /// As [`Place::open`]; the next call tries again.
    pub(crate) fn dir(&self) -> Result<&Arc<Dir>, FolderError> {
        if let Some(dir) = self.dir.get() {
            return Ok(dir);
        }
        let dir = Arc::new(self.place.open(&self.folders)?);
        Ok(self.dir.get_or_init(|| dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(settings: &str) -> Manifest {
        let text = format!(
            "name = \"a\"\ncomponent = \"a.wasm\"\nhandlers = [{{ type = \"filesystem\", {settings} }}]"
        );
        Manifest::parse("a.toml", &text).unwrap()
    }

    fn place(own: &str, above: &[&str]) -> Option<String> {
        let above: Vec<_> = above.iter().map(|settings| manifest(settings)).collect();
        let place = Place::of(ActorId::from_parts(1, [1; 10]), &manifest(own), &above);
        place.map(|place| place.to_string())
    }

    #[test]
    fn the_topmost_folder_is_the_operators_and_each_below_is_a_step_from_the_one_above() {
        assert_eq!(place("path = \"/data\"", &[]).as_deref(), Some("the folder `/data`"));
        assert_eq!(
            place("path = \"/data/a/b\"", &["path = \"/data/a\"", "path = \"/data\""]).as_deref(),
            Some("the folder `/data`, and `a` in it, and `b` in it")
        );
        let same = place("path = \"/data/a\"", &["path = \"/data/./a/\"", "path = \"/data\""]);
        assert_eq!(same.as_deref(), Some("the folder `/data`, and `a` in it"));
        let given = place("path = \"/data/a\"", &["path = \"/data\", new_dir = true"]);
        assert_eq!(given.as_deref(), Some("the folder `/data`, and `a` in it"));
        assert_eq!(place("new_dir = true", &["path = \"/data\""]).as_deref(), Some("the actor's own folder"));
        assert_eq!(place("new_dir = false", &["path = \"/data\""]), None);
    }
}
