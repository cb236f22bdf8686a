//! What is on the chains when the tree has ended, and the end of the store.

use std::collections::HashSet;
use std::path::Path;

use anyhow::Context;
use theater_chain::ChainReader;
use theater_core::{ActorId, ChainId};

use super::cannot_write;
use crate::chain_file::PendingFile;
use crate::cmd::summary::Records;
use crate::data::open::OpenStore;
use crate::exit_code::Exit;
use crate::export::{self, Tally};
use crate::failure::{Failure, OrExit};

/// Waits until everything is durable, reads what is of this run, writes it where that was asked for, and closes the store.
pub(super) async fn settle(
    data: &OpenStore,
    before: &HashSet<ChainId>,
    root: Option<ActorId>,
    chain_out: Option<&Path>,
) -> Records {
    let store = data.store();
    let durable = store.until_durable(store.accepted()).await.or_exit(Exit::Io);
    let chains = export::of_run(&*store, before, root).await.or_exit(Exit::Io);
    let (tally, written) = match chains {
        Ok(chains) => {
            let written = match chain_out {
                Some(path) => Some(write(&*store, path, &chains).await),
                None => None,
            };
            (Tally::take(&*store, &chains).await.or_exit(Exit::Io), written)
        }
        Err(failure) => (Err(failure), None),
    };
    let closed = data.close().await.or_exit(Exit::Io);
    Records { tally, written, kept: durable.and(closed) }
}

async fn write(store: &dyn ChainReader, path: &Path, chains: &[ChainId]) -> Result<(), Failure> {
    let write = async {
        let mut file = PendingFile::create(path)?;
        export::write(store, chains, &mut file).await?;
        file.commit()?;
        anyhow::Ok(())
    };
    write.await.with_context(|| cannot_write(path)).or_exit(Exit::Io)
}
