//! Descriptors: what a guest holds of a file or folder, with or without something open behind it.

use std::sync::{Arc, OnceLock};

use cap_std::fs::Dir;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags};

use super::handle::{self, Handle, Kind, Opening};
use crate::folder::{Folder, LONGEST_PATH};
use crate::host::services::Refusal;

/// Things that an actor may have open at a time, as descriptors or as streams of them.
pub(super) const MOST: usize = 32;

/// Bytes of a path from the actor's folder on.
const LONGEST_WHOLE_PATH: usize = 4 * LONGEST_PATH;

/// What a guest holds. It is all that a call needs that is run again: nothing is open behind it until something is done with it.
#[derive(Debug, Clone)]
pub(crate) struct Descriptor(pub(super) Arc<Opened>);

#[derive(Debug)]
pub(super) struct Opened {
    pub(super) kind: Kind,
    pub(super) flags: DescriptorFlags,
    /// From the actor's folder on, which is `.`
    pub(super) path: String,
    pub(super) slot: Arc<Slot>,
    /// Counts it among what the actor has open.
    _counted: Option<Arc<()>>,
}

/// Counts what an actor has open, streams included.
#[derive(Debug, Default)]
pub(in super::super) struct Count(Arc<()>);

impl Count {
    /// A mark that counts as long as it is kept.
    fn one(&self) -> Result<Arc<()>, ErrorCode> {
        // One is our own.
        if Arc::strong_count(&self.0) > MOST { Err(ErrorCode::Quota) } else { Ok(Arc::clone(&self.0)) }
    }
}

/// A handle, and leave to have it. The actor's own folder, which its whole life has open, needs none.
#[derive(Debug)]
struct Open {
    handle: Handle,
    _leave: Option<OwnedSemaphorePermit>,
}

/// Where the operating system's handle is, once there is one.
#[derive(Debug)]
pub(super) struct Slot {
    open: OnceLock<Open>,
    /// How to open it again, of one that was opened when its call ran for the first time. `None` for the actor's own folder.
    again: Option<(String, Opening)>,
}

/// Something that is to be opened, in a folder that is.
pub(super) struct Planned {
    pub(super) path: String,
    how: Opening,
    counted: Arc<()>,
    pub(super) slot: Arc<Slot>,
}

impl Descriptor {
    /// The actor's own folder.
    pub(super) fn root() -> Self {
        let slot = Arc::new(Slot { open: OnceLock::new(), again: None });
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        Self(Arc::new(Opened { kind: Kind::Folder, flags, path: ".".to_owned(), slot, _counted: None }))
    }

    pub(super) fn opened(planned: Planned, kind: Kind) -> Self {
        let Planned { path, how, counted, slot } = planned;
        Self(Arc::new(Opened { kind, flags: how.flags, path, slot, _counted: Some(counted) }))
    }
}

impl Opened {
    /// What the guest names in this folder, from the actor's folder on.
    pub(super) fn child(&self, path: &str) -> Result<String, ErrorCode> {
        if self.kind != Kind::Folder {
            return Err(ErrorCode::NotDirectory);
        }
        if path.contains('\0') {
            return Err(ErrorCode::IllegalByteSequence);
        }
        let whole = match &*self.path {
            "." => path.to_owned(),
            folder => format!("{folder}/{path}"),
        };
        let longest = path.len() > LONGEST_PATH || whole.len() > LONGEST_WHOLE_PATH;
        if longest { Err(ErrorCode::NameTooLong) } else { Ok(whole) }
    }

    pub(super) fn plan(&self, path: &str, how: Opening, count: &Count) -> Result<Planned, ErrorCode> {
        let path = self.child(path)?;
        let counted = count.one()?;
        // What is there already is not made, emptied or replaced once more.
        let again = Opening { open: how.open & OpenFlags::DIRECTORY, ..how };
        let slot = Arc::new(Slot { open: OnceLock::new(), again: Some((path.clone(), again)) });
        Ok(Planned { path, how, counted, slot })
    }

    /// The kind that it must be for what is asked of it.
    pub(super) fn is(&self, kind: Kind) -> Result<(), ErrorCode> {
        match (self.kind, kind) {
            (Kind::File, Kind::Folder) => Err(ErrorCode::NotDirectory),
            (Kind::Folder, Kind::File) => Err(ErrorCode::IsDirectory),
            _ => Ok(()),
        }
    }

    /// A file that was opened for this.
    pub(super) fn is_open_for(&self, flag: DescriptorFlags) -> Result<(), ErrorCode> {
        self.is(Kind::File)?;
        if self.flags.contains(flag) { Ok(()) } else { Err(ErrorCode::BadDescriptor) }
    }
}

impl Slot {
    /// The handle, opened if there is none yet: because it is the actor's folder, or because the call that opened it was run
    /// again from its records. Blocks.
    pub(super) fn handle(&self, folder: &Folder) -> Result<&Handle, Refusal> {
        if let Some(open) = self.open.get() {
            return Ok(&open.handle);
        }
        let root = folder.dir()?;
        let open = match &self.again {
            None => Open { handle: Handle::Folder(Arc::clone(root)), _leave: None },
            Some((path, how)) => open(folder, root, path, *how)?,
        };
        Ok(&self.open.get_or_init(|| open).handle)
    }

    /// Opens it for the first time. Blocks.
    pub(super) fn open(
        &self,
        folder: &Folder,
        parent: &Handle,
        path: &str,
        how: Opening,
    ) -> Result<Kind, Refusal> {
        let open = open(folder, parent.dir()?, path, how)?;
        Ok(self.open.get_or_init(|| open).handle.kind())
    }
}

fn open(folder: &Folder, dir: &Dir, path: &str, how: Opening) -> Result<Open, Refusal> {
    let leave = folder.folders().open_one().ok_or(ErrorCode::Quota)?;
    Ok(Open { handle: handle::open(dir, path, how)?, _leave: Some(leave) })
}
