//! References: where something is, and what it must be.

use std::fmt;

use crate::event::ContentDigest;

/// What stands between a location and its digest.
const MARK: &str = "#blake3=";

/// Names of other digests. A fragment that begins with one was meant as a digest, and must not be taken for a part of a
/// file's name.
const MEANT: [&str; 8] = ["blake3", "b3", "sha1", "sha256", "sha384", "sha512", "md5", "blake2b"];

/// A reference as manifests, users and guests write it: a location, and after it, if what is there must not change,
/// `#blake3=` with the digest that its content must have.
///
/// It is one text, and not a table with two keys, because guests pass references as strings, and the digest has to stay with
/// its location wherever that goes: into records, into errors, to a child.
///
/// # Examples
/// ```
/// use theater_core::source::{ContentDigest, Reference};
///
/// let digest = ContentDigest::of(b"what is there");
/// let reference = Reference::parse(&format!("parts/a.wasm#blake3={digest}"))?;
/// assert_eq!(reference.location(), "parts/a.wasm");
/// assert_eq!(reference.digest(), Some(digest));
///
/// assert!(Reference::parse("a.wasm#blake3=short").is_err());
/// assert_eq!(Reference::parse("a.wasm")?.digest(), None);
/// # Ok::<(), theater_core::source::InvalidReference>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    location: String,
    digest: Option<ContentDigest>,
}

impl Reference {
    /// Takes a reference apart.
    ///
    /// # Errors
    /// If it ends in something that was meant as a digest and is none.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let Some((location, fragment)) = text.rsplit_once('#') else {
            return Ok(Self { location: text.to_owned(), digest: None });
        };
        if !meant_as_digest(fragment) {
            return Ok(Self { location: text.to_owned(), digest: None });
        }
        let digits = fragment.strip_prefix(&MARK[1..]);
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(digest) => Ok(Self { location: location.to_owned(), digest: Some(digest) }),
            None => Err(InvalidReference { found: crate::error::printable(fragment) }),
        }
    }

    /// Where it is: what a [`ManifestSource`](crate::ManifestSource) is asked for.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The digest that its content must have.
    #[must_use]
    pub fn digest(&self) -> Option<ContentDigest> {
        self.digest
    }

    /// The same location, with this digest.
    #[must_use]
    pub fn pinned(mut self, digest: ContentDigest) -> Self {
        self.digest = Some(digest);
        self
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.location)?;
        self.digest.map_or(Ok(()), |digest| write!(f, "{MARK}{digest}"))
    }
}

impl std::str::FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A text as a TOML string, on one line: for lines that people are to paste.
///
/// # Examples
/// ```
/// assert_eq!(theater_core::source::toml_string("a \"b\"\n"), r#""a \"b\"\u000A""#);
/// ```
#[must_use]
pub fn toml_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for part in text.chars() {
        match part {
            '"' | '\\' => quoted.extend(['\\', part]),
            part if part.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(part))),
            part => quoted.push(part),
        }
    }
    quoted.push('"');
    quoted
}

fn meant_as_digest(fragment: &str) -> bool {
    let name = fragment.split(['=', ':', '-']).next().unwrap_or_default();
    MEANT.iter().any(|meant| name.eq_ignore_ascii_case(meant))
}

/// A reference that ends in something that was meant as a digest and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`#{found}` is no digest; a digest is written `#blake3=` and 64 lowercase hexadecimal digits")]
#[non_exhaustive]
pub struct InvalidReference {
    /// What stands after the `#`, cut to a printable length.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_without_a_digest_is_a_location_whatever_characters_it_has() {
        for text in ["", "a", "a#b.toml", "#", "a#", "https://h/a?b=c", "x#blake", "x#bravo=1"] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!((reference.location(), reference.digest()), (text, None));
        }
    }

    #[test]
    fn what_was_meant_as_a_digest_and_is_none_is_refused_and_not_taken_for_a_name() {
        let digits = "5a".repeat(32);
        for fragment in [
            "blake3".to_owned(),
            "blake3=".to_owned(),
            "blake3=5a".to_owned(),
            format!("blake3={digits}0"),
            format!("blake3={}", digits.to_uppercase()),
            format!("BLAKE3={digits}"),
            format!("blake3:{digits}"),
            format!("blake3-{digits}"),
            format!("b3={digits}"),
            format!("sha256={digits}"),
            format!("blake3={digits} "),
        ] {
            let error = Reference::parse(&format!("a.wasm#{fragment}")).unwrap_err();
            assert!(error.to_string().contains("64 lowercase hexadecimal digits"), "{error}");
        }
    }

    #[test]
    fn only_the_last_digest_is_one() {
        let digits = "5a".repeat(32);
        let reference = Reference::parse(&format!("a#blake3={digits}#blake3={digits}")).unwrap();
        assert_eq!(reference.location(), format!("a#blake3={digits}"));
    }

    proptest! {
        #[test]
        fn a_reference_reads_back_as_it_prints(location in "[^#\n]{0,40}", digest in proptest::option::of(any::<[u8; 32]>())) {
            let mut reference = Reference::parse(&location).unwrap();
            if let Some(digest) = digest {
                reference = reference.pinned(ContentDigest(digest));
            }
            prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference);
        }

        #[test]
        fn a_toml_string_reads_back(text in any::<String>()) {
            let line = format!("key = {}", toml_string(&text));
            prop_assert_eq!(line.lines().count(), 1);
            let table: toml::Table = line.parse().unwrap();
            prop_assert_eq!(table["key"].as_str(), Some(&*text));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            if let Ok(reference) = Reference::parse(&text) {
                prop_assert_eq!(reference.to_string(), text);
            }
        }
    }
}
