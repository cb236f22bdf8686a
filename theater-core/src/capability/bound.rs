//! What bounds an actor's children.

use std::sync::Arc;

use super::excess::Excess;
use super::{Capabilities, HandlerKind, PermissionPolicy};
use crate::error::ActorError;
use crate::manifest::{Manifest, ManifestError, ManifestErrorKind};
use crate::source::LoadedManifest;

/// What the children of an actor may have at most. Cheap to clone.
///
/// An actor with a component bounds its children by what it has itself, without what its [`PermissionPolicy`] keeps from them. A pure supervisor uses nothing, so it passes on what
/// bounds itself. The embedding program has no bound: [`Bound::NONE`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bound(Option<Arc<Holder>>);

/// Whose capabilities are the bound.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    name: String,
    capabilities: Capabilities,
    /// What it keeps from its children; already taken off.
    policy: PermissionPolicy,
}

/// An actor that asks for more than its parent has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{actor}` asks for more than `{parent}` has: {excess}; {}", excess.remedy(parent))]
#[non_exhaustive]
pub struct Refused {
    /// The name of the actor.
    pub actor: String,
    /// The name of the one that bounds it: its parent, or the nearest above with a component.
    pub parent: String,
    /// What is too much.
    #[source]
    pub excess: Excess,
}

impl Bound {
    /// No bound: the embedding program's.
    pub const NONE: Self = Self(None);

    /// Checks what an actor asks for, and returns what bounds its own children then. The one function that a runtime has to
    /// call before it starts an actor: the bound is that of the parent.
    ///
    /// # Errors
    /// The first thing that is too much.
    ///
    /// # Examples
    /// ```
    /// use theater_core::Manifest;
    /// use theater_core::capability::Bound;
    ///
    /// let manifest = |name: &str, handlers: &str| {
    ///     Manifest::parse("a.toml", &format!("name = \"{name}\"\ncomponent = \"a.wasm\"\nhandlers = [{handlers}]"))
    /// };
    /// let desk = Bound::NONE.admit(&manifest("desk", "{ type = \"store\" }")?)?;
    /// let order = desk.admit(&manifest("order", "{ type = \"store\" }")?)?;
    /// let refused = order.admit(&manifest("child", "{ type = \"random\" }")?).unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "`child` asks for more than `order` has: handler `random` is not the parent's to give; \
    ///      add `[[handlers]]` with `type = \"random\"` to the manifest of `order`",
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn admit(&self, manifest: &Manifest) -> Result<Self, Box<Refused>> {
        let capabilities = Capabilities::of(manifest);
        self.admit_grants(&manifest.name, &capabilities)?;
        Ok(match &manifest.component {
            Some(_) => {
                let policy = manifest.permission_policy.clone();
                let capabilities = policy.apply(&capabilities);
                Self(Some(Arc::new(Holder { name: manifest.name.clone(), capabilities, policy })))
            }
            None => self.clone(),
        })
    }

    /// What an actor with a component and these capabilities bounds its children by.
    #[must_use]
    pub fn of(name: &str, capabilities: Capabilities) -> Self {
        Self(Some(Arc::new(Holder {
            name: name.to_owned(),
            capabilities,
            policy: PermissionPolicy::default(),
        })))
    }

    /// The check of [`admit`](Self::admit) alone, for runtimes whose actors have no manifests.
    ///
    /// # Errors
    /// The first thing that is too much.
    pub fn admit_grants(&self, name: &str, capabilities: &Capabilities) -> Result<(), Box<Refused>> {
        let Some(holder) = &self.0 else { return Ok(()) };
        capabilities.check_within(&holder.capabilities).map_err(|mut excess| {
            excess.by_policy = holder.policy.get(excess.handler).is_some();
            Box::new(Refused { actor: name.to_owned(), parent: holder.name.clone(), excess })
        })
    }

    /// Checks a manifest and the tree that it declares, and returns what bounds the children of the first.
    ///
    /// # Errors
    /// [`ActorError::NotGranted`] for the first; what is wrong with one below it names the file and the line:
    /// [`ActorError::Manifest`].
    pub fn admit_tree(&self, loaded: &LoadedManifest) -> Result<Self, ActorError> {
        let bound = self.admit(&loaded.manifest)?;
        bound.check_declared(loaded)?;
        Ok(bound)
    }

    /// Checks the tree below a manifest, whose children this bounds.
    ///
    /// # Errors
    /// The first actor that asks for more than its parent has.
    pub(crate) fn check_declared(&self, loaded: &LoadedManifest) -> Result<(), ManifestError> {
        // Depth first without recursion: as deep as manifests may be nested, and in their order.
        let below = |bound: &Self, loaded: &LoadedManifest| {
            let children = loaded.children.iter().rev();
            children.map(|child| (bound.clone(), child.manifest.clone())).collect::<Vec<_>>()
        };
        let mut waiting = below(self, loaded);
        while let Some((bound, child)) = waiting.pop() {
            let bound = bound.admit(&child.manifest).map_err(|refused| {
                let line = line(&child.manifest, refused.excess.handler);
                ManifestError::new(&*child.origin, ManifestErrorKind::NotGranted(refused)).at_line(line)
            })?;
            waiting.extend(below(&bound, &child));
        }
        Ok(())
    }
}

/// Where a manifest asks for a handler.
fn line(manifest: &Manifest, kind: HandlerKind) -> u32 {
    manifest.handlers.iter().find(|handler| handler.kind == kind).map_or(1, |handler| handler.line)
}
