//! A disk that is used wrongly: the calls that a careless log would leave out never reach it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use theater_chain::vfs::{Vfs, VfsFile};
use theater_testkit::disk::SimDisk;

/// What is done wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Nothing.
    Nothing,
    /// No file is synced once it has its name.
    NoSync,
    /// No folder is synced after a rename.
    NoFolderSync,
    /// A segment gets its name before its content is synced.
    SegmentNameFirst,
    /// A sidecar gets its name before its content is synced.
    SidecarNameFirst,
    /// A blob gets its name before its content is synced.
    BlobNameFirst,
    /// The folder of the blobs is not synced.
    BlobFolderUnsynced,
    /// A sync that fails is taken for one that did not.
    SyncErrorsIgnored,
    /// A sync that fails is tried again until it does not.
    SyncErrorsRetried,
    /// A write that fails is taken for one that did not.
    WriteErrorsIgnored,
    /// A write that a full disk did not take is taken for written.
    FullTakenForWritten,
    /// A write that was cut short is taken for whole.
    ShortTakenForWhole,
    /// What another process wrote is trusted without syncing it.
    RecoveryUnsynced,
}

/// The disk as a flawed log uses it.
#[derive(Debug)]
pub(crate) struct FlawedDisk {
    disk: SimDisk,
    wrong: Wrong,
    /// Whether a log is being opened.
    opening: Arc<AtomicBool>,
}

impl FlawedDisk {
    pub(crate) fn new(disk: SimDisk, wrong: Wrong) -> Self {
        Self { disk, wrong, opening: Arc::default() }
    }

    pub(crate) fn set_opening(&self, opening: bool) {
        self.opening.store(opening, Ordering::Relaxed);
    }

    fn wrap(&self, name: &str, made: bool, file: Box<dyn VfsFile>) -> Box<dyn VfsFile> {
        let skip = match self.wrong {
            Wrong::NoSync if made && name == "log/spare" => Skip::After(2),
            Wrong::SegmentNameFirst if made && name == "log/spare" => Skip::Before(2),
            Wrong::SidecarNameFirst if name.ends_with(".idx.tmp") => Skip::Before(u32::MAX),
            Wrong::BlobNameFirst if name.starts_with("blobs/") => Skip::Before(u32::MAX),
            Wrong::RecoveryUnsynced if !made => Skip::Before(u32::MAX),
            _ => Skip::Before(0),
        };
        Box::new(FlawedFile { file, wrong: self.wrong, skip, syncs: AtomicU32::new(0) })
    }
}

impl Vfs for FlawedDisk {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.create_dir(folder)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn VfsFile>> {
        self.disk.create(name).map(|file| self.wrap(name, true, file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn VfsFile>> {
        self.disk.open(name).map(|file| self.wrap(name, false, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let opening = self.opening.load(Ordering::Relaxed);
        match self.wrong {
            Wrong::NoFolderSync => Ok(()),
            Wrong::BlobFolderUnsynced if folder == "blobs" && !opening => Ok(()),
            Wrong::SyncErrorsIgnored => self.disk.sync_dir(folder).or(Ok(())),
            _ => self.disk.sync_dir(folder),
        }
    }
}

/// Which syncs of a file are left out.
#[derive(Debug)]
enum Skip {
    Before(u32),
    After(u32),
}

#[derive(Debug)]
struct FlawedFile {
    file: Box<dyn VfsFile>,
    wrong: Wrong,
    skip: Skip,
    syncs: AtomicU32,
}

impl VfsFile for FlawedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        match (self.wrong, self.file.write_at(bytes, offset)) {
            (Wrong::ShortTakenForWhole, Ok(_)) | (Wrong::WriteErrorsIgnored, Err(_)) => Ok(bytes.len()),
            (Wrong::FullTakenForWritten, Err(error)) if error.kind() == io::ErrorKind::StorageFull => {
                Ok(bytes.len())
            }
            (_, written) => written,
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let before = self.syncs.fetch_add(1, Ordering::Relaxed);
        let skipped = match self.skip {
            Skip::Before(syncs) => before < syncs,
            Skip::After(syncs) => before >= syncs,
        };
        if skipped {
            return Ok(());
        }
        match (self.wrong, self.file.sync_data()) {
            (Wrong::SyncErrorsIgnored, _) => Ok(()),
            (Wrong::SyncErrorsRetried, Err(_)) => self.file.sync_data(),
            (_, synced) => synced,
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}
