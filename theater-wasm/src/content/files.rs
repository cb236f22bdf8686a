//! Contents as files below one folder. No part of a path comes from a guest: folders are named by store ids, files by hashes.
//!
//! ```text
//! <store id>/data/<hash>            a content
//! <store id>/labels/<hash of label> the hash that the label points at, a line break, and the label
//! tmp/                              what is being written
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use theater_core::content::{Label, StoreId};
use theater_core::event::ContentDigest;
use theater_core::{Bytes, async_trait};

use super::{ContentError, ContentStore, OVERHEAD};

/// Keeps contents as files. One process at a time may use a folder.
///
/// A file appears whole or not at all: it is written elsewhere, made durable, and moved to its place then.
#[derive(Debug, Clone)]
pub struct FileContents {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    limit: u64,
    /// Bytes used; held while something is changed, so that changes come one after the other.
    used: Mutex<u64>,
}

impl FileContents {
    /// Opens a folder, which is made with the first store if it is not there. All contents, labels and stores together may take `limit` bytes.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn open(root: impl Into<PathBuf>, limit: u64) -> io::Result<Self> {
        let root = root.into();
        let tmp = root.join("tmp");
        if tmp.exists() {
            // Left by a process that ended while it wrote.
            fs::remove_dir_all(&tmp)?;
        }
        let mut used = 0;
        for store in names(&root)?.iter().filter(|name| name.parse::<StoreId>().is_ok()) {
            used += OVERHEAD;
            for file in names(&root.join(store).join("data"))? {
                used += OVERHEAD + fs::metadata(root.join(store).join("data").join(file))?.len();
            }
            for file in names(&root.join(store).join("labels"))? {
                let length = fs::metadata(root.join(store).join("labels").join(file))?.len();
                used += OVERHEAD + length.saturating_sub(65);
            }
        }
        Ok(Self { inner: Arc::new(Inner { root, limit, used: Mutex::new(used) }) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ContentError> + Send + 'static,
    ) -> Result<T, ContentError> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }
}

