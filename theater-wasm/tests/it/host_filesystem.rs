//! `theater:simple/filesystem`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_chain::{LogOptions, MemoryStore, SegmentedStore};
use theater_core::{
    ActorId, ActorRuntime, Authority, EventKind, ManifestErrorKind, RestartFrom, SpawnRequest, StopMode,
};
use theater_testkit::disk::SimDisk;
use theater_wasm::{RuntimeBuilder, WasmRuntime};

use crate::host_support::*;
use crate::support::*;

/// A manifest of `files.wasm` with this grant, and what else it needs.
fn files(settings: &str, more: &str) -> String {
    format!(
        "name = \"files\"\ncomponent = \"files.wasm\"\nhandlers = [\n{{ type = \"message-server\" }},\n{{ type = \"filesystem\", {settings} }}]\n{more}\n"
    )
}

fn in_folder(folder: &Path) -> String {
    format!("path = {:?}", folder.to_str().expect("text"))
}

async fn start(runtime: &WasmRuntime, manifest: &str) -> ActorId {
    runtime.spawn(SpawnRequest::new(None, manifest)).await.unwrap_or_else(|error| panic!("{error}")).id
}

/// A runtime with one actor that has this folder.
async fn with_folder(folder: &Path, more: &str) -> (WasmRuntime, ActorId) {
    let manifest = files(&in_folder(folder), more);
    let runtime = builder(source(&[("files.toml", &manifest)])).build().expect("a runtime");
    let id = start(&runtime, "files.toml").await;
    (runtime, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_are_made_read_listed_and_removed_where_the_manifest_says() {
    let folder = folder();
    let (runtime, id) = with_folder(folder.path(), "").await;
    let call = async |words: &[&str]| call(&runtime, id, words).await;
    assert_eq!(call(&["list", "."]).await, "");
    assert_eq!(call(&["exists", "a"]).await, "false");
    assert_eq!(call(&["create-dir", "a"]).await, "ok");
    assert_eq!(call(&["write", "a/b.txt", "one"]).await, "ok");
    assert_eq!(fs::read(folder.path().join("a/b.txt")).expect("a file"), b"one");
    assert_eq!(call(&["write", "./a//b.txt", "two"]).await, "ok");
    assert_eq!(call(&["read", "a/b.txt"]).await, "two");
    assert_eq!(call(&["write", "a/c", ""]).await, "ok");
    assert_eq!(call(&["list", "a"]).await, "b.txt,c");
    assert_eq!(call(&["exists", "a/c"]).await, "true");
    assert_eq!(call(&["exists", "a/c/d"]).await, "false", "a file has nothing in it");
    assert_eq!(call(&["delete", "a/c"]).await, "ok");
    assert_eq!(call(&["list", "a"]).await, "b.txt");
    for (words, expected) in [
        (&["read", "a/c"][..], "`a/c`: No such file"),
        (&["read", "a"], "`a` is a folder, not a file"),
        (&["write", "a", "x"], "`a` is a folder, not a file"),
        (&["write", "no/x", "x"], "`no/x`: No such file"),
        (&["list", "no"], "`no`: No such file"),
        (&["list", "a/b.txt"], "`a/b.txt`: Not a directory"),
        (&["delete", "a"], "`a` is a folder, not a file"),
        (&["create-dir", "a"], "`a`: File exists"),
        (&["delete-dir", "a/b.txt"], "`a/b.txt` is not a folder"),
        (&["delete-dir", "."], "which stays"),
        (&["create-dir", "./"], "which stays"),
        (&["write", ".", "x"], "which stays"),
        (&["execute", ".", "ls", "-l"], "runs no programs"),
        (&["execute-nix", ".", "ls"], "type = \"process\""),
    ] {
        let refusal = refusal(&runtime, id, words).await;
        assert!(refusal.contains(expected), "{words:?}: {refusal}");
    }
    assert_eq!(call(&["delete-dir", "a"]).await, "ok");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_of_a_guest_leads_out_of_the_folder_by_any_function() {
    let (outer, inner) = folder_with_ways_out();
    let (runtime, id) = with_folder(&inner, "").await;
    let outside = outer.path().join("secret");
    let outside = outside.to_str().expect("text");
    // Those are no paths; what they are is said.
    let texts = [
        "",
        "..",
        "../secret",
        "../other",
        "sub/../../secret",
        "./../secret",
        "sub/..",
        "mine/../../secret",
        outside,
        "//etc/passwd",
        "/",
        "/proc/self/mem",
        "a\\0b",
        "\\0",
        "../inner/mine",
    ];
    for path in texts {
        for words in every(path) {
            let refusal = refusal(&runtime, id, &words).await;
            assert!(refusal.starts_with("path `"), "{words:?}: {refusal}");
        }
    }
    let long = "x/".repeat(600);
    for words in every(&long) {
        let refusal = refusal(&runtime, id, &words).await;
        assert!(refusal.contains("longer than 1024 bytes") && refusal.len() < 250, "{refusal}");
    }
    // Those are paths that links lead out.
    for link in
        ["link", "absolute", "folder/secret", "twice/secret", "magic/etc/passwd", "open/0", "through/secret"]
    {
        for words in every(link) {
            // Of a link itself, these see or replace the link and not what it leads to.
            if !link.contains('/') && matches!(words[0], "write" | "delete" | "create-dir" | "delete-dir") {
                continue;
            }
            let refusal = refusal(&runtime, id, &words).await;
            assert!(!refusal.contains("the secret") && !refusal.contains("root:"), "{words:?}: {refusal}");
        }
    }
    for words in [
        ["list", "folder"],
        ["list", "twice"],
        ["list", "magic"],
        ["list", "through"],
        ["delete-dir", "folder"],
    ] {
        refusal(&runtime, id, &words).await;
    }
    assert!(refusal(&runtime, id, &["read", "link"]).await.contains("outside"), "the reason is said");
    assert_eq!(call(&runtime, id, &["write", "link", "mine too"]).await, "ok", "a link is replaced");
    assert_eq!(call(&runtime, id, &["delete", "absolute"]).await, "ok", "a link is removed");
    assert_eq!(call(&runtime, id, &["create-dir", "sub/full"]).await, "ok");
    symlink("../../../other", inner.join("sub/full/folder")).expect("a link");
    assert_eq!(call(&runtime, id, &["delete-dir", "sub"]).await, "ok", "what links lead to is left alone");
    for path in ["secret", "other/secret"] {
        assert_eq!(fs::read_to_string(outer.path().join(path)).expect("it is there"), "the secret");
    }
    let mut names: Vec<_> = fs::read_dir(outer.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["inner", "other", "secret"], "nothing beside the folder");
    runtime.kill().await;
}

/// A call of every function with this path.
fn every(path: &str) -> Vec<Vec<&str>> {
    ["read", "write", "list", "delete", "create-dir", "delete-dir", "exists"]
        .iter()
        .map(|function| vec![*function, path, "contents"])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_or_a_device_holds_nobody_up() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "a pipe");
    let (runtime, id) = with_folder(folder.path(), "").await;
    let begun = Instant::now();
    for words in [&["read", "pipe"][..], &["write", "pipe", "x"]] {
        let refusal = refusal(&runtime, id, words).await;
        assert!(refusal.contains("a device or a pipe, not a file"), "{refusal}");
    }
    assert!(refusal(&runtime, id, &["list", "pipe"]).await.contains("Not a directory"));
    assert_eq!(call(&runtime, id, &["exists", "pipe"]).await, "true");
    let (devices, other) = with_folder(Path::new("/dev"), "").await;
    for device in ["zero", "null", "random"] {
        assert!(refusal(&devices, other, &["read", device]).await.contains("not a file"), "{device}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(call(&runtime, id, &["delete", "pipe"]).await, "ok");
    runtime.kill().await;
    devices.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_files_and_lists_are_bounded_by_the_limit_of_messages() {
    let folder = folder();
    let (runtime, id) = with_folder(folder.path(), "limits = { message = \"1KiB\" }").await;
    assert_eq!(call(&runtime, id, &["fill", "full", "1024"]).await, "ok");
    assert_eq!(call(&runtime, id, &["read", "full"]).await.len(), 1_024);
    let refused = refusal(&runtime, id, &["fill", "more", "1025"]).await;
    assert!(refused.contains("1025 bytes") && refused.contains("1024"), "{refused}");
    assert_eq!(call(&runtime, id, &["exists", "more"]).await, "false");
    // A terabyte that nobody reads.
    let huge = fs::File::create(folder.path().join("huge")).expect("a file");
    huge.set_len(1 << 40).expect("a file with a hole");
    let refused = refusal(&runtime, id, &["read", "huge"]).await;
    assert!(refused.contains("more than limits.message allows, which is 1024"), "{refused}");
    // One that says to be empty and is not.
    let (status, other) = with_folder(Path::new("/proc/self"), "limits = { message = \"1KiB\" }").await;
    let refused = refusal(&status, other, &["read", "status"]).await;
    assert!(refused.contains("has 1025 bytes"), "{refused}");
    status.kill().await;
    let many = folder.path().join("many");
    fs::create_dir(&many).expect("a folder");
    for index in 0..1_200 {
        write(many.join(format!("{index:04}")), "");
    }
    // Deeper than any path of a guest.
    let mut deep = many.join("deep");
    for _ in 0..70 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).expect("folders");
    let refused = refusal(&runtime, id, &["list", "many"]).await;
    assert!(refused.contains("the list of `many` takes more than limits.message allows"), "{refused}");
    let refused = refusal(&runtime, id, &["delete-dir", "many"]).await;
    assert!(refused.contains("more than 64 levels deep"), "{refused}");
    fs::remove_dir_all(many.join("deep")).expect("it goes");
    assert_eq!(call(&runtime, id, &["delete-dir", "many"]).await, "ok");
    assert!(!many.exists());
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_that_share_a_folder_see_each_file_whole_and_leave_nothing_behind() {
    let folder = folder();
    write(folder.path().join("shared"), "");
    // Whoever writes a file does not make one that runs as its owner.
    fs::set_permissions(folder.path().join("shared"), fs::Permissions::from_mode(0o4640)).expect("a mode");
    let manifest = files(&in_folder(folder.path()), "");
    let runtime = builder(source(&[("files.toml", &manifest)])).config(|config| config.file_calls = 3);
    let runtime = runtime.build().expect("a runtime");
    let mut actors = Vec::new();
    for index in 0..6 {
        let id = start(&runtime, "files.toml").await;
        let runtime = runtime.clone();
        actors.push(tokio::spawn(async move {
            for _ in 0..15 {
                let size = (1 + index) * 10_000;
                assert_eq!(call(&runtime, id, &["fill", "shared", &size.to_string()]).await, "ok");
                let length = call(&runtime, id, &["read", "shared"]).await.len();
                assert!(length >= 10_000 && length % 10_000 == 0, "{length}");
            }
        }));
    }
    for actor in actors {
        actor.await.expect("it ends well");
    }
    let names: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let mode = fs::metadata(folder.path().join("shared")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o640, "the mode is kept, but for that");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_is_refused_before_anything_starts_with_its_line() {
    let folder = folder();
    write(folder.path().join("file"), "");
    let missing = folder.path().join("missing");
    for (settings, key, expected) in [
        (in_folder(&missing), "path", "cannot be opened: No such file or directory"),
        (in_folder(&folder.path().join("file")), "path", "cannot be opened: Not a directory"),
        ("new_dir = false".to_owned(), "type", "write `path` with one that is there, or `new_dir = true`"),
    ] {
        let runtime = builder(source(&[("files.toml", &files(&settings, ""))])).build().expect("a runtime");
        let error = runtime.spawn(SpawnRequest::new(None, "files.toml")).await.unwrap_err();
        let theater_core::ActorError::Manifest(error) = error else { panic!("{error}") };
        assert_eq!(error.line, Some(5), "{error}");
        assert!(matches!(&error.kind, ManifestErrorKind::InvalidValue { key: k, .. } if k == key), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(runtime.chain_store().chains().await.expect("a store").is_empty(), "nothing was started");
        let checked = runtime.check("files.toml").await.expect("a manifest");
        let problem = checked[0].problem.as_ref().expect("a problem").to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_of_a_child_is_opened_through_its_parents_so_that_no_link_leads_further() {
    let outer = folder();
    let inner = outer.path().join("inner");
    fs::create_dir_all(inner.join("a/b")).expect("folders");
    fs::create_dir(outer.path().join("other")).expect("a folder");
    write(outer.path().join("other/secret"), "the secret");
    symlink("../other", inner.join("out")).expect("a link");
    symlink("a/b", inner.join("within")).expect("a link");
    let desk = format!(
        "name = \"desk\"\ncomponent = \"supervisor.wasm\"\nhandlers = [{{ type = \"message-server\" }}, {{ type = \"supervisor\" }}, \
         {{ type = \"filesystem\", {} }}]\n",
        in_folder(&inner)
    );
    let group = "name = \"group\"\n[[children]]\nid = \"files\"\nmanifest = \"out.toml\"";
    let child = |path: &str| files(&in_folder(&inner.join(path)), "");
    let beside = files(&in_folder(&outer.path().join("other")), "");
    let manifests = [
        ("desk.toml", &*desk),
        ("group.toml", group),
        ("a.toml", &child("a/b")),
        ("within.toml", &child("within")),
        ("out.toml", &child("out")),
        ("beside.toml", &beside),
    ];
    let runtime = builder(source(&manifests)).build().expect("a runtime");
    let desk = root(&runtime, "desk.toml").await;
    let within = spawn_child(&runtime, desk, "within.toml").await;
    assert_eq!(call(&runtime, within, &["write", "x", "one"]).await, "ok");
    let below = spawn_child(&runtime, desk, "a.toml").await;
    assert_eq!(call(&runtime, below, &["read", "x"]).await, "one", "both are the same folder");
    for path in ["../x", "../../a", "/"] {
        refusal(&runtime, below, &["list", path]).await;
    }
    for manifest in ["out.toml", "group.toml"] {
        let answer = ask(&runtime, desk, &format!("spawn {manifest} x")).await;
        assert!(answer.contains("cannot be opened") && answer.contains("outside"), "{answer}");
    }
    let answer = ask(&runtime, desk, "spawn beside.toml x").await;
    assert!(answer.contains("is not the parent's to give"), "{answer}");
    // Swapped for a link while it runs: the next life does not go where it leads.
    fs::rename(inner.join("a"), inner.join("gone")).expect("it is renamed");
    symlink("../other", inner.join("a")).expect("a link");
    assert_eq!(call(&runtime, below, &["read", "x"]).await, "one", "an open folder stays the same one");
    runtime.restart(Authority::Operator, below, RestartFrom::LastGood).await.expect("it starts again");
    let refused = refusal(&runtime, below, &["read", "secret"]).await;
    assert!(refused.contains("cannot be opened"), "{refused}");
    runtime.kill().await;
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_actor_with_new_dir_has_an_empty_folder_of_its_own_until_its_record_goes() {
    let base = folder();
    let base = base.path().join("folders");
    let runtime = builder(source(&[("files.toml", &files("new_dir = true", ""))]))
        .folders(&base)
        .config(|config| config.retained_children = 1)
        .build()
        .expect("a runtime");
    let (first, second) = (start(&runtime, "files.toml").await, start(&runtime, "files.toml").await);
    assert_eq!(call(&runtime, first, &["write", "x", "one"]).await, "ok");
    assert_eq!(call(&runtime, second, &["list", "."]).await, "");
    assert_eq!(names(&base).len(), 2);
    let mode = fs::metadata(base.join(first.to_string())).expect("its folder").permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else may enter");
    runtime.restart(Authority::Operator, first, RestartFrom::Initial).await.expect("it starts again");
    assert_eq!(call(&runtime, first, &["read", "x"]).await, "one", "it is kept across lives");
    runtime.stop(Authority::Operator, first, StopMode::Kill).await.expect("it ends");
    assert!(base.join(first.to_string()).exists(), "it is there as long as the record");
    runtime.stop(Authority::Operator, second, StopMode::Kill).await.expect("it ends");
    eventually("the folder goes with the record", || async {
        (names(&base) == [second.to_string()]).then_some(())
    })
    .await;
    runtime.shutdown().await;
    drop(runtime);
    assert_eq!(names(&base), [second.to_string()], "what is kept stays when the process ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_folders_go_with_the_runtime() {
    let manifest = files("new_dir = true", "");
    let runtime = builder(source(&[("files.toml", &manifest)])).build().expect("a runtime");
    let id = start(&runtime, "files.toml").await;
    assert_eq!(call(&runtime, id, &["write", "x", "one"]).await, "ok");
    let theirs = || {
        let all = names(&std::env::temp_dir()).into_iter().filter(|name| name.starts_with("theater-"));
        all.filter(|name| names(&std::env::temp_dir().join(name)).contains(&id.to_string())).count()
    };
    assert_eq!(theirs(), 1);
    runtime.kill().await;
    drop(runtime);
    eventually("it is gone", || async { (theirs() == 0).then_some(()) }).await;
}

/// A process on this disk, with the folders in `base`.
fn process(disk: &SimDisk, base: &Path, manifests: &[(&str, &str)]) -> RuntimeBuilder {
    let (store, _) =
        SegmentedStore::open_on(Arc::new(disk.clone()), LogOptions::default()).expect("a sound log");
    builder(source(manifests)).chain_store(Arc::new(store)).folders(base)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_kept_when_its_actor_comes_back_and_goes_when_it_does_not() {
    let base = folder();
    let app = "name = \"app\"\n[[children]]\nid = \"kept\"\nmanifest = \"files.toml\"\n\
               [[children]]\nid = \"done\"\nmanifest = \"files.toml\"\nrestart = \"temporary\"\n";
    let files = files("new_dir = true", "");
    let manifests = [("app.toml", app), ("files.toml", &*files)];
    let disk = SimDisk::new();
    let before = process(&disk, base.path(), &manifests).build().expect("a runtime");
    let app = start(&before, "app.toml").await;
    let children = before.children(app).await.expect("children");
    let (kept, done) = (children[0].id, children[1].id);
    for child in [kept, done] {
        assert_eq!(call(&before, child, &["write", "x", "one"]).await, "ok");
    }
    before.stop(Authority::Operator, done, StopMode::Kill).await.expect("it ends");
    let other = ActorId::from_parts(1, [9; 10]);
    fs::create_dir(base.path().join(other.to_string())).expect("a folder");
    before.shutdown().await;
    let disk = disk.copy();
    drop(before);
    assert_eq!(names(base.path()).len(), 3);

    let after = process(&disk, base.path(), &manifests).build().expect("a runtime");
    let revived = after.revive("app.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    assert_eq!(revived.expect("there is a tree").root.id, app);
    assert_eq!(call(&after, kept, &["read", "x"]).await, "one");
    eventually("the other is gone", || async { (names(base.path()).len() == 2).then_some(()) }).await;
    assert!(base.path().join(other.to_string()).exists(), "what no chain of the app knows is left alone");
    assert!(!base.path().join(done.to_string()).exists());
    after.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_answers_of_files_are_given_again_without_a_file() {
    let folder = folder();
    let chains = Arc::new(MemoryStore::new());
    let manifest = files(&in_folder(folder.path()), "");
    let runtime =
        builder(source(&[("files.toml", &manifest)])).chain_store(chains.clone()).build().expect("a runtime");
    let id = start(&runtime, "files.toml").await;
    let everything = "create-dir\ta\nwrite\ta/b\tone\nread\ta/b\nlist\ta\nexists\ta/b\nexecute\t.\tls\t-l\nexecute-nix\t.\tls\n\
                      delete\ta/b\nread\ta/b\ndelete-dir\ta\nexists\ta\nread\t../x\nwrite\tlast\tstays";
    let answer = ask(&runtime, id, everything).await;
    assert_eq!(answer.lines().filter(|line| line.starts_with("error: ")).count(), 4, "{answer}");
    let of = |kind: &EventKind| (120..=131).contains(&kind.0);
    let seen: std::collections::BTreeSet<_> =
        events(&runtime, id).await.iter().map(|event| event.header.kind).filter(of).collect();
    assert_eq!(seen.len(), EventKind::ALL.iter().filter(|kind| of(kind)).count(), "each function is there");
    runtime.shutdown().await;
    write(folder.path().join("last"), "changed since");

    let again = builder(source(&[("files.toml", &manifest)])).chain_store(chains).build().expect("a runtime");
    let rerun = again.rerun(id, "files.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    // Thirteen calls, of which seven change something.
    assert_eq!((rerun.calls, rerun.failed, rerun.host_records), (2, 0, 13 + 7));
    assert_eq!(rerun.state.as_deref(), Some(answer.as_bytes()));
    assert_eq!(names(folder.path()), ["last"]);
    assert_eq!(fs::read_to_string(folder.path().join("last")).expect("it is there"), "changed since");
    again.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_imports_filesystem_without_the_grant_is_refused_with_the_line_to_add() {
    let manifest = "name = \"files\"\ncomponent = \"files.wasm\"\nhandlers = [{ type = \"message-server\" }]";
    let runtime = builder(source(&[("files.toml", manifest)])).build().expect("a runtime");
    let error = runtime.spawn(SpawnRequest::new(None, "files.toml")).await.unwrap_err();
    let error = theater_core::error::with_causes(&error);
    assert!(error.contains("theater:simple/filesystem"), "{error}");
    assert!(error.contains("add `[[handlers]]` with `type = \"filesystem\"` to the manifest"), "{error}");
}
