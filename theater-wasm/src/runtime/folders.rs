//! The folders of actors: found before anything is started, and removed when nobody can come back to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use theater_core::{ActorId, HandlerKind, LoadedManifest, ManifestError, ManifestErrorKind, ManifestRef};
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::entry::Entry;
use super::revive::{ReviveError, plan};
use crate::folder::{self, Place};

impl Inner {
    /// Checks that the folder is there that a manifest names, which is `given`.
    ///
    /// # Errors
    /// With the line of the handler, if it is not, or if the handler names none.
    pub(super) async fn check_folder(
        &self,
        loaded: &LoadedManifest,
        given: Option<Place>,
    ) -> Result<(), ManifestError> {
        let Some(grant) = folder::granted(&loaded.manifest) else { return Ok(()) };
        let problem = |kind| {
            let mut handlers = loaded.manifest.handlers.iter();
            let line = handlers.find(|handler| handler.kind == HandlerKind::Filesystem);
            let error = ManifestError::new(&*loaded.origin, kind);
            line.map_or_else(|| error.clone(), |handler| error.clone().at_line(handler.line))
        };
        let Some(place) = given else {
            if grant.new_dir {
                return Ok(());
            }
            return Err(problem(ManifestErrorKind::InvalidValue {
                key: "type".to_owned(),
                value: format!("{:?}", HandlerKind::Filesystem.name()),
                message:
                    "grants no folder; write `path` with one that is there, or `new_dir = true`, under it"
                        .to_owned(),
            }));
        };
        let folders = Arc::clone(&self.provider.folders);
        let limit = loaded.manifest.limits.host_deadline;
        let never = CancellationToken::new();
        let opening = self.provider.folders.blocking(&never, limit, move || place.open(&folders).map(drop));
        let message = match opening.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => format!("{error}; make it, or name another"),
            Err(error) => error.to_string(),
        };
        let value = format!("{:?}", grant.path.as_deref().unwrap_or_default());
        Err(problem(ManifestErrorKind::InvalidValue { key: "path".to_owned(), value, message }))
    }

    /// Removes the folder that the runtime made for an actor whose record goes.
    pub(super) fn forget_folder(&self, entry: &Entry) {
        if folder::granted(&entry.manifest).is_some_and(|grant| grant.new_dir) {
            self.provider.folders.remove(entry.id);
        }
    }

    /// Removes the folders of actors of earlier runs of this manifest that do not come back.
    pub(super) async fn sweep_folders(
        &self,
        manifest: &ManifestRef,
        coming: &HashSet<ActorId>,
    ) -> Result<(), ReviveError> {
        let folders = Arc::clone(&self.provider.folders);
        let owners = match tokio::task::spawn_blocking(move || folders.owners()).await {
            Ok(Ok(owners)) => owners,
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not look for folders that actors left");
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        let left: Vec<_> = owners.into_iter().filter(|owner| !coming.contains(owner)).collect();
        if left.is_empty() {
            return Ok(());
        }
        let family = Family { of: plan::parents(self).await? };
        for actor in left.into_iter().filter(|actor| family.root(*actor) == Some(manifest.as_str())) {
            self.provider.folders.remove(actor);
        }
        Ok(())
    }
}

/// Whose child each actor is, as the chains say.
struct Family {
    of: HashMap<ActorId, plan::Above>,
}

impl Family {
    /// The manifest of the root above an actor.
    fn root(&self, actor: ActorId) -> Option<&str> {
        let mut at = actor;
        // A chain that names itself above itself is nobody's.
        for _ in 0..=self.of.len() {
            match self.of.get(&at)? {
                plan::Above::Parent(parent) => at = *parent,
                plan::Above::Manifest(manifest) => return Some(manifest),
            }
        }
        None
    }
}
