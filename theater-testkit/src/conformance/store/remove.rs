//! Cases about removing payloads, and whole chains.

use theater_chain::{AppendError, Chain, ChainStore, Head, PruneError, PruneReport, ReadError, RetireError};
use theater_core::{ChainEvent, EventKind, EventRange};

use super::writer::Writer;
use super::{Store, Verdict, right, same, told};

/// Appends an event of each kind but the first, and waits until they are durable.
async fn append_every_kind(store: &dyn ChainStore, writer: &mut Writer) -> Verdict {
    for kind in EventKind::ALL.iter().copied().filter(|kind| *kind != EventKind::GENESIS) {
        let event = Chain::resume(writer.head()).append(kind, vec![1; 100].into(), 5);
        writer.append_sealed(store, event)?;
    }
    store.until_durable(store.accepted()).await.map_err(told)
}

/// What went of a chain whose payloads may go below a position; nothing else may be missing.
fn gone(read: &[ChainEvent], written: &[ChainEvent], before: u64) -> Result<PruneReport, String> {
    same("the number of events", &read.len(), &written.len())?;
    let mut gone = PruneReport::default();
    for (n, (read, written)) in read.iter().zip(written).enumerate() {
        right((&read.header, read.hash) == (&written.header, written.hash), || {
            format!("event {n} has another header or hash than was written")
        })?;
        if read.payload == written.payload {
            continue;
        }
        right(read.payload.is_empty(), || format!("event {n} has another payload"))?;
        right((n as u64) < before, || format!("the payload of event {n} went, below {before} they may"))?;
        let kind = written.header.kind;
        right(!kind.keeps_payload(), || {
            format!("the payload of event {n} went, which is {kind} and keeps it")
        })?;
        gone.events += 1;
        gone.bytes += written.header.payload_len;
    }
    Ok(gone)
}

pub(super) async fn payloads_go_where_they_may_and_are_counted(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let mut other = Writer::create(&*store, "other")?;
    let (mut counted, mut most) = (PruneReport::default(), 0);
    for _ in 0..4 {
        append_every_kind(&*store, &mut writer).await?;
        append_every_kind(&*store, &mut other).await?;
        let length = writer.head().length;
        for before in [0, 1, length / 2, length - 1, u64::MAX] {
            let report = store.prune(writer.id(), before).await.map_err(told)?;
            counted.events += report.events;
            counted.bytes += report.bytes;
            most = most.max(before.min(length));
            let read = store.read(writer.id(), EventRange::ALL).await.map_err(told)?;
            same("what went, as the store counts it", &counted, &gone(&read, &writer.written, most)?)?;
            let part = store.read(writer.id(), EventRange { from: 3, limit: 5 }).await.map_err(told)?;
            same("a part", &part, &read[3..8].to_vec())?;
            same("the head", &store.head(writer.id()).await.map_err(told)?, &Some(writer.head()))?;
        }
        other.check(&*store).await?;
    }
    Ok(())
}

/// That a chain is gone but for its head.
async fn is_retired(store: &dyn ChainStore, writer: &Writer, left: &[&Writer]) -> Verdict {
    let (chain, head) = (writer.id(), writer.head());
    same("the head", &store.head(chain).await.map_err(told)?, &Some(head))?;
    for range in [EventRange::ALL, EventRange { from: 1, limit: 1 }, EventRange { from: 1_000, limit: 1 }] {
        same("reading it", &store.read(chain, range).await, &Err(ReadError::Retired { chain }))?;
    }
    let listed = left.iter().map(|writer| writer.id()).collect();
    same("the chains", &store.chains().await.map_err(told)?, &listed)?;
    for writer in left {
        writer.check(store).await?;
    }
    Ok(())
}

pub(super) async fn of_a_retired_chain_the_head_stays(store: Store) -> Verdict {
    let mut writers = [Writer::create(&*store, "one")?, Writer::create(&*store, "two")?];
    let mut third = Writer::create(&*store, "three")?;
    for _ in 0..300 {
        for writer in &mut writers {
            writer.append(&*store, "x")?;
        }
    }
    let [one, two] = &writers;
    // Also where nothing of it is durable yet.
    store.retire(two.head()).await.map_err(told)?;
    is_retired(&*store, two, &[one, &third]).await?;
    third.append_some(&*store, 3)?;
    store.until_durable(store.accepted()).await.map_err(told)?;
    store.retire(one.head()).await.map_err(told)?;
    for retired in &writers {
        is_retired(&*store, retired, &[&third]).await?;
        same("retiring it once more", &store.retire(retired.head()).await, &Ok(()))?;
        let pruned = store.prune(retired.id(), 5).await;
        same("pruning it", &pruned, &Err(PruneError::Retired { chain: retired.id() }))?;
    }
    Ok(())
}

pub(super) async fn an_id_is_not_given_again(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    writer.append_some(&*store, 3)?;
    store.retire(writer.head()).await.map_err(told)?;
    let (chain, accepted) = (writer.id(), store.accepted());
    let created = store.create(writer.genesis());
    same("creating it again", &created, &Err(AppendError::AlreadyExists { chain }))?;
    let appended = store.append(writer.head(), writer.draft("late"));
    same("an append to it", &appended, &Err(AppendError::Retired { chain }))?;
    same("the place of the last event", &store.accepted(), &accepted)?;
    is_retired(&*store, &writer, &[]).await?;
    // Places are not given again either.
    let next = Writer::create(&*store, "two")?;
    same("the place of the next event", &store.accepted().0, &(accepted.0 + 1))?;
    is_retired(&*store, &writer, &[&next]).await
}

pub(super) async fn a_chain_is_retired_with_its_head_only(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let first = writer.head();
    writer.append_some(&*store, 3)?;
    let to_come = Head::after(&writer.draft("to come"));
    for wrong in [first, to_come, Head { hash: first.hash, ..writer.head() }] {
        let refused = store.retire(wrong).await;
        same("with another head", &refused, &Err(RetireError::Conflict { actual: writer.head() }))?;
        writer.check(&*store).await?;
    }
    writer.append(&*store, "and it goes on")?;
    store.retire(writer.head()).await.map_err(told)?;
    let refused = store.retire(first).await;
    same("once it is gone", &refused, &Err(RetireError::Conflict { actual: writer.head() }))
}

pub(super) async fn an_unknown_chain_is_neither_pruned_nor_retired(store: Store) -> Verdict {
    let known = Writer::create(&*store, "known")?;
    let unknown = Writer::new("unknown");
    let chain = unknown.id();
    same("pruning it", &store.prune(chain, 1).await, &Err(PruneError::UnknownChain { chain }))?;
    same("retiring it", &store.retire(unknown.head()).await, &Err(RetireError::UnknownChain { chain }))?;
    same("its head", &store.head(chain).await.map_err(told)?, &None)?;
    known.check(&*store).await
}
