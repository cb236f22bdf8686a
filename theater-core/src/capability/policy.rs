//! What an actor keeps from its children of what it has itself.

use super::{Capabilities, Grant};
use crate::manifest::HandlerKind;

/// `[permission_policy]` of a manifest: by default an actor's children may have all that it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PermissionPolicy {
    /// One per kind of handler at most.
    pub(crate) rules: Vec<(HandlerKind, PermissionRule)>,
}

/// What children may have of one handler.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PermissionRule {
    /// Nothing.
    Disallow,
    /// This at most, which is no more than the actor has itself.
    Restrict(Grant),
}

impl PermissionPolicy {
    /// The rule for a handler; `None`: children may have what the actor has.
    #[must_use]
    pub fn get(&self, kind: HandlerKind) -> Option<&PermissionRule> {
        self.rules.iter().find(|(other, _)| *other == kind).map(|(_, rule)| rule)
    }

    /// What is left of an actor's capabilities for its children.
    #[must_use]
    pub fn apply(&self, capabilities: &Capabilities) -> Capabilities {
        Capabilities::new(capabilities.iter().filter_map(|grant| match self.get(grant.kind()) {
            None => Some(grant.clone()),
            Some(PermissionRule::Disallow) => None,
            Some(PermissionRule::Restrict(less)) => Some(less.clone()),
        }))
    }
}
