//! `theater chain` on data folders: of apps that have ended, and of apps that run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use theater_chain::{Chain, ChainStore, LogOptions, SegmentedStore};
use theater_core::event::payload::{Anchor, ChildAnchor, Genesis, encode};
use theater_core::{ActorId, EventKind, Incarnation};

use crate::support::*;

/// The data of one run of the order desk, the largest of the examples.
fn desk() -> (Folder, PathBuf) {
    let folder = Folder::new();
    let data = folder.path("data");
    let shown = run(&examples().join("orders/app.toml"), &["--data", data.to_str().unwrap()]);
    assert_eq!(shown.code, Some(0), "{shown}");
    (folder, data)
}

fn genesis(n: u8, parent: Option<Anchor>) -> Genesis {
    Genesis {
        actor: ActorId::from_parts(1, [n; 10]),
        nonce: [n; 32],
        name: format!("actor {n}"),
        component: String::new(),
        manifest: String::new(),
        parent,
        runtime: "test".into(),
        placement: None,
        sources: None,
    }
}

fn objects(command: &str, data: &Path, more: &[&str]) -> Vec<Value> {
    let shown = chain(command, data, &[more, &["--json"]].concat());
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown}");
    shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_actors_are_listed_with_what_is_kept_of_them() {
    let (_folder, data) = desk();
    let rows = objects("ls", &data, &[]);
    let paths: Vec<_> = rows.iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["orders", "orders/order-worker", "orders/order-worker", "orders/order-worker"]);
    assert_eq!((&rows[0]["status"], &rows[0]["reason"]["name"]), (&"ended".into(), &"completed".into()));
    assert_eq!((&rows[0]["parent"], &rows[1]["parent"]), (&Value::Null, &rows[0]["actor"]));
    for row in &rows {
        let shown = objects("show", &data, &["--actor", row["actor"].as_str().unwrap()]);
        assert_eq!(shown.len() as u64, row["events"].as_u64().unwrap());
        let bytes: u64 = shown.iter().map(|event| event["payload_len"].as_u64().unwrap()).sum();
        assert_eq!(bytes, row["bytes"].as_u64().unwrap());
        assert_eq!((&shown[0]["time"], &shown[shown.len() - 1]["time"]), (&row["first"], &row["last"]));
    }
    let tree = chain("ls", &data, &["--tree"]);
    assert!(tree.stdout.lines().nth(2).unwrap().starts_with("  order-worker  "), "{tree}");
    assert!(tree.stdout.ends_with(" events\n"), "{tree}");
}

#[test]
fn events_are_shown_in_the_order_in_which_they_were_recorded_either_way() {
    let (_folder, data) = desk();
    let all = objects("show", &data, &[]);
    let places: Vec<_> = all.iter().map(|event| event["lsn"].as_u64().unwrap()).collect();
    assert_eq!(places, (1..=all.len() as u64).collect::<Vec<_>>());
    let mut last = objects("show", &data, &["--reverse", "--limit", "20"]);
    last.reverse();
    assert_eq!(last, all[all.len() - 20..]);
    assert_eq!(objects("tail", &data, &["-n", "20"]), last);
    assert!(all.iter().all(|event| event["pending"] == false));
}

