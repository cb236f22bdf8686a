//! Which hosts may be asked.

use std::fmt;
use std::str::FromStr;

use theater_core::source::Address;

/// A host that may be asked, with its port: exactly that, and not what is below it.
///
/// # Examples
/// ```
/// use theater_wasm::AllowedHost;
///
/// let host: AllowedHost = "Example.org:8443".parse()?;
/// assert_eq!(host.to_string(), "example.org:8443");
/// assert!("https://example.org/a".parse::<AllowedHost>().is_err());
/// assert!("*.example.org".parse::<AllowedHost>().is_err());
/// # Ok::<(), theater_wasm::InvalidHost>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    host: String,
    port: u16,
}

impl AllowedHost {
    pub(super) fn is(&self, address: &Address) -> bool {
        self.host == address.host() && self.port == address.port()
    }
}

/// What is neither a host nor a host with a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a host: write it as example.org, or with a port other than 443 as example.org:8443")]
#[non_exhaustive]
pub struct InvalidHost;

impl FromStr for AllowedHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if text.contains(['/', '?']) {
            return Err(InvalidHost);
        }
        // The same reading as an address gets, so that both compare.
        let address = Address::parse(&format!("https://{text}/")).map_err(|_| InvalidHost)?;
        Ok(Self { host: address.host().to_owned(), port: address.port() })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.port == 443 { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_allowed_exactly_with_its_port() {
        let allowed: AllowedHost = "Example.org".parse().unwrap();
        for (address, expected) in [
            ("https://example.org/a", true),
            ("https://EXAMPLE.org:443/a", true),
            ("https://example.org:8443/a", false),
            ("https://www.example.org/a", false),
            ("https://example.org.evil/a", false),
            ("https://example.org./a", false),
        ] {
            assert_eq!(allowed.is(&Address::parse(address).unwrap()), expected, "{address}");
        }
        for text in ["", "*", "a b", "me@h", "h:x", "h/", "h?", "https://h", "h#x", "h\\x"] {
            assert!(text.parse::<AllowedHost>().is_err(), "{text}");
        }
    }
}
