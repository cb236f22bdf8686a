//! One child: what the machine knows of it.

use std::collections::VecDeque;
use std::sync::Arc;

use theater_core::{
    ActorId, ChildSpec, ChildType, ExitReason, Incarnation, RestartFrom, RestartPolicy, Shutdown,
};

use super::{By, CallId, Tick};

/// What is being done with a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The supervisor begins, and it is not its turn yet.
    Awaiting,
    /// A start or restart is under way.
    Starting(Why),
    /// It runs.
    Running,
    /// A restart waits for its time. OTP: `restarting`.
    Restarting,
    /// A stop is under way.
    Stopping(Why),
    /// It does not run. OTP: `undefined`.
    Down,
    /// Its child spec is gone, and it is in no list any more; only the exit of its last life has not come yet.
    Gone,
    /// Nobody's place.
    Free,
}

/// Why something is done with a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody asked for it: [`Cold::call`].
    Call(By),
    /// The supervisor begins: it is a declared child's turn.
    Begin,
    /// Its exit demands it.
    Rule,
    /// It belongs to a group that is restarted. `again` when it refused to stop once.
    Group { again: bool },
    /// The supervisor ends. `again` when it refused to stop once.
    Ending { again: bool },
}

impl Phase {
    pub(super) fn is_busy(self) -> bool {
        matches!(self, Self::Starting(_) | Self::Stopping(_))
    }

    /// Whether calls about the child have to wait.
    pub(super) fn is_unsettled(self) -> bool {
        self.is_busy() || self == Self::Awaiting
    }

    /// Whether it has a process in OTP's sense: it runs, or is about to.
    fn is_occupied(self) -> bool {
        matches!(self, Self::Starting(_) | Self::Running | Self::Restarting | Self::Stopping(_))
    }

    fn is_listed(self) -> bool {
        !matches!(self, Self::Gone | Self::Free)
    }
}

/// A call that waits until the operation on its child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) call: CallId,
    pub(super) by: By,
    pub(super) what: What,
}

/// What a call wants of a child that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Start,
    Stop,
    Restart,
    Renew,
    Delete,
}

/// How often a child crashed without a call that succeeded, from where its restarts start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stuck {
    pub(super) crashes: u16,
    /// Whether restarts start from `init` because the restored state led to crashes.
    pub(super) initial: bool,
}

/// What every decision about a child needs, in one line of the processor's cache: with many children it is fetching
/// them that costs.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Child {
    /// `None` until a first start has succeeded.
    pub(super) id: Option<ActorId>,
    pub(super) phase: Phase,
    pub(super) restart: RestartPolicy,
    pub(super) child_type: ChildType,
    pub(super) significant: bool,
    /// Where a restart starts from, as its child spec says.
    pub(super) origin: RestartFrom,
    /// The life that runs or ran last.
    pub(super) incarnation: Incarnation,
    /// The last life whose exit was dealt with.
    pub(super) seen: Incarnation,
    /// The last life of whose end the guest was told, or need not be.
    pub(super) told: Incarnation,
    pub(super) stuck: Stuck,
    /// Whether the current life is known to have ended, whatever the phase says.
    pub(super) ended: bool,
    /// Whether an end of the current life that was asked for is no news: the guest itself asked, or the supervisor ends.
    pub(super) quiet: bool,
    /// The same of the life before, whose exit may come late.
    pub(super) was_quiet: bool,
    /// Whether this life was restored from an earlier state: only such lives count as stuck.
    pub(super) restored: bool,
    pub(super) is_named: bool,
    /// Whether the group that is being restarted has it.
    pub(super) grouped: bool,
    /// Whether the start under way is the one that `start_child` asked for: if it fails, the child spec is not kept.
    pub(super) new: bool,
    /// Whether its child spec was given with it; else it is what the runtime says.
    pub(super) spec_given: bool,
    pub(super) generation: u32,
}

const _ONE_CACHE_LINE: () = assert!(size_of::<Child>() == 64);

