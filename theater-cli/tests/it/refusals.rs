//! Apps that cannot be started: code 3, nothing on standard output, and what, where and what to do on standard error.

use crate::support::*;

/// Runs `app.toml` of the folder, which is refused with an error that has all of `parts`.
fn refused(folder: &Folder, more: &[&str], parts: &[&str]) {
    let ended = run(&folder.path("app.toml"), more);
    assert_eq!(ended.code, Some(3), "{ended}");
    let mut lines = ended.stderr.lines().skip_while(|line| line.starts_with("data: "));
    assert!(lines.next().is_some_and(|line| line.starts_with("error: ")), "{ended}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part} is missing\n{ended}");
    }
    assert!(!ended.stdout.contains("  started "), "{ended}");
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

fn worker(manifest: &str) -> Folder {
    Folder::new().with_example("components/worker.wasm").with("app.toml", manifest)
}

#[cfg(all(unix, not(feature = "process")))]
#[test]
fn a_build_without_programs_says_which_one_has_them() {
    let folder = worker("name = \"a\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"process\" }]");
    refused(&folder, &[], &["app.toml:3", "`cargo build --package theater-cli --features process`"]);
}

#[cfg(all(unix, feature = "process"))]
#[test]
fn a_build_with_programs_starts_an_actor_that_may_run_some() {
    let manifest = "name = \"a\"\ncomponent = \"processes.wasm\"\nhandlers = [{ type = \"message-server\" }, \
        { type = \"timing\" }, { type = \"process\", allowed_programs = [\"sh\"] }]";
    let folder = Folder::new().with_example("components/processes.wasm").with("app.toml", manifest);
    let checked = ended(theater().arg("check").arg(folder.path("app.toml")));
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{checked}");
}

#[test]
fn a_missing_manifest_is_named() {
    let folder = Folder::new();
    refused(&folder, &[], &["there is no manifest", "app.toml"]);
}

#[test]
fn a_folder_instead_of_a_manifest_is_answered_with_the_manifest_in_it() {
    let folder = worker("");
    let ended = run(&folder.path(""), &[]);
    assert_eq!(ended.code, Some(3), "{ended}");
    assert!(
        ended.stderr.contains("is a folder; name the manifest in it, such as")
            && ended.stderr.contains("app.toml"),
        "{ended}"
    );
}

#[test]
fn a_malformed_manifest_is_named_with_its_line() {
    refused(&worker("name = \"a\"\ncomponent = \n"), &[], &["app.toml:2: ", "not valid TOML"]);
    refused(
        &worker("name = \"a\"\ncomponent = \"worker.wasm\"\ncolour = 1\n"),
        &[],
        &["app.toml:3: ", "unknown key `colour`", "known are"],
    );
    refused(&worker("name = \"a\"\ncomponent = 7\n"), &[], &["app.toml:2: ", "`component` must be"]);
    refused(&worker("name = \"a\"\n"), &[], &["app.toml", "missing key `component`"]);
    refused(&Folder::new().with("app.toml", b"\xff\xfe"), &[], &["app.toml", "not UTF-8"]);
}

#[test]
fn a_component_that_is_none_is_named() {
    let manifest = "name = \"a\"\ncomponent = \"a.wasm\"\n";
    let app = |content: &[u8]| Folder::new().with("app.toml", manifest).with("a.wasm", content);
    refused(&Folder::new().with("app.toml", manifest), &[], &["a.wasm", "not found"]);
    refused(&app(b"this is text"), &[], &["a.wasm", "not a WebAssembly component"]);
    refused(&app(b""), &[], &["a.wasm", "not a WebAssembly component"]);
    refused(&app(b"\0asm\x01\0\0\0"), &[], &["a.wasm", "not a WebAssembly component"]);
}

