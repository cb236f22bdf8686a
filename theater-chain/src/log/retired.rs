//! The heads of chains that were retired, in one small file: it is read before the segments, which may lack those chains' events.
//!
//! ```text
//!  off len field
//!    0   8  "theatret"
//!    8   2  format, 1
//!   10   2  zeros
//!   12   4  how many
//!   16  76  each: chain id, length u64, hash of the last event, its epoch u32
//!       32  BLAKE3 of all before
//! ```

use std::io;

use rustc_hash::FxHashMap;
use theater_core::{ChainId, EventHash};

use super::open::OpenError;
use super::state::{ChainPlaces, FOLDER};
use crate::chain::Head;
use crate::segment::header::part;
use crate::segment::scan::short;
use crate::store::{Damage, ReadError};
use crate::vfs::{Vfs, read_file, replace_file};

const NAME: &str = "retired";
/// The file.
pub(super) const PATH: &str = "log/retired";
const MAGIC: [u8; 8] = *b"theatret";
const FORMAT: u16 = 1;
const FIXED: usize = 16;
const PER_CHAIN: usize = 32 + 8 + 32 + 4;

/// The heads of all chains that were retired. None where there is no such file.
pub(super) fn load(vfs: &dyn Vfs) -> Result<Vec<Head>, ReadError> {
    let bytes = match vfs.open(PATH).and_then(|file| read_file(&*file)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ReadError::io(PATH, &error)),
    };
    decode(&bytes).ok_or_else(|| {
        let what = "it is not the list of retired chains that was written".to_owned();
        Damage { file: PATH.to_owned(), offset: 0, chain: None, what }.into()
    })
}

/// The same for whoever opens a log.
pub(super) fn load_to_open(vfs: &dyn Vfs) -> Result<Vec<Head>, OpenError> {
    load(vfs).map_err(|error| match error {
        ReadError::Damaged(damage) => damage.into(),
        ReadError::Io { kind, message, .. } => OpenError::io("read", PATH, io::Error::new(kind, message)),
        other => OpenError::io("read", PATH, io::Error::other(other.to_string())),
    })
}

/// Notes which chains were retired. Afterwards it survives a loss of power.
pub(super) fn store(vfs: &dyn Vfs, heads: &[Head]) -> io::Result<()> {
    replace_file(vfs, FOLDER, NAME, &encode(heads))
}

/// Makes chains known as retired; whatever segments have of them is nothing then.
pub(super) fn add(chains: &mut FxHashMap<ChainId, ChainPlaces>, order: &mut Vec<ChainId>, heads: &[Head]) {
    let mut listed = false;
    for head in heads {
        let before = chains.insert(head.chain_id, ChainPlaces::retired(*head));
        listed |= before.is_some_and(|before| !before.retired);
    }
    if listed {
        order.retain(|chain| chains.get(chain).is_none_or(|known| !known.retired));
    }
}

fn encode(heads: &[Head]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIXED + heads.len() * PER_CHAIN + 32);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&short(heads.len()).to_le_bytes());
    for head in heads {
        bytes.extend_from_slice(&head.chain_id.0);
        bytes.extend_from_slice(&head.length.to_le_bytes());
        bytes.extend_from_slice(&head.hash.0);
        bytes.extend_from_slice(&head.epoch.to_le_bytes());
    }
    let hash = *blake3::hash(&bytes).as_bytes();
    bytes.extend_from_slice(&hash);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<Head>> {
    let (bytes, hash) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    let sound = bytes.len() >= FIXED && *blake3::hash(bytes).as_bytes() == *hash && bytes[..8] == MAGIC;
    if !sound || u16::from_le_bytes(part(bytes, 8)) != FORMAT {
        return None;
    }
    let count = u32::from_le_bytes(part(bytes, 12)) as usize;
    let heads = &bytes[FIXED..];
    if heads.len() != count.checked_mul(PER_CHAIN)? {
        return None;
    }
    let head = |bytes: &[u8]| Head {
        chain_id: ChainId(part(bytes, 0)),
        length: u64::from_le_bytes(part(bytes, 32)),
        hash: EventHash(part(bytes, 40)),
        epoch: u32::from_le_bytes(part(bytes, 72)),
    };
    Some(heads.chunks_exact(PER_CHAIN).map(head).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads() -> Vec<Head> {
        let head = |n: u8| Head {
            chain_id: ChainId([n; 32]),
            length: u64::from(n),
            hash: EventHash([n + 1; 32]),
            epoch: u32::from(n),
        };
        vec![head(1), head(2), head(3)]
    }

    #[test]
    fn heads_read_back_as_they_were_written() {
        for count in 0..=3 {
            assert_eq!(decode(&encode(&heads()[..count])).as_deref(), Some(&heads()[..count]));
        }
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let whole = encode(&heads());
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bytes), None, "bit {bit}");
        }
        for len in 0..whole.len() {
            assert_eq!(decode(&whole[..len]), None, "{len} bytes");
        }
    }
}
