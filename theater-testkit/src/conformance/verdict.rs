//! How cases on data come to a verdict.

use std::fmt;

/// What a case found: nothing wrong, or what.
pub(super) type Verdict = Result<(), String>;

/// An error as a case tells it.
pub(super) fn told(error: impl fmt::Display) -> String {
    error.to_string()
}

/// That this is right; otherwise the case found what `message` says.
pub(super) fn right(holds: bool, message: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(message()) }
}

/// That `what` is as it has to be.
pub(super) fn same<T: PartialEq + fmt::Debug>(what: &str, got: &T, wanted: &T) -> Verdict {
    right(got == wanted, || format!("{what}: {got:?} instead of {wanted:?}"))
}
