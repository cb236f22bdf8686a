//! `FileSource` under the suite for manifest sources, alone and behind schemes.

use std::path::PathBuf;
use std::sync::Arc;

use theater_core::ManifestSource;
use theater_core::source::SchemeSource;
use theater_testkit::conformance::source::{SourceCapability, TestSource};
use theater_testkit::manifest_source_tests;
use theater_wasm::FileSource;

/// A root in a folder of its own, with room beside it.
struct InAFolder {
    folder: tempfile::TempDir,
    root: PathBuf,
    /// Behind a source that looks at schemes first.
    routed: bool,
}

impl InAFolder {
    fn routed() -> Self {
        Self { routed: true, ..Self::new() }
    }

    fn new() -> Self {
        let folder = tempfile::tempdir().expect("the machine has room for a folder");
        let root = folder.path().join("root");
        std::fs::create_dir(&root).expect("it is a new folder");
        Self { folder, root, routed: false }
    }

    fn inside(&self, path: &str) -> PathBuf {
        let path = self.root.join(path);
        let folder = path.parent().expect("it is below the root");
        std::fs::create_dir_all(folder).expect("nothing is in the way");
        path
    }
}

impl TestSource for InAFolder {
    fn put(&mut self, path: &str, content: &[u8]) {
        std::fs::write(self.inside(path), content).expect("nothing is in the way");
    }

    fn put_outside(&mut self, name: &str, content: &[u8]) -> Option<String> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("nothing is in the way");
        path.to_str().map(str::to_owned)
    }

    #[cfg(unix)]
    fn link(&mut self, path: &str, target: &str) -> Result<(), String> {
        std::os::unix::fs::symlink(target, self.inside(path)).map_err(|error| error.to_string())
    }

    fn source(&self) -> Arc<dyn ManifestSource> {
        let files = FileSource::new(&self.root).expect("the root is a folder");
        if self.routed {
            Arc::new(SchemeSource::new(files).without("https", "not here"))
        } else {
            Arc::new(files)
        }
    }

    fn lacks(&self, capability: SourceCapability) -> Option<&'static str> {
        (cfg!(not(unix)) && capability == SourceCapability::Links).then_some("links need rights there")
    }
}

manifest_source_tests!(files, InAFolder::new());
manifest_source_tests!(routed, InAFolder::routed());
