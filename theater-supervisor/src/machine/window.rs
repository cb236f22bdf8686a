//! Restart intensity: how often is too often.

use std::collections::VecDeque;
use std::time::Duration;

use super::Tick;

/// Counts restarts in a sliding window, as OTP's supervisor does, at millisecond grain.
///
/// One counter per supervisor, over all its children. A restart that happened exactly `period` ago still counts. The
/// attempt is counted before it is made, so intensity 0 allows none.
#[derive(Debug, Clone)]
pub struct Intensity {
    intensity: u32,
    period: Duration,
    /// At most `intensity` + 1 of them.
    restarts: VecDeque<Tick>,
}

impl Intensity {
    /// Allows `intensity` restarts within `period`.
    #[must_use]
    pub fn new(intensity: u32, period: Duration) -> Self {
        Self { intensity, period, restarts: VecDeque::new() }
    }

    /// Takes over restarts that happened before. Of more than are allowed, the latest count.
    pub fn remember(&mut self, restarts: impl IntoIterator<Item = Tick>) {
        self.restarts.extend(restarts);
        self.restarts.make_contiguous().sort_unstable();
        let beyond = self.restarts.len().saturating_sub(self.intensity as usize);
        self.restarts.drain(..beyond);
    }

    /// Counts a restart at `now`. `false` if it is one too many.
    pub fn admit(&mut self, now: Tick) -> bool {
        let period = u64::try_from(self.period.as_millis()).unwrap_or(u64::MAX);
        let oldest = Tick(now.0.saturating_sub(period));
        while self.restarts.front().is_some_and(|restart| *restart < oldest) {
            self.restarts.pop_front();
        }
        // One too many ends the supervisor, so there is never a second.
        self.restarts.push_back(now);
        self.count() <= self.intensity
    }

    /// Restarts within the window, as of the last one.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.restarts.len()).unwrap_or(u32::MAX)
    }

    /// How many restarts are allowed.
    #[must_use]
    pub fn intensity(&self) -> u32 {
        self.intensity
    }

    /// Within which time.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_includes_its_edge() {
        for (gap, expected) in [(999, false), (1_000, false), (1_001, true)] {
            let mut window = Intensity::new(1, Duration::from_secs(1));
            assert!(window.admit(Tick(5_000)));
            assert_eq!(window.admit(Tick(5_000 + gap)), expected, "{gap} ms later");
        }
    }

    #[test]
    fn restarts_that_are_taken_over_count_until_they_are_old() {
        let mut window = Intensity::new(2, Duration::from_secs(5));
        window.remember([Tick(4_000), Tick(1_000), Tick(0)]);
        assert_eq!(window.count(), 2, "the latest that are allowed");
        assert!(!window.clone().admit(Tick(5_000)));
        assert!(window.admit(Tick(6_001)));
    }

    #[test]
    fn intensity_zero_allows_no_restart() {
        assert!(!Intensity::new(0, Duration::from_secs(5)).admit(Tick(0)));
    }

    #[test]
    fn restarts_that_are_far_enough_apart_go_on_for_ever() {
        let mut window = Intensity::new(2, Duration::from_millis(600));
        assert!((0..1_000).all(|n| window.admit(Tick(n * 301))));
        assert!(window.count() <= 2);
    }
}
