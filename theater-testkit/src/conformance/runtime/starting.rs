//! Starting.

use std::time::Duration;

use theater_core::event::payload::{Origin, Started, decode};
use theater_core::{
    ActorError, ActorId, ActorStatus, Authority, Bytes, ChildSpec, EventKind, ExitReason, RestartFrom,
    RestartPolicy, StartFrom, StopMode,
};
use tokio::time::{Instant, sleep, timeout};

use super::support::{Failure, Subject, Verdict, ensure, ensure_eq};

/// Where the last life of an actor started from.
async fn origin(it: &Subject, id: ActorId) -> Result<Origin, Failure> {
    let events = it.events(id).await?;
    let started = events.iter().rev().find(|event| event.header.kind == EventKind::STARTED);
    let Some(started) = started else { return Err("no life has begun on the chain".into()) };
    let started: Started = decode(&started.payload).map_err(|error| error.to_string())?;
    Ok(started.origin)
}

pub(super) async fn a_start_answers_with_the_running_actor(it: Subject) -> Verdict {
    let root = it.root().await?;
    let info = it.start(Some(root), "child").await?;
    ensure_eq!(info.status, ActorStatus::Running, "the status in the answer");
    ensure_eq!(info.parent, Some(root), "the parent in the answer");
    ensure_eq!(it.info(info.id).await?, info, "what is known afterwards");
    ensure_eq!(it.info(root).await?.parent, None, "the parent of a root actor");
    Ok(())
}

pub(super) async fn the_child_spec_of_the_request_counts(it: Subject) -> Verdict {
    let root = it.root().await?;
    let spec = ChildSpec::new(RestartPolicy::Transient)
        .with_shutdown(theater_core::Shutdown::After(Duration::from_millis(1_234)));
    let info = it.runtime.spawn(it.request(Some(root), "child permanent").child_spec(spec)).await?;
    ensure_eq!(info.child_spec, spec, "the child spec");
    let info = it.runtime.restart(Authority::Operator, info.id, RestartFrom::LastGood).await?;
    ensure_eq!(info.child_spec, spec, "the child spec after a restart");
    Ok(())
}

pub(super) async fn init_begins_with_the_bytes_that_it_is_given(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child_with(root, b"given").await?;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"given"[..]), "the state after init");
    let child = it.child(root).await?;
    ensure_eq!(it.state(child).await?, None, "the state of an actor that was given none");
    Ok(())
}

pub(super) async fn the_error_of_init_is_the_answer(it: Subject) -> Verdict {
    let root = it.root().await?;
    match it.start(Some(root), "child error").await {
        Err(ActorError::StartFailed { reason: ExitReason::InitFailed { .. } }) => Ok(()),
        other => Err(format!("an init that answers with an error: {other:?} instead of InitFailed").into()),
    }
}

pub(super) async fn a_trap_in_init_is_the_answer(it: Subject) -> Verdict {
    let root = it.root().await?;
    match it.start(Some(root), "child trap").await {
        Err(ActorError::StartFailed { reason: ExitReason::Trapped { .. } }) => Ok(()),
        other => Err(format!("an init that traps: {other:?} instead of Trapped").into()),
    }
}

pub(super) async fn an_init_that_ends_the_actor_is_no_start(it: Subject) -> Verdict {
    let root = it.root().await?;
    match it.start(Some(root), "child ignore").await {
        Err(ActorError::StartFailed { reason: ExitReason::Completed { .. } }) => Ok(()),
        other => Err(format!("an init that ends its actor: {other:?} instead of Completed").into()),
    }
}

pub(super) async fn a_first_start_that_fails_leaves_no_record(it: Subject) -> Verdict {
    let root = it.root().await?;
    for words in ["child error", "child trap", "child ignore"] {
        let started = it.start(Some(root), words).await;
        ensure!(started.is_err(), "`{words}` should not start: {started:?}");
        ensure_eq!(it.children(root).await?, [], "the children after `{words}`");
    }
    Ok(())
}

pub(super) async fn a_start_is_answered_when_init_has_ended(it: Subject) -> Verdict {
    let root = it.root().await?;
    let begin = Instant::now();
    let info = it.start(Some(root), "child slow 400ms").await?;
    ensure!(begin.elapsed() >= Duration::from_millis(300), "answered after {:?}", begin.elapsed());
    ensure_eq!(info.status, ActorStatus::Running, "the status in the answer");
    Ok(())
}

