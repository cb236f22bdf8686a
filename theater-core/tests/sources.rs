//! Digests, inline text and schemes: the same for every source.

use futures_util::FutureExt;
use theater_core::source::{
    ContentDigest, ContentSource, FetchError, INLINE, MemoryContent, Reference, SchemeSource, StoreSource,
    find, read,
};
use theater_core::{
    Bytes, LoadedManifest, ManifestError, ManifestErrorKind, ManifestRef, ManifestSource, MapSource,
    async_trait, load,
};

const WORKER: &str = "name = \"worker\"\ncomponent = \"a.wasm\"\n";

/// What only reads memory never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it only reads memory")
}

fn kind<T>(result: Result<T, ManifestError>) -> ManifestErrorKind {
    match result {
        Ok(_) => panic!("it was found"),
        Err(error) => error.kind,
    }
}

fn pinned(location: &str, content: &str) -> String {
    format!("{location}#blake3={}", ContentDigest::of(content.as_bytes()))
}

fn files() -> MapSource {
    MapSource::new().with("worker.toml", WORKER).with("a.wasm", "the component")
}

fn with_store() -> (SchemeSource, MemoryContent) {
    let content = MemoryContent::new();
    (SchemeSource::new(files()).with("store", StoreSource::new(content.clone())), content)
}

#[test]
fn a_manifest_with_the_digest_of_its_reference_is_found_and_any_other_is_refused() {
    let source = files();
    assert!(now(find(&source, &pinned("worker.toml", WORKER).into())).is_ok());
    let error = now(load(&source, &pinned("worker.toml", "another").into())).unwrap_err();
    let found = ContentDigest::of(WORKER.as_bytes());
    let expected = ContentDigest::of(b"another");
    assert_eq!(
        error.to_string(),
        format!(
            "worker.toml: has another content than its reference says: expected blake3 {expected}, found {found}; if \
             the content that is there now is meant, write #blake3={found}"
        )
    );
}

#[test]
fn a_digest_that_is_none_is_refused_before_anything_is_looked_for() {
    for reference in ["gone.toml#blake3=5a", "gone.toml#sha256=5a"] {
        let kind = kind(now(find(&files(), &reference.into())));
        assert!(matches!(kind, ManifestErrorKind::InvalidDigest(_)), "{reference}: {kind}");
    }
}

#[test]
fn a_declared_childs_manifest_is_compared_and_the_place_is_told() {
    let app =
        |reference: &str| format!("name = \"app\"\n[[children]]\nid = \"w\"\nmanifest = \"{reference}\"");
    let good = files().with("app.toml", app(&pinned("worker.toml", WORKER)));
    assert_eq!(now(load(&good, &"app.toml".into())).unwrap().children.len(), 1);
    let bad = files().with("app.toml", app(&pinned("worker.toml", "another")));
    let error = now(load(&bad, &"app.toml".into())).unwrap_err();
    assert!(
        error.to_string().starts_with("app.toml:2: child `w`: worker.toml: has another content"),
        "{error}"
    );
}

#[test]
fn two_references_to_one_manifest_are_each_compared_with_their_own_digest() {
    let text = format!(
        "name = \"app\"\n[[children]]\nid = \"first\"\nmanifest = \"worker.toml\"\n[[children]]\nid = \"second\"\n\
         manifest = \"{}\"",
        pinned("worker.toml", "another")
    );
    let kind = kind(now(load(&files().with("app.toml", text), &"app.toml".into())));
    let ManifestErrorKind::Child { id, error } = kind else { panic!("{kind}") };
    assert!(id == "second" && matches!(error.kind, ManifestErrorKind::DigestMismatch { .. }), "{error}");
}

#[test]
fn what_a_manifest_refers_to_is_compared_and_its_digest_told() {
    let source = files();
    let loaded = now(find(&source, &"worker.toml".into())).unwrap();
    let reference = Reference::parse(&pinned("a.wasm", "the component")).unwrap();
    let content = now(read(&source, &loaded, &reference)).unwrap();
    assert_eq!((&content.bytes[..], Some(content.digest)), (&b"the component"[..], reference.digest()));
    let plain = now(read(&source, &loaded, &Reference::parse("a.wasm").unwrap())).unwrap();
    assert_eq!(plain.digest, content.digest);
    let other = Reference::parse(&pinned("a.wasm", "another")).unwrap();
    assert!(matches!(kind(now(read(&source, &loaded, &other))), ManifestErrorKind::DigestMismatch { .. }));
}

