//! Concurrency.

use std::time::Duration;

use theater_core::{ActorError, ActorId, Authority, RestartFrom, StopMode};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::support::{Failure, LONG, Subject, Verdict, at_once, ensure, ensure_eq};
use crate::act::Act;

/// Waits for tasks of the case itself.
async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Result<Vec<T>, Failure> {
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.map_err(|error| error.to_string())?);
    }
    Ok(done)
}

/// That lives began and ended one after the other.
async fn one_after_the_other(it: &Subject, id: ActorId) -> Verdict {
    let lives = it.lives(id).await?;
    for (n, life) in lives.iter().enumerate() {
        let wanted = format!("{}{}", if n % 2 == 0 { '+' } else { '-' }, n / 2 + 1);
        ensure!(*life == wanted, "lives overlap, or miss a beginning or an end: {lives:?}");
    }
    Ok(())
}

pub(super) async fn stops_at_once_end_one_life(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let mut exits = it.runtime.exits(Some(root));
    let modes = [StopMode::Kill, StopMode::Infinity, StopMode::Graceful(Duration::from_secs(5))];
    let stops = modes.into_iter().cycle().take(9).map(|mode| {
        let runtime = it.runtime.clone();
        tokio::spawn(async move { runtime.stop(Authority::Operator, child, mode).await })
    });
    for stopped in all(stops.collect()).await? {
        stopped?;
    }
    ensure_eq!(it.lives(child).await?, ["+1", "-1"], "the lives on the chain");
    it.exit(&mut exits).await?;
    it.no_exit(&mut exits).await
}

pub(super) async fn restarts_at_once_leave_one_life(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let restarts = (0..6).map(|_| {
        let runtime = it.runtime.clone();
        tokio::spawn(async move { runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await })
    });
    for restarted in all(restarts.collect()).await? {
        restarted?;
    }
    ensure!(it.runs(child).await?, "it does not run after restarts");
    one_after_the_other(&it, child).await?;
    let begun = it.lives(child).await?.iter().filter(|life| life.starts_with('+')).count();
    ensure_eq!(begun as u64, it.life(child).await?, "the lives that have begun");
    it.set_state(child, b"one of them").await
}

pub(super) async fn a_stop_and_a_restart_at_once_come_after_one_another(it: Subject) -> Verdict {
    let root = it.root().await?;
    for _ in 0..10 {
        let child = it.child(root).await?;
        let (stopper, starter) = (it.runtime.clone(), it.runtime.clone());
        let stop =
            tokio::spawn(async move { stopper.stop(Authority::Operator, child, StopMode::Kill).await });
        let restart =
            tokio::spawn(
                async move { starter.restart(Authority::Operator, child, RestartFrom::LastGood).await },
            );
        stop.await.map_err(|error| error.to_string())??;
        let restarted = restart.await.map_err(|error| error.to_string())?;
        one_after_the_other(&it, child).await?;
        // Where the stop came last it ended the new life, perhaps while that was starting.
        let over = matches!(restarted, Err(ActorError::StartFailed { .. } | ActorError::ShuttingDown));
        ensure!(over || restarted.is_ok(), "a restart beside a stop: {restarted:?}");
        let runs = it.lives(child).await?.last().is_some_and(|life| life.starts_with('+'));
        ensure_eq!(it.runs(child).await?, runs, "whether it runs, by its chain");
    }
    Ok(())
}

pub(super) async fn starts_at_once_below_one_parent_all_count(it: Subject) -> Verdict {
    let root = it.root().await?;
    let starts = (0..20).map(|_| {
        let it = it.clone();
        tokio::spawn(async move { it.child(root).await })
    });
    let mut started = Vec::new();
    for child in all(starts.collect()).await? {
        started.push(child?);
    }
    let mut listed = it.children(root).await?;
    ensure_eq!(listed.len(), 20, "the children that are listed");
    ensure_eq!(it.children(root).await?, listed, "the order of the children, asked again");
    started.sort_unstable();
    listed.sort_unstable();
    ensure_eq!(listed, started, "the children that are listed");
    Ok(())
}

pub(super) async fn a_slow_start_holds_up_nobody(it: Subject) -> Verdict {
    let (root, other) = (it.root().await?, it.root().await?);
    let sibling = it.child(root).await?;
    let slow = it.clone();
    let starting = tokio::spawn(async move { slow.start(Some(root), "child hang").await });
    sleep(Duration::from_millis(30)).await;
    at_once("a start below another parent", it.child(other)).await??;
    at_once("a start below the same parent", it.child(root)).await??;
    at_once("a crash of a sibling", it.crash(sibling)).await??;
    let restart = it.runtime.restart(Authority::Parent(root), sibling, RestartFrom::LastGood);
    at_once("a restart of a sibling", restart).await??;
    let stop = it.runtime.stop(Authority::Parent(root), sibling, StopMode::Infinity);
    at_once("a stop of a sibling", stop).await??;
    starting.abort();
    Ok(())
}

pub(super) async fn a_long_stop_holds_up_nobody_else(it: Subject) -> Verdict {
    let root = it.root().await?;
    let (busy, other) = (it.child(root).await?, it.child(root).await?);
    it.act(busy, Act::Busy(LONG)).await?;
    let runtime = it.runtime.clone();
    let stopping =
        tokio::spawn(async move { runtime.stop(Authority::Operator, busy, StopMode::Infinity).await });
    sleep(Duration::from_millis(30)).await;
    let restart = it.runtime.restart(Authority::Parent(root), other, RestartFrom::LastGood);
    at_once("a restart of a sibling", restart).await??;
    let stop = it.runtime.stop(Authority::Parent(root), other, StopMode::Infinity);
    at_once("a stop of a sibling", stop).await??;
    at_once("a start below the same parent", it.child(root)).await??;
    let kill = it.runtime.stop(Authority::Parent(root), busy, StopMode::Kill);
    at_once("a kill beside a stop that waits", kill).await??;
    at_once("the stop that waited", stopping).await?.map_err(|error| error.to_string())??;
    Ok(())
}

pub(super) async fn nothing_outlives_a_tree_that_is_stopped_while_it_grows(it: Subject) -> Verdict {
    for _ in 0..5 {
        let root = it.root().await?;
        let growing: Vec<_> = (0..12)
            .map(|_| {
                let it = it.clone();
                tokio::spawn(async move {
                    // What comes too late is refused.
                    let Ok(child) = it.child(root).await else { return };
                    let _ = it.child(child).await;
                })
            })
            .collect();
        tokio::task::yield_now().await;
        it.runtime.stop(Authority::Operator, root, StopMode::Kill).await?;
        all(growing).await?;
        let mut rest = it.children(root).await?;
        while let Some(id) = rest.pop() {
            it.soon("a descendant has ended", async || Ok(it.ended(id).await?.is_some())).await?;
            rest.extend(it.children(id).await?);
        }
    }
    Ok(())
}

pub(super) async fn reads_never_fail_while_lives_change(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let changing = it.clone();
    let changes = tokio::spawn(async move {
        for _ in 0..10 {
            changing.crash(child).await?;
            changing.runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await?;
        }
        Ok::<(), Failure>(())
    });
    while !changes.is_finished() {
        it.info(child).await?;
        it.state(child).await?;
        it.lives(child).await?;
        ensure_eq!(it.children(root).await?, [child], "the children");
        sleep(Duration::from_millis(1)).await;
    }
    changes.await.map_err(|error| error.to_string())??;
    one_after_the_other(&it, child).await
}
