//! A small tree whose chains are pruned and retired: what is left verifies, says what is gone, and reads back into a store.

use std::io::Cursor;
use std::sync::Mutex;

use theater_chain::jsonl::{LineError, write_events};
use theater_chain::{
    Chain, ChainErrorKind, ChainReader, ChainStore, ExportErrorKind, ImportError, MemoryStore,
    PruneChainError, PruneReport, ReadError, RetireChainError, RetireError, import, prune_chain,
    retire_chain, verify, verify_export,
};
use theater_core::event::payload::{
    Anchor, ChildAnchor, Exited, Genesis, Origin, Pruned, Started, decode, encode,
};
use theater_core::{
    ActorId, Bytes, ChainEvent, ChainId, EventDraft, EventKind, EventRange, ExitReason, Incarnation,
};

/// A store with a few actors, and their writers.
struct Tree {
    store: MemoryStore,
    actors: Vec<(ActorId, Mutex<Chain>)>,
}

impl Tree {
    fn new() -> Self {
        Self { store: MemoryStore::new(), actors: Vec::new() }
    }

    fn anchor(&self, n: usize) -> Anchor {
        let head = self.actors[n].1.lock().expect("no panic").head();
        Anchor { actor: self.actors[n].0, chain: head.chain_id, length: head.length, head: head.hash }
    }

    fn chain(&self, n: usize) -> ChainId {
        self.anchor(n).chain
    }

    fn append(&self, n: usize, kind: EventKind, payload: Bytes) {
        let mut chain = self.actors[n].1.lock().expect("no panic");
        let head = chain.head();
        self.store.append(head, chain.append(kind, payload, 5)).expect("memory");
    }

    fn spawn(&mut self, parent: Option<usize>) -> usize {
        let number = self.actors.len();
        let actor = ActorId::from_parts(1, [number as u8 + 1; 10]);
        let genesis = Genesis {
            actor,
            nonce: [number as u8; 32],
            name: format!("actor {number}"),
            component: String::new(),
            manifest: String::new(),
            parent: parent.map(|parent| self.anchor(parent)),
            runtime: "test".into(),
            placement: None,
            sources: None,
        };
        let (chain, genesis) = Chain::genesis(encode(&genesis), 1, 1);
        self.store.create(genesis).expect("memory");
        self.actors.push((actor, Mutex::new(chain)));
        let started = Started::new(Incarnation::FIRST, Origin::Init, None);
        self.append(number, EventKind::STARTED, encode(&started));
        if let Some(parent) = parent {
            self.remember(parent, EventKind::CHILD_STARTED, number);
        }
        number
    }

    fn remember(&self, parent: usize, kind: EventKind, child: usize) {
        let anchor = self.anchor(child);
        let remembered = ChildAnchor { incarnation: Incarnation::FIRST, reason: None, anchor };
        self.append(parent, kind, encode(&remembered));
    }

    fn work(&self, n: usize) {
        (0..10).for_each(|event| self.append(n, EventKind::LOG, format!("event {event}").into()));
    }

    fn end(&self, parent: usize, n: usize) {
        let exited = Exited::new(Incarnation::FIRST, ExitReason::Stopped);
        self.append(n, EventKind::EXITED, encode(&exited));
        self.remember(parent, EventKind::CHILD_EXITED, n);
    }

    async fn prune(&self, n: usize, before: u64) -> Result<PruneReport, PruneChainError> {
        prune_chain(&self.store, self.chain(n), before, async |draft: EventDraft| {
            self.append(n, draft.kind, draft.payload);
            Ok::<_, std::io::Error>(())
        })
        .await
    }

    async fn retire(&self, parent: usize, n: usize) -> Result<(), RetireChainError> {
        let retired = retire_chain(&self.store, self.chain(n), async |to: Anchor, draft: EventDraft| {
            assert_eq!(to.chain, self.chain(parent));
            self.append(parent, draft.kind, draft.payload);
            Ok::<_, std::io::Error>(())
        });
        retired.await.map(|head| assert_eq!(head.hash, self.anchor(n).head))
    }

    async fn events(&self, n: usize) -> Vec<ChainEvent> {
        self.store.read(self.chain(n), EventRange::ALL).await.expect("a chain")
    }

