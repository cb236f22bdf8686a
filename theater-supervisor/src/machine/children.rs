//! The children of one machine, in start order.

use std::collections::{BTreeMap, HashMap, VecDeque};

use theater_core::manifest::RestartPolicy;
use theater_core::{ActorId, ActorInfo, ChildSpec, ExitReason, Incarnation};

use super::{CallId, ChildKey, unknown_spec};

/// What is being done with a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A start or restart is under way: for this call, or by rule.
    Starting { call: Option<CallId> },
    /// It runs.
    Running,
    /// A restart has failed and will be tried again. OTP: `restarting`.
    Restarting,
    /// A stop is under way: for this call, or because the supervisor ends.
    Stopping { call: Option<CallId> },
    /// It does not run. OTP: `undefined`.
    Down,
}

/// A call that waits until the operation on its child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    Restart(CallId),
    Stop(CallId),
}

#[derive(Debug)]
pub(super) struct Child {
    /// `None` until its first start is answered.
    pub(super) id: Option<ActorId>,
    pub(super) spec: ChildSpec,
    /// The life that runs or ran last.
    pub(super) incarnation: Incarnation,
    pub(super) phase: Phase,
    /// The last life whose exit was taken.
    pub(super) seen: Incarnation,
    /// The last life that was ended by a stop: its exit is no news.
    pub(super) answered: Incarnation,
    /// Whether the exit came while a stop was under way.
    pub(super) exited: bool,
    pub(super) last_reason: ExitReason,
    pub(super) waiting: VecDeque<Waiting>,
}

impl Child {
    pub(super) fn starting(call: CallId) -> Self {
        Self {
            id: None,
            spec: unknown_spec(),
            incarnation: Incarnation(0),
            phase: Phase::Starting { call: Some(call) },
            seen: Incarnation(0),
            answered: Incarnation(0),
            exited: false,
            last_reason: ExitReason::Stopped,
            waiting: VecDeque::new(),
        }
    }
}

/// Children by key, which is start order, and by id.
#[derive(Debug, Default)]
pub(super) struct Children {
    by_key: BTreeMap<ChildKey, Child>,
    by_id: HashMap<ActorId, ChildKey>,
    next: u64,
    /// First starts that have not been answered.
    unanswered: usize,
    /// Exits of children that are not known yet. Emptied when no start is under way.
    early: HashMap<ActorId, (Incarnation, ExitReason)>,
}

impl Children {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: ChildKey) -> Option<&Child> {
        self.by_key.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: ChildKey) -> Option<&mut Child> {
        self.by_key.get_mut(&key)
    }

    pub(super) fn key(&self, id: ActorId) -> Option<ChildKey> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn last_mut(&mut self) -> Option<(ChildKey, &mut Child)> {
        self.by_key.iter_mut().next_back().map(|(key, child)| (*key, child))
    }

    /// Adds a child at the end of the start order.
    pub(super) fn add(&mut self, child: Child) -> ChildKey {
        self.next += 1;
        let key = ChildKey(self.next);
        self.unanswered += usize::from(child.id.is_none());
        self.by_key.insert(key, child);
        key
    }

    /// The key of a child; one that this machine does not keep is added as it is.
    pub(super) fn adopt(&mut self, info: &ActorInfo) -> ChildKey {
        if let Some(key) = self.key(info.id) {
            return key;
        }
        let mut child = Child::starting(CallId(0));
        child.id = Some(info.id);
        child.spec = info.child_spec;
        child.incarnation = info.incarnation;
        child.phase = Phase::Running;
        if info.status.is_ended() {
            child.phase = Phase::Down;
            child.seen = info.incarnation;
        }
        let key = self.add(child);
        self.by_id.insert(info.id, key);
        key
    }

    /// Gives a child its id.
    pub(super) fn name(&mut self, key: ChildKey, id: ActorId) {
        let Some(child) = self.by_key.get_mut(&key) else { return };
        if child.id.is_none() {
            child.id = Some(id);
            self.unanswered -= 1;
        }
        self.by_id.insert(id, key);
    }

    pub(super) fn remove(&mut self, key: ChildKey) {
        let Some(child) = self.by_key.remove(&key) else { return };
        match child.id {
            Some(id) => {
                self.by_id.remove(&id);
                self.early.remove(&id);
            }
            None => self.unanswered -= 1,
        }
    }

    /// Forgets a child that will not live again by any rule, once its exit has come. OTP deletes the spec of a temporary
    /// child that ended.
    pub(super) fn forget_if_over(&mut self, key: ChildKey) {
        let over = self.get(key).is_some_and(|child| {
            child.phase == Phase::Down
                && child.waiting.is_empty()
                && child.spec.restart == RestartPolicy::Temporary
                && child.seen >= child.incarnation
        });
        if over {
            self.remove(key);
        }
    }

    /// Keeps an exit that came before the answer to its start. `false` if it can be of no such child.
    pub(super) fn keep_early_exit(
        &mut self,
        id: ActorId,
        incarnation: Incarnation,
        reason: &ExitReason,
    ) -> bool {
        let expected = self.unanswered > 0 || self.by_id.contains_key(&id);
        if expected {
            self.early.insert(id, (incarnation, reason.clone()));
        }
        expected
    }

    /// Takes the exits that turned out to be of no child that was being started.
    pub(super) fn take_strangers(&mut self) -> Vec<(ActorId, Incarnation, ExitReason)> {
        if self.unanswered > 0 || self.early.is_empty() {
            return Vec::new();
        }
        let by_id = &self.by_id;
        let strangers = self.early.extract_if(|id, _| !by_id.contains_key(id));
        let mut strangers: Vec<_> =
            strangers.map(|(id, (incarnation, reason))| (id, incarnation, reason)).collect();
        // A map has no order, and the machine must not depend on one.
        strangers.sort_by_key(|(id, ..)| *id);
        strangers
    }

    pub(super) fn take_early_exit(&mut self, id: ActorId) -> Option<(Incarnation, ExitReason)> {
        self.early.remove(&id)
    }

    /// Takes all calls that wait, in the order of the children.
    pub(super) fn take_waiting(&mut self) -> Vec<CallId> {
        let waiting = self.by_key.values_mut().flat_map(|child| child.waiting.drain(..));
        waiting
            .map(|waiting| match waiting {
                Waiting::Restart(call) | Waiting::Stop(call) => call,
            })
            .collect()
    }
}
