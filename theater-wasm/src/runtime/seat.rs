//! Who does the work of a life: its own task, or whoever waits for what it does next.
//!
//! An actor that asks another one, and would do nothing until the answer, can as well do the other's work at once. To wake the other's
//! task and to be woken by it costs more than most messages do, on two threads several times as much.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::Handle;

use super::entry::lock;

/// What a life does, until it is over.
pub(super) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Nobody works, and nothing is there to be done.
const IDLE: u8 = 0;
/// Nobody works, and the task has been told to.
const CALLED: u8 = 1;
/// Somebody works.
const TAKEN: u8 = 2;
/// Somebody works, and there is more to do meanwhile.
const TAKEN_CALLED: u8 = 3;
/// It is over: the work has an outcome, or was given up.
const OVER: u8 = 4;

/// Visits within visits: each is on the stack of a call, and none of them lets other tasks of the thread run.
const DEEPEST: u32 = 4;

/// Messages that make up for a tick of the guest's clock. One tick hits the quickest call by chance; where two come within so many
/// messages, a message takes more than it costs to wake a task.
const TICK: u32 = 16;
/// What a call of many ticks counts at most.
const SLOWEST: u32 = 4 * TICK;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// The place from which a life's work is done: by one at a time.
///
/// What is done wakes the seat and not the task. So a visitor does not wake the task by what it brings and does itself.
pub(super) struct Seat<T> {
    state: AtomicU8,
    /// Whether it waits for a message and can handle it: who comes then does not wait for something else as well.
    open: AtomicBool,
    /// Whether a visitor works.
    visited: AtomicBool,
    /// Ticks that messages have not made up for yet. The own task handles them while that is more than one tick.
    slow: AtomicU32,
    runtime: tokio::runtime::Id,
    task: Mutex<Option<Waker>>,
    work: Mutex<Stage<T>>,
}

enum Stage<T> {
    Going(Work<T>),
    Done(T),
    Gone,
}

impl<T> std::fmt::Debug for Seat<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Seat<T> {
    /// A seat of the current tokio runtime, on which all of the work is done.
    ///
    /// # Panics
    /// Outside of one.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(IDLE),
            open: AtomicBool::new(false),
            visited: AtomicBool::new(false),
            slow: AtomicU32::new(0),
            runtime: Handle::current().id(),
            task: Mutex::new(None),
            work: Mutex::new(Stage::Gone),
        })
    }

    /// Does the work, and lets visitors do it. Once.
    pub(super) fn occupy(self: Arc<Self>, work: Work<T>) -> Occupied<T> {
        *lock(&self.work) = Stage::Going(work);
        Occupied(self)
    }

    /// Says whether the work stands still only for want of a message.
    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// Whether a visitor is doing the work. It came for one message.
    pub(super) fn is_visited(&self) -> bool {
        self.visited.load(Ordering::Relaxed)
    }

    /// Notes that handling a message takes a tick.
    pub(super) fn slow_down(&self) {
        let slow = self.slow.load(Ordering::Relaxed);
        self.slow.store((slow + TICK).min(SLOWEST), Ordering::Relaxed);
    }

    /// Whether a visitor on this tokio runtime, who may have other things to do than to wait, should do the work.
    pub(super) fn welcomes(&self) -> bool {
        let slow = self.slow.load(Ordering::Relaxed);
        if slow > 0 {
            self.slow.store(slow - 1, Ordering::Relaxed);
        }
        slow <= TICK && Handle::try_current().is_ok_and(|handle| handle.id() == self.runtime)
    }

    /// The tokio runtime on which the work is done.
    pub(super) fn runtime(&self) -> tokio::runtime::Id {
        self.runtime
    }

    /// Takes the seat if it is free and open. What wakes it from now on does not wake the task.
    pub(super) fn visit(self: &Arc<Self>) -> Option<Visit<T>> {
        if DEPTH.get() >= DEEPEST || !self.open.load(Ordering::Relaxed) {
            return None;
        }
        self.state.compare_exchange(IDLE, TAKEN, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        Some(Visit { seat: Arc::clone(self), open: true })
    }

    /// Takes the seat for the task, or sees to it that whoever has it calls the task when he leaves.
    fn take(&self) -> bool {
        let taken = |state| match state {
            IDLE | CALLED => Some(TAKEN),
            TAKEN => Some(TAKEN_CALLED),
            _ => None,
        };
        let before = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, taken);
        matches!(before, Ok(IDLE | CALLED))
    }

    /// Does the work as far as it goes now. Only for who has taken the seat.
    fn work(&self, context: &mut Context<'_>) -> Option<T> {
        // Whatever was to be done before is done by what follows.
        self.state.compare_exchange(TAKEN_CALLED, TAKEN, Ordering::AcqRel, Ordering::Acquire).ok();
        let mut stage = lock(&self.work);
        let Stage::Going(work) = &mut *stage else { return None };
        let Poll::Ready(outcome) = work.as_mut().poll(context) else { return None };
        *stage = Stage::Gone;
        Some(outcome)
    }

    /// Leaves the seat.
    fn leave(&self) {
        let left = |state| match state {
            TAKEN => Some(IDLE),
            TAKEN_CALLED => Some(CALLED),
            _ => None,
        };
        match self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, left) {
            Ok(TAKEN_CALLED) => self.call(),
            Ok(_) => {}
            // The task was dropped meanwhile, and left the work to us.
            Err(_) => drop(self.take_stage()),
        }
    }

    /// What has become of the work, which is nobody else's then. The lock is free when what it was is dropped.
    fn take_stage(&self) -> Stage<T> {
        std::mem::replace(&mut *lock(&self.work), Stage::Gone)
    }

    /// Wakes the task.
    fn call(&self) {
        // Another thread may run it before `wake` has returned, and wants the lock.
        let task = lock(&self.task).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl<T: Send + 'static> Wake for Seat<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let called = |state| match state {
            IDLE => Some(CALLED),
            TAKEN => Some(TAKEN_CALLED),
            _ => None,
        };
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, called) == Ok(IDLE) {
            self.call();
        }
    }
}

