//! Paths that guests give.

use std::str::FromStr;

use theater_core::error::printable;

/// Bytes of a path.
pub(crate) const LONGEST_PATH: usize = 1_024;

/// Parts of a path: whoever removes a folder with all that is in it holds one open per level.
const MOST_PARTS: usize = 32;

/// The path of something in an actor's folder: nothing in it leads upwards or begins elsewhere. The folder itself has no part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilePath {
    parts: Vec<String>,
}

/// A path that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path `{path}` {problem}")]
pub(crate) struct InvalidPath {
    /// Cut and escaped.
    path: String,
    problem: &'static str,
}

impl FromStr for FilePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let is = |problem| Err(InvalidPath { path: printable(text), problem });
        if text.is_empty() {
            return is("is empty; the actor's folder itself is `.`");
        }
        if text.len() > LONGEST_PATH {
            return is("is longer than 1024 bytes");
        }
        if text.contains('\0') {
            return is("has a zero character in it");
        }
        if text.starts_with('/') {
            return is("is absolute; give it from the actor's folder on");
        }
        let parts: Vec<_> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return is("has `..` in it; nothing outside the actor's folder has a path");
        }
        if parts.len() > MOST_PARTS {
            return is("has more than 32 parts");
        }
        Ok(Self { parts: parts.into_iter().map(ToOwned::to_owned).collect() })
    }
}

impl FilePath {
    /// As the operating system takes it.
    pub(crate) fn text(&self) -> String {
        if self.parts.is_empty() { ".".to_owned() } else { self.parts.join("/") }
    }

    /// The folder that it is in, if that is not the actor's own, and its name there. `None` for the actor's folder itself.
    pub(crate) fn split(&self) -> Option<(Option<String>, &str)> {
        let (name, folder) = self.parts.split_last()?;
        Some(((!folder.is_empty()).then(|| folder.join("/")), name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_no_part_that_leads_upwards_or_begins_elsewhere() {
        let path = |text: &str| text.parse::<FilePath>().map(|path| path.text());
        for (text, plain) in [("a", "a"), ("./a//b/", "a/b"), (".", "."), ("a/...", "a/..."), ("ä b", "ä b")]
        {
            assert_eq!(path(text).as_deref(), Ok(plain));
        }
        for (text, problem) in [
            ("", "empty"),
            ("/", "absolute"),
            ("/etc/passwd", "absolute"),
            ("//a", "absolute"),
            ("..", "`..`"),
            ("a/../b", "`..`"),
            ("a/..", "`..`"),
            ("a\0b", "zero"),
            (&"x".repeat(1_025), "1024"),
            (&"x/".repeat(33), "32 parts"),
        ] {
            let error = path(text).unwrap_err().to_string();
            assert!(error.contains(problem) && error.len() < 250, "{error}");
        }
        assert_eq!("a/b/c".parse::<FilePath>().unwrap().split(), Some((Some("a/b".to_owned()), "c")));
        assert_eq!("c".parse::<FilePath>().unwrap().split(), Some((None, "c")));
        assert_eq!(".".parse::<FilePath>().unwrap().split(), None);
    }
}
