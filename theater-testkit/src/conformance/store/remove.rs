//! Cases about payloads that are pruned and chains that are retired.

use std::time::{Duration, Instant};

use theater_chain::{
    AppendError, Chain, ChainStore, EventStream, Head, PruneError, PruneReport, ReadError, RetireError,
    verify,
};
use theater_core::event::payload::{Pruned, encode};
use theater_core::{Bytes, ChainEvent, EventHash, EventKind, EventRange};

use super::writer::{Writer, same_events};
use super::{Store, Verdict, right, same, told};

/// How long a store may keep payloads that it cannot remove yet, although so much was appended since.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes after which a store has no reason to keep what is older.
const ENOUGH: usize = 4 << 20;

/// A chain with events of every kind, long payloads and empty ones among them.
fn writer(store: &dyn ChainStore, who: &str) -> Result<Writer, String> {
    let mut writer = Writer::create(store, who)?;
    let kinds = EventKind::ALL.iter().filter(|kind| **kind != EventKind::GENESIS);
    for (n, kind) in kinds.enumerate() {
        let payload: Bytes = match n % 5 {
            0 => vec![n as u8; 100_000].into(),
            1 => Bytes::new(),
            _ => format!("payload {n}").into(),
        };
        let event = Chain::resume(writer.head()).append(*kind, payload, 1_000);
        writer.append_sealed(store, event)?;
    }
    Ok(writer)
}

/// Appends so much to another chain that the store has no reason to keep what is older.
async fn push_out(store: &dyn ChainStore) -> Verdict {
    let mut other = Writer::create(store, "pushes out")?;
    let piece = 20_000;
    for n in 0..ENOUGH / piece {
        store.ready().await.map_err(told)?;
        other.append(store, vec![n as u8; piece])?;
    }
    store.until_durable(store.accepted()).await.map_err(told)
}

/// The events as they are once those below `before` are pruned.
fn pruned(written: &[ChainEvent], before: u64) -> (Vec<ChainEvent>, PruneReport) {
    let mut report = PruneReport::default();
    let prune = |event: &ChainEvent| {
        let goes = event.header.seq < before && !event.header.kind.keeps_payload();
        if !goes || event.payload.is_empty() {
            return event.clone();
        }
        report.events += 1;
        report.bytes += event.header.payload_len;
        ChainEvent { payload: Bytes::new(), ..event.clone() }
    };
    let events = written.iter().map(prune).collect();
    (events, report)
}

