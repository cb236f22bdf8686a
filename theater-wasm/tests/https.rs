//! `https:` against a server on this machine: what is fetched, and everything that is not.

#[path = "https/server.rs"]
mod server;

use std::time::{Duration, Instant};

use server::{Answer, Server};
use theater_core::source::{ContentDigest, FetchError, Reference, SchemeSource, find, read};
use theater_core::{LoadedManifest, ManifestError, ManifestErrorKind, MapSource, load};
use theater_wasm::{AllowedHost, HttpsConfig, HttpsSource, TlsRoots};

const APP: &str = "name = \"app\"\n[[children]]\nid = \"w\"\nmanifest = \"parts/worker.toml\"\n";
const WORKER: &str = "name = \"worker\"\ncomponent = \"../w.wasm\"\n";

fn server() -> Server {
    Server::start(|path| match path {
        "/shop/app.toml" => Answer::Content(APP.into()),
        "/shop/parts/worker.toml" => Answer::Content(WORKER.into()),
        "/shop/w.wasm" => Answer::Content("a component".into()),
        "/large" => Answer::Content("x".repeat(5_000)),
        "/endless" => Answer::Endless,
        "/slow" => Answer::Slow,
        "/drip" => Answer::Drip,
        "/moved" => Answer::Redirect("/shop/app.toml".into()),
        "/away" => Answer::Redirect("https://other.example/app.toml".into()),
        "/broken" => Answer::Status(500),
        _ => Answer::Status(404),
    })
}

/// A source that trusts the server's certificate, and these hosts.
fn source(server: &Server, allowed: &[&str], change: impl FnOnce(&mut HttpsConfig)) -> SchemeSource {
    let mut config = HttpsConfig::default();
    config.roots = TlsRoots::Pem(server.certificate.clone());
    config.deadline = Duration::from_secs(20);
    change(&mut config);
    let allowed = allowed.iter().map(|host| host.parse::<AllowedHost>().expect("a host"));
    let https = HttpsSource::new(allowed, config).expect("a certificate");
    SchemeSource::new(MapSource::new().with("parts/worker.toml", "name = \"local\"\ncomponent = \"x\""))
        .with("https", https)
}

fn allowing(server: &Server, change: impl FnOnce(&mut HttpsConfig)) -> SchemeSource {
    source(server, &[&server.authority()], change)
}

fn kind<T>(result: Result<T, ManifestError>) -> ManifestErrorKind {
    match result {
        Ok(_) => panic!("it was found"),
        Err(error) => error.kind,
    }
}

/// Reads a file of the server, as what a manifest refers to.
async fn fetch(source: &SchemeSource, location: &str) -> Result<theater_core::Bytes, ManifestError> {
    let manifest = LoadedManifest::parse("a.toml", "name = \"a\"\ncomponent = \"a\"").expect("a manifest");
    let reference = Reference::parse(location).expect("a reference");
    read(source, &manifest, &reference).await.map(|content| content.bytes)
}

