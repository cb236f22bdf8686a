//! Ending.

use std::time::Duration;

use theater_core::{ActorId, Authority, ExitReason, RestartFrom, StopMode};
use tokio::time::Instant;

use super::support::{AT_ONCE, LONG, Subject, Verdict, at_once, ensure, ensure_eq};
use crate::act::Act;

const GRACE: StopMode = StopMode::Graceful(Duration::from_secs(30));

async fn stop(it: &Subject, id: ActorId, mode: StopMode) -> Result<ExitReason, theater_core::ActorError> {
    it.runtime.stop(Authority::Operator, id, mode).await
}

pub(super) async fn a_stop_ends_the_life_and_says_how(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    ensure_eq!(stop(&it, child, GRACE).await?, ExitReason::Stopped, "the answer to a stop");
    ensure_eq!(it.ended(child).await?, Some(ExitReason::Stopped), "how the life ended");
    ensure_eq!(it.lives(child).await?, ["+1", "-1"], "the lives on the chain");
    Ok(())
}

pub(super) async fn a_crash_ends_the_life_with_its_reason(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.crash(child).await?;
    let Some(reason) = it.ended(child).await? else { return Err("it lives after a crash".into()) };
    ensure!(!reason.is_clean() && !reason.is_requested(), "a crash has the reason {reason:?}");
    Ok(())
}

pub(super) async fn an_actor_can_end_itself(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.act(child, Act::Complete(Some("result".into()))).await?;
    it.soon("an actor that ends itself has ended", async || Ok(it.ended(child).await?.is_some())).await?;
    let wanted = Some(ExitReason::Completed { data: Some("result".into()) });
    ensure_eq!(it.ended(child).await?, wanted, "how the life ended");
    Ok(())
}

pub(super) async fn a_stop_of_who_has_ended_says_how_that_was(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.crash(child).await?;
    let crash = it.ended(child).await?;
    for mode in [GRACE, StopMode::Infinity, StopMode::Kill] {
        ensure_eq!(Some(stop(&it, child, mode).await?), crash, "the answer to a stop of who has crashed");
    }
    ensure_eq!(it.lives(child).await?, ["+1", "-1"], "the lives on the chain");
    Ok(())
}

pub(super) async fn a_kill_is_a_kill(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    ensure_eq!(stop(&it, child, StopMode::Kill).await?, ExitReason::Killed, "the answer to a kill");
    ensure_eq!(it.ended(child).await?, Some(ExitReason::Killed), "how the life ended");
    Ok(())
}

pub(super) async fn a_kill_does_not_wait_for_the_guest(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.act(child, Act::Busy(LONG)).await?;
    let reason = at_once("a kill of a busy actor", stop(&it, child, StopMode::Kill)).await??;
    ensure_eq!(reason, ExitReason::Killed, "the answer to a kill");
    Ok(())
}

pub(super) async fn a_graceful_stop_lets_the_call_end(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let begin = Instant::now();
    it.act(child, Act::Busy(Duration::from_millis(600))).await?;
    ensure_eq!(stop(&it, child, GRACE).await?, ExitReason::Stopped, "the answer to a stop");
    ensure!(
        begin.elapsed() >= Duration::from_millis(500),
        "it did not wait for the call: {:?}",
        begin.elapsed()
    );
    Ok(())
}

pub(super) async fn a_grace_that_is_over_is_a_kill(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.act(child, Act::Busy(LONG)).await?;
    let begin = Instant::now();
    let mode = StopMode::Graceful(Duration::from_millis(300));
    ensure_eq!(stop(&it, child, mode).await?, ExitReason::Killed, "the answer to a stop");
    let elapsed = begin.elapsed();
    ensure!(elapsed >= Duration::from_millis(250), "killed before the grace was over: {elapsed:?}");
    ensure!(elapsed < AT_ONCE + Duration::from_millis(300), "it waited longer than the grace: {elapsed:?}");
    Ok(())
}

pub(super) async fn infinity_waits_for_the_call(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let begin = Instant::now();
    it.act(child, Act::Busy(Duration::from_millis(600))).await?;
    ensure_eq!(stop(&it, child, StopMode::Infinity).await?, ExitReason::Stopped, "the answer to a stop");
    ensure!(
        begin.elapsed() >= Duration::from_millis(500),
        "it did not wait for the call: {:?}",
        begin.elapsed()
    );
    Ok(())
}

pub(super) async fn every_life_has_one_end_on_the_chain(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.crash(child).await?;
    it.runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await?;
    it.runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await?;
    stop(&it, child, StopMode::Kill).await?;
    stop(&it, child, StopMode::Kill).await?;
    ensure_eq!(it.lives(child).await?, ["+1", "-1", "+2", "-2", "+3", "-3"], "the lives on the chain");
    Ok(())
}

pub(super) async fn a_stop_returns_when_all_descendants_have_ended(it: Subject) -> Verdict {
    for mode in [GRACE, StopMode::Infinity, StopMode::Kill] {
        let root = it.root().await?;
        let child = it.child(root).await?;
        let grandchild = it.child(child).await?;
        let other = it.child(root).await?;
        stop(&it, root, mode).await?;
        for id in [root, child, grandchild, other] {
            ensure!(it.ended(id).await?.is_some(), "{id} lives after the stop of its ancestor by {mode:?}");
        }
        for id in [child, grandchild, other] {
            ensure_eq!(it.lives(id).await?, ["+1", "-1"], "the lives of a descendant");
        }
    }
    Ok(())
}

pub(super) async fn children_end_before_their_parent_latest_first(it: Subject) -> Verdict {
    let root = it.root().await?;
    let parent = it.child(root).await?;
    let mut children = Vec::new();
    for _ in 0..4 {
        children.push(it.child(parent).await?);
    }
    let mut above = it.runtime.exits(Some(root));
    let mut exits = it.runtime.exits(Some(parent));
    stop(&it, parent, GRACE).await?;
    let mut ended = Vec::new();
    for _ in 0..4 {
        ended.push(it.exit(&mut exits).await?.0);
    }
    children.reverse();
    ensure_eq!(ended, children, "the order in which the children ended");
    ensure_eq!(it.exit(&mut above).await?.0, parent, "who ended above them");
    let mut times = Vec::new();
    for id in children.iter().chain([&parent]) {
        times.push(it.events(*id).await?.last().map(|event| event.header.time));
    }
    ensure!(times.is_sorted(), "the times of the ends, latest child first, then the parent: {times:?}");
    Ok(())
}

pub(super) async fn children_of_a_crashed_actor_end_too(it: Subject) -> Verdict {
    let root = it.root().await?;
    let parent = it.child(root).await?;
    let child = it.child(parent).await?;
    let grandchild = it.child(child).await?;
    it.crash(parent).await?;
    it.soon("the descendants of a crashed actor end", async || {
        Ok(it.ended(child).await?.is_some() && it.ended(grandchild).await?.is_some())
    })
    .await?;
    ensure!(it.runs(root).await?, "the parent of a crashed actor ended");
    Ok(())
}

pub(super) async fn a_restart_ends_the_children_of_the_old_life(it: Subject) -> Verdict {
    let root = it.root().await?;
    let parent = it.child(root).await?;
    let child = it.child(parent).await?;
    it.runtime.restart(Authority::Operator, parent, RestartFrom::LastGood).await?;
    ensure!(it.runs(parent).await?, "the parent does not run after its restart");
    // Its record may have gone with the life that it belonged to.
    let left = it.children(parent).await?.contains(&child);
    ensure!(!left || it.ended(child).await?.is_some(), "a child of the old life lives on");
    Ok(())
}
