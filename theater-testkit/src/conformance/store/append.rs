//! Cases about beginning chains, and about compare and append.

use theater_chain::{AppendError, Chain, ChainStore, Head, hash};
use theater_core::{EventHash, EventHeader, EventKind};

use super::writer::Writer;
use super::{Store, Verdict, right, same, told};

/// A chain begins with its genesis event, which is all that it then has.
pub(super) async fn a_chain_begins_with_its_genesis_event(store: Store) -> Verdict {
    let writer = Writer::create(&*store, "one")?;
    writer.check(&*store).await?;
    same("the chains", &store.chains().await.map_err(told)?, &vec![writer.id()])
}

pub(super) async fn a_chain_is_created_once(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    for _ in 0..2 {
        match store.create(writer.genesis()) {
            Err(AppendError::AlreadyExists { chain }) => same("the chain that exists", &chain, &writer.id())?,
            other => return Err(format!("creating it again: {other:?} instead of AlreadyExists")),
        }
        writer.check(&*store).await?;
        writer.append_some(&*store, 2)?;
    }
    same("the chains", &store.chains().await.map_err(told)?, &vec![writer.id()])
}

pub(super) async fn only_a_first_event_begins_a_chain(store: Store) -> Verdict {
    let writer = Writer::new("one");
    let second = writer.draft("second");
    let mut with_one_before = writer.genesis();
    with_one_before.header.prev = second.hash;
    let mut later = writer.genesis();
    later.header.seq = 1;
    for (what, event) in
        [("a second event", second), ("one with an event before", with_one_before), ("a later one", later)]
    {
        let seq = event.header.seq;
        let refused = store.create(event);
        same(what, &refused, &Err(AppendError::NotSealedOntoHead { seq }))?;
        same("the head afterwards", &store.head(writer.id()).await.map_err(told)?, &None)?;
        same("the chains afterwards", &store.chains().await.map_err(told)?, &Vec::new())?;
    }
    Writer::create(&*store, "one")?.check(&*store).await
}

pub(super) async fn what_is_sealed_onto_the_head_is_appended(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    for n in 0..20 {
        writer.append(&*store, n.to_string())?;
        same("the head", &store.head(writer.id()).await.map_err(told)?, &Some(writer.head()))?;
    }
    writer.check(&*store).await
}

/// Appends onto a head that is not the chain's, and looks that nothing changes.
async fn conflicts(store: &dyn ChainStore, writer: &Writer, what: &str, expected: Head) -> Verdict {
    let event = Chain::resume(expected).append(EventKind::LOG, "elsewhere".into(), 5);
    let refused = store.append(expected, event);
    same(what, &refused, &Err(AppendError::Conflict { actual: writer.head() }))?;
    writer.check(store).await
}

pub(super) async fn a_conflict_says_the_head_and_changes_nothing(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let first = writer.head();
    writer.append_some(&*store, 3)?;
    let head = writer.head();
    conflicts(&*store, &writer, "onto an older head", first).await?;
    conflicts(&*store, &writer, "onto a head to come", Head::after(&writer.draft("to come"))).await?;
    conflicts(&*store, &writer, "onto another last event", Head { hash: first.hash, ..head }).await?;
    conflicts(&*store, &writer, "onto another length", Head { length: head.length - 1, ..head }).await?;
    conflicts(&*store, &writer, "onto another term", Head { epoch: head.epoch + 1, ..head }).await?;
    conflicts(&*store, &writer, "onto nothing", Head { length: 0, hash: EventHash::ZERO, ..head }).await?;
    writer.append(&*store, "and it goes on")?;
    writer.check(&*store).await
}

pub(super) async fn an_unclear_attempt_is_found_out_by_the_head(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let before = writer.head();
    let event = writer.draft("did it arrive?");
    writer.append_sealed(&*store, event.clone())?;
    // Its answer was lost, say. The writer tries again, and is told a head that it knows.
    match store.append(before, event.clone()) {
        Err(AppendError::Conflict { actual }) => same("the head's hash", &actual.hash, &event.hash)?,
        other => return Err(format!("the second attempt: {other:?} instead of a conflict")),
    }
    let lost = Chain::resume(before).append(EventKind::LOG, "another's came first".into(), 9);
    match store.append(before, lost.clone()) {
        Err(AppendError::Conflict { actual }) => {
            right(actual.hash != lost.hash, || {
                "the head says that an event was appended that was not".into()
            })?;
        }
        other => return Err(format!("the attempt that came second: {other:?} instead of a conflict")),
    }
    writer.check(&*store).await
}