#[test]
fn filters_take_what_they_say_and_nothing_else() {
    let (_folder, data) = desk();
    let all = objects("show", &data, &[]);
    let kept = |more: &[&str], keep: &dyn Fn(&Value) -> bool| {
        let expected: Vec<_> = all.iter().filter(|event| keep(event)).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < all.len(), "{more:?} says something");
        assert_eq!(objects("show", &data, more), expected, "{more:?}");
    };
    let kind = |event: &Value| event["kind"].as_str().unwrap().to_owned();
    kept(&["--kind", "theater/call"], &|event| kind(event) == "theater/call");
    kept(&["--kind", "theater:simple/supervisor"], &|event| {
        kind(event).starts_with("theater:simple/supervisor")
    });
    kept(&["--kind", "theater/started", "--kind", "theater/exited"], &|event| {
        ["theater/started", "theater/exited"].contains(&&*kind(event))
    });
    kept(&["--actor", "orders"], &|event| event["path"] == "orders");
    kept(&["--seq", "2..5"], &|event| (2..5).contains(&event["seq"].as_u64().unwrap()));
    kept(&["--seq", "7"], &|event| event["seq"] == 7);
    let middle = all[all.len() / 2]["time"].as_str().unwrap();
    // Times of one width compare as texts do.
    kept(&["--since", middle], &|event| event["time"].as_str().unwrap() >= middle);
    kept(&["--until", middle], &|event| event["time"].as_str().unwrap() < middle);
    assert_eq!(objects("show", &data, &["--since", "1h"]), all);
    assert_eq!(objects("show", &data, &["--until", "1h"]), Vec::<Value>::new());
}

#[test]
fn what_events_say_is_one_readable_line() {
    let (_folder, data) = desk();
    let shown = chain("show", &data, &["--actor", "orders", "--seq", "..4"]);
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{shown}");
    assert!(lines[1].contains("  theater/started  incarnation: 1, origin: \"init\""), "{shown}");
    assert!(
        lines[2].contains("  theater/call  function: \"init\"") && lines[2].ends_with("more characters: -v)")
    );
    let whole = chain("show", &data, &["-v", "--actor", "orders", "--seq", "2"]);
    assert!(whole.stdout.len() > 10_000, "{}", whole.stdout.len());
    let object = &objects("show", &data, &["--actor", "orders", "--seq", "2"])[0]["payload"];
    assert_eq!(object["function"], "init");
    assert!(object["data"]["text"].as_str().unwrap().starts_with("{\"id\""), "{object}");
}

#[test]
fn an_export_of_all_verifies_and_one_of_a_part_says_that_it_need_not() {
    let (folder, data) = desk();
    let out = folder.path("all.jsonl");
    let exported = chain("export", &data, &["--out", out.to_str().unwrap()]);
    assert_eq!((exported.code, exported.stdout.as_str()), (Some(0), ""), "{exported}");
    assert!(exported.stderr.starts_with("exported 4 actors, "), "{exported}");
    let verified = verify(&out);
    let folder_verified = chain("verify", &data, &[]);
    assert_eq!(verified.stdout, folder_verified.stdout, "{verified}");
    // The same as a run writes itself.
    let printed = chain("export", &data, &[]);
    assert_eq!(printed.stdout, std::fs::read_to_string(&out).unwrap());

    let part = chain("export", &data, &["--kind", "theater/exited"]);
    assert!(part.stderr.contains("need not verify"), "{part}");
    assert!(part.stdout.lines().all(|line| line.contains("\"type\":\"theater/exited\"")), "{part}");
}

#[test]
fn an_export_to_sqlite_is_a_data_folder_that_verifies() {
    let (folder, data) = desk();
    let other = folder.path("other");
    std::fs::create_dir(&other).unwrap();
    let file = other.join("chains.sqlite");
    let exported = chain("export", &data, &["--sqlite", file.to_str().unwrap()]);
    assert_eq!(exported.code, Some(0), "{exported}");
    assert_eq!(chain("verify", &other, &[]).stdout, chain("verify", &data, &[]).stdout);
    let again = chain("export", &data, &["--sqlite", file.to_str().unwrap()]);
    assert_eq!(again.code, Some(5), "a file that is there is not written over\n{again}");
    let wrong = chain("export", &data, &["--sqlite", "x", "--kind", "theater/call"]);
    assert_eq!(wrong.code, Some(2), "{wrong}");
}

