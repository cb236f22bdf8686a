//! The export format: JSON lines, one event each.
//!
//! A line holds the header's fields, the event's hash and its payload; hashes in hexadecimal, the payload in base64. Each
//! line names the format, so that a file can be cut, joined and searched with line tools. Fields `type` and `actor` are
//! for people: what is verified is the header and the payload. Where a payload was pruned there is `null` instead.

use std::io::{BufRead, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use theater_core::event::payload::{self, Genesis};
use theater_core::{ActorId, Bytes, ChainEvent, ChainId, EventHash, EventHeader, EventKind, PayloadHash};

/// The name and version of the format, in every line.
pub const FORMAT: &str = "theater-events-1";

/// The longest line that is read, in bytes. A longer one is an error before it is in memory.
pub const MAX_LINE: u64 = 64 << 20;

/// The longest payload that is written, in bytes: in base64 and with 4 KiB for all other fields, it fits into a line.
pub const MAX_PAYLOAD: usize = ((MAX_LINE as usize) - (4 << 10)) / 4 * 3;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: String,
    actor: ActorId,
    chain: ChainId,
    seq: u64,
    #[serde(rename = "type")]
    event_type: String,
    kind: u16,
    version: u8,
    flags: u8,
    epoch: u32,
    time: u64,
    payload_len: u64,
    prev: EventHash,
    payload_hash: PayloadHash,
    hash: EventHash,
    /// `null` where it was pruned. It has to be there all the same.
    #[serde(deserialize_with = "Option::deserialize")]
    payload: Option<String>,
}

/// One event of an export, with the actor that the line names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportedEvent {
    /// The actor, as the line says.
    pub actor: ActorId,
    /// The event, as the line says: nothing has been verified yet.
    pub event: ChainEvent,
}

/// A line that is not an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The file could not be read.
    #[error("could not be read")]
    Io(#[from] std::io::Error),
    /// The line is longer than [`MAX_LINE`].
    #[error("longer than {MAX_LINE} bytes")]
    TooLong,
    /// The file ends in the middle of a line.
    #[error("the file ends in the middle of this line: it was cut off")]
    Unfinished,
    /// Not the JSON that a line has to be.
    #[error("not an event: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but a list: fields have names.
    #[error("not an event: a list, where an object has to be")]
    List,
    /// Another format.
    #[error("format `{found}`, this program reads `{FORMAT}`")]
    Format {
        /// The format.
        found: String,
    },
    /// The payload is not base64.
    #[error("the payload is not base64: {0}")]
    Payload(#[from] base64::DecodeError),
    /// Nothing is there in place of a payload, or the other way round.
    #[error(
        "the payload is {found}, where {expected} bytes were sealed: `null` stands for what was pruned, and only for that"
    )]
    Pruned {
        /// What is there.
        found: &'static str,
        /// The length in the header.
        expected: u64,
    },
    /// The name of the kind is not that of its number.
    #[error("type `{found}` does not name kind {kind}")]
    Type {
        /// The name.
        found: String,
        /// The number.
        kind: u16,
    },
}

/// Writes the events of one actor's chain.
///
/// # Errors
/// Those of the writer; [`InvalidInput`](std::io::ErrorKind::InvalidInput) on a payload above [`MAX_PAYLOAD`], which no
/// reader would take. The events before it are written by then.
pub fn write_events<'a>(
    mut out: impl Write,
    actor: ActorId,
    events: impl IntoIterator<Item = &'a ChainEvent>,
) -> std::io::Result<()> {
    for event in events {
        let header = &event.header;
        if event.payload.len() > MAX_PAYLOAD {
            let (seq, found) = (header.seq, event.payload.len());
            let error = format!("the payload of event {seq} has {found} bytes, a line takes {MAX_PAYLOAD}");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, error));
        }
        let line = Line {
            format: FORMAT.to_owned(),
            actor,
            chain: header.chain_id,
            seq: header.seq,
            event_type: header.kind.to_string(),
            kind: header.kind.0,
            version: header.version,
            flags: header.flags,
            epoch: header.epoch,
            time: header.time,
            payload_len: header.payload_len,
            prev: header.prev,
            payload_hash: header.payload_hash,
            hash: event.hash,
            payload: (!event.is_pruned()).then(|| BASE64.encode(&event.payload)),
        };
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The actor that a chain belongs to, as its genesis event says.
///
/// # Errors
/// If the payload is not a genesis payload of this runtime.
pub fn actor_of(genesis: &ChainEvent) -> Result<ActorId, payload::PayloadError> {
    payload::decode::<Genesis>(&genesis.payload).map(|genesis| genesis.actor)
}

/// Reads an export line by line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads from the beginning.
    pub fn new(input: R) -> Self {
        Self { input, line: 0, buffer: Vec::new() }
    }

    /// The number of the line that was read last, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// If the line is not an event.
    pub fn next_event(&mut self) -> Result<Option<ExportedEvent>, LineError> {
        self.buffer.clear();
        self.line += 1;
        let read = (&mut self.input).take(MAX_LINE + 1).read_until(b'\n', &mut self.buffer)?;
        match self.buffer.last() {
            None => Ok(None),
            Some(b'\n') => parse(&self.buffer[..read - 1]).map(Some),
            Some(_) if read as u64 > MAX_LINE => Err(LineError::TooLong),
            Some(_) => Err(LineError::Unfinished),
        }
    }
}

fn parse(line: &[u8]) -> Result<ExportedEvent, LineError> {
    // A list of the values in the right order would do for the decoder.
    if line.trim_ascii_start().first() == Some(&b'[') {
        return Err(LineError::List);
    }
    let line: Line = serde_json::from_slice(line)?;
    if line.format != FORMAT {
        return Err(LineError::Format { found: line.format });
    }
    let kind = EventKind(line.kind);
    if line.event_type != kind.to_string() {
        return Err(LineError::Type { found: line.event_type, kind: line.kind });
    }
    let header = EventHeader {
        version: line.version,
        flags: line.flags,
        kind,
        epoch: line.epoch,
        seq: line.seq,
        time: line.time,
        payload_len: line.payload_len,
        chain_id: line.chain,
        prev: line.prev,
        payload_hash: line.payload_hash,
    };
    // One event has one spelling.
    let payload = match (line.payload, line.payload_len) {
        (None, 0) => return Err(LineError::Pruned { found: "null", expected: 0 }),
        (None, _) => Bytes::new(),
        (Some(payload), len) if payload.is_empty() && len != 0 => {
            return Err(LineError::Pruned { found: "empty", expected: len });
        }
        (Some(payload), _) => Bytes::from(BASE64.decode(&payload)?),
    };
    Ok(ExportedEvent { actor: line.actor, event: ChainEvent { header, hash: line.hash, payload } })
}
