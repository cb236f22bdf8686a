//! `theater check`: everything is looked at and nothing is started.

use serde_json::Value;

use super::support::{Ended, Folder, ended, examples, theater};

fn check(app: &std::path::Path, more: &[&str]) -> Ended {
    ended(theater().arg("check").arg(app).args(more))
}

const WORKER: &str =
    "name = \"worker\"\ncomponent = \"worker.wasm\"\n[[handlers]]\ntype = \"message-server\"\n";

fn app(text: &str) -> Folder {
    Folder::new().with_example("components/worker.wasm").with("worker.toml", WORKER).with("app.toml", text)
}

#[test]
fn a_good_tree_is_shown_and_counted() {
    let shown = check(&examples().join("components/tree.toml"), &[]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown}");
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert_eq!(*lines.last().unwrap(), "ok: 10 actors", "{shown}");
    assert!(
        lines[0].starts_with("tree ")
            && lines[0].contains("pure supervisor; one-for-one, 2 restarts within 10s")
    );
    assert!(lines[1].starts_with("  data ") && lines[1].contains("transient; no limit to stop"));
    assert!(lines[2].starts_with("    store ") && lines[2].contains("permanent; 5s to stop; worker.wasm"));
}

#[test]
fn every_actor_that_could_not_be_started_is_named_with_what_to_do() {
    let folder = app("name = \"app\"\n[[children]]\nid = \"good\"\nmanifest = \"worker.toml\"\n\
                      [[children]]\nid = \"lost\"\ncomponent = \"gone.wasm\"\n\
                      [[children]]\nid = \"text\"\ncomponent = \"worker.toml\"\n\
                      [[children]]\nid = \"deaf\"\ncomponent = \"worker.wasm\"\n\
                      [[children]]\nid = \"stateless\"\ncomponent = \"worker.wasm\"\ninit_state = \"gone.json\"\n\
                      handlers = [{ type = \"message-server\" }]\n");
    let said = check(&folder.path("app.toml"), &[]);
    assert_eq!(said.code, Some(3), "{said}");
    for part in [
        "error: lost: gone.wasm: not found",
        "error: text: component worker.toml: not a WebAssembly component",
        "error: deaf: component worker.wasm: import theater:simple/message-server-host is not provided; add \
         `[[handlers]]` with `type = \"message-server\"`",
        "error: stateless: gone.json: not found",
    ] {
        assert!(said.stderr.contains(part), "{part}\n{said}");
    }
    assert!(said.stdout.ends_with("not ok: 4 of 6 actors could not be started\n"), "{said}");
}

#[test]
fn a_rule_that_is_broken_is_told_with_file_and_line() {
    let folder =
        app("name = \"app\"\n\n[[children]]\nid = \"a\"\nmanifest = \"worker.toml\"\nsignificant = true\n\
                      restart = \"transient\"\n");
    let path = folder.path("app.toml");
    let said = check(&path, &[]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""), "{said}");
    let place = format!("{}:3: a significant child has no effect", path.display());
    assert!(said.stderr.contains(&place), "{said}");
}

#[test]
fn a_child_that_asks_for_more_than_its_parent_has_is_told_with_the_difference_and_what_to_write() {
    let folder =
        app("name = \"app\"\ncomponent = \"worker.wasm\"\nhandlers = [{ type = \"message-server\" }, \
                      { type = \"timing\", max_sleep_duration = 1000 }]\n[[children]]\nid = \"sleeper\"\n\
                      component = \"worker.wasm\"\nhandlers = [{ type = \"timing\" }]\n");
    let path = folder.path("app.toml");
    let said = check(&path, &[]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""), "{said}");
    for part in [
        &*format!("{}:7: `sleeper` asks for more than `app` has: ", path.display()),
        "timing.max_sleep_duration 3600000 is more than the parent's 1000; write `max_sleep_duration = 3600000` under \
         handler `timing` in the manifest of `app`, or take it out of this one",
    ] {
        assert!(said.stderr.contains(part), "{part}\n{said}");
    }
}

#[test]
fn json_is_one_object_for_good_and_for_bad() {
    let good: Value =
        serde_json::from_str(&check(&examples().join("components/tree.toml"), &["--json"]).stdout).unwrap();
    assert_eq!(good["ok"], true);
    assert_eq!(good["actors"][2]["path"], serde_json::json!(["data", "store"]));
    assert_eq!(good["actors"][2]["restart"], "permanent");

    let folder = app("name = \"app\"\n[[children]]\nid = \"lost\"\ncomponent = \"gone.wasm\"\n");
    let bad = check(&folder.path("app.toml"), &["--json"]);
    assert_eq!((bad.code, bad.stderr.as_str()), (Some(3), ""), "{bad}");
    let bad: Value = serde_json::from_str(&bad.stdout).unwrap();
    assert_eq!((&bad["ok"], &bad["actors"][1]["problem"]), (&false.into(), &"gone.wasm: not found".into()));

    let none: Value = serde_json::from_str(&check(&folder.path("no.toml"), &["--json"]).stdout).unwrap();
    assert_eq!(none["ok"], false);
    assert!(none["error"].as_str().unwrap().contains("there is no manifest"), "{none}");
}

#[test]
fn nothing_is_started() {
    // Its `init` would fail.
    let folder = app(
        "name = \"app\"\n[[children]]\nid = \"w\"\ncomponent = \"worker.wasm\"\ninit_state = \"state\"\n\
                      handlers = [{ type = \"message-server\" }]\n",
    )
    .with("state", "fail-init");
    assert_eq!(check(&folder.path("app.toml"), &[]).code, Some(0));
    let run = ended(theater().arg("run").arg(folder.path("app.toml")));
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("child `w` did not start: init failed"), "{run}");
}

#[test]
fn what_was_compiled_is_kept_for_the_next_command_unless_that_is_turned_off() {
    let folder = Folder::new();
    let cache = folder.path("cache");
    let check = |cache: &std::path::Path| {
        let mut command = theater();
        ended(command.arg("check").arg(examples().join("components/tree.toml")).env("THEATER_CACHE", cache))
    };
    let first = check(&cache);
    assert_eq!(first.code, Some(0), "{first}");
    let files = || walk(&cache);
    let kept = files();
    assert!(!kept.is_empty());
    let second = check(&cache);
    assert_eq!((second.code, second.stdout), (Some(0), first.stdout));
    assert_eq!(files(), kept, "nothing was compiled once more");
    let none = check("off".as_ref());
    assert_eq!((none.code, none.stderr.as_str()), (Some(0), ""), "{none}");
    // A folder that cannot be used costs time, and is told.
    let folder = folder.with("file", "x");
    let warned = check(&folder.path("file/cache"));
    assert_eq!(warned.code, Some(0), "{warned}");
    assert!(warned.stderr.contains("THEATER_CACHE names another folder"), "{warned}");
}

/// The names of compiled components, with when each was written.
fn walk(folder: &std::path::Path) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path()));
        } else if entry.path().extension().is_none() && entry.metadata().unwrap().len() > 0 {
            found.push((entry.path(), entry.metadata().unwrap().modified().unwrap()));
        }
    }
    found.sort();
    found
}