#[test]
fn an_export_can_be_imported_once_and_a_changed_one_cannot() {
    let (folder, data) = desk();
    let out = folder.path("all.jsonl");
    assert_eq!(chain("export", &data, &["-o", out.to_str().unwrap()]).code, Some(0));
    let other = folder.path("other");
    for there in [false, true] {
        let imported = chain("import", &other, &[out.to_str().unwrap()]);
        assert_eq!(imported.code, Some(0), "{imported}");
        assert_eq!(imported.stdout.contains("; 0 events of 0 chains"), there, "{imported}");
    }
    assert_eq!(chain("verify", &other, &[]).stdout, chain("verify", &data, &[]).stdout);

    let text = std::fs::read_to_string(&out).unwrap();
    let folder = folder.with("changed.jsonl", text.replacen("\"payload\":\"", "\"payload\":\"AAAA", 1));
    let changed = folder.path("changed.jsonl");
    let refused = chain("import", &folder.path("third"), &[changed.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.stderr.contains("line 1: "), "{refused}");
    let missing = chain("import", &folder.path("third"), &["gone.jsonl"]);
    assert_eq!(missing.code, Some(5), "{missing}");
}

#[test]
fn what_old_events_say_can_be_removed_and_the_chains_verify() {
    let (folder, data) = desk();
    let before = objects("ls", &data, &[]);
    let nothing = chain("prune", &data, &["--older-than", "7d"]);
    assert_eq!(nothing.stdout, "pruned: 0 events of 0 actors, 0 bytes\n", "{nothing}");
    let one = chain("prune", &data, &["--keep-last", "10", "--actor", "orders", "--json"]);
    let one: Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(one["chains"], 1);
    assert!(one["bytes"].as_u64().unwrap() > 100_000, "{one}");
    let after = objects("ls", &data, &[]);
    assert_eq!(after[0]["events"].as_u64(), before[0]["events"].as_u64().map(|events| events + 1));
    assert!(after[0]["bytes"].as_u64() < before[0]["bytes"].as_u64());
    assert_eq!(after[1]["bytes"], before[1]["bytes"]);
    let shown = chain("show", &data, &["--actor", "orders", "--seq", "2"]);
    assert!(shown.stdout.contains("theater/call  (pruned: "), "{shown}");
    let verified = chain("verify", &data, &["--json"]);
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((&verified["type"], verified["pruned"].as_u64() > Some(100)), (&"verified".into(), true));
    let out = folder.path("pruned.jsonl");
    assert_eq!(chain("export", &data, &["-o", out.to_str().unwrap()]).code, Some(0));
    assert_eq!(verify(&out).code, Some(0));
    let unsaid = chain("prune", &data, &[]);
    assert_eq!(unsaid.code, Some(2), "{unsaid}");
    assert!(unsaid.stderr.contains("--older-than <DURATION>|--keep-last <N>"), "{unsaid}");
}

#[cfg(unix)]
#[test]
fn what_an_app_needs_to_go_on_is_not_removed_while_it_runs_or_after() {
    let (tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let total = |expected: &str| {
        let answer = ended(theater().args(["request", "store", "total", "--data"]).arg(&data));
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(0), expected), "{answer}");
    };
    for _ in 0..20 {
        let answer = ended(theater().args(["request", "store", "add 2", "--data"]).arg(&data));
        assert_eq!(answer.code, Some(0), "{answer}");
    }
    let running = chain("prune", &data, &["--keep-last", "1", "--actor", "store"]);
    assert_eq!(running.code, Some(0), "{running}");
    assert!(chain("show", &data, &["--actor", "store"]).stdout.contains("theater/pruned"));
    total("40");
    tree.signal("INT");
    assert_eq!(tree.end_within(Duration::from_secs(20)).code, Some(130));
    let stopped = chain("prune", &data, &["--keep-last", "1"]);
    assert_eq!(stopped.code, Some(0), "{stopped}");
    assert!(chain("show", &data, &["--actor", "store"]).stdout.contains("(pruned: "));
    assert_eq!(chain("verify", &data, &[]).code, Some(0));
    let tree = live_again(&data);
    total("40");
    tree.signal("INT");
    tree.end_within(Duration::from_secs(20));
}

