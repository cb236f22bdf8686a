//! Exit codes: part of the command's interface, see `docs/cli.md`.

use std::fmt::Write as _;
use std::process::ExitCode;

/// How the command ended. The numbers are kept from version to version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The root actor ended well, or the file verified.
    Success = 0,
    /// The file or folder is not what was recorded.
    NotVerified = 1,
    /// The command line was not understood. clap exits with this number itself.
    Usage = 2,
    /// The app could not be started: its manifest, its component, its `init`.
    NotStarted = 3,
    /// The root actor ended with a failure.
    RootFailed = 4,
    /// A file, or standard output, could not be read or written.
    Io = 5,
    /// The data folder could not be used: another process has it, it is damaged, it is of another kind, or is none.
    Data = 6,
    /// No app runs with the data folder.
    NotRunning = 7,
    /// There is no such actor, more than one, or it did not take or answer the message.
    Refused = 8,
    /// A bug of the command itself.
    Bug = 70,
    /// Interrupted with Ctrl-C, after the tree had been ended.
    Interrupted = 130,
    /// Whoever read standard output went away, and the tree was ended. Nothing is said about it.
    BrokenPipe = 141,
    /// Asked to end with SIGTERM, after the tree had been ended.
    Terminated = 143,
}

impl Exit {
    const ALL: [Self; 13] = [
        Self::Success,
        Self::NotVerified,
        Self::Usage,
        Self::NotStarted,
        Self::RootFailed,
        Self::Io,
        Self::Data,
        Self::NotRunning,
        Self::Refused,
        Self::Bug,
        Self::Interrupted,
        Self::BrokenPipe,
        Self::Terminated,
    ];

    /// The number that the caller of the command sees.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::NotVerified => "verify, chain verify: it is not what was recorded",
            Self::Usage => "the command line was not understood",
            Self::NotStarted => "run, check: the app could not be started (manifest, component, init)",
            Self::RootFailed => "run: the root actor ended with a failure",
            Self::Io => "a file could not be read or written, or the event store failed",
            Self::Data => {
                "the data folder could not be used (in use, damaged, of another kind, no permission)"
            }
            Self::NotRunning => "no app runs with the data folder",
            Self::Refused => "no such actor, or it did not take or answer the message",
            Self::Bug => "internal error: a bug of theater",
            Self::Interrupted => "run: interrupted with Ctrl-C",
            Self::BrokenPipe => "the reader of standard output went away",
            Self::Terminated => "run: asked to end with SIGTERM",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of exit codes for `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from("Exit codes:");
    for exit in Exit::ALL {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {:>3}  {}", exit.code(), exit.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_has_every_exit_code() {
        let page = include_str!("../../docs/cli.md");
        for exit in Exit::ALL {
            assert!(page.contains(&format!("| {} |", exit.code())), "docs/cli.md lacks {}", exit.code());
        }
    }
}
