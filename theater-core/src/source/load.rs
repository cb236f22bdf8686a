//! From one manifest to the whole tree that it declares.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;

use super::checked::check_text;
use super::{LoadedChild, LoadedManifest, ManifestRef, ManifestSource, Reference, find};
use crate::capability::Bound;
use crate::manifest::{
    AutoShutdown, ChildEntry, ChildSource, ChildSpec, MAX_DECLARED, MAX_DEPTH, Manifest, ManifestError,
    ManifestErrorKind, RestartPolicy, SupervisionRule,
};
use crate::name::ActorName;
use crate::runtime::RestartFrom;

/// Loads a manifest and, below it, those of all children that it declares, so that everything that is wrong with the
/// tree is known before anything of it is started.
///
/// A reference that carries its manifest is not looked up. A manifest that several children name is read once.
///
/// # Errors
/// Those of the source. What is wrong with a declared child names the file and the line that declare it; of one that asks for
/// more than its parent has, the line where it does.
///
/// # Examples
/// ```
/// use theater_core::{MapSource, RestartPolicy, load};
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let app = "name = \"app\"\n[[children]]\nid = \"worker\"\nmanifest = \"worker.toml\"";
/// let worker = "name = \"worker\"\ncomponent = \"worker.wasm\"";
/// let source = MapSource::new().with("app.toml", app).with("worker.toml", worker);
/// let app = load(&source, &"app.toml".into()).await?;
/// assert_eq!(&*app.children[0].id, "worker");
/// assert_eq!(app.children[0].child_spec.restart, RestartPolicy::Permanent);
/// # Ok::<(), theater_core::ManifestError>(())
/// # }).unwrap().unwrap();
/// ```
pub async fn load(
    source: &dyn ManifestSource,
    reference: &ManifestRef,
) -> Result<LoadedManifest, ManifestError> {
    let loaded = find(source, reference).await?;
    if loaded.children.len() == loaded.manifest.children.len() {
        return Ok(loaded);
    }
    let path = vec![Arc::clone(&loaded.origin)];
    let names = loaded.manifest.register.iter().cloned().collect();
    let mut loader = Loader { source, seen: HashMap::new(), path, declared: 0, names };
    let loaded = loader.children(loaded, 0).await?;
    // Whatever may bound the first of them: those below it have no more than those above.
    Bound::NONE.admit(&loaded.manifest).map_or(Ok(()), |bound| bound.check_declared(&loaded))?;
    Ok(loaded)
}

struct Loader<'a> {
    source: &'a dyn ManifestSource,
    /// The manifests that were read, without their children: those depend on nothing else, but cycles do.
    seen: HashMap<String, LoadedManifest>,
    /// The files that declare each other, down to the one that is being loaded.
    path: Vec<Arc<str>>,
    /// Children so far.
    declared: usize,
    /// The names that they register.
    names: HashSet<ActorName>,
}

type Loading<'a> = Pin<Box<dyn Future<Output = Result<LoadedManifest, ManifestError>> + Send + 'a>>;