    async fn export(&self) -> Vec<u8> {
        let mut export = Vec::new();
        for chain in self.store.chains().await.expect("memory") {
            let events = self.store.read(chain, EventRange::ALL).await.expect("a chain");
            let actor = theater_chain::jsonl::actor_of(&events[0]).expect("a genesis event");
            write_events(&mut export, actor, &events).expect("memory");
        }
        export
    }
}

/// A root, its child, and that one's child; all have worked, and the two below have ended.
fn tree() -> Tree {
    let mut tree = Tree::new();
    let root = tree.spawn(None);
    let child = tree.spawn(Some(root));
    let grandchild = tree.spawn(Some(child));
    for n in [root, child, grandchild] {
        tree.work(n);
    }
    tree.end(child, grandchild);
    tree.end(root, child);
    tree
}

#[tokio::test]
async fn a_chain_says_what_is_pruned_before_it_is() {
    let tree = tree();
    let length = tree.anchor(1).length;
    let report = tree.prune(1, 8).await.expect("memory");
    let events = tree.events(1).await;
    let last = events.last().expect("an event");
    assert_eq!((last.header.kind, last.header.seq), (EventKind::PRUNED, length));
    let said: Pruned = decode(&last.payload).expect("it says what");
    assert_eq!(said, Pruned { before: 8, events: report.events, bytes: report.bytes });
    assert_eq!(report, PruneReport { events: 5, bytes: 35 }, "genesis, start and the child's start stay");
    assert_eq!(events.iter().filter(|event| event.is_pruned()).count(), 5);
    verify(&events).expect("sound");
    assert_eq!(verify_export(&tree.export().await[..]).expect("sound").pruned, 5);

    assert_eq!(
        tree.prune(1, 8).await.expect("memory"),
        PruneReport::default(),
        "there is nothing more to do"
    );
    assert_eq!(tree.prune(1, 3).await.expect("memory"), PruneReport::default());
    assert_eq!(tree.anchor(1).length, length + 1, "and nothing more to say");
    assert_eq!(tree.prune(1, 10).await.expect("memory").events, 2);
}

#[tokio::test]
async fn nothing_is_pruned_where_the_chain_does_not_take_the_event() {
    let tree = tree();
    let refused =
        prune_chain(&tree.store, tree.chain(0), 8, async |_| Err(std::io::Error::other("full"))).await;
    assert!(matches!(refused, Err(PruneChainError::Append(_))), "{refused:?}");
    assert!(tree.events(0).await.iter().all(|event| !event.is_pruned()));
}

#[tokio::test]
async fn a_payload_that_was_taken_out_of_an_export_is_missed_in_its_line() {
    let tree = tree();
    let mut events = tree.events(0).await;
    events[4].payload = Bytes::new();
    let mut export = Vec::new();
    write_events(&mut export, tree.actors[0].0, &events).expect("memory");
    let error = verify_export(&export[..]).expect_err("it was not pruned");
    assert_eq!(error.line, 5);
    let ExportErrorKind::Event { seq: 4, fault, .. } = error.kind else { panic!("{error}") };
    assert_eq!(fault, ChainErrorKind::PayloadMissing { expected: 7 });
}

#[tokio::test]
async fn nothing_but_null_stands_for_a_payload_that_was_pruned() {
    let tree = tree();
    tree.prune(0, 8).await.expect("memory");
    let export = String::from_utf8(tree.export().await).expect("JSON");
    assert!(export.contains("\"payload\":null"));
    let fault = |from: &str, to: &str| {
        let error = verify_export(export.replacen(from, to, 1).as_bytes()).expect_err("another spelling");
        match error.kind {
            ExportErrorKind::Line(error) => error,
            kind => panic!("{kind}"),
        }
    };
    let empty = fault("\"payload\":null", "\"payload\":\"\"");
    assert!(matches!(empty, LineError::Pruned { found: "empty", expected: 7 }), "{empty}");
    let none = fault("\"payload_len\":7,", "\"payload_len\":0,");
    assert!(matches!(none, LineError::Pruned { found: "null", expected: 0 }), "{none}");
    let missing = fault(",\"payload\":null", "");
    assert!(matches!(missing, LineError::Json(_)), "{missing}");
}

