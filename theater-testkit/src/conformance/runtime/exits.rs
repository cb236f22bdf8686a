//! Exits.

use theater_core::event::payload::{Exited, decode};
use theater_core::{ActorId, Authority, EventKind, RestartFrom, StopMode};
use tokio::time::timeout;

use super::support::{AT_ONCE, Subject, Verdict, ensure, ensure_eq};

async fn restart(it: &Subject, id: ActorId) -> Verdict {
    it.runtime.restart(Authority::Operator, id, RestartFrom::LastGood).await?;
    Ok(())
}

async fn kill(it: &Subject, id: ActorId) -> Verdict {
    it.runtime.stop(Authority::Operator, id, StopMode::Kill).await?;
    Ok(())
}

pub(super) async fn each_end_is_told_exactly_once(it: Subject) -> Verdict {
    let root = it.root().await?;
    let mut exits = it.runtime.exits(Some(root));
    let (one, two) = (it.child(root).await?, it.child(root).await?);
    let mut told = Vec::new();
    it.crash(one).await?;
    told.push(it.exit(&mut exits).await?);
    restart(&it, one).await?;
    kill(&it, one).await?;
    told.push(it.exit(&mut exits).await?);
    kill(&it, one).await?;
    kill(&it, two).await?;
    told.push(it.exit(&mut exits).await?);
    let lives: Vec<_> = told.iter().map(|(id, life, _)| (*id, life.0)).collect();
    ensure_eq!(lives, [(one, 1), (one, 2), (two, 1)], "the lives whose ends were told");
    ensure_eq!(told[1].2.name(), "killed", "the reason of a kill");
    it.no_exit(&mut exits).await?;
    // Another stream is another reader of the same exits.
    it.no_exit(&mut it.runtime.exits(Some(root))).await
}

pub(super) async fn the_ends_of_one_child_come_in_order(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    for _ in 0..6 {
        kill(&it, child).await?;
        restart(&it, child).await?;
    }
    let mut exits = it.runtime.exits(Some(root));
    for life in 1..=6 {
        let told = it.exit(&mut exits).await?;
        ensure_eq!((told.0, told.1.0), (child, life), "the exit that is told");
    }
    it.no_exit(&mut exits).await
}

pub(super) async fn an_end_before_anybody_listened_is_kept(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.crash(child).await?;
    let told = it.exit(&mut it.runtime.exits(Some(root))).await?;
    ensure_eq!((told.0, told.1.0), (child, 1), "the exit that is told");
    Ok(())
}

pub(super) async fn an_end_is_recorded_before_it_is_told(it: Subject) -> Verdict {
    let root = it.root().await?;
    let mut exits = it.runtime.exits(Some(root));
    for _ in 0..20 {
        let child = it.child(root).await?;
        let reader = it.clone();
        let crashing = tokio::spawn(async move { reader.crash(child).await });
        let (id, life, reason) = it.exit(&mut exits).await?;
        let events = it.events(id).await?;
        let recorded = events.iter().rev().find(|event| event.header.kind == EventKind::EXITED);
        let Some(recorded) = recorded else { return Err("an end was told that is not on the chain".into()) };
        let recorded: Exited = decode(&recorded.payload).map_err(|error| error.to_string())?;
        ensure_eq!((recorded.incarnation, recorded.reason), (life, reason), "the end on the chain");
        crashing.await.map_err(|error| error.to_string())??;
    }
    Ok(())
}

pub(super) async fn root_actors_end_too(it: Subject) -> Verdict {
    let mut exits = it.runtime.exits(None);
    let root = it.root().await?;
    kill(&it, root).await?;
    let told = it.exit(&mut exits).await?;
    ensure_eq!((told.0, told.1.0), (root, 1), "the exit of a root actor");
    it.no_exit(&mut exits).await
}

pub(super) async fn only_the_parent_is_told(it: Subject) -> Verdict {
    let (root, stranger) = (it.root().await?, it.root().await?);
    let parent = it.child(root).await?;
    let child = it.child(parent).await?;
    it.crash(child).await?;
    it.exit(&mut it.runtime.exits(Some(parent))).await?;
    for other in [None, Some(root), Some(stranger), Some(child)] {
        it.no_exit(&mut it.runtime.exits(other)).await?;
    }
    Ok(())
}

pub(super) async fn the_exit_of_a_restarted_life_says_that_it_was_ended(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    restart(&it, child).await?;
    let (id, life, reason) = it.exit(&mut it.runtime.exits(Some(root))).await?;
    ensure_eq!((id, life.0), (child, 1), "the exit of the life that a restart ended");
    ensure!(matches!(reason.name(), "stopped" | "killed"), "its reason is {reason:?}");
    Ok(())
}

pub(super) async fn a_first_start_that_fails_is_no_exit(it: Subject) -> Verdict {
    let root = it.root().await?;
    for words in ["child error", "child trap", "child ignore"] {
        let started = it.start(Some(root), words).await;
        ensure!(started.is_err(), "`{words}` should not start: {started:?}");
    }
    it.no_exit(&mut it.runtime.exits(Some(root))).await
}

pub(super) async fn a_restart_that_fails_is_no_exit(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.start(Some(root), "child ok error").await?.id;
    kill(&it, child).await?;
    let mut exits = it.runtime.exits(Some(root));
    it.exit(&mut exits).await?;
    let failed = it.runtime.restart(Authority::Operator, child, RestartFrom::Initial).await;
    ensure!(failed.is_err(), "the second start should fail: {failed:?}");
    it.no_exit(&mut exits).await
}

pub(super) async fn the_exits_of_nobody_are_over(it: Subject) -> Verdict {
    let nobody = ActorId::from_parts(2, [0x77; 10]);
    match timeout(AT_ONCE, it.runtime.exits(Some(nobody)).next()).await {
        Ok(None) => Ok(()),
        Ok(Some(exit)) => Err(format!("nobody has an exit: {exit:?}").into()),
        Err(_) => Err("the exits of nobody do not end".into()),
    }
}

pub(super) async fn an_exit_is_forgotten_with_its_record(it: Subject) -> Verdict {
    let root = it.root().await?;
    let (one, two) = (it.child(root).await?, it.child(root).await?);
    it.crash(one).await?;
    it.crash(two).await?;
    it.runtime.reap(Authority::Parent(root), one).await?;
    let mut exits = it.runtime.exits(Some(root));
    ensure_eq!(it.exit(&mut exits).await?.0, two, "the exit of the child that has a record");
    it.no_exit(&mut exits).await
}