/// Prunes until everything is gone that has to, and looks that nothing else is. The writer remembers what is left.
async fn prune(store: &dyn ChainStore, writer: &mut Writer, before: u64) -> Verdict {
    let (left, expected) = pruned(&writer.written, before);
    let (mut sum, began) = (PruneReport::default(), Instant::now());
    loop {
        let report = store.prune(writer.id(), before).await.map_err(|error| format!("prune: {error}"))?;
        (sum.events, sum.bytes) = (sum.events + report.events, sum.bytes + report.bytes);
        if sum.events >= expected.events || began.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let read = store.read(writer.id(), EventRange::ALL).await.map_err(|error| format!("read: {error}"))?;
    same_events(&read, &left)?;
    same("what pruning says is gone", &sum, &expected)?;
    writer.written = left;
    writer.check(store).await
}

pub(super) async fn pruning_takes_payloads_and_nothing_else(store: Store) -> Verdict {
    let mut one = writer(&*store, "one")?;
    let two = writer(&*store, "two")?;
    push_out(&*store).await?;
    let accepted = store.accepted();
    prune(&*store, &mut one, 20).await?;
    two.check(&*store).await?;
    same("the place of the last event", &store.accepted(), &accepted)?;
    // Further, and over the end.
    prune(&*store, &mut one, 21).await?;
    prune(&*store, &mut one, u64::MAX).await?;
    two.check(&*store).await
}

pub(super) async fn what_a_chain_needs_to_be_understood_is_not_pruned(store: Store) -> Verdict {
    let one = writer(&*store, "one")?;
    push_out(&*store).await?;
    store.prune(one.id(), u64::MAX).await.map_err(told)?;
    let read = store.read(one.id(), EventRange::ALL).await.map_err(told)?;
    for (read, written) in read.iter().zip(&one.written) {
        let kind = written.header.kind;
        right(!kind.keeps_payload() || read.payload == written.payload, || {
            format!("the payload of an event of kind {kind} is gone")
        })?;
    }
    same("the number of events", &read.len(), &one.written.len())
}

pub(super) async fn a_pruned_chain_goes_on_and_verifies(store: Store) -> Verdict {
    let mut one = writer(&*store, "one")?;
    push_out(&*store).await?;
    let said = encode(&Pruned { before: 20, events: 0, bytes: 0 });
    let event = Chain::resume(one.head()).append(EventKind::PRUNED, said, 2_000);
    one.append_sealed(&*store, event)?;
    prune(&*store, &mut one, 20).await?;
    one.append_some(&*store, 5)?;
    one.check(&*store).await?;
    for range in [EventRange { from: 3, limit: 9 }, EventRange { from: 18, limit: 4 }] {
        let read = store.read(one.id(), range).await.map_err(told)?;
        same_events(&read, &one.written[range.within(one.written.len())])?;
    }
    let head = verify(&one.written).map_err(|error| format!("the chain that was read: {error}"))?;
    same("the head of what was read", &head, &one.head())
}

pub(super) async fn pruned_events_are_read_in_both_directions(store: Store) -> Verdict {
    let mut one = writer(&*store, "one")?;
    push_out(&*store).await?;
    prune(&*store, &mut one, 20).await?;
    let mut streams = [
        EventStream::oldest_first(&*store, one.id(), 0),
        EventStream::newest_first(&*store, one.id(), u64::MAX),
    ];
    let mut read = [Vec::new(), Vec::new()];
    for (stream, read) in streams.iter_mut().zip(&mut read) {
        while let Some(event) = stream.next().await.map_err(told)? {
            read.push(event);
        }
    }
    read[1].reverse();
    same_events(&read[0], &one.written)?;
    same_events(&read[1], &one.written)
}

pub(super) async fn pruning_again_finds_nothing_more(store: Store) -> Verdict {
    let mut one = writer(&*store, "one")?;
    push_out(&*store).await?;
    prune(&*store, &mut one, 20).await?;
    for before in [0, 5, 20] {
        let report = store.prune(one.id(), before).await.map_err(told)?;
        same("what is gone the second time", &report, &PruneReport::default())?;
    }
    let chain = Writer::new("unknown").id();
    let unknown = store.prune(chain, 5).await;
    same("pruning an unknown chain", &unknown, &Err(PruneError::UnknownChain { chain }))
}

pub(super) async fn a_pruned_event_is_taken_as_it_comes(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    for payload in [vec![1; 10], vec![2; 100_000]] {
        let event = ChainEvent { payload: Bytes::new(), ..writer.draft(payload) };
        writer.append_sealed(&*store, event)?;
    }
    writer.append(&*store, "next")?;
    store.until_durable(store.accepted()).await.map_err(told)?;
    writer.check(&*store).await
}

/// That a chain is retired in every respect.
async fn retired(store: &dyn ChainStore, writer: &Writer) -> Verdict {
    let chain = writer.id();
    same("the head of a retired chain", &store.head(chain).await.map_err(told)?, &Some(writer.head()))?;
    for range in [EventRange::ALL, EventRange { from: 0, limit: 0 }, EventRange { from: 7, limit: 1 }] {
        let read = store.read(chain, range).await;
        same("reading a retired chain", &read, &Err(ReadError::Retired { chain }))?;
    }
    let listed = store.chains().await.map_err(told)?.contains(&chain);
    right(!listed, || "a retired chain is listed".into())?;
    let appended = store.append(writer.head(), writer.draft("more"));
    same("appending to a retired chain", &appended, &Err(AppendError::Retired { chain }))?;
    let created = store.create(writer.genesis());
    same("creating a retired chain anew", &created, &Err(AppendError::AlreadyExists { chain }))?;
    let pruned = store.prune(chain, 1).await;
    same("pruning a retired chain", &pruned, &Err(PruneError::Retired { chain }))
}

pub(super) async fn a_retired_chain_leaves_its_head(store: Store) -> Verdict {
    let one = writer(&*store, "one")?;
    let mut two = writer(&*store, "two")?;
    let three = writer(&*store, "three")?;
    store.retire(one.head()).await.map_err(|error| format!("retire: {error}"))?;
    retired(&*store, &one).await?;
    push_out(&*store).await?;
    two.append(&*store, "others go on")?;
    two.check(&*store).await?;
    three.check(&*store).await?;
    retired(&*store, &one).await?;
    store.retire(one.head()).await.map_err(|error| format!("retire once more: {error}"))?;
    let mut listed = store.chains().await.map_err(told)?;
    listed.truncate(2);
    same("the first chains", &listed, &vec![two.id(), three.id()])
}

pub(super) async fn a_chain_is_retired_with_its_last_head_only(store: Store) -> Verdict {
    let mut one = Writer::create(&*store, "one")?;
    let first = one.head();
    one.append_some(&*store, 3)?;
    let head = one.head();
    let wrong = [first, Head { hash: EventHash::ZERO, ..head }, Head { length: head.length + 1, ..head }];
    for wrong in wrong {
        let refused = store.retire(wrong).await;
        same("retiring with another head", &refused, &Err(RetireError::Conflict { actual: head }))?;
        one.check(&*store).await?;
    }
    one.append(&*store, "and it goes on")?;
    let unknown = Writer::new("unknown");
    let refused = store.retire(unknown.head()).await;
    same("retiring an unknown chain", &refused, &Err(RetireError::UnknownChain { chain: unknown.id() }))?;
    store.retire(one.head()).await.map_err(|error| format!("retire: {error}"))?;
    let actual = one.head();
    let refused = store.retire(head).await;
    same("retiring again with another head", &refused, &Err(RetireError::Conflict { actual }))
}

pub(super) async fn a_pruned_chain_is_retired_like_any_other(store: Store) -> Verdict {
    let mut one = writer(&*store, "one")?;
    let two = writer(&*store, "two")?;
    push_out(&*store).await?;
    prune(&*store, &mut one, 20).await?;
    store.retire(one.head()).await.map_err(|error| format!("retire: {error}"))?;
    retired(&*store, &one).await?;
    two.check(&*store).await
}
