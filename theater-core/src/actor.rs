//! Who an actor is: its id, its lives, and what can be said about it without asking it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::exit::ExitReason;
use crate::name::ActorName;

/// Names one actor across all its lives.
///
/// A UUID, written lowercase and hyphenated. Nothing else is accepted: `urn:uuid:`, braces, uppercase and the
/// form without hyphens are refused, so that one actor has exactly one name.
///
/// # Examples
/// ```
/// use theater_core::ActorId;
///
/// let id = ActorId::from_parts(1_764_000_000_000, [7; 10]);
/// assert_eq!(id.to_string().parse::<ActorId>(), Ok(id));
/// assert!(id.to_string().to_uppercase().parse::<ActorId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct ActorId(Uuid);

impl ActorId {
    /// Makes a version 7 id from a time in milliseconds since the Unix epoch and 80 random bits.
    ///
    /// Clock and randomness are the caller's, so that tests and replays can give the ids that they need.
    #[must_use]
    pub fn from_parts(unix_millis: u64, random: [u8; 10]) -> Self {
        Self(Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid())
    }

    /// The sixteen bytes of the id, in network order.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl Serialize for ActorId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorId({self})")
    }
}

/// A text that is not an actor id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an actor id: an id is a lowercase hyphenated UUID")]
#[non_exhaustive]
pub struct InvalidActorId;

impl FromStr for ActorId {
    type Err = InvalidActorId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = Uuid::try_parse(text).map_err(|_| InvalidActorId)?;
        let mut buffer = Uuid::encode_buffer();
        // The parser accepts several spellings; only the one that `Display` writes is ours.
        if id.as_hyphenated().encode_lower(&mut buffer) != text || id.is_nil() {
            return Err(InvalidActorId);
        }
        Ok(Self(id))
    }
}

impl TryFrom<String> for ActorId {
    type Error = InvalidActorId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ActorId> for String {
    fn from(id: ActorId) -> Self {
        id.to_string()
    }
}

/// One life of an actor: 1 for the first, one more after each restart. It never decreases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The first life.
    pub const FIRST: Self = Self(1);

    /// The life after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an actor is in its current life.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActorStatus {
    /// Its component is being prepared or its `init` has not ended yet.
    Starting,
    /// It handles messages.
    Running,
    /// It was asked to end and has not ended yet.
    Stopping,
    /// This life has ended. State, chain and cause stay readable until the parent reaps the actor.
    Ended(ExitReason),
}

impl ActorStatus {
    /// Whether this life has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended(_))
    }
}

/// What is known about an actor at one moment. Taking it never waits for the actor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActorInfo {
    /// The actor.
    pub id: ActorId,
    /// Its parent; `None` for an actor that the embedding program started.
    pub parent: Option<ActorId>,
    /// The name in its manifest. Not unique.
    pub name: String,
    /// The name that it registers, and can be addressed by while it has not ended for good.
    pub registered: Option<ActorName>,
    /// Its current or last life.
    pub incarnation: Incarnation,
    /// Where it is in that life.
    pub status: ActorStatus,
    /// How its parent's supervisor treats it.
    pub child_spec: crate::manifest::ChildSpec,
}

impl ActorInfo {
    /// Describes an actor.
    #[must_use]
    pub fn new(id: ActorId, parent: Option<ActorId>, name: impl Into<String>, status: ActorStatus) -> Self {
        Self {
            id,
            parent,
            name: name.into(),
            registered: None,
            incarnation: Incarnation::FIRST,
            status,
            child_spec: crate::manifest::ChildSpec::default(),
        }
    }

    /// The same, in another life.
    #[must_use]
    pub fn with_incarnation(mut self, incarnation: Incarnation) -> Self {
        self.incarnation = incarnation;
        self
    }

    /// The same, under a name that it registers.
    #[must_use]
    pub fn with_registered(mut self, name: Option<ActorName>) -> Self {
        self.registered = name;
        self
    }

    /// The same, under another child spec.
    #[must_use]
    pub fn with_child_spec(mut self, child_spec: crate::manifest::ChildSpec) -> Self {
        self.child_spec = child_spec;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_of_an_id_is_accepted() {
        let id = ActorId::from_parts(1_764_000_000_123, [0xab; 10]);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            format!(" {text}"),
            String::new(),
            "00000000-0000-0000-0000-000000000000".to_owned(),
            "../../etc/passwd".to_owned(),
        ] {
            assert_eq!(other.parse::<ActorId>(), Err(InvalidActorId), "{other:?}");
        }
    }

    #[test]
    fn ids_made_later_sort_later() {
        assert!(ActorId::from_parts(1, [0xff; 10]) < ActorId::from_parts(2, [0; 10]));
    }
}
