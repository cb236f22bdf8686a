//! `theater verify` on files that are whole, and on files that are not.

use std::path::PathBuf;
use std::process::Stdio;

use theater_chain::{Chain, jsonl};
use theater_core::event::payload::{Anchor, ChildAnchor, Exited, Genesis, encode};
use theater_core::{ActorId, Bytes, ChainEvent, EventKind, ExitReason, Incarnation};

use crate::support::*;

fn actor(n: u8) -> ActorId {
    ActorId::from_parts(1_764_000_000_000, [n; 10])
}

fn genesis(n: u8, parent: Option<Anchor>) -> Bytes {
    encode(&Genesis {
        actor: actor(n),
        nonce: [n; 32],
        name: format!("actor {n}"),
        component: "c".into(),
        manifest: "m".into(),
        parent,
        runtime: "test".into(),
        placement: None,
        sources: None,
    })
}

fn anchor(n: u8, chain: &Chain) -> Anchor {
    let head = chain.head();
    Anchor { actor: actor(n), chain: head.chain_id, length: head.length, head: head.hash }
}

/// A parent and a child that lived and ended: four events and three, a line each, the parent's first.
fn export() -> Vec<String> {
    let (mut parent, first) = Chain::genesis(genesis(1, None), 1, 100);
    let (mut child, birth) = Chain::genesis(genesis(2, Some(anchor(1, &parent))), 1, 110);
    let mut parents = vec![first];
    let mut children = vec![birth];
    let told = |kind, child: &Chain, parent: &mut Chain| {
        let payload = ChildAnchor { incarnation: Incarnation::FIRST, reason: None, anchor: anchor(2, child) };
        parent.append(kind, encode(&payload), 200)
    };
    parents.push(told(EventKind::CHILD_STARTED, &child, &mut parent));
    children.push(child.append(EventKind::LOG, Bytes::from_static(b"a payload of some length"), 300));
    let exited = Exited::new(Incarnation::FIRST, ExitReason::Stopped);
    children.push(child.append(EventKind::EXITED, encode(&exited), 400));
    parents.push(told(EventKind::CHILD_EXITED, &child, &mut parent));
    parents.push(parent.append(EventKind::LOG, Bytes::from_static(b"the last one"), 500));

    let lines = |n, events: &[ChainEvent]| {
        let mut text = Vec::new();
        jsonl::write_events(&mut text, actor(n), events).unwrap();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    [lines(1, &parents), lines(2, &children)].concat()
}

/// A folder with these lines in a file, and the file.
fn file(lines: &[String]) -> (Folder, PathBuf) {
    let folder =
        Folder::new().with("chains.jsonl", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    let path = folder.path("chains.jsonl");
    (folder, path)
}

/// The lines are refused with code 1 and one line on standard error that has all of `parts`.
fn refused(lines: &[String], parts: &[&str]) {
    let (_folder, path) = file(lines);
    let ended = verify(&path);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part} is missing\n{ended}");
    }
}

#[test]
fn a_whole_file_verifies_and_the_last_line_says_so() {
    let (_folder, path) = file(&export());
    let ended = verify(&path);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "verified: 2 actors, 7 events\n"), "{ended}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn standard_input_is_verified_like_a_file() {
    use std::io::Write;

    let mut command = theater();
    command.args(["verify", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let text: String = export().iter().map(|line| format!("{line}\n")).collect();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "verified: 2 actors, 7 events\n"), "{ended}");
}

#[test]
fn one_changed_byte_of_a_payload_is_named_with_line_actor_event_and_meaning() {
    let lines = export();
    for (index, line) in lines.iter().enumerate() {
        let at = line.find("\"payload\":\"").unwrap() + "\"payload\":\"".len();
        let mut changed = lines.clone();
        let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
        changed[index].replace_range(at..=at, other);
        let (n, seq) = if index < 4 { (1, index) } else { (2, index - 4) };
        let place = format!("chains.jsonl:{}: actor {}, event {seq}: ", index + 1, actor(n));
        refused(&changed, &[&place, "the payload is not what was sealed", "changed after it was recorded"]);
    }
}

