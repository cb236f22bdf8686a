//! The main job: the order desk of the examples, from its start to the verification of its chains.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::*;

fn desk(more: &[&str]) -> Ended {
    run(&examples().join("orders/app.toml"), more)
}

#[test]
fn the_order_desk_ends_with_its_totals_and_its_chains_verify() {
    let folder = Folder::new();
    let chains = folder.path("orders.jsonl");
    let ended = desk(&["--chain-out", chains.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{ended}");
    for cause in
        ["crashed      life 2: trapped: ", "timed out: one call ran longer than", "out of memory: more than"]
    {
        assert!(ended.stdout.contains(cause), "{cause} is missing\n{ended}");
    }
    assert!(ended.stdout.contains("restarted    life 2 from its last good state"), "{ended}");
    assert!(ended.stderr.contains("\"cents\":"), "{ended}");
    assert!(ended.stderr.contains("4 actors, "), "{ended}");

    let verified = verify(&chains);
    assert_eq!(verified.code, Some(0), "{verified}");
    let lines = std::fs::read_to_string(&chains).unwrap().lines().count();
    assert_eq!(verified.stdout.lines().last(), Some(&*format!("verified: 4 actors, {lines} events")));
    assert!(ended.stderr.contains(&format!(" {lines} events in ")), "{ended}");
}

#[test]
fn with_json_every_line_is_an_object_and_the_last_is_the_summary() {
    let ended = desk(&["--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended}");
    let objects: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (data, objects) = objects.split_first().unwrap();
    assert_eq!(
        (&data["type"], &data["store"], &data["durability"]),
        (&"data".into(), &"log".into(), &"full".into())
    );
    let (summary, events) = objects.split_last().unwrap();

    assert_eq!((&summary["type"], &summary["exit_code"]), (&"summary".into(), &0.into()));
    assert_eq!(summary["reason"]["name"], "completed");
    let result: Value = serde_json::from_str(summary["result"].as_str().unwrap()).unwrap();
    assert!(result["orders"].as_u64().unwrap() > 100, "{summary}");

    let mut count = BTreeMap::new();
    let mut actors = BTreeSet::new();
    for event in events {
        let kind = event["type"].as_str().unwrap();
        *count.entry(kind).or_insert(0_u64) += 1;
        actors.insert(event["actor"].as_str().unwrap());
        assert!(event["time"].as_str().unwrap().ends_with('Z'), "{event}");
        match kind {
            "started" => {
                assert!(["init", "last-good"].contains(&event["origin"].as_str().unwrap()), "{event}")
            }
            "exited" => {
                assert!(event["reason"]["text"].is_string() && event["reason"]["name"].is_string(), "{event}")
            }
            "log" => assert!(event["message"].is_string(), "{event}"),
            "supervision" => assert!(event["decision"].is_object(), "{event}"),
            other => panic!("unexpected {other}: {event}"),
        }
    }
    assert_eq!(count["started"], summary["lives"].as_u64().unwrap(), "{summary}");
    assert_eq!(count["exited"], count["started"]);
    assert_eq!(actors.len() as u64, summary["actors"].as_u64().unwrap());
    assert!(
        events.iter().any(|event| !event["reason"]["backtrace"].is_null()),
        "a trap shows the guest's stack"
    );
}

#[test]
fn one_changed_byte_of_the_exported_chains_is_named() {
    let folder = Folder::new();
    let chains = folder.path("orders.jsonl");
    assert_eq!(desk(&["--chain-out", chains.to_str().unwrap()]).code, Some(0));
    let mut bytes = std::fs::read(&chains).unwrap();
    // Inside the payload of a line in the middle: the payload is the last field.
    let middle = bytes.len() / 2;
    let end = middle + bytes[middle..].iter().position(|byte| *byte == b'\n').unwrap();
    let at = end - 8;
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(&chains, &bytes).unwrap();
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let changed = String::from_utf8(bytes).unwrap();
    let object: Value = serde_json::from_str(changed.lines().nth(line - 1).unwrap()).unwrap();

    let verified = verify(&chains);
    assert_eq!((verified.code, verified.stdout.as_str()), (Some(1), ""), "{verified}");
    let place = format!(
        "orders.jsonl:{line}: actor {}, event {}: ",
        object["actor"].as_str().unwrap(),
        object["seq"]
    );
    assert!(verified.stderr.contains(&place), "{place}\n{verified}");
}