#[test]
fn a_missing_export_and_an_unknown_import_are_named_with_what_to_do() {
    let empty = Folder::new()
        .with("app.toml", "name = \"a\"\ncomponent = \"a.wasm\"\n")
        .with("a.wasm", b"\0asm\x0d\0\x01\0");
    refused(&empty, &[], &["theater:simple/actor", "missing", "build it against"]);
    let needy = Folder::new()
        .with_example("components/needy.wasm")
        .with("app.toml", "name = \"a\"\ncomponent = \"needy.wasm\"\n");
    refused(&needy, &[], &["is not provided"]);
    let supervisor = Folder::new().with_example("components/supervisor.wasm").with(
        "app.toml",
        "name = \"a\"\ncomponent = \"supervisor.wasm\"\n[[handlers]]\ntype = \"message-server\"\n",
    );
    refused(&supervisor, &[], &["theater:simple/supervisor", "type = \"supervisor\""]);
}

#[test]
fn a_path_that_leaves_the_root_is_refused() {
    for outside in ["../worker.wasm", "/etc/passwd"] {
        let manifest = format!("name = \"a\"\ncomponent = \"{outside}\"\n");
        refused(&worker(&manifest), &[], &[outside, "outside of the manifest root"]);
    }
    let elsewhere = Folder::new();
    let root = elsewhere.path("");
    refused(
        &worker("name = \"a\"\ncomponent = \"worker.wasm\"\n"),
        &["--root", root.to_str().unwrap()],
        &["outside of --root"],
    );
}

#[test]
fn a_larger_root_lets_a_manifest_use_what_is_beside_its_folder() {
    let folder = Folder::new()
        .with_example("components/worker.wasm")
        .with("start", "quit-init")
        .with("apps/app.toml", "name = \"a\"\ncomponent = \"../worker.wasm\"\ninit_state = \"../start\"\n[[handlers]]\ntype = \"message-server\"\n");
    let app = folder.path("apps/app.toml");
    assert_eq!(run(&app, &[]).code, Some(3));
    let root = folder.path("");
    let ended = run(&app, &["--root", root.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("completed"), "{ended}");
}

#[test]
fn an_init_that_fails_or_traps_is_not_a_start() {
    let app = |start: &str| {
        let manifest = "name = \"a\"\ncomponent = \"worker.wasm\"\ninit_state = \"start\"\n[[handlers]]\ntype = \"message-server\"\n[limits]\ncall_deadline = \"200ms\"\n";
        worker(manifest).with("start", start)
    };
    refused(&app("fail-init"), &[], &["init failed", "told to fail in init"]);
    refused(&app("trap-init"), &[], &["trapped", "\n    at "]);
    refused(&app("spin-init"), &[], &["timed out", "limits.call_deadline = 200ms"]);
}

#[test]
fn with_json_a_failed_start_ends_with_a_summary() {
    let folder = worker("name = \"a\"\ncomponent = \"gone.wasm\"\n");
    let ended = run(&folder.path("app.toml"), &["--json"]);
    let last: serde_json::Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (ended.code, &last["type"], &last["exit_code"]),
        (Some(3), &"summary".into(), &3.into()),
        "{ended}"
    );
    assert!(last["error"].as_str().unwrap().contains("gone.wasm"), "{ended}");
}

#[test]
fn chains_that_could_not_be_written_are_refused_before_the_start() {
    let folder = worker("name = \"a\"\ncomponent = \"worker.wasm\"\n");
    for out in ["gone/chains.jsonl", ""] {
        let out = folder.path(out);
        let ended = run(&folder.path("app.toml"), &["--chain-out", out.to_str().unwrap()]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(5), ""), "{ended}");
        assert!(ended.stderr.contains("could not write the event chains to"), "{ended}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["run"][..],
        &["fly"],
        &["run", "a.toml", "--grace", "soon"],
        &["run", "a.toml", "--chain-out", "-"],
        &["verify"],
    ] {
        let ended = ended(theater().args(arguments));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended}");
    }
}

#[test]
fn version_and_help_go_to_standard_output_and_help_has_the_exit_codes() {
    let version = ended(theater().arg("--version"));
    assert_eq!(
        (version.code, version.stdout.as_str()),
        (Some(0), concat!("theater ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    for arguments in [&["--help"][..], &["run", "--help"], &["verify", "--help"]] {
        let help = ended(theater().args(arguments));
        assert_eq!(help.code, Some(0), "{help}");
        assert!(help.stdout.contains("Exit codes:") && help.stdout.contains("130  "), "{help}");
    }
}