#[tokio::test]
async fn an_export_without_retired_chains_is_sound() {
    let tree = tree();
    tree.retire(1, 2).await.expect("it has ended");
    let report = verify_export(&tree.export().await[..]).expect("sound");
    assert_eq!((report.actors, report.retired), (2, 1));
    tree.retire(0, 1).await.expect("it has ended");
    let report = verify_export(&tree.export().await[..]).expect("sound");
    assert_eq!((report.actors, report.retired), (1, 1));
    // Once more is no error, and is not written once more.
    let length = tree.anchor(0).length;
    tree.retire(0, 1).await.expect("it is gone");
    assert_eq!(tree.anchor(0).length, length);
}

#[tokio::test]
async fn only_what_has_ended_and_is_remembered_is_retired() {
    let mut tree = tree();
    let error = tree.retire(0, 1).await.expect_err("its child is kept");
    assert!(matches!(error, RetireChainError::HasChild { child } if child == tree.chain(2)), "{error}");
    let error = tree.retire(0, 0).await.expect_err("nobody remembers it");
    assert!(matches!(error, RetireChainError::Root { .. }), "{error}");
    let late = tree.spawn(Some(0));
    let error = tree.retire(0, late).await.expect_err("it is alive");
    assert!(matches!(error, RetireChainError::NotEnded { .. }), "{error}");
    tree.end(0, late);
    let started = Started::new(Incarnation(2), Origin::Init, None);
    tree.append(late, EventKind::STARTED, encode(&started));
    let error = tree.retire(0, late).await.expect_err("it is alive again");
    assert!(matches!(error, RetireChainError::NotEnded { .. }), "{error}");
    let length = tree.anchor(0).length;
    let refused =
        retire_chain(&tree.store, tree.chain(2), async |_, _| Err(std::io::Error::other("full"))).await;
    assert!(matches!(refused, Err(RetireChainError::Append(_))), "{refused:?}");
    assert_eq!(tree.anchor(0).length, length);
    assert_eq!(tree.events(2).await.len(), 13);
}

#[tokio::test]
async fn a_chain_that_grew_while_it_was_retired_stays() {
    let tree = tree();
    let refused = retire_chain(&tree.store, tree.chain(2), async |_, draft: EventDraft| {
        tree.append(1, draft.kind, draft.payload);
        tree.work(2);
        Ok::<_, std::io::Error>(())
    })
    .await;
    assert!(matches!(refused, Err(RetireChainError::Store(RetireError::Conflict { .. }))), "{refused:?}");
    let report = verify_export(&tree.export().await[..]).expect("what is said of it is true as well");
    assert_eq!((report.actors, report.retired), (3, 0));
}

#[tokio::test]
async fn a_chain_that_was_left_out_without_being_retired_is_missed() {
    let tree = tree();
    tree.retire(1, 2).await.expect("it has ended");
    let without = |n: usize, export: &[u8]| {
        let text = String::from_utf8(export.to_vec()).expect("JSON");
        let of = format!("\"actor\":\"{}\"", tree.actors[n].0);
        text.lines().filter(|line| !line.contains(&of)).flat_map(|line| [line, "\n"]).collect::<String>()
    };
    let error = verify_export(without(1, &tree.export().await).as_bytes()).expect_err("a chain is missing");
    assert!(matches!(error.kind, ExportErrorKind::MissingChain { .. }), "{error}");
}

#[tokio::test]
async fn a_retired_chain_that_somebody_remembers_further_is_noticed() {
    let tree = tree();
    tree.retire(1, 2).await.expect("it has ended");
    let mut beyond = tree.anchor(2);
    beyond.length += 1;
    let remembered = ChildAnchor { incarnation: Incarnation::FIRST, reason: None, anchor: beyond.clone() };
    tree.append(1, EventKind::CHILD_EXITED, encode(&remembered));
    let error = verify_export(&tree.export().await[..]).expect_err("it went further");
    let ExportErrorKind::Anchor { fault, .. } = error.kind else { panic!("{error}") };
    assert_eq!(fault, ChainErrorKind::Cut { expected: beyond.length, found: beyond.length - 1 });
}

