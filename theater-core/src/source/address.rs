//! Addresses of `https:`: taken apart, and what they refer to put together. Pure: nothing is fetched here.

use std::fmt;

use crate::manifest::{AddressProblem, FetchError, ManifestErrorKind};

/// Longer ones do not get past many servers.
const MAX_LENGTH: usize = 2_000;

/// An `https` address, in the one form that compares: host in lower case, no port where it is 443, no `.` and `..` in its path.
///
/// # Examples
/// ```
/// use theater_core::source::Address;
///
/// let app = Address::parse("https://Example.org:443/apps/./shop.toml")?;
/// assert_eq!(app.to_string(), "https://example.org/apps/shop.toml");
/// assert_eq!(app.host(), "example.org");
/// assert_eq!(app.join("../parts/desk.wasm")?.to_string(), "https://example.org/parts/desk.wasm");
/// assert!(app.join("../../up.wasm").is_err());
/// # Ok::<(), theater_core::ManifestErrorKind>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
    path: String,
    query: Option<String>,
}

impl Address {
    /// Takes an address apart.
    ///
    /// # Errors
    /// [`FetchError::Address`]; [`OutsideRoot`](ManifestErrorKind::OutsideRoot) where `..` leads above the host.
    pub fn parse(text: &str) -> Result<Self, ManifestErrorKind> {
        check_characters(text)?;
        let begins = text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        let rest = if begins { &text[8..] } else { return Err(wrong(AddressProblem::Scheme)) };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (host, port) = authority_parts(authority, 443)?;
        let (path, query) = split_query(rest);
        Ok(Self { host, port, path: plain("", path)?, query })
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port: 443 where the address has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host with its port, unless that is 443: what an allow-list has.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == 443 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The address of what a file at this one calls `reference`: an address of its own, a path from the host's root, or one
    /// from the folder of the file.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse).
    pub fn join(&self, reference: &str) -> Result<Self, ManifestErrorKind> {
        if super::scheme(reference).is_some() {
            return Self::parse(reference);
        }
        check_characters(reference)?;
        if reference.starts_with("//") {
            // Another host, by the rules of addresses; nobody who writes a path means that.
            return Err(wrong(AddressProblem::Scheme));
        }
        let (path, query) = split_query(reference);
        let folder = match path.strip_prefix('/') {
            Some(_) => "",
            None => self.path.rsplit_once('/').map_or("", |(folder, _)| folder),
        };
        Ok(Self { host: self.host.clone(), port: self.port, path: plain(folder, path)?, query })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority(), self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

fn wrong(problem: AddressProblem) -> ManifestErrorKind {
    FetchError::Address { problem }.into()
}

fn check_characters(text: &str) -> Result<(), ManifestErrorKind> {
    if text.len() > MAX_LENGTH {
        return Err(wrong(AddressProblem::Length));
    }
    let wild = |byte: u8| !byte.is_ascii_graphic() || b"\\#<>\"{}|^`".contains(&byte);
    if text.bytes().any(wild) { Err(wrong(AddressProblem::Character)) } else { Ok(()) }
}

/// The host of an authority, in lowercase, and its port, which is `usual` where it has none. `None` where it is not one: a name, or an
/// IPv6 address in brackets, and perhaps a port; a user has no place in it.
#[must_use]
pub fn authority(text: &str, usual: u16) -> Option<(String, u16)> {
    authority_parts(text, usual).ok()
}

fn authority_parts(authority: &str, usual: u16) -> Result<(String, u16), ManifestErrorKind> {
    if authority.contains('@') {
        return Err(wrong(AddressProblem::User));
    }
    // The colons of an IPv6 address stand in brackets.
    let port_at = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
    let (host, port) = match port_at {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    };
    let port = match port {
        None => usual,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong(AddressProblem::Port))?
        }
        Some(_) => return Err(wrong(AddressProblem::Port)),
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.len() <= 253 && host.bytes().all(name) && !host.contains(".."),
    };
    if good { Ok((host.to_ascii_lowercase(), port)) } else { Err(wrong(AddressProblem::Host)) }
}

fn split_query(rest: &str) -> (&str, Option<String>) {
    match rest.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (rest, None),
    }
}

