//! What a guest is refused, and what it is told then.

use theater_core::EventKind;
use theater_core::event::payload::{HostCall, decode};

use super::*;

async fn refusal(runtime: &WasmRuntime, id: ActorId, words: &[&str]) -> String {
    let answer = call(runtime, id, words).await;
    answer.strip_prefix("error: ").unwrap_or_else(|| panic!("{words:?} gave {answer}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_granted_is_not_started_and_that_is_recorded() {
    let (runtime, id) = usual().await;
    for program in ["rm", "/bin/rm", "/bin/cat", "./sh", "sh ", "", "../bin/sh", "sh;cat"] {
        let said = refusal(&runtime, id, &["spawn", program]).await;
        let expected = format!(
            "program `{program}` is not allowed; add it to process.allowed_programs in the manifest, exactly so"
        );
        assert_eq!(said, expected);
    }
    let records = events(&runtime, id).await;
    let of_kind = records.iter().filter(|event| event.header.kind == EventKind::PROCESS_SPAWN);
    let outcomes: Vec<HostCall> = of_kind.map(|event| decode(&event.payload).expect("a host call")).collect();
    assert_eq!(outcomes.len(), 16);
    assert!(outcomes.iter().skip(1).step_by(2).all(|call| matches!(call, HostCall::Refused { .. })));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_granted_and_not_there_is_told_so() {
    let settings = "allowed_programs = [\"no-such-program\", \"/no/such\", \"/etc/passwd\"]";
    let (runtime, id) = with(settings, "").await;
    let said = refusal(&runtime, id, &["spawn", "no-such-program"]).await;
    assert!(said.contains("is in no folder of the PATH that the runtime was started with"), "{said}");
    for program in ["/no/such", "/etc/passwd"] {
        let said = refusal(&runtime, id, &["spawn", program]).await;
        assert!(said.starts_with(&format!("program `{program}` could not be started: ")), "{said}");
    }
    // None of them keeps a place.
    for _ in 0..20 {
        let said = refusal(&runtime, id, &["spawn", "/no/such"]).await;
        assert!(said.contains("could not be started"), "{said}");
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_outside_the_granted_ones_is_refused_however_it_is_written_or_linked() {
    let root = tempfile::tempdir().unwrap();
    let work = root.path().join("work");
    std::fs::create_dir_all(work.join("inner")).unwrap();
    std::fs::create_dir_all(root.path().join("workshop")).unwrap();
    std::os::unix::fs::symlink("/", work.join("link")).unwrap();
    std::os::unix::fs::symlink("../..", work.join("inner/up")).unwrap();
    let (runtime, id) = with(&granted(&work), "").await;
    let path = |below: &str| format!("cwd={}{below}", work.display());
    for (cwd, expected) in [
        ("cwd=/".to_owned(), "is not in process.allowed_paths of the manifest; those are: "),
        (path("shop"), "is not in process.allowed_paths"),
        ("cwd=work".to_owned(), "is not in process.allowed_paths"),
        (path("/.."), "has `..` in it"),
        (path("/inner/../../workshop"), "has `..` in it"),
        (path("/link"), "no symbolic link below"),
        (path("/link/etc"), "no symbolic link below"),
        (path("/inner/up"), "no symbolic link below"),
        (path("/gone"), "it must be there"),
    ] {
        let said = refusal(&runtime, id, &["spawn", "sh", &cwd, "--", "-c", "pwd"]).await;
        assert!(said.contains(expected), "{cwd}: {said}");
    }
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_name_no_program_of_this_life_and_no_signal_are_refused() {
    let (runtime, id) = usual().await;
    let other = root(&runtime, "processes.toml").await;
    let theirs = call(&runtime, other, &["spawn", "cat"]).await;
    // The system's numbers are no numbers here.
    let own = std::process::id().to_string();
    for pid in [&*own, "1", "0", "18446744073709551615", "999"] {
        for words in [&["status", pid][..], &["write", pid, "x"], &["signal", pid, "15"], &["kill", pid]] {
            let said = refusal(&runtime, id, words).await;
            assert_eq!(said, format!("no program {pid} of this life of the actor"));
        }
    }
    let pid = call(&runtime, id, &["spawn", "cat"]).await;
    for signal in ["0", "99", "4294967295", "2147483648"] {
        let said = refusal(&runtime, id, &["signal", &pid, signal]).await;
        assert_eq!(said, format!("{signal} is the number of no signal"));
    }
    // Numbers are each actor's own; the other's program is as it was.
    assert!(call(&runtime, other, &["status", &theirs]).await.starts_with("running"));
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_no_program_can_be_given_or_that_are_too_many_are_refused() {
    let (runtime, id) = with(&granted(Path::new("/")), "limits = { message = \"64KiB\" }").await;
    let long = "x".repeat(40_000);
    for (words, expected) in [
        (vec!["spawn", "sh", "--", "a\0b"], "an argument has a zero byte"),
        (vec!["spawn", "sh", "env:A\0=b"], "is no name of an environment variable"),
        (vec!["spawn", "sh", "env:LD_PRELOAD=/tmp/x.so"], "would make the program run other code"),
        (vec!["spawn", "sh", "buffer=0"], "buffer-size must be from 1"),
        (vec!["spawn", "sh", "chunk=70000"], "chunk-size must be from 1 to 65536, and is 70000"),
        (vec!["spawn", "sh", "timeout=0"], "execution-timeout must be from 1"),
    ] {
        let said = refusal(&runtime, id, &words).await;
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    // Short ones count more than their bytes.
    let said =
        call(&runtime, id, &["spawn", "sh", "--", "-c", ": $0", &long, "\t".repeat(2_000).as_str()]).await;
    assert!(said.contains("more than limits.message allows, which is 65536"), "{said}");
    runtime.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_without_the_grant_does_not_start_and_a_child_has_at_most_its_parents() {
    let bare = "name = \"bare\"\ncomponent = \"processes.wasm\"\nhandlers = [{ type = \"timing\" }, { type = \"message-server\" }]";
    let desk = "name = \"desk\"\ncomponent = \"supervisor.wasm\"\nhandlers = [{ type = \"message-server\" }, \
        { type = \"supervisor\" }, { type = \"timing\" }, { type = \"process\", allowed_programs = [\"cat\"] }]";
    let more = manifest("allowed_programs = [\"cat\", \"sh\"]", "");
    let less = manifest("allowed_programs = [\"cat\"], max_processes = 1", "");
    let source =
        source(&[("bare.toml", bare), ("desk.toml", desk), ("more.toml", &more), ("less.toml", &less)]);
    let runtime = builder(source).build().expect("a runtime");
    let error = runtime.spawn(SpawnRequest::new(None, "bare.toml")).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "component processes.wasm: import theater:simple/process is not provided; \
         add `[[handlers]]` with `type = \"process\"` to the manifest"
    );
    let desk = root(&runtime, "desk.toml").await;
    let answer = ask(&runtime, desk, "spawn more.toml x").await;
    assert!(answer.contains("program `sh` is not the parent's to give"), "{answer}");
    let child = spawn_child(&runtime, desk, "less.toml").await;
    assert!(call(&runtime, child, &["spawn", "cat"]).await.parse::<u64>().is_ok());
    let said = refusal(&runtime, child, &["spawn", "cat"]).await;
    assert!(said.contains("as many as process.max_processes allows"), "{said}");
    runtime.shutdown().await;
}
