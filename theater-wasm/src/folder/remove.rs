//! Removing a folder with all that is in it, whatever its size and whoever adds to it meanwhile.

use std::io;

use cap_std::fs::Dir;

use super::files::{FileError, failed, in_folder, sync};
use super::path::FilePath;

/// Levels of folders below the one that is removed: one is held open per level.
const DEEPEST: usize = 64;

/// Entries that are removed by one call.
const MOST: u64 = 1_000_000;

/// Entries that are read at a time.
const BATCH: usize = 1_000;

/// Why a folder was not removed whole.
enum Left {
    Io(io::Error),
    Deep,
    Many,
}

impl From<io::Error> for Left {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Removes a folder with all that is in it. Links in it are removed, and not what they lead to.
pub(crate) fn delete_dir(dir: &Dir, path: &FilePath) -> Result<(), FileError> {
    let failed = failed(path);
    in_folder(dir, path, |folder, name| {
        if !folder.symlink_metadata(name).map_err(&failed)?.is_dir() {
            return Err(FileError::NotAFolder { path: path.text() });
        }
        let not_removed = |why| FileError::NotRemoved { path: path.text(), why };
        let removed = remove(folder, name.as_ref(), DEEPEST, &mut { MOST });
        removed.map_err(|left| match left {
            Left::Io(error) => failed(error),
            Left::Deep => not_removed("it has folders in it more than 64 levels deep"),
            Left::Many => not_removed("more than a million things were in it; call it once more"),
        })?;
        sync(folder).map_err(&failed)
    })
}

fn remove(folder: &Dir, name: &std::path::Path, levels: usize, left: &mut u64) -> Result<(), Left> {
    // What somebody puts in its place leads no further than `folder`.
    let dir = folder.open_dir(name)?;
    let levels = levels.checked_sub(1).ok_or(Left::Deep)?;
    loop {
        let batch: io::Result<Vec<_>> = dir.entries()?.take(BATCH).collect();
        let batch = batch?;
        if batch.is_empty() {
            break;
        }
        for entry in batch {
            *left = left.checked_sub(1).ok_or(Left::Many)?;
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                remove(&dir, name.as_ref(), levels, left)?;
                continue;
            }
            match dir.remove_file(&name) {
                // Somebody else was first.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
    }
    Ok(folder.remove_dir(name)?)
}