#[test]
fn a_reference_with_a_line_break_is_the_manifest_itself_and_asks_no_source() {
    let loaded = now(load(&MapSource::new(), &WORKER.into())).unwrap();
    assert_eq!((&*loaded.manifest.name, &*loaded.origin), ("worker", INLINE));
    // A comment at its end is no digest.
    let text = format!("{WORKER}#blake3=none");
    assert_eq!(now(load(&MapSource::new(), &text.into())).unwrap().manifest.name, "worker");
    let error = now(load(&MapSource::new(), &"name = \"a\"\nx = 1\ncomponent = \"a\"".into())).unwrap_err();
    assert!(error.to_string().starts_with("(inline manifest):2: unknown key"), "{error}");
}

#[test]
fn content_comes_from_the_store_by_digest_and_by_label() {
    let (source, content) = with_store();
    let component = content.put("a stored component");
    content.set_label("desk", component);
    let text = "name = \"a\"\ncomponent = \"store:desk\"\n";
    let manifest = content.put(text);
    content.set_label("app/shop", manifest);
    for reference in [format!("store:{manifest}"), "store:app/shop".to_owned(), "STORE:app/shop".to_owned()] {
        let loaded = now(find(&source, &reference.as_str().into())).unwrap();
        assert_eq!(*loaded.origin, format!("store:{manifest}"), "its name says what it is: {reference}");
        let component = loaded.manifest.component.as_ref().unwrap();
        assert_eq!(now(read(&source, &loaded, component)).unwrap().bytes, "a stored component");
    }
    // From a file as well.
    let file = now(find(&source, &"worker.toml".into())).unwrap();
    let reference = Reference::parse("store:desk").unwrap();
    assert_eq!(now(read(&source, &file, &reference)).unwrap().bytes, "a stored component");
}

#[test]
fn what_the_store_does_not_have_is_told_apart() {
    let (source, _) = with_store();
    let none = ContentDigest::of(b"nobody put this");
    let look = |name: &str| kind(now(find(&source, &format!("store:{name}").into())));
    assert!(matches!(look(&none.to_string()), ManifestErrorKind::NotFound));
    let label = look("no-such");
    assert!(matches!(label, ManifestErrorKind::Fetch(FetchError::NoSuchLabel { .. })), "{label}");
    let long = "x".repeat(201);
    for name in ["", "/etc/passwd", "//id/hash/00", "a\\b", "a\tb", &long] {
        let kind = look(name);
        assert!(matches!(kind, ManifestErrorKind::Fetch(FetchError::StoreName)), "{name}: {kind}");
    }
}

/// A store that gives something else than what was put into it.
#[derive(Debug)]
struct Tampered;

#[async_trait]
impl ContentSource for Tampered {
    async fn get(&self, _: &ContentDigest) -> Result<Option<Bytes>, ManifestErrorKind> {
        Ok(Some(Bytes::from_static(WORKER.as_bytes())))
    }

    async fn label(&self, _: &str) -> Result<Option<ContentDigest>, ManifestErrorKind> {
        Ok(Some(ContentDigest([1; 32])))
    }
}

#[test]
fn a_store_that_was_tampered_with_is_found_out() {
    let source = SchemeSource::new(MapSource::new()).with("store", StoreSource::new(Tampered));
    for reference in ["store:label".to_owned(), format!("store:{}", "01".repeat(32))] {
        let kind = kind(now(find(&source, &reference.into())));
        let ManifestErrorKind::DigestMismatch { expected, found } = kind else { panic!("{kind}") };
        assert_eq!((expected.0, found), ([1; 32], ContentDigest::of(WORKER.as_bytes())));
    }
}

