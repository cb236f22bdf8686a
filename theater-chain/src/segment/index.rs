//! The sidecar of a segment that takes no more: where each chain's events are, and a hash of the whole segment.
//!
//! It saves a scan, and nothing depends on it: a sidecar that is missing or damaged is made again from the segment.

use rustc_hash::FxHashMap;
use theater_core::{ChainId, EventHash, PayloadHash};

use crate::hash::MAX_SEQ;

use super::header::{SegmentHeader, part};
use super::record::MAX_LSN;
use super::scan::{Extent, Found, Slot, scan};

const MAGIC: [u8; 8] = *b"theatidx";
const FORMAT: u16 = 1;
const FIXED: usize = 8 + 2 + 2 + 4 + 8 + 4 + 4 + 8 + 8 + 8 + 32 + 4 + 4;
const PER_CHAIN: usize = 32 + 8 + 32 + 4 + 4 + 32;
const PER_SLOT: usize = 12;

/// The events of one chain in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainSlots {
    pub(crate) chain: ChainId,
    /// Position in the chain of the first event here.
    pub(crate) first_seq: u64,
    /// The event before the first.
    pub(crate) prev: EventHash,
    /// The last event here.
    pub(crate) hash: EventHash,
    pub(crate) epoch: u32,
    pub(crate) slots: Vec<Slot>,
}

/// What is in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentIndex {
    pub(crate) header_crc: u32,
    pub(crate) end: u64,
    pub(crate) last_crc: u32,
    pub(crate) next_lsn: u64,
    pub(crate) durable: u64,
    pub(crate) events: u64,
    /// BLAKE3 of the segment up to its end.
    pub(crate) hash: [u8; 32],
    /// In the order in which they first appear.
    pub(crate) chains: Vec<ChainSlots>,
    pub(crate) blobs: Vec<PayloadHash>,
}

/// Why an event cannot stand where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) offset: u32,
    pub(crate) chain: ChainId,
    pub(crate) seq: u64,
}

/// Makes an index of the events that somebody reads one after the other.
#[derive(Debug, Default)]
pub(crate) struct IndexBuilder {
    by_chain: FxHashMap<ChainId, usize>,
    chains: Vec<ChainSlots>,
    blobs: Vec<PayloadHash>,
    broken: Option<Broken>,
}

impl IndexBuilder {
    /// Adds the next event.
    pub(crate) fn add(&mut self, found: &Found) {
        self.blobs.extend(found.blob);
        let chains = &mut self.chains;
        let place = *self.by_chain.entry(found.chain).or_insert_with(|| {
            chains.push(ChainSlots {
                chain: found.chain,
                first_seq: found.seq,
                prev: found.prev,
                hash: found.prev,
                epoch: found.epoch,
                slots: Vec::new(),
            });
            chains.len() - 1
        });
        let chain = &mut chains[place];
        let follows = found.seq == chain.first_seq + chain.slots.len() as u64 && found.prev == chain.hash;
        if !follows && self.broken.is_none() {
            self.broken = Some(Broken { offset: found.slot.offset, chain: found.chain, seq: found.seq });
        }
        (chain.hash, chain.epoch) = (found.hash, found.epoch);
        chain.slots.push(found.slot);
    }

    /// The index of a segment that ends here.
    ///
    /// # Errors
    /// The first event that does not follow the one before of its chain.
    pub(crate) fn finish(
        self,
        bytes: &[u8],
        header: &SegmentHeader,
        extent: &Extent,
    ) -> Result<SegmentIndex, Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        Ok(SegmentIndex {
            header_crc: header.crc(),
            end: extent.end as u64,
            last_crc: extent.last_crc,
            next_lsn: extent.next_lsn,
            durable: extent.durable,
            events: extent.events,
            hash: *blake3::hash(&bytes[..extent.end]).as_bytes(),
            chains: self.chains,
            blobs: self.blobs,
        })
    }
}

impl SegmentIndex {
    /// Scans a segment, whose header has been read.
    ///
    /// # Errors
    /// The first event that does not follow the one before of its chain.
    pub(crate) fn of(bytes: &[u8], header: &SegmentHeader) -> Result<(Self, Extent), Broken> {
        let mut builder = IndexBuilder::default();
        let extent = scan(bytes, header, |found| builder.add(&found));
        Ok((builder.finish(bytes, header, &extent)?, extent))
    }

