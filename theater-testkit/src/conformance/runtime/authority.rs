//! Authority.

use theater_core::{ActorError, ActorId, Authority, EventRange, RestartFrom, StopMode};

use super::support::{Subject, Verdict, ensure, ensure_eq, without};

/// An id that no actor has.
fn nobody() -> ActorId {
    ActorId::from_parts(0x0000_7fff_ffff_ffff, [0x5a; 10])
}

/// Everything that can be done to an actor, by name, with its error.
async fn try_all(it: &Subject, by: Authority, id: ActorId) -> Vec<(&'static str, Option<ActorError>)> {
    let runtime = &it.runtime;
    vec![
        ("info", runtime.info(by, id).await.err()),
        ("state", runtime.state(by, id).await.err()),
        ("events", runtime.events(by, id, EventRange::ALL).await.err()),
        ("restart", runtime.restart(by, id, RestartFrom::LastGood).await.err()),
        ("halt", runtime.halt(by, id, StopMode::Kill).await.err()),
        ("stop", runtime.stop(by, id, StopMode::Kill).await.err()),
        ("reap", runtime.reap(by, id).await.err()),
    ]
}

/// That this authority gets nowhere with this actor, and that nothing happens to the actor.
async fn refused(it: &Subject, who: &str, by: Authority, id: ActorId) -> Verdict {
    let before = (it.info(id).await?, it.events(id).await?, it.state(id).await?);
    let wanted = without(id, &by.refusal(id));
    for (operation, error) in try_all(it, by, id).await {
        let Some(error) = error else { return Err(format!("{who} may {operation}").into()) };
        ensure_eq!(without(id, &error), wanted, "the answer to {operation} by {who}");
        ensure_eq!(
            std::mem::discriminant(&error),
            std::mem::discriminant(&by.refusal(id)),
            "the kind of error of {operation} by {who}"
        );
    }
    let after = (it.info(id).await?, it.events(id).await?, it.state(id).await?);
    ensure!(before == after, "what {who} was refused had an effect: {before:?} became {after:?}");
    Ok(())
}

pub(super) async fn a_parent_may_act_on_its_child(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    for (operation, error) in try_all(&it, Authority::Parent(root), child).await {
        ensure!(error.is_none(), "the parent may not {operation}: {error:?}");
    }
    Ok(())
}

pub(super) async fn strangers_are_refused_everything_and_nothing_happens(it: Subject) -> Verdict {
    let (root, stranger) = (it.root().await?, it.root().await?);
    let child = it.child_with(root, b"secret").await?;
    let own = it.child(stranger).await?;
    refused(&it, "a stranger", Authority::Parent(stranger), child).await?;
    refused(&it, "the child of a stranger", Authority::Parent(own), child).await?;
    refused(&it, "an actor that is not there", Authority::Parent(nobody()), child).await
}

pub(super) async fn a_grandparent_is_a_stranger(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let grandchild = it.child(child).await?;
    refused(&it, "a grandparent", Authority::Parent(root), grandchild).await
}

pub(super) async fn a_sibling_and_a_child_are_strangers(it: Subject) -> Verdict {
    let root = it.root().await?;
    let (child, sibling) = (it.child(root).await?, it.child(root).await?);
    refused(&it, "a sibling", Authority::Parent(sibling), child).await?;
    refused(&it, "a child", Authority::Parent(child), root).await
}

pub(super) async fn an_actor_is_not_its_own_child(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    refused(&it, "an actor itself", Authority::Parent(child), child).await?;
    refused(&it, "a root actor itself", Authority::Parent(root), root).await
}

pub(super) async fn who_is_not_there_and_who_is_not_covered_get_one_answer(it: Subject) -> Verdict {
    let (root, stranger) = (it.root().await?, it.root().await?);
    let child = it.child(root).await?;
    let by = Authority::Parent(stranger);
    let strange = try_all(&it, by, child).await;
    for ((operation, strange), (_, absent)) in strange.into_iter().zip(try_all(&it, by, nobody()).await) {
        let (Some(strange), Some(absent)) = (strange, absent) else {
            return Err(format!("{operation} was not refused").into());
        };
        ensure_eq!(
            without(child, &strange),
            without(nobody(), &absent),
            "the answers to {operation} on a stranger and on nobody"
        );
    }
    Ok(())
}

pub(super) async fn the_operator_may_act_on_everybody(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let grandchild = it.child(child).await?;
    for id in [grandchild, child, root] {
        for (operation, error) in try_all(&it, Authority::Operator, id).await {
            ensure!(error.is_none(), "the operator may not {operation}: {error:?}");
        }
    }
    Ok(())
}

pub(super) async fn the_operator_is_told_who_is_unknown(it: Subject) -> Verdict {
    for (operation, error) in try_all(&it, Authority::Operator, nobody()).await {
        ensure!(
            matches!(error, Some(ActorError::UnknownActor { id }) if id == nobody()),
            "the operator's {operation} on nobody: {error:?} instead of UnknownActor"
        );
    }
    Ok(())
}

pub(super) async fn an_ended_child_is_still_only_its_parents(it: Subject) -> Verdict {
    let (root, stranger) = (it.root().await?, it.root().await?);
    let child = it.child(root).await?;
    it.crash(child).await?;
    refused(&it, "a stranger", Authority::Parent(stranger), child).await?;
    it.runtime.info(Authority::Parent(root), child).await?;
    Ok(())
}
