//! Content in memory by its digest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use theater_core::Bytes;
use theater_core::source::ContentDigest;

/// Content by its digest, at most so many bytes of it: what came first goes first.
#[derive(Debug)]
pub(super) struct ContentCache {
    limit: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    contents: HashMap<ContentDigest, Bytes>,
    order: VecDeque<ContentDigest>,
    bytes: u64,
}

impl ContentCache {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    pub(super) fn get(&self, digest: &ContentDigest) -> Option<Bytes> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).contents.get(digest).cloned()
    }

    pub(super) fn put(&self, content: &Bytes) {
        let size = content.len() as u64;
        if size > self.limit {
            return;
        }
        let digest = ContentDigest::of(content);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.contents.insert(digest, content.clone()).is_some() {
            return;
        }
        kept.order.push_back(digest);
        kept.bytes += size;
        while kept.bytes > self.limit {
            let Some(oldest) = kept.order.pop_front() else { return };
            let gone = kept.contents.remove(&oldest).map_or(0, |content| content.len() as u64);
            kept.bytes -= gone;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_goes_first_when_the_bound_is_reached() {
        let cache = ContentCache::new(10);
        let content = |text: &'static str| Bytes::from_static(text.as_bytes());
        let has = |text: &str| cache.get(&ContentDigest::of(text.as_bytes())).is_some();
        for text in ["aaaa", "bbbb", "bbbb", "ccc"] {
            cache.put(&content(text));
        }
        assert_eq!((has("aaaa"), has("bbbb"), has("ccc")), (false, true, true));
        cache.put(&content("too large for it"));
        assert_eq!((has("too large for it"), has("bbbb")), (false, true));
    }
}