#[test]
fn a_changed_byte_anywhere_is_noticed() {
    let text: String = export().iter().map(|line| format!("{line}\n")).collect();
    let folder = Folder::new();
    let path = folder.path("chains.jsonl");
    for at in (0..text.len()).step_by(47) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let ended = verify(&path);
        assert_eq!(ended.code, Some(1), "byte {at}\n{ended}");
        assert!(ended.stderr.contains("chains.jsonl:"), "byte {at}\n{ended}");
    }
}

#[test]
fn removed_repeated_and_moved_events_are_noticed() {
    let lines = export();
    for (index, place) in [(1, ":2: "), (5, ":6: ")] {
        let mut removed = lines.clone();
        removed.remove(index);
        refused(&removed, &[place, "position 2 where 1 must follow", "removed, repeated or moved"]);
        let mut repeated = lines.clone();
        repeated.insert(index, lines[index].clone());
        refused(&repeated, &["position 1 where 2 must follow"]);
    }
    let mut swapped = lines.clone();
    swapped.swap(1, 2);
    refused(&swapped, &[":2: ", "position 2 where 1 must follow"]);
}

#[test]
fn a_cut_chain_and_a_missing_chain_are_noticed_by_what_the_parent_remembers() {
    let lines = export();
    let remembers =
        format!("chains.jsonl:3: actor {}, event 2: remembers the chain of actor {}", actor(1), actor(2));
    refused(&lines[..6], &[&remembers, "its end was cut off", "the end of that chain was removed"]);
    refused(&lines[..4], &["which is not in this file", "a whole chain was removed"]);
}

#[test]
fn a_file_that_ends_in_the_middle_of_a_line_is_noticed() {
    let text: String = export().join("\n");
    for cut in [text.len(), text.len() - 1, text.len() / 2] {
        let folder = Folder::new().with("chains.jsonl", &text[..cut]);
        let ended = verify(&folder.path("chains.jsonl"));
        assert_eq!(ended.code, Some(1), "{ended}");
        assert!(ended.stderr.contains("cut off"), "{ended}");
    }
}

#[test]
fn an_empty_file_is_no_success() {
    refused(&[], &["chains.jsonl:1: there is no event in this file"]);
}

#[test]
fn what_is_not_an_export_is_named_by_its_line() {
    refused(&["hello".to_owned()], &["chains.jsonl:1: not an event", "damaged or edited, or is no export"]);
    let mut lines = export();
    lines.insert(4, String::new());
    refused(&lines, &["chains.jsonl:5: not an event"]);
}

#[test]
fn a_file_that_cannot_be_read_ends_with_5_and_says_why() {
    let folder = Folder::new();
    for (name, part) in [("gone.jsonl", "gone.jsonl"), ("", "it is a folder")] {
        let ended = verify(&folder.path(name));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(5), ""), "{ended}");
        assert!(ended.stderr.starts_with("error: could not read ") && ended.stderr.contains(part), "{ended}");
    }
}

#[test]
fn with_json_the_outcome_is_one_object_either_way() {
    let lines = export();
    let json = |lines: &[String]| {
        let (_folder, path) = file(lines);
        let ended = ended(theater().arg("verify").arg(&path).arg("--json"));
        assert_eq!((ended.stdout.lines().count(), ended.stderr.as_str()), (1, ""), "{ended}");
        (ended.code, serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap())
    };
    let (code, object) = json(&lines);
    assert_eq!(
        (code, &object["type"], &object["actors"], &object["events"]),
        (Some(0), &"verified".into(), &2.into(), &7.into())
    );
    let (code, object) = json(&lines[1..]);
    assert_eq!(
        (code, &object["type"], &object["line"], &object["fault"]),
        (Some(1), &"fault".into(), &1.into(), &"sequence".into())
    );
    assert_eq!((&object["actor"], &object["seq"]), (&actor(1).to_string().into(), &1.into()));
}
