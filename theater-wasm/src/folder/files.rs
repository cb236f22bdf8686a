//! What is done with files, below a folder that is open.

use std::io::{self, Read, Write};

use cap_std::fs::{Dir, Metadata, OpenOptions, Permissions};

use super::path::FilePath;

/// Something that could not be done with a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The operating system, or the rule that nothing leads out of the folder.
    #[error("`{path}`: {source}")]
    Io { path: String, source: io::Error },
    #[error("`{path}` is {what}, not a file")]
    NotAFile { path: String, what: &'static str },
    #[error("`{path}` is not a folder")]
    NotAFolder { path: String },
    /// Of a folder that is to be removed.
    #[error("`{path}` is not removed whole: {why}")]
    NotRemoved { path: String, why: &'static str },
    /// Asked for the actor's folder itself.
    #[error("`.` is the actor's folder itself, which stays; name something in it")]
    OwnFolder,
    #[error("`{path}` has {size} bytes, more than limits.message allows, which is {limit}")]
    TooLarge { path: String, size: u64, limit: u64 },
    /// The list of a folder.
    #[error("the list of `{path}` takes more than limits.message allows, which is {limit} bytes")]
    LongList { path: String, limit: u64 },
}

/// What an entry of a list takes at most besides its name.
const ENTRY: u64 = 8;

pub(super) fn failed(path: &FilePath) -> impl Fn(io::Error) -> FileError {
    let path = path.text();
    move |source| FileError::Io { path: path.clone(), source }
}

/// What it is, if it is no file. A device or pipe is never opened: that alone may do something, or wait for somebody.
fn check_file(path: &FilePath, metadata: &Metadata) -> Result<(), FileError> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() { "a folder" } else { "something else, such as a device or a pipe" };
    Err(FileError::NotAFile { path: path.text(), what })
}

/// The bytes of a file of at most `limit` bytes.
pub(crate) fn read(dir: &Dir, path: &FilePath, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = failed(path);
    check_file(path, &dir.metadata(path.text()).map_err(&failed)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    // Somebody may have put a pipe in its place meanwhile.
    #[cfg(unix)]
    cap_std::fs::OpenOptionsExt::custom_flags(&mut options, nonblocking());
    let file = dir.open_with(path.text(), &options).map_err(&failed)?;
    let metadata = file.metadata().map_err(&failed)?;
    check_file(path, &metadata)?;
    let too_large = |size| FileError::TooLarge { path: path.text(), size, limit };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // It may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(&failed)?;
    let size = bytes.len() as u64;
    if size > limit { Err(too_large(size)) } else { Ok(bytes) }
}

/// Flags with which opening waits for nobody, and takes no terminal.
#[cfg(unix)]
pub(crate) fn nonblocking() -> i32 {
    rustix::fs::OFlags::NONBLOCK.union(rustix::fs::OFlags::NOCTTY).bits().cast_signed()
}

/// Makes a file, or puts another in its place: what was there, or all of the new one, is what others see, and what is there
/// after a loss of power. A link is replaced and not followed.
pub(crate) fn write(dir: &Dir, path: &FilePath, contents: &[u8]) -> Result<(), FileError> {
    let failed = failed(path);
    in_folder(dir, path, |folder, name| {
        let before = match folder.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            metadata => Some(metadata.map_err(&failed)?),
        };
        if let Some(before) = before.as_ref().filter(|before| !before.is_symlink()) {
            check_file(path, before)?;
        }
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|error| failed(io::Error::other(error.to_string())))?;
        let temporary = format!(".theater-{:032x}", u128::from_le_bytes(bits));
        let written = || {
            let mut file = folder.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?;
            if let Some(before) = before.as_ref().filter(|before| before.is_file()) {
                file.set_permissions(mode(before))?;
            }
            file.write_all(contents)?;
            file.sync_all()?;
            folder.rename(&temporary, folder, name)
        };
        written().map_err(|error| {
            // Whatever kept it from being written may keep it from being removed.
            let _ = folder.remove_file(&temporary);
            failed(error)
        })?;
        sync(folder).map_err(&failed)
    })
}

/// Who may do what with a file. That it runs as its owner is for others to say of it, and not for whoever writes it.
#[cfg(unix)]
fn mode(metadata: &Metadata) -> Permissions {
    use cap_std::fs::PermissionsExt;
    Permissions::from_mode(metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(metadata: &Metadata) -> Permissions {
    metadata.permissions()
}

/// The names in a folder, sorted. Those that are not Unicode are left out: no guest could name them.
pub(crate) fn list(dir: &Dir, path: &FilePath, limit: u64) -> Result<Vec<String>, FileError> {
    let failed = failed(path);
    let (mut names, mut size) = (Vec::new(), 0);
    for entry in dir.read_dir(path.text()).map_err(&failed)? {
        let Ok(name) = entry.map_err(&failed)?.file_name().into_string() else { continue };
        size += name.len() as u64 + ENTRY;
        if size > limit {
            return Err(FileError::LongList { path: path.text(), limit });
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

/// Removes a file, or a link.
pub(crate) fn delete(dir: &Dir, path: &FilePath) -> Result<(), FileError> {
    let failed = failed(path);
    in_folder(dir, path, |folder, name| {
        let metadata = folder.symlink_metadata(name).map_err(&failed)?;
        if metadata.is_dir() {
            check_file(path, &metadata)?;
        }
        folder.remove_file(name).map_err(&failed)?;
        sync(folder).map_err(&failed)
    })
}

/// Makes a folder.
pub(crate) fn create_dir(dir: &Dir, path: &FilePath) -> Result<(), FileError> {
    let failed = failed(path);
    in_folder(dir, path, |folder, name| {
        folder.create_dir(name).map_err(&failed)?;
        sync(folder).map_err(&failed)
    })
}

/// Whether there is anything of this name.
pub(crate) fn exists(dir: &Dir, path: &FilePath) -> Result<bool, FileError> {
    match dir.metadata(path.text()) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(failed(path)(error)),
    }
}

/// Does something in the folder that a path leads to, which stays the same one whatever is renamed meanwhile.
pub(super) fn in_folder(
    dir: &Dir,
    path: &FilePath,
    work: impl FnOnce(&Dir, &str) -> Result<(), FileError>,
) -> Result<(), FileError> {
    match path.split().ok_or(FileError::OwnFolder)? {
        (None, name) => work(dir, name),
        (Some(folder), name) => work(&dir.open_dir(folder).map_err(failed(path))?, name),
    }
}

/// Makes durable what has got or lost a name in a folder.
#[cfg(unix)]
pub(crate) fn sync(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

/// Elsewhere folders cannot be synced.
#[cfg(not(unix))]
pub(crate) fn sync(_: &Dir) -> io::Result<()> {
    Ok(())
}
