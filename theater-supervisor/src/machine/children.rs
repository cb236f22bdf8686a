//! The children of one machine, in start order, with what can be asked about them kept as they change.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashMap};
use theater_core::{ActorId, ChildSpec, ExitReason, Incarnation};

use super::child::{Child, Cold, Counts, NONE, Phase, Waiting};
use super::{CallId, ChildKey};

fn hash(id: ActorId) -> u64 {
    FxBuildHasher.hash_one(id)
}

/// A child's place in memory. Valid until the child is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

/// Children by place, linked in start order; every lookup is O(1).
#[derive(Debug)]
pub(super) struct Children {
    slots: Vec<Child>,
    cold: Vec<Cold>,
    free: Vec<u32>,
    head: u32,
    tail: u32,
    /// Places by the hash of the actor. The actors themselves are in the places, which a decision needs anyway: so the
    /// table stays small enough for the processor's cache.
    by_actor: HashTable<u32>,
    by_name: FxHashMap<Arc<str>, u32>,
    counts: Counts,
    /// Exits that came before the answer to a start.
    early: FxHashMap<ActorId, Early>,
}

/// An exit that came before the answer to a start.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) incarnation: Incarnation,
    pub(super) reason: Arc<ExitReason>,
    pub(super) progressed: Option<bool>,
}

impl Default for Children {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            cold: Vec::new(),
            free: Vec::new(),
            head: NONE,
            tail: NONE,
            by_actor: HashTable::new(),
            by_name: FxHashMap::default(),
            counts: Counts::default(),
            early: FxHashMap::default(),
        }
    }
}