/// The path that `path` names from `folder`, from the host's root and without `.` and `..`.
fn plain(folder: &str, path: &str) -> Result<String, ManifestErrorKind> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let mut folder_meant = path.is_empty();
    for part in path.split('/') {
        folder_meant = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or(ManifestErrorKind::OutsideRoot)?),
            part => parts.push(part),
        }
    }
    let mut plain = format!("/{}", parts.join("/"));
    if folder_meant && !plain.ends_with('/') {
        plain.push('/');
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_place_has_one_address() {
        for (text, plain) in [
            ("https://h", "https://h/"),
            ("HTTPS://H/a", "https://h/a"),
            ("https://h:443/a/../b", "https://h/b"),
            ("https://h:0444/a//b", "https://h:444/a/b"),
            ("https://h?q=../x", "https://h/?q=../x"),
            ("https://[::1]:8443/a", "https://[::1]:8443/a"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), plain, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        use AddressProblem::{Character, Host, Length, Port, Scheme, User};
        let long = format!("https://h/{}", "x".repeat(2_000));
        for (text, expected) in [
            ("http://h/a", Scheme),
            ("https:/h/a", Scheme),
            ("https://", Host),
            ("https:///a", Host),
            ("https://h..h/a", Host),
            ("https://[::1/a", Host),
            ("https://[x]/a", Host),
            ("https://me@h/a", User),
            ("https://allowed.example:pass@h/a", User),
            ("https://h:0/a", Port),
            ("https://h:65536/a", Port),
            ("https://h:+1/a", Port),
            ("https://h:/a", Port),
            ("https://h\\@allowed.example/a", Character),
            ("https://h/a b", Character),
            ("https://h/a#b", Character),
            ("https://h/\u{e4}", Character),
            ("https://h/a\0", Character),
            (&long, Length),
        ] {
            let error = Address::parse(text).unwrap_err();
            let ManifestErrorKind::Fetch(FetchError::Address { problem }) = &error else {
                panic!("{text}: {error}")
            };
            assert_eq!(*problem, expected, "{text}");
        }
    }

    #[test]
    fn what_a_file_refers_to_starts_at_its_folder_and_never_gets_above_the_host() {
        let base = Address::parse("https://h/a/b/c.toml?v=1").unwrap();
        for (reference, expected) in [
            ("d.wasm", "https://h/a/b/d.wasm"),
            ("./d.wasm?v=2", "https://h/a/b/d.wasm?v=2"),
            ("../d.wasm", "https://h/a/d.wasm"),
            ("/d.wasm", "https://h/d.wasm"),
            ("https://other/d.wasm", "https://other/d.wasm"),
        ] {
            assert_eq!(base.join(reference).unwrap().to_string(), expected, "{reference}");
        }
        for reference in ["../../../d.wasm", "/../d.wasm", "x/../../../../d"] {
            assert!(matches!(base.join(reference), Err(ManifestErrorKind::OutsideRoot)), "{reference}");
        }
        for reference in ["//other/d.wasm", "store:x", "file:///etc/passwd", "a b", "C:\\x"] {
            assert!(base.join(reference).is_err(), "{reference}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_path_says_it_stays_at_its_host(reference in "[a-z./?:@\\\\%]{0,30}") {
            let base = Address::parse("https://h:8443/a/b").unwrap();
            if let Ok(joined) = base.join(&reference)
                && super::super::scheme(&reference).is_none()
            {
                prop_assert_eq!(joined.authority(), base.authority());
                prop_assert_eq!(Address::parse(&joined.to_string()).unwrap(), joined);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "(https://)?\\PC{0,60}") {
            let _ = Address::parse(&text);
        }
    }
}