    /// Whether it can be of a segment of this length with this header. Nothing that was made up makes a reader take memory for what is not
    /// there.
    pub(crate) fn fits(&self, header: &SegmentHeader, len: u64) -> bool {
        let slots = self.chains.iter().flat_map(|chain| &chain.slots);
        let inside = |slot: &Slot| u64::from(slot.offset) + u64::from(slot.len) <= len;
        self.header_crc == header.crc()
            && self.end == len
            && self.next_lsn >= header.first_lsn
            && self.next_lsn <= MAX_LSN + 1
            && self.chains.iter().all(|chain| chain.first_seq <= MAX_SEQ)
            && slots.clone().count() as u64 == self.events
            && slots.clone().all(inside)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let slots: usize = self.chains.iter().map(|chain| chain.slots.len()).sum();
        let len = FIXED + self.chains.len() * PER_CHAIN + slots * PER_SLOT + self.blobs.len() * 32 + 32;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.header_crc.to_le_bytes());
        bytes.extend_from_slice(&self.end.to_le_bytes());
        bytes.extend_from_slice(&self.last_crc.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for number in [self.next_lsn, self.durable, self.events] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&count(self.chains.len()));
        bytes.extend_from_slice(&count(self.blobs.len()));
        for chain in &self.chains {
            bytes.extend_from_slice(&chain.chain.0);
            bytes.extend_from_slice(&chain.first_seq.to_le_bytes());
            bytes.extend_from_slice(&chain.prev.0);
            bytes.extend_from_slice(&chain.epoch.to_le_bytes());
            bytes.extend_from_slice(&count(chain.slots.len()));
            bytes.extend_from_slice(&chain.hash.0);
            for slot in &chain.slots {
                bytes.extend_from_slice(&slot.offset.to_le_bytes());
                bytes.extend_from_slice(&slot.len.to_le_bytes());
                bytes.extend_from_slice(&slot.seed.to_le_bytes());
            }
        }
        for blob in &self.blobs {
            bytes.extend_from_slice(&blob.0);
        }
        let hash = *blake3::hash(&bytes).as_bytes();
        bytes.extend_from_slice(&hash);
        bytes
    }

    /// Reads a sidecar; `None` if it is not one that we wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, hash) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
        if bytes.len() < FIXED || *blake3::hash(bytes).as_bytes() != *hash || bytes[..8] != MAGIC {
            return None;
        }
        if u16::from_le_bytes(part(bytes, 8)) != FORMAT {
            return None;
        }
        let (chain_count, blob_count) = (number(bytes, 88), number(bytes, 92));
        let mut rest = &bytes[FIXED..];
        let mut chains = Vec::with_capacity(chain_count.min(rest.len() / PER_CHAIN));
        for _ in 0..chain_count {
            let (head, behind) = rest.split_at_checked(PER_CHAIN)?;
            let (slots, behind) = behind.split_at_checked(number(head, 76).checked_mul(PER_SLOT)?)?;
            rest = behind;
            chains.push(ChainSlots {
                chain: ChainId(part(head, 0)),
                first_seq: u64::from_le_bytes(part(head, 32)),
                prev: EventHash(part(head, 40)),
                epoch: u32::from_le_bytes(part(head, 72)),
                hash: EventHash(part(head, 80)),
                slots: slots.chunks_exact(PER_SLOT).map(slot).collect(),
            });
        }
        if rest.len() != blob_count.checked_mul(32)? {
            return None;
        }
        Some(Self {
            header_crc: u32::from_le_bytes(part(bytes, 12)),
            end: u64::from_le_bytes(part(bytes, 16)),
            last_crc: u32::from_le_bytes(part(bytes, 24)),
            next_lsn: u64::from_le_bytes(part(bytes, 32)),
            durable: u64::from_le_bytes(part(bytes, 40)),
            events: u64::from_le_bytes(part(bytes, 48)),
            hash: part(bytes, 56),
            chains,
            blobs: rest.chunks_exact(32).map(|blob| PayloadHash(part(blob, 0))).collect(),
        })
    }
}

fn count(len: usize) -> [u8; 4] {
    super::scan::short(len).to_le_bytes()
}

fn number(bytes: &[u8], from: usize) -> usize {
    u32::from_le_bytes(part(bytes, from)) as usize
}

fn slot(bytes: &[u8]) -> Slot {
    Slot {
        offset: u32::from_le_bytes(part(bytes, 0)),
        len: u32::from_le_bytes(part(bytes, 4)),
        seed: u32::from_le_bytes(part(bytes, 8)),
    }
}
