//! One entry of a segment: an event, or a mark of how far the log is durable.
//!
//! ```text
//!  off len field
//!    0   4  length of the record without padding
//!    4   4  CRC-32C, seeded with the one before, of everything else up to the padding's end
//!    8   8  lsn: the event's position in the store's order; of a mark, that of the last event before it
//!   16   8  how far the log was durable when this was written
//!   24   1  form: 0 payload here, 1 payload in a blob, 2 payload pruned, 3 mark
//!   25   7  zeros
//!   32 128  event header       } of a mark: 16 bytes that only the store's
//!  160  32  event hash         } own writer puts here, see `mark_seal`
//!  192   n  payload, if it is here
//!           zeros up to a multiple of 8
//! ```

use std::sync::LazyLock;

use theater_core::{ChainEvent, EventHash, EventHeader};

use super::header::part;
use crate::flaw::{self, Flaw};
use crate::hash::{self, HEADER_LEN, HeaderError};

/// Payloads above this length are kept as blobs, 64 KiB.
pub(crate) const MAX_INLINE: usize = 64 * 1024;

/// The highest position in a store's order. So far nobody comes, and counting on from there stays possible.
pub(crate) const MAX_LSN: u64 = u64::MAX >> 1;

/// Before the event.
const PREFIX: usize = 32;
/// A record without its payload.
const FIXED: usize = PREFIX + HEADER_LEN + 32;
/// A mark.
pub(crate) const MARK_LEN: usize = PREFIX + 16;
/// The longest record.
pub(crate) const MAX_RECORD: usize = FIXED + MAX_INLINE;

/// Where the payload of an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Inline,
    Blob,
    Pruned,
}

/// One record as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Event {
        form: Form,
        header: EventHeader,
        hash: EventHash,
        /// Empty unless it is here.
        payload: &'a [u8],
    },
    Mark,
}

/// Why there is no record here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordFault {
    #[error("the file ends within a record")]
    Short,
    #[error("no record has a length of {len} bytes")]
    Length { len: u32 },
    #[error("the checksum does not fit")]
    Checksum,
    #[error("there is no form {form} of a record")]
    Form { form: u8 },
    #[error("no record has the position {lsn} in the store's order")]
    Position { lsn: u64 },
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// The length in a file of a record of `len` bytes.
pub(crate) const fn padded(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// Which form an event with a payload of this length has.
pub(crate) fn form_of(payload_len: usize) -> Form {
    if payload_len > MAX_INLINE { Form::Blob } else { Form::Inline }
}

/// The length in a file of the record of this event.
pub(crate) fn event_len(form: Form, payload_len: usize) -> usize {
    padded(FIXED + if form == Form::Inline { payload_len } else { 0 })
}

/// Appends the record of an event, and returns its checksum, which seeds the next.
pub(crate) fn put_event(
    into: &mut Vec<u8>,
    seed: u32,
    (lsn, durable): (u64, u64),
    form: Form,
    event: &ChainEvent,
) -> u32 {
    let payload: &[u8] = if form == Form::Inline { &event.payload } else { &[] };
    let form = match form {
        Form::Inline => 0,
        Form::Blob => 1,
        Form::Pruned => 2,
    };
    let start = begin(into, FIXED + payload.len(), lsn, durable, form);
    into.extend_from_slice(&hash::encode_header(&event.header));
    into.extend_from_slice(&event.hash.0);
    into.extend_from_slice(payload);
    finish(into, start, seed)
}

/// Appends a mark, and returns its checksum. `seal` is [`mark_seal`].
pub(crate) fn put_mark(into: &mut Vec<u8>, seed: u32, (lsn, durable): (u64, u64), seal: [u8; 16]) -> u32 {
    let start = begin(into, MARK_LEN, lsn, durable, 3);
    into.extend_from_slice(&seal);
    finish(into, start, seed)
}

/// What makes a mark recognisable wherever it stands, also behind damage, where the checksum before it is not known.
pub(crate) fn mark_seal(store: &[u8; 16], epoch: u32, lsn: u64, durable: u64) -> [u8; 16] {
    // Deriving the key costs more than hashing the mark.
    static HASHER: LazyLock<blake3::Hasher> =
        LazyLock::new(|| blake3::Hasher::new_derive_key("theater 2026-11-24 segment v1 mark"));
    let mut hasher = HASHER.clone();
    hasher
        .update(store)
        .update(&epoch.to_le_bytes())
        .update(&lsn.to_le_bytes())
        .update(&durable.to_le_bytes());
    part(hasher.finalize().as_bytes(), 0)
}

fn begin(into: &mut Vec<u8>, len: usize, lsn: u64, durable: u64, form: u8) -> usize {
    let start = into.len();
    let short = u32::try_from(len).expect("a record is at most MAX_RECORD bytes long");
    into.reserve(padded(len));
    into.extend_from_slice(&short.to_le_bytes());
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&lsn.to_le_bytes());
    into.extend_from_slice(&durable.to_le_bytes());
    into.extend_from_slice(&[form, 0, 0, 0, 0, 0, 0, 0]);
    start
}

fn finish(into: &mut Vec<u8>, start: usize, seed: u32) -> u32 {
    let end = start + padded(into.len() - start);
    into.resize(end, 0);
    let crc = checksum(&into[start..end], seed);
    into[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    crc
}

/// The checksum of a record with its padding, but for the checksum itself.
fn checksum(record: &[u8], seed: u32) -> u32 {
    let seed = if flaw::has(Flaw::PlainChecksum) { 0 } else { seed };
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &record[..4]), &record[8..])
}