impl Children {
    pub(super) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Adds a child at the end of the start order.
    pub(super) fn add(&mut self, name: Option<Arc<str>>, spec: ChildSpec, phase: Phase) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| {
            u32::try_from(self.slots.len()).ok().filter(|index| *index != NONE).expect("memory ends before")
        });
        let generation = self.slots.get(index as usize).map_or(0, |old| old.generation.wrapping_add(1));
        let child = Child::new(&spec, phase, name.is_some(), generation);
        let cold = Cold::new(name.clone(), spec.shutdown, self.tail);
        self.counts.replace(Counts::default(), child.counts());
        match (self.slots.get_mut(index as usize), self.cold.get_mut(index as usize)) {
            (Some(place), Some(cold_place)) => (*place, *cold_place) = (child, cold),
            _ => {
                self.slots.push(child);
                self.cold.push(cold);
            }
        }
        match self.tail {
            NONE => self.head = index,
            tail => self.cold[tail as usize].next = index,
        }
        self.tail = index;
        if let Some(name) = name {
            self.by_name.insert(name, index);
        }
        Slot(index)
    }

    pub(super) fn get(&self, slot: Slot) -> &Child {
        &self.slots[slot.0 as usize]
    }

    /// The rest of what is known about a child.
    pub(super) fn cold(&self, slot: Slot) -> &Cold {
        &self.cold[slot.0 as usize]
    }

    pub(super) fn cold_mut(&mut self, slot: Slot) -> &mut Cold {
        &mut self.cold[slot.0 as usize]
    }

    /// Its name. Most children of large supervisors have none.
    pub(super) fn name(&self, slot: Slot) -> Option<Arc<str>> {
        if self.get(slot).is_named { self.cold(slot).name.clone() } else { None }
    }

    /// Its child spec.
    pub(super) fn spec(&self, slot: Slot) -> ChildSpec {
        let child = self.get(slot);
        ChildSpec::new(child.restart)
            .with_shutdown(self.cold(slot).shutdown)
            .with_type(child.child_type)
            .with_significant(child.significant)
            .with_restart_from(child.origin)
    }

    pub(super) fn set_spec(&mut self, slot: Slot, spec: &ChildSpec) {
        self.cold_mut(slot).shutdown = spec.shutdown;
        self.update(slot, |child| {
            child.restart = spec.restart;
            child.child_type = spec.child_type;
            child.significant = spec.significant;
            child.origin = spec.restart_from;
        });
    }

    /// A child, to change what no count depends on. [`update`](Self::update) is for the rest.
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Child {
        &mut self.slots[slot.0 as usize]
    }

    /// Changes a child and the counts with it.
    pub(super) fn update(&mut self, slot: Slot, change: impl FnOnce(&mut Child)) {
        let child = &mut self.slots[slot.0 as usize];
        let old = child.counts();
        change(child);
        let new = child.counts();
        self.counts.replace(old, new);
    }

    pub(super) fn set_phase(&mut self, slot: Slot, phase: Phase) {
        self.update(slot, |child| child.phase = phase);
    }

    /// Gives a child its actor.
    pub(super) fn name_actor(&mut self, slot: Slot, id: ActorId) {
        if self.get(slot).id == Some(id) {
            return;
        }
        self.unlink_actor(slot);
        self.update(slot, |child| child.id = Some(id));
        let slots = &self.slots;
        let hash_of = |index: &u32| slots[*index as usize].id.map_or(0, hash);
        self.by_actor.insert_unique(hash(id), slot.0, hash_of);
    }

    fn unlink_actor(&mut self, slot: Slot) {
        let Some(id) = self.get(slot).id else { return };
        if let Ok(entry) = self.by_actor.find_entry(hash(id), |index| *index == slot.0) {
            entry.remove();
        }
    }

    /// Takes its actor from a child: the runtime has lost it.
    pub(super) fn lose_actor(&mut self, slot: Slot) {
        self.unlink_actor(slot);
        if let Some(id) = self.get(slot).id {
            self.early.remove(&id);
        }
        self.update(slot, |child| {
            child.id = None;
            child.incarnation = Incarnation(0);
            child.seen = Incarnation(0);
            child.told = Incarnation(0);
            (child.ended, child.quiet, child.was_quiet) = (false, false, false);
        });
    }

    pub(super) fn key(&self, slot: Slot) -> ChildKey {
        ChildKey(u64::from(self.get(slot).generation) << 32 | u64::from(slot.0 + 1))
    }

    /// The child of a key, unless it is gone.
    pub(super) fn slot(&self, key: ChildKey) -> Option<Slot> {
        let index = u32::try_from(key.0 & u64::from(u32::MAX)).ok()?.checked_sub(1)?;
        let child = self.slots.get(index as usize)?;
        let same = u64::from(child.generation) == key.0 >> 32 && child.phase != Phase::Free;
        same.then_some(Slot(index))
    }

    /// The child that this actor is, gone ones included.
    pub(super) fn of_actor(&self, id: ActorId) -> Option<Slot> {
        let is_it = |index: &u32| self.slots[*index as usize].id == Some(id);
        self.by_actor.find(hash(id), is_it).copied().map(Slot)
    }

    pub(super) fn of_name(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied().map(Slot)
    }

    pub(super) fn first(&self) -> Option<Slot> {
        (self.head != NONE).then_some(Slot(self.head))
    }

    pub(super) fn last(&self) -> Option<Slot> {
        (self.tail != NONE).then_some(Slot(self.tail))
    }

    pub(super) fn after(&self, slot: Slot) -> Option<Slot> {
        let next = self.cold(slot).next;
        (next != NONE).then_some(Slot(next))
    }

    pub(super) fn before(&self, slot: Slot) -> Option<Slot> {
        let previous = self.cold(slot).previous;
        (previous != NONE).then_some(Slot(previous))
    }

    /// All listed children, in start order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        std::iter::successors(self.first(), |slot| self.after(*slot))
    }

    /// Takes a child out of the list. Its exit may still have to come; then its place stays until it has.
    pub(super) fn remove(&mut self, slot: Slot) {
        let (next, previous) = (self.cold(slot).next, self.cold(slot).previous);
        match previous {
            NONE => self.head = next,
            previous => self.cold[previous as usize].next = next,
        }
        match next {
            NONE => self.tail = previous,
            next => self.cold[next as usize].previous = previous,
        }
        let cold = self.cold_mut(slot);
        (cold.next, cold.previous) = (NONE, NONE);
        if let Some(name) = cold.name.take() {
            self.by_name.remove(&name);
        }
        self.set_phase(slot, Phase::Gone);
        self.free_if_over(slot);
    }

    /// Frees the place of a child that is gone once nothing more can come of it.
    pub(super) fn free_if_over(&mut self, slot: Slot) {
        let child = self.get(slot);
        if child.phase != Phase::Gone || child.seen < child.incarnation {
            return;
        }
        if let Some(id) = child.id {
            self.unlink_actor(slot);
            self.early.remove(&id);
        }
        let cold = self.cold_mut(slot);
        (cold.last_reason, cold.absorbed) = (None, None);
        cold.waiting = VecDeque::new();
        self.set_phase(slot, Phase::Free);
        self.free.push(slot.0);
    }

    pub(super) fn wait(&mut self, slot: Slot, waiting: Waiting) {
        self.cold_mut(slot).waiting.push_back(waiting);
    }

    pub(super) fn has_waiting(&self, slot: Slot) -> bool {
        !self.cold(slot).waiting.is_empty()
    }

    pub(super) fn next_waiting(&mut self, slot: Slot) -> Option<Waiting> {
        self.cold_mut(slot).waiting.pop_front()
    }

    /// Takes all calls that wait for a child, in the order of the children.
    pub(super) fn take_waiting(&mut self) -> Vec<CallId> {
        let slots: Vec<_> = self.iter().filter(|slot| self.has_waiting(*slot)).collect();
        let mut calls = Vec::new();
        for slot in slots {
            let waiting = std::mem::take(&mut self.cold_mut(slot).waiting);
            calls.extend(waiting.into_iter().map(|waiting| waiting.call));
        }
        calls
    }

    /// Keeps an exit that came before the answer to its start. `false` if it can be of no such child.
    pub(super) fn keep_early(&mut self, id: ActorId, early: Early) -> bool {
        let expected = self.counts.unanswered > 0 || self.of_actor(id).is_some();
        if expected {
            self.early.insert(id, early);
        }
        expected
    }

    pub(super) fn take_early(&mut self, id: ActorId) -> Option<Early> {
        // Most starts have none, and most machines at most times none at all.
        if self.early.is_empty() { None } else { self.early.remove(&id) }
    }

    /// Takes the exits that turned out to be of no child that was being started.
    pub(super) fn take_strangers(&mut self) -> Vec<(ActorId, Early)> {
        if self.early.is_empty() || self.counts.unanswered > 0 {
            return Vec::new();
        }
        let known: Vec<_> = self.early.keys().copied().filter(|id| self.of_actor(*id).is_some()).collect();
        let mut strangers: Vec<_> = self.early.extract_if(|id, _| !known.contains(id)).collect();
        // A map has no order, and the machine must not depend on one.
        strangers.sort_by_key(|(id, _)| *id);
        strangers
    }
}
