//! Contents in memory: they end with the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use theater_core::content::{Label, StoreId};
use theater_core::event::ContentDigest;
use theater_core::{Bytes, async_trait};

use super::{ContentError, ContentStore, DEFAULT_CONTENT_LIMIT, OVERHEAD};

/// Keeps contents in memory.
#[derive(Debug)]
pub struct MemoryContents {
    limit: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    used: u64,
    stores: HashMap<StoreId, Store>,
}

#[derive(Debug, Default)]
struct Store {
    contents: BTreeMap<ContentDigest, Bytes>,
    labels: BTreeMap<Label, ContentDigest>,
}

impl Default for MemoryContents {
    fn default() -> Self {
        Self::new(DEFAULT_CONTENT_LIMIT)
    }
}

impl MemoryContents {
    /// An empty one that takes at most this many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn store(&mut self, id: StoreId) -> Result<&mut Store, ContentError> {
        self.stores.get_mut(&id).ok_or_else(|| ContentError::no_store(id))
    }

    /// Notes what more is used, if there is room.
    fn charge(&mut self, bytes: u64, limit: u64) -> Result<(), ContentError> {
        let used = self.used.saturating_add(bytes);
        if used > limit {
            return Err(ContentError::Full { limit });
        }
        self.used = used;
        Ok(())
    }
}

fn label_cost(store: &Store, label: Option<&Label>) -> u64 {
    let new = label.filter(|label| !store.labels.contains_key(label));
    new.map_or(0, |label| OVERHEAD + label.as_str().len() as u64)
}

#[async_trait]
impl ContentStore for MemoryContents {
    async fn create(&self, store: StoreId) -> Result<(), ContentError> {
        let mut inner = self.inner();
        inner.charge(OVERHEAD, self.limit)?;
        inner.stores.entry(store).or_default();
        Ok(())
    }

    async fn put(
        &self,
        id: StoreId,
        content: Bytes,
        label: Option<Label>,
    ) -> Result<ContentDigest, ContentError> {
        let hash = ContentDigest::of(&content);
        let mut inner = self.inner();
        let store = inner.store(id)?;
        let new = !store.contents.contains_key(&hash);
        let cost = if new { OVERHEAD + content.len() as u64 } else { 0 };
        let cost = cost + label_cost(store, label.as_ref());
        inner.charge(cost, self.limit)?;
        let store = inner.store(id)?;
        if new {
            // A slice of a larger buffer would keep all of it.
            store.contents.insert(hash, Bytes::copy_from_slice(&content));
        }
        if let Some(label) = label {
            store.labels.insert(label, hash);
        }
        Ok(hash)
    }

    async fn get(&self, store: StoreId, hash: ContentDigest) -> Result<Bytes, ContentError> {
        let content = self.inner().store(store)?.contents.get(&hash).cloned();
        let content = content.ok_or(ContentError::NoContent { hash })?;
        if ContentDigest::of(&content) == hash { Ok(content) } else { Err(ContentError::Damaged) }
    }

    async fn contents(&self, store: StoreId) -> Result<Vec<(ContentDigest, u64)>, ContentError> {
        let mut inner = self.inner();
        let contents = &inner.store(store)?.contents;
        Ok(contents.iter().map(|(hash, content)| (*hash, content.len() as u64)).collect())
    }

    async fn has(&self, store: StoreId, hash: ContentDigest) -> Result<bool, ContentError> {
        Ok(self.inner().store(store)?.contents.contains_key(&hash))
    }

    async fn set_label(&self, id: StoreId, label: Label, hash: ContentDigest) -> Result<(), ContentError> {
        let mut inner = self.inner();
        let store = inner.store(id)?;
        if !store.contents.contains_key(&hash) {
            return Err(ContentError::NoContent { hash });
        }
        let cost = label_cost(store, Some(&label));
        inner.charge(cost, self.limit)?;
        inner.store(id)?.labels.insert(label, hash);
        Ok(())
    }

    async fn label(&self, store: StoreId, label: Label) -> Result<Option<ContentDigest>, ContentError> {
        Ok(self.inner().store(store)?.labels.get(&label).copied())
    }

    async fn remove_label(
        &self,
        id: StoreId,
        label: Label,
        from: Option<ContentDigest>,
    ) -> Result<(), ContentError> {
        let mut inner = self.inner();
        let store = inner.store(id)?;
        if let Some(hash) = from
            && store.labels.get(&label) != Some(&hash)
        {
            return Err(ContentError::NotLabelled { label, hash });
        }
        if store.labels.remove(&label).is_some() {
            inner.used -= OVERHEAD + label.as_str().len() as u64;
        }
        Ok(())
    }

    async fn labels(&self, store: StoreId) -> Result<Vec<Label>, ContentError> {
        Ok(self.inner().store(store)?.labels.keys().cloned().collect())
    }
}
