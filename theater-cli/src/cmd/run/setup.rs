//! What a run needs before it starts.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use theater_chain::Durability;
use theater_core::{ChainId, DurabilityMode};
use theater_wasm::{DEFAULT_CONTENT_LIMIT, FileContents, WasmRuntime};

use crate::app::App;
use crate::args::RunArgs;
use crate::data::open::OpenStore;
use crate::data::{self, StoreKind};
use crate::engine::{NO_ENGINE, engine};
use crate::exit_code::Exit;
use crate::failure::{Failure, OrExit};
use crate::output::{self, json_line};

/// The folder of what actors store, in the data folder. It is made when the first of them does.
const CONTENTS: &str = "contents";

/// The folders that actors get for themselves, in the data folder. It is made with the first of them.
const FOLDERS: &str = "folders";

/// Refuses what would have no effect.
pub(super) fn check(args: &RunArgs) -> Result<(), Failure> {
    let without_effect = match (args.data.is_some(), args.durability.is_some()) {
        _ if args.store != StoreKind::Memory => return Ok(()),
        (true, _) => "--data",
        (_, true) => "--durability",
        _ => return Ok(()),
    };
    let error = anyhow!(
        "{without_effect} has no effect with --store memory, which keeps nothing; leave one of them out"
    );
    Err(Failure::new(Exit::Usage, error))
}

/// Opens the store that the run writes to.
pub(super) async fn store(app: &App, args: &RunArgs) -> Result<OpenStore, Failure> {
    if args.store == StoreKind::Memory {
        return Ok(OpenStore::in_memory());
    }
    let source = app.source().or_exit(Exit::NotStarted)?;
    let Ok(manifest) = theater_core::source::find(&source, &app.reference().into()).await else {
        // The start will say what is wrong with it, and nothing is to be kept of that.
        return Ok(OpenStore::in_memory());
    };
    let folder = data::of_run(args.data.as_deref(), &args.app);
    let asked = args.durability.map(Durability::from);
    let durability = asked.unwrap_or(match manifest.manifest.durability {
        Some(DurabilityMode::Relaxed) => Durability::Relaxed,
        _ => Durability::Full,
    });
    let kind = args.store;
    let open = move || OpenStore::open(&folder, kind, durability);
    tokio::task::spawn_blocking(open).await.context("opening the data folder panicked").or_exit(Exit::Bug)?
}

/// Makes the runtime over the store.
pub(super) fn runtime(app: &App, args: &RunArgs, data: &OpenStore) -> Result<WasmRuntime, Failure> {
    let source = app.source().or_exit(Exit::NotStarted)?;
    let engine = engine().context(NO_ENGINE).or_exit(Exit::NotStarted)?;
    let mut builder = WasmRuntime::builder(source).engine(engine).chain_store(data.store());
    if let Some(folder) = data.folder() {
        builder = builder.folders(folder.join(FOLDERS));
        let folder = folder.join(CONTENTS);
        let contents = FileContents::open(&folder, DEFAULT_CONTENT_LIMIT)
            .with_context(|| format!("could not read the stored contents in {}", folder.display()))
            .or_exit(Exit::Data)?;
        builder = builder.content_store(Arc::new(contents));
    }
    builder
        .config(|config| {
            config.shutdown_deadline = args.grace;
            config.orphan_deadline = args.grace;
        })
        .build()
        .context(NO_ENGINE)
        .or_exit(Exit::NotStarted)
}

/// Says where the data is and what was found there.
pub(super) fn tell(data: &OpenStore, json: bool) -> io::Result<()> {
    if json {
        return output::data(&json_line(&data.object()));
    }
    output::diagnostic(&data.lines());
    Ok(())
}

/// The chains that are there already.
pub(super) async fn chains(data: &OpenStore) -> Result<HashSet<ChainId>, Failure> {
    let chains =
        data.store().chains().await.context("could not list the event chains").or_exit(Exit::Data)?;
    Ok(chains.into_iter().collect())
}
