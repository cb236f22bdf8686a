//! Payloads that have files of their own.

use theater_core::{EventHash, PayloadHash};

use super::{Fault, Progress};
use crate::hash;
use crate::log::blobs;
use crate::vfs::{Vfs, read_file};

/// What is known of a blob.
#[derive(Debug)]
pub(super) struct BlobAudit {
    pub(super) hash: PayloadHash,
    pub(super) len: u64,
    pub(super) fault: Option<Fault>,
}

/// Whether a file in the folder of blobs can be one.
pub(super) fn hash_of(name: &str) -> Option<PayloadHash> {
    // The one spelling of a digest.
    name.parse::<EventHash>().ok().map(|hash| PayloadHash(hash.0))
}

pub(super) fn audit(vfs: &dyn Vfs, hash: PayloadHash, progress: &Progress<'_>) -> BlobAudit {
    let path = blobs::path(hash);
    let fault = |what: String| Some(Fault::new(&path, 0, None, None, what));
    match vfs.open(&path).and_then(|file| read_file(&*file)) {
        Ok(bytes) => {
            progress.add(bytes.len() as u64);
            let sound = hash::payload_hash(&bytes) == hash;
            let what = || "the payload is not what was stored".to_owned();
            BlobAudit { hash, len: bytes.len() as u64, fault: if sound { None } else { fault(what()) } }
        }
        Err(error) => BlobAudit { hash, len: 0, fault: fault(format!("it cannot be read: {error}")) },
    }
}
