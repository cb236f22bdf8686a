//! An export of a small tree, and everything that can be wrong with one.

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use theater_chain::jsonl::{LineError, MAX_PAYLOAD, Reader, actor_of, write_events};
use theater_chain::{Chain, ChainErrorKind, ExportError, ExportErrorKind, ExportReport, Head, verify_export};
use theater_core::event::payload::{Anchor, ChildAnchor, Exited, Genesis, Origin, Started, encode};
use theater_core::{ActorId, Bytes, ChainEvent, EventKind, ExitReason, Incarnation};

const T0: u64 = 1_764_000_000_000_000_000;

/// A parent and its child, which began, worked and ended: five events of the parent, then five of the child.
#[derive(Debug, Clone)]
struct Tree {
    parent: ActorId,
    child: ActorId,
    parent_events: Vec<ChainEvent>,
    child_events: Vec<ChainEvent>,
}

/// Lines of the parent, counted from 1, where it remembers the child.
const CHILD_STARTED: u64 = 3;
const CHILD_EXITED: u64 = 4;
const PARENT_EVENTS: u64 = 5;

fn genesis(actor: ActorId, nonce: u8, name: &str, parent: Option<Anchor>) -> Bytes {
    encode(&Genesis {
        actor,
        nonce: [nonce; 32],
        name: name.to_owned(),
        component: "11".repeat(32),
        manifest: "22".repeat(32),
        parent,
        runtime: "theater 0.1.0".to_owned(),
        placement: None,
        sources: None,
    })
}

fn anchor(actor: ActorId, head: Head) -> Anchor {
    Anchor { actor, chain: head.chain_id, length: head.length, head: head.hash }
}

fn started() -> Bytes {
    // Without what came to be written later: the files that people have are without it too.
    let state_len = Some(2);
    encode(&Started { state_len, ..Started::new(Incarnation::FIRST, Origin::Init, None) })
}

fn tree() -> Tree {
    tree_with("hello")
}

/// The same tree; the child hears `message`.
fn tree_with(message: &str) -> Tree {
    let (parent, child) =
        (ActorId::from_parts(1_764_000_000_000, [1; 10]), ActorId::from_parts(1_764_000_000_001, [2; 10]));
    let remembers = |head, reason: Option<&str>| {
        encode(&ChildAnchor {
            incarnation: Incarnation::FIRST,
            reason: reason.map(ToOwned::to_owned),
            anchor: anchor(child, head),
        })
    };
    let (mut above, first) = Chain::genesis(genesis(parent, 0xaa, "parent", None), 1, T0);
    let mut parent_events = vec![first, above.append(EventKind::STARTED, started(), T0 + 1)];

    let remembered = Some(anchor(parent, above.head()));
    let (mut below, first) = Chain::genesis(genesis(child, 0xbb, "child", remembered), 1, T0 + 2);
    let mut child_events = vec![first, below.append(EventKind::STARTED, started(), T0 + 3)];
    parent_events.push(above.append(EventKind::CHILD_STARTED, remembers(below.head(), None), T0 + 4));

    child_events.push(below.append(EventKind::CALL, Bytes::from(message.to_owned()), T0 + 5));
    child_events.push(below.append(EventKind::RETURN, Bytes::new(), T0 + 6));
    let exited = encode(&Exited::new(Incarnation::FIRST, ExitReason::Stopped));
    child_events.push(below.append(EventKind::EXITED, exited.clone(), T0 + 7));
    parent_events.push(above.append(
        EventKind::CHILD_EXITED,
        remembers(below.head(), Some("stopped")),
        T0 + 8,
    ));
    parent_events.push(above.append(EventKind::EXITED, exited, T0 + 9));
    Tree { parent, child, parent_events, child_events }
}

impl Tree {
    fn export(&self) -> String {
        let mut out = Vec::new();
        write_events(&mut out, self.parent, &self.parent_events).expect("memory");
        write_events(&mut out, self.child, &self.child_events).expect("memory");
        String::from_utf8(out).expect("JSON")
    }
}

fn check(export: &str) -> Result<ExportReport, ExportError> {
    verify_export(export.as_bytes())
}

fn fault(export: &str) -> ExportError {
    check(export).expect_err("an export that was changed")
}

/// The export with one line changed.
fn with_line(line: usize, change: impl FnOnce(&str) -> String) -> String {
    let export = tree().export();
    let mut lines: Vec<_> = export.lines().map(ToOwned::to_owned).collect();
    lines[line - 1] = change(&lines[line - 1]);
    lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
}

#[test]
fn a_sound_export_is_described() {
    let report = check(&tree().export()).expect("sound");
    assert_eq!((report.actors, report.events, report.anchors), (2, 10, 3));
    assert!(report.time_regressions.is_empty());
}

