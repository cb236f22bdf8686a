//! Errors on their way to the user: a code for scripts, a chain of causes for people.

use crate::exit_code::Exit;
use crate::text::printable;

/// Why a command failed, and the code that it ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// The error with its causes, for standard error.
    pub(crate) fn report(&self) -> String {
        report(&self.error)
    }
}

/// Adds an exit code to an error.
pub(crate) trait OrExit<T> {
    /// The value, or a failure with this code.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(exit, error))
    }
}

/// `error: ...`, then a line for each cause that says something new.
pub(crate) fn report(error: &anyhow::Error) -> String {
    let mut text = String::from("error: ");
    for (index, cause) in causes(error).iter().enumerate() {
        if index > 0 {
            text.push_str("\n  caused by: ");
        }
        text.push_str(&indented(cause));
    }
    text
}

/// The same in one line, for machines.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    causes(error).join(": ")
}

/// The same of any error.
pub(crate) fn one_line_of(error: &(dyn std::error::Error + 'static)) -> String {
    texts(anyhow::Chain::new(error)).join(": ")
}

fn causes(error: &anyhow::Error) -> Vec<String> {
    texts(error.chain())
}

/// The texts of an error and its causes, without those that say nothing new.
fn texts(chain: anyhow::Chain<'_>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for cause in chain.map(ToString::to_string) {
        // Many errors repeat their cause in their own text.
        if !texts.last().is_some_and(|said| said.contains(&cause)) {
            texts.push(cause);
        }
    }
    texts
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(printable).collect::<Vec<_>>().join("\n    ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_follow_the_error_and_are_not_repeated() {
        let error = anyhow!("disk full").context("could not write a.jsonl: disk full").context("run failed");
        assert_eq!(report(&error), "error: run failed\n  caused by: could not write a.jsonl: disk full");
    }

    #[test]
    fn an_error_cannot_send_commands_to_the_terminal() {
        assert_eq!(report(&anyhow!("bad\x1b[2J\nfile")), "error: bad\\u{1b}[2J\n    file");
    }
}
