//! A simulated disk: it loses, tears and reorders what was not synced, and fails when it is told to.
//!
//! [`SimDisk`] is a [`Vfs`] in memory. What was written is there for whoever reads, and survives the end of the process
//! ([`SimDisk::kill`]); what of it survives a loss of power ([`SimDisk::crash`]) is decided sector by sector and name by name,
//! unless it was synced. The same seed loses the same.
//!
//! # Examples
//! ```
//! use theater_chain::vfs::Vfs;
//! use theater_testkit::disk::SimDisk;
//!
//! let disk = SimDisk::new();
//! disk.create_dir("log")?;
//! let file = disk.create("log/a")?;
//! file.write_at(b"synced", 0)?;
//! file.sync_data()?;
//! disk.sync_dir("log")?;
//! file.write_at(b"not synced", 600)?;
//!
//! disk.crash(7);
//! assert!(file.write_at(b"x", 0).is_err(), "the process that had it open is gone");
//! let mut bytes = [0; 6];
//! disk.open("log/a")?.read_at(&mut bytes, 0)?;
//! assert_eq!(&bytes, b"synced");
//! # Ok::<(), std::io::Error>(())
//! ```

mod content;
mod crash;
mod fault;
mod names;
mod rng;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use theater_chain::vfs::{Vfs, VfsFile};

use content::{Change, Content};
use fault::Faults;
use names::{NameOp, Names};

pub use fault::{DiskFault, DiskOperation};

/// What is lost or kept as a whole when the power goes.
pub const SECTOR: usize = 512;

/// A simulated disk. Cheap to clone; all clones are the same disk.
///
/// It is worse than real ones in one respect: of two writes into one sector the second may survive without the first.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Processes so far: handles of earlier ones are of no use.
    life: u64,
    files: Vec<Content>,
    names: Names,
    faults: Faults,
    /// Operations so far.
    operations: u64,
}

impl Inner {
    fn check_life(&self, life: u64) -> io::Result<()> {
        if life == self.life { Ok(()) } else { Err(io::Error::other("the process that opened this is gone")) }
    }

    /// Counts an operation and lets go wrong what should.
    fn operate(&mut self, life: u64, operation: DiskOperation) -> io::Result<()> {
        self.check_life(life)?;
        self.operations += 1;
        self.faults.meet(operation)
    }

    /// Changes names, unless that fails before it began.
    fn change_names(&mut self, met: io::Result<()>, op: NameOp) -> io::Result<()> {
        if met.is_ok() || self.faults.is_under_way() {
            self.names.change(op)?;
        }
        met
    }

    fn used(&self) -> u64 {
        self.names.live.values().map(|file| self.files[*file].live.len() as u64).sum()
    }
}

impl SimDisk {
    /// An empty disk without a bound.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Operations so far, of all processes.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Lets something go wrong from now on, until the next process.
    pub fn inject(&self, fault: DiskFault) {
        self.lock().faults.install(fault);
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Whether a fault has cut the power: nothing works any more until [`crash`](Self::crash).
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.lock().faults.is_dark()
    }

    /// Ends the process: its handles are of no use any more, and all that it wrote is there.
    pub fn kill(&self) {
        let mut inner = self.lock();
        inner.life += 1;
        inner.faults.clear();
    }

    /// Ends the process with a loss of power. What was not synced survives sector by sector and name by name, or does not, as the
    /// seed says.
    pub fn crash(&self, seed: u64) {
        let mut inner = self.lock();
        inner.life += 1;
        inner.faults.clear();
        crash::crash(&mut inner, seed);
    }

