//! The one place that computes hashes and the bytes that are hashed. Format version 1.

use std::cell::RefCell;

use blake3::Hasher;
use theater_core::{ChainId, EventHash, EventHeader, EventKind, PayloadHash};

/// The format version that this crate writes, and the only one that it reads.
pub const VERSION: u8 = 1;

/// The highest position that an event can have in its chain. So far no chain comes, and whoever counts on from there still can.
pub const MAX_SEQ: u64 = u64::MAX >> 1;

/// The length of an encoded header: exactly two BLAKE3 blocks.
pub const HEADER_LEN: usize = 128;

const HEADER_CONTEXT: &str = "theater 2026-11-23 event-chain v1 event header";
const CHAIN_CONTEXT: &str = "theater 2026-11-23 event-chain v1 chain id";

thread_local! {
    // Deriving the context key costs as much as hashing a header, and a clone of the hasher copies 2 KiB; a reset does neither.
    static HEADER_HASHER: RefCell<Hasher> = RefCell::new(Hasher::new_derive_key(HEADER_CONTEXT));
}

/// BLAKE3 of a payload, as `b3sum` prints it.
#[must_use]
pub fn payload_hash(payload: &[u8]) -> PayloadHash {
    PayloadHash(*blake3::hash(payload).as_bytes())
}

/// The id of the chain that begins with this genesis payload.
#[must_use]
pub fn chain_id(genesis_payload: &[u8]) -> ChainId {
    ChainId(*Hasher::new_derive_key(CHAIN_CONTEXT).update(genesis_payload).finalize().as_bytes())
}

/// The hash of an event: of its encoded header, under a key of its own.
#[must_use]
pub fn event_hash(header: &EventHeader) -> EventHash {
    HEADER_HASHER.with_borrow_mut(|hasher| {
        let hash = *hasher.update(&encode_header(header)).finalize().as_bytes();
        hasher.reset();
        EventHash(hash)
    })
}

/// The 128 bytes of a header, integers little endian.
#[must_use]
pub fn encode_header(header: &EventHeader) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[0] = header.version;
    bytes[1] = header.flags;
    bytes[2..4].copy_from_slice(&header.kind.0.to_le_bytes());
    bytes[4..8].copy_from_slice(&header.epoch.to_le_bytes());
    bytes[8..16].copy_from_slice(&header.seq.to_le_bytes());
    bytes[16..24].copy_from_slice(&header.time.to_le_bytes());
    bytes[24..32].copy_from_slice(&header.payload_len.to_le_bytes());
    bytes[32..64].copy_from_slice(header.chain_id.as_bytes());
    bytes[64..96].copy_from_slice(header.prev.as_bytes());
    bytes[96..128].copy_from_slice(header.payload_hash.as_bytes());
    bytes
}

/// A header that this version does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Written by another version.
    #[error("unsupported event version {version}, this program reads version {VERSION}")]
    Version {
        /// The version.
        version: u8,
    },
    /// Has flags that this version does not know.
    #[error("unsupported event flags {flags:#04x}")]
    Flags {
        /// The flags.
        flags: u8,
    },
    /// Stands where no chain gets to, and so close to the end of the numbers that nothing could be counted from there.
    #[error("position {seq} in the chain, no event is above {MAX_SEQ}")]
    Position {
        /// The position.
        seq: u64,
    },
}

/// Reads the 128 bytes of a header.
///
/// # Errors
/// On a version or flag that this version does not know: it could mean anything, so nothing of it is believed. On a position above
/// [`MAX_SEQ`].
pub fn decode_header(bytes: &[u8; HEADER_LEN]) -> Result<EventHeader, HeaderError> {
    let header = EventHeader {
        version: bytes[0],
        flags: bytes[1],
        kind: EventKind(u16::from_le_bytes(part(bytes, 2))),
        epoch: u32::from_le_bytes(part(bytes, 4)),
        seq: u64::from_le_bytes(part(bytes, 8)),
        time: u64::from_le_bytes(part(bytes, 16)),
        payload_len: u64::from_le_bytes(part(bytes, 24)),
        chain_id: ChainId(part(bytes, 32)),
        prev: EventHash(part(bytes, 64)),
        payload_hash: PayloadHash(part(bytes, 96)),
    };
    check_supported(&header)?;
    if header.seq > MAX_SEQ {
        return Err(HeaderError::Position { seq: header.seq });
    }
    Ok(header)
}

/// Whether a header is of a version that this crate reads.
///
/// # Errors
/// If it is not.
pub fn check_supported(header: &EventHeader) -> Result<(), HeaderError> {
    match (header.version, header.flags) {
        (VERSION, 0) => Ok(()),
        (VERSION, flags) => Err(HeaderError::Flags { flags }),
        (version, _) => Err(HeaderError::Version { version }),
    }
}

