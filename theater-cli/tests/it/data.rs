//! What `theater run` keeps, and what it says where it cannot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::*;

/// A desk with a few orders, and its folder of data beside it.
fn desk() -> Folder {
    let order = "{\"quantity\":1,\"unit_price_cents\":100}\n";
    busy_desk("1s").with("orders.jsonl", order.repeat(3))
}

fn data(folder: &Folder) -> PathBuf {
    folder.path(".theater")
}

fn segments(data: &Path) -> usize {
    let files = std::fs::read_dir(data.join("log")).unwrap();
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|it| it == "seg")).count()
}

#[test]
fn chains_are_kept_beside_the_manifest_and_each_run_exports_its_own_tree() {
    let folder = desk();
    let (app, out) = (folder.path("app.toml"), folder.path("chains.jsonl"));
    let mut totals = Vec::new();
    for n in 1..=2 {
        let shown = run(&app, &["--chain-out", out.to_str().unwrap()]);
        assert_eq!(shown.code, Some(0), "{shown}");
        let place = format!("data: {}; store: log; durability: full: ", data(&folder).display());
        assert!(shown.stderr.starts_with(&place), "{shown}");
        assert_eq!(shown.stderr.contains("\nrecovered: "), n == 2, "{shown}");
        let verified = verify(&out);
        assert_eq!(verified.code, Some(0), "{verified}");
        assert!(verified.stdout.starts_with("verified: 4 actors, "), "{verified}");
        assert!(shown.stderr.contains("\n4 actors, 4 lives (0 restarts), "), "{shown}");
        totals.push(std::fs::read_to_string(&out).unwrap().lines().count());
    }
    let all = chain("verify", &data(&folder), &[]);
    assert_eq!(all.stdout, format!("verified: 8 actors, {} events\n", totals.iter().sum::<usize>()), "{all}");
    assert!(!data(&folder).join("control.sock").exists());
}

#[test]
fn what_was_found_is_told_as_an_object_too() {
    let folder = desk();
    let app = folder.path("app.toml");
    for events in [false, true] {
        let shown = run(&app, &["--json", "--durability", "relaxed"]);
        let first: Value = serde_json::from_str(shown.stdout.lines().next().unwrap()).unwrap();
        assert_eq!((&first["type"], &first["durability"]), (&"data".into(), &"relaxed".into()), "{shown}");
        assert_eq!(first["durability_text"], "relaxed: a loss of power may lose the last 100 ms");
        assert_eq!(first["recovered"]["events"].as_u64().unwrap() > 0, events, "{shown}");
        assert_eq!(first["recovered"]["closed"], true);
    }
}

#[test]
fn the_manifest_says_the_durability_unless_the_command_line_does() {
    let folder = desk();
    let app = std::fs::read_to_string(folder.path("app.toml")).unwrap();
    let folder = folder.with("app.toml", format!("durability = \"relaxed\"\n{app}"));
    let app = folder.path("app.toml");
    let shown = run(&app, &[]);
    assert!(
        shown.stderr.contains("durability: relaxed: a loss of power may lose the last 100 ms\n"),
        "{shown}"
    );
    let shown = run(&app, &["--durability", "full"]);
    assert!(shown.stderr.contains("durability: full: "), "{shown}");
}

#[test]
fn a_store_in_memory_leaves_nothing_and_says_so() {
    let folder = desk();
    let shown = run(&folder.path("app.toml"), &["--store", "memory"]);
    assert_eq!(shown.code, Some(0), "{shown}");
    assert!(
        shown.stderr.starts_with("data: none; store: memory; durability: memory: nothing is kept"),
        "{shown}"
    );
    assert!(!data(&folder).exists());
    for more in [&["--data", "x"], &["--durability", "full"]] {
        let refused = run(&folder.path("app.toml"), &[&["--store", "memory"], &more[..]].concat());
        assert_eq!(refused.code, Some(2), "{refused}");
        assert!(refused.stderr.contains("has no effect with --store memory"), "{refused}");
    }
}

#[test]
fn a_folder_of_another_store_is_refused_with_the_right_flag() {
    let folder = desk();
    let app = folder.path("app.toml");
    assert_eq!(run(&app, &["--store", "sqlite"]).code, Some(0));
    let refused = run(&app, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(6), ""), "{refused}");
    assert!(refused.stderr.contains("was written with the store `sqlite`"), "{refused}");
    assert!(refused.stderr.contains("run with --store sqlite"), "{refused}");
    let again = run(&app, &["--store", "sqlite"]);
    assert!(again.stderr.contains("\nrecovered: "), "{again}");
    let all = chain("verify", &data(&folder), &[]);
    assert!(all.stdout.starts_with("verified: 8 actors, "), "{all}");
}

