//! What the operating systems do each in their own way.

#[cfg(unix)]
pub(super) use unix::*;

#[cfg(not(unix))]
pub(super) use other::*;

#[cfg(unix)]
mod unix {
    use std::io;

    use cap_std::fs::{
        File, FileExt, FileType, FileTypeExt, Metadata, MetadataExt, OpenOptions, OpenOptionsExt,
    };
    use wasmtime_wasi::p2::bindings::filesystem::types::DescriptorType;

    use super::super::record::Time;

    /// Says that opening waits for nobody, and takes no terminal.
    pub(in super::super) fn never_wait(options: &mut OpenOptions) {
        options.custom_flags(crate::folder::nonblocking());
    }

    pub(in super::super) fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(bytes, offset)
    }

    pub(in super::super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    pub(in super::super) fn links(metadata: &Metadata) -> u64 {
        metadata.nlink()
    }

    /// When anything about it was last changed.
    pub(in super::super) fn changed(metadata: &Metadata) -> Option<Time> {
        let seconds = u64::try_from(metadata.ctime()).ok()?;
        Some(Time { seconds, nanoseconds: u32::try_from(metadata.ctime_nsec()).ok()? })
    }

    /// The same of the same thing only.
    pub(in super::super) fn identity(metadata: &Metadata) -> [u64; 2] {
        [metadata.dev(), metadata.ino()]
    }

    pub(in super::super) fn descriptor_type(kind: FileType) -> DescriptorType {
        match kind {
            kind if kind.is_file() => DescriptorType::RegularFile,
            kind if kind.is_dir() => DescriptorType::Directory,
            kind if kind.is_symlink() => DescriptorType::SymbolicLink,
            kind if kind.is_block_device() => DescriptorType::BlockDevice,
            kind if kind.is_char_device() => DescriptorType::CharacterDevice,
            kind if kind.is_fifo() => DescriptorType::Fifo,
            kind if kind.is_socket() => DescriptorType::Socket,
            _ => DescriptorType::Unknown,
        }
    }
}

#[cfg(not(unix))]
mod other {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::io::{self, Read, Seek, SeekFrom, Write};

    use cap_std::fs::{File, FileType, Metadata, OpenOptions};
    use wasmtime_wasi::p2::bindings::filesystem::types::DescriptorType;

    use super::super::record::Time;

    pub(in super::super) fn never_wait(_: &mut OpenOptions) {}

    pub(in super::super) fn read_at(mut file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek(SeekFrom::Start(offset))?;
        file.read(bytes)
    }

    pub(in super::super) fn write_all_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(bytes)
    }

    pub(in super::super) fn links(_: &Metadata) -> u64 {
        1
    }

    pub(in super::super) fn changed(_: &Metadata) -> Option<Time> {
        None
    }

    /// As good as it gets without a number of the file's own.
    pub(in super::super) fn identity(metadata: &Metadata) -> [u64; 2] {
        let mut hasher = DefaultHasher::new();
        metadata.created().ok().map(cap_std::time::SystemTime::into_std).hash(&mut hasher);
        [hasher.finish(), u64::from(metadata.is_dir())]
    }

    pub(in super::super) fn descriptor_type(kind: FileType) -> DescriptorType {
        match kind {
            kind if kind.is_file() => DescriptorType::RegularFile,
            kind if kind.is_dir() => DescriptorType::Directory,
            kind if kind.is_symlink() => DescriptorType::SymbolicLink,
            _ => DescriptorType::Unknown,
        }
    }
}
