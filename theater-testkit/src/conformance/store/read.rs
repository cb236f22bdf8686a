//! Cases about reading.

use theater_chain::{Chain, ChainStore, ReadError, verify};
use theater_core::{Bytes, EventKind, EventRange};

use super::writer::{Writer, same_events};
use super::{Store, Verdict, same, told};

pub(super) async fn a_new_store_has_no_chains(store: Store) -> Verdict {
    same("the chains", &store.chains().await.map_err(told)?, &Vec::new())?;
    unknown(&*store).await
}

/// What a store says of a chain that it does not have.
async fn unknown(store: &dyn ChainStore) -> Verdict {
    let chain = Writer::new("unknown").id();
    same("the head of an unknown chain", &store.head(chain).await.map_err(told)?, &None)?;
    for range in [EventRange::ALL, EventRange { from: 0, limit: 0 }, EventRange { from: 7, limit: 1 }] {
        let read = store.read(chain, range).await;
        same("reading an unknown chain", &read, &Err(ReadError::UnknownChain { chain }))?;
    }
    Ok(())
}

pub(super) async fn an_unknown_chain_cannot_be_read(store: Store) -> Verdict {
    let known = Writer::create(&*store, "known")?;
    unknown(&*store).await?;
    known.check(&*store).await
}

pub(super) async fn events_are_read_byte_for_byte(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let payloads: [Bytes; 6] = [
        Bytes::new(),
        (0..=255).collect::<Vec<u8>>().into(),
        "line\nbreak\r\n\u{feff}\0 and \u{1F3AD}".into(),
        Bytes::from_static(b"\xff\xfe not text"),
        vec![0; 4_097].into(),
        b"{\"json\":true}\n".to_vec().into(),
    ];
    // Any kind may come but the one that only a first event has.
    let kinds: Vec<_> = EventKind::ALL.iter().copied().filter(|kind| *kind != EventKind::GENESIS).collect();
    for (n, payload) in payloads.into_iter().cycle().take(kinds.len().max(12)).enumerate() {
        // Times go as the runtime's clock does: back and forth, and to both ends.
        let time = [0, u64::MAX, 1_700_000_000_000_000_000, 1][n % 4];
        let kind = kinds[n % kinds.len()];
        let event = Chain::resume(writer.head()).append(kind, payload, time);
        writer.append_sealed(&*store, event)?;
    }
    writer.check(&*store).await?;
    let read = store.read(writer.id(), EventRange::ALL).await.map_err(|error| error.to_string())?;
    let head = verify(&read).map_err(|error| format!("the chain that was read: {error}"))?;
    same("the head of what was read", &head, &writer.head())
}

pub(super) async fn a_range_gives_what_is_there_and_no_more(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    writer.append_some(&*store, 9)?;
    let length = writer.written.len();
    let starts = [0, 1, 4, 9, 10, 11, 1_000, u64::from(u32::MAX) + 1, u64::MAX - 1, u64::MAX];
    for from in starts {
        for limit in [0, 1, 2, 9, 10, 11, usize::MAX - 1, usize::MAX] {
            let range = EventRange { from, limit };
            let read = store.read(writer.id(), range).await.map_err(|error| format!("{range:?}: {error}"))?;
            same_events(&read, &writer.written[range.within(length)])
                .map_err(|message| format!("{range:?}: {message}"))?;
        }
    }
    Ok(())
}

pub(super) async fn a_long_chain_is_read_whole_and_in_parts(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    writer.append_some(&*store, 5_000)?;
    writer.check(&*store).await?;
    let mut from = 0;
    let mut limit = 1;
    while from < writer.written.len() {
        let range = EventRange { from: from as u64, limit };
        let read = store.read(writer.id(), range).await.map_err(|error| format!("{range:?}: {error}"))?;
        same_events(&read, &writer.written[range.within(writer.written.len())])
            .map_err(|message| format!("{range:?}: {message}"))?;
        from += limit;
        // Parts of all sizes, so that they end within and at the edges of whatever blocks a store has.
        limit = limit * 3 / 2 + 1;
    }
    Ok(())
}

pub(super) async fn large_payloads_are_kept(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    for (n, size) in [1 << 20, 0, (4 << 20) + 1, 1].into_iter().enumerate() {
        let payload: Vec<u8> = (0..size).map(|byte: usize| (byte % 251 + n) as u8).collect();
        writer.append(&*store, payload)?;
    }
    writer.check(&*store).await
}

pub(super) async fn chains_are_listed_in_the_order_of_their_creation(store: Store) -> Verdict {
    let mut created = Vec::new();
    for n in 0..100 {
        let mut writer = Writer::create(&*store, &format!("chain {n}"))?;
        // Neither an append nor a refusal moves a chain.
        writer.append(&*store, "x")?;
        if n % 10 == 3 {
            let _ = store.create(Writer::new("chain 0").genesis());
            let _ = store.create(writer.draft("no first event"));
        }
        created.push(writer.id());
    }
    same("the chains", &store.chains().await.map_err(told)?, &created)
}

pub(super) async fn chains_are_independent(store: Store) -> Verdict {
    let mut writers = Vec::new();
    for n in 0..300 {
        writers.push(Writer::create(&*store, &format!("chain {n}"))?);
    }
    for round in 0..5_usize {
        for (n, writer) in writers.iter_mut().enumerate() {
            if n % (round + 1) == 0 {
                writer.append(&*store, format!("{n} in round {round}"))?;
            }
        }
    }
    for writer in &writers {
        writer.check(&*store).await?;
    }
    same("the number of chains", &store.chains().await.map_err(told)?.len(), &writers.len())
}