fn part<const N: usize>(bytes: &[u8; HEADER_LEN], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: u64 = 1_764_000_000_000_000_000;

    fn genesis() -> Vec<u8> {
        let mut payload = b"theater-genesis-v1\0".to_vec();
        payload.extend(0..16_u8);
        payload.extend([0xa5; 32]);
        assert_eq!(payload.len(), 67);
        payload
    }

    /// Kind, epoch, time, payload, payload hash, event hash.
    type Vector = (u16, u32, u64, Vec<u8>, &'static str, &'static str);

    /// The published vectors.
    fn vectors() -> Vec<Vector> {
        let long = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        vec![
            (
                0,
                1,
                T0,
                genesis(),
                "5ec1136a3b3e9202797a239c01035b29ccf3f4937dea4a0729d96df8b484fd93",
                "ffcdd09e3f17e7ae48858be6b4c319cb0ecc675baea8acb9b4769c97f96076e1",
            ),
            (
                1,
                1,
                T0 + 1,
                Vec::new(),
                "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
                "09b2c96b9637fc866faac4a633a16a9b09573491f5f728db50e32e85ba680cb0",
            ),
            (
                2,
                1,
                T0 + 2,
                b"hello".to_vec(),
                "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f",
                "493971c79d10babf8cfd861a93873683a7dcebec97773973bc6d420dbcf89dc0",
            ),
            (
                3,
                2,
                T0 + 1_000_000_000,
                long,
                "d93c23eedaf165a7e0be908ba86f1a7a520d568d2d13cde787c8580c5c72cc54",
                "f2b05788c219b9f67eddfc0cbcdca2d67146b4bd079b3f4401e101e4f069f8b1",
            ),
        ]
    }

    fn headers() -> Vec<(EventHeader, &'static str, &'static str)> {
        let id = chain_id(&genesis());
        let mut prev = EventHash::ZERO;
        let mut headers = Vec::new();
        for (seq, (kind, epoch, time, payload, payload_hex, event_hex)) in vectors().into_iter().enumerate() {
            let header = EventHeader {
                version: VERSION,
                flags: 0,
                kind: EventKind(kind),
                epoch,
                seq: seq as u64,
                time,
                payload_len: payload.len() as u64,
                chain_id: id,
                prev,
                payload_hash: payload_hash(&payload),
            };
            prev = event_hash(&header);
            headers.push((header, payload_hex, event_hex));
        }
        headers
    }

    #[test]
    fn the_published_vectors_are_reproduced() {
        let expected = "50512b4bf53b37258fc64d06fbf85c5f1336e50c9bbc5914447c8ec85a616605";
        assert_eq!(chain_id(&genesis()).to_string(), expected);
        for (header, payload_hex, event_hex) in headers() {
            assert_eq!(header.payload_hash.to_string(), payload_hex, "#{}", header.seq);
            assert_eq!(event_hash(&header).to_string(), event_hex, "#{}", header.seq);
        }
    }

    #[test]
    fn a_header_is_encoded_exactly_as_published() {
        let expected = "010002000100000002000000000000000200ca67a7fc7a180500000000000000\
                        50512b4bf53b37258fc64d06fbf85c5f1336e50c9bbc5914447c8ec85a616605\
                        09b2c96b9637fc866faac4a633a16a9b09573491f5f728db50e32e85ba680cb0\
                        ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f";
        let bytes = encode_header(&headers()[2].0);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
        assert_eq!(decode_header(&bytes).unwrap(), headers()[2].0);
    }

    #[test]
    fn an_event_under_another_chain_id_has_another_hash() {
        let header = EventHeader { chain_id: chain_id(b"other"), ..headers()[2].0 };
        let expected = "437861fefd1759bb358da54214dd26045b7da2797d1d1bb31e0b97028fa15615";
        assert_eq!(event_hash(&header).to_string(), expected);
    }

    #[test]
    fn an_unknown_version_or_flag_is_refused() {
        let mut bytes = encode_header(&headers()[1].0);
        bytes[0] = 2;
        assert_eq!(decode_header(&bytes), Err(HeaderError::Version { version: 2 }));
        bytes[0] = 1;
        bytes[1] = 1;
        assert_eq!(decode_header(&bytes), Err(HeaderError::Flags { flags: 1 }));
        (bytes[1], bytes[15]) = (0, 0x80);
        let seq = u64::from_le_bytes(part(&bytes, 8));
        assert_eq!(decode_header(&bytes), Err(HeaderError::Position { seq }));
    }
}