    /// The names of all files, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.lock().names.live.keys().cloned().collect()
    }

    /// What is in a file now; `None` if there is none.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let inner = self.lock();
        inner.names.live.get(name).map(|file| inner.files[*file].live.clone())
    }

    /// Flips bits of a byte, on the disk and for whoever reads: the disk has forgotten it. Whether there is such a byte.
    pub fn rot(&self, name: &str, offset: usize, bits: u8) -> bool {
        let mut inner = self.lock();
        let Some(file) = inner.names.live.get(name).copied() else { return false };
        let content = &mut inner.files[file];
        if let Some(byte) = content.durable.get_mut(offset) {
            *byte ^= bits;
        }
        content.live.get_mut(offset).map(|byte| *byte ^= bits).is_some()
    }

    /// The length of all files together, in bytes.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// A disk that has what this one would have if the power went now and nothing survived that was not synced.
    #[must_use]
    pub fn synced(&self) -> Self {
        let copy = self.copy();
        let mut inner = copy.lock();
        inner.names.lose();
        for content in &mut inner.files {
            content.unsynced.clear();
            content.live.clone_from(&content.durable);
        }
        drop(inner);
        copy
    }

    /// A disk that has what this one has, and goes its own way.
    #[must_use]
    pub fn copy(&self) -> Self {
        let inner = self.lock();
        let files = inner.files.iter().enumerate();
        let copy = Inner {
            life: 0,
            files: files
                .map(
                    |(file, content)| {
                        if inner.names.know(file) { content.clone() } else { Content::default() }
                    },
                )
                .collect(),
            names: inner.names.clone(),
            faults: Faults::default(),
            operations: 0,
        };
        Self { inner: Arc::new(Mutex::new(copy)) }
    }

    fn handle(&self, file: usize, life: u64) -> Box<dyn VfsFile> {
        Box::new(Handle { disk: self.clone(), file, life })
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Vfs for SimDisk {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let life = inner.life;
        inner.operate(life, DiskOperation::Name)?;
        inner.names.folders.insert(folder.to_owned());
        Ok(())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn VfsFile>> {
        let mut inner = self.lock();
        let life = inner.life;
        let met = inner.operate(life, DiskOperation::Name);
        let file = match inner.names.live.get(name).copied() {
            Some(file) => {
                if met.is_ok() || inner.faults.is_under_way() {
                    inner.files[file].set_len(0);
                }
                met?;
                file
            }
            None => {
                inner.files.push(Content::default());
                let file = inner.files.len() - 1;
                inner.change_names(met, NameOp::Set { name: name.to_owned(), file })?;
                file
            }
        };
        drop(inner);
        Ok(self.handle(file, life))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn VfsFile>> {
        let mut inner = self.lock();
        let life = inner.life;
        inner.operate(life, DiskOperation::Read)?;
        let file = inner.names.live.get(name).copied().ok_or_else(not_found)?;
        drop(inner);
        Ok(self.handle(file, life))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let life = inner.life;
        let met = inner.operate(life, DiskOperation::Name);
        let Some(file) = inner.names.live.get(from).copied() else { return met.and(Err(not_found())) };
        inner.change_names(met, NameOp::Rename { from: from.to_owned(), to: to.to_owned(), file })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let life = inner.life;
        let met = inner.operate(life, DiskOperation::Name);
        if !inner.names.live.contains_key(name) {
            return met.and(Err(not_found()));
        }
        inner.change_names(met, NameOp::Remove { name: name.to_owned() })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut inner = self.lock();
        let life = inner.life;
        inner.operate(life, DiskOperation::Read)?;
        inner.names.list(folder)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let mut inner = self.lock();
        let life = inner.life;
        inner.operate(life, DiskOperation::Sync)?;
        inner.names.sync(folder);
        Ok(())
    }
}

/// A file as a process has it open.
#[derive(Debug)]
struct Handle {
    disk: SimDisk,
    file: usize,
    life: u64,
}

impl VfsFile for Handle {
    fn len(&self) -> io::Result<u64> {
        let mut inner = self.disk.lock();
        inner.operate(self.life, DiskOperation::Read)?;
        Ok(inner.files[self.file].live.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.lock();
        inner.operate(self.life, DiskOperation::Read)?;
        let live = &inner.files[self.file].live;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(live.len());
        let count = into.len().min(live.len() - from);
        into[..count].copy_from_slice(&live[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.lock();
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        inner.check_life(self.life)?;
        let met = inner.operate(self.life, DiskOperation::Write);
        let mut bytes = bytes;
        if met.is_err() {
            // Some of it may have got there all the same, and will be found out only after the crash.
            bytes = &bytes[..inner.faults.partial(bytes.len())];
        } else {
            bytes = &bytes[..inner.faults.short(bytes.len())];
            let grows = (offset + bytes.len()).saturating_sub(inner.files[self.file].live.len()) as u64;
            inner.faults.check_room(|| inner.used(), grows)?;
        }
        if bytes.is_empty() {
            return met.map(|()| 0);
        }
        let content = &mut inner.files[self.file];
        let end = offset + bytes.len();
        if content.live.len() < end {
            content.live.resize(end, 0);
        }
        content.live[offset..end].copy_from_slice(bytes);
        content.unsynced.push(Change::Write { offset, bytes: bytes.to_vec() });
        met.map(|()| bytes.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.disk.lock();
        inner.check_life(self.life)?;
        let met = inner.operate(self.life, DiskOperation::Sync);
        let (seed, dark) = (inner.operations, inner.faults.is_dark());
        let content = &mut inner.files[self.file];
        match &met {
            Ok(()) => content.sync(),
            // What is left of it is decided when the power is back.
            Err(_) if dark => {}
            Err(_) => content.forget(seed),
        }
        met
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        inner.check_life(self.life)?;
        let met = inner.operate(self.life, DiskOperation::Write);
        if met.is_ok() || inner.faults.is_under_way() {
            inner.files[self.file].set_len(len);
        }
        met
    }
}
