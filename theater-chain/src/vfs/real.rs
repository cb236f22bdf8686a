//! Files of the operating system.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Vfs, VfsFile};

/// A folder of the operating system's file system.
#[derive(Debug, Clone)]
pub struct RealVfs {
    root: PathBuf,
    read_only: bool,
}

impl RealVfs {
    /// The files below `root`, which is made if it does not exist, so that it survives a loss of power.
    ///
    /// # Errors
    /// What the file system says.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        make_durable_folder(&root)?;
        Ok(Self { root, read_only: false })
    }

    /// The files below `root`, which nothing changes: every operation that would is refused as
    /// [`ReadOnlyFilesystem`](io::ErrorKind::ReadOnlyFilesystem).
    #[must_use]
    pub fn read_only(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), read_only: true }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where a file is that is about to be changed.
    fn changing(&self, name: &str) -> io::Result<PathBuf> {
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(self.path(name)) }
    }
}

impl Vfs for RealVfs {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        fs::create_dir_all(self.changing(folder)?)?;
        sync_folder(&self.root)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn VfsFile>> {
        let path = self.changing(name)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        Ok(Box::new(RealFile(file?)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn VfsFile>> {
        let path = self.path(name);
        let file = match OpenOptions::new().read(true).write(!self.read_only).open(&path) {
            // Whoever may only read may still look.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(&path)?,
            opened => opened?,
        };
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.changing(from)?, self.changing(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.changing(name)?)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                // A name that is no text is none of ours.
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        sync_folder(&self.path(folder))
    }
}

/// Makes a folder, with those that it is in, so that it survives a loss of power.
pub(crate) fn make_durable_folder(path: &Path) -> io::Result<()> {
    make_folder(path, sync_folder)
}

fn make_folder(path: &Path, mut sync: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut missing = Vec::new();
    for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
        if folder.try_exists()? {
            break;
        }
        missing.push(folder);
    }
    fs::create_dir_all(path)?;
    // A name is durable once the folder that it is in is synced.
    let mut sync_name = |folder: &Path| match folder.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync(Path::new(".")),
        Some(parent) => sync(parent),
        None => Ok(()),
    };
    if missing.is_empty() && fs::read_dir(path)?.next().is_none() {
        // Whoever made it may have ended before that.
        return match sync_name(path) {
            // It was made by somebody who may do more than we.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        };
    }
    missing.into_iter().rev().try_for_each(sync_name)
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Other systems make names durable on their own.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[derive(Debug)]
struct RealFile(File);

impl VfsFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, into, offset)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, into, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_write(&self.0, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_a_new_folder_is_in_is_synced_once_the_new_one_is_there() {
        let outside = tempfile::tempdir().unwrap();
        let (upper, lower) = (outside.path().join("upper"), outside.path().join("upper/lower"));
        let make = || {
            let mut synced = Vec::new();
            make_folder(&lower, |folder| {
                assert!(lower.is_dir(), "there is nothing to sync yet");
                synced.push(folder.to_owned());
                Ok(())
            })
            .unwrap();
            synced
        };
        assert_eq!(make(), [outside.path(), &upper]);
        assert_eq!(make(), [&*upper], "whoever made it may have ended before the sync");
        fs::write(lower.join("lock"), []).unwrap();
        assert_eq!(make(), [] as [&Path; 0]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_durable_is_an_error_but_for_one_that_somebody_else_has_made() {
        let outside = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            make_folder(&outside.path().join(name), |_| Err(io::ErrorKind::PermissionDenied.into()))
        };
        assert_eq!(make("new").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(make("new").is_ok());
    }
}
