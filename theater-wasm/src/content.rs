//! Where actors keep contents: stores of bytes that are named by their hash, with labels that point at them.

mod files;
mod memory;

use std::fmt;
use std::sync::Arc;

use theater_core::content::{Label, StoreId};
use theater_core::event::ContentDigest;
use theater_core::{Bytes, async_trait};

pub use files::FileContents;
pub use memory::MemoryContents;

/// What all contents, labels and stores of a [`ContentStore`] may take unless it is told otherwise: 256 MiB.
pub const DEFAULT_CONTENT_LIMIT: u64 = 256 << 20;

/// What a store, and what a label takes besides its text and contents: the many small things count as well.
const OVERHEAD: u64 = 128;

/// Keeps contents, for all actors of a runtime. [`MemoryContents`] and [`FileContents`] are two.
///
/// # Contract
/// A content that was kept is given back byte for byte or not at all: an implementation checks its hash when it is read. Every
/// method is one step: others see all of it or nothing. A store that was not made is [`NoStore`](ContentError::NoStore). What would
/// exceed the limit is [`Full`](ContentError::Full), and changes nothing.
#[async_trait]
pub trait ContentStore: fmt::Debug + Send + Sync + 'static {
    /// Makes an empty store.
    ///
    /// # Errors
    /// [`Full`](ContentError::Full), [`Io`](ContentError::Io).
    async fn create(&self, store: StoreId) -> Result<(), ContentError>;

    /// Keeps a content, with a label that points at it from then on where one is given.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore), [`Full`](ContentError::Full), [`Io`](ContentError::Io).
    async fn put(
        &self,
        store: StoreId,
        content: Bytes,
        label: Option<Label>,
    ) -> Result<ContentDigest, ContentError>;

    /// A content.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore), [`NoContent`](ContentError::NoContent), [`Damaged`](ContentError::Damaged),
    /// [`Io`](ContentError::Io).
    async fn get(&self, store: StoreId, hash: ContentDigest) -> Result<Bytes, ContentError>;

    /// All contents with their sizes, sorted by hash.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore), [`Io`](ContentError::Io).
    async fn contents(&self, store: StoreId) -> Result<Vec<(ContentDigest, u64)>, ContentError>;

    /// Whether a content is there.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore), [`Io`](ContentError::Io).
    async fn has(&self, store: StoreId, hash: ContentDigest) -> Result<bool, ContentError>;

    /// Points a label at a content that is there.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore), [`NoContent`](ContentError::NoContent), [`Full`](ContentError::Full),
    /// [`Io`](ContentError::Io).
    async fn set_label(&self, store: StoreId, label: Label, hash: ContentDigest) -> Result<(), ContentError>;

    /// What a label points at.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore), [`Damaged`](ContentError::Damaged), [`Io`](ContentError::Io).
    async fn label(&self, store: StoreId, label: Label) -> Result<Option<ContentDigest>, ContentError>;

    /// Removes a label, if it is there; with `from`, only if it points at that.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore); [`NotLabelled`](ContentError::NotLabelled) if it does not point at `from`;
    /// [`Io`](ContentError::Io).
    async fn remove_label(
        &self,
        store: StoreId,
        label: Label,
        from: Option<ContentDigest>,
    ) -> Result<(), ContentError>;

    /// All labels, sorted.
    ///
    /// # Errors
    /// [`NoStore`](ContentError::NoStore), [`Damaged`](ContentError::Damaged), [`Io`](ContentError::Io).
    async fn labels(&self, store: StoreId) -> Result<Vec<Label>, ContentError>;
}

const _OBJECT_SAFE: fn(&dyn ContentStore) = |_| {};

/// Why a content store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// There is no such store, or whoever asks does not know its id.
    #[error("no store `{id}`")]
    NoStore {
        /// What was given, cut to a printable length.
        id: String,
    },
    /// The store does not have the content.
    #[error("the store has no content {hash}")]
    NoContent {
        /// Its hash.
        hash: ContentDigest,
    },
    /// The label does not point at the content.
    #[error("label `{label}` does not point at {hash}")]
    NotLabelled {
        /// The label.
        label: Label,
        /// The content.
        hash: ContentDigest,
    },
    /// There is no room.
    #[error("no room: all stores together may take {limit} bytes")]
    Full {
        /// Limit in bytes.
        limit: u64,
    },
    /// What was kept is not what is there.
    #[error("what is stored is damaged")]
    Damaged,
    /// It could not be read or written.
    #[error("the store could not be read or written")]
    Io(#[source] Arc<std::io::Error>),
}

impl ContentError {
    fn no_store(id: StoreId) -> Self {
        Self::NoStore { id: id.to_string() }
    }
}

impl From<std::io::Error> for ContentError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
