//! Letting things happen: one, all that are ready, and those that time brings.

use std::time::Duration;

use theater_core::{ActorId, ActorStatus};

use super::MockRuntime;
use super::queue::Ready;
use crate::log::What;

/// Turns that everybody else gets before the system counts as idle. A turn lets every task run that can, unless there are
/// very many; who is woken at the end of one runs in the next.
const IDLE_TURNS: usize = 3;

/// A system at rest: nothing more happens unless somebody does something, or time passes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rest {
    /// How much happened until then: entries of the log and calls of the runtime.
    pub steps: usize,
    /// Actors whose start has not ended: they hang, or take their time.
    pub starting: Vec<ActorId>,
}

/// A system that did not come to rest within its budget: it restarts, retries or talks for ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not at rest after {steps} steps; ready: [{}]; last:\n{last}", ready.join(", "))]
#[non_exhaustive]
pub struct Stuck {
    /// How much happened.
    pub steps: usize,
    /// What was about to happen.
    pub ready: Vec<String>,
    /// What happened last, one entry of the log a line.
    pub last: String,
}

impl MockRuntime {
    /// Lets the next thing happen that is ready, as the schedule says, and returns what it was; `None` if nothing is ready.
    ///
    /// Things wait for this only where the runtime was built [`manual`](super::MockRuntimeBuilder::manual); otherwise they
    /// happen by themselves as soon as everybody waits.
    pub async fn step(&self) -> Option<String> {
        idle().await;
        let fired = self.lives().fire();
        idle().await;
        fired.map(|ready| ready.to_string())
    }

    /// Waits until nothing more happens, without letting time pass.
    ///
    /// # Errors
    /// [`Stuck`] if more than `budget` steps happen: entries of the log and calls of the runtime.
    pub async fn settle(&self, budget: usize) -> Result<Rest, Stuck> {
        let begin = self.activity();
        loop {
            let before = self.activity();
            idle().await;
            let fired = {
                let mut lives = self.lives();
                let mine = lives.queue.manual || !lives.queue.pumping;
                mine && lives.fire().is_some()
            };
            let steps = self.activity() - begin;
            if steps > budget {
                return Err(self.stuck(steps));
            }
            if !fired && self.activity() == before && self.lives().queue.is_empty() {
                let mut lives = self.lives();
                lives.note(What::AtRest);
                let starting = lives.actors.iter().filter(|(_, actor)| actor.status == ActorStatus::Starting);
                return Ok(Rest { steps, starting: starting.map(|(id, _)| *id).collect() });
            }
        }
    }

    /// Lets time pass, with everything that comes due in it, and settles.
    ///
    /// # Errors
    /// [`Stuck`] if the system does not come to rest then: see [`settle`](Self::settle).
    pub async fn advance(&self, time: Duration) -> Result<Rest, Stuck> {
        let pass = tokio::time::sleep(time);
        if self.lives().queue.manual {
            // Nobody else lets things happen meanwhile.
            self.settle(ADVANCE_BUDGET).await?;
        }
        pass.await;
        self.settle(ADVANCE_BUDGET).await
    }

    /// A number below `count`, by the schedule.
    pub(crate) fn choose(&self, count: usize) -> usize {
        self.lives().queue.chooser.choose(count)
    }

    /// How much happened so far.
    fn activity(&self) -> usize {
        let lives = self.lives();
        lives.log.len() + lives.called
    }

    fn stuck(&self, steps: usize) -> Stuck {
        let lives = self.lives();
        let ready = lives.queue.ready().iter().map(Ready::to_string).collect();
        let entries = lives.log.entries();
        let last: Vec<_> = entries.iter().rev().take(8).rev().map(ToString::to_string).collect();
        Stuck { steps, ready, last: last.join("\n") }
    }

    /// Waits for the turn of something that is ready.
    pub(super) async fn turn(&self, ready: Ready) {
        let waiting = {
            let mut lives = self.lives();
            if lives.queue.is_direct() {
                return;
            }
            lives.queue.wait(ready)
        };
        self.pump();
        // An error would be a queue that is gone, and with it this runtime.
        let _ = waiting.await;
    }

    /// Makes sure that what is ready happens.
    pub(super) fn pump(&self) {
        // Outside of a tokio runtime, at its end for example, nobody is there for whom it could happen.
        let Ok(tokio) = tokio::runtime::Handle::try_current() else { return };
        {
            let mut lives = self.lives();
            let queue = &mut lives.queue;
            if queue.manual || queue.pumping || queue.is_empty() {
                return;
            }
            queue.pumping = true;
        }
        let mock = self.clone();
        tokio.spawn(async move {
            loop {
                idle().await;
                let mut lives = mock.lives();
                if lives.fire().is_none() {
                    lives.queue.pumping = false;
                    return;
                }
            }
        });
    }
}

/// Steps that [`MockRuntime::advance`] allows at each rest.
const ADVANCE_BUDGET: usize = 100_000;

/// Lets everybody else do what they can do now.
async fn idle() {
    for _ in 0..IDLE_TURNS {
        tokio::task::yield_now().await;
    }
}
