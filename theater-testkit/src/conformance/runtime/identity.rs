//! Identity.

use std::collections::BTreeSet;

use theater_core::{Authority, Incarnation, RestartFrom, StopMode};

use super::support::{Subject, Verdict, ensure, ensure_eq};

pub(super) async fn an_actor_keeps_its_id_and_its_chain_over_restarts(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let before = it.events(child).await?;
    it.crash(child).await?;
    let again = it.runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await?;
    ensure_eq!(again.id, child, "the id after a restart");
    let after = it.events(child).await?;
    ensure!(after.starts_with(&before), "the chain does not go on: {after:?}");
    ensure_eq!(it.lives(child).await?, ["+1", "-1", "+2"], "the lives on the chain");
    Ok(())
}

pub(super) async fn incarnations_start_at_one_and_grow_by_one(it: Subject) -> Verdict {
    let root = it.root().await?;
    let first = it.start(Some(root), "child").await?;
    ensure_eq!(first.incarnation, Incarnation::FIRST, "the first life");
    for life in 2..5 {
        if life == 3 {
            it.crash(first.id).await?;
        }
        let info = it.runtime.restart(Authority::Parent(root), first.id, RestartFrom::LastGood).await?;
        ensure_eq!(info.incarnation.0, life, "the life that a restart answers with");
        ensure_eq!(it.life(first.id).await?, life, "the life that info tells");
    }
    Ok(())
}

pub(super) async fn a_start_that_fails_is_a_life_too(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.start(Some(root), "child ok error ok").await?.id;
    let failed = it.runtime.restart(Authority::Operator, child, RestartFrom::Initial).await;
    ensure!(failed.is_err(), "the second start should fail: {failed:?}");
    let info = it.runtime.restart(Authority::Operator, child, RestartFrom::Initial).await?;
    ensure_eq!(info.incarnation.0, 3, "the life after a start that failed");
    Ok(())
}

pub(super) async fn a_restarted_child_keeps_its_parent_and_its_place(it: Subject) -> Verdict {
    let root = it.root().await?;
    let children = [it.child(root).await?, it.child(root).await?, it.child(root).await?];
    it.runtime.stop(Authority::Operator, children[0], StopMode::Kill).await?;
    for child in [children[0], children[1]] {
        let info = it.runtime.restart(Authority::Parent(root), child, RestartFrom::LastGood).await?;
        ensure_eq!(info.parent, Some(root), "the parent after a restart");
    }
    ensure_eq!(it.children(root).await?, children, "the children in start order");
    Ok(())
}

pub(super) async fn no_two_actors_have_the_same_id_or_chain(it: Subject) -> Verdict {
    let root = it.root().await?;
    let (mut ids, mut chains) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..20 {
        let child = it.child(root).await?;
        ensure!(ids.insert(child), "{child} is two actors");
        let events = it.events(child).await?;
        let Some(genesis) = events.first() else { return Err("a chain without a genesis event".into()) };
        ensure!(chains.insert(genesis.header.chain_id.0), "two actors have one chain");
    }
    Ok(())
}
