//! One case: what it proves, what it needs, and how it is run.

use std::fmt;
use std::pin::Pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::backend::{Capability, Clock};

/// What a case found: nothing wrong, or what.
pub type Verdict = Result<(), Failure>;

/// What is wrong with the subject of a case, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self(message.to_owned())
    }
}

/// An operation that should have succeeded.
impl From<theater_core::ActorError> for Failure {
    fn from(error: theater_core::ActorError) -> Self {
        Self(format!("an operation failed: {error}"))
    }
}

/// A case of a suite whose subjects are `S`.
pub struct Case<S, N: 'static = Capability> {
    /// The file of the suite and the sentence that the case proves: `exits::each_end_is_told_exactly_once`.
    pub name: &'static str,
    /// The clause of the contract that it belongs to.
    pub clause: &'static str,
    /// What a subject has to be able to do; one that cannot skips the case.
    pub needs: &'static [N],
    pub(crate) run: fn(S) -> Pin<Box<dyn Future<Output = Verdict>>>,
}

impl<S, N> fmt::Debug for Case<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("clause", &self.clause).finish_non_exhaustive()
    }
}

/// How long a case may take on the wall before it counts as failed: a subject that hangs fails, and does not hold up the
/// rest.
pub const CASE_LIMIT: Duration = Duration::from_secs(60);

/// How long a case may take in virtual time. What waits for ever comes to this at once.
const VIRTUAL_LIMIT: Duration = Duration::from_secs(4 * 3_600);

/// Runs something on a thread and a tokio runtime of its own. A panic, and what does not end within the limits, is a
/// failure.
pub(crate) fn isolated<F>(clock: Clock, work: impl FnOnce() -> F + Send + 'static) -> Verdict
where
    F: Future<Output = Verdict>,
{
    let (done, ended) = mpsc::channel();
    let body = move || {
        let verdict = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| on_runtime(clock, work)));
        // Nobody listens after the limit.
        let _ = done.send(verdict.unwrap_or_else(|panic| Err(panicked(&*panic))));
    };
    if let Err(error) = thread::Builder::new().name("conformance case".to_owned()).spawn(body) {
        return Err(format!("the machine has no thread for it: {error}").into());
    }
    ended.recv_timeout(CASE_LIMIT).unwrap_or_else(|_| {
        Err(format!("it did not end within {CASE_LIMIT:?}: something hangs, or blocks its thread").into())
    })
}

fn on_runtime<F: Future<Output = Verdict>>(clock: Clock, work: impl FnOnce() -> F) -> Verdict {
    let (runtime, limit) = match clock {
        Clock::Real => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            (builder.worker_threads(2).enable_all().build(), CASE_LIMIT / 2)
        }
        Clock::Virtual => {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            (builder.enable_time().start_paused(true).build(), VIRTUAL_LIMIT)
        }
    };
    let runtime = runtime.map_err(|error| Failure(format!("no tokio runtime: {error}")))?;
    let verdict = runtime.block_on(async {
        let timed = tokio::time::timeout(limit, work()).await;
        timed.unwrap_or_else(|_| Err(format!("it did not end within {limit:?}: something hangs").into()))
    });
    // What hangs must not hold up the end.
    runtime.shutdown_background();
    verdict
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure(format!("it panicked: {}", text.as_deref().unwrap_or("no message")))
}

/// Ends a case with a failure unless something is so.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::conformance::Failure::from(format!($($message)+)));
        }
    };
}

/// Ends a case with a failure unless two things are equal.
macro_rules! ensure_eq {
    ($got:expr, $wanted:expr, $($what:tt)+) => {
        match (&$got, &$wanted) {
            (got, wanted) if *got == *wanted => {}
            (got, wanted) => {
                let what = format!($($what)+);
                let message = format!("{what}: {got:?} instead of {wanted:?}");
                return Err($crate::conformance::Failure::from(message));
            }
        }
    };
}

pub(crate) use {ensure, ensure_eq};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_and_a_hang_are_failures() {
        let panicking = isolated(Clock::Virtual, || async { panic!("at the disco") });
        assert_eq!(panicking, Err("it panicked: at the disco".into()));
        let hanging = isolated(Clock::Virtual, || async { std::future::pending().await });
        assert!(hanging.unwrap_err().to_string().starts_with("it did not end within"));
        assert_eq!(isolated(Clock::Real, || async { Ok(()) }), Ok(()));
    }
}
