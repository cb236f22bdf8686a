//! Which children of one parent have ended for good, and how long their records stay.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

/// The children of one parent, by their places.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// Those that live, or will be started again.
    live: BTreeSet<u64>,
    /// Those that have ended for good, in the order in which they did.
    ended: BTreeMap<u64, u64>,
    /// When each of those did.
    when: FxHashMap<u64, u64>,
    ends: u64,
}

impl Retention {
    /// A life begins there.
    pub(super) fn began(&mut self, place: u64) {
        self.forget(place);
        self.live.insert(place);
    }

    /// The child there has ended for good.
    pub(super) fn ended(&mut self, place: u64) {
        self.forget(place);
        self.ends += 1;
        self.ended.insert(self.ends, place);
        self.when.insert(place, self.ends);
    }

    /// There is no record any more.
    pub(super) fn forget(&mut self, place: u64) {
        self.live.remove(&place);
        if let Some(when) = self.when.remove(&place) {
            self.ended.remove(&when);
        }
    }

    /// The latest started of those that live, or will.
    pub(super) fn latest_live(&self) -> Option<u64> {
        self.live.last().copied()
    }

    /// Takes the one that ended first, if more than `keep` have: whoever gets it forgets its record.
    pub(super) fn take_beyond(&mut self, keep: usize) -> Option<u64> {
        if self.ended.len() <= keep {
            return None;
        }
        let (_, place) = self.ended.pop_first()?;
        self.when.remove(&place);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_end_is_the_first_to_be_forgotten_whenever_it_was_started() {
        let mut retention = Retention::default();
        (1..=3).for_each(|place| retention.began(place));
        retention.ended(2);
        retention.ended(3);
        assert_eq!((retention.take_beyond(2), retention.take_beyond(1)), (None, Some(2)));
        assert_eq!(retention.take_beyond(1), None, "it is taken once");
        retention.ended(1);
        retention.began(3);
        assert_eq!((retention.take_beyond(0), retention.latest_live()), (Some(1), Some(3)));
    }
}
