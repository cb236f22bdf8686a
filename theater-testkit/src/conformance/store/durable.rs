//! Cases about durability, and about following a store.

use theater_chain::{Head, Lsn, Tailed};
use theater_core::EventHash;

use super::writer::Writer;
use super::{Store, Verdict, right, same};

pub(super) async fn every_event_that_is_taken_has_the_next_place(store: Store) -> Verdict {
    same("the place before the first event", &store.accepted(), &Lsn(0))?;
    let mut one = Writer::create(&*store, "one")?;
    let mut two = Writer::create(&*store, "two")?;
    for round in 1..20 {
        one.append(&*store, "x")?;
        two.append(&*store, "y")?;
        same("the place of the last event", &store.accepted(), &Lsn(2 + 2 * round))?;
    }
    let before = store.accepted();
    let wrong = Head { hash: EventHash::ZERO, ..one.head() };
    right(store.append(wrong, one.draft("refused")).is_err(), || {
        "an event was taken onto a wrong head".into()
    })?;
    right(store.create(two.genesis()).is_err(), || "a chain was begun twice".into())?;
    same("the place after refusals", &store.accepted(), &before)
}

pub(super) async fn what_was_taken_becomes_durable(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    for _ in 0..20 {
        writer.append_some(&*store, 3)?;
        let lsn = store.accepted();
        store.until_durable(lsn).await.map_err(|error| error.to_string())?;
        let durable = store.durable().map_err(|error| error.to_string())?;
        right(durable >= lsn, || format!("{lsn} was said to be durable, and durable is {durable}"))?;
        right(durable <= store.accepted(), || "more is durable than was taken".into())?;
        // What is durable already is not waited for.
        store.until_durable(Lsn(1)).await.map_err(|error| error.to_string())?;
    }
    writer.check(&*store).await
}

pub(super) async fn there_is_room_again_once_everything_is_durable(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    for _ in 0..50 {
        store.ready().await.map_err(|error| error.to_string())?;
        writer.append(&*store, vec![7; 10_000])?;
    }
    store.until_durable(store.accepted()).await.map_err(|error| error.to_string())?;
    store.ready().await.map_err(|error| error.to_string())?;
    writer.check(&*store).await
}

pub(super) async fn a_follower_hears_every_event_from_then_on(store: Store) -> Verdict {
    let mut one = Writer::create(&*store, "one")?;
    one.append(&*store, "before")?;
    let first = store.accepted().0;
    let mut tail = store.tail();
    let mut two = Writer::create(&*store, "two")?;
    one.append(&*store, "a")?;
    two.append(&*store, vec![1; 100_000])?;
    one.append(&*store, "c")?;
    let expected = [&two.written[0], &one.written[2], &two.written[1], &one.written[3]];
    for (lsn, event) in (first + 1..).zip(expected) {
        same("what is followed", &tail.next().await, &Some(Tailed::Event(Lsn(lsn), event.clone())))?;
    }
    Ok(())
}

pub(super) async fn a_follower_that_is_too_slow_is_told_what_it_missed(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let (mut tail, first) = (store.tail(), store.accepted().0);
    let count = 20_000;
    for _ in 0..count {
        store.ready().await.map_err(|error| error.to_string())?;
        writer.append(&*store, "x")?;
    }
    let (mut next, mut missed) = (first + 1, 0);
    while next <= first + count {
        match tail.next().await {
            Some(Tailed::Gap(gap)) => {
                missed += gap;
                next += gap;
            }
            Some(Tailed::Event(lsn, event)) => {
                same("the place of an event", &lsn, &Lsn(next))?;
                let seq = usize::try_from(event.header.seq).map_err(|error| error.to_string())?;
                same("the event", &Some(&event), &writer.written.get(seq))?;
                next += 1;
            }
            other => return Err(format!("{other:?} before the last event")),
        }
    }
    right(missed < count, || "a follower was told of no event at all".into())
}
