//! Colours, where somebody can see them.

use std::io::IsTerminal;

/// Whether this stream is a terminal whose user wants colours (<https://no-color.org>).
pub(crate) fn wanted(stream: &impl IsTerminal) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// What a text means, and so how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Something began well.
    Good,
    /// Something was mended.
    Mended,
    /// Something failed.
    Bad,
    /// A supervisor decided something.
    Decision,
    /// Of less interest.
    Quiet,
    /// As any text.
    Plain,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Mended => "\x1b[33m",
            Self::Bad => "\x1b[1;31m",
            Self::Decision => "\x1b[35m",
            Self::Quiet => "\x1b[2m",
            Self::Plain => "",
        }
    }

    /// The text in this style, if `colour`.
    pub(crate) fn paint(self, text: &str, colour: bool) -> String {
        if colour && self != Self::Plain { format!("{}{text}\x1b[0m", self.code()) } else { text.to_owned() }
    }
}
