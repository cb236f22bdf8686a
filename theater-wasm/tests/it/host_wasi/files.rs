//! `wasi:filesystem`: the folder of a grant, what is recorded of it, and what no path of a guest reaches.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use theater_chain::MemoryStore;
use theater_core::event::payload::HostCall;
use theater_core::{ActorError, ActorId, EventKind, ExitReason};
use theater_testkit::disk::SimDisk;
use theater_wasm::WasmRuntime;

use super::again::{killed_and_revived, process};
use super::{WASI, of_kind, probe};
use crate::host_support::*;
use crate::support::*;

fn granted(folder: &Path) -> String {
    let path = folder.to_str().expect("text");
    probe(&format!("{WASI}, {{ type = \"filesystem\", path = {path:?} }}"))
}

async fn with_folder(folder: &Path, more: &str) -> (WasmRuntime, ActorId) {
    let runtime = builder(super::source(&(granted(folder) + more))).build().expect("a runtime");
    let id = root(&runtime, "probe.toml").await;
    (runtime, id)
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("a file")
}

/// Calls each, and compares the answers.
async fn each(runtime: &WasmRuntime, id: ActorId, calls: &[(&str, &str)]) {
    for (call, expected) in calls {
        assert_eq!(ask(runtime, id, call).await, *expected, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_of_wasi_works_with_the_files_of_the_folder_that_it_is_granted() {
    let folder = folder();
    let (runtime, id) = with_folder(folder.path(), "").await;
    let calls = [
        ("folders", "/"),
        ("file-list 0", ""),
        ("file-mkdir 0 sub", "ok"),
        ("file-open 0 sub/a.txt cxw", "1"),
        ("file-put 1 hello", "ok"),
        ("file-append 1 -there", "ok"),
        ("file-write 1 J 0", "1"),
        ("file-open 0 sub/a.txt r", "2"),
        ("file-cat 2", "Jello-there"),
        ("file-read 2 4 1", "ello false"),
        ("file-read 2 4 11", " true"),
        ("file-same 1 2", "true"),
        ("file-open 0 sub d", "3"),
        ("file-same 2 3", "false"),
        ("file-type 3", "DescriptorType::Directory"),
        ("file-type 2", "DescriptorType::RegularFile"),
        ("file-list 3", "a.txt:DescriptorType::RegularFile"),
        ("file-size 1 5", "ok"),
        ("file-cat 2", "Jello"),
        ("file-times 1 - 1000", "ok"),
        ("file-times-at 0 sub/a.txt now -", "ok"),
        ("file-sync 1", "ok ok"),
        ("file-sync 3", "ok ok"),
        ("file-open 3 b crws", "4"),
        ("file-copy 2 4", "5 in 1, then closed"),
        ("file-cat 4", "Jello"),
        ("file-zeroes 4 3", "ok"),
        ("file-link 3 b c", "ok"),
        ("file-symlink 3 b d", "ok"),
        ("file-readlink 3 d", "b"),
        ("file-rename 3 c e", "ok"),
        ("file-open 3 d nr", "error loop"),
        ("file-open 3 d r", "5"),
        ("file-same 4 5", "true"),
        (
            "file-list 3",
            "a.txt:DescriptorType::RegularFile b:DescriptorType::RegularFile \
             d:DescriptorType::SymbolicLink e:DescriptorType::RegularFile",
        ),
        // What is open stays what it is, whatever becomes of its name.
        ("file-unlink 3 a.txt", "ok"),
        ("file-cat 2", "Jello"),
        ("file-open 3 a.txt r", "error no-entry"),
        ("file-rmdir 0 sub", "error not-empty"),
    ];
    each(&runtime, id, &calls).await;
    assert_eq!(read(folder.path().join("sub/b")), "\0\0\0lo");
    let stat = ask(&runtime, id, "file-stat 2").await;
    for part in ["size: 5", "link-count: 0", "seconds: 1000, nanoseconds: 500000000"] {
        assert!(stat.contains(part), "{part}: {stat}");
    }
    let stat = ask(&runtime, id, "file-stat-at 0 sub/d\nfile-stat-link-at 0 sub/d").await;
    let (followed, link) = stat.split_once('\n').expect("two lines");
    assert!(followed.contains("RegularFile") && link.contains("SymbolicLink"), "{stat}");
    let hashes = ask(&runtime, id, "file-hash 4\nfile-hash 5\nfile-hash 3").await;
    let hashes: Vec<_> = hashes.lines().collect();
    assert!(hashes[0] == hashes[1] && hashes[1] != hashes[2], "{hashes:?}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_with_a_file_has_the_error_that_wasi_has_for_it() {
    let folder = folder();
    fs::create_dir(folder.path().join("sub")).expect("a folder");
    write(folder.path().join("a"), "one");
    let status = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(status.expect("mkfifo is there").success());
    let (runtime, id) = with_folder(folder.path(), "").await;
    let long = "x".repeat(1_025);
    let calls = [
        ("file-open 0 none r", "error no-entry"),
        ("file-open 0 none/b cw", "error no-entry"),
        ("file-open 0 a cxw", "error exist"),
        ("file-open 0 a dr", "error not-directory"),
        ("file-open 0 a cdw", "error invalid"),
        ("file-open 0 sub w", "error is-directory"),
        ("file-open 0 sub cw", "error is-directory"),
        ("file-open 0 a/b r", "error not-directory"),
        // Neither is opened: that alone may wait for somebody.
        ("file-open 0 pipe r", "error unsupported"),
        ("file-open 0 pipe w", "error unsupported"),
        ("file-times-at 0 pipe 1 1", "error unsupported"),
        ("file-mkdir 0 sub", "error exist"),
        ("file-rmdir 0 a", "error not-directory"),
        ("file-unlink 0 sub", "error is-directory"),
        ("file-rename 0 none b", "error no-entry"),
        ("file-open 0 a r", "1"),
        ("file-put 1 x", "error bad-descriptor"),
        ("file-append 1 x", "error bad-descriptor"),
        ("file-write 1 x 0", "error bad-descriptor"),
        ("file-size 1 0", "error bad-descriptor"),
        ("file-list 1", "error not-directory"),
        ("file-open 1 b r", "error not-directory"),
        ("file-cat 0", "error is-directory"),
        ("file-open 0 a w", "2"),
        ("file-cat 2", "error bad-descriptor"),
        ("file-read 2 1 0", "error bad-descriptor"),
        ("file-write 2 x 9223372036854775807", "error file-too-large"),
        (&format!("file-open 0 {long} r"), "error name-too-long"),
        ("file-open 0 a\0b r", "error illegal-byte-sequence"),
    ];
    for (call, expected) in calls {
        let got = ask(&runtime, id, call).await;
        // Which of the two it is, is the system's to say.
        let got = if call.ends_with("5807") { got.replace("error invalid", expected) } else { got };
        assert_eq!(got, expected, "{call}");
    }
    assert_eq!(read(folder.path().join("a")), "one");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_of_a_guest_of_wasi_leads_out_of_its_folder() {
    let (outer, inner) = folder_with_ways_out();
    let (runtime, id) = with_folder(&inner, "").await;
    assert_eq!(ask(&runtime, id, "file-open 0 sub d").await, "1");
    let absolute = outer.path().join("secret");
    let absolute = absolute.to_str().expect("text");
    let paths = [
        (0, "../secret"),
        (0, "sub/../../secret"),
        (0, absolute),
        (0, "link"),
        (0, "absolute"),
        (0, "folder/secret"),
        (0, "magic/etc/passwd"),
        (1, "../../secret"),
        // A descriptor leads to what is in it, and not to what is beside it.
        (1, "../mine"),
    ];
    for (from, path) in paths {
        for call in [
            format!("file-open {from} {path} r"),
            format!("file-open {from} {path} w"),
            format!("file-open {from} {path} cw"),
            format!("file-open {from} {path} d"),
            format!("file-stat-at {from} {path}"),
        ] {
            let answer = ask(&runtime, id, &call).await;
            assert!(answer.starts_with("error "), "{call}: {answer}");
        }
    }
    for path in ["../new", "sub/../../new", "folder/new", "magic/tmp/new"] {
        for call in [
            format!("file-mkdir 0 {path}"),
            format!("file-open 0 {path} cw"),
            format!("file-rename 0 mine {path}"),
            format!("file-link 0 mine {path}"),
            format!("file-symlink 0 mine {path}"),
        ] {
            let answer = ask(&runtime, id, &call).await;
            assert!(answer.starts_with("error "), "{call}: {answer}");
        }
    }
    for call in [
        "file-unlink 0 ../secret",
        "file-unlink 0 folder/secret",
        "file-rmdir 0 ../other",
        "file-rename 0 ../secret stolen",
        "file-link 0 ../secret stolen",
        "file-symlink 0 /etc/passwd stolen",
        "file-readlink 0 absolute",
        "file-times-at 0 ../secret 1 1",
    ] {
        let answer = ask(&runtime, id, call).await;
        assert!(answer.starts_with("error "), "{call}: {answer}");
    }
    let mut names: Vec<_> = fs::read_dir(outer.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert_eq!(names, ["inner", "other", "secret"]);
    assert_eq!(
        (read(outer.path().join("secret")), read(inner.join("mine"))),
        ("the secret".into(), "mine".into())
    );
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_without_the_grant_has_no_folder() {
    let runtime = builder(super::source(&probe(WASI))).build().expect("a runtime");
    let id = root(&runtime, "probe.toml").await;
    assert_eq!(ask(&runtime, id, "folders").await, "");
    let error = ask_err(&runtime, id, "file-list 0").await;
    assert!(error.to_string().contains("nothing is open as 0"), "{error}");
    assert!(of_kind(&events(&runtime, id).await, EventKind::WASI_FILESYSTEM).is_empty());
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_has_so_many_files_open_and_the_runtime_so_many_and_one_more_is_an_error() {
    let folder = folder();
    write(folder.path().join("a"), "one");
    let runtime = builder(super::source(&granted(folder.path()))).config(|config| config.open_files = 40);
    let runtime = runtime.build().expect("a runtime");
    let (one, other) = (root(&runtime, "probe.toml").await, root(&runtime, "probe.toml").await);
    let open = |times: usize| vec!["file-open 0 a r"; times].join("\n");
    let numbers = |from: usize, to: usize| (from..=to).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
    assert_eq!(ask(&runtime, one, &open(32)).await, numbers(1, 32));
    assert_eq!(ask(&runtime, one, &open(1)).await, "error quota");
    // A stream holds what it reads, and nothing else of it is left.
    each(&runtime, one, &[("file-stream-in 1 0", "ok"), ("file-close 1", "ok"), ("file-next 0 3", "one")])
        .await;
    assert_eq!(ask(&runtime, one, &open(1)).await, "error quota");
    each(&runtime, one, &[("file-close 2", "ok"), ("file-open 0 a r", "33")]).await;
    // The others have what is left, and get it back with the end of a life.
    assert_eq!(ask(&runtime, other, &open(9)).await, numbers(1, 8) + "\nerror quota");
    ask_err(&runtime, one, "crash").await;
    assert_eq!(ask(&runtime, other, &open(1)).await, "9");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_never_larger_than_was_allowed_and_a_list_never_longer_than_a_message() {
    let folder = folder();
    write(folder.path().join("a"), &"x".repeat(200_000));
    let (runtime, id) = with_folder(folder.path(), "[limits]\nmessage = \"16KiB\"\n").await;
    each(
        &runtime,
        id,
        &[
            ("file-open 0 a r", "1"),
            ("file-open 0 b crw", "2"),
            // 4 KiB at a time, as the interface has it.
            ("file-copy 1 2", "200000 in 49, then closed"),
            ("file-stream-in 1 199990", "ok"),
            ("file-skip 0 5", "5"),
            ("file-next 0 10000", "xxxxx"),
            ("file-next 0 10000", "closed"),
            ("file-stream-out 2 0", "ok"),
        ],
    )
    .await;
    assert_eq!(read(folder.path().join("b")).len(), 200_000);
    assert_eq!(ask(&runtime, id, "file-read 1 100000 199990").await, "xxxxxxxxxx false");
    let recorded = of_kind(&events(&runtime, id).await, EventKind::WASI_FILESYSTEM);
    let piece = Some("read 16384 at 199990 of a".to_owned());
    let asked = |call: &HostCall| matches!(call, HostCall::Answered { subject, .. } if *subject == piece);
    assert!(recorded.iter().any(asked), "what a record takes at once");
    for name in 0..500 {
        write(folder.path().join(format!("{name:0100}")), "");
    }
    assert_eq!(ask(&runtime, id, "file-list 0").await, "error overflow");
    let error = ask_err(&runtime, id, "file-push-too-much 0").await;
    let ActorError::Ended { reason: ExitReason::Trapped { message, .. }, .. } = error else {
        panic!("{error}")
    };
    assert!(message.contains("more to a stream than check-write had allowed"), "{message}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_is_made_in_pieces_where_a_message_is_small() {
    let folder = folder();
    let (runtime, id) = with_folder(folder.path(), "[limits]\nmessage = \"1KiB\"\n").await;
    each(&runtime, id, &[("file-open 0 a crw", "1"), ("file-fill 1 4096", "ok")]).await;
    assert_eq!(read(folder.path().join("a")), "x".repeat(4_096));
    let written = of_kind(&events(&runtime, id).await, EventKind::WASI_FILESYSTEM);
    let piece = |call: &&HostCall| match call {
        HostCall::Called { data: Some(data), .. } => data.len() == 1_024,
        _ => false,
    };
    assert_eq!(written.iter().filter(piece).count(), 4);
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_sees_of_files_is_recorded_and_a_rerun_sees_it_again_without_a_file() {
    let folder = folder();
    let chains = Arc::new(MemoryStore::new());
    let manifest = granted(folder.path());
    let runtime = builder(super::source(&manifest)).chain_store(chains.clone()).build().expect("a runtime");
    let id = root(&runtime, "probe.toml").await;
    ask(&runtime, id, "file-mkdir 0 sub\nfile-open 0 sub/a crw\nfile-put 1 hello\nfile-stream-in 1 0").await;
    // What was opened in one call is used in another.
    let work = "file-next 0 2\nfile-stat 1\nfile-list 0\nfile-hash 1\nfile-open 0 none r\nfile-read 1 9 0\nfile-copy 1 1\nfile-same 0 1";
    let last = ask(&runtime, id, work).await;
    assert!(last.starts_with("he\n"), "{last}");
    let recorded = of_kind(&events(&runtime, id).await, EventKind::WASI_FILESYSTEM);
    let said = |call: &HostCall| match call {
        HostCall::Called { subject, .. } => format!("called {}", subject.clone().unwrap_or_default()),
        HostCall::Answered { subject, .. } => format!("answered {}", subject.clone().unwrap_or_default()),
        HostCall::Refused { subject, error } => format!("{error} {}", subject.clone().unwrap_or_default()),
    };
    let said: Vec<_> = recorded.iter().map(said).collect();
    for expected in [
        "called create-directory-at sub",
        "answered create-directory-at sub",
        "called open-at create read write sub/a",
        "called write at 0 of sub/a",
        "answered read 2 at 0 of sub/a",
        "no-entry open-at read none",
    ] {
        assert!(said.iter().any(|line| line == expected), "{expected}: {said:#?}");
    }
    assert_eq!(
        said.iter().filter(|line| *line == "called open-at read none").count(),
        0,
        "it changes nothing"
    );
    theater_chain::verify(&events(&runtime, id).await).expect("a sound chain");
    runtime.shutdown().await;

    // Neither the folder nor what was in it is there any more.
    folder.close().expect("it goes");
    let again = WasmRuntime::builder(super::source(&manifest)).engine(engine()).chain_store(chains.clone());
    let again = again.build().expect("a runtime");
    let rerun = again.rerun(id, "probe.toml").await;
    let rerun = rerun.unwrap_or_else(|error| panic!("{}", theater_core::error::with_causes(&error)));
    assert_eq!(rerun.state.as_deref(), Some(last.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_end_of_the_process_interrupted_goes_on_with_the_files_that_it_had_open() {
    let folder = folder();
    let manifest = granted(folder.path());
    let disk = SimDisk::new();
    let before = process(&disk, super::source(&manifest));
    let id = root(&before, "probe.toml").await;
    let work = "file-open 0 a ctw\nfile-put 1 hello\nfile-open 0 a r\nfile-stream-in 2 0\nfile-next 0 2\nsleep 1000\n\
        file-next 0 10\nfile-append 1 -there\nfile-cat 2\nfile-list 0";
    before.send(id, work).await.expect("it is in the mailbox");
    eventually("it sleeps", || async {
        let read = |call: &HostCall| {
            matches!(call, HostCall::Answered { subject: Some(subject), .. } if subject.starts_with("read 2"))
        };
        of_kind(&events(&before, id).await, EventKind::WASI_FILESYSTEM).iter().any(read).then_some(())
    })
    .await;
    let after = killed_and_revived(before, disk, "probe.toml", super::source(&manifest)).await;
    let got = eventually("the call ends", || async { state(&after, id).await }).await;
    let lines: Vec<_> = got.lines().collect();
    // It is not emptied or written once more, and reading goes on where it was.
    assert_eq!(
        lines[4..],
        ["he", "ok", "llo", "ok", "hello-there", "a:DescriptorType::RegularFile"],
        "{got}"
    );
    after.kill().await;
}
