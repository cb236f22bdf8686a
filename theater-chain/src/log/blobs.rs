//! Payloads that are too long for a segment: one file each, named by its content.

use std::io;

use theater_core::{Bytes, PayloadHash};

use crate::hash;
use crate::vfs::{Vfs, read_file, replace_file};

/// The folder of the blobs.
pub(super) const FOLDER: &str = "blobs";

pub(super) fn path(hash: PayloadHash) -> String {
    format!("{FOLDER}/{hash}")
}

/// Writes a payload, unless it is there as it should be. Afterwards it survives a loss of power, its name included.
pub(super) fn write(vfs: &dyn Vfs, hash: PayloadHash, payload: &[u8]) -> io::Result<()> {
    if matches!(read(vfs, hash), Ok(Some(_))) {
        return Ok(());
    }
    replace_file(vfs, FOLDER, &hash.to_string(), payload)
}

/// A payload; `None` if what is there is not it.
pub(super) fn read(vfs: &dyn Vfs, hash: PayloadHash) -> io::Result<Option<Bytes>> {
    let bytes = read_file(&*vfs.open(&path(hash))?)?;
    Ok((hash::payload_hash(&bytes) == hash).then(|| Bytes::from(bytes)))
}
