//! What is shown when children crash, and when their supervisor gives up.

use serde_json::Value;

use super::support::{Folder, run};

/// A desk whose second order crashes the worker; `more` goes to the desk's manifest.
fn desk(more: &str) -> Folder {
    let order = r#"{"quantity":1,"unit_price_cents":100}"#;
    Folder::new()
        .with_example("orders/order-desk.wasm")
        .with_example("orders/order-worker.wasm")
        .with("orders.jsonl", format!("{order}\nnot an order\n{order}\n"))
        .with(
            "app.toml",
            format!(
                "name = \"desk\"\ncomponent = \"order-desk.wasm\"\ninit_state = \"orders.jsonl\"\n\
                 handlers = [{{ type = \"message-server\" }}, {{ type = \"supervisor\" }}]\n{more}"
            ),
        )
        .with(
            "worker.toml",
            "name = \"worker\"\ncomponent = \"order-worker.wasm\"\nhandlers = [{ type = \"message-server\" }]\n\
             [child_spec]\nrestart = \"transient\"\n",
        )
}

#[test]
fn a_restart_says_how_many_there_were_and_how_many_are_left() {
    let shown = run(&desk("[supervision]\nintensity = 3\nperiod = \"10s\"\n").path("app.toml"), &[]);
    assert_eq!(shown.code, Some(0), "{shown}");
    assert!(shown.stdout.contains(": restart 1 of 3 within 10s; 2 restarts left\n"), "{shown}");
    assert!(!shown.stderr.contains("crash report"), "{shown}");
}

#[test]
fn a_wait_and_the_last_restart_say_what_comes_next() {
    let rules = "[supervision]\nintensity = 1\n[supervision.backoff]\nmin = \"50ms\"\nmax = \"1s\"\n";
    let shown = run(&desk(rules).path("app.toml"), &[]);
    assert!(shown.stdout.contains(": restart in 50ms\n"), "{shown}");
    assert!(shown.stdout.contains("restart 1 of 1 within 5s; the next one ends the supervisor\n"), "{shown}");
}

#[test]
fn giving_up_prints_one_crash_report_with_who_why_and_what_came_before() {
    let shown = run(&desk("[supervision]\nintensity = 0\n").path("app.toml"), &[]);
    assert_eq!(shown.code, Some(4), "{shown}");
    assert!(shown.stdout.contains("gives up: more than 0 restarts within 5s"), "{shown}");
    let reports: Vec<_> = shown.stderr.match_indices("crash report\n").collect();
    assert_eq!(reports.len(), 1, "{shown}");
    for part in [
        "  actor       worker ",
        "  life        1, transient\n",
        "  ended       trapped: wasm trap: ",
        "                at ",
        "  supervisor  desk ",
        "  rule        gives up: more than 0 restarts within 5s; the others are stopped",
        "call handle-request, 18 bytes",
        "life 1 ended: trapped",
    ] {
        assert!(shown.stderr.contains(part), "{part:?}\n{shown}");
    }
}

#[test]
fn with_json_the_crash_report_is_an_object_after_its_decision() {
    let shown = run(&desk("[supervision]\nintensity = 0\n").path("app.toml"), &["--json"]);
    let objects: Vec<Value> = shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let place = objects.iter().position(|object| object["type"] == "crash-report").unwrap();
    assert_eq!(objects[place - 1]["decision"]["kind"], "give-up", "{shown}");
    let report = &objects[place];
    assert_eq!((&report["name"], &report["incarnation"]), (&"worker".into(), &1.into()));
    assert_eq!(report["reason"]["name"], "trapped");
    assert!(!report["reason"]["backtrace"].as_array().unwrap().is_empty());
    let events = report["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["kind"] == "theater/exited"), "{report}");
    assert_eq!(objects.iter().filter(|object| object["type"] == "crash-report").count(), 1);
}
