//! Files that take their name when they are complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file on its way. Dropped before [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct PendingFile {
    target: PathBuf,
    /// The file beside the target; `None` for a device or a pipe, which is written to as it is.
    temporary: Option<PathBuf>,
    writer: BufWriter<File>,
}

impl PendingFile {
    /// Begins a file that will be called `path`. A link is followed: what it points to is replaced.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let existing = fs::metadata(path);
        if existing.as_ref().is_ok_and(fs::Metadata::is_dir) {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        if existing.is_ok_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().write(true).open(path)?;
            return Ok(Self { target: path.to_owned(), temporary: None, writer: BufWriter::new(file) });
        }
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = target
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no name"))?;
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}.tmp", std::process::id()));
        let temporary = target.with_file_name(temporary);
        let file = File::create(&temporary)?;
        Ok(Self { target, temporary: Some(temporary), writer: BufWriter::new(file) })
    }

    /// Whether a file of this name could be made. Leaves nothing behind, and does not touch one that is there.
    pub(crate) fn probe(path: &Path) -> io::Result<()> {
        match fs::metadata(path) {
            // To open a pipe would wait for its reader.
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok(()),
            _ => Self::create(path).map(drop),
        }
    }

    /// Writes everything to the disk and gives the file its name. A file that had it is replaced, at once and whole.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.writer.flush()?;
        let Some(temporary) = &self.temporary else { return Ok(()) };
        self.writer.get_ref().sync_all()?;
        fs::rename(temporary, &self.target)?;
        self.temporary = None;
        sync_folder(&self.target)
    }
}

/// Makes the new name outlive a power failure, where folders can be synced.
fn sync_folder(file: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing depends on it: the next run writes to the name of its own process.
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        fs::write(&path, "old").unwrap();

        let mut abandoned = PendingFile::create(&path).unwrap();
        abandoned.write_all(b"half").unwrap();
        drop(abandoned);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("old", 1));

        let mut file = PendingFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), names(folder.path()).len()), ("new", 1));
    }

    #[test]
    fn a_probe_finds_out_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        PendingFile::probe(&folder.path().join("out.jsonl")).unwrap();
        assert!(names(folder.path()).is_empty());
        assert!(PendingFile::probe(&folder.path().join("gone/out.jsonl")).is_err());
        assert!(PendingFile::probe(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let device = Path::new("/dev/null");
        let mut file = PendingFile::create(device).unwrap();
        file.write_all(b"x").unwrap();
        file.commit().unwrap();
        assert!(!fs::metadata(device).unwrap().is_file());
    }
}
