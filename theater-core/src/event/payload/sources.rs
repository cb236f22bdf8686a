//! What an actor was made of, by content.

use serde::{Deserialize, Serialize};

use crate::event::ContentDigest;

/// The BLAKE3 digests of what an actor was made of, as it was loaded: with them and the contents anybody can tell what ran,
/// whatever the references say today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// Of the text that the manifest stands in, whole.
    pub manifest: ContentDigest,
    /// Of the component; `None` for a pure supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<ContentDigest>,
    /// Of the initial state that the manifest gives, before anything of the parent's was merged into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_state: Option<ContentDigest>,
    /// Of the snapshot that restarts may start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<ContentDigest>,
}
