//! What a manifest says, without where it says it.

use theater_core::manifest::{ChildEntry, ChildSource};
use theater_core::source::Reference;
use theater_core::{ChildSpecKeys, HandlerKind, Limits, Manifest, SupervisionSpec};

/// What a [`Manifest`] says: the same without lines and without the settings of handlers, so that it can be compared with
/// what was written.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "the fields are those of a manifest")]
pub struct Meaning {
    pub name: String,
    pub version: Option<String>,
    pub component: Option<String>,
    pub description: Option<String>,
    pub long_description: Option<String>,
    pub save_chain: Option<bool>,
    pub init_state: Option<String>,
    pub initial_state: Option<String>,
    pub snapshot: Option<String>,
    pub handlers: Vec<HandlerKind>,
    pub limits: Limits,
    pub child_spec: ChildSpecKeys,
    pub supervision: SupervisionSpec,
    /// The declared children: each with its id, how it is treated as far as the entry says, and what it is.
    pub children: Vec<(String, ChildSpecKeys, ChildMeaning)>,
}

/// What a declared child is.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildMeaning {
    /// A manifest of its own.
    Reference(String),
    /// What stands in the entry.
    Inline(Box<Meaning>),
}

impl Meaning {
    /// What a manifest says.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let child = |entry: &ChildEntry| {
            let source = match &entry.source {
                ChildSource::Inline(manifest) => ChildMeaning::Inline(Box::new(Self::of(manifest))),
                ChildSource::Reference(path) => ChildMeaning::Reference(path.to_string()),
                other => unreachable!("no manifest of this version says {other:?}"),
            };
            (entry.id.to_string(), entry.child_spec, source)
        };
        let text = |reference: Option<&Reference>| reference.map(ToString::to_string);
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            component: text(manifest.component.as_ref()),
            description: manifest.description.clone(),
            long_description: manifest.long_description.clone(),
            save_chain: manifest.save_chain,
            init_state: text(manifest.init_state.as_ref()),
            initial_state: manifest.initial_state.clone(),
            snapshot: text(manifest.snapshot.as_ref()),
            handlers: manifest.handlers.iter().map(|handler| handler.kind).collect(),
            limits: manifest.limits,
            child_spec: manifest.child_spec,
            supervision: manifest.supervision,
            children: manifest.children.iter().map(child).collect(),
        }
    }
}
