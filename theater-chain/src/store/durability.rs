//! How long what was stored is there.

use std::fmt;

/// A place in the one order in which a store took events, of all chains: 1 for the first; 0 is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a store promises of the events that it calls durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// They are there as long as the process is.
    Memory,
    /// They survive the end of the process, however it ends; a loss of power may take the last of them.
    Relaxed,
    /// They survive a loss of power, as far as the disk keeps its word.
    Full,
}

impl Durability {
    /// The word for it, as in a manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Relaxed => "relaxed",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
