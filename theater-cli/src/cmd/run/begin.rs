//! The begin of a run: going on with the tree that there was, or a new root.

use anyhow::anyhow;
use serde::Serialize;
use theater_core::{ActorError, ActorId, ActorInfo, ActorRuntime, SpawnRequest};
use theater_wasm::{ReviveError, Revived, RevivedActor, WasmRuntime};

use crate::app::App;
use crate::exit_code::Exit;
use crate::output::{self, json_line};
use crate::text::{count, printable};

/// Why the root does not run.
#[derive(Debug)]
pub(crate) enum NotBegun {
    /// It did not start.
    Start(ActorError),
    /// The tree that there was cannot be gone on with.
    Revive(ReviveError),
}

impl NotBegun {
    /// The error as the user is told it.
    pub(crate) fn explain(self, app: &App) -> anyhow::Error {
        match self {
            Self::Start(error) => app.explain(error),
            Self::Revive(error) => anyhow::Error::new(error).context(anyhow!(
                "could not go on with {}; nothing was changed (--fresh starts it anew and leaves what there was)",
                app.path().display()
            )),
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Revive(ReviveError::Read(_) | ReviveError::Broken { .. } | ReviveError::Record { .. }) => {
                Exit::Data
            }
            _ => Exit::NotStarted,
        }
    }
}

/// Goes on with the tree that there was, unless there is none, it is over, or a new one is wanted.
pub(super) async fn root(
    runtime: &WasmRuntime,
    app: &App,
    fresh: bool,
    json: bool,
) -> Result<ActorInfo, NotBegun> {
    if !fresh {
        let revived = runtime.revive(app.reference()).await.map_err(|error| match error {
            ReviveError::Start(error) => NotBegun::Start(error),
            error => NotBegun::Revive(error),
        })?;
        if let Some(revived) = revived {
            tell(&revived, json);
            return Ok(revived.root);
        }
    }
    runtime.spawn(SpawnRequest::new(None, app.reference())).await.map_err(NotBegun::Start)
}

/// Says what was brought back and from where.
fn tell(revived: &Revived, json: bool) {
    if json {
        let actors = revived.actors.iter().map(ActorObject::from).collect();
        let failed = revived.failed.iter().map(|(id, error)| FailedObject { actor: *id, error }).collect();
        let object = RevivedObject { r#type: "revived", root: revived.root.id, actors, failed };
        // A reader that is gone is noticed by whoever prints the events.
        let _ = output::data(&json_line(&object));
        return;
    }
    output::diagnostic(&lines(revived));
}

fn lines(revived: &Revived) -> String {
    let actors = &revived.actors;
    let messages: usize = actors.iter().map(|actor| actor.messages).sum();
    let mut text = format!("goes on with {}", count(actors.len() as u64, "actor", "actors"));
    if messages > 0 {
        text.push_str(&format!(", {} in mailboxes", count(messages as u64, "message", "messages")));
    }
    for actor in actors {
        if actor.calls_run_again > 0 {
            let again = count(actor.calls_run_again, "call", "calls");
            text.push_str(&format!("\n  {}: its state was found by running {again} again", called(actor)));
        }
        if let Some(reason) = actor.ended.as_ref().filter(|reason| !reason.is_requested()) {
            text.push_str(&format!(
                "\n  {}: restarted after: {}",
                called(actor),
                printable(&reason.to_string())
            ));
        }
    }
    for (actor, error) in &revived.failed {
        text.push_str(&format!("\n  {actor}: does not come back: {}", printable(error)));
    }
    text
}

fn called(actor: &RevivedActor) -> String {
    format!("{} ({})", printable(&actor.name), actor.id)
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct RevivedObject<'a> {
    r#type: &'static str,
    root: ActorId,
    actors: Vec<ActorObject<'a>>,
    failed: Vec<FailedObject<'a>>,
}

#[derive(Debug, Serialize)]
struct ActorObject<'a> {
    actor: ActorId,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ActorId>,
    /// The life that ended with the process before.
    incarnation: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_len: Option<u64>,
    calls_run_again: u64,
    messages: usize,
}

impl<'a> From<&'a RevivedActor> for ActorObject<'a> {
    fn from(actor: &'a RevivedActor) -> Self {
        Self {
            actor: actor.id,
            name: &actor.name,
            parent: actor.parent,
            incarnation: actor.incarnation.0,
            state_len: actor.state_len,
            calls_run_again: actor.calls_run_again,
            messages: actor.messages,
        }
    }
}

#[derive(Debug, Serialize)]
struct FailedObject<'a> {
    actor: ActorId,
    error: &'a str,
}
