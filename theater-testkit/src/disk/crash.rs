//! What is left of a disk when the power goes.

use super::content::{Change, Content};
use super::rng::Rng;
use super::{Inner, SECTOR};

pub(super) fn crash(inner: &mut Inner, seed: u64) {
    let mut rng = Rng::new(seed);
    inner.names.crash(&mut rng);
    for content in &mut inner.files {
        tear(content, &mut rng);
    }
}

fn tear(content: &mut Content, rng: &mut Rng) {
    land(content, rng);
    content.live.clone_from(&content.durable);
}

/// Keeps of every sector what it had at some moment since the last sync; of a sector that was being written, now and then
/// something that it never had.
pub(super) fn land(content: &mut Content, rng: &mut Rng) {
    let mut image = std::mem::take(&mut content.durable);
    let changes = std::mem::take(&mut content.unsynced);
    // A disk that lost nothing, and one that lost all, are both likely.
    let mode = rng.up_to(3);
    for change in changes {
        match change {
            Change::SetLen(len) => {
                if keep(mode, rng) {
                    image.resize(len, 0);
                }
            }
            Change::Write { offset, bytes } => write(&mut image, offset, &bytes, mode, rng),
        }
    }
    content.durable = image;
}

/// Writes at a place, which may be behind the end.
pub(super) fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(bytes);
}

fn keep(mode: usize, rng: &mut Rng) -> bool {
    match mode {
        0 => false,
        1 => true,
        _ => rng.coin(),
    }
}

fn write(image: &mut Vec<u8>, offset: usize, bytes: &[u8], mode: usize, rng: &mut Rng) {
    let mut from = 0;
    while from < bytes.len() {
        let at = offset + from;
        let to = bytes.len().min(from + SECTOR - at % SECTOR);
        if keep(mode, rng) {
            let end = at + (to - from);
            put(image, at, &bytes[from..to]);
            if mode == 3 && rng.one_in(64) {
                let bit = rng.up_to((end - at) * 8 - 1);
                image[at + bit / 8] ^= 1 << (bit % 8);
            }
        }
        from = to;
    }
}
