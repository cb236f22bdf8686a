//! Names that actors register, to be addressed by.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that an actor is registered under, wherever an actor can be addressed: unique in its runtime, unlike the name in a manifest.
///
/// 1 to 63 lowercase letters, digits, dots, underscores and hyphens, the first a letter or digit. What can be read as a UUID in any
/// spelling is refused, so that a name is never an id.
///
/// # Examples
/// ```
/// use theater_core::ActorName;
///
/// let name: ActorName = "order-desk.eu_1".parse()?;
/// assert_eq!(name.as_str(), "order-desk.eu_1");
/// assert!("Order Desk".parse::<ActorName>().is_err());
/// assert!("019ac2f5-0b00-7007-8707-070707070707".parse::<ActorName>().is_err());
/// # Ok::<(), theater_core::InvalidActorName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActorName(Arc<str>);

/// How long a name may be.
const MAX: usize = 63;

impl ActorName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is not a name which an actor can register.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a name to register: it must be 1 to 63 of a-z, 0-9, `.`, `_` and `-`, begin with a letter or digit, and not be a UUID"
)]
#[non_exhaustive]
pub struct InvalidActorName;

impl FromStr for ActorName {
    type Err = InvalidActorName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let first = text.bytes().next().is_some_and(plain);
        let all = text.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'));
        if !first || !all || text.len() > MAX || uuid::Uuid::try_parse(text).is_ok() {
            return Err(InvalidActorName);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ActorName {
    type Error = InvalidActorName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ActorName> for String {
    fn from(name: ActorName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Borrow<str> for ActorName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ActorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ActorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorName({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_never_an_id_in_any_spelling() {
        let longest = "x".repeat(63);
        for good in ["a", "7", "order-desk", "a.b_c-d", "0-0", &longest] {
            assert_eq!(good.parse::<ActorName>().map(String::from).as_deref(), Ok(good));
        }
        let id = crate::ActorId::from_parts(1_764_000_000_123, [0xab; 10]).to_string();
        let too_long = "x".repeat(64);
        for bad in ["", "A", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", &too_long, &id, &id.replace('-', "")]
        {
            assert_eq!(bad.parse::<ActorName>(), Err(InvalidActorName), "{bad:?}");
        }
    }
}
