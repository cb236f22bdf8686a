//! Checking a tree without starting it.

use std::sync::Arc;

use theater_core::event::payload::Sources;
use theater_core::{ActorError, ChildSpec, LoadedManifest, Manifest, ManifestRef, StartFrom};

use super::{Inner, WasmRuntime, spawn};
use crate::folder::Place;

/// One actor of a tree that was checked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedActor {
    /// The ids on the way to it, from the root's children on; empty for the root.
    pub path: Vec<Arc<str>>,
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// How its supervisor will treat it; `None` for the root.
    pub child_spec: Option<ChildSpec>,
    /// The digests of what it is made of; `None` where something of that could not be had.
    pub sources: Option<Sources>,
    /// Why it could not be started.
    pub problem: Option<ActorError>,
}

impl WasmRuntime {
    /// Checks what a manifest declares, down to the last component, without starting anything: manifests, the rules
    /// about them, handlers and the folders that they name, components with their imports and exports, initial states and
    /// snapshots.
    ///
    /// Every actor of the declared tree is checked, parents before children, also if others could not be started.
    ///
    /// # Errors
    /// If the tree itself is not known, because a manifest of it cannot be found, read or understood.
    pub async fn check(&self, manifest: impl Into<ManifestRef>) -> Result<Vec<CheckedActor>, ActorError> {
        let manifest = manifest.into();
        let loaded = theater_core::load(&*self.inner.source, &manifest).await?;
        let mut checked = Vec::new();
        let mut waiting = vec![(Vec::new(), None, loaded, Vec::new())];
        while let Some((path, child_spec, loaded, above)) = waiting.pop() {
            let family = [&[Arc::clone(&loaded.manifest)], &above[..]].concat();
            // The stack gives the last back first.
            for child in loaded.children.iter().rev() {
                let path = [&path[..], &[Arc::clone(&child.id)]].concat();
                waiting.push((path, Some(child.child_spec), child.manifest.clone(), family.clone()));
            }
            let manifest = Arc::clone(&loaded.manifest);
            let (sources, problem) = self.inner.check_one(loaded, &above).await;
            checked.push(CheckedActor { path, manifest, child_spec, sources, problem });
        }
        Ok(checked)
    }
}

impl Inner {
    /// `above` are the manifests above it, the nearest first.
    async fn check_one(
        &self,
        loaded: LoadedManifest,
        above: &[Arc<Manifest>],
    ) -> (Option<Sources>, Option<ActorError>) {
        match self.resolve(loaded).await {
            Ok(resolved) => {
                let folder = Place::given(resolved.manifest(), above.iter().map(|manifest| &**manifest));
                let problem = self.check_folder(&resolved.loaded, folder).await.err().map(ActorError::from);
                let problem = problem.or_else(|| spawn::first_start(&resolved, StartFrom::Init(None)).err());
                (Some(resolved.sources), problem)
            }
            Err(problem) => (None, Some(problem)),
        }
    }
}