#[test]
fn a_running_app_is_followed_listed_and_verified() {
    let (tree, folder) = live_tree(&[]);
    let data = folder.path("data");
    let mut tail = Running::start(
        theater().args(["chain", "tail", "--follow", "-n", "0", "--actor", "store", "--data"]).arg(&data),
    );
    let rows = objects("ls", &data, &[]);
    assert_eq!(rows.len(), 9);
    assert!(rows.iter().all(|row| row["status"] == "running"), "{rows:?}");
    // It may take a moment until it follows.
    for n in 1..=100 {
        let message = format!("add {n}");
        let sent = ended(theater().args(["request", "store", &message, "--data"]).arg(&data));
        assert_eq!(sent.code, Some(0), "{sent}");
        if n > 1 && tail.has_printed("theater/return") {
            break;
        }
        assert!(n < 100, "nothing is followed");
        std::thread::sleep(Duration::from_millis(50));
    }
    let verified = chain("verify", &data, &[]);
    assert!(verified.stdout.starts_with("verified: 9 actors, "), "{verified}");
    let out = data.with_file_name("live.jsonl");
    assert_eq!(chain("export", &data, &["-o", out.to_str().unwrap()]).code, Some(0));
    assert_eq!(verify(&out).code, Some(0));
    tail.signal("INT");
    let tail = tail.end_within(Duration::from_secs(10));
    assert_eq!(tail.code, Some(0), "{tail}");
    assert!(tail.stdout.contains("tree/data/store") && !tail.stdout.contains("pending"), "{tail}");
    tree.signal("KILL");
    tree.end_within(Duration::from_secs(20));
    let rows = objects("ls", &data, &[]);
    assert!(rows.iter().all(|row| row["status"] == "interrupted"), "{rows:?}");
}

#[test]
fn what_may_still_be_lost_is_marked_and_not_exported() {
    let folder = Folder::new();
    let data = folder.path("data");
    let mut options = LogOptions::default();
    // It does not say that its last events are durable.
    options.mark_delay = Duration::from_secs(3_600);
    let (store, _) = SegmentedStore::open(&data, options).unwrap();
    let genesis = genesis(1, None);
    let (mut chain_of_one, first) = Chain::genesis(encode(&genesis), store.epoch(), 1);
    store.create(first).unwrap();
    let durable = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    durable().block_on(store.until_durable(store.accepted())).unwrap();
    for time in 2..5 {
        let head = chain_of_one.head();
        store.append(head, chain_of_one.append(EventKind::LOG, "x".into(), time)).unwrap();
        durable().block_on(store.until_durable(store.accepted())).unwrap();
    }
    let shown = objects("show", &data, &[]);
    let pending: Vec<_> = shown.iter().map(|event| event["pending"].as_bool().unwrap()).collect();
    assert_eq!(pending, [false, false, false, true], "each event says what was durable before it");
    let lines = chain("show", &data, &[]);
    assert!(lines.stdout.lines().nth(3).unwrap().contains("  pending  "), "{lines}");
    let exported = chain("export", &data, &[]);
    assert_eq!(exported.stdout.lines().count(), 3, "{exported}");
    store.close().unwrap();
    assert!(objects("show", &data, &[]).iter().all(|event| event["pending"] == false));
}