/// The names in a folder; none if it is not there.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name().into_string().ok())).collect();
    let mut names: Vec<_> = names?.into_iter().flatten().collect();
    names.sort();
    Ok(names)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// A file's bytes; `None` if it is not there.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Inner {
    /// The folder of a store that is there.
    fn store(&self, id: StoreId) -> Result<PathBuf, ContentError> {
        let folder = self.root.join(id.to_string());
        if folder.is_dir() { Ok(folder) } else { Err(ContentError::no_store(id)) }
    }

    /// Does something that takes `cost` bytes more, if there is room. Nobody else changes anything meanwhile.
    fn change<'a, T>(
        &self,
        work: impl FnOnce() -> Result<(u64, Change<'a, T>), ContentError>,
    ) -> Result<T, ContentError> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (cost, perform) = work()?;
        let after = used.saturating_add(cost);
        if after > self.limit {
            return Err(ContentError::Full { limit: self.limit });
        }
        let (value, freed) = perform()?;
        *used = after.saturating_sub(freed);
        Ok(value)
    }

    /// Writes a file whole.
    fn write(&self, name: &str, to: &Path, bytes: &[&[u8]]) -> Result<(), ContentError> {
        fs::create_dir_all(self.root.join("tmp"))?;
        let tmp = self.root.join("tmp").join(name);
        let mut file = File::create(&tmp)?;
        for bytes in bytes {
            file.write_all(bytes)?;
        }
        file.sync_all()?;
        fs::rename(&tmp, to)?;
        sync(to.parent().unwrap_or(&self.root))?;
        Ok(())
    }

    fn put(
        &self,
        id: StoreId,
        content: &Bytes,
        label: Option<&Label>,
    ) -> Result<ContentDigest, ContentError> {
        let hash = ContentDigest::of(content);
        self.change(|| {
            let folder = self.store(id)?;
            let path = folder.join("data").join(hash.to_string());
            let new = !path.exists();
            let cost = if new { OVERHEAD + content.len() as u64 } else { 0 };
            let cost = cost + label.map_or(0, |label| label_cost(&folder, label));
            let perform = move || {
                if new {
                    self.write("data", &path, &[content])?;
                }
                if let Some(label) = label {
                    self.write_label(&folder, label, hash)?;
                }
                Ok((hash, 0u64))
            };
            Ok((cost, Box::new(perform) as Change<'_, _>))
        })
    }

    fn write_label(&self, folder: &Path, label: &Label, hash: ContentDigest) -> Result<(), ContentError> {
        let line = format!("{hash}\n");
        self.write("label", &label_path(folder, label), &[line.as_bytes(), label.as_str().as_bytes()])
    }

    fn set_label(&self, id: StoreId, label: &Label, hash: ContentDigest) -> Result<(), ContentError> {
        self.change(|| {
            let folder = self.store(id)?;
            if !folder.join("data").join(hash.to_string()).exists() {
                return Err(ContentError::NoContent { hash });
            }
            let cost = label_cost(&folder, label);
            let perform = move || Ok((self.write_label(&folder, label, hash)?, 0u64));
            Ok((cost, Box::new(perform) as Change<'_, _>))
        })
    }

    fn remove_label(
        &self,
        id: StoreId,
        label: Label,
        from: Option<ContentDigest>,
    ) -> Result<(), ContentError> {
        self.change(|| {
            let path = label_path(&self.store(id)?, &label);
            let there = read_label(&path)?.map(|(hash, _)| hash);
            if let Some(hash) = from
                && there != Some(hash)
            {
                return Err(ContentError::NotLabelled { label, hash });
            }
            let perform = move || {
                if there.is_none() {
                    return Ok(((), 0));
                }
                fs::remove_file(&path)?;
                sync(path.parent().unwrap_or(&self.root))?;
                Ok(((), OVERHEAD + label.as_str().len() as u64))
            };
            Ok((0, Box::new(perform) as Change<'_, _>))
        })
    }
}

/// What is done once there is room: its value, and how many bytes it gave back.
type Change<'a, T> = Box<dyn FnOnce() -> Result<(T, u64), ContentError> + 'a>;

fn label_path(folder: &Path, label: &Label) -> PathBuf {
    folder.join("labels").join(ContentDigest::of(label.as_str().as_bytes()).to_string())
}

fn label_cost(folder: &Path, label: &Label) -> u64 {
    if label_path(folder, label).exists() { 0 } else { OVERHEAD + label.as_str().len() as u64 }
}

/// What a label's file says; `None` if it is not there.
fn read_label(path: &Path) -> Result<Option<(ContentDigest, Label)>, ContentError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| ContentError::Damaged)?;
    let (hash, label) = text.split_once('\n').ok_or(ContentError::Damaged)?;
    let (hash, label): (ContentDigest, Label) = match (hash.parse(), label.parse()) {
        (Ok(hash), Ok(label)) => (hash, label),
        _ => return Err(ContentError::Damaged),
    };
    // The name is the label's hash, so a file in another's place is noticed.
    let name = path.file_name().and_then(|name| name.to_str());
    if name != Some(&ContentDigest::of(label.as_str().as_bytes()).to_string()) {
        return Err(ContentError::Damaged);
    }
    Ok(Some((hash, label)))
}

#[async_trait]
impl ContentStore for FileContents {
    async fn create(&self, store: StoreId) -> Result<(), ContentError> {
        self.blocking(move |inner| {
            inner.change(|| {
                let perform = move || {
                    let folder = inner.root.join(store.to_string());
                    fs::create_dir_all(folder.join("data"))?;
                    fs::create_dir_all(folder.join("labels"))?;
                    sync(&folder)?;
                    sync(&inner.root)?;
                    Ok(((), 0u64))
                };
                Ok((OVERHEAD, Box::new(perform) as Change<'_, _>))
            })
        })
        .await
    }

    async fn put(
        &self,
        store: StoreId,
        content: Bytes,
        label: Option<Label>,
    ) -> Result<ContentDigest, ContentError> {
        self.blocking(move |inner| inner.put(store, &content, label.as_ref())).await
    }

    async fn get(&self, store: StoreId, hash: ContentDigest) -> Result<Bytes, ContentError> {
        self.blocking(move |inner| {
            let path = inner.store(store)?.join("data").join(hash.to_string());
            let content = read(&path)?.ok_or(ContentError::NoContent { hash })?;
            if ContentDigest::of(&content) == hash { Ok(content.into()) } else { Err(ContentError::Damaged) }
        })
        .await
    }

    async fn contents(&self, store: StoreId) -> Result<Vec<(ContentDigest, u64)>, ContentError> {
        self.blocking(move |inner| {
            let folder = inner.store(store)?.join("data");
            let mut contents = Vec::new();
            for name in names(&folder)? {
                let hash = name.parse().map_err(|_| ContentError::Damaged)?;
                contents.push((hash, fs::metadata(folder.join(name))?.len()));
            }
            Ok(contents)
        })
        .await
    }

    async fn has(&self, store: StoreId, hash: ContentDigest) -> Result<bool, ContentError> {
        self.blocking(move |inner| Ok(inner.store(store)?.join("data").join(hash.to_string()).exists())).await
    }

    async fn set_label(&self, store: StoreId, label: Label, hash: ContentDigest) -> Result<(), ContentError> {
        self.blocking(move |inner| inner.set_label(store, &label, hash)).await
    }

    async fn label(&self, store: StoreId, label: Label) -> Result<Option<ContentDigest>, ContentError> {
        self.blocking(move |inner| {
            let found = read_label(&label_path(&inner.store(store)?, &label))?;
            Ok(found.map(|(hash, _)| hash))
        })
        .await
    }

    async fn remove_label(
        &self,
        store: StoreId,
        label: Label,
        from: Option<ContentDigest>,
    ) -> Result<(), ContentError> {
        self.blocking(move |inner| inner.remove_label(store, label, from)).await
    }

    async fn labels(&self, store: StoreId) -> Result<Vec<Label>, ContentError> {
        self.blocking(move |inner| {
            let folder = inner.store(store)?.join("labels");
            let mut labels = Vec::new();
            for name in names(&folder)? {
                labels.extend(read_label(&folder.join(name))?.map(|(_, label)| label));
            }
            labels.sort();
            Ok(labels)
        })
        .await
    }
}
