//! The seven functions of `theater:simple/supervisor`, as a guest calls them.

use theater_core::{ActorId, Bytes, EventKind};
use theater_supervisor::SupervisorEvent;

use super::support::{Failure, Subject, Verdict, ensure, ensure_eq};
use crate::act::{HostAnswer, HostCall};

/// Calls a function that has to succeed.
async fn ask(it: &Subject, id: ActorId, call: HostCall) -> Result<HostAnswer, Failure> {
    let what = call.function();
    it.call(id, call).await.map_err(|error| format!("{what} was refused: {error}").into())
}

/// Starts a child that has to start.
async fn spawn(
    it: &Subject,
    id: ActorId,
    words: &str,
    init: Option<&'static [u8]>,
) -> Result<ActorId, Failure> {
    let call = HostCall::Spawn { manifest: it.reference(words), init: init.map(Bytes::from_static) };
    child(ask(it, id, call).await?)
}

fn child(answer: HostAnswer) -> Result<ActorId, Failure> {
    let HostAnswer::Child(id) = answer else { return Err(format!("a start answered {answer:?}").into()) };
    id.parse().map_err(|_| format!("a start answered {id:?}, which is no id").into())
}

pub(super) async fn spawn_starts_a_child(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let id = spawn(&it, root, "child", Some(b"given")).await?;
    ensure_eq!(it.info(id).await?.parent, Some(root), "the parent of who was spawned");
    ensure_eq!(it.state(id).await?.as_deref(), Some(&b"given"[..]), "the state after init");
    let plain = spawn(&it, root, "child", None).await?;
    ensure_eq!(it.state(plain).await?, None, "the state without bytes for init");
    ensure_eq!(it.children(root).await?, [id, plain], "the children");
    Ok(())
}

pub(super) async fn resume_starts_a_child_with_a_state(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let manifest = it.reference("child");
    let resume = HostCall::Resume { manifest, state: Some("kept".into()) };
    let id = child(ask(&it, root, resume).await?)?;
    ensure_eq!(it.info(id).await?.parent, Some(root), "the parent of who was resumed");
    ensure_eq!(it.state(id).await?.as_deref(), Some(&b"kept"[..]), "the state of who was resumed");
    Ok(())
}

pub(super) async fn list_children_lists_those_that_have_not_ended(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let mut children = Vec::new();
    for _ in 0..4 {
        children.push(spawn(&it, root, "child temporary", None).await?.to_string());
    }
    let listed = ask(&it, root, HostCall::ListChildren).await?;
    ensure_eq!(listed, HostAnswer::Children(children.clone()), "the children in start order");
    ask(&it, root, HostCall::StopChild(children.remove(1))).await?;
    let listed = ask(&it, root, HostCall::ListChildren).await?;
    ensure_eq!(listed, HostAnswer::Children(children), "the children after one was stopped");
    Ok(())
}

pub(super) async fn restart_child_begins_the_next_life(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let id = spawn(&it, root, "child temporary", Some(b"state")).await?;
    it.set_state(id, b"last").await?;
    let restart = || HostCall::RestartChild(id.to_string());
    ensure_eq!(ask(&it, root, restart()).await?, HostAnswer::Done, "the answer to restart-child");
    ensure_eq!((it.life(id).await?, it.runs(id).await?), (2, true), "the life after restart-child");
    ensure_eq!(it.state(id).await?.as_deref(), Some(&b"last"[..]), "the state after restart-child");
    Ok(())
}

pub(super) async fn stop_child_ends_a_child_and_one_that_has_ended_is_no_error(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let id = spawn(&it, root, "child temporary", None).await?;
    let stop = || HostCall::StopChild(id.to_string());
    ensure_eq!(ask(&it, root, stop()).await?, HostAnswer::Done, "the answer to stop-child");
    ensure!(it.ended(id).await?.is_some(), "it lives after stop-child");
    ensure_eq!(ask(&it, root, stop()).await?, HostAnswer::Done, "the answer to a second stop-child");
    ensure_eq!(it.lives(id).await?, ["+1", "-1"], "the lives on the chain");
    Ok(())
}