/// The work, as the life's own task does it. Dropping it gives the work up.
#[derive(Debug)]
pub(super) struct Occupied<T: Send + 'static>(Arc<Seat<T>>);

impl<T: Send + 'static> Future for Occupied<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let seat = &self.0;
        {
            let mut task = lock(&seat.task);
            if !task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
                *task = Some(context.waker().clone());
            }
        }
        if !seat.take() {
            let over = seat.state.load(Ordering::Acquire) == OVER;
            return match over.then(|| seat.take_stage()) {
                Some(Stage::Done(outcome)) => Poll::Ready(outcome),
                _ => Poll::Pending,
            };
        }
        let waker = Waker::from(Arc::clone(seat));
        let outcome = seat.work(&mut Context::from_waker(&waker));
        match outcome {
            Some(outcome) => {
                seat.state.store(OVER, Ordering::Release);
                Poll::Ready(outcome)
            }
            None => {
                seat.leave();
                Poll::Pending
            }
        }
    }
}

impl<T: Send + 'static> Drop for Occupied<T> {
    fn drop(&mut self) {
        // Whoever works now cannot be waited for here; he drops the work when he leaves.
        if !matches!(self.0.state.swap(OVER, Ordering::AcqRel), TAKEN | TAKEN_CALLED) {
            drop(self.0.take_stage());
        }
    }
}

/// A seat that somebody else than the task has taken. Dropping it leaves the seat.
#[derive(Debug)]
pub(super) struct Visit<T: Send + 'static> {
    seat: Arc<Seat<T>>,
    open: bool,
}

impl<T: Send + 'static> Visit<T> {
    /// Does the work as far as it goes now: until it waits for something, or has taken a tick of processor time.
    pub(super) fn work(mut self) {
        let seat = &self.seat;
        let waker = Waker::from(Arc::clone(seat));
        DEPTH.set(DEPTH.get() + 1);
        seat.visited.store(true, Ordering::Relaxed);
        let outcome = seat.work(&mut Context::from_waker(&waker));
        seat.visited.store(false, Ordering::Relaxed);
        DEPTH.set(DEPTH.get() - 1);
        let Some(outcome) = outcome else { return };
        self.open = false;
        *lock(&seat.work) = Stage::Done(outcome);
        if seat.state.swap(OVER, Ordering::AcqRel) == OVER {
            // Nobody takes the outcome: the task was dropped.
            drop(seat.take_stage());
        }
        seat.call();
    }
}