#[test]
fn a_manifest_that_cannot_be_read_leaves_no_folder() {
    let folder = Folder::new().with("app.toml", "name = 7\n");
    let refused = run(&folder.path("app.toml"), &[]);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert!(!data(&folder).exists());
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_before_the_start() {
    let folder = desk().with("file", "x");
    let app = folder.path("app.toml");
    let file = folder.path("file");
    let refused = run(&app, &["--data", file.to_str().unwrap()]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(6), ""), "{refused}");
    assert!(refused.stderr.contains("is a file, and no data folder"), "{refused}");
    let below = file.join("data");
    let refused = run(&app, &["--data", below.to_str().unwrap()]);
    assert_eq!(refused.code, Some(6), "{refused}");
    assert!(refused.stderr.contains("the data folder"), "{refused}");
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let folder = busy_desk("kill");
    let app = folder.path("app.toml");
    let mut running = Running::start(theater().arg("run").arg(&app));
    running.wait_for("started", 4);
    let refused = run(&app, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(6), ""), "{refused}");
    assert!(refused.stderr.contains("is used by another process"), "{refused}");
    assert!(
        refused.stderr.contains(&format!("theater status --data {}", data(&folder).display())),
        "{refused}"
    );
    running.signal("INT");
    assert_eq!(running.end_within(Duration::from_secs(20)).code, Some(130));
}

#[test]
fn after_ctrl_c_the_store_is_closed_and_after_a_kill_the_next_run_says_what_it_found() {
    let folder = busy_desk("kill");
    let app = folder.path("app.toml");
    for (signal, told) in [("INT", false), ("KILL", true)] {
        let mut running = Running::start(theater().arg("run").arg(&app).arg("--fresh"));
        running.wait_for("started", 4);
        running.signal(signal);
        running.end_within(Duration::from_secs(20));
        let mut next = Running::start(theater().arg("run").arg(&app).arg("--fresh"));
        next.wait_for("started", 4);
        next.signal("INT");
        let next = next.end_within(Duration::from_secs(20));
        assert!(next.stderr.contains("\nrecovered: "), "{next}");
        assert_eq!(next.stderr.contains("did not close the store"), told, "{next}");
    }
    let all = chain("verify", &data(&folder), &[]);
    assert_eq!(all.code, Some(0), "{all}");
    assert!(segments(&data(&folder)) >= 4);
}

#[test]
fn damage_is_refused_with_its_place_its_actor_and_what_to_do_and_can_be_repaired() {
    let folder = desk();
    let app = folder.path("app.toml");
    for _ in 0..2 {
        assert_eq!(run(&app, &[]).code, Some(0));
    }
    let data = data(&folder);
    damage(&data);

    let verified = chain("verify", &data, &[]);
    assert_eq!((verified.code, verified.stdout.as_str()), (Some(1), ""), "{verified}");
    assert!(verified.stderr.contains("log/0000000000000001.seg, at byte "), "{verified}");
    assert!(verified.stderr.ends_with("not verified: 1 fault\n"), "{verified}");
    let object = chain("verify", &data, &["--json"]);
    let object: Value = serde_json::from_str(object.stdout.lines().next().unwrap()).unwrap();
    assert_eq!((&object["type"], &object["file"]), (&"fault".into(), &"log/0000000000000001.seg".into()));

    // Only now a run would notice: what a sidecar vouches for is not read at the start.
    for file in std::fs::read_dir(data.join("log")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "idx") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let refused = run(&app, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(6), ""), "{refused}");
    for part in ["log/0000000000000001.seg, at byte ", ", actor ", "theater repair --data ", "--dry-run"] {
        assert!(refused.stderr.contains(part), "{part}\n{refused}");
    }

    let plan = ended(theater().args(["repair", "--dry-run", "--data"]).arg(&data));
    assert_eq!(plan.code, Some(0), "{plan}");
    assert!(plan.stdout.contains("nothing was changed; a repair keeps the events up to "), "{plan}");
    assert_eq!(run(&app, &[]).code, Some(6), "a plan changes nothing");
    let rest = folder.path("rest.jsonl");
    let repaired = ended(theater().args(["repair", "--json", "--data"]).arg(&data).arg("--rest").arg(&rest));
    let object: Value = serde_json::from_str(&repaired.stdout).unwrap();
    assert_eq!(object["repaired"], true, "{repaired}");
    assert_eq!(
        object["rest"]["written"].as_u64().unwrap() as usize,
        std::fs::read_to_string(&rest).unwrap().lines().count()
    );
    assert_eq!(chain("verify", &data, &[]).code, Some(0));
    assert_eq!(run(&app, &["--fresh"]).code, Some(0));
    let nothing = ended(theater().args(["repair", "--data"]).arg(&data));
    assert_eq!(nothing.stdout, "nothing is damaged: nothing to do\n");
}

#[cfg(unix)]
#[test]
fn a_store_that_fails_ends_the_run_with_5_and_says_why() {
    let folder = busy_desk("1s").with("orders.jsonl", "not an order\n".repeat(1_500));
    let app = std::fs::read_to_string(folder.path("app.toml")).unwrap();
    let folder =
        folder.with("app.toml", app + "[supervision]\nintensity = 100000\npoison_after = \"never\"\n");
    // The first segment of a log has 1 MiB. The second would be longer than any file may be here.
    let script = "trap '' XFSZ; ulimit -f 3000; exec \"$0\" run \"$1\"";
    let mut limited = Command::new("sh");
    limited.env("THEATER_CACHE", "off");
    limited.args(["-c", script, env!("CARGO_BIN_EXE_theater")]).arg(folder.path("app.toml"));
    let failed = ended(&mut limited);
    assert_eq!(failed.code, Some(5), "{failed}");
    assert!(failed.stderr.contains("the event store has failed"), "{failed}");
    // What had been told is there.
    let all = chain("verify", &data(&folder), &[]);
    assert_eq!(all.code, Some(0), "{all}");
}
