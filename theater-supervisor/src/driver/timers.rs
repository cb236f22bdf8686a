//! The times at which restarts are tried again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::machine::ChildKey;

/// Retries that wait. At most one per child is of any meaning; the machine tells which.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Those that wait for nothing but their turn.
    at_once: VecDeque<(ChildKey, u32)>,
    later: BinaryHeap<Reverse<(Instant, ChildKey, u32)>>,
}

impl Timers {
    pub(super) fn add(&mut self, child: ChildKey, attempt: u32, delay: Duration) {
        if delay.is_zero() {
            self.at_once.push_back((child, attempt));
        } else {
            self.later.push(Reverse((Instant::now() + delay, child, attempt)));
        }
    }

    /// Resolves when one is due; never, while none waits. Cancel-safe.
    pub(super) fn next(&self) -> impl Future<Output = ()> + use<> {
        let at_once = !self.at_once.is_empty();
        let time = self.later.peek().map(|Reverse((time, ..))| *time);
        async move {
            match time {
                // Others get a turn, even if a start fails again and again without ever waiting.
                _ if at_once => tokio::task::yield_now().await,
                Some(time) => tokio::time::sleep_until(time).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Takes one that is due, if there is one.
    pub(super) fn take_due(&mut self) -> Option<(ChildKey, u32)> {
        let now = Instant::now();
        if self.later.peek().is_some_and(|Reverse((time, ..))| *time <= now) {
            return self.later.pop().map(|Reverse((_, child, attempt))| (child, attempt));
        }
        self.at_once.pop_front()
    }
}
