//! `theater chain prune`: remove what old events say, but nothing that an app would need to go on.

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_chain::{ChainStore, Durability, PruneError, PrunePolicy};
use theater_core::{ActorId, ChainId, MapSource};
use theater_wasm::WasmRuntime;

use crate::args::PruneArgs;
use crate::cmd::written;
use crate::data::archive::Archive;
use crate::data::census::Census;
use crate::data::open::OpenStore;
use crate::data::{StoreKind, existing};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, json_line};
use crate::progress::Progress;
use crate::text::count;

/// Prunes a folder that no app runs with; asks the app otherwise.
pub(super) async fn prune(args: &PruneArgs) -> Result<Exit, Failure> {
    let folder = &args.data.folder;
    let kind = existing(folder)?;
    #[cfg(unix)]
    if let Some(pruned) = running::ask(args)? {
        return written(output::data(&pruned.show(args.json)));
    }
    let selected: Vec<_> = {
        let archive = Archive::open(folder)?;
        let census = Census::take(&archive).await?;
        census.select(&args.actors)?.into_iter().map(|actor| (actor.called.id, actor.chain)).collect()
    };
    let store = OpenStore::open(folder, kind, Durability::Full)?;
    let pruned = prune_all(&store, &selected, args).await;
    let closed = store.close().await.context("could not close the data folder").or_exit(Exit::Io);
    let pruned = pruned?;
    closed?;
    written(output::data(&pruned.show(args.json)))
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default)]
struct Pruned {
    chains: u64,
    events: u64,
    bytes: u64,
}

impl Pruned {
    fn show(self, json: bool) -> String {
        if json {
            let Self { chains, events, bytes } = self;
            return json_line(&PrunedObject { r#type: "pruned", chains, events, bytes });
        }
        format!(
            "pruned: {} of {}, {}\n",
            count(self.events, "event", "events"),
            count(self.chains, "actor", "actors"),
            count(self.bytes, "byte", "bytes")
        )
    }
}

async fn prune_all(
    data: &OpenStore,
    selected: &[(ActorId, ChainId)],
    args: &PruneArgs,
) -> Result<Pruned, Failure> {
    let Some((_, first)) = selected.first() else { return Ok(Pruned::default()) };
    can_prune(&*data.store(), *first, data.kind()).await?;
    // The runtime knows what of a chain would be needed to bring its actor back. It starts none here, so it needs no manifests.
    let runtime = WasmRuntime::builder(MapSource::new()).chain_store(data.store()).build();
    let runtime = runtime.context("could not set up the WebAssembly engine").or_exit(Exit::NotStarted)?;
    let policy = PrunePolicy { older_than: args.older_than, keep_last: args.keep_last };
    let ids: Vec<_> = selected.iter().map(|(id, _)| *id).collect();
    let working = Progress::spin("pruning");
    let reports = runtime.prune(&ids, &policy).await.context("not all was pruned").or_exit(Exit::Io)?;
    drop(working);
    Ok(Pruned {
        chains: reports.iter().filter(|(_, report)| report.events > 0).count() as u64,
        events: reports.iter().map(|(_, report)| report.events).sum(),
        bytes: reports.iter().map(|(_, report)| report.bytes).sum(),
    })
}

/// Finds out before a chain says that it was pruned.
async fn can_prune(store: &dyn ChainStore, chain: ChainId, kind: StoreKind) -> Result<(), Failure> {
    match store.prune(chain, 0).await {
        Err(PruneError::Unsupported) => {
            Err(Failure::new(Exit::Refused, anyhow!("the store `{}` cannot prune", kind.name())))
        }
        // What else may be wrong shows with the chain that it is about.
        _ => Ok(()),
    }
}

/// `docs/cli.md` documents the fields: they are added to, never renamed.
#[derive(Debug, Serialize)]
struct PrunedObject {
    r#type: &'static str,
    chains: u64,
    events: u64,
    bytes: u64,
}

/// An app that runs with the folder.
#[cfg(unix)]
mod running {
    use super::{Failure, PruneArgs, Pruned};
    use crate::control::client::{Client, refused};
    use crate::control::protocol::{Answer, Operation, Refusal, RefusalKind};

    /// What the app says; `None` if there is none.
    pub(super) fn ask(args: &PruneArgs) -> Result<Option<Pruned>, Failure> {
        let Some(mut client) = Client::connect(&args.data.folder)? else { return Ok(None) };
        let operation = Operation::Prune {
            older_than_ms: args.older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            keep_last: args.keep_last,
            actors: args.actors.clone(),
        };
        match client.ask(operation)?.map_err(refused)? {
            Answer::Pruned { chains, pruned_events, pruned_bytes } => {
                Ok(Some(Pruned { chains, events: pruned_events, bytes: pruned_bytes }))
            }
            _ => Err(refused(Refusal::new(RefusalKind::BadRequest, "the app gave another answer"))),
        }
    }
}
