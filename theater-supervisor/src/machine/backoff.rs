//! How long a restart waits.

use std::time::Duration;

use theater_core::Backoff;

/// The wait before restart number `failures` in a row, counted from 0: `min * factor^failures`, at most `max`, plus a
/// part of it between 0 and `jitter` as `random` says, at most `max` again.
///
/// Akka: `restartWithBackoff`; there the jitter may exceed `max`.
#[must_use]
pub fn delay(backoff: &Backoff, failures: u32, random: u32) -> Duration {
    let max = backoff.max.as_nanos();
    let mut delay = backoff.min.as_nanos().min(max);
    for _ in 0..failures {
        let next = delay.saturating_mul(u128::from(backoff.factor.0)) / 1_000;
        // It has arrived, or does not grow: no further round changes it.
        if delay >= max || next <= delay {
            break;
        }
        delay = next.min(max);
    }
    let most = delay.saturating_mul(u128::from(backoff.jitter.0)) / 1_000;
    let jitter = most.saturating_mul(u128::from(random)) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from((delay + jitter).min(max)).unwrap_or(u64::MAX))
}

/// Random numbers from a seed that was given: the machine is deterministic. SplitMix64.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) >> 32).expect("a shifted u64 fits")
    }
}

#[cfg(test)]
mod tests {
    use theater_core::Thousandths;

    use super::*;

    fn backoff(min: u64, max: u64) -> Backoff {
        Backoff::new(Duration::from_millis(min), Duration::from_millis(max))
    }

    #[test]
    fn waits_double_until_they_reach_the_longest() {
        let backoff = backoff(100, 1_000);
        let waits: Vec<_> = (0..6).map(|n| delay(&backoff, n, 0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(delay(&backoff, u32::MAX, 0).as_millis(), 1_000);
    }

    #[test]
    fn jitter_adds_at_most_its_part_and_never_exceeds_the_longest() {
        let mut backoff = backoff(100, 250);
        backoff.jitter = Thousandths(500);
        assert_eq!(delay(&backoff, 0, 0).as_millis(), 100);
        assert_eq!(delay(&backoff, 0, u32::MAX).as_millis(), 150);
        assert_eq!(delay(&backoff, 1, u32::MAX).as_millis(), 250);
    }

    #[test]
    fn a_factor_of_one_keeps_the_wait() {
        let mut backoff = backoff(100, 1_000);
        backoff.factor = Thousandths(1_000);
        assert_eq!(delay(&backoff, u32::MAX, 0).as_millis(), 100);
    }
}
