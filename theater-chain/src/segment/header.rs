//! The first 64 bytes of a segment.

/// The length of an encoded header.
pub(crate) const HEADER_LEN: usize = 64;

/// The format version that this crate writes, and the only one that it reads.
pub(crate) const FORMAT: u16 = 1;

const MAGIC: [u8; 8] = *b"theater\x1a";

/// Set where events were pruned: positions in the store's order may be missing.
const PRUNED: u16 = 1;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// The store's own id: segments of two stores are not mixed.
    pub(crate) store: [u8; 16],
    /// The position of its first event in the store's order, from 1.
    pub(crate) first_lsn: u64,
    /// The term of the process that wrote it.
    pub(crate) epoch: u32,
    /// Its length when it was made, in bytes, zeros included.
    pub(crate) capacity: u64,
    /// The last checksum of the segment before; 0 in a store's first.
    pub(crate) prev_crc: u32,
    /// In a segment that was rewritten: the last checksum that it had, which the next segment goes on from.
    pub(crate) closing_crc: Option<u32>,
    /// How often it was rewritten: sidecars of the one before are told from those of this one.
    pub(crate) rewrites: u32,
}

/// Why these bytes do not begin a segment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderFault {
    #[error("the file is shorter than a segment's header")]
    Short,
    #[error("this is no segment")]
    Magic,
    #[error("unsupported segment format {found}, this program reads format {FORMAT}")]
    Format { found: u16 },
    #[error("the segment's header is damaged")]
    Checksum,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let flags = if self.closing_crc.is_some() { PRUNED } else { 0 };
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[10..12].copy_from_slice(&flags.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.store);
        bytes[32..40].copy_from_slice(&self.first_lsn.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.capacity.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.prev_crc.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.closing_crc.unwrap_or(0).to_le_bytes());
        bytes[56..60].copy_from_slice(&self.rewrites.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        let bytes: &[u8; HEADER_LEN] =
            bytes.get(..HEADER_LEN).and_then(|bytes| bytes.try_into().ok()).ok_or(HeaderFault::Short)?;
        if bytes[..8] != MAGIC {
            return Err(HeaderFault::Magic);
        }
        if crc32c::crc32c(&bytes[..60]) != u32::from_le_bytes(part(bytes, 60)) {
            return Err(HeaderFault::Checksum);
        }
        let (format, flags) = (u16::from_le_bytes(part(bytes, 8)), u16::from_le_bytes(part(bytes, 10)));
        if format != FORMAT || flags & !PRUNED != 0 {
            return Err(HeaderFault::Format { found: format });
        }
        Ok(Self {
            epoch: u32::from_le_bytes(part(bytes, 12)),
            store: part(bytes, 16),
            first_lsn: u64::from_le_bytes(part(bytes, 32)),
            capacity: u64::from_le_bytes(part(bytes, 40)),
            prev_crc: u32::from_le_bytes(part(bytes, 48)),
            closing_crc: (flags & PRUNED != 0).then(|| u32::from_le_bytes(part(bytes, 52))),
            rewrites: u32::from_le_bytes(part(bytes, 56)),
        })
    }

    /// The checksum that the first record's goes on from.
    pub(crate) fn crc(&self) -> u32 {
        u32::from_le_bytes(part(&self.encode(), 60))
    }
}

/// `N` bytes from a place on that is known to be inside.
pub(crate) fn part<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[from..from + N]);
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            store: *b"sixteen bytes id",
            first_lsn: 77,
            epoch: 3,
            capacity: 1 << 20,
            prev_crc: 0xdead_beef,
            closing_crc: None,
            rewrites: 0,
        }
    }

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        for closing_crc in [None, Some(0), Some(7)] {
            let rewrites = closing_crc.map_or(0, |crc| crc + 1);
            let header = SegmentHeader { closing_crc, rewrites, ..header() };
            assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
        }
    }

    #[test]
    fn any_flipped_bit_of_a_header_is_noticed() {
        for bit in 0..HEADER_LEN * 8 {
            let mut bytes = header().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_format_is_refused_and_not_guessed() {
        let mut bytes = header().encode();
        bytes[8] = 2;
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderFault::Format { found: 2 }));
    }
}
