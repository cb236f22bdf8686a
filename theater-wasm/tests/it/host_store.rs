//! `theater:simple/store`.

use std::path::Path;
use std::sync::Arc;

use theater_core::{ActorRuntime, SpawnRequest};
use theater_wasm::{ContentStore, FileContents, MemoryContents, WasmRuntime};

use crate::host_support::*;

/// A runtime with one toolbox over each kind of content store, with room for `limit` bytes.
async fn each(limit: u64, test: impl AsyncFn(WasmRuntime, theater_core::ActorId)) {
    let folder = tempfile::tempdir().expect("a folder");
    let files = FileContents::open(folder.path().join("contents"), limit).expect("a folder that works");
    let stores: [Arc<dyn ContentStore>; 2] = [Arc::new(MemoryContents::new(limit)), Arc::new(files)];
    for contents in stores {
        let source = source(&[("toolbox.toml", &toolbox(ALL))]);
        let runtime = builder(source).content_store(contents).build().expect("a runtime");
        let id = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
        test(runtime.clone(), id).await;
        runtime.kill().await;
    }
    let outside: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(outside.len(), 1, "nothing beside the folder: {outside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_named_by_their_hash_and_labels_point_at_one_of_them() {
    each(1 << 20, async |runtime, id| {
        let call = async |words: &[&str]| call(&runtime, id, &[&["store"], words].concat()).await;
        let store = call(&["new"]).await;
        assert_eq!(store.len(), 32);
        let one = call(&["store", &store, "one"]).await;
        assert_eq!(one, blake3::hash(b"one").to_hex().to_string());
        assert_eq!(call(&["store", &store, "one"]).await, one, "the same content has the same name");
        assert_eq!(call(&["get", &store, &one]).await, "one");
        assert_eq!(call(&["exists", &store, &one]).await, "true");
        let absent = blake3::hash(b"absent").to_hex().to_string();
        assert_eq!(call(&["exists", &store, &absent]).await, "false");
        assert!(call(&["get", &store, &absent]).await.starts_with("error: the store has no content"));

        assert_eq!(call(&["get-by-label", &store, "latest"]).await, "none");
        assert_eq!(call(&["label", &store, "latest", &one]).await, "ok");
        assert_eq!(call(&["get-by-label", &store, "latest"]).await, one);
        let two = call(&["store-at-label", &store, "latest", "two"]).await;
        assert_eq!(call(&["get-by-label", &store, "latest"]).await, two);
        assert_eq!(call(&["get", &store, &one]).await, "one", "what it pointed at before stays");
        assert!(
            call(&["label", &store, "other", &absent]).await.starts_with("error: the store has no content")
        );

        let refused = call(&["remove-from-label", &store, "latest", &one]).await;
        assert_eq!(refused, format!("error: label `latest` does not point at {one}"));
        assert_eq!(call(&["remove-from-label", &store, "latest", &two]).await, "ok");
        assert_eq!(call(&["get-by-label", &store, "latest"]).await, "none");
        assert_eq!(call(&["replace-at-label", &store, "b/../c", &one]).await, "ok", "a label is no path");
        let three = call(&["replace-content-at-label", &store, "a", "three!"]).await;
        assert_eq!(call(&["list-labels", &store]).await, "a,b/../c");
        assert_eq!(call(&["remove-label", &store, "a"]).await, "ok");
        assert_eq!(call(&["remove-label", &store, "a"]).await, "ok", "it need not be there");
        assert_eq!(call(&["list-labels", &store]).await, "b/../c");
        let mut all = [one, two, three];
        all.sort();
        assert_eq!(call(&["list-all-content", &store]).await, all.join(","));
        assert_eq!(call(&["calculate-total-size", &store]).await, "12");
    })
    .await;
}

/// Texts that would lead somewhere if they became part of a path.
const HOSTILE: [&str; 14] = [
    "../../../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "~",
    "C:\\windows",
    "tmp",
    "data/../../x",
    "%2e%2e%2f",
    "0123456789abcdef0123456789abcde/",
    "0123456789ABCDEF0123456789ABCDEF",
    "0123456789abcdef0123456789abcdef",
    "a\0b",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_text_of_a_guest_leads_anywhere() {
    each(1 << 20, async |runtime, id| {
        let store = call(&runtime, id, &["store", "new"]).await;
        let hash = call(&runtime, id, &["store", "store", &store, "content"]).await;
        for hostile in HOSTILE {
            // In the place of a store's id.
            for (function, second, third) in [
                ("store", "x", ""),
                ("get", &*hash, ""),
                ("exists", &*hash, ""),
                ("label", "l", &*hash),
                ("get-by-label", "l", ""),
                ("remove-label", "l", ""),
                ("remove-from-label", "l", &*hash),
                ("store-at-label", "l", "x"),
                ("replace-content-at-label", "l", "x"),
                ("replace-at-label", "l", &*hash),
                ("list-labels", "", ""),
                ("list-all-content", "", ""),
                ("calculate-total-size", "", ""),
            ] {
                let refusal = refusal(&runtime, id, &["store", function, hostile, second, third]).await;
                assert!(refusal.starts_with("no store `"), "{function} {hostile:?}: {refusal}");
            }
            // In the place of a hash. What has as many digits as a store's id is no hash either.
            for words in [
                ["store", "get", &store, hostile, ""],
                ["store", "exists", &store, hostile, ""],
                ["store", "label", &store, "l", hostile],
                ["store", "remove-from-label", &store, "l", hostile],
                ["store", "replace-at-label", &store, "l", hostile],
            ] {
                let refusal = refusal(&runtime, id, &words).await;
                assert!(refusal.starts_with("not a content hash"), "{words:?}: {refusal}");
            }
            // In the place of a label it is a label, or no label: never a file of this name.
            let kept = call(&runtime, id, &["store", "store-at-label", &store, hostile, "labelled"]).await;
            let valid = !hostile.is_empty() && !hostile.contains('\0');
            assert_eq!(kept.starts_with("error: not a label"), !valid, "{hostile:?}: {kept}");
            if valid {
                let found = call(&runtime, id, &["store", "get-by-label", &store, hostile]).await;
                assert_eq!(found, kept, "{hostile:?}");
            }
        }
        assert!(!Path::new("/etc/passwd.tmp").exists());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_uses_the_stores_that_it_made_or_was_told_of_and_no_other() {
    each(1 << 20, async |runtime, id| {
        let other = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
        let store = call(&runtime, id, &["store", "new"]).await;
        let hash = call(&runtime, id, &["store", "store", &store, "shared"]).await;
        // Whoever is told the id has the store; an id that is one digit off is nobody's.
        assert_eq!(call(&runtime, other, &["store", "get", &store, &hash]).await, "shared");
        let last = if store.ends_with('0') { "1" } else { "0" };
        let guessed = format!("{}{last}", &store[..31]);
        let refusal = refusal(&runtime, other, &["store", "get", &guessed, &hash]).await;
        assert_eq!(refusal, format!("no store `{guessed}`"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_and_changes_nothing() {
    each(3_000, async |runtime, id| {
        let store = call(&runtime, id, &["store", "new"]).await;
        let kept = call(&runtime, id, &["store", "fill", &store, "2000"]).await;
        let full = refusal(&runtime, id, &["store", "fill", &store, "1500"]).await;
        assert_eq!(full, "no room: all stores together may take 3000 bytes");
        assert_eq!(call(&runtime, id, &["store", "calculate-total-size", &store]).await, "2000");
        assert_eq!(
            call(&runtime, id, &["store", "fill", &store, "2000"]).await,
            kept,
            "what is there needs no room"
        );
        let large = refusal(&runtime, id, &["store", "fill", &store, "1048577"]).await;
        assert!(large.contains("message too large: 1048577 bytes"), "{large}");
        // Labels and stores take room as well, so they end too.
        let mut made = 0;
        while !call(&runtime, id, &["store", "new"]).await.starts_with("error: no room") {
            made += 1;
            assert!(made < 20, "a store takes room");
        }
        let label = "l".repeat(200);
        let full = refusal(&runtime, id, &["store", "label", &store, &label, &kept]).await;
        assert!(full.starts_with("no room"), "{full}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_others_made_too_long_is_refused_and_ends_nobody() {
    let small = format!("{}[limits]\nmessage = 1024\nevent = 4096\n", toolbox(ALL));
    let manifests = [("toolbox.toml", &*toolbox(ALL)), ("small.toml", &*small)];
    let runtime = builder(source(&manifests)).build().expect("a runtime");
    let many = runtime.spawn(SpawnRequest::new(None, "toolbox.toml")).await.expect("it starts").id;
    let few = runtime.spawn(SpawnRequest::new(None, "small.toml")).await.expect("it starts").id;
    let store = call(&runtime, many, &["store", "new"]).await;
    for label in 0..10 {
        let label = format!("{label}{}", "l".repeat(200));
        call(&runtime, many, &["store", "store-at-label", &store, &label, &label]).await;
    }
    let refused = refusal(&runtime, few, &["store", "list-labels", &store]).await;
    assert_eq!(refused, "the list takes 2090 bytes, more than limits.message allows, which is 1024");
    assert_eq!(call(&runtime, few, &["store", "list-all-content", &store]).await.split(',').count(), 10);
    assert_eq!(call(&runtime, many, &["store", "list-labels", &store]).await.split(',').count(), 10);
    runtime.kill().await;
}

#[tokio::test]
async fn files_are_there_for_the_next_process_and_damage_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || FileContents::open(folder.path(), 10_000).expect("a folder that works");
    let store = theater_core::content::StoreId::from_random([7; 16]);
    let label: theater_core::content::Label = "../latest".parse().expect("a label");
    let hash = {
        let contents = open();
        contents.create(store).await.expect("room");
        contents.put(store, "kept".into(), Some(label.clone())).await.expect("room")
    };
    // A process that ended while it wrote.
    std::fs::create_dir_all(folder.path().join("tmp")).expect("a folder");
    std::fs::write(folder.path().join("tmp/data"), "half").expect("a file");
    let contents = open();
    assert_eq!(contents.get(store, hash).await.expect("it is there"), "kept");
    assert_eq!(contents.label(store, label.clone()).await.expect("it is sound"), Some(hash));
    assert!(!folder.path().join("tmp/data").exists());
    let full = contents.put(store, vec![0; 9_700].into(), None).await.unwrap_err();
    assert!(
        matches!(full, theater_wasm::ContentError::Full { limit: 10_000 }),
        "what was there counts: {full}"
    );

    let path = folder.path().join(store.to_string()).join("data").join(hash.to_string());
    std::fs::write(path, "keqt").expect("a file");
    let error = contents.get(store, hash).await.unwrap_err();
    assert!(matches!(error, theater_wasm::ContentError::Damaged), "{error}");
}
