//! Compiled components by content: each is compiled once, however many actors ask for it at the same time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use theater_core::{Bytes, ComponentErrorKind, Manifest};
use tokio::sync::OnceCell;

use super::{ActorComponent, PreparedComponent, compile};
use crate::engine::{ActorEngine, Compiled};
use crate::host;

/// BLAKE3 of a component.
pub(crate) type Digest = [u8; 32];

/// Components whose digest is remembered because their source keeps their bytes in memory anyway.
const REMEMBERED: usize = 64;

type Outcome = Result<PreparedComponent, ComponentErrorKind>;

/// What a prepared component depends on besides its bytes: which of the [interfaces](host::INTERFACES) it is given.
type Handlers = [bool; host::INTERFACES.len()];

/// Components by digest, and with what their handlers give them. A failure is kept as well: the same bytes fail the same way.
#[derive(Debug, Default)]
pub(crate) struct ComponentCache {
    compiled: DashMap<Digest, Arc<OnceCell<Result<Compiled, ComponentErrorKind>>>>,
    entries: DashMap<(Digest, Handlers), Arc<OnceCell<Outcome>>>,
    digests: Mutex<VecDeque<(Bytes, Digest)>>,
}

impl ComponentCache {
    /// The digest of a component. Hashing would be a good part of a start, so the digest of bytes that are still the same
    /// buffer is remembered: while we hold it, nobody can put others in its place.
    pub(crate) fn digest(&self, bytes: &Bytes) -> Digest {
        if bytes.is_unique() {
            // Read for this start alone: to keep it would only cost memory.
            return *blake3::hash(bytes).as_bytes();
        }
        let same = |other: &Bytes| other.as_ptr() == bytes.as_ptr() && other.len() == bytes.len();
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, digest)) = digests.iter().find(|(other, _)| same(other)) {
            return *digest;
        }
        let digest = *blake3::hash(bytes).as_bytes();
        if digests.len() == REMEMBERED {
            digests.pop_front();
        }
        digests.push_back((bytes.clone(), digest));
        digest
    }

    /// The component with these bytes, linked to what the manifest asks for. Compiles it on a blocking thread unless that
    /// was done or is being done.
    pub(crate) async fn prepare(
        &self,
        engine: &ActorEngine,
        manifest: &Manifest,
        digest: Digest,
        bytes: Bytes,
    ) -> Outcome {
        let handlers = std::array::from_fn(|index| manifest.has_handler(host::INTERFACES[index].handler));
        let cell = Arc::clone(&self.entries.entry((digest, handlers)).or_default());
        cell.get_or_init(|| async { link(self.compile(engine, digest, bytes).await?, handlers) })
            .await
            .clone()
    }

    async fn compile(
        &self,
        engine: &ActorEngine,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<Compiled, ComponentErrorKind> {
        let cell = Arc::clone(&self.compiled.entry(digest).or_default());
        let engine = engine.clone();
        cell.get_or_init(|| async move {
            let compiling = tokio::task::spawn_blocking(move || compile(&engine, &bytes));
            compiling.await.unwrap_or_else(|error| {
                Err(ComponentErrorKind::Rejected { message: format!("the compiler failed: {error}") })
            })
        })
        .await
        .clone()
    }
}

/// Microseconds, beside what compiling takes.
fn link(compiled: Compiled, handlers: Handlers) -> Outcome {
    let rejected =
        |error: theater_core::LinkError| ComponentErrorKind::Rejected { message: error.to_string() };
    let mut component = ActorComponent::of(compiled)?;
    for (interface, _) in host::INTERFACES.iter().zip(handlers).filter(|(_, asked)| *asked) {
        component.link(interface.handler).map_err(rejected)?;
    }
    component.prepare()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineConfig;

    #[tokio::test]
    async fn a_component_is_compiled_once_however_often_it_is_asked_for() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/components/bare.wasm");
        let bytes = Bytes::from(std::fs::read(path).unwrap());
        let manifest = Manifest::parse("a.toml", "name = \"a\"\ncomponent = \"a.wasm\"").unwrap();
        let engine = ActorEngine::new(&EngineConfig::default()).unwrap();
        let cache = ComponentCache::default();
        let digest = cache.digest(&bytes);
        let all = (0..8).map(|_| cache.prepare(&engine, &manifest, digest, bytes.clone()));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
        // There is nothing here to compile.
        assert!(cache.prepare(&engine, &manifest, digest, Bytes::new()).await.is_ok());
        assert!(cache.prepare(&engine, &manifest, [0; 32], Bytes::new()).await.is_err());
        // Nor for another manifest.
        let handlers = "name = \"a\"\ncomponent = \"a.wasm\"\nhandlers = [{ type = \"wasi\" }]";
        let other = Manifest::parse("a.toml", handlers).unwrap();
        assert!(cache.prepare(&engine, &other, digest, Bytes::new()).await.is_ok());
        assert_eq!((cache.entries.len(), cache.compiled.len()), (3, 2));
    }
}
