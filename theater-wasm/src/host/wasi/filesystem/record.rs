//! What is recorded of WASI's files: answers as they go into records, and errors by their names.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use theater_core::Bytes;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorStat, DescriptorType, ErrorCode};

use super::handle::Kind;
use crate::host::record::Answer;
use crate::host::services::Refusal;

/// Something that could not be done with a file, as WASI names it.
#[derive(Debug, thiserror::Error)]
#[error("{}", name(*.0))]
pub(crate) struct Failure(pub(super) ErrorCode);

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Wasi(Failure(code))
    }
}

macro_rules! codes {
    ($($code:ident = $name:literal,)*) => {
        /// The name of an error, as the interface has it.
        fn name(code: ErrorCode) -> &'static str {
            match code {
                $(ErrorCode::$code => $name,)*
            }
        }

        /// The error that a record names. Whatever else kept it from being done is an error of input and output: WASI has no words
        /// for it, and the record has.
        pub(super) fn code(text: &str) -> ErrorCode {
            match text {
                $($name => ErrorCode::$code,)*
                _ => ErrorCode::Io,
            }
        }
    };
}

codes! {
    Access = "access",
    WouldBlock = "would-block",
    Already = "already",
    BadDescriptor = "bad-descriptor",
    Busy = "busy",
    Deadlock = "deadlock",
    Quota = "quota",
    Exist = "exist",
    FileTooLarge = "file-too-large",
    IllegalByteSequence = "illegal-byte-sequence",
    InProgress = "in-progress",
    Interrupted = "interrupted",
    Invalid = "invalid",
    Io = "io",
    IsDirectory = "is-directory",
    Loop = "loop",
    TooManyLinks = "too-many-links",
    MessageSize = "message-size",
    NameTooLong = "name-too-long",
    NoDevice = "no-device",
    NoEntry = "no-entry",
    NoLock = "no-lock",
    InsufficientMemory = "insufficient-memory",
    InsufficientSpace = "insufficient-space",
    NotDirectory = "not-directory",
    NotEmpty = "not-empty",
    NotRecoverable = "not-recoverable",
    Unsupported = "unsupported",
    NoTty = "no-tty",
    NoSuchDevice = "no-such-device",
    Overflow = "overflow",
    NotPermitted = "not-permitted",
    Pipe = "pipe",
    ReadOnly = "read-only",
    InvalidSeek = "invalid-seek",
    TextFileBusy = "text-file-busy",
    CrossDevice = "cross-device",
}

/// What a thing in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Type {
    Unknown,
    BlockDevice,
    CharacterDevice,
    Directory,
    Fifo,
    SymbolicLink,
    RegularFile,
    Socket,
}

macro_rules! types {
    ($($name:ident),*) => {
        impl From<DescriptorType> for Type {
            fn from(kind: DescriptorType) -> Self {
                match kind { $(DescriptorType::$name => Self::$name,)* }
            }
        }

        impl From<Type> for DescriptorType {
            fn from(kind: Type) -> Self {
                match kind { $(Type::$name => Self::$name,)* }
            }
        }
    };
}

types!(Unknown, BlockDevice, CharacterDevice, Directory, Fifo, SymbolicLink, RegularFile, Socket);

/// A name in a folder.
pub(crate) type Entry = (String, Type);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Time {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}

impl Time {
    /// `None` before 1970, for which WASI has no word.
    pub(super) fn of(time: SystemTime) -> Option<Self> {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Self { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
    }
}

impl From<Time> for Datetime {
    fn from(time: Time) -> Self {
        Self { seconds: time.seconds, nanoseconds: time.nanoseconds }
    }
}

/// What is known of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stat {
    #[serde(rename = "type")]
    pub(super) kind: Type,
    pub(super) links: u64,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accessed: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modified: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changed: Option<Time>,
}

impl From<Stat> for DescriptorStat {
    fn from(stat: Stat) -> Self {
        Self {
            type_: stat.kind.into(),
            link_count: stat.links,
            size: stat.size,
            data_access_timestamp: stat.accessed.map(Into::into),
            data_modification_timestamp: stat.modified.map(Into::into),
            status_change_timestamp: stat.changed.map(Into::into),
        }
    }
}

/// What an opened thing is.
impl Answer for Kind {
    fn record(&self) -> Option<Bytes> {
        Some(Bytes::from_static(match self {
            Self::File => b"regular-file",
            Self::Folder => b"directory",
        }))
    }

    fn read(recorded: Option<Bytes>) -> Option<Self> {
        match &*recorded? {
            b"regular-file" => Some(Self::File),
            b"directory" => Some(Self::Folder),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_recorded_by_their_names_and_anything_else_is_read_as_an_error_of_input_and_output() {
        for failed in [ErrorCode::NoEntry, ErrorCode::Quota, ErrorCode::Io, ErrorCode::CrossDevice] {
            assert_eq!(code(&Failure(failed).to_string()), failed);
        }
        assert_eq!(name(ErrorCode::IllegalByteSequence), "illegal-byte-sequence");
        assert_eq!(code("outcome unknown: the runtime ended"), ErrorCode::Io);
    }

    #[test]
    fn answers_come_out_of_their_records_as_they_went_in() {
        let time = |seconds| Some(Time { seconds, nanoseconds: 999_999_999 });
        for (accessed, modified, changed) in [(None, None, None), (time(0), time(u64::MAX), time(1))] {
            let stat = Stat { kind: Type::Directory, links: 2, size: u64::MAX, accessed, modified, changed };
            assert_eq!(Stat::read(stat.record()), Some(stat));
        }
        for kind in [Kind::File, Kind::Folder] {
            assert_eq!(Kind::read(kind.record()), Some(kind));
        }
        assert_eq!(Kind::read(Some(Bytes::from_static(b"fifo"))), None);
        let entries = vec![("ä".to_owned(), Type::Fifo), (String::new(), Type::RegularFile)];
        assert_eq!(Vec::<Entry>::read(entries.record()), Some(entries));
    }
}