#[test]
fn what_is_read_is_what_was_written() {
    let tree = tree();
    let export = tree.export();
    let mut reader = Reader::new(export.as_bytes());
    let written = tree.parent_events.iter().map(|event| (tree.parent, event));
    for (actor, event) in written.chain(tree.child_events.iter().map(|event| (tree.child, event))) {
        let read = reader.next_event().expect("sound").expect("not the end");
        assert_eq!((read.actor, &read.event), (actor, event));
    }
    assert!(reader.next_event().expect("sound").is_none());
    assert_eq!(actor_of(&tree.child_events[0]).ok(), Some(tree.child));
}

#[test]
fn the_export_of_a_fixed_tree_is_the_published_one_byte_by_byte() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tree.jsonl");
    let golden = std::fs::read_to_string(path).expect("the golden file");
    assert_eq!(
        tree().export(),
        golden,
        "the format has changed: files that people have kept would not read back"
    );
    assert_eq!(check(&golden).expect("sound").events, 10);
}

#[test]
fn lines_of_different_chains_may_stand_in_any_order() {
    let export = tree().export();
    let lines: Vec<_> = export.lines().collect();
    let (parent, child) = lines.split_at(5);
    let join = |lines: Vec<&str>| lines.iter().flat_map(|line| [*line, "\n"]).collect::<String>();
    let interleaved = parent.iter().zip(child).flat_map(|(one, other)| [*one, *other]).collect();
    let child_first = child.iter().chain(parent).copied().collect();
    let sound = check(&export).expect("sound");
    for lines in [interleaved, child_first] {
        assert_eq!(check(&join(lines)).expect("the order within each chain is the same"), sound);
    }
}

#[test]
fn a_clock_that_was_set_back_is_told_and_no_fault() {
    let tree = tree();
    let (mut chain, first) = Chain::genesis(genesis(tree.parent, 1, "a", None), 1, T0);
    let events = [first, chain.append(EventKind::CALL, Bytes::new(), T0 - 1)];
    let mut out = Vec::new();
    write_events(&mut out, tree.parent, &events).expect("memory");
    let report = verify_export(out.as_slice()).expect("sound");
    assert_eq!(report.time_regressions, [(tree.parent, 1)]);
}

#[test]
fn a_child_chain_whose_end_was_cut_off_is_noticed_where_the_parent_remembers_it() {
    for kept in 2..5 {
        let mut tree = tree();
        tree.child_events.truncate(kept);
        let error = fault(&tree.export());
        assert_eq!(error.line, CHILD_EXITED);
        let ExportErrorKind::Anchor { actor, seq, other, fault } = error.kind else { panic!("{error}") };
        assert_eq!((actor, seq, other), (tree.parent, 3, tree.child));
        assert_eq!(fault, ChainErrorKind::Cut { expected: 5, found: kept as u64 });
    }
    let mut tree = tree();
    tree.child_events.truncate(1);
    assert_eq!(fault(&tree.export()).line, CHILD_STARTED, "the first that remembers what is missing");
}

#[test]
fn a_child_chain_that_was_left_out_is_noticed() {
    let mut tree = tree();
    tree.child_events.clear();
    let error = fault(&tree.export());
    assert_eq!(error.line, CHILD_STARTED);
    let ExportErrorKind::MissingChain { actor, seq, other } = error.kind else { panic!("{error}") };
    assert_eq!((actor, seq, other), (tree.parent, 2, tree.child));
}

#[test]
fn a_parent_chain_that_was_left_out_is_noticed() {
    let mut tree = tree();
    tree.parent_events.clear();
    let error = fault(&tree.export());
    assert_eq!(error.line, 1);
    let ExportErrorKind::MissingChain { actor, seq, other } = error.kind else { panic!("{error}") };
    assert_eq!((actor, seq, other), (tree.child, 0, tree.parent));
}

#[test]
fn a_child_chain_that_was_written_anew_is_noticed() {
    let (tree, other) = (tree(), tree_with("goodbye"));
    let forged = Tree { child_events: other.child_events.clone(), ..tree.clone() };
    let error = fault(&forged.export());
    assert_eq!(error.line, CHILD_EXITED);
    let ExportErrorKind::Anchor { fault, .. } = error.kind else { panic!("{error}") };
    let (expected, found) = (tree.child_events[4].hash, other.child_events[4].hash);
    assert_eq!(fault, ChainErrorKind::Anchor { expected, found });
}

