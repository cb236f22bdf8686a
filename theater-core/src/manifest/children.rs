//! Children that a manifest declares.

use std::sync::Arc;

use super::{ChildSpecKeys, Manifest};
use crate::source::Reference;

/// One entry of `[[children]]`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChildEntry {
    /// Names the child among its siblings, for people and for the supervisor's calls.
    pub id: Arc<str>,
    /// How it is treated, as far as the entry says. What it does not say is taken from the child's own manifest, then
    /// from OTP's defaults: permanent, 5 s for a worker, infinity for a supervisor.
    pub child_spec: ChildSpecKeys,
    /// What it is.
    pub source: ChildSource,
    /// The line of the manifest, for later errors.
    pub line: u32,
}

/// What a declared child is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChildSource {
    /// A manifest of its own, relative to the one that declares it.
    Reference(Reference),
    /// A manifest that stands in the entry: a component, or a pure supervisor with children of its own.
    Inline(Arc<Manifest>),
}
