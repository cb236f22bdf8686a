//! OTP's rules, by the driver of `theater-supervisor` over the runtime under test.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{
    ActorError, ActorHandle, ActorId, Authority, AutoShutdown, ExitReason, ShutdownController, StopMode,
    Strategy, SupervisionSpec,
};
use theater_supervisor::{ChildError, ChildState, SupervisorError, SupervisorHandle, SupervisorHost};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::support::{AT_ONCE, Failure, LONG, Subject, Verdict, ensure, ensure_eq};
use crate::act::Act;
use crate::program::Program;

/// A supervisor that runs over the runtime under test, on a root actor.
struct Supervised {
    it: Subject,
    root: ActorId,
    handle: SupervisorHandle,
    shutdown: ShutdownController,
    running: JoinHandle<Result<(), SupervisorError>>,
}

impl Supervised {
    async fn by(it: &Subject, rules: SupervisionSpec) -> Result<Self, Failure> {
        let root = it.root().await?;
        let host = SupervisorHost::builder().supervision(rules).build();
        let handle = host.handle();
        let (shutdown, receiver) = ShutdownController::new();
        let running = tokio::spawn(host.start(ActorHandle::new(root, Arc::clone(&it.runtime)), receiver));
        Ok(Self { it: it.clone(), root, handle, shutdown, running })
    }

    async fn under(it: &Subject, strategy: Strategy) -> Result<Self, Failure> {
        Self::by(it, SupervisionSpec::new(20, Duration::from_secs(60)).with_strategy(strategy)).await
    }

    async fn child(&self, id: &str, words: &str) -> Result<ActorId, Failure> {
        let spec = Program::read(words).child_spec;
        let started = self.handle.start_child(id, spec, self.it.request(None, words)).await;
        let started = started.map_err(|error| format!("`{id}` did not start: {error}"))?;
        started.ok_or_else(|| format!("`{id}` has no actor").into())
    }

    /// Waits until each of these lives runs.
    async fn run(&self, lives: &[(ActorId, u64)]) -> Verdict {
        for (id, life) in lives {
            let what = format!("life {life} of {id} runs");
            self.it
                .soon(&what, async || Ok(self.it.runs(*id).await? && self.it.life(*id).await? == *life))
                .await?;
        }
        Ok(())
    }

    /// Waits until the supervisor has seen that a child is down.
    async fn down(&self, id: &str) -> Verdict {
        self.it
            .soon(&format!("the supervisor has `{id}` as down"), async || {
                let children = self.handle.which_children().await.map_err(ActorError::from)?;
                let child = children.iter().find(|child| child.id.as_deref() == Some(id));
                Ok(child.is_none_or(|child| child.state == ChildState::Down))
            })
            .await
    }

    /// Waits for the end of the supervisor.
    async fn end(self) -> Result<Result<(), SupervisorError>, Failure> {
        let ended = timeout(Duration::from_secs(20), self.running).await;
        ended.map_err(|_| "the supervisor did not end")?.map_err(|error| error.to_string().into())
    }
}

async fn kill(it: &Subject, id: ActorId) -> Verdict {
    it.runtime.stop(Authority::Operator, id, StopMode::Kill).await?;
    Ok(())
}

pub(super) async fn a_permanent_child_is_always_started_again(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let child = supervised.child("a", "a permanent").await?;
    it.crash(child).await?;
    supervised.run(&[(child, 2)]).await?;
    it.runtime.stop(Authority::Operator, child, StopMode::Graceful(Duration::from_secs(5))).await?;
    supervised.run(&[(child, 3)]).await?;
    kill(&it, child).await?;
    supervised.run(&[(child, 4)]).await
}

pub(super) async fn a_transient_child_is_started_again_when_it_failed(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let child = supervised.child("a", "a transient").await?;
    it.crash(child).await?;
    supervised.run(&[(child, 2)]).await?;
    // Killed by somebody else is a failure, as in OTP.
    kill(&it, child).await?;
    supervised.run(&[(child, 3)]).await?;
    it.runtime.stop(Authority::Operator, child, StopMode::Graceful(Duration::from_secs(5))).await?;
    supervised.down("a").await?;
    ensure_eq!(it.life(child).await?, 3, "the life of a transient child that was stopped");
    Ok(())
}

