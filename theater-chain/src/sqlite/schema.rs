//! The tables, and how an event is a row.
//!
//! An event's place in the store's order is the key of its table: what is written goes to the end of it, which was measured to
//! take three times as many events a second as a table in the order of chains, in less room.

use rusqlite::{Connection, Row, Statement, params};
use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventKind};

use super::fault;
use crate::chain::Head;
use crate::hash::{self, HEADER_LEN};
use crate::log::OpenError;
use crate::store::{Damage, Lsn};

/// The format that this crate writes, and the only one that it reads: `PRAGMA user_version`.
pub(super) const FORMAT: i64 = 1;

/// `thea`: the `PRAGMA application_id` of our files.
const APPLICATION: i64 = 0x7468_6561;

const TABLES: &str = "
CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The term of the process that had the file last.
    epoch INTEGER NOT NULL,
    -- Whether it closed the file and did not just leave it.
    closed INTEGER NOT NULL,
    -- The last event when the file was opened, closed or synced apart from a commit, or a chain was retired: it and those before it are durable.
    durable INTEGER NOT NULL,
    -- CRC-32C of the three, 8 bytes each, little endian.
    crc INTEGER NOT NULL
) STRICT;
CREATE TABLE chain (
    -- In the order of creation.
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    -- The head of a chain that was retired; nothing of one that was not. Events of it that are still there are being removed.
    length INTEGER,
    hash BLOB,
    epoch INTEGER,
    -- CRC-32C of id, length (8 bytes, little endian), hash and epoch (4 bytes, little endian).
    crc INTEGER
) STRICT;
CREATE TABLE event (
    -- The place in the order of all events, from 1.
    lsn INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES chain (number),
    seq INTEGER NOT NULL,
    -- The 128 bytes that are hashed: docs/chain-format.md has them.
    header BLOB NOT NULL,
    hash BLOB NOT NULL,
    -- Empty also where it was pruned.
    payload BLOB NOT NULL,
    -- CRC-32C of lsn (8 bytes, little endian), header, hash and payload: what SQLite does not check.
    crc INTEGER NOT NULL,
    UNIQUE (chain, seq)
) STRICT;
";

/// What the file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    /// The term of the process that had the file last.
    pub(super) epoch: u32,
    /// Whether it closed the file and did not just leave it.
    pub(super) closed: bool,
    /// The last event that the file says is durable.
    pub(super) durable: u64,
}

impl About {
    fn checksum(self) -> u32 {
        [self.epoch.into(), self.closed.into(), self.durable]
            .iter()
            .fold(0, |crc, field: &u64| crc32c::crc32c_append(crc, &field.to_le_bytes()))
    }

    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "REPLACE INTO store (one, epoch, closed, durable, crc) VALUES (1, ?1, ?2, ?3, ?4)";
        connection.execute(sql, params![self.epoch, self.closed, self.durable, self.checksum()]).map(drop)
    }

    /// Reads it; `None` if it is not what was written.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        connection.query_row("SELECT epoch, closed, durable, crc FROM store", [], |row| {
            let about = Self { epoch: row.get(0)?, closed: row.get(1)?, durable: row.get(2)? };
            Ok((row.get::<_, u32>(3)? == about.checksum()).then_some(about))
        })
    }
}

/// The columns that [`event`] reads.
pub(super) const COLUMNS: &str = "lsn, seq, header, hash, payload, crc";

pub(super) const INSERT_CHAIN: &str = "INSERT INTO chain (number, id) VALUES (?1, ?2)";

pub(super) const INSERT_EVENT: &str =
    "INSERT INTO event (lsn, chain, seq, header, hash, payload, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) const STRIP_EVENT: &str = "UPDATE event SET payload = x'', crc = ?2 WHERE lsn = ?1";

/// Whether there is a store in the file; `false` if there is nothing at all.
///
/// # Errors
/// If there is something else, or a store of another format.
pub(super) fn recognize(connection: &Connection, file: &str) -> Result<bool, OpenError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<_> {
        let application = number("PRAGMA application_id")?;
        let found = number("PRAGMA user_version")?;
        Ok((application, found, number("SELECT count(*) FROM sqlite_schema")?))
    };
    match read().map_err(|error| fault::open("read", file, &error))? {
        (APPLICATION, FORMAT, _) => Ok(true),
        (APPLICATION, found, _) => Err(OpenError::Format { file: file.to_owned(), found, supported: FORMAT }),
        (0, 0, 0) => Ok(false),
        _ => Err(fault::damage(file, None, "this is another program's database").into()),
    }
}

/// Makes the tables in an empty file. In a transaction of the caller.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.execute_batch(&view())?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", FORMAT)
}

/// The view for people who ask in SQL: every field of every event, hashes as they are printed elsewhere.
fn view() -> String {
    let kind = number(2, 2);
    let names: String = EventKind::ALL
        .iter()
        .filter_map(|kind| kind.name().map(|name| format!("WHEN {} THEN '{name}' ", kind.0)))
        .collect();
    let hex = |from: usize| format!("lower(hex(substr(header, {}, 32)))", from + 1);
    format!(
        "CREATE VIEW events AS SELECT
    lsn,
    {chain} AS chain,
    seq,
    {kind} AS kind,
    CASE {kind} {names}ELSE 'kind/' || {kind} END AS type,
    {epoch} AS epoch,
    -- Nanoseconds since the Unix epoch.
    {time} AS time,
    {payload_len} AS payload_len,
    {prev} AS prev,
    {payload_hash} AS payload_hash,
    lower(hex(hash)) AS hash,
    payload
FROM event;",
        epoch = number(4, 4),
        time = number(16, 8),
        payload_len = number(24, 8),
        chain = hex(32),
        prev = hex(64),
        payload_hash = hex(96),
    )
}

