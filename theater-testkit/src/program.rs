//! What fake children do, as data.

use std::collections::VecDeque;
use std::time::Duration;

use theater_core::{ChildSpec, ExitReason, RestartPolicy};

/// How one start of a child goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartOutcome {
    /// It runs.
    Ok,
    /// Its `init` fails.
    Fail,
    /// It ends itself cleanly in its `init`: OTP's `ignore`.
    Ignore,
    /// Its `init` never ends.
    Hang,
    /// It runs, after this time.
    Slow(Duration),
    /// It runs and dies at once for this reason, before its start is answered.
    Die(ExitReason),
    /// The runtime itself panics, against its contract.
    Panic,
}

/// What a child does. A manifest's reference names one.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Program {
    /// How successive starts go, restarts included; after the last one every start is [`StartOutcome::Ok`].
    pub starts: VecDeque<StartOutcome>,
    /// How the parent's supervisor treats it.
    pub child_spec: ChildSpec,
    /// How long its current call goes on when it is asked to stop.
    pub stop_takes: Duration,
    /// Whether `stop` is refused with an error.
    pub refuses_stop: bool,
}

impl Program {
    /// A child under this child spec that always starts.
    #[must_use]
    pub fn new(child_spec: ChildSpec) -> Self {
        Self { child_spec, ..Self::default() }
    }

    /// The program that a reference spells out, so that a test need not register one.
    ///
    /// `permanent`, `transient` and `temporary` are restart policies; `ok`, `error`, `ignore`, `hang`, `die`, `panic` and `slow`
    /// followed by a time such as `100ms` are starts, in their order. Other words are names and mean nothing.
    ///
    /// # Examples
    /// ```
    /// use theater_testkit::{Program, StartOutcome};
    ///
    /// let program = Program::read("worker permanent ok error");
    /// assert_eq!(program.starts, [StartOutcome::Ok, StartOutcome::Fail]);
    /// ```
    #[must_use]
    pub fn read(reference: &str) -> Self {
        let mut program = Self::default();
        let mut words = reference.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "permanent" => program.child_spec.restart = RestartPolicy::Permanent,
                "transient" => program.child_spec.restart = RestartPolicy::Transient,
                "temporary" => program.child_spec.restart = RestartPolicy::Temporary,
                "ok" => program.starts.push_back(StartOutcome::Ok),
                "error" => program.starts.push_back(StartOutcome::Fail),
                "ignore" => program.starts.push_back(StartOutcome::Ignore),
                "hang" => program.starts.push_back(StartOutcome::Hang),
                "die" => program.starts.push_back(StartOutcome::Die(crash())),
                "panic" => program.starts.push_back(StartOutcome::Panic),
                "slow" => {
                    let millis = words.next().and_then(|time| time.strip_suffix("ms")?.parse().ok());
                    program.starts.push_back(StartOutcome::Slow(Duration::from_millis(millis.unwrap_or(0))));
                }
                _ => {}
            }
        }
        program
    }

    /// The same with these starts.
    #[must_use]
    pub fn starts(mut self, starts: impl IntoIterator<Item = StartOutcome>) -> Self {
        self.starts = starts.into_iter().collect();
        self
    }

    /// The same, taking this long to stop when asked. What is longer than the grace ends by a kill.
    #[must_use]
    pub fn stop_takes(mut self, time: Duration) -> Self {
        self.stop_takes = time;
        self
    }

    /// The same, refusing to be stopped.
    #[must_use]
    pub fn refuses_stop(mut self) -> Self {
        self.refuses_stop = true;
        self
    }
}

/// The reason of a crash, where any will do.
#[must_use]
pub fn crash() -> ExitReason {
    ExitReason::Trapped { message: "scripted".to_owned(), backtrace: Vec::new() }
}