pub(super) async fn a_transient_child_that_finished_is_left(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let child = supervised.child("a", "a transient").await?;
    it.act(child, Act::Complete(None)).await?;
    supervised.down("a").await?;
    ensure_eq!(it.ended(child).await?, Some(ExitReason::Completed { data: None }), "how it ended");
    ensure_eq!(it.life(child).await?, 1, "the life of a transient child that finished");
    Ok(())
}

pub(super) async fn a_temporary_child_is_never_started_again(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForAll).await?;
    let (child, other) = (supervised.child("a", "a temporary").await?, supervised.child("b", "b").await?);
    it.crash(child).await?;
    supervised.down("a").await?;
    let children = supervised.handle.which_children().await.map_err(ActorError::from)?;
    ensure_eq!(children.len(), 1, "the children after a temporary one ended");
    ensure_eq!((it.life(other).await?, it.runs(other).await?), (1, true), "the sibling's life");
    Ok(())
}

/// Three permanent children; the second crashes; then these lives run.
async fn group(it: &Subject, strategy: Strategy, lives: [u64; 3]) -> Verdict {
    let supervised = Supervised::under(it, strategy).await?;
    let mut children = Vec::new();
    for id in ["a", "b", "c"] {
        children.push(supervised.child(id, &format!("{id} permanent")).await?);
    }
    let mut exits_before = Vec::new();
    for child in &children {
        exits_before.push(it.events(*child).await?.len());
    }
    it.crash(children[1]).await?;
    let wanted: Vec<_> = children.iter().copied().zip(lives).collect();
    supervised.run(&wanted).await?;
    ensure_eq!(it.children(supervised.root).await?, children, "the children in start order");
    // The times on the chains tell the order: stops latest first, then starts first first.
    let mut ends = Vec::new();
    let mut starts = Vec::new();
    for (child, before) in children.iter().zip(exits_before) {
        let events = it.events(*child).await?.split_off(before);
        let time =
            |kind| events.iter().find(|event| event.header.kind == kind).map(|event| event.header.time);
        ends.extend(time(theater_core::EventKind::EXITED).filter(|_| *child != children[1]));
        starts.extend(time(theater_core::EventKind::STARTED));
    }
    ensure!(ends.iter().rev().is_sorted(), "siblings were not stopped latest first: {ends:?}");
    ensure!(starts.is_sorted(), "children were not started in their order: {starts:?}");
    ensure!(ends.iter().all(|end| starts.iter().all(|start| end <= start)), "a start came before a stop");
    Ok(())
}

pub(super) async fn one_for_one_restarts_one(it: Subject) -> Verdict {
    group(&it, Strategy::OneForOne, [1, 2, 1]).await
}

pub(super) async fn one_for_all_restarts_all_in_order(it: Subject) -> Verdict {
    group(&it, Strategy::OneForAll, [2, 2, 2]).await
}

pub(super) async fn rest_for_one_restarts_those_after_it(it: Subject) -> Verdict {
    group(&it, Strategy::RestForOne, [1, 2, 2]).await
}

pub(super) async fn a_restarted_child_keeps_its_id_and_its_state(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let child = supervised.child("a", "a permanent").await?;
    it.set_state(child, b"kept").await?;
    it.crash(child).await?;
    supervised.run(&[(child, 2)]).await?;
    ensure_eq!(
        it.state(child).await?.as_deref(),
        Some(&b"kept"[..]),
        "the state after a restart by the rules"
    );
    ensure_eq!(it.children(supervised.root).await?, [child], "the children");
    Ok(())
}

pub(super) async fn too_many_restarts_end_the_supervisor_and_all_children(it: Subject) -> Verdict {
    let supervised = Supervised::by(&it, SupervisionSpec::new(2, Duration::from_secs(600))).await?;
    let (child, other) = (supervised.child("a", "a permanent").await?, supervised.child("b", "b").await?);
    for life in 2..4 {
        it.crash(child).await?;
        supervised.run(&[(child, life)]).await?;
    }
    it.crash(child).await?;
    match supervised.end().await? {
        Err(SupervisorError::ActorError(ActorError::Escalated { child: id, .. })) if id == child => {}
        ended => return Err(format!("the supervisor ended with {ended:?} instead of Escalated").into()),
    }
    ensure!(it.ended(child).await?.is_some(), "the child lives on");
    ensure!(it.ended(other).await?.is_some(), "its sibling lives on");
    ensure_eq!(it.life(child).await?, 3, "the lives of the child");
    Ok(())
}