pub(super) async fn get_child_state_reads_the_last_good_state(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let id = spawn(&it, root, "child temporary", None).await?;
    let read = || HostCall::GetChildState(id.to_string());
    ensure_eq!(ask(&it, root, read()).await?, HostAnswer::State(None), "the state of who has none");
    it.set_state(id, b"last").await?;
    it.crash(id).await?;
    let state = ask(&it, root, read()).await?;
    ensure_eq!(state, HostAnswer::State(Some("last".into())), "the state of a child that crashed");
    Ok(())
}

pub(super) async fn get_child_events_reads_the_chain(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let id = spawn(&it, root, "child temporary", None).await?;
    it.crash(id).await?;
    let HostAnswer::Events(read) = ask(&it, root, HostCall::GetChildEvents(id.to_string())).await? else {
        return Err("get-child-events answered something else".into());
    };
    let chain: Vec<_> = it.events(id).await?.iter().map(theater_core::ChainEvent::event_type).collect();
    ensure_eq!(read, chain, "the kinds of the child's events");
    Ok(())
}

pub(super) async fn a_start_that_fails_tells_the_real_reason(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let call = HostCall::Spawn { manifest: it.reference("child error"), init: None };
    match it.call(root, call).await {
        Err(error) if error.contains("init failed") => {}
        other => return Err(format!("the answer to a spawn whose init fails: {other:?}").into()),
    }
    ensure_eq!(it.children(root).await?, [], "the children after a start that failed");
    Ok(())
}

/// The records of host functions on an actor's chain, such as `theater:simple/supervisor/spawn/call`.
async fn records(it: &Subject, id: ActorId) -> Result<Vec<String>, Failure> {
    let events = it.events(id).await?;
    let about = events.iter().filter(|event| {
        event.event_type().starts_with("theater:simple/supervisor/")
            && event.header.kind != EventKind::SUPERVISION
    });
    about
        .map(|event| Ok(SupervisorEvent::read(event).map_err(|error| error.to_string())?.event_type))
        .collect()
}

/// The last words of record names.
fn short(records: &[String]) -> Vec<&str> {
    records.iter().map(|record| record.strip_prefix("theater:simple/supervisor/").unwrap_or(record)).collect()
}

pub(super) async fn each_call_is_recorded_before_and_after(it: Subject) -> Verdict {
    let root = it.supervisor().await?;
    let id = spawn(&it, root, "child temporary", None).await?.to_string();
    ask(&it, root, HostCall::ListChildren).await?;
    ask(&it, root, HostCall::GetChildState(id.clone())).await?;
    ask(&it, root, HostCall::GetChildEvents(id.clone())).await?;
    ask(&it, root, HostCall::RestartChild(id.clone())).await?;
    ask(&it, root, HostCall::StopChild(id)).await?;
    ask(&it, root, HostCall::Resume { manifest: it.reference("child"), state: None }).await?;
    let functions = [
        "spawn",
        "list-children",
        "get-child-state",
        "get-child-events",
        "restart-child",
        "stop-child",
        "resume",
    ];
    let wanted: Vec<_> =
        functions.iter().flat_map(|name| [format!("{name}/call"), format!("{name}/outcome")]).collect();
    ensure_eq!(short(&records(&it, root).await?), wanted, "the records on the caller's chain");
    it.lives(root).await?;
    Ok(())
}

pub(super) async fn a_refusal_is_recorded_too(it: Subject) -> Verdict {
    let (root, stranger) = (it.supervisor().await?, it.supervisor().await?);
    let calls: [fn(String) -> HostCall; 4] =
        [HostCall::RestartChild, HostCall::StopChild, HostCall::GetChildState, HostCall::GetChildEvents];
    for call in calls {
        let call = call(stranger.to_string());
        let function = call.function();
        let before = records(&it, root).await?.len();
        let refused = it.call(root, call).await;
        ensure!(refused.is_err(), "{function} on a stranger: {refused:?}");
        let records = records(&it, root).await?.split_off(before);
        let wanted = [format!("{function}/call"), format!("{function}/outcome")];
        ensure_eq!(short(&records), wanted, "the records of a refusal");
    }
    Ok(())
}
