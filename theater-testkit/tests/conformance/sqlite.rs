//! Stores in SQLite, each in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use theater_chain::{Durability, SqliteOptions, SqliteStore};

/// Where the folders are. Emptied before it is used: a store that is tested outlives what could remove its folder.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance-sqlite");
    if root.exists() {
        fs::remove_dir_all(&root).expect("what an earlier run has left can be removed");
    }
    root
});

/// An empty store.
pub(crate) fn open(durability: Durability) -> SqliteStore {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut options = SqliteOptions::default();
    options.durability = durability;
    let folder = ROOT.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    SqliteStore::open(folder, options).expect("an empty folder").0
}