pub(super) async fn what_does_not_follow_the_head_is_refused(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    writer.append_some(&*store, 2)?;
    let other = Writer::create(&*store, "other")?;
    let fitting = writer.draft("fits");
    let mut cases = vec![
        ("an event of another chain", other.draft("other")),
        ("the last event again", writer.written[2].clone()),
    ];
    let mut skipping = fitting.clone();
    skipping.header.seq += 1;
    cases.push(("an event that leaves a gap", skipping));
    let mut unlinked = fitting.clone();
    unlinked.header.prev = writer.written[1].hash;
    cases.push(("an event that follows another", unlinked));
    let mut moved = fitting;
    moved.header.chain_id = other.id();
    cases.push(("an event that names another chain", moved));
    for (what, event) in cases {
        let seq = event.header.seq;
        let refused = store.append(writer.head(), event);
        same(what, &refused, &Err(AppendError::NotSealedOntoHead { seq }))?;
        writer.check(&*store).await?;
        other.check(&*store).await?;
    }
    Ok(())
}

pub(super) async fn an_unknown_chain_takes_nothing(store: Store) -> Verdict {
    let known = Writer::create(&*store, "known")?;
    let unknown = Writer::new("unknown");
    let refused = store.append(unknown.head(), unknown.draft("x"));
    same("an append to it", &refused, &Err(AppendError::UnknownChain { chain: unknown.id() }))?;
    same("its head", &store.head(unknown.id()).await.map_err(told)?, &None)?;
    same("the chains", &store.chains().await.map_err(told)?, &vec![known.id()])
}

/// Sealed wrongly, by a broken writer or a forger: that is for whoever verifies to find, so it has to be kept as it is.
pub(super) async fn what_was_sealed_wrongly_is_kept_as_it_is(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let mut forged = writer.draft("true");
    forged.payload = "fals".into();
    writer.append_sealed(&*store, forged)?;
    writer.append(&*store, "next")?;
    writer.check(&*store).await
}

pub(super) async fn a_new_term_begins_with_an_event(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let next_term = Head { epoch: u32::MAX, ..writer.head() };
    let event = Chain::resume(next_term).append(EventKind::LOG, "a new term".into(), 5);
    writer.append_sealed(&*store, event)?;
    same(
        "the head's term",
        &store.head(writer.id()).await.map_err(told)?.map(|head| head.epoch),
        &Some(u32::MAX),
    )?;
    writer.append(&*store, "next")?;
    writer.check(&*store).await
}

/// Of a version that is yet to come: what is taken must be there at the next start, too.
pub(super) async fn what_could_not_be_read_back_is_refused(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    writer.append(&*store, "sound")?;
    for (what, version, flags) in [("of another version", 1, 0), ("with a flag that nobody knows", 0, 1)] {
        let change = |header: &mut EventHeader| {
            header.version += version;
            header.flags += flags;
        };
        let mut event = writer.draft("from the future");
        change(&mut event.header);
        event.hash = hash::event_hash(&event.header);
        let seq = event.header.seq;
        let refused = store.append(writer.head(), event);
        same(&format!("an event {what}"), &refused, &Err(AppendError::NotSealedOntoHead { seq }))?;
        writer.check(&*store).await?;

        let mut genesis = Writer::new("another").genesis();
        change(&mut genesis.header);
        genesis.hash = hash::event_hash(&genesis.header);
        let refused = store.create(genesis);
        same(&format!("a first event {what}"), &refused, &Err(AppendError::NotSealedOntoHead { seq: 0 }))?;
        same("the chains afterwards", &store.chains().await.map_err(told)?, &vec![writer.id()])?;
    }
    Ok(())
}
