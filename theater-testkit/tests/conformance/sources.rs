//! `MapSource` under the suite for manifest sources.

use std::sync::Arc;

use theater_core::{ManifestSource, MapSource};
use theater_testkit::conformance::source::{SourceCapability, TestSource};

/// Files by name. A file beside the root is one that was not put in.
#[derive(Default)]
pub(crate) struct InMemory {
    source: MapSource,
}

impl TestSource for InMemory {
    fn put(&mut self, path: &str, content: &[u8]) {
        self.source = std::mem::take(&mut self.source).with(path, content.to_vec());
    }

    fn source(&self) -> Arc<dyn ManifestSource> {
        Arc::new(self.source.clone())
    }

    fn lacks(&self, capability: SourceCapability) -> Option<&'static str> {
        match capability {
            SourceCapability::Folders => Some("its names are not relative to anything"),
            SourceCapability::Links => Some("it has no links"),
            _ => None,
        }
    }
}
