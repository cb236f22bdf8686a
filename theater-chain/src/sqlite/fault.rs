//! What SQLite says when it cannot, in the words of stores.

use std::io;

use rusqlite::{ErrorCode, ffi};
use theater_core::ChainId;

use crate::log::OpenError;
use crate::store::{Damage, Poisoned, ReadError};

/// A failure as the system would call it.
fn io(error: &rusqlite::Error) -> io::Error {
    let kind = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
        Some(ErrorCode::PermissionDenied) => io::ErrorKind::PermissionDenied,
        Some(ErrorCode::ReadOnly) => io::ErrorKind::ReadOnlyFilesystem,
        Some(ErrorCode::CannotOpen) => io::ErrorKind::NotFound,
        Some(ErrorCode::OutOfMemory) => io::ErrorKind::OutOfMemory,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => io::ErrorKind::ResourceBusy,
        _ if is_damage(error) => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}

/// Whether the file is not what was written, as opposed to a system that does not give it. Of a file that was ours, a table or a
/// column that is missing is damage too.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => {
            matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        }
        // Something of another type or number than was written.
        None => true,
    }
}

/// Whether a write that failed is worth another try: nothing of it is there, and what hindered it may pass.
pub(super) fn is_passing(error: &rusqlite::Error) -> bool {
    // Room for the index of SQLite's log is not found either on a full disk, but is told in other words.
    let no_room = error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_SHMSIZE);
    no_room || matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy))
}

pub(super) fn damage(file: &str, chain: Option<ChainId>, what: impl Into<String>) -> Damage {
    Damage { file: file.to_owned(), offset: 0, chain, what: what.into() }
}

/// Why a file was not opened.
pub(super) fn open(operation: &'static str, file: &str, error: &rusqlite::Error) -> OpenError {
    if is_damage(error) {
        damage(file, None, error.to_string()).into()
    } else {
        OpenError::io(operation, file, io(error))
    }
}

/// Why events were not read.
pub(super) fn read(file: &str, chain: Option<ChainId>, error: &rusqlite::Error) -> ReadError {
    if is_damage(error) {
        damage(file, chain, error.to_string()).into()
    } else {
        ReadError::io(file, &io(error))
    }
}

/// Why a file was not opened, where that showed when it was read.
pub(super) fn opening(file: &str, error: ReadError) -> OpenError {
    match error {
        ReadError::Damaged(damage) => damage.into(),
        error => OpenError::io("read", file, io::Error::other(error)),
    }
}

/// Why a store takes nothing any more.
pub(super) fn poisoned(operation: &'static str, file: &str, error: &rusqlite::Error) -> Poisoned {
    Poisoned::new(operation, file, &io(error))
}

/// A failure of the system that is told as such.
pub(super) fn system(error: &rusqlite::Error) -> io::Error {
    io(error)
}
