//! `theater chain prune`: remove what old events say, of trees that are over.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_chain::{Chain, ChainStore, Durability, Head, PruneError, PrunePolicy, prune_chain};
use theater_core::event::payload::{self, Exited, Genesis};
use theater_core::{ActorId, ChainId, EventDraft, EventKind, EventRange};

use crate::args::PruneArgs;
use crate::cmd::written;
use crate::data::archive::Archive;
use crate::data::census::{Actor, Census};
use crate::data::open::OpenStore;
use crate::data::{StoreKind, existing};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, json_line};
use crate::progress::{Progress, Unit};
use crate::text::count;

/// Prunes a folder that no app runs with; asks the app otherwise.
pub(super) async fn prune(args: &PruneArgs) -> Result<Exit, Failure> {
    let folder = &args.data.folder;
    let kind = existing(folder)?;
    #[cfg(unix)]
    if let Some(outcome) = running::ask(args)? {
        return written(output::data(&outcome.show(args.json)));
    }
    let (selected, going_on) = {
        let archive = Archive::open(folder)?;
        let census = Census::take(&archive).await?;
        let over = over(&archive, &census).await?;
        let selected = census.select(&args.actors)?;
        let (selected, going_on): (Vec<_>, Vec<_>) =
            selected.into_iter().cloned().partition(|actor| over.contains(&actor.called.id));
        (selected, going_on.len() as u64)
    };
    let store = OpenStore::open(folder, kind, Durability::Full)?;
    can_prune(&*store.store(), &selected, kind).await?;
    let pruned = prune_all(&*store.store(), &selected, args).await;
    let closed = store.close().await.context("could not close the data folder").or_exit(Exit::Io);
    let pruned = Outcome { going_on, ..pruned? };
    closed?;
    written(output::data(&pruned.show(args.json)))
}