impl<T: Send + 'static> Drop for Visit<T> {
    fn drop(&mut self) {
        if self.open {
            self.seat.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    /// Adds up what comes, and says so when there is no more.
    fn adder(seat: &Arc<Seat<u32>>) -> (mpsc::Sender<u32>, Occupied<u32>, Arc<AtomicU32>) {
        let (numbers, mut inbox) = mpsc::channel(100);
        let (sum, this) = (Arc::new(AtomicU32::new(0)), Arc::clone(seat));
        let sums = Arc::clone(&sum);
        let work = Box::pin(async move {
            loop {
                this.set_open(true);
                let Some(number) = inbox.recv().await else { return sums.load(Ordering::Relaxed) };
                this.set_open(false);
                sums.fetch_add(number, Ordering::Relaxed);
            }
        });
        (numbers, Arc::clone(seat).occupy(work), sum)
    }

    async fn visit(seat: &Arc<Seat<u32>>) -> Visit<u32> {
        loop {
            if let Some(visit) = seat.visit() {
                return visit;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_visitor_does_what_he_brings_before_the_task_runs() {
        let seat = Seat::new();
        assert!(seat.visit().is_none(), "nothing waits for a message yet");
        let (numbers, work, sum) = adder(&seat);
        let task = tokio::spawn(work);
        let visitor = visit(&seat).await;
        assert!(seat.visit().is_none(), "one at a time");
        numbers.try_send(3).unwrap();
        visitor.work();
        assert_eq!(sum.load(Ordering::Relaxed), 3);
        drop(numbers);
        assert_eq!(task.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn what_a_visitor_leaves_undone_is_done_by_the_task() {
        let seat = Seat::new();
        let (numbers, work, _) = adder(&seat);
        let task = tokio::spawn(work);
        let visitor = visit(&seat).await;
        numbers.try_send(4).unwrap();
        drop(numbers);
        drop(visitor);
        assert_eq!(task.await.unwrap(), 4);
    }

    #[tokio::test]
    async fn an_end_that_a_visitor_sees_is_told_to_the_task() {
        let seat = Seat::new();
        let (numbers, work, _) = adder(&seat);
        let task = tokio::spawn(work);
        let visitor = visit(&seat).await;
        drop(numbers);
        visitor.work();
        assert!(seat.visit().is_none());
        assert_eq!(task.await.unwrap(), 0);
    }

    #[tokio::test]
    async fn work_that_is_given_up_during_a_visit_is_dropped_after_it() {
        let seat = Seat::new();
        let (numbers, mut work, _) = adder(&seat);
        assert!(futures_util::FutureExt::now_or_never(&mut work).is_none());
        let visitor = seat.visit().unwrap();
        drop(work);
        assert!(!numbers.is_closed());
        drop(visitor);
        assert!(numbers.is_closed());
        assert!(seat.visit().is_none());
    }

    #[tokio::test]
    async fn long_messages_are_left_to_the_task() {
        let seat: Arc<Seat<u32>> = Seat::new();
        assert!(seat.welcomes());
        seat.slow_down();
        assert!(seat.welcomes(), "by chance");
        seat.slow_down();
        assert_eq!((0..TICK).filter(|_| seat.welcomes()).count(), 1);
        assert!(seat.welcomes());
        let elsewhere = std::thread::spawn(move || seat.welcomes());
        assert!(!elsewhere.join().unwrap(), "not on another tokio runtime, or none");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nothing_is_lost_between_visitors_on_several_threads() {
        const EACH: u32 = 20_000;
        let seat = Seat::new();
        let (numbers, work, _) = adder(&seat);
        let task = tokio::spawn(work);
        for _ in 0..4 {
            let (seat, numbers) = (Arc::clone(&seat), numbers.clone());
            tokio::spawn(async move {
                for _ in 0..EACH {
                    let place = numbers.reserve().await.unwrap();
                    let visitor = seat.visit();
                    place.send(1);
                    if let Some(visitor) = visitor {
                        visitor.work();
                    }
                }
            });
        }
        drop(numbers);
        let sum = tokio::time::timeout(Duration::from_secs(60), task).await;
        assert_eq!(sum.expect("nobody waits for what was not told").unwrap(), 4 * EACH);
    }
}
