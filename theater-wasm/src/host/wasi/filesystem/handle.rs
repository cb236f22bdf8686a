//! What is done with an open file or folder of WASI. Everything here blocks, and nothing of it leads out of the actor's folder.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use cap_std::time::SystemTime as CapTime;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags};

use super::os;
use super::record::{Entry, Stat, Time};

/// What the operating system has open for a descriptor.
#[derive(Debug)]
pub(super) enum Handle {
    File(File),
    Folder(Arc<Dir>),
}

type Done<T> = Result<T, ErrorCode>;

/// How something is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    /// Follow a link at the end of the path.
    pub(super) follow: bool,
    pub(super) open: OpenFlags,
    pub(super) flags: DescriptorFlags,
}

/// Opens a file or a folder. A device, a pipe or a socket is never opened: that alone may do something, or wait for somebody.
pub(super) fn open(dir: &Dir, path: &str, how: Opening) -> Done<Handle> {
    let has = |flag| how.open.contains(flag);
    let (create, truncate) = (has(OpenFlags::CREATE), has(OpenFlags::TRUNCATE));
    let writes = how.flags.contains(DescriptorFlags::WRITE);
    if has(OpenFlags::DIRECTORY) && (create || truncate) {
        return Err(ErrorCode::Invalid);
    }
    match metadata(dir, path, how.follow) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => {}
        Err(error) => return Err(error.into()),
        Ok(_) if create && has(OpenFlags::EXCLUSIVE) => return Err(ErrorCode::Exist),
        Ok(there) if there.is_symlink() => return Err(ErrorCode::Loop),
        Ok(there) if there.is_dir() => {
            if writes || create || truncate {
                return Err(ErrorCode::IsDirectory);
            }
            return Ok(Handle::Folder(Arc::new(dir.open_dir(path)?)));
        }
        Ok(_) if has(OpenFlags::DIRECTORY) => return Err(ErrorCode::NotDirectory),
        Ok(there) if !there.is_file() => return Err(ErrorCode::Unsupported),
        Ok(_) => {}
    }
    let mut options = OpenOptions::new();
    // A new file is made by whoever may write to it; the descriptor knows what it was opened for.
    options.read(how.flags.contains(DescriptorFlags::READ) || !writes);
    options.write(writes || create || truncate).create(create).truncate(truncate);
    options.create_new(create && has(OpenFlags::EXCLUSIVE));
    // Somebody may have put a pipe in its place meanwhile.
    os::never_wait(&mut options);
    let file = dir.open_with(path, &options)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorCode::Unsupported);
    }
    Ok(Handle::File(file))
}

fn metadata(dir: &Dir, path: &str, follow: bool) -> io::Result<Metadata> {
    if follow { dir.metadata(path) } else { dir.symlink_metadata(path) }
}