#[test]
fn a_parent_chain_that_was_cut_before_the_child_began_is_noticed_by_the_child() {
    let mut tree = tree();
    tree.parent_events.truncate(1);
    let error = fault(&tree.export());
    assert_eq!(error.line, 2, "the child's genesis event");
    let ExportErrorKind::Anchor { fault, other, .. } = error.kind else { panic!("{error}") };
    assert_eq!(other, tree.parent);
    assert_eq!(fault, ChainErrorKind::Cut { expected: 2, found: 1 });
}

#[test]
fn a_chain_without_an_event_in_the_middle_is_noticed_in_the_line_after() {
    let mut tree = tree();
    tree.child_events.remove(2);
    let error = fault(&tree.export());
    assert_eq!(error.line, PARENT_EVENTS + 3);
    let ExportErrorKind::Event { actor, seq, fault } = error.kind else { panic!("{error}") };
    assert_eq!((actor, seq), (tree.child, 3));
    assert_eq!(fault, ChainErrorKind::Sequence { expected: 2, found: 3 });
}

#[test]
fn a_line_that_names_another_actor_is_noticed() {
    let tree = tree();
    let swapped = |line: &str| line.replace(&tree.parent.to_string(), &tree.child.to_string());
    let error = fault(&with_line(2, swapped));
    assert_eq!(error.line, 2);
    let ExportErrorKind::Actor { actor, found } = error.kind else { panic!("{error}") };
    assert_eq!((actor, found), (tree.parent, tree.child));
    // Also where every line agrees, but the genesis event does not.
    let error = fault(&with_line(1, swapped));
    assert_eq!(error.line, 1);
    assert!(matches!(error.kind, ExportErrorKind::Actor { .. }), "{error}");
}

#[test]
fn a_second_chain_of_an_actor_is_noticed_at_its_beginning() {
    let tree = tree();
    let (chain, first) = Chain::genesis(genesis(tree.child, 0xcc, "child", None), 1, T0);
    let mut out = tree.export().into_bytes();
    write_events(&mut out, tree.child, [&first]).expect("memory");
    let error = verify_export(out.as_slice()).expect_err("a chain was slipped in");
    assert_eq!(error.line, 11);
    let ExportErrorKind::SecondChain { actor, chain: second } = error.kind else { panic!("{error}") };
    assert_eq!((actor, second), (tree.child, chain.head().chain_id));
}

#[test]
fn an_anchor_of_no_events_is_a_fault() {
    let mut tree = tree();
    let nothing = Head { length: 0, ..Head::after(&tree.child_events[0]) };
    let payload = encode(&ChildAnchor {
        incarnation: Incarnation::FIRST,
        reason: None,
        anchor: anchor(tree.child, nothing),
    });
    let mut above = Chain::resume(Head::after(&tree.parent_events[4]));
    tree.parent_events.push(above.append(EventKind::CHILD_STARTED, payload, T0 + 10));
    let error = fault(&tree.export());
    assert_eq!(error.line, 6);
    let ExportErrorKind::Anchor { seq: 5, fault, .. } = error.kind else { panic!("{error}") };
    assert_eq!(fault, ChainErrorKind::AnchorOfNothing);
}

#[test]
fn a_payload_that_has_to_be_read_and_cannot_be_is_noticed() {
    let tree = tree();
    let (mut chain, first) = Chain::genesis(genesis(tree.parent, 1, "a", None), 1, T0);
    let events = [first, chain.append(EventKind::CHILD_STARTED, Bytes::from_static(b"\xff"), T0)];
    let mut out = Vec::new();
    write_events(&mut out, tree.parent, &events).expect("memory");
    let error = verify_export(out.as_slice()).expect_err("not a child anchor");
    assert_eq!(error.line, 2);
    assert!(matches!(error.kind, ExportErrorKind::Payload { seq: 1, .. }), "{error}");
}

/// The fault of one line of which the reader says that it is not an event.
fn line_fault(line: usize, change: impl FnOnce(&str) -> String) -> LineError {
    let error = fault(&with_line(line, change));
    assert_eq!(error.line, line as u64, "{error}");
    match error.kind {
        ExportErrorKind::Line(error) => error,
        kind => panic!("{kind}"),
    }
}

#[test]
fn a_line_that_is_not_an_event_is_named() {
    let json = |error: &LineError| matches!(error, LineError::Json(_));
    for text in ["", " ", "{", "null", "{}", "{\"format\":\"theater-events-1\"}", "\u{0}"] {
        let error = line_fault(7, |_| text.to_owned());
        assert!(json(&error), "{text:?}: {error}");
    }
    let unknown = line_fault(7, |line| line.replacen('{', "{\"note\":1,", 1));
    assert!(json(&unknown) && unknown.to_string().contains("unknown field `note`"), "{unknown}");
    let doubled = line_fault(7, |line| line.replacen('{', "{\"seq\":1,", 1));
    assert!(json(&doubled) && doubled.to_string().contains("duplicate field `seq`"), "{doubled}");
    let trailing = line_fault(7, |line| format!("{line}{line}"));
    assert!(json(&trailing), "{trailing}");
    let uppercase = line_fault(7, |line| {
        let at = line.find("\"prev\":\"").expect("a field") + 8;
        format!("{}{}{}", &line[..at], line[at..at + 64].to_uppercase(), &line[at + 64..])
    });
    assert!(json(&uppercase), "one digest has one spelling: {uppercase}");
}