pub(super) async fn a_supervisor_that_ends_stops_its_children_latest_first(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let mut children = Vec::new();
    for id in ["a", "b", "c", "d"] {
        children.push(supervised.child(id, &format!("{id} permanent")).await?);
    }
    supervised.shutdown.shutdown();
    supervised.end().await?.map_err(|error| error.to_string())?;
    let mut ends = Vec::new();
    for child in children.iter().rev() {
        ensure!(it.ended(*child).await?.is_some(), "{child} outlives its supervisor");
        ends.push(it.events(*child).await?.last().map(|event| event.header.time));
    }
    ensure!(ends.is_sorted(), "the times of the ends, latest child first: {ends:?}");
    Ok(())
}

pub(super) async fn a_restart_that_fails_is_tried_again(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let child = supervised.child("a", "a permanent initial ok error error ok").await?;
    it.crash(child).await?;
    supervised.run(&[(child, 4)]).await
}

pub(super) async fn a_significant_child_that_finishes_ends_the_supervisor(it: Subject) -> Verdict {
    let rules = SupervisionSpec::default().with_auto_shutdown(AutoShutdown::AnySignificant);
    let supervised = Supervised::by(&it, rules).await?;
    let (child, other) =
        (supervised.child("a", "a transient significant").await?, supervised.child("b", "b").await?);
    it.act(child, Act::Complete(None)).await?;
    match supervised.end().await? {
        Err(SupervisorError::ActorError(ActorError::AutoShutdown { child: id })) if id == child => {}
        ended => return Err(format!("the supervisor ended with {ended:?} instead of AutoShutdown").into()),
    }
    ensure!(it.ended(other).await?.is_some(), "its sibling lives on");
    Ok(())
}

pub(super) async fn a_terminated_child_stays_down_and_can_be_restarted_and_deleted(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let child = supervised.child("a", "a permanent").await?;
    let refused = supervised.handle.delete_child("a").await;
    ensure!(matches!(refused, Err(ChildError::Running)), "deleting who runs: {refused:?}");
    supervised.handle.terminate_child("a").await.map_err(ActorError::from)?;
    ensure!(it.ended(child).await?.is_some(), "it lives after terminate_child");
    let refused =
        supervised.handle.start_child("a", Program::read("a").child_spec, it.request(None, "a")).await;
    ensure!(matches!(refused, Err(ChildError::AlreadyPresent { .. })), "starting who is there: {refused:?}");
    let again = supervised.handle.restart_child("a").await.map_err(ActorError::from)?;
    ensure_eq!(again, Some(child), "the actor after restart_child");
    supervised.run(&[(child, 2)]).await?;
    supervised.handle.terminate_child("a").await.map_err(ActorError::from)?;
    supervised.handle.delete_child("a").await.map_err(ActorError::from)?;
    let children = supervised.handle.which_children().await.map_err(ActorError::from)?;
    ensure_eq!(children.len(), 0, "the children after delete_child");
    let refused = supervised.handle.restart_child("a").await;
    ensure!(matches!(refused, Err(ChildError::NotFound { .. })), "restarting who is deleted: {refused:?}");
    Ok(())
}

pub(super) async fn a_child_is_stopped_within_its_own_grace(it: Subject) -> Verdict {
    let supervised = Supervised::under(&it, Strategy::OneForOne).await?;
    let child = supervised.child("a", "a permanent grace 300ms").await?;
    it.act(child, Act::Busy(LONG)).await?;
    let stopping = timeout(AT_ONCE + Duration::from_millis(300), supervised.handle.terminate_child("a"));
    stopping
        .await
        .map_err(|_| "a busy child was not killed when its grace was over")?
        .map_err(ActorError::from)?;
    ensure_eq!(it.ended(child).await?, Some(ExitReason::Killed), "how it ended");
    Ok(())
}
