//! Ends that are asked for from outside.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::*;

/// Name and what happened, for each line that tells an end, in order.
fn ends(stdout: &str) -> Vec<(&str, &str)> {
    let end = |line| {
        let mut columns = str::split_whitespace(line).skip(1);
        let (name, what) = (columns.next()?, columns.nth(1)?);
        ["completed", "stopped", "killed", "crashed"].contains(&what).then_some((name, what))
    };
    stdout.lines().filter_map(end).collect()
}

/// The short ids of the actors whose lines have `what`, in order.
fn ids<'a>(stdout: &'a str, what: &[&str]) -> Vec<&'a str> {
    let of_interest = |line: &&str| what.iter().any(|what| line.contains(&format!("  {what}")));
    stdout.lines().filter(of_interest).map(|line| line.split_whitespace().nth(2).unwrap()).collect()
}

fn start(app: &Folder, more: &[&str]) -> Running {
    let mut running = Running::start(theater().arg("run").arg(app.path("app.toml")).args(more));
    // The desk and its three workers, as a line or as an object.
    running.wait_for("started", 4);
    running
}

#[test]
fn ctrl_c_stops_the_latest_first_and_ends_with_130_and_with_chains_that_verify() {
    let app = busy_desk("200ms");
    let chains = app.path("chains.jsonl");
    let running = start(&app, &["--chain-out", chains.to_str().unwrap()]);
    running.signal("INT");
    let ended = running.end_within(Duration::from_secs(20));

    assert_eq!(ended.code, Some(130), "{ended}");
    // The first worker is busy for ever, so it does not end within its grace.
    let expected = [("worker", "stopped"), ("worker", "stopped"), ("worker", "killed"), ("desk", "stopped")];
    assert_eq!(ends(&ended.stdout), expected, "{ended}");
    let workers: Vec<_> = {
        let desk = ids(&ended.stdout, &["stopped"]).pop().unwrap();
        ids(&ended.stdout, &["started"]).into_iter().filter(|id| *id != desk).collect()
    };
    let mut stopped = ids(&ended.stdout, &["stopped", "killed"]);
    stopped.pop();
    stopped.reverse();
    assert_eq!(stopped, workers, "{ended}");
    assert!(ended.stderr.contains("once more to kill"), "{ended}");
    let verified = verify(&chains);
    assert_eq!(verified.code, Some(0), "{verified}");
}

#[test]
fn sigterm_stops_the_tree_and_ends_with_143() {
    let app = busy_desk("kill");
    let running = start(&app, &["--json"]);
    running.signal("TERM");
    let ended = running.end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(143), "{ended}");
    let last: serde_json::Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["type"], &last["exit_code"]), (&"summary".into(), &143.into()), "{ended}");
}

#[test]
fn a_second_ctrl_c_kills_a_tree_with_a_guest_that_spins_at_once() {
    let app = busy_desk("infinity");
    let mut running = start(&app, &["--grace", "1h"]);
    running.signal("INT");
    // Those that are idle stop; the one that spins is waited for.
    running.wait_for("  stopped", 2);
    let begun = Instant::now();
    running.signal("INT");
    let ended = running.end_within(Duration::from_secs(10));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(ended.code, Some(130), "{ended}");
    let names: Vec<_> = ends(&ended.stdout).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["worker", "worker", "worker", "desk"], "{ended}");
    assert!(ended.stderr.contains("killing; "), "{ended}");
}

#[test]
fn an_app_that_is_still_in_init_can_be_interrupted() {
    let app = Folder::new().with_example("components/worker.wasm").with("start", "spin-init").with(
        "app.toml",
        "name = \"spinner\"\ncomponent = \"worker.wasm\"\ninit_state = \"start\"\n\
             [[handlers]]\ntype = \"message-server\"\n[limits]\ncall_deadline = \"1h\"\n",
    );
    let running = Running::start(theater().arg("run").arg(app.path("app.toml")).args(["--grace", "100ms"]));
    // Nothing is printed before `init` has ended.
    std::thread::sleep(Duration::from_secs(1));
    running.signal("INT");
    let ended = running.end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(130), "{ended}");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_without_a_word() {
    let mut command = theater();
    let data = Folder::new();
    command.arg("run").arg(examples().join("orders/app.toml")).arg("--data").arg(data.path("data"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(141), 1), "{ended}");
    assert!(ended.stderr.starts_with("data: "), "{ended}");
}

#[test]
fn a_reader_that_does_not_read_does_not_hold_up_the_tree() {
    // More crashes than a pipe holds lines about.
    let folder = busy_desk("1s").with("orders.jsonl", "not an order\n".repeat(600));
    let app = std::fs::read_to_string(folder.path("app.toml")).unwrap();
    let folder =
        folder.with("app.toml", app + "[supervision]\nintensity = 100000\npoison_after = \"never\"\n");
    let chains = folder.path("chains.jsonl");
    let mut command = theater();
    command
        .arg("run")
        .arg(folder.path("app.toml"))
        .arg("--chain-out")
        .arg(&chains)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // Nothing of standard output is read until the tree has ended and its chains are written.
    let begun = Instant::now();
    while !chains.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the tree has not ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.len() > 128 << 10, "{} bytes fit into a pipe", ended.stdout.len());
    assert!(ended.stdout.contains("completed"), "{ended}");
}
