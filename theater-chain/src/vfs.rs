//! The seam between the log and the disk: the few operations that its crash safety rests on.
//!
//! [`RealVfs`] performs them on a folder; the testkit's simulated disk loses, tears and reorders what was not synced.

mod real;

use std::fmt::Debug;
use std::io;

pub use real::RealVfs;
#[cfg(feature = "sqlite")]
pub(crate) use real::make_durable_folder;

/// A folder of files. Names are relative to it, with `/` between folder and file.
///
/// # Contract
/// - What [`VfsFile::sync_data`] has been called for on a file survives a loss of power, its length included.
/// - A name that was created, renamed or removed survives once [`sync_dir`](Self::sync_dir) was called for its folder; before
///   that the change may be lost or may survive.
/// - A rename is atomic: at every moment one of the two files has the name.
pub trait Vfs: Debug + Send + Sync + 'static {
    /// Makes a folder, if it does not exist, and its name durable.
    ///
    /// # Errors
    /// What the file system says.
    fn create_dir(&self, folder: &str) -> io::Result<()>;

    /// Makes an empty file, or empties the one that has the name.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn VfsFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// What the file system says; [`NotFound`](io::ErrorKind::NotFound) if there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn VfsFile>>;

    /// Gives a file another name, in place of the file that has it.
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of the files in a folder, without the folder, in any order.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// What the file system says. Nothing is known of the folder's names then.
    fn sync_dir(&self, folder: &str) -> io::Result<()>;
}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "a file's length is an operation that may fail")]
pub trait VfsFile: Debug + Send + Sync + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the file system says.
    fn len(&self) -> io::Result<u64>;

    /// Reads from a place on; how many bytes, 0 at the end.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at a place; how many bytes were written.
    ///
    /// # Errors
    /// What the file system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes everything that was written durable.
    ///
    /// # Errors
    /// What the file system says. Nothing is known then of what was written since the last sync, and never will be.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// What the file system says.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// Writes all of the bytes.
///
/// # Errors
/// What the file says; [`WriteZero`](io::ErrorKind::WriteZero) if it takes no more.
pub(crate) fn write_all_at(file: &dyn VfsFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends; how many bytes.
///
/// # Errors
/// What the file says.
pub(crate) fn read_full_at(file: &dyn VfsFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match file.read_at(&mut into[read..], offset + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// The whole content of a file.
///
/// # Errors
/// What the file says.
pub(crate) fn read_file(file: &dyn VfsFile) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_file_into(file, &mut bytes)?;
    Ok(bytes)
}

/// The whole content of a file, in place of what `bytes` has: fresh memory costs more than reading from the page cache.
///
/// # Errors
/// What the file says.
pub(crate) fn read_file_into(file: &dyn VfsFile, bytes: &mut Vec<u8>) -> io::Result<()> {
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    bytes.resize(len, 0);
    let read = read_full_at(file, bytes, 0)?;
    bytes.truncate(read);
    Ok(())
}

/// Writes a whole file so that its name never stands for a part of it: under another name first, then renamed.
///
/// # Errors
/// What the file system says. The name stands for what it stood for before.
pub(crate) fn replace_file(vfs: &dyn Vfs, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (temporary, name) = (format!("{folder}/{name}.tmp"), format!("{folder}/{name}"));
    let file = vfs.create(&temporary)?;
    write_all_at(&*file, bytes, 0)?;
    file.sync_data()?;
    vfs.rename(&temporary, &name)?;
    vfs.sync_dir(folder)
}
