//! What goes wrong with a disk before its power goes.

use std::io;

/// What a process does with a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DiskOperation {
    /// Reads, opens, lists.
    Read,
    /// Writes, cuts, fills up.
    Write,
    /// Syncs a file or a folder.
    Sync,
    /// Creates, renames, removes.
    Name,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskFault {
    /// The n-th such operation from now, from 1, fails, and only it.
    Fail {
        /// Which operations count.
        operation: DiskOperation,
        /// Which of them.
        nth: u64,
        /// With which error.
        kind: io::ErrorKind,
    },
    /// The n-th write from now takes this many bytes at most.
    Short {
        /// Which write.
        nth: u64,
        /// How much it takes.
        most: usize,
    },
    /// Files have this many bytes together and no more.
    Room(u64),
    /// The power goes in the middle of the n-th operation from now, from 1: it and all after it fail.
    Dark {
        /// Which operation.
        nth: u64,
    },
}

/// How far an operation that failed got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Reached {
    #[default]
    Nothing,
    Half,
    /// The power went while it was under way: any part of it may be found after the crash.
    UnderWay,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    installed: Vec<(DiskFault, u64)>,
    dark: bool,
    /// What the operation that failed last did all the same.
    reached: Reached,
    short: Option<usize>,
    room: Option<u64>,
}

impl Faults {
    pub(super) fn install(&mut self, fault: DiskFault) {
        match fault {
            DiskFault::Room(bytes) => self.room = Some(bytes),
            fault => self.installed.push((fault, 0)),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_dark(&self) -> bool {
        self.dark
    }

    pub(super) fn meet(&mut self, operation: DiskOperation) -> io::Result<()> {
        self.short = None;
        let mut failure = None;
        let dark = self.dark;
        for (fault, met) in &mut self.installed {
            match *fault {
                DiskFault::Fail { operation: of, nth, kind } if of == operation => {
                    *met += 1;
                    if *met == nth {
                        failure = Some(kind);
                    }
                }
                DiskFault::Short { nth, most } if operation == DiskOperation::Write => {
                    *met += 1;
                    if *met == nth {
                        self.short = Some(most);
                    }
                }
                DiskFault::Dark { nth } => {
                    *met += 1;
                    self.dark |= *met >= nth;
                }
                _ => {}
            }
        }
        self.reached = match failure {
            _ if self.dark && !dark => Reached::UnderWay,
            Some(_) if !self.dark => Reached::Half,
            _ => Reached::Nothing,
        };
        match failure {
            _ if self.dark => Err(io::Error::other("the power is gone")),
            Some(kind) => Err(kind.into()),
            None => Ok(()),
        }
    }

    /// Whether what failed last may be found done after the crash.
    pub(super) fn is_under_way(&self) -> bool {
        self.reached == Reached::UnderWay
    }

    /// How much of a write that failed got to the disk.
    pub(super) fn partial(&self, len: usize) -> usize {
        match self.reached {
            Reached::Nothing => 0,
            Reached::Half => len / 2,
            Reached::UnderWay => len,
        }
    }

    pub(super) fn short(&self, len: usize) -> usize {
        self.short.map_or(len, |most| len.min(most))
    }

    /// `used` counts what is there, which takes a while.
    pub(super) fn check_room(&self, used: impl FnOnce() -> u64, more: u64) -> io::Result<()> {
        match self.room {
            Some(room) if more > 0 && used() + more > room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}
