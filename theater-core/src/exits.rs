//! Exit notices: every end of a child's life, in order, exactly once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::actor::{ActorId, Incarnation};
use crate::exit::ExitReason;

/// The end of one life of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChildExit {
    /// The child.
    pub id: ActorId,
    /// Which life ended.
    pub incarnation: Incarnation,
    /// Why.
    pub reason: ExitReason,
    /// Whether a call other than `init` succeeded in that life; `None` if the runtime does not say. A life without
    /// counts against the state that it began from: see `supervision.poison_after`.
    pub progressed: Option<bool>,
}

impl ChildExit {
    /// A notice.
    #[must_use]
    pub fn new(id: ActorId, incarnation: Incarnation, reason: ExitReason) -> Self {
        Self { id, incarnation, reason, progressed: None }
    }

    /// The same, with whether a call succeeded in that life.
    #[must_use]
    pub fn with_progress(mut self, progressed: bool) -> Self {
        self.progressed = Some(progressed);
        self
    }
}

/// Where a runtime puts the exits of one parent's children until they are taken.
///
/// The queue is the parent's, not the reader's: an exit that happened before anybody listened is kept, and each
/// exit is handed out once however many streams there are. It holds at most one notice per life that ended and whose
/// actor still has a record; records are bounded by the runtime's retention, lives by the restart intensity.
#[derive(Debug, Clone, Default)]
pub struct ExitQueue {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<ChildExit>,
    /// How many of them each child has.
    of: HashMap<ActorId, usize>,
    closed: bool,
}

impl State {
    fn push(&mut self, exit: ChildExit) {
        *self.of.entry(exit.id).or_default() += 1;
        self.waiting.push_back(exit);
    }

    fn pop(&mut self) -> Option<ChildExit> {
        let exit = self.waiting.pop_front()?;
        if let Entry::Occupied(mut left) = self.of.entry(exit.id) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
        Some(exit)
    }

    fn forget(&mut self, child: ActorId) {
        let mut left = self.of.remove(&child).unwrap_or_default();
        // Records go in the order in which their actors ended: where nobody takes exits, the first is the one, whatever comes after.
        while left > 0 && self.waiting.front().is_some_and(|exit| exit.id == child) {
            self.waiting.pop_front();
            left -= 1;
        }
        if left > 0 {
            self.waiting.retain(|exit| exit.id != child);
        }
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ExitQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an exit. After [`close`](Self::close) it is dropped.
    pub fn push(&self, exit: ChildExit) {
        {
            let mut state = self.shared.state();
            if state.closed {
                return;
            }
            state.push(exit);
        }
        self.shared.changed.notify_one();
    }

    /// Forgets the exits of one child that nobody took: its record is gone.
    pub fn forget(&self, child: ActorId) {
        self.shared.state().forget(child);
    }

    /// Forgets the exits that nobody took: the parent starts a new life.
    pub fn clear(&self) {
        let mut state = self.shared.state();
        state.waiting.clear();
        state.of.clear();
    }

    /// Ends all streams once the exits that wait have been taken.
    pub fn close(&self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_waiters();
        self.shared.changed.notify_one();
    }

    /// A stream over this queue.
    #[must_use]
    pub fn stream(&self) -> ExitStream {
        ExitStream { shared: Arc::clone(&self.shared) }
    }
}

/// The exits of one parent's children, oldest first.
#[derive(Debug)]
pub struct ExitStream {
    shared: Arc<Shared>,
}

impl ExitStream {
    /// A stream that has ended, for a parent that the runtime does not know.
    #[must_use]
    pub fn ended() -> Self {
        let queue = ExitQueue::new();
        queue.close();
        queue.stream()
    }

    /// The next exit, or `None` when there will be no more. Cancel-safe: an exit is taken only when it is returned.
    pub async fn next(&mut self) -> Option<ChildExit> {
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut state = self.shared.state();
                if let Some(exit) = state.pop() {
                    if !state.waiting.is_empty() {
                        // The permit that announced the rest may have been spent on this call.
                        self.shared.changed.notify_one();
                    }
                    return Some(exit);
                }
                if state.closed {
                    // Another stream may be waiting for the same permit.
                    self.shared.changed.notify_one();
                    return None;
                }
            }
            changed.await;
        }
    }

    /// The next exit if one waits already.
    pub fn try_next(&mut self) -> Option<ChildExit> {
        self.shared.state().pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(n: u64) -> ChildExit {
        ChildExit::new(ActorId::from_parts(n, [0; 10]), Incarnation::FIRST, ExitReason::Stopped)
    }

    #[tokio::test]
    async fn an_exit_before_anybody_listened_is_delivered_once() {
        let queue = ExitQueue::new();
        queue.push(exit(1));
        queue.push(exit(2));
        let (mut first, mut second) = (queue.stream(), queue.stream());
        assert_eq!(first.next().await, Some(exit(1)));
        assert_eq!(second.next().await, Some(exit(2)));
        queue.close();
        assert_eq!(first.next().await, None);
        assert_eq!(second.next().await, None);
    }

    #[tokio::test]
    async fn the_exits_of_a_child_without_a_record_are_forgotten() {
        let queue = ExitQueue::new();
        queue.push(exit(1));
        queue.push(exit(2));
        queue.forget(exit(1).id);
        assert_eq!(queue.stream().try_next(), Some(exit(2)));
        for child in [3, 4, 3, 5, 4, 3] {
            queue.push(exit(child));
        }
        assert_eq!(queue.stream().try_next(), Some(exit(3)));
        queue.forget(exit(4).id);
        queue.forget(exit(6).id);
        queue.forget(exit(3).id);
        assert_eq!(queue.stream().try_next(), Some(exit(5)));
        assert_eq!(queue.stream().try_next(), None);
    }

    #[tokio::test]
    async fn a_waiting_stream_is_woken_by_a_push_and_by_the_end() {
        let queue = ExitQueue::new();
        let mut stream = queue.stream();
        let reader = tokio::spawn(async move { (stream.next().await, stream.next().await) });
        tokio::task::yield_now().await;
        queue.push(exit(7));
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(reader.await.unwrap(), (Some(exit(7)), None));
    }
}
