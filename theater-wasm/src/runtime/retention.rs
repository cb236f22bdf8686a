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

    /// The one that ended first, if more than `keep` have.
    pub(super) fn beyond(&self, keep: usize) -> Option<u64> {
        if self.ended.len() > keep { self.ended.first_key_value().map(|(_, place)| *place) } else { None }
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
        assert_eq!((retention.beyond(2), retention.beyond(1)), (None, Some(2)));
        retention.ended(1);
        assert_eq!(retention.beyond(2), Some(2));
        retention.began(2);
        assert_eq!((retention.beyond(1), retention.latest_live()), (Some(3), Some(2)));
    }
}
