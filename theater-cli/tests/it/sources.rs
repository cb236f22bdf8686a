//! References with digests, `store:`, `https:` and maps, on the command line.

use serde_json::Value;
use theater_core::source::ContentDigest;

use super::support::{Ended, Folder, ended, examples, theater};

const WORKER: &str =
    "name = \"worker\"\ncomponent = \"worker.wasm\"\n[[handlers]]\ntype = \"message-server\"\n";

fn component() -> Vec<u8> {
    std::fs::read(examples().join("components/worker.wasm")).unwrap()
}

fn digest(content: impl AsRef<[u8]>) -> String {
    ContentDigest::of(content.as_ref()).to_string()
}

fn app(reference: &str) -> String {
    format!("name = \"app\"\n[[children]]\nid = \"w\"\nmanifest = \"{reference}\"\n")
}

fn folder(reference: &str) -> Folder {
    Folder::new()
        .with_example("components/worker.wasm")
        .with("worker.toml", WORKER)
        .with("app.toml", app(reference))
}

fn check(folder: &Folder, more: &[&str]) -> Ended {
    ended(theater().arg("check").arg(folder.path("app.toml")).args(more))
}

#[test]
fn the_lines_that_pin_an_app_can_be_pasted_and_hold_it() {
    let shown = check(&folder("worker.toml"), &["--digests"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown}");
    let component_line = format!("component = \"worker.wasm#blake3={}\"", digest(component()));
    for line in [
        "# w",
        &component_line,
        &format!("manifest = \"worker.toml#blake3={}\"  # where it is declared", digest(WORKER)),
        &format!("# its manifest: #blake3={}", digest(app("worker.toml"))),
    ] {
        assert!(shown.stdout.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(shown.stdout.ends_with("ok: 2 actors\n"), "{shown}");

    let pinned = WORKER.replace("component = \"worker.wasm\"", &component_line);
    let reference = format!("worker.toml#blake3={}", digest(&pinned));
    let folder = folder(&reference).with("worker.toml", &pinned);
    assert_eq!(check(&folder, &[]).code, Some(0));
    let folder = folder.with("worker.wasm", [component(), vec![0, 2, 1, b'x']].concat());
    let said = check(&folder, &[]);
    assert_eq!(said.code, Some(3), "{said}");
    let expected = format!(
        "error: w: worker.wasm: has another content than its reference says: expected blake3 {}",
        digest(component())
    );
    assert!(said.stderr.contains(&expected) && said.stderr.contains("write #blake3="), "{said}");
    let folder = folder.with("worker.toml", WORKER);
    let said = check(&folder, &[]);
    assert!(said.stderr.contains("app.toml:2: child `w`: worker.toml: has another content"), "{said}");
}

#[test]
fn json_has_the_digests_of_every_actor() {
    let shown: Value = serde_json::from_str(&check(&folder("worker.toml"), &["--json"]).stdout).unwrap();
    let digests = &shown["actors"][1]["digests"];
    assert_eq!(digests["component"], digest(component()));
    assert_eq!(digests["manifest"], digest(WORKER));
    assert_eq!(shown["actors"][0]["digests"]["component"], Value::Null);
}

#[test]
fn a_map_says_which_file_stands_for_an_address_and_what_is_missing_from_it() {
    let map = "\"https://example.org/parts/worker.toml\" = \"vendored/worker.toml\"\n";
    let folder = folder("https://example.org/parts/worker.toml")
        .with("vendored/worker.toml", WORKER)
        .with("vendored/worker.wasm", component())
        .with("map.toml", map);
    let path = folder.path("map.toml");
    let map_flags = ["--map", path.to_str().unwrap()];
    let said = check(&folder, &map_flags);
    assert_eq!(said.code, Some(3), "{said}");
    let line = "\"https://example.org/parts/worker.wasm\" = ";
    assert!(said.stderr.contains(&format!("not in the map; to add it: {line}")), "{said}");
    let folder = folder.with("map.toml", format!("{map}{line}\"vendored/worker.wasm\"\n"));
    let said = check(&folder, &map_flags);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
    let pinned = format!("https://example.org/parts/worker.toml#blake3={}", digest("another"));
    let folder = folder.with("app.toml", app(&pinned));
    assert!(check(&folder, &map_flags).stderr.contains("has another content than its reference says"));
    let folder = folder.with("map.toml", "\n\"worker.toml\" = \"a\"");
    let said = check(&folder, &map_flags);
    assert!(
        said.code == Some(3)
            && said.stderr.contains("map.toml:2: `worker.toml` = a: maps what has no scheme"),
        "{said}"
    );
}

#[test]
fn an_app_runs_from_a_map_and_a_folder_of_content() {
    let stored = "name = \"lost\"\ncomponent = \"store:worker\"\ninitial_state = \"fail-init\"\n[[handlers]]\ntype = \"message-server\"\n";
    let reference = format!("store:{}", digest(stored));
    let folder = folder(&reference)
        .with(&format!("content/{}", digest(stored)), stored)
        .with(&format!("content/{}", digest(component())), component())
        .with("content/labels.toml", format!("worker = \"{}\"", digest(component())));
    let said = check(&folder, &[]);
    assert!(
        said.code == Some(3)
            && said
                .stderr
                .contains("`store:` cannot be used here: give the folder of its content with --content DIR"),
        "{said}"
    );
    let content = folder.path("content");
    let flags = ["--content", content.to_str().unwrap()];
    let said = check(&folder, &flags);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said}");
    // Its `init` fails, which nothing but the component in the store can know.
    let run = ended(theater().arg("run").arg(folder.path("app.toml")).args(flags));
    assert!(run.code == Some(3) && run.stderr.contains("child `w` did not start: init failed"), "{run}");
}

#[cfg(not(feature = "https"))]
#[test]
fn a_build_without_https_says_which_one_has_it() {
    let folder = folder("https://example.org/worker.toml");
    let hint = "this build has no https; build one with `cargo build --package theater-cli --features https`";
    let said = check(&folder, &[]);
    assert!(said.code == Some(3) && said.stderr.contains(hint), "{said}");
    let said = check(&folder, &["--allow-host", "example.org"]);
    assert!(said.code == Some(2) && said.stderr.contains(hint), "{said}");
}

#[cfg(feature = "https")]
#[test]
fn no_host_is_allowed_that_was_not_named() {
    let folder = folder("https://example.org/worker.toml");
    for (flags, allowed) in
        [(&[][..], "none"), (&["--allow-host", "Other.example:8443"], "other.example:8443")]
    {
        let said = check(&folder, flags);
        let expected = format!(
            "host `example.org` is not allowed; allowed are: {allowed}. To allow it: --allow-host example.org"
        );
        assert!(said.code == Some(3) && said.stderr.contains(&expected), "{said}");
    }
    let said = check(&folder, &["--allow-host", "https://example.org"]);
    assert!(said.code == Some(2) && said.stderr.contains("not a host"), "{said}");
    let said = check(&folder, &["--allow-host", "example.org", "--map", "map.toml"]);
    assert!(said.code == Some(2) && said.stderr.contains("cannot be used with"), "{said}");
}