#[tokio::test]
async fn a_whole_tree_is_fetched_from_an_allowed_host_and_nothing_of_it_is_local() {
    let server = server();
    let source = allowing(&server, |_| {});
    let app = load(&source, &server.url("/shop/app.toml").into()).await.expect("a tree");
    let worker = &app.children[0].manifest;
    assert_eq!(
        (&*worker.manifest.name, &*worker.origin),
        ("worker", &*server.url("/shop/parts/worker.toml"))
    );
    let component = worker.manifest.component.as_ref().expect("it has one");
    assert_eq!(read(&source, worker, component).await.expect("it is there").bytes, "a component");
    assert!(matches!(kind(fetch(&source, &server.url("/gone")).await), ManifestErrorKind::NotFound));
    let status = kind(fetch(&source, &server.url("/broken")).await);
    assert!(matches!(status, ManifestErrorKind::Fetch(FetchError::Status { status: 500 })), "{status}");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_not_even_asked() {
    let server = server();
    let other_port = format!("localhost:{}", server.port ^ 1);
    for allowed in [&[][..], &["example.org"], &["localhost"], &[&other_port]] {
        let source = source(&server, allowed, |_| {});
        let error = fetch(&source, &server.url("/shop/w.wasm")).await.expect_err("a refusal").to_string();
        assert!(error.contains(&format!("host `{}` is not allowed", server.authority())), "{error}");
        assert!(error.ends_with(&format!("--allow-host {}", server.authority())), "{error}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn what_is_larger_than_allowed_is_refused_whatever_the_server_announces() {
    let server = server();
    let source = allowing(&server, |config| config.max_size = 4_999);
    for path in ["/large", "/endless"] {
        let kind = kind(fetch(&source, &server.url(path)).await);
        assert!(matches!(kind, ManifestErrorKind::TooLarge { limit: 4_999, .. }), "{path}: {kind}");
    }
    let source = allowing(&server, |config| config.max_size = 5_000);
    assert_eq!(fetch(&source, &server.url("/large")).await.expect("it fits").len(), 5_000);
    let manifest = kind(find(&source, &server.url("/endless").into()).await);
    assert!(matches!(manifest, ManifestErrorKind::TooLarge { .. }), "{manifest}");
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_given_up_on_whether_it_says_nothing_or_little_at_a_time() {
    let server = server();
    let source = allowing(&server, |config| config.deadline = Duration::from_millis(600));
    for path in ["/slow", "/drip"] {
        let begun = Instant::now();
        let kind = kind(fetch(&source, &server.url(path)).await);
        assert!(matches!(kind, ManifestErrorKind::Fetch(FetchError::TooSlow { .. })), "{path}: {kind}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{path}: {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_not_followed_not_even_to_the_same_host() {
    let server = server();
    let source = allowing(&server, |_| {});
    for path in ["/moved", "/away"] {
        let kind = kind(find(&source, &server.url(path).into()).await);
        assert!(
            matches!(kind, ManifestErrorKind::Fetch(FetchError::Redirect { status: 302 })),
            "{path}: {kind}"
        );
    }
    assert_eq!(server.requests(), ["/moved", "/away"]);
}

#[tokio::test]
async fn a_reference_with_a_digest_gets_that_content_or_nothing_and_is_fetched_once() {
    let server = server();
    let source = allowing(&server, |_| {});
    let pinned = |path: &str, content: &str| {
        format!("{}#blake3={}", server.url(path), ContentDigest::of(content.as_bytes()))
    };
    let mismatch = kind(fetch(&source, &pinned("/shop/w.wasm", "another")).await);
    assert!(matches!(mismatch, ManifestErrorKind::DigestMismatch { .. }), "{mismatch}");
    let mismatch = kind(find(&source, &pinned("/shop/app.toml", "another").into()).await);
    assert!(matches!(mismatch, ManifestErrorKind::DigestMismatch { .. }), "{mismatch}");
    let before = server.requests().len();
    for _ in 0..3 {
        assert_eq!(
            fetch(&source, &pinned("/shop/w.wasm", "a component")).await.expect("the right one"),
            "a component"
        );
        assert!(find(&source, &pinned("/shop/app.toml", APP).into()).await.is_ok());
    }
    assert_eq!(server.requests().len(), before, "both were fetched already");
    fetch(&source, &server.url("/shop/w.wasm")).await.expect("it is there");
    assert_eq!(server.requests().len(), before + 1, "without a digest it may have changed");
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_believed() {
    let (server, other) = (server(), server());
    let source = source(&server, &[&server.authority()], |config| {
        config.roots = TlsRoots::Pem(other.certificate.clone());
    });
    let kind = kind(fetch(&source, &server.url("/shop/w.wasm")).await);
    assert!(matches!(kind, ManifestErrorKind::Fetch(FetchError::Transport { .. })), "{kind}");
    // Nor one that nobody vouches for.
    let source = self::source(&server, &[&server.authority()], |config| config.roots = TlsRoots::Mozilla);
    let kind = self::kind(fetch(&source, &server.url("/shop/w.wasm")).await);
    assert!(matches!(kind, ManifestErrorKind::Fetch(FetchError::Transport { .. })), "{kind}");
    assert!(server.requests().is_empty());
    assert!(
        HttpsSource::new([], {
            let mut config = HttpsConfig::default();
            config.roots = TlsRoots::Pem("no certificate".to_owned());
            config
        })
        .is_err()
    );
}
