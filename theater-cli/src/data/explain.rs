//! What is wrong with a data folder, and what to do about it.

use std::io;
use std::path::Path;

use anyhow::{Error, anyhow};
use theater_chain::{Damage, FolderError, OpenError, verify_folder};
use theater_core::ActorId;

use super::StoreKind;
use crate::exit_code::Exit;
use crate::failure::Failure;

/// Why a store was not opened.
pub(crate) fn open(folder: &Path, kind: StoreKind, error: OpenError) -> Failure {
    let shown = folder.display();
    let error = match error {
        OpenError::InUse { .. } => anyhow!(
            "the data folder {shown} is used by another process, and only one can write to it; `theater status --data {shown}` \
             says which"
        ),
        OpenError::Damaged(damage) => damaged(folder, kind, &damage),
        OpenError::Io { operation, file, source } => system(operation, Path::new(&file), source)
            .context(format!("could not use the data folder {shown}")),
        other => Error::new(other).context(format!("could not use the data folder {shown}")),
    };
    Failure::new(Exit::Data, error)
}

/// What the system said, with what to do where that is known.
pub(crate) fn system(operation: &str, file: &Path, error: io::Error) -> Error {
    let what = format!("could not {operation} {}", file.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied => anyhow!("{what}: no permission"),
        io::ErrorKind::ReadOnlyFilesystem => anyhow!("{what}: the disk can only be read"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => anyhow!("{what}: the disk is full"),
        _ => Error::new(error).context(what),
    }
}

fn damaged(folder: &Path, kind: StoreKind, damage: &Damage) -> Error {
    let shown = folder.display();
    let advice = match kind {
        StoreKind::Sqlite => {
            "put a copy back, or see what SQLite itself can save: sqlite3 chains.sqlite .recover".to_owned()
        }
        _ => format!("see what can be kept, which changes nothing: theater repair --data {shown} --dry-run"),
    };
    let of = match (actor_of(folder, kind, damage), damage.chain) {
        (Some(actor), _) => format!(", actor {actor}"),
        (None, Some(chain)) => format!(", chain {chain}"),
        (None, None) => String::new(),
    };
    anyhow!(
        "the data folder {shown} is damaged: {}, at byte {}{of}: {}; nothing was changed; {advice}",
        damage.file,
        damage.offset,
        damage.what
    )
}

/// Whose events the damage concerns. Reads the whole folder, which nobody minds who cannot use it.
fn actor_of(folder: &Path, kind: StoreKind, damage: &Damage) -> Option<ActorId> {
    if kind != StoreKind::Log {
        return None;
    }
    let Err(FolderError::Damaged { damages, .. }) = verify_folder(folder, |_, _| ()) else { return None };
    let place = |found: &&theater_chain::FolderDamage| {
        found.damage.file == damage.file && found.damage.offset == damage.offset
    };
    let same_chain = |found: &&theater_chain::FolderDamage| {
        damage.chain.is_some() && found.damage.chain == damage.chain && found.actor.is_some()
    };
    damages.iter().find(place).or_else(|| damages.iter().find(same_chain)).and_then(|found| found.actor)
}