impl Handle {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::File(..) => Kind::File,
            Self::Folder(..) => Kind::Folder,
        }
    }

    pub(super) fn file(&self) -> Done<&File> {
        match self {
            Self::File(file) => Ok(file),
            Self::Folder(..) => Err(ErrorCode::IsDirectory),
        }
    }

    pub(super) fn dir(&self) -> Done<&Dir> {
        match self {
            Self::Folder(dir) => Ok(dir),
            Self::File(..) => Err(ErrorCode::NotDirectory),
        }
    }

    fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::File(file) => file.metadata(),
            Self::Folder(dir) => dir.dir_metadata(),
        }
    }

    pub(super) fn stat(&self) -> Done<Stat> {
        Ok(stat(&self.metadata()?))
    }

    pub(super) fn stat_at(&self, path: &str, follow: bool) -> Done<Stat> {
        Ok(stat(&metadata(self.dir()?, path, follow)?))
    }

    /// Two numbers that are the same of the same thing only.
    pub(super) fn hash(&self) -> Done<(u64, u64)> {
        Ok(hash(&self.metadata()?))
    }

    pub(super) fn hash_at(&self, path: &str, follow: bool) -> Done<(u64, u64)> {
        Ok(hash(&metadata(self.dir()?, path, follow)?))
    }

    /// Up to `len` bytes from `offset` on; none at the end of the file.
    pub(super) fn read(&self, len: usize, offset: u64) -> Done<Vec<u8>> {
        let file = self.file()?;
        let mut bytes = vec![0; len];
        loop {
            match os::read_at(file, &mut bytes, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    bytes.truncate(read?);
                    return Ok(bytes);
                }
            }
        }
    }

    /// Writes all of it, at `offset` or else at the end of the file, and makes it durable if the descriptor says so.
    pub(super) fn write(&self, bytes: &[u8], offset: Option<u64>, flags: DescriptorFlags) -> Done<()> {
        let file = self.file()?;
        let offset = match offset {
            Some(offset) => offset,
            None => file.metadata()?.len(),
        };
        os::write_all_at(file, bytes, offset)?;
        if flags.contains(DescriptorFlags::FILE_INTEGRITY_SYNC) {
            file.sync_all()?;
        } else if flags.contains(DescriptorFlags::DATA_INTEGRITY_SYNC) {
            file.sync_data()?;
        }
        Ok(())
    }

    pub(super) fn set_size(&self, size: u64) -> Done<()> {
        Ok(self.file()?.set_len(size)?)
    }

    pub(super) fn sync(&self, data_only: bool) -> Done<()> {
        match self {
            Self::File(file) if data_only => Ok(file.sync_data()?),
            Self::File(file) => Ok(file.sync_all()?),
            Self::Folder(dir) => Ok(crate::folder::sync(dir)?),
        }
    }

    pub(super) fn set_times(&self, accessed: NewTimestamp, modified: NewTimestamp) -> Done<()> {
        let file = match self {
            Self::File(file) => file.try_clone()?,
            Self::Folder(dir) => dir.open(".")?,
        };
        set_times(file, accessed, modified)
    }

    pub(super) fn set_times_at(
        &self,
        path: &str,
        follow: bool,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Done<()> {
        let dir = self.dir()?;
        let there = metadata(dir, path, follow)?;
        // The times of a link itself, or of something that may not be opened, are left to others.
        if !there.is_file() && !there.is_dir() {
            return Err(ErrorCode::Unsupported);
        }
        let mut options = OpenOptions::new();
        os::never_wait(options.read(true));
        set_times(dir.open_with(path, &options)?, accessed, modified)
    }

    pub(super) fn create_dir(&self, path: &str) -> Done<()> {
        Ok(self.dir()?.create_dir(path)?)
    }

    pub(super) fn remove_dir(&self, path: &str) -> Done<()> {
        Ok(self.dir()?.remove_dir(path)?)
    }

    pub(super) fn remove_file(&self, path: &str) -> Done<()> {
        Ok(self.dir()?.remove_file(path)?)
    }

    pub(super) fn rename(&self, path: &str, to: &Self, new: &str) -> Done<()> {
        Ok(self.dir()?.rename(path, to.dir()?, new)?)
    }

    pub(super) fn link(&self, path: &str, to: &Self, new: &str) -> Done<()> {
        Ok(self.dir()?.hard_link(path, to.dir()?, new)?)
    }

    pub(super) fn symlink(&self, target: &str, path: &str) -> Done<()> {
        Ok(self.dir()?.symlink(target, path)?)
    }

    pub(super) fn read_link(&self, path: &str) -> Done<String> {
        let target = self.dir()?.read_link(path)?;
        target.into_os_string().into_string().map_err(|_| ErrorCode::IllegalByteSequence)
    }

    /// What is in a folder, by name. What is not Unicode is left out: no guest could name it. `limit` bounds the bytes of the list.
    pub(super) fn entries(&self, limit: u64) -> Done<Vec<Entry>> {
        /// What an entry takes besides its name.
        const ENTRY: u64 = 16;
        let (mut entries, mut size) = (Vec::new(), 0);
        for entry in self.dir()?.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            size += name.len() as u64 + ENTRY;
            if size > limit {
                return Err(ErrorCode::Overflow);
            }
            entries.push((name, os::descriptor_type(entry.file_type()?).into()));
        }
        entries.sort_unstable();
        Ok(entries)
    }
}

/// What of two a descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
}

fn stat(metadata: &Metadata) -> Stat {
    let time = |time: io::Result<CapTime>| time.ok().and_then(|time| Time::of(time.into_std()));
    Stat {
        kind: os::descriptor_type(metadata.file_type()).into(),
        links: os::links(metadata),
        size: metadata.len(),
        accessed: time(metadata.accessed()),
        modified: time(metadata.modified()),
        changed: os::changed(metadata),
    }
}

fn hash(metadata: &Metadata) -> (u64, u64) {
    let mut hasher = blake3::Hasher::new_derive_key("theater 2026-11 wasi metadata hash of a file");
    for part in os::identity(metadata) {
        hasher.update(&part.to_le_bytes());
    }
    crate::host::wasi::two_words(&hasher)
}

fn set_times(file: File, accessed: NewTimestamp, modified: NewTimestamp) -> Done<()> {
    let mut times = std::fs::FileTimes::new();
    if let Some(accessed) = time(accessed)? {
        times = times.set_accessed(accessed);
    }
    if let Some(modified) = time(modified)? {
        times = times.set_modified(modified);
    }
    Ok(file.into_std().set_times(times)?)
}

/// The time that a guest wants a file to have; `None` for the one that it has.
fn time(new: NewTimestamp) -> Done<Option<SystemTime>> {
    Ok(match new {
        NewTimestamp::NoChange => None,
        NewTimestamp::Now => Some(SystemTime::now()),
        NewTimestamp::Timestamp(time) => {
            let since = std::time::Duration::new(time.seconds, time.nanoseconds);
            Some(SystemTime::UNIX_EPOCH.checked_add(since).ok_or(ErrorCode::Overflow)?)
        }
    })
}
