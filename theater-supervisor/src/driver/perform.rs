//! One action at a time: none waits for a child.

use std::time::Duration;

use theater_core::{
    ActorError, ActorId, Authority, ChildNotice, ExitReason, Incarnation, SpawnRequest, StopMode,
};
use tokio::time::timeout;

use super::{Done, Driver, Operation, exceeded};
use crate::event::{SupervisionReport, SupervisorEvent};
use crate::machine::{Action, ChildKey, Report};

impl Driver {
    pub(super) async fn perform(&mut self, action: Action) {
        match action {
            Action::Start { child, id, call } => {
                // A call brings what it wants to start; a restart finds what was started under that name.
                let brought = call.and_then(|call| self.starts.remove(&call));
                let request = brought.or_else(|| id.as_ref().and_then(|id| self.named.get(id).cloned()));
                if let (Some(id), Some(request)) = (id, &request) {
                    self.named.insert(id, request.clone());
                    self.forget_unknown();
                }
                self.start(child, request);
            }
            Action::Restart { child, id, from, mode } => {
                let (runtime, by) = (self.supervisor.runtime().clone(), self.authority());
                let limit = self.settings.deadline.saturating_add(grace(mode));
                let task = self.begin_operation(Operation::Restart(child), async move {
                    let started = timeout(limit, runtime.restart(by, id, from)).await;
                    Done::Start(child, started.unwrap_or_else(|_| Err(exceeded("restart", limit))))
                });
                self.starting.insert(child, task);
            }
            Action::Stop { child, id, mode, halt } => self.stop(child, id, mode, halt),
            Action::Abandon { child } => {
                // A start that is given up leaves nothing running: the runtime promises it.
                if let Some(task) = self.starting.get(&child) {
                    task.abort();
                }
            }
            Action::RetryLater { child, attempt, delay } => self.timers.add(child, attempt, delay),
            Action::Reply { call, verdict } => {
                self.starts.remove(&call);
                if let Some(reply) = self.calls.remove(&call) {
                    // Whoever asked may have been ended while it waited.
                    let _ = reply.send(verdict);
                }
            }
            Action::Begun(outcome) => {
                if let Some(begun) = self.begun.take() {
                    let _ = begun.send(outcome);
                }
            }
            Action::Report(report) => self.record(report).await,
            Action::Notify { id, incarnation, reason } => {
                self.notices.push_back(ChildNotice::new(id, incarnation, ExitReason::clone(&reason)));
            }
            Action::Reap { id } => {
                let (runtime, by) = (self.supervisor.runtime().clone(), self.authority());
                let limit = self.settings.deadline;
                self.begin_operation(Operation::Reap, async move {
                    if let Ok(Err(error)) = timeout(limit, runtime.reap(by, id)).await {
                        tracing::debug!(child = %id, %error, "the record of a deleted child stays");
                    }
                    Done::Reaped
                });
            }
            Action::Finish(outcome) => self.outcome = Some(outcome),
        }
    }

    /// Forgets what the machine has forgotten, often enough that it never is much.
    fn forget_unknown(&mut self) {
        if self.named.len() > 64 + 2 * self.machine.count_children().specs {
            self.named.retain(|id, _| self.machine.knows(id));
        }
    }

    fn start(&mut self, child: ChildKey, request: Option<SpawnRequest>) {
        let runtime = self.supervisor.runtime().clone();
        let limit = self.settings.deadline;
        let task = self.begin_operation(Operation::Start(child), async move {
            // The child was forgotten with what it was: nobody can start it.
            let Some(request) = request else {
                return Done::Start(child, Err(ActorError::Unsupported { operation: "a start of nothing" }));
            };
            let started = timeout(limit, runtime.spawn(request)).await;
            Done::Start(child, started.unwrap_or_else(|_| Err(exceeded("spawn", limit))))
        });
        self.starting.insert(child, task);
    }

    fn stop(&mut self, child: ChildKey, id: ActorId, mode: StopMode, halt: bool) {
        let (runtime, by) = (self.supervisor.runtime().clone(), self.authority());
        let limit = self.settings.deadline.saturating_add(grace(mode));
        self.begin_operation(Operation::Stop(child), async move {
            let stopping = async {
                if halt { runtime.halt(by, id, mode).await } else { runtime.stop(by, id, mode).await }
            };
            let stopped = match mode {
                StopMode::Infinity => Ok(stopping.await),
                _ => timeout(limit, stopping).await,
            };
            let error = match stopped {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error),
                Err(_) => Some(exceeded("stop", limit)),
            };
            Done::Stop(child, error)
        });
    }

    /// Writes a decision into the supervisor's chain. The rule is followed also where that fails: not restarting a child
    /// would help nobody.
    async fn record(&mut self, report: Report) {
        let supervisor = &self.supervisor;
        // A declared child that never ran has no actor; the record is about the supervisor then.
        let child = report.child.unwrap_or(supervisor.id());
        let incarnation = report.child.map_or(Incarnation(0), |_| report.incarnation);
        let report = SupervisionReport::new(child, incarnation, report.reason.to_string(), report.decision)
            .with_child_id(report.child_id.map(|id| id.to_string()));
        tracing::debug!(supervisor = %supervisor.id(), ?report, "supervision");
        let recording = supervisor.runtime().record(supervisor.id(), SupervisorEvent::report(&report));
        match timeout(self.settings.deadline, recording).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%error, "a supervision decision was not recorded"),
            Err(_) => tracing::error!("recording a supervision decision took too long"),
        }
    }

    fn authority(&self) -> Authority {
        Authority::Parent(self.supervisor.id())
    }

    /// One notice at a time, so that the guest hears of ends in their order.
    pub(super) fn notify_next(&mut self) {
        if self.notifying {
            return;
        }
        let Some(notice) = self.notices.pop_front() else { return };
        self.notifying = true;
        let (supervisor, limit) = (self.supervisor.clone(), self.settings.deadline);
        self.begin_operation(Operation::Notify, async move {
            let notified = timeout(limit, supervisor.runtime().notify(supervisor.id(), notice)).await;
            if let Err(error) = notified.unwrap_or_else(|_| Err(exceeded("notify", limit))) {
                tracing::debug!(supervisor = %supervisor.id(), %error, "a notice was not taken");
            }
            Done::Notified
        });
    }
}

/// How long a stop in this mode may take by itself.
pub(crate) fn grace(mode: StopMode) -> Duration {
    match mode {
        StopMode::Graceful(grace) => grace,
        // Bounded by the caller's own deadline only.
        StopMode::Infinity => Duration::from_secs(365 * 24 * 3_600),
        _ => Duration::ZERO,
    }
}