/// SQL for a number in the header, little endian. SQL has no function for that: each half of a byte is looked up by its digit.
fn number(from: usize, len: usize) -> String {
    let digit = |byte: usize, half: usize| {
        format!("instr('123456789ABCDEF', substr(hex(substr(header, {}, 1)), {half}, 1))", from + byte + 1)
    };
    let byte = |byte: usize| format!("((({} << 4) + {}) << {})", digit(byte, 1), digit(byte, 2), 8 * byte);
    format!("({})", (0..len).map(byte).collect::<Vec<_>>().join(" + "))
}

fn checksum(lsn: u64, header: &[u8], hash: &[u8], payload: &[u8]) -> u32 {
    [header, hash, payload]
        .iter()
        .fold(crc32c::crc32c(&lsn.to_le_bytes()), |crc, part| crc32c::crc32c_append(crc, part))
}

/// Adds a row for an event, with a statement of [`INSERT_EVENT`].
pub(super) fn insert(
    statement: &mut Statement<'_>,
    lsn: u64,
    chain: i64,
    event: &ChainEvent,
) -> rusqlite::Result<()> {
    let header = hash::encode_header(&event.header);
    let hash = event.hash.as_bytes();
    let crc = checksum(lsn, &header, hash, &event.payload);
    statement
        .execute(params![lsn, chain, event.header.seq, &header[..], &hash[..], &event.payload[..], crc])
        .map(drop)
}

/// Makes the row of an event one without a payload, with a statement of [`STRIP_EVENT`].
pub(super) fn strip(statement: &mut Statement<'_>, lsn: Lsn, event: &ChainEvent) -> rusqlite::Result<()> {
    let header = hash::encode_header(&event.header);
    let crc = checksum(lsn.0, &header, event.hash.as_bytes(), &[]);
    statement.execute(params![lsn.0, crc]).map(drop)
}

/// Notes that a chain is gone, and what its head was.
pub(super) fn retire(connection: &Connection, number: i64, head: Head) -> rusqlite::Result<()> {
    let sql = "UPDATE chain SET length = ?2, hash = ?3, epoch = ?4, crc = ?5 WHERE number = ?1";
    let hash = &head.hash.as_bytes()[..];
    connection.execute(sql, params![number, head.length, hash, head.epoch, head_checksum(head)]).map(drop)
}

fn head_checksum(head: Head) -> u32 {
    let (length, epoch) = (head.length.to_le_bytes(), head.epoch.to_le_bytes());
    [head.chain_id.as_bytes(), &length[..], head.hash.as_bytes(), &epoch[..]]
        .iter()
        .fold(0, |crc, part| crc32c::crc32c_append(crc, part))
}

/// The columns that [`retired`] reads.
pub(super) const RETIRED: &str = "length, hash, epoch, crc";

/// The last head of a chain, from a row that has [`RETIRED`] from this column on; `None` if it was not retired.
///
/// # Errors
/// If it is not as it was written.
pub(super) fn retired(
    row: &Row<'_>,
    from: usize,
    file: &str,
    chain: ChainId,
) -> Result<Option<Head>, Damage> {
    let read = || -> rusqlite::Result<_> {
        let Some(length) = row.get::<_, Option<u64>>(from)? else { return Ok(None) };
        let hash = EventHash(row.get(from + 1)?);
        let head = Head { chain_id: chain, length, hash, epoch: row.get(from + 2)? };
        Ok(Some((head, row.get::<_, u32>(from + 3)?)))
    };
    match read().map_err(|error| fault::damage(file, Some(chain), format!("its last head: {error}")))? {
        Some((head, crc)) if crc != head_checksum(head) => {
            Err(fault::damage(file, Some(chain), "the checksum of its last head is another"))
        }
        found => Ok(found.map(|(head, _)| head)),
    }
}

/// The event of a row of [`COLUMNS`].
///
/// # Errors
/// If it is not as it was written.
pub(super) fn event(
    row: &Row<'_>,
    file: &str,
    chain: ChainId,
    seq: u64,
) -> Result<(Lsn, ChainEvent), Damage> {
    let damage = |what: String| fault::damage(file, Some(chain), format!("event {seq}: {what}"));
    let unreadable = |error: rusqlite::Error| damage(error.to_string());
    let blob = |column: usize| -> Result<&[u8], Damage> {
        row.get_ref(column).map_err(unreadable)?.as_blob().map_err(|error| damage(error.to_string()))
    };
    let (lsn, found): (u64, u64) = (row.get(0).map_err(unreadable)?, row.get(1).map_err(unreadable)?);
    if found != seq {
        return Err(damage(format!("it is missing, event {found} follows instead")));
    }
    let (header, hash, payload) = (blob(2)?, blob(3)?, blob(4)?);
    let crc: u32 = row.get(5).map_err(unreadable)?;
    if crc != checksum(lsn, header, hash, payload) {
        return Err(damage("its checksum is another".to_owned()));
    }
    let header: &[u8; HEADER_LEN] =
        header.try_into().map_err(|_| damage(format!("its header has {} bytes", header.len())))?;
    let hash = hash.try_into().map_err(|_| damage(format!("its hash has {} bytes", hash.len())))?;
    let header = hash::decode_header(header).map_err(|error| damage(error.to_string()))?;
    if (header.chain_id, header.seq) != (chain, seq) {
        return Err(damage(format!("there is event {} of chain {} here", header.seq, header.chain_id)));
    }
    Ok((Lsn(lsn), ChainEvent { header, hash: EventHash(hash), payload: Bytes::copy_from_slice(payload) }))
}

/// The id of a chain, as a column has it.
pub(super) fn chain_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ChainId> {
    row.get(column).map(ChainId)
}