#[test]
fn chains_that_do_not_agree_are_all_told_although_every_file_is_sound() {
    let folder = Folder::new();
    let data = folder.path("data");
    let (store, _) = SegmentedStore::open(&data, LogOptions::default()).unwrap();
    let (mut parent, first) = Chain::genesis(encode(&genesis(1, None)), store.epoch(), 1);
    store.create(first).unwrap();
    let anchor = |n: u8, chain: &Chain, length: u64| {
        let head = chain.head();
        Anchor { actor: ActorId::from_parts(1, [n; 10]), chain: head.chain_id, length, head: head.hash }
    };
    let (child, birth) = Chain::genesis(encode(&genesis(2, Some(anchor(1, &parent, 1)))), store.epoch(), 2);
    store.create(birth).unwrap();
    // One that is not there, one that has fewer events, and one that has another hash there.
    let (gone, _) = Chain::genesis(encode(&genesis(3, None)), store.epoch(), 2);
    let other = Anchor { head: gone.head().hash, ..anchor(2, &child, 1) };
    for anchor in [anchor(3, &gone, 1), anchor(2, &child, 5), other, anchor(2, &child, 1)] {
        let says = ChildAnchor { incarnation: Incarnation::FIRST, reason: None, anchor };
        let head = parent.head();
        store.append(head, parent.append(EventKind::CHILD_STARTED, encode(&says), 3)).unwrap();
    }
    store.close().unwrap();

    let told = chain("verify", &data, &[]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{told}");
    let lines: Vec<_> = told.stderr.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    for (line, part) in lines.iter().zip([
        "event 1: remembers the chain of actor",
        "which has fewer: its end was removed",
        "that chain was written anew",
        "not verified: 3 faults",
    ]) {
        assert!(line.contains(part), "{part}\n{told}");
    }
    let objects = chain("verify", &data, &["--json"]);
    assert_eq!((objects.code, objects.stdout.lines().count()), (Some(1), 3), "{objects}");
}

#[test]
fn a_store_in_sqlite_is_looked_at_in_the_same_way() {
    let folder = Folder::new();
    let data = folder.path("data");
    let app = examples().join("orders/app.toml");
    let shown = run(&app, &["--data", data.to_str().unwrap(), "--store", "sqlite"]);
    assert_eq!(shown.code, Some(0), "{shown}");
    let all = objects("show", &data, &[]);
    let mut last = objects("show", &data, &["--reverse", "--limit", "9"]);
    last.reverse();
    assert_eq!(last, all[all.len() - 9..]);
    assert_eq!(objects("ls", &data, &[]).len(), 4);
    assert_eq!(chain("verify", &data, &[]).stdout, format!("verified: 4 actors, {} events\n", all.len()));
    let out = folder.path("all.jsonl");
    assert_eq!(chain("export", &data, &["-o", out.to_str().unwrap()]).code, Some(0));
    assert_eq!(verify(&out).code, Some(0));
}

#[test]
fn what_is_no_data_folder_is_told_by_every_command() {
    let folder = Folder::new().with("file", "x").with("empty/nothing", "");
    for (name, part) in [
        ("gone", "there is no data folder"),
        ("empty", "is no data folder, or nothing has been recorded in it yet"),
        ("file", "is a file, and no data folder"),
    ] {
        for command in ["ls", "show", "tail", "verify", "export", "prune"] {
            let more: &[&str] = if command == "prune" { &["--keep-last", "1"] } else { &[] };
            let refused = chain(command, &folder.path(name), more);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(6), ""), "{command} {refused}");
            assert!(refused.stderr.contains(part), "{command} {refused}");
        }
        let refused = ended(theater().args(["repair", "--data"]).arg(folder.path(name)));
        assert_eq!(refused.code, Some(6), "{refused}");
    }
}

#[test]
fn wrong_filters_and_unknown_actors_are_refused_with_what_was_meant() {
    let (_folder, data) = desk();
    for (more, code, part) in [
        (&["--actor", "ordres"][..], 8, "there is no actor `ordres`; the nearest: `orders`"),
        (&["--actor", "order-worker"], 8, "3 actors are called `order-worker`; say which by its id:"),
        (&["--kind", "theater/cal1"], 2, "perhaps theater/call"),
        (&["--since", "yesterday"], 2, "neither a time"),
        (&["--seq", "9..3"], 2, "there is no position in 9..3"),
    ] {
        let refused = chain("show", &data, more);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(code), ""), "{refused}");
        assert!(refused.stderr.contains(part), "{part}\n{refused}");
    }
}
