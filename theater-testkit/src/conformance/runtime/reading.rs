//! Reading.

use std::time::Duration;

use theater_core::{ActorError, ActorId, ActorStatus, Authority, EventKind, EventRange, StopMode};
use tokio::time::sleep;

use super::support::{LONG, Subject, Verdict, at_once, ensure, ensure_eq};
use crate::act::Act;

pub(super) async fn children_are_in_start_order(it: Subject) -> Verdict {
    let root = it.root().await?;
    let mut children = Vec::new();
    for n in 0..24 {
        children.push(it.child(root).await?);
        if n % 5 == 4 {
            it.runtime.stop(Authority::Parent(root), children[n / 2], StopMode::Kill).await?;
        }
    }
    ensure_eq!(it.children(root).await?, children, "the children in start order");
    Ok(())
}

pub(super) async fn the_children_of_nobody_are_an_error(it: Subject) -> Verdict {
    let nobody = ActorId::from_parts(1, [0x77; 10]);
    match it.runtime.children(nobody).await {
        Err(ActorError::UnknownActor { id }) if id == nobody => Ok(()),
        other => Err(format!("the children of nobody: {other:?} instead of UnknownActor").into()),
    }
}

pub(super) async fn who_has_no_children_has_none(it: Subject) -> Verdict {
    let root = it.root().await?;
    ensure_eq!(it.children(root).await?, [], "the children of who has none");
    Ok(())
}

pub(super) async fn a_range_gives_what_is_there_and_no_more(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let all = it.events(child).await?;
    ensure!(all.len() >= 2, "a chain of {} events: genesis and start are missing", all.len());
    ensure_eq!(all[0].header.kind, EventKind::GENESIS, "the kind of the first event");
    let end = all.len() as u64;
    for (from, limit) in
        [(0, 0), (0, 1), (1, 1), (1, usize::MAX), (end, 1), (end + 5, 1), (u64::MAX, usize::MAX)]
    {
        let range = EventRange { from, limit };
        let part = it.runtime.events(Authority::Operator, child, range).await?;
        let wanted = &all[range.within(all.len())];
        ensure!(
            part == wanted,
            "the events from {from}, at most {limit}: {} instead of {}",
            part.len(),
            wanted.len()
        );
    }
    Ok(())
}

pub(super) async fn the_state_is_that_after_the_last_call_that_succeeded(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child_with(root, b"first").await?;
    for state in [&b"second"[..], b"third"] {
        it.set_state(child, state).await?;
        ensure_eq!(it.state(child).await?.as_deref(), Some(state), "the state after a call");
    }
    it.crash(child).await?;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"third"[..]), "the state after a call that failed");
    Ok(())
}

/// That an actor is read without waiting for it.
async fn is_read_at_once(it: &Subject, parent: ActorId, id: ActorId) -> Verdict {
    at_once("info", it.info(id)).await??;
    at_once("state", it.state(id)).await??;
    at_once("events", it.events(id)).await??;
    let children = at_once("children of its parent", it.children(parent)).await??;
    ensure!(children.contains(&id), "it is not among its parent's children");
    at_once("its own children", it.children(id)).await??;
    Ok(())
}

pub(super) async fn a_busy_actor_is_read_at_once(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child_with(root, b"before").await?;
    it.act(child, Act::Busy(LONG)).await?;
    is_read_at_once(&it, root, child).await?;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"before"[..]), "the state of a busy actor");
    it.runtime.stop(Authority::Operator, child, StopMode::Kill).await?;
    Ok(())
}

pub(super) async fn a_starting_actor_is_read_at_once(it: Subject) -> Verdict {
    let root = it.root().await?;
    let starting = it.clone();
    let start = tokio::spawn(async move { starting.start(Some(root), "child hang").await });
    // Whether a start that has not ended is listed is up to the backend; its parent has to be readable.
    sleep(Duration::from_millis(50)).await;
    at_once("info", it.info(root)).await??;
    for child in at_once("children", it.children(root)).await?? {
        let info = at_once("info of a starting actor", it.info(child)).await??;
        ensure_eq!(info.status, ActorStatus::Starting, "the status of a starting actor");
        is_read_at_once(&it, root, child).await?;
    }
    start.abort();
    Ok(())
}

pub(super) async fn a_failed_and_a_stopped_actor_are_read(it: Subject) -> Verdict {
    let root = it.root().await?;
    let (failed, stopped) = (it.child(root).await?, it.child(root).await?);
    it.crash(failed).await?;
    it.runtime.stop(Authority::Operator, stopped, StopMode::Kill).await?;
    is_read_at_once(&it, root, failed).await?;
    is_read_at_once(&it, root, stopped).await
}
