//! Given a supervisor with children, when something is done, then this is how it is.

use theater_testkit::otp::{
    AutoShutdown, ChildPlan, ChildType, Exit, Flags, InitOutcome, Op, OpResult, Restart, Scenario, Shutdown,
    Start, Step, Strategy, record,
};

/// A child that starts and stops when asked.
pub(crate) fn child(id: u32, restart: Restart) -> ChildPlan {
    ChildPlan {
        id,
        restart,
        shutdown: Shutdown::After(5_000),
        child_type: ChildType::Worker,
        significant: false,
        plan: Vec::new(),
        stubborn: false,
    }
}

pub(crate) fn permanent(id: u32) -> ChildPlan {
    child(id, Restart::Permanent)
}

pub(crate) fn transient(id: u32) -> ChildPlan {
    child(id, Restart::Transient)
}

pub(crate) fn temporary(id: u32) -> ChildPlan {
    child(id, Restart::Temporary)
}

/// More about a child.
pub(crate) trait Plan {
    fn starts(self, plan: &[Start]) -> Self;
    fn shut_down(self, shutdown: Shutdown) -> Self;
    fn stubborn(self) -> Self;
    fn significant(self) -> Self;
    fn supervisor(self) -> Self;
}

impl Plan for ChildPlan {
    fn starts(mut self, plan: &[Start]) -> Self {
        self.plan = plan.to_vec();
        self
    }
    fn shut_down(mut self, shutdown: Shutdown) -> Self {
        self.shutdown = shutdown;
        self
    }
    fn stubborn(mut self) -> Self {
        self.stubborn = true;
        self
    }
    fn significant(mut self) -> Self {
        self.significant = true;
        self
    }
    fn supervisor(mut self) -> Self {
        self.child_type = ChildType::Supervisor;
        self.shutdown = Shutdown::Infinity;
        self
    }
}

/// A supervisor before it starts.
pub(crate) struct Given {
    scenario: Scenario,
}

/// A supervisor with this strategy, intensity and children.
pub(crate) fn given(strategy: Strategy, intensity: u32, children: &[ChildPlan]) -> Given {
    let flags = Flags { strategy, intensity, period: 3_600, auto_shutdown: AutoShutdown::Never };
    Given {
        scenario: Scenario {
            n: 0,
            flags,
            children: children.to_vec(),
            init: InitOutcome::Ok,
            init_events: Vec::new(),
            steps: Vec::new(),
        },
    }
}

impl Given {
    pub(crate) fn auto_shutdown(mut self, mode: AutoShutdown) -> Self {
        self.scenario.flags.auto_shutdown = mode;
        self
    }

    /// Starts it and does these things, one after the other.
    pub(crate) fn when(mut self, ops: impl IntoIterator<Item = Op>) -> Then {
        let step = |op| Step {
            op,
            result: OpResult::Ok,
            events: Vec::new(),
            alive: true,
            exit_reason: None,
            children: Vec::new(),
            counts: Vec::new(),
        };
        self.scenario.steps = ops.into_iter().map(step).collect();
        Then { scenario: record(&self.scenario) }
    }
}

/// How it went.
pub(crate) struct Then {
    pub(crate) scenario: Scenario,
}

impl Then {
    /// What happened while it started.
    pub(crate) fn started(&self) -> String {
        words(&self.scenario.init_events)
    }

    /// What the operations answered.
    pub(crate) fn results(&self) -> Vec<OpResult> {
        self.scenario.steps.iter().map(|step| step.result).collect()
    }

    /// What happened in a step, such as `exit 1.0 boom; start 1.1`.
    pub(crate) fn events(&self, step: usize) -> String {
        words(&self.scenario.steps[step].events)
    }

    /// The children after a step, in start order, such as `1 running, 2 undefined`.
    pub(crate) fn list(&self, step: usize) -> String {
        let line = |child: &theater_testkit::otp::ChildLine| {
            let state = serde_json::to_value(child.state).expect("a word");
            format!("{} {}", child.id, state.as_str().unwrap_or_default())
        };
        self.scenario.steps[step].children.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    /// Specs, active, supervisors, workers after a step.
    pub(crate) fn counts(&self, step: usize) -> &[usize] {
        &self.scenario.steps[step].counts
    }

    /// Whether the supervisor lives at the end.
    pub(crate) fn lives(&self) -> bool {
        self.scenario.steps.last().is_none_or(|step| step.alive)
    }

    /// The last step.
    pub(crate) fn last(&self) -> usize {
        self.scenario.steps.len() - 1
    }
}

fn words(events: &[theater_testkit::otp::Event]) -> String {
    use theater_testkit::otp::Event;
    let exit = |exit: &Exit| match exit {
        Exit::Normal => "normal",
        Exit::Shutdown => "shutdown",
        Exit::ShutdownWith => "shutdown-with",
        Exit::Killed => "killed",
        Exit::Boom => "boom",
    };
    let word = |event: &Event| match event {
        Event::Start(id, attempt) => format!("start {id}.{attempt}"),
        Event::StartFailed(id, attempt, Start::Ignore) => format!("ignore {id}.{attempt}"),
        Event::StartFailed(id, attempt, _) => format!("fail {id}.{attempt}"),
        Event::Exit(id, attempt, reason) => format!("exit {id}.{attempt} {}", exit(reason)),
    };
    events.iter().map(word).collect::<Vec<_>>().join("; ")
}