#[tokio::test]
async fn an_export_reads_back_as_it_was_pruned_events_included() {
    let tree = tree();
    tree.prune(0, 8).await.expect("memory");
    tree.retire(1, 2).await.expect("it has ended");
    let export = tree.export().await;
    let store = MemoryStore::new();
    let report = import(Cursor::new(&export), &store).await.expect("a sound export");
    assert_eq!((report.chains, report.export.pruned, report.export.retired), (2, 5, 1));
    assert_eq!(store.chains().await, tree.store.chains().await);
    for n in [0, 1] {
        assert_eq!(store.read(tree.chain(n), EventRange::ALL).await, Ok(tree.events(n).await));
    }
    let again = import(Cursor::new(&export), &store).await.expect("it is there");
    assert_eq!((again.chains, again.events), (0, 0));
}

#[tokio::test]
async fn an_import_that_was_ended_early_goes_on() {
    let tree = tree();
    let export = tree.export().await;
    for kept in 1..14 {
        let store = MemoryStore::new();
        let events = tree.events(0).await;
        let mut head = store.create(events[0].clone()).expect("memory");
        for event in &events[1..kept] {
            head = store.append(head, event.clone()).expect("memory");
        }
        let report = import(Cursor::new(&export), &store).await.expect("the rest of it");
        assert_eq!(report.events, report.export.events - kept as u64);
        assert_eq!(store.read(tree.chain(0), EventRange::ALL).await, Ok(events));
    }
}

#[tokio::test]
async fn an_export_that_is_not_sound_or_not_welcome_changes_nothing() {
    let tree = tree();
    let export = tree.export().await;
    let store = MemoryStore::new();
    let bad = String::from_utf8(export.clone()).expect("JSON").replacen("\"time\":5", "\"time\":6", 1);
    let error = import(Cursor::new(bad), &store).await.expect_err("it was changed");
    assert!(matches!(&error, ImportError::Export(error) if error.line == 2), "{error}");
    assert_eq!(store.chains().await, Ok(vec![]));

    // The last chain of the export goes further here.
    for event in tree.events(2).await {
        let head = store.head(tree.chain(2)).await.expect("memory");
        match head {
            None => store.create(event).expect("memory"),
            Some(head) => store.append(head, event).expect("memory"),
        };
    }
    let head = store.head(tree.chain(2)).await.expect("memory").expect("it is there");
    store.append(head, Chain::resume(head).append(EventKind::LOG, "more".into(), 9)).expect("memory");
    let error = import(Cursor::new(&export), &store).await.expect_err("it goes further");
    assert!(matches!(&error, ImportError::OtherContent { chain, .. } if *chain == tree.chain(2)), "{error}");
    let head = store.head(tree.chain(2)).await.expect("memory").expect("it is there");
    store.retire(head).await.expect("memory");
    let error = import(Cursor::new(&export), &store).await.expect_err("it was retired");
    assert!(matches!(&error, ImportError::Retired { line, .. } if *line > 20), "{error}");
    let chain = tree.chain(0);
    assert_eq!(store.read(chain, EventRange::ALL).await, Err(ReadError::UnknownChain { chain }));
}

#[tokio::test]
async fn the_python_verifier_of_exports_agrees_about_what_was_pruned() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/chain-format.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let program =
        page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("its program");
    // It needs Python and one package; a machine without them can read it all the same.
    let blake3 = std::process::Command::new("python3").args(["-c", "import blake3"]).output();
    if !blake3.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "LEFT OUT: python3 with the package blake3 is not here, so the page's verifier was not run"
        );
        return;
    }
    let tree = tree();
    for _ in 0..30 {
        tree.work(0);
    }
    // One, two and three bytes of CBOR.
    for before in [8, 100, 300] {
        tree.prune(0, before).await.expect("memory");
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    let run = |export: &[u8]| {
        std::fs::write(file.path(), export).expect("room");
        let mut python = std::process::Command::new("python3");
        let told = python.args(["-c", program]).arg(file.path()).output().expect("python3 is here");
        format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr))
    };
    let export = tree.export().await;
    let report = verify_export(&export[..]).expect("sound");
    assert_eq!(run(&export).trim(), format!("verified: 3 actors, {} events", report.events));

    let mut events = tree.events(0).await;
    events[303].payload = Bytes::new();
    let mut export = Vec::new();
    write_events(&mut export, tree.actors[0].0, &events).expect("memory");
    assert_eq!(verify_export(&export[..]).expect_err("it was not pruned").line, 304);
    let told = run(&export);
    assert!(told.contains("line 304: payload missing"), "{told}");
}
