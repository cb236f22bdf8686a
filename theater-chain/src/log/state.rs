//! What a log knows: where every event is, and what is still to be written.

use std::io;
use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};
use theater_core::{Bytes, ChainEvent, ChainId, PayloadHash};

use crate::chain::Head;
use crate::flaw::{self, Flaw};
use crate::segment::header::HEADER_LEN;
use crate::segment::index::SegmentIndex;
use crate::segment::record::{self, Form};
use crate::segment::scan::{Slot, short};
use crate::segment::{SegmentHeader, record::MARK_LEN};
use crate::store::{AppendError, Poisoned, ReadError};
use crate::vfs::VfsFile;

use super::LogOptions;

/// One file of the log.
#[derive(Debug)]
pub(super) struct Segment {
    /// Without folder and extension.
    pub(super) name: String,
    pub(super) header: SegmentHeader,
    /// Set once the file exists under its name.
    pub(super) file: OnceLock<Box<dyn VfsFile>>,
}

impl Segment {
    pub(super) fn new(header: SegmentHeader) -> Self {
        Self { name: segment_name(header.first_lsn), header, file: OnceLock::new() }
    }

    pub(super) fn path(&self) -> String {
        segment_path(&self.name)
    }

    pub(super) fn file(&self) -> io::Result<&dyn VfsFile> {
        self.file.get().map(|file| &**file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The folder of the segments.
pub(super) const FOLDER: &str = "log";

pub(super) fn segment_name(first_lsn: u64) -> String {
    format!("{first_lsn:016x}")
}

pub(super) fn segment_path(name: &str) -> String {
    format!("{FOLDER}/{name}.seg")
}

/// Where an event is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Index into [`State::segments`].
    pub(super) segment: u32,
    pub(super) slot: Slot,
}

/// One chain: its head, and where its events are.
#[derive(Debug)]
pub(super) struct ChainPlaces {
    pub(super) head: Head,
    pub(super) places: Vec<Place>,
    /// Payloads below this position are gone, as far as they may go.
    pub(super) pruned: u64,
    /// Only the head is kept.
    pub(super) retired: bool,
}

impl ChainPlaces {
    pub(super) fn new(head: Head, places: Vec<Place>) -> Self {
        Self { head, places, pruned: 0, retired: false }
    }

    pub(super) fn retired(head: Head) -> Self {
        Self { head, places: Vec::new(), pruned: 0, retired: true }
    }

    /// Where its events are.
    pub(super) fn read(&self) -> Result<&[Place], ReadError> {
        if self.retired { Err(ReadError::Retired { chain: self.head.chain_id }) } else { Ok(&self.places) }
    }
}

/// Bytes for one segment that are not on the disk yet.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) segment: u32,
    /// 0 where the segment has yet to be made; the bytes begin with its header then.
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    /// The last event in it.
    pub(super) lsn: u64,
    /// Payloads that have to be on the disk before it.
    pub(super) blobs: Vec<(PayloadHash, Bytes)>,
}

/// Where the next record goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) offset: u64,
    pub(super) crc: u32,
    /// The last event that was taken.
    pub(super) lsn: u64,
}

/// The log, but for its files.
#[derive(Debug)]
pub(super) struct State {
    pub(super) chains: FxHashMap<ChainId, ChainPlaces>,
    pub(super) order: Vec<ChainId>,
    pub(super) segments: Vec<Arc<Segment>>,
    /// Segments that take no more and are as long as what is in them.
    pub(super) sealed: FxHashSet<u32>,
    /// Bytes of chains that were retired, by segment.
    pub(super) dead: FxHashMap<u32, u64>,
    /// How many events name each blob.
    pub(super) blobs: FxHashMap<PayloadHash, u32>,
    pub(super) end: End,
    /// What was taken since the writer last looked.
    pub(super) chunks: Vec<Chunk>,
    /// What the writer is writing.
    pub(super) writing: Arc<Vec<Chunk>>,
    /// Bytes in both.
    pub(super) pending: usize,
    /// How far everything was given to the system.
    pub(super) written: u64,
    /// How far everything was synced.
    pub(super) synced: u64,
    /// How far the last mark says so.
    pub(super) marked: u64,
    pub(super) failed: Option<Poisoned>,
    /// Nothing more is taken.
    pub(super) closing: bool,
    /// Whether the writer has to be woken.
    pub(super) writer_waits: bool,
}

