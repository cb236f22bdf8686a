//! A map from references to local files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use theater_core::error::printable;
use theater_core::source::{FetchError, MAX_FILE, MAX_MANIFEST, scheme, toml_string, whole};
use theater_core::{
    Bytes, LoadedManifest, ManifestError, ManifestErrorKind, ManifestRef, ManifestSource, async_trait,
};
use toml::de::{DeTable, DeValue};

use super::FileSource;

/// A TOML file that says which local file stands for a reference with a scheme, for tests and for machines without a network:
///
/// ```toml
/// "https://example.org/shop/app.toml" = "vendored/app.toml"
/// "store:desk" = "vendored/desk.wasm"
/// ```
///
/// Paths start at the folder of the map and stay in it. What the map does not have is refused, with the line to add. What a
/// manifest refers to is looked for under its whole reference: the files of an `https:` manifest keep their addresses. Digests in
/// references are compared as always.
///
/// It is a source for the schemes that it has: see [`schemes`](Self::schemes).
#[derive(Debug, Clone)]
pub struct MapFile {
    files: FileSource,
    entries: Arc<BTreeMap<String, String>>,
}

impl MapFile {
    /// Reads a map.
    ///
    /// # Errors
    /// If the file cannot be read, or is not as it has to be: with its name and the line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ManifestError> {
        let path = path.as_ref();
        let origin = path.display().to_string();
        let failed = |error: std::io::Error| {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => ManifestErrorKind::NotFound,
                _ => ManifestErrorKind::Io(Arc::new(error)),
            };
            ManifestError::new(&*origin, kind)
        };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let files = FileSource::new(folder).map_err(failed)?;
        Ok(Self { files, entries: Arc::new(entries(&origin, &text)?) })
    }

    /// The schemes of its references, each once, in lower case.
    #[must_use]
    pub fn schemes(&self) -> Vec<String> {
        let schemes = self.entries.keys().filter_map(|key| scheme(key)).map(str::to_ascii_lowercase);
        let mut schemes: Vec<_> = schemes.collect();
        schemes.dedup();
        schemes
    }

    async fn get(&self, location: &str, limit: u64) -> Result<Bytes, ManifestError> {
        let Some(path) = self.entries.get(location) else {
            let line = format!("{} = \"path/of/the/file\"", toml_string(location));
            return Err(ManifestError::new(printable(location), FetchError::NotMapped { line }.into()));
        };
        let file = self.files.at_root(path, limit).await;
        file.map_err(|kind| {
            ManifestError::new(format!("{} (for {})", printable(path), printable(location)), kind)
        })
    }
}

#[async_trait]
impl ManifestSource for MapFile {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let reference = reference.as_str();
        let location = whole("", reference).map_err(|kind| ManifestError::new(printable(reference), kind))?;
        let content = self.get(&location, MAX_MANIFEST).await?;
        LoadedManifest::from_bytes(location, content)
    }

    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        let location = whole(&manifest.origin, reference);
        let location = location.map_err(|kind| ManifestError::new(printable(reference), kind))?;
        self.get(&location, MAX_FILE).await
    }

    fn relative(&self, manifest: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        whole(&manifest.origin, reference)
            .map(Into::into)
            .map_err(|kind| ManifestError::new(printable(reference), kind))
    }
}