#[test]
fn a_list_of_the_right_values_is_no_event() {
    let error = line_fault(1, |line| {
        let json = line.trim_start_matches('{').trim_end_matches('}');
        // No value of this line has a comma in it.
        let values = json.split(',').map(|field| field.split_once("\":").expect("a field").1);
        format!("[{}]", values.collect::<Vec<_>>().join(","))
    });
    assert!(matches!(error, LineError::List), "{error}");
    assert!(matches!(line_fault(1, |_| "[]".to_owned()), LineError::List));
}

#[test]
fn a_line_above_the_limit_is_refused_before_it_is_in_memory() {
    let endless = std::io::BufReader::new(std::io::repeat(b' '));
    let error = Reader::new(endless).next_event().expect_err("it never ends");
    assert!(matches!(error, LineError::TooLong), "{error}");
}

#[test]
fn the_longest_payload_that_is_written_reads_back_and_a_longer_one_is_not_written() {
    let actor = tree().parent;
    let (_, longest) = Chain::genesis(vec![0; MAX_PAYLOAD].into(), 1, T0);
    let mut out = Vec::new();
    write_events(&mut out, actor, [&longest]).expect("within the limit");
    assert_eq!(Reader::new(out.as_slice()).next_event().expect("sound").expect("one").event, longest);

    let (_, longer) = Chain::genesis(vec![0; MAX_PAYLOAD + 1].into(), 1, T0);
    out.clear();
    let error = write_events(&mut out, actor, [&longer]).expect_err("no reader would take it");
    assert_eq!((error.kind(), out.is_empty()), (std::io::ErrorKind::InvalidInput, true));
}

#[test]
fn another_format_or_a_wrong_name_of_a_kind_is_named() {
    let error = line_fault(2, |line| line.replace("theater-events-1", "theater-events-2"));
    assert!(matches!(&error, LineError::Format { found } if found == "theater-events-2"), "{error}");
    let error = line_fault(2, |line| line.replace("theater/started", "theater/exited"));
    assert!(matches!(&error, LineError::Type { found, kind: 1 } if found == "theater/exited"), "{error}");
}

#[test]
fn a_payload_that_is_not_base64_is_named() {
    let base64 = |payload: &str| {
        line_fault(8, |line| {
            let at = line.find("\"payload\":\"").expect("a field") + 11;
            format!("{}{payload}\"}}", &line[..at])
        })
    };
    // Not the alphabet, no padding, and bits that mean nothing: one payload has one spelling.
    for payload in ["!", "aGVsbG8", "aGVsbG9=", "aGVs bG8="] {
        let error = base64(payload);
        assert!(matches!(error, LineError::Payload(_)), "{payload}: {error}");
    }
}

#[test]
fn a_file_that_ends_in_the_middle_of_a_line_is_noticed() {
    let export = tree().export();
    let last = export.trim_end().rfind('\n').expect("ten lines") + 1;
    for end in [last + 1, export.len() - 10, export.len() - 1] {
        let error = fault(&export[..end]);
        assert_eq!(error.line, 10);
        assert!(matches!(error.kind, ExportErrorKind::Line(LineError::Unfinished)), "{error}");
    }
}

#[test]
fn an_empty_file_is_no_export() {
    let error = fault("");
    assert_eq!(error.line, 1);
    assert!(matches!(error.kind, ExportErrorKind::Empty), "{error}");
    assert_eq!(error.to_string(), "line 1: there is no event in this file");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_reader_never_panics_on_changed_bytes(
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let mut bytes = tree().export().into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _ = verify_export(bytes.as_slice());
    }

    #[test]
    fn a_change_of_any_byte_is_noticed(at in any::<Index>(), flip in 1..=u8::MAX) {
        let sound = tree().export().into_bytes();
        let mut bytes = sound.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(verify_export(bytes.as_slice()).is_err(), "byte {}: {:?} for {:?}",
            at, char::from(bytes[at]), char::from(sound[at]));
    }

    #[test]
    fn the_reader_never_panics_on_anything(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = verify_export(bytes.as_slice());
    }
}
