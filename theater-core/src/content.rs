//! Names of stored contents. What a guest says becomes one of these before it touches anything.

use std::fmt;
use std::str::FromStr;

use crate::event::ContentDigest;
use crate::event::digest::{read_hex, write_hex};

/// A text that is not what it should name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// Not the id of a store.
    #[error("not a store id: an id is 32 lowercase hexadecimal digits")]
    Store,
    /// Not the hash of a content.
    #[error("not a content hash: a hash is 64 lowercase hexadecimal digits")]
    Hash,
    /// Not a label.
    #[error("not a label: a label has 1 to 255 bytes, no control characters, and no space at its ends")]
    Label,
}

/// Names one store: 128 bits that nobody can guess, so whoever knows it was given it.
///
/// # Examples
/// ```
/// use theater_core::content::StoreId;
///
/// let id = StoreId::from_random([7; 16]);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// assert!("../../etc".parse::<StoreId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId([u8; 16]);

impl StoreId {
    /// Makes an id of random bits.
    #[must_use]
    pub fn from_random(bits: [u8; 16]) -> Self {
        Self(bits)
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(write_hex(&self.0, &mut [0; 32]))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

impl FromStr for StoreId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        read_hex(text).map(Self).ok_or(InvalidName::Store)
    }
}

/// Reads the hash that names a content.
///
/// # Errors
/// If it is not 64 lowercase hexadecimal digits.
pub fn content_hash(text: &str) -> Result<ContentDigest, InvalidName> {
    text.parse().map_err(|_| InvalidName::Hash)
}

/// A name in a store that points at a content. It is text for people and programs, and never part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let sound =
            (1..=255).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control);
        if sound { Ok(Self(text.to_owned())) } else { Err(InvalidName::Label) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_spelling_of_a_hash_or_id_is_accepted() {
        let hash = ContentDigest([0xab; 32]);
        let text = hash.to_string();
        assert_eq!(content_hash(&text), Ok(hash));
        for other in [
            text.to_uppercase(),
            format!("{text}0"),
            format!("{text}/.."),
            text[1..].to_owned(),
            String::new(),
        ] {
            assert_eq!(content_hash(&other), Err(InvalidName::Hash), "{other}");
        }
        let id = StoreId::from_random([0x0f; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for other in [
            "../../../etc/passwd",
            "0f0f",
            "",
            "0F0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
            "é0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
        ] {
            assert_eq!(other.parse::<StoreId>(), Err(InvalidName::Store), "{other}");
        }
    }

    #[test]
    fn a_label_is_printable_and_short() {
        for good in ["latest", "a/b", "../x", "ä ö", &"x".repeat(255)] {
            assert_eq!(good.parse::<Label>().unwrap().as_str(), good);
        }
        for bad in ["", "a\nb", "a\0b", " a", "a ", "\u{7f}", &"x".repeat(256)] {
            assert_eq!(bad.parse::<Label>(), Err(InvalidName::Label), "{bad:?}");
        }
    }
}