/// The rest of what is known about a child.
#[derive(Debug)]
pub(super) struct Cold {
    pub(super) name: Option<Arc<str>>,
    pub(super) shutdown: Shutdown,
    /// Whether the start under way was given up.
    pub(super) abandoned: bool,
    /// When the last life began.
    pub(super) since: Tick,
    /// Counts waits for a restart: a time that comes for an earlier one is nothing.
    pub(super) attempt: u32,
    /// Restarts in a row, for the backoff.
    pub(super) failures: u32,
    /// The call that asked for the operation under way, where one did.
    pub(super) call: CallId,
    /// Why it has to be started again, while that waits.
    pub(super) last_reason: Option<Arc<ExitReason>>,
    /// An exit that came while a stop was under way: if the stop is refused, the rules deal with it.
    pub(super) absorbed: Option<Box<(Arc<ExitReason>, Option<bool>)>>,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) next: u32,
    pub(super) previous: u32,
}

impl Child {
    /// A child that has not run.
    pub(super) fn new(spec: &ChildSpec, phase: Phase, is_named: bool, generation: u32) -> Self {
        Self {
            id: None,
            phase,
            restart: spec.restart,
            child_type: spec.child_type,
            significant: spec.significant,
            origin: spec.restart_from,
            incarnation: Incarnation(0),
            seen: Incarnation(0),
            told: Incarnation(0),
            stuck: Stuck::default(),
            ended: false,
            quiet: false,
            was_quiet: false,
            restored: false,
            is_named,
            grouped: false,
            new: false,
            spec_given: false,
            generation,
        }
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.restart == RestartPolicy::Temporary
    }

    /// Where its next life starts from.
    pub(super) fn restart_from(&self) -> RestartFrom {
        if self.stuck.initial { RestartFrom::Initial } else { self.origin }
    }

    pub(super) fn counts(&self) -> Counts {
        let listed = self.phase.is_listed();
        Counts {
            specs: usize::from(listed),
            active: usize::from(matches!(self.phase, Phase::Running | Phase::Stopping(_))),
            supervisors: usize::from(listed && self.child_type == ChildType::Supervisor),
            occupied: usize::from(self.phase.is_occupied()),
            significant: usize::from(self.significant && self.phase.is_occupied()),
            busy: usize::from(self.phase.is_busy()),
            unanswered: usize::from(self.id.is_none() && matches!(self.phase, Phase::Starting(_))),
        }
    }
}

/// How many children are what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) specs: usize,
    pub(super) active: usize,
    pub(super) supervisors: usize,
    /// Children that run, wait for a restart, or are being started or stopped.
    pub(super) occupied: usize,
    /// Significant ones of those.
    pub(super) significant: usize,
    /// Children on which an operation is under way.
    pub(super) busy: usize,
    /// First starts that have not been answered.
    pub(super) unanswered: usize,
}

impl Counts {
    pub(super) fn replace(&mut self, old: Self, new: Self) {
        let change = |count: &mut usize, old: usize, new: usize| *count = *count + new - old;
        change(&mut self.specs, old.specs, new.specs);
        change(&mut self.active, old.active, new.active);
        change(&mut self.supervisors, old.supervisors, new.supervisors);
        change(&mut self.occupied, old.occupied, new.occupied);
        change(&mut self.significant, old.significant, new.significant);
        change(&mut self.busy, old.busy, new.busy);
        change(&mut self.unanswered, old.unanswered, new.unanswered);
    }
}

impl Cold {
    pub(super) fn new(name: Option<Arc<str>>, shutdown: Shutdown, previous: u32) -> Self {
        Self {
            name,
            shutdown,
            abandoned: false,
            since: Tick(0),
            attempt: 0,
            failures: 0,
            call: CallId(0),
            last_reason: None,
            absorbed: None,
            waiting: VecDeque::new(),
            next: NONE,
            previous,
        }
    }
}

/// No child.
pub(super) const NONE: u32 = u32::MAX;
