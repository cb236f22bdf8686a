//! Targets that stay valid when a case shrinks, and time that meets edges.

use std::time::Duration;

use proptest::arbitrary::any;
use proptest::strategy::Strategy;
use serde::{Deserialize, Serialize};

/// Stands for one of those that are there when its turn comes.
///
/// It is resolved at run time, so every sublist of commands makes sense, and shrinking needs no preconditions. Smaller
/// numbers stand for earlier ones: it is `proptest`'s `Index`, but can be compared, written down and read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Target(pub u32);

impl Target {
    /// The first, however many there are.
    pub const FIRST: Self = Self(0);
    /// The last, however many there are.
    pub const LAST: Self = Self(u32::MAX);

    /// Its position among `len`; `None` among none.
    #[must_use]
    pub fn index(self, len: usize) -> Option<usize> {
        let scaled = (u128::from(self.0) * len as u128) >> 32;
        (len > 0).then_some(scaled as usize)
    }

    /// The one that it stands for; `None` among none.
    ///
    /// # Examples
    /// ```
    /// use theater_testkit::strategy::Target;
    ///
    /// assert_eq!(Target::LAST.of(&["a", "b", "c"]), Some(&"c"));
    /// assert_eq!(Target::FIRST.of::<&str>(&[]), None);
    /// ```
    #[must_use]
    pub fn of<T>(self, all: &[T]) -> Option<&T> {
        all.get(self.index(all.len())?)
    }
}

/// Any target; shrinks towards [`Target::FIRST`].
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy;
///
/// proptest!(|(target in strategy::target(), len in 1..100_usize)| {
///     prop_assert!(target.index(len).is_some_and(|index| index < len));
/// });
/// ```
pub fn target() -> impl Strategy<Value = Target> + Clone {
    any::<u32>().prop_map(Target)
}

/// A time that leads to the edges of a window of this length: one millisecond less, exactly, one more; and shorter ones,
/// from a millisecond on.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use proptest::prelude::*;
/// use theater_testkit::strategy;
///
/// let period = Duration::from_secs(5);
/// proptest!(|(jump in strategy::time_jump(period))| {
///     prop_assert!(!jump.is_zero() && jump <= period + Duration::from_millis(1));
/// });
/// ```
pub fn time_jump(period: Duration) -> impl Strategy<Value = Duration> + Clone {
    let millisecond = Duration::from_millis(1);
    (0..5_u8).prop_map(move |n| {
        match n {
            0 => millisecond,
            1 => period / 4,
            2 => period.saturating_sub(millisecond),
            3 => period,
            _ => period + millisecond,
        }
        .max(millisecond)
    })
}

/// A seed, for whatever is made up from one; shrinks towards 0.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_core::SupervisionSpec;
/// use theater_supervisor::Machine;
/// use theater_testkit::strategy;
///
/// proptest!(|(seed in strategy::seed())| {
///     let machine = || Machine::new(SupervisionSpec::default()).with_seed(seed);
///     prop_assert_eq!(format!("{:?}", machine()), format!("{:?}", machine()));
/// });
/// ```
pub fn seed() -> impl Strategy<Value = u64> + Clone {
    any::<u64>()
}

/// Which of the things that are ready goes next, choice by choice. Fewer and smaller choices are simpler schedules, and an
/// empty list is the simplest: each choice is an index into what is ready, modulo how much there is, and after the last
/// one everything goes in its order.
///
/// # Examples
/// ```
/// use proptest::prelude::*;
/// use theater_testkit::strategy;
///
/// proptest!(|(choices in strategy::schedule_choices(), mut ready in prop::collection::vec(0..9, 0..9))| {
///     let mut choices = choices.into_iter();
///     let all = ready.len();
///     let mut done = Vec::new();
///     while !ready.is_empty() {
///         let next = choices.next().map_or(0, |choice| usize::from(choice) % ready.len());
///         done.push(ready.remove(next));
///     }
///     prop_assert_eq!(done.len(), all);
/// });
/// ```
pub fn schedule_choices() -> impl Strategy<Value = Vec<u8>> + Clone {
    proptest::collection::vec(any::<u8>(), 0..64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_always_one_of_those_that_are_there() {
        for len in 1..50 {
            assert_eq!((Target::FIRST.index(len), Target::LAST.index(len)), (Some(0), Some(len - 1)));
        }
        let all: Vec<_> = (0..4).map(|n| Target(n << 30).index(4)).collect();
        assert_eq!(all, [Some(0), Some(1), Some(2), Some(3)]);
    }
}