/// The entries of a map, with their references in the form that compares.
fn entries(origin: &str, text: &str) -> Result<BTreeMap<String, String>, ManifestError> {
    let at = |offset: usize, kind| {
        let lines = text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
        ManifestError::new(origin, kind).at_line(u32::try_from(lines + 1).unwrap_or(u32::MAX))
    };
    let table = DeTable::parse(text).map_err(|error| {
        let kind = ManifestErrorKind::Syntax { message: error.message().to_owned() };
        at(error.span().map_or(0, |span| span.start), kind)
    })?;
    let mut entries = BTreeMap::new();
    for (key, value) in table.get_ref() {
        let (name, start) = (key.get_ref().to_string(), key.span().start);
        let DeValue::String(path) = value.get_ref() else {
            let (expected, found) = ("the path of a file", "something else");
            return Err(at(start, ManifestErrorKind::WrongType { key: printable(&name), expected, found }));
        };
        let invalid = |message: &str| {
            let (key, value) = (printable(&name), printable(path));
            at(start, ManifestErrorKind::InvalidValue { key, value, message: message.to_owned() })
        };
        if scheme(&name).is_none() {
            return Err(invalid(
                "maps what has no scheme; a reference without one is a file of its manifest's folder already",
            ));
        }
        if name.contains("#blake3=") {
            return Err(invalid(
                "has a digest in its key; leave it out: it is compared wherever the reference stands",
            ));
        }
        let location = whole("", &name).map_err(|kind| at(start, kind))?;
        if let Some(other) = entries.insert(location.clone(), path.to_string()) {
            return Err(invalid(&format!(
                "stands for {location}, which is mapped to {} already",
                printable(&other)
            )));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use theater_core::source::{ContentDigest, Reference, SchemeSource, find, read};
    use theater_core::{MapSource, load};

    use super::*;

    const APP: &str = "name = \"app\"\n[[children]]\nid = \"w\"\nmanifest = \"parts/worker.toml\"\n";
    const WORKER: &str = "name = \"worker\"\ncomponent = \"../w.wasm\"\n";

    fn folder(map: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("vendored")).unwrap();
        for (name, content) in [
            ("map.toml", map),
            ("vendored/app.toml", APP),
            ("vendored/worker.toml", WORKER),
            ("vendored/w.wasm", "wasm"),
        ] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    fn source(folder: &tempfile::TempDir) -> SchemeSource {
        let map = MapFile::open(folder.path().join("map.toml")).unwrap();
        map.schemes()
            .iter()
            .fold(SchemeSource::new(MapSource::new()), |source, scheme| source.with(scheme, map.clone()))
    }

    const MAP: &str = "\"https://example.org/shop/app.toml\" = \"vendored/app.toml\"\n\
                       \"https://Example.org:443/shop/parts/worker.toml\" = \"vendored/worker.toml\"\n\
                       \"https://example.org/shop/w.wasm\" = \"vendored/w.wasm\"\n\
                       \"oci:app\" = \"vendored/gone.toml\"\n";

    #[tokio::test]
    async fn a_whole_tree_comes_out_of_the_map_under_its_addresses() {
        let folder = folder(MAP);
        let source = source(&folder);
        let app = load(&source, &"https://example.org/shop/app.toml".into()).await.unwrap();
        let worker = &app.children[0].manifest;
        assert_eq!(&*worker.origin, "https://example.org/shop/parts/worker.toml");
        let component = worker.manifest.component.as_ref().unwrap();
        assert_eq!(read(&source, worker, component).await.unwrap().bytes, "wasm");
        let error = find(&source, &"oci:app".into()).await.unwrap_err().to_string();
        assert_eq!(error, "vendored/gone.toml (for oci:app): not found");
    }

    #[tokio::test]
    async fn what_is_not_in_the_map_is_refused_with_the_line_to_add() {
        let folder = folder(MAP);
        let source = source(&folder);
        let app = find(&source, &"https://example.org/shop/app.toml".into()).await.unwrap();
        let error = read(&source, &app, &Reference::parse("a.wasm").unwrap()).await.unwrap_err();
        let ManifestErrorKind::Fetch(FetchError::NotMapped { line }) = &error.kind else { panic!("{error}") };
        assert_eq!(line, "\"https://example.org/shop/a.wasm\" = \"path/of/the/file\"");
        let added = format!("{line}\n");
        assert!(entries("map", &added).unwrap().contains_key("https://example.org/shop/a.wasm"));
    }

    #[tokio::test]
    async fn digests_are_compared_all_the_same() {
        let folder = folder(MAP);
        let source = source(&folder);
        for (content, good) in [(APP, true), ("another", false)] {
            let digest = ContentDigest::of(content.as_bytes());
            let reference = format!("https://example.org/shop/app.toml#blake3={digest}");
            assert_eq!(find(&source, &reference.into()).await.is_ok(), good, "{content}");
        }
    }

    #[tokio::test]
    async fn no_file_outside_the_maps_folder_is_reached() {
        let outer = folder("");
        let inner = outer.path().join("vendored");
        std::fs::write(inner.join("map.toml"), "\"store:up\" = \"../map.toml\"").unwrap();
        let map = MapFile::open(inner.join("map.toml")).unwrap();
        let kind = map.manifest(&"store:up".into()).await.unwrap_err().kind;
        assert!(matches!(kind, ManifestErrorKind::OutsideRoot), "{kind}");
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        for (text, expected) in [
            ("\n\"app.toml\" = \"a\"", "map:2: `app.toml` = a: maps what has no scheme"),
            (
                "\"https://h/a#blake3=00\" = \"a\"",
                "map:1: `https://h/a#blake3=00` = a: has a digest in its key",
            ),
            ("\"https://me@h/a\" = \"a\"", "map:1: not an https address: it must not have a user"),
            ("\"store:a\" = 1", "map:1: `store:a` must be the path of a file"),
            (
                "\"https://h/a\" = \"a\"\n\"https://H:443/a\" = \"b\"",
                "map:1: `https://h/a` = a: stands for https://h/a, which is mapped to b already",
            ),
            ("= 1", "map:1: not valid TOML"),
        ] {
            let error = entries("map", text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(MapFile::open("no-such-map.toml").unwrap_err().to_string().ends_with("not found"));
    }
}
