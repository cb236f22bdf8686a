//! The settings of a mock runtime.

use super::{MockRuntime, Schedule};
use crate::fault::FaultSpec;
use crate::program::Program;

/// Sets up a [`MockRuntime`].
#[derive(Debug, Clone, Default)]
pub struct MockRuntimeBuilder {
    schedule: Schedule,
    seed: u64,
    manual: bool,
    faults: Vec<FaultSpec>,
    programs: Vec<(String, Program)>,
}

impl MockRuntimeBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Which of the things that are ready happens next. Default: what was ready first.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// What ids, the jitter of supervisors and faults by rate are made from. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Lets things happen only by [`step`](MockRuntime::step), [`settle`](MockRuntime::settle) and
    /// [`advance`](MockRuntime::advance).
    #[must_use]
    pub fn manual(mut self) -> Self {
        self.manual = true;
        self
    }

    /// What goes wrong, for as long as the runtime exists. [`inject`](MockRuntime::inject) is for faults that end.
    #[must_use]
    pub fn faults(mut self, faults: impl IntoIterator<Item = FaultSpec>) -> Self {
        self.faults.extend(faults);
        self
    }

    /// A program behind a manifest's reference.
    #[must_use]
    pub fn program(mut self, reference: impl Into<String>, program: Program) -> Self {
        self.programs.push((reference.into(), program));
        self
    }

    /// Makes the runtime.
    #[must_use]
    pub fn build(self) -> MockRuntime {
        let mock = MockRuntime::new();
        {
            let mut lives = mock.lives();
            lives.seed = self.seed;
            lives.queue.chooser = self.schedule.into();
            lives.queue.manual = self.manual;
            lives.programs.extend(self.programs);
            let seed = self.seed;
            for fault in self.faults {
                lives.faults.add(fault.into(), seed);
            }
        }
        mock
    }
}
