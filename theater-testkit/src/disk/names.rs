//! Names of files: as the process sees them, and as they were synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::rng::Rng;

/// A change of names. A rename is one change: both of its names, or neither.
#[derive(Debug, Clone)]
pub(super) enum NameOp {
    Set { name: String, file: usize },
    Rename { from: String, to: String, file: usize },
    Remove { name: String },
}

impl NameOp {
    fn folder(&self) -> &str {
        let (Self::Set { name, .. } | Self::Rename { to: name, .. } | Self::Remove { name }) = self;
        folder(name)
    }

    fn apply(&self, to: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set { name, file } => {
                to.insert(name.clone(), *file);
            }
            Self::Rename { from, to: name, file } => {
                // What has the old name now may be another file, if the change that gave it away was lost.
                if to.get(from) == Some(file) {
                    to.remove(from);
                }
                to.insert(name.clone(), *file);
            }
            Self::Remove { name } => {
                to.remove(name);
            }
        }
    }
}

fn folder(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    pub(super) folders: BTreeSet<String>,
    pub(super) live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<NameOp>,
}

impl Names {
    pub(super) fn change(&mut self, op: NameOp) -> io::Result<()> {
        if !op.folder().is_empty() && !self.folders.contains(op.folder()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        op.apply(&mut self.live);
        self.unsynced.push(op);
        Ok(())
    }

    pub(super) fn list(&self, of: &str) -> io::Result<Vec<String>> {
        if !self.folders.contains(of) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = self.live.keys().filter(|name| folder(name) == of);
        Ok(names.map(|name| name[of.len() + 1..].to_owned()).collect())
    }

    pub(super) fn sync(&mut self, of: &str) {
        for op in self.unsynced.extract_if(.., |op| op.folder() == of) {
            op.apply(&mut self.durable);
        }
    }

    /// Whether a file has a name, or may have one after a crash.
    pub(super) fn know(&self, file: usize) -> bool {
        let named = |names: &BTreeMap<String, usize>| names.values().any(|of| *of == file);
        named(&self.live)
            || named(&self.durable)
            || self.unsynced.iter().any(|op| match op {
                NameOp::Set { file: of, .. } | NameOp::Rename { file: of, .. } => *of == file,
                NameOp::Remove { .. } => false,
            })
    }

    /// Nothing is kept that was not synced.
    pub(super) fn lose(&mut self) {
        self.unsynced.clear();
        self.live.clone_from(&self.durable);
    }

    /// Changes that were not synced are kept up to one of them, as a journal keeps them, or each for itself.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let in_order = rng.coin();
        let kept = rng.up_to(self.unsynced.len());
        for (number, op) in self.unsynced.drain(..).enumerate() {
            let keep = if in_order { number < kept } else { rng.coin() };
            if keep {
                op.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
    }
}
