//! 32-byte digests, one type per use so that none can be taken for another.

use std::fmt;
use std::str::FromStr;

/// A text that is not 64 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: a digest is 64 lowercase hexadecimal digits")]
#[non_exhaustive]
pub struct InvalidDigest;

/// Reads exactly this many bytes from lowercase hexadecimal digits.
pub(crate) fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// Writes bytes as lowercase hexadecimal digits into a text that has two places for each. Digests stand in most records of a start, so a
/// start is not to format them byte by byte.
pub(crate) fn write_hex<'a>(bytes: &[u8], text: &'a mut [u8]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
    }
    std::str::from_utf8(text).expect("hexadecimal digits are ASCII")
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(write_hex(&self.0, &mut [0; 64]))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(write_hex(&self.0, &mut [0; 64]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidDigest;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                read_hex(text).map(Self).ok_or(InvalidDigest)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidDigest;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                write_hex(&digest.0, &mut [0; 64]).to_owned()
            }
        }
    };
}

digest! {
    /// Names a chain: derived from its genesis payload.
    ChainId
}
digest! {
    /// The hash of one event's header, and so of everything before it.
    EventHash
}
digest! {
    /// The BLAKE3 hash of a payload, as `b3sum` prints it.
    PayloadHash
}

digest! {
    /// The BLAKE3 hash of a manifest, a component or a state, as `b3sum` prints it.
    ContentDigest
}

impl ContentDigest {
    /// The digest of `content`.
    ///
    /// # Examples
    /// ```
    /// let digest = theater_core::source::ContentDigest::of(b"");
    /// assert_eq!(digest.to_string(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    /// ```
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }
}

impl EventHash {
    /// The previous hash of a genesis event.
    pub const ZERO: Self = Self([0; 32]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_prints_and_nothing_else() {
        let hash = EventHash([0x5a; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for text in ["", "5a", &"5A".repeat(32), &"5g".repeat(32), &"5a".repeat(33)] {
            assert_eq!(text.parse::<EventHash>(), Err(InvalidDigest), "{text:?}");
        }
    }
}
