//! What an actor may use beyond itself: the grants in its manifest, and the rule that a child has at most what its parent
//! has.
//!
//! Everything here is a function of manifests. A runtime keeps a [`Bound`] per actor, and asks it before it starts a
//! child: [`Bound::admit`].

mod bound;
mod excess;
mod grant;
mod policy;
mod read;
mod within;

pub use bound::{Bound, Refused};
pub use excess::{Excess, ExcessKind};
pub use grant::{
    EnvironmentGrant, FilesystemGrant, Grant, HttpClientGrant, ProcessGrant, RandomGrant, TimingGrant,
    WasiGrant,
};
pub use policy::{PermissionPolicy, PermissionRule};
pub(crate) use read::grant;
pub(crate) use within::grant as check_grant;
pub use within::way_down;

use crate::manifest::{HandlerKind, Manifest};

/// All that one actor is granted, by kind of handler.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// One per kind at most.
    grants: Vec<Grant>,
}

impl Capabilities {
    /// Those of these grants. Of several of one kind the first counts.
    #[must_use]
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        let mut capabilities = Self::default();
        for grant in grants {
            if capabilities.get(grant.kind()).is_none() {
                capabilities.grants.push(grant);
            }
        }
        capabilities
    }

    /// Those that a manifest asks for.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self { grants: manifest.handlers.iter().map(|handler| handler.grant.clone()).collect() }
    }

    /// The grant of this kind.
    #[must_use]
    pub fn get(&self, kind: HandlerKind) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.kind() == kind)
    }

    /// All grants.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter()
    }

    /// Whether whoever has these has nothing that `parent` has not. What everybody has, [`HandlerKind::Runtime`], does not
    /// count.
    ///
    /// # Errors
    /// The first thing that is too much, and by how much.
    ///
    /// # Examples
    /// ```
    /// use theater_core::Manifest;
    /// use theater_core::capability::Capabilities;
    ///
    /// let with = |sleep: u32| {
    ///     let handlers = format!("handlers = [{{ type = \"timing\", max_sleep_duration = {sleep} }}]");
    ///     let manifest = Manifest::parse("a.toml", &format!("name = \"a\"\ncomponent = \"a.wasm\"\n{handlers}"));
    ///     Capabilities::of(&manifest.unwrap())
    /// };
    /// assert!(with(1_000).check_within(&with(1_000)).is_ok());
    /// let excess = with(3_600_000).check_within(&with(1_000)).unwrap_err();
    /// assert_eq!(excess.to_string(), "timing.max_sleep_duration 3600000 is more than the parent's 1000");
    /// ```
    pub fn check_within(&self, parent: &Self) -> Result<(), Excess> {
        for grant in &self.grants {
            let kind = grant.kind();
            let excess = |kind_of| Excess { handler: kind, kind: kind_of, by_policy: false };
            match parent.get(kind) {
                _ if kind == HandlerKind::Runtime => {}
                None => return Err(excess(ExcessKind::Missing)),
                Some(parent) => within::grant(grant, parent).map_err(excess)?,
            }
        }
        Ok(())
    }
}