impl Loader<'_> {
    /// Loads the children of a manifest. Boxed because it calls itself once per level.
    fn children(&mut self, mut loaded: LoadedManifest, depth: usize) -> Loading<'_> {
        Box::pin(async move {
            let manifest = Arc::clone(&loaded.manifest);
            let mut children = Vec::with_capacity(manifest.children.len());
            for entry in &manifest.children {
                let at = |error: ManifestError| in_entry(&loaded.origin, entry, error);
                self.declared += 1;
                if self.declared > MAX_DECLARED {
                    let rule = SupervisionRule::TooMany { limit: MAX_DECLARED };
                    return Err(broken(&loaded.origin, entry, rule));
                }
                if depth + 1 >= MAX_DEPTH {
                    return Err(broken(&loaded.origin, entry, SupervisionRule::TooDeep { limit: MAX_DEPTH }));
                }
                let child = match &entry.source {
                    ChildSource::Reference(reference) => {
                        let child = self.reference(&loaded, reference).await.map_err(at)?;
                        let origin = Arc::clone(&child.origin);
                        if self.path.contains(&origin) {
                            let path = cycle(&self.path, &origin);
                            return Err(broken(&loaded.origin, entry, SupervisionRule::Cycle { path }));
                        }
                        self.path.push(origin);
                        let child = self.children(child, depth + 1).await;
                        self.path.pop();
                        child.map_err(at)?
                    }
                    // Errors below name a line of the same file, which says enough.
                    ChildSource::Inline(inline) => {
                        self.children(embedded(&loaded, entry, inline), depth + 1).await?
                    }
                };
                if let Some(name) = &child.manifest.register
                    && !self.names.insert(name.clone())
                {
                    let rule = SupervisionRule::DuplicateName { name: name.clone() };
                    return Err(broken(&loaded.origin, entry, rule));
                }
                let child_spec = child_spec(entry, &child.manifest, &manifest)
                    .map_err(|rule| broken(&loaded.origin, entry, rule))?;
                children.push(LoadedChild { id: Arc::clone(&entry.id), child_spec, manifest: child });
            }
            loaded.children = children.into();
            Ok(loaded)
        })
    }

    async fn reference(
        &mut self,
        from: &LoadedManifest,
        reference: &Reference,
    ) -> Result<LoadedManifest, ManifestError> {
        let mut related = self.source.relative(from, reference.location())?;
        related.pinned = reference.digest();
        let loaded = match self.seen.get(related.as_str()) {
            Some(seen) => seen.clone(),
            None => {
                let loaded = self.source.manifest(&related).await?;
                self.seen.insert(related.as_str().to_owned(), loaded.clone());
                loaded
            }
        };
        check_text(reference, &loaded)?;
        Ok(loaded)
    }
}

/// The manifest that stands in an entry. Relative references in it start where those of the file do. Its text is the
/// file's: so its digest changes whenever the file does.
fn embedded(file: &LoadedManifest, entry: &ChildEntry, inline: &Arc<Manifest>) -> LoadedManifest {
    LoadedManifest {
        manifest: Arc::clone(inline),
        text: Arc::clone(&file.text),
        origin: Arc::clone(&file.origin),
        within: Some(match &file.within {
            Some(within) => format!("{within}/{}", entry.id).into(),
            None => Arc::clone(&entry.id),
        }),
        children: Arc::default(),
        scheme: file.scheme.clone(),
    }
}

/// How a declared child is treated: what its entry says, else its own manifest, else OTP's defaults.
fn child_spec(
    entry: &ChildEntry,
    child: &Manifest,
    supervisor: &Manifest,
) -> Result<ChildSpec, SupervisionRule> {
    let keys = entry.child_spec.or(child.child_spec);
    let spec = keys.resolve(RestartPolicy::Permanent, child.child_type());
    if spec.significant && spec.restart == RestartPolicy::Permanent {
        return Err(SupervisionRule::SignificantPermanent);
    }
    if spec.significant && supervisor.supervision.auto_shutdown == AutoShutdown::Never {
        return Err(SupervisionRule::SignificantNever);
    }
    if spec.restart_from == RestartFrom::Snapshot && child.snapshot.is_none() {
        return Err(SupervisionRule::NoSnapshot);
    }
    Ok(spec)
}

fn broken(origin: &str, entry: &ChildEntry, rule: SupervisionRule) -> ManifestError {
    ManifestError::new(origin, rule.into()).at_line(entry.line)
}

/// An error with the place that led to it.
fn in_entry(origin: &str, entry: &ChildEntry, error: ManifestError) -> ManifestError {
    let id = entry.id.to_string();
    let kind = ManifestErrorKind::Child { id, error: Box::new(error) };
    ManifestError::new(origin, kind).at_line(entry.line)
}

/// The files of a cycle, from one to itself.
fn cycle(path: &[Arc<str>], origin: &Arc<str>) -> String {
    let files = path.iter().skip_while(|file| *file != origin).chain([origin]);
    files.map(|file| &**file).collect::<Vec<_>>().join(" -> ")
}