impl State {
    /// Takes an event that has been checked.
    pub(super) fn take(&mut self, event: &ChainEvent, options: &LogOptions) -> Result<u64, AppendError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone().into());
        }
        let form = if event.is_pruned() { Form::Pruned } else { record::form_of(event.payload.len()) };
        let len = record::event_len(form, event.payload.len());
        let held = len + if form == Form::Blob { event.payload.len() } else { 0 };
        if self.closing || self.pending.saturating_add(held) > options.pending {
            return Err(AppendError::Full);
        }
        // What is written next says first what is durable by then: damage before it can be told from a torn end.
        let marks = self.chunks.is_empty() && self.synced > self.marked;
        self.make_room((len + if marks { MARK_LEN } else { 0 }) as u64, options);
        if marks {
            self.chunk();
            let bytes = self.put_mark();
            self.pending += bytes.len();
            self.chunk().bytes.extend_from_slice(&bytes);
        }
        let (segment, offset, seed) = (self.newest(), self.end.offset, self.end.crc);
        let (lsn, synced) = (self.end.lsn + 1, self.carried());
        let chunk = self.chunk();
        let crc = record::put_event(&mut chunk.bytes, seed, (lsn, synced), form, event);
        chunk.lsn = lsn;
        if form == Form::Blob {
            chunk.blobs.push((event.header.payload_hash, event.payload.clone()));
            *self.blobs.entry(event.header.payload_hash).or_default() += 1;
        }
        self.pending += held;
        self.end = End { offset: offset + len as u64, crc, lsn };
        let offset = u32::try_from(offset).expect("a segment is shorter than 4 GiB");
        let place = Place { segment, slot: Slot { offset, len: short(len), seed } };
        let head = Head::after(event);
        match self.chains.get_mut(&head.chain_id) {
            Some(chain) => {
                chain.head = head;
                chain.places.push(place);
            }
            None => {
                self.order.push(head.chain_id);
                self.chains.insert(head.chain_id, ChainPlaces::new(head, vec![place]));
            }
        }
        Ok(lsn)
    }

    /// Puts a mark behind the last record, where there is room for one: where to write it and what.
    pub(super) fn take_mark(&mut self) -> Option<(Arc<Segment>, u64, Vec<u8>)> {
        let segment = Arc::clone(self.segments.last()?);
        let quiet = self.chunks.is_empty() && self.writing.is_empty() && self.failed.is_none();
        if !quiet || self.end.offset + MARK_LEN as u64 > segment.header.capacity {
            return None;
        }
        let offset = self.end.offset;
        Some((segment, offset, self.put_mark()))
    }

    /// A mark behind the last record, which it becomes.
    fn put_mark(&mut self) -> Vec<u8> {
        let header = self.segments.last().expect("a log has the segment that it writes").header;
        let (lsn, durable) = (self.end.lsn, self.carried());
        let mut bytes = Vec::with_capacity(MARK_LEN);
        let seal = record::mark_seal(&header.store, header.epoch, lsn, durable);
        self.end.crc = record::put_mark(&mut bytes, self.end.crc, (lsn, durable), seal);
        self.end.offset += bytes.len() as u64;
        self.marked = durable;
        bytes
    }

    /// How far the log is durable, as what is written next says.
    fn carried(&self) -> u64 {
        if flaw::has(Flaw::NothingCarried) { 0 } else { self.synced }
    }

    fn newest(&self) -> u32 {
        u32::try_from(self.segments.len() - 1).expect("there are fewer than 2^32 segments")
    }

    /// The chunk that the next record goes into.
    fn chunk(&mut self) -> &mut Chunk {
        let segment = self.newest();
        if self.chunks.last().is_none_or(|chunk| chunk.segment != segment) {
            let offset = self.end.offset;
            self.chunks.push(Chunk {
                segment,
                offset,
                bytes: Vec::new(),
                lsn: self.end.lsn,
                blobs: Vec::new(),
            });
        }
        self.chunks.last_mut().expect("pushed above")
    }

    /// Goes on in a new segment, where the newest has no room for a record of this length.
    fn make_room(&mut self, len: u64, options: &LogOptions) {
        let last = self.segments.last().expect("a log has the segment that it writes").header;
        if self.end.offset + len <= last.capacity {
            return;
        }
        // One that has no event has the same name: the new one takes its place, marks and all.
        let replaces = last.first_lsn == self.end.lsn + 1;
        let header = SegmentHeader {
            first_lsn: self.end.lsn + 1,
            capacity: next_capacity(last.capacity, options).max(len + HEADER_LEN as u64),
            prev_crc: if replaces { last.prev_crc } else { self.end.crc },
            closing_crc: None,
            rewrites: 0,
            ..last
        };
        self.segments.push(Arc::new(Segment::new(header)));
        self.end.offset = 0;
        let lsn = self.end.lsn;
        let chunk = self.chunk();
        chunk.bytes.extend_from_slice(&header.encode());
        chunk.lsn = lsn;
        self.end.offset = HEADER_LEN as u64;
        self.end.crc = header.crc();
    }

    /// Puts a segment that was rewritten in the place of what it was. Whoever reads from the old one has it still.
    pub(super) fn replace(
        &mut self,
        number: u32,
        segment: Segment,
        index: &SegmentIndex,
        unnamed: &[PayloadHash],
    ) {
        self.segments[number as usize] = Arc::new(segment);
        self.dead.remove(&number);
        for chain in &index.chains {
            let Some(known) = self.chains.get_mut(&chain.chain).filter(|known| !known.retired) else {
                continue;
            };
            let from = known.places.partition_point(|place| place.segment < number);
            for (place, slot) in known.places[from..].iter_mut().zip(&chain.slots) {
                place.slot = *slot;
            }
        }
        for hash in unnamed {
            let left = self.blobs.get_mut(hash).map_or(0, |named| {
                *named -= 1;
                *named
            });
            if left == 0 {
                self.blobs.remove(hash);
            }
        }
    }

    /// A record that is not on the disk yet.
    pub(super) fn unwritten(&self, place: Place) -> Option<Vec<u8>> {
        // Its file may have been rewritten while the writer still held what it wrote to it.
        if self.sealed.contains(&place.segment) {
            return None;
        }
        let (offset, len) = (u64::from(place.slot.offset), place.slot.len as usize);
        self.writing.iter().chain(&self.chunks).filter(|chunk| chunk.segment == place.segment).find_map(
            |chunk| {
                let from = usize::try_from(offset.checked_sub(chunk.offset)?).ok()?;
                chunk.bytes.get(from..from + len).map(<[u8]>::to_vec)
            },
        )
    }

    /// A payload that is not on the disk yet.
    pub(super) fn unwritten_blob(&self, hash: PayloadHash) -> Option<Bytes> {
        self.writing
            .iter()
            .chain(&self.chunks)
            .flat_map(|chunk| &chunk.blobs)
            .find(|(of, _)| *of == hash)
            .map(|(_, payload)| payload.clone())
    }
}

/// The length of the segment after one of this length.
pub(super) fn next_capacity(capacity: u64, options: &LogOptions) -> u64 {
    capacity.saturating_mul(2).min(options.largest_segment)
}