/// The beginning of a record, believed as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) len: usize,
    pub(crate) crc: u32,
    pub(crate) lsn: u64,
    pub(crate) durable: u64,
    pub(crate) form: u8,
}

/// Reads the beginning of a record and looks whether one can be there at all.
pub(crate) fn prefix(bytes: &[u8]) -> Result<Prefix, RecordFault> {
    if bytes.len() < PREFIX {
        return Err(RecordFault::Short);
    }
    let len = u32::from_le_bytes(part(bytes, 0));
    let form = bytes[24];
    let lens = match form {
        0 => FIXED..=MAX_RECORD,
        1 | 2 => FIXED..=FIXED,
        3 => MARK_LEN..=MARK_LEN,
        form => return Err(RecordFault::Form { form }),
    };
    let Some(usable) = usize::try_from(len).ok().filter(|len| lens.contains(len)) else {
        return Err(RecordFault::Length { len });
    };
    if padded(usable) > bytes.len() {
        return Err(RecordFault::Short);
    }
    Ok(Prefix {
        len: usable,
        crc: u32::from_le_bytes(part(bytes, 4)),
        lsn: u64::from_le_bytes(part(bytes, 8)),
        durable: u64::from_le_bytes(part(bytes, 16)),
        form,
    })
}

/// Reads the record that begins these bytes.
pub(crate) fn read(bytes: &[u8], seed: u32) -> Result<(Record<'_>, Prefix), RecordFault> {
    let prefix = prefix(bytes)?;
    if checksum_of(bytes, &prefix, seed) != prefix.crc {
        return Err(RecordFault::Checksum);
    }
    if let Some(lsn) = [prefix.lsn, prefix.durable].into_iter().find(|lsn| *lsn > MAX_LSN) {
        return Err(RecordFault::Position { lsn });
    }
    Ok((decode(bytes, &prefix)?, prefix))
}

/// Reads what looks like a record and may be none: its checksum is not looked at.
pub(crate) fn read_unchecked(bytes: &[u8]) -> Result<(Record<'_>, Prefix), RecordFault> {
    let prefix = prefix(bytes)?;
    Ok((decode(bytes, &prefix)?, prefix))
}

/// The checksum that a record with this beginning ought to have.
pub(crate) fn checksum_of(bytes: &[u8], prefix: &Prefix, seed: u32) -> u32 {
    checksum(&bytes[..padded(prefix.len)], seed)
}

fn decode<'a>(bytes: &'a [u8], prefix: &Prefix) -> Result<Record<'a>, RecordFault> {
    let form = match prefix.form {
        0 => Form::Inline,
        1 => Form::Blob,
        2 => Form::Pruned,
        _ => return Ok(Record::Mark),
    };
    let header = hash::decode_header(&part(bytes, PREFIX))?;
    let event_hash = EventHash(part(bytes, PREFIX + HEADER_LEN));
    Ok(Record::Event { form, header, hash: event_hash, payload: &bytes[FIXED..prefix.len] })
}

/// Whether these bytes begin with a mark that the writer of this term of this store made; what it says.
pub(crate) fn sealed_mark(bytes: &[u8], store: &[u8; 16], epoch: u32) -> Option<(u64, u64)> {
    let prefix = prefix(bytes).ok().filter(|prefix| prefix.form == 3)?;
    let seal: [u8; 16] = part(bytes, PREFIX);
    (seal == mark_seal(store, epoch, prefix.lsn, prefix.durable)).then_some((prefix.lsn, prefix.durable))
}

#[cfg(test)]
mod tests {
    use theater_core::{Bytes, EventKind};

    use super::*;
    use crate::Chain;

    fn event(payload: &'static [u8]) -> ChainEvent {
        let (mut chain, _) = Chain::genesis("who I am".into(), 1, 1);
        chain.append(EventKind::LOG, Bytes::from_static(payload), 2)
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        for payload in [&b""[..], b"1234567", b"12345678", b"123456789"] {
            let mut bytes = Vec::new();
            let event = event(payload);
            let crc = put_event(&mut bytes, 9, (5, 3), Form::Inline, &event);
            assert_eq!(bytes.len(), event_len(Form::Inline, payload.len()));
            let (record, prefix) = read(&bytes, 9).unwrap();
            let ChainEvent { header, hash, payload } = &event;
            assert_eq!(record, Record::Event { form: Form::Inline, header: *header, hash: *hash, payload });
            assert_eq!((prefix.lsn, prefix.durable), (5, 3));
            assert_eq!((padded(prefix.len), prefix.crc), (bytes.len(), crc));
        }
    }

    #[test]
    fn any_flipped_bit_of_a_record_is_noticed_its_padding_included() {
        let mut whole = Vec::new();
        put_event(&mut whole, 9, (5, 3), Form::Inline, &event(b"123"));
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bytes, 9).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_behind_another_one_does_not_pass() {
        let mut bytes = Vec::new();
        put_event(&mut bytes, 9, (5, 3), Form::Inline, &event(b"123"));
        assert_eq!(read(&bytes, 8), Err(RecordFault::Checksum));
    }

    #[test]
    fn a_mark_is_recognised_without_the_checksum_before_it() {
        let (store, mut bytes) = (*b"sixteen bytes id", Vec::new());
        put_mark(&mut bytes, 1, (5, 5), mark_seal(&store, 2, 5, 5));
        assert_eq!(sealed_mark(&bytes, &store, 2), Some((5, 5)));
        assert_eq!(sealed_mark(&bytes, &store, 3), None);
        bytes[8] = 6;
        assert_eq!(sealed_mark(&bytes, &store, 2), None);
    }
}
