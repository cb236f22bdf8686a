//! After the end.

use theater_core::{ActorError, ActorStatus, Authority, StopMode};

use super::support::{Subject, Verdict, ensure, ensure_eq};

pub(super) async fn info_state_and_events_stay(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.set_state(child, b"last").await?;
    let before = it.events(child).await?;
    it.crash(child).await?;
    let info = it.info(child).await?;
    ensure!(matches!(info.status, ActorStatus::Ended(_)), "the status of who has ended: {:?}", info.status);
    ensure_eq!((info.parent, info.incarnation.0), (Some(root), 1), "what is known of who has ended");
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"last"[..]), "the state of who has ended");
    ensure!(it.events(child).await?.starts_with(&before), "events are missing after the end");
    Ok(())
}

pub(super) async fn an_ended_child_stays_among_the_children(it: Subject) -> Verdict {
    let root = it.root().await?;
    let children = [it.child(root).await?, it.child(root).await?, it.child(root).await?];
    it.crash(children[0]).await?;
    it.runtime.stop(Authority::Parent(root), children[1], StopMode::Kill).await?;
    ensure_eq!(it.children(root).await?, children, "the children, ended ones included");
    Ok(())
}

pub(super) async fn a_reaped_actor_is_gone(it: Subject) -> Verdict {
    let root = it.root().await?;
    let (child, other) = (it.child(root).await?, it.child(root).await?);
    it.runtime.stop(Authority::Parent(root), child, StopMode::Kill).await?;
    it.runtime.reap(Authority::Parent(root), child).await?;
    ensure_eq!(it.children(root).await?, [other], "the children after one was reaped");
    let info = it.info(child).await;
    ensure!(
        matches!(info, Err(ActorError::UnknownActor { .. })),
        "what is known of who was reaped: {info:?}"
    );
    let again = it.runtime.reap(Authority::Parent(root), child).await;
    ensure!(matches!(again, Err(ActorError::NotAChild { .. })), "reaping it again: {again:?}");
    Ok(())
}

pub(super) async fn who_runs_cannot_be_reaped(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    match it.runtime.reap(Authority::Parent(root), child).await {
        Err(ActorError::StillRunning { id }) if id == child => {}
        other => return Err(format!("reaping who runs: {other:?} instead of StillRunning").into()),
    }
    ensure!(it.runs(child).await?, "it was ended by a reap that was refused");
    Ok(())
}

pub(super) async fn descendants_are_reaped_too(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let grandchild = it.child(child).await?;
    it.runtime.stop(Authority::Parent(root), child, StopMode::Kill).await?;
    it.runtime.reap(Authority::Parent(root), child).await?;
    let info = it.info(grandchild).await;
    ensure!(matches!(info, Err(ActorError::UnknownActor { .. })), "what is known of a descendant: {info:?}");
    Ok(())
}

pub(super) async fn only_the_parent_reaps(it: Subject) -> Verdict {
    let (root, stranger) = (it.root().await?, it.root().await?);
    let child = it.child(root).await?;
    it.runtime.stop(Authority::Parent(root), child, StopMode::Kill).await?;
    let refused = it.runtime.reap(Authority::Parent(stranger), child).await;
    ensure!(matches!(refused, Err(ActorError::NotAChild { .. })), "a stranger's reap: {refused:?}");
    ensure_eq!(it.children(root).await?, [child], "the children after a reap that was refused");
    Ok(())
}