#[test]
fn an_unknown_scheme_is_refused_with_those_that_are_known() {
    let (source, _) = with_store();
    let source = source.without("https", "build it with `https`");
    let error = now(find(&source, &"ftp://h/a.toml".into())).unwrap_err().to_string();
    assert!(error.contains("unknown scheme `ftp:`; known are: store:."), "{error}");
    let error = now(find(&source, &"HTTPS://h/a.toml".into())).unwrap_err().to_string();
    assert!(error.ends_with("`https:` cannot be used here: build it with `https`"), "{error}");
    // A drive letter is a path, and a path may have a colon if it says that it is one.
    assert!(matches!(kind(now(find(&source, &"C:\\a.toml".into()))), ManifestErrorKind::NotFound));
    assert!(matches!(kind(now(find(&source, &"./ftp:a".into()))), ManifestErrorKind::NotFound));
}

/// A source for a scheme that keeps no rule: its manifests say that they are files, and what they name has no scheme.
#[derive(Debug, Clone)]
struct Careless;

#[async_trait]
impl ManifestSource for Careless {
    async fn manifest(&self, _: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        let text = "name = \"far\"\ncomponent = \"a.wasm\"\n[[children]]\nid = \"w\"\nmanifest = \"worker.toml\"\n\
                    [[children]]\nid = \"in\"\ncomponent = \"a.wasm\"";
        LoadedManifest::parse("worker.toml", text)
    }

    async fn read(&self, _: &LoadedManifest, _: &str) -> Result<Bytes, ManifestError> {
        Ok(Bytes::from_static(b"from far away"))
    }
}

#[test]
fn what_came_over_a_scheme_cannot_name_a_local_file_even_if_its_source_is_careless() {
    let source = SchemeSource::new(files()).with("far", Careless);
    let manifest = now(find(&source, &"far:app".into())).unwrap();
    let component = Reference::parse("a.wasm").unwrap();
    assert_eq!(now(read(&source, &manifest, &component)).unwrap().bytes, "from far away");
    // The local worker.toml is not what it gets.
    let kind = kind(now(load(&source, &"far:app".into())));
    let ManifestErrorKind::Child { id, error } = kind else { panic!("{kind}") };
    let stays = matches!(error.kind, ManifestErrorKind::Fetch(FetchError::NoFolder { .. }));
    assert!(id == "w" && stays, "{error}");
}

#[test]
fn an_inline_childs_files_come_from_where_its_manifest_does() {
    let (source, content) = with_store();
    let text = "name = \"app\"\n[[children]]\nid = \"in\"\ncomponent = \"a.wasm\"";
    let manifest = content.put(text);
    let app = now(load(&source, &format!("store:{manifest}").into())).unwrap();
    let child = &app.children[0].manifest;
    let component = child.manifest.component.as_ref().unwrap();
    let kind = kind(now(read(&source, child, component)));
    assert!(matches!(kind, ManifestErrorKind::Fetch(FetchError::NoFolder { .. })), "{kind}");
}

#[test]
fn a_file_whose_name_looks_like_a_scheme_is_reached_by_its_path() {
    let app = "name = \"app\"\n[[children]]\nid = \"w\"\nmanifest = \"./ab:worker.toml\"";
    let source =
        SchemeSource::new(Normalizing(files().with("app.toml", app).with("./ab:worker.toml", WORKER)));
    assert_eq!(now(load(&source, &"app.toml".into())).unwrap().children.len(), 1);
}

/// A source that makes names shorter, as one of files does.
#[derive(Debug)]
struct Normalizing(MapSource);

#[async_trait]
impl ManifestSource for Normalizing {
    async fn manifest(&self, reference: &ManifestRef) -> Result<LoadedManifest, ManifestError> {
        self.0.manifest(reference).await
    }

    async fn read(&self, manifest: &LoadedManifest, reference: &str) -> Result<Bytes, ManifestError> {
        self.0.read(manifest, reference).await
    }

    fn relative(&self, _: &LoadedManifest, reference: &str) -> Result<ManifestRef, ManifestError> {
        Ok(reference.trim_start_matches("./").into())
    }
}