pub(super) async fn a_start_that_is_given_up_leaves_nothing(it: Subject) -> Verdict {
    let root = it.root().await?;
    let given_up = timeout(Duration::from_millis(200), it.start(Some(root), "child hang")).await;
    ensure!(given_up.is_err(), "a start that hangs was answered: {given_up:?}");
    it.soon("a start that was given up leaves nothing", async || Ok(it.children(root).await?.is_empty()))
        .await?;
    // It must not come back, either.
    sleep(Duration::from_millis(30)).await;
    ensure_eq!(it.children(root).await?, [], "the children after a start was given up");
    Ok(())
}

pub(super) async fn nothing_starts_below_who_has_ended(it: Subject) -> Verdict {
    let root = it.root().await?;
    let parent = it.child(root).await?;
    it.runtime.stop(Authority::Operator, parent, StopMode::Kill).await?;
    match it.start(Some(parent), "child").await {
        Err(ActorError::ShuttingDown) => {}
        other => {
            return Err(format!("a start below an ended parent: {other:?} instead of ShuttingDown").into());
        }
    }
    ensure_eq!(it.children(parent).await?, [], "the children of the ended parent");
    Ok(())
}

pub(super) async fn a_state_that_is_given_is_in_place(it: Subject) -> Verdict {
    let root = it.root().await?;
    let state = StartFrom::State(Some(Bytes::from_static(b"kept")));
    let child = it.runtime.spawn(it.request(Some(root), "child").start(state)).await?.id;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"kept"[..]), "the state that was given");
    ensure_eq!(origin(&it, child).await?, Origin::Given, "where the life started from");
    Ok(())
}

pub(super) async fn without_a_state_to_resume_init_is_called(it: Subject) -> Verdict {
    let root = it.root().await?;
    let request = it.request(Some(root), "child").start(StartFrom::State(None));
    let child = it.runtime.spawn(request).await?.id;
    ensure_eq!(origin(&it, child).await?, Origin::Init, "where the life started from");
    Ok(())
}

pub(super) async fn a_restart_begins_with_the_last_good_state(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child_with(root, b"first").await?;
    it.set_state(child, b"last").await?;
    it.crash(child).await?;
    it.runtime.restart(Authority::Parent(root), child, RestartFrom::LastGood).await?;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"last"[..]), "the state after a restart");
    ensure_eq!(origin(&it, child).await?, Origin::LastGood, "where the life started from");
    it.runtime.restart(Authority::Parent(root), child, RestartFrom::LastGood).await?;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"last"[..]), "the state after a second restart");
    Ok(())
}

pub(super) async fn a_restart_from_the_beginning_begins_with_the_first_bytes(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child_with(root, b"first").await?;
    it.set_state(child, b"last").await?;
    it.runtime.restart(Authority::Parent(root), child, RestartFrom::Initial).await?;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"first"[..]), "the state after a restart");
    Ok(())
}

pub(super) async fn a_restart_that_fails_leaves_the_actor_ended_with_its_state(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.start(Some(root), "child ok error").await?.id;
    it.set_state(child, b"last").await?;
    match it.runtime.restart(Authority::Parent(root), child, RestartFrom::Initial).await {
        Err(ActorError::StartFailed { reason: ExitReason::InitFailed { .. } }) => {}
        other => return Err(format!("a restart whose init fails: {other:?} instead of InitFailed").into()),
    }
    ensure!(it.ended(child).await?.is_some(), "the actor runs after a restart that failed");
    ensure_eq!(
        it.state(child).await?.as_deref(),
        Some(&b"last"[..]),
        "the state after a restart that failed"
    );
    ensure_eq!(it.children(root).await?, [child], "the children after a restart that failed");
    Ok(())
}

pub(super) async fn an_ended_actor_can_be_started_again(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.runtime.stop(Authority::Parent(root), child, StopMode::Kill).await?;
    let info = it.runtime.restart(Authority::Parent(root), child, RestartFrom::LastGood).await?;
    ensure_eq!((info.status, info.incarnation.0), (ActorStatus::Running, 2), "the next life");
    it.set_state(child, b"it works").await?;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"it works"[..]), "the state of the next life");
    Ok(())
}

/// Only a runtime that keeps chains longer than it lives knows actors that had been running before, and none of these had.
pub(super) async fn who_did_not_run_before_is_not_brought_back(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    for id in [ActorId::from_parts(7, [7; 10]), child] {
        let request = it.request(Some(root), "child").revive(id);
        match it.runtime.spawn(request).await {
            Err(ActorError::UnknownActor { id: unknown }) => ensure_eq!(unknown, id, "who is unknown"),
            other => {
                return Err(
                    format!("bringing back who did not run before: {other:?}, not UnknownActor").into()
                );
            }
        }
    }
    ensure_eq!(it.runtime.children(root).await?.len(), 1, "the children afterwards");
    Ok(())
}
