//! Liveness: whatever an actor does, those around it go on.

use std::time::Duration;

use theater_core::{Authority, ExitReason, RestartFrom, StopMode};
use tokio::time::timeout;

use super::support::{LONG, Subject, Verdict, at_once, ensure, ensure_eq};
use crate::act::{Act, HostAnswer, HostCall};

pub(super) async fn a_busy_actor_can_be_killed(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.act(child, Act::Busy(LONG)).await?;
    let kill = it.runtime.stop(Authority::Parent(root), child, StopMode::Kill);
    ensure_eq!(at_once("a kill", kill).await??, ExitReason::Killed, "how it ended");
    let restart = it.runtime.restart(Authority::Parent(root), child, RestartFrom::LastGood);
    at_once("a restart after it", restart).await??;
    at_once("a call of the new life", it.set_state(child, b"new")).await??;
    ensure_eq!(it.state(child).await?.as_deref(), Some(&b"new"[..]), "the state of the new life");
    Ok(())
}

pub(super) async fn a_busy_actor_does_not_hold_up_its_siblings(it: Subject) -> Verdict {
    let root = it.root().await?;
    let (busy, sibling) = (it.child(root).await?, it.child(root).await?);
    it.act(busy, Act::Busy(LONG)).await?;
    at_once("a call of a sibling", it.set_state(sibling, b"x")).await??;
    at_once("a crash of a sibling", it.crash(sibling)).await??;
    let restart = it.runtime.restart(Authority::Parent(root), sibling, RestartFrom::LastGood);
    at_once("a restart of a sibling", restart).await??;
    at_once("a start of another", it.child(root)).await??;
    it.runtime.stop(Authority::Parent(root), busy, StopMode::Kill).await?;
    Ok(())
}

pub(super) async fn a_start_that_hangs_can_be_given_up_and_tried_again(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.start(Some(root), "child ok hang ok").await?.id;
    let restart = it.runtime.restart(Authority::Parent(root), child, RestartFrom::Initial);
    let given_up = timeout(Duration::from_millis(200), restart).await;
    ensure!(given_up.is_err(), "a start that hangs was answered: {given_up:?}");
    it.soon("a restart that was given up has ended", async || Ok(it.ended(child).await?.is_some())).await?;
    let again = it.runtime.restart(Authority::Parent(root), child, RestartFrom::Initial);
    let again = at_once("a restart after it", again).await??;
    ensure_eq!(again.incarnation.0, 3, "the life after a start that was given up");
    Ok(())
}

pub(super) async fn a_parent_that_names_itself_is_answered(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let calls: [fn(String) -> HostCall; 4] =
        [HostCall::StopChild, HostCall::RestartChild, HostCall::GetChildState, HostCall::GetChildEvents];
    for call in calls {
        let call = call(root.to_string());
        let function = call.function();
        let answer = at_once(function, it.call(root, call)).await?;
        ensure!(answer.is_err(), "{function} of the caller itself: {answer:?}");
    }
    ensure!(it.runs(root).await?, "it ended over it");
    Ok(())
}

pub(super) async fn a_parent_can_stop_a_busy_child(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let spawn = HostCall::Spawn { manifest: it.reference("child temporary kill"), init: None };
    let HostAnswer::Child(child) = it.call(root, spawn).await? else {
        return Err("spawn answered something else".into());
    };
    let id = child.parse().map_err(|_| format!("spawn answered {child:?}"))?;
    it.act(id, Act::Busy(LONG)).await?;
    at_once("get-child-state", it.call(root, HostCall::GetChildState(child.clone()))).await??;
    at_once("stop-child", it.call(root, HostCall::StopChild(child))).await??;
    ensure_eq!(it.ended(id).await?, Some(ExitReason::Killed), "how it ended");
    Ok(())
}