/// Finds out before a chain says that it was pruned.
async fn can_prune(store: &dyn ChainStore, actors: &[Actor], kind: StoreKind) -> Result<(), Failure> {
    let Some(first) = actors.first() else { return Ok(()) };
    match store.prune(first.chain, 0).await {
        Err(PruneError::Unsupported) => {
            Err(Failure::new(Exit::Refused, anyhow!("the store `{}` cannot prune", kind.name())))
        }
        // What else may be wrong shows with the chain that it is about.
        _ => Ok(()),
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    chains: u64,
    events: u64,
    bytes: u64,
    /// Actors that were left as they are, because their tree can be gone on with.
    going_on: u64,
}

impl Outcome {
    fn show(self, json: bool) -> String {
        if json {
            return json_line(&PrunedObject {
                r#type: "pruned",
                chains: self.chains,
                events: self.events,
                bytes: self.bytes,
                going_on: self.going_on,
            });
        }
        let mut text = format!(
            "pruned: {} of {}, {}\n",
            count(self.events, "event", "events"),
            count(self.chains, "actor", "actors"),
            count(self.bytes, "byte", "bytes")
        );
        if self.going_on > 0 {
            text.push_str(&format!(
                "left as they are: {} of an app that can be gone on with; prune it while it runs\n",
                count(self.going_on, "actor", "actors")
            ));
        }
        text
    }
}

async fn prune_all(store: &dyn ChainStore, actors: &[Actor], args: &PruneArgs) -> Result<Outcome, Failure> {
    let policy = PrunePolicy { older_than: args.older_than, keep_last: args.keep_last };
    let now = crate::cmd::run::now();
    let progress = Progress::begin("pruning", Unit::Actors, actors.len() as u64);
    let mut outcome = Outcome::default();
    for actor in actors {
        let chain = actor.chain;
        let context = || format!("could not prune the chain of actor {}", actor.called.id);
        let before =
            policy.before_in(store, chain, now, u64::MAX).await.with_context(context).or_exit(Exit::Data)?;
        let append = |draft| async move { append(store, chain, draft, now).await };
        let report =
            prune_chain(store, chain, before, append).await.with_context(context).or_exit(Exit::Io)?;
        outcome.chains += u64::from(report.events > 0);
        outcome.events += report.events;
        outcome.bytes += report.bytes;
        progress.add(1);
    }
    Ok(outcome)
}

/// Nobody else writes to the chain: the store is ours.
async fn append(store: &dyn ChainStore, chain: ChainId, draft: EventDraft, now: u64) -> anyhow::Result<()> {
    let head = store.head(chain).await?.context("the chain is gone")?;
    let event = Chain::resume(Head { epoch: store.epoch(), ..head }).append(draft.kind, draft.payload, now);
    store.append(head, event)?;
    Ok(())
}

/// The actors of trees that are over: their root ended by itself and well, or another root of its manifest came after it. Of any other
/// tree all may be needed to go on with it.
async fn over(archive: &Archive, census: &Census) -> Result<HashSet<ActorId>, Failure> {
    let mut last: HashMap<String, ActorId> = HashMap::new();
    let mut roots = Vec::new();
    for actor in census.actors().iter().filter(|actor| actor.parent.is_none()) {
        let reference = reference(archive, actor)?;
        last.insert(reference.clone(), actor.called.id);
        roots.push((actor, reference));
    }
    let mut over = HashSet::new();
    for (root, reference) in roots {
        let superseded = last.get(&reference) != Some(&root.called.id);
        if superseded || ended_by_itself(archive, root).await? {
            over.insert(root.called.id);
        }
    }
    // Parents come before their children.
    for actor in census.actors() {
        if actor.parent.is_some_and(|parent| over.contains(&parent)) {
            over.insert(actor.called.id);
        }
    }
    Ok(over)
}

/// The manifest that a root was started from.
fn reference(archive: &Archive, root: &Actor) -> Result<String, Failure> {
    let first = archive.read_places(root.chain, EventRange { from: 0, limit: 1 })?;
    let genesis = first.first().and_then(|(_, event)| payload::decode::<Genesis>(&event.payload).ok());
    let placement = genesis.and_then(|genesis| genesis.placement);
    // One that does not say it is a tree of its own.
    Ok(placement.map_or_else(|| root.called.id.to_string(), |placement| placement.manifest))
}

async fn ended_by_itself(archive: &Archive, root: &Actor) -> Result<bool, Failure> {
    let mut end = archive.length(root.chain).await?;
    while end > 0 {
        let from = end.saturating_sub(256);
        let limit = usize::try_from(end - from).unwrap_or(usize::MAX);
        for (_, event) in archive.read_places(root.chain, EventRange { from, limit })?.iter().rev() {
            match event.header.kind {
                EventKind::STARTED => return Ok(false),
                EventKind::EXITED => {
                    let exited = payload::decode::<Exited>(&event.payload).ok();
                    return Ok(exited
                        .is_some_and(|exited| exited.reason.is_clean() && !exited.reason.is_requested()));
                }
                _ => {}
            }
        }
        end = from;
    }
    Ok(false)
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct PrunedObject {
    r#type: &'static str,
    chains: u64,
    events: u64,
    bytes: u64,
    going_on: u64,
}

/// An app that runs with the folder.
#[cfg(unix)]
mod running {
    use super::{Failure, Outcome, PruneArgs};
    use crate::control::client::{Client, refused};
    use crate::control::protocol::{Answer, Operation, Refusal, RefusalKind};

    /// What the app says; `None` if there is none.
    pub(super) fn ask(args: &PruneArgs) -> Result<Option<Outcome>, Failure> {
        let Some(mut client) = Client::connect(&args.data.folder)? else { return Ok(None) };
        let operation = Operation::Prune {
            older_than_ms: args.older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            keep_last: args.keep_last,
            actors: args.actors.clone(),
        };
        match client.ask(operation)?.map_err(refused)? {
            Answer::Pruned { chains, pruned_events, pruned_bytes } => {
                Ok(Some(Outcome { chains, events: pruned_events, bytes: pruned_bytes, going_on: 0 }))
            }
            _ => Err(refused(Refusal::new(RefusalKind::BadRequest, "the app gave another answer"))),
        }
    }
}
