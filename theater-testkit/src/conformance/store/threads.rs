//! Cases about writers and readers that meet.

use std::sync::Barrier;

use theater_chain::{AppendError, Chain, Head, verify};
use theater_core::{Bytes, ChainEvent, EventKind, EventRange};
use tokio::task::spawn_blocking;

use super::writer::{Writer, same_events};
use super::{Store, Verdict, right, same, told};

/// Threads that write at once.
const WRITERS: usize = 4;

/// Runs `write` on several threads at once and gives what each says. The threads belong to the case's runtime: a store may
/// need one.
async fn at_once<T: Send + 'static>(
    write: impl Fn(usize, &Barrier) -> Result<T, String> + Clone + Send + 'static,
) -> Result<Vec<T>, String> {
    let barrier = std::sync::Arc::new(Barrier::new(WRITERS));
    let threads: Vec<_> = (0..WRITERS)
        .map(|n| {
            let (write, barrier) = (write.clone(), barrier.clone());
            spawn_blocking(move || write(n, &barrier))
        })
        .collect();
    let mut answers = Vec::with_capacity(WRITERS);
    for thread in threads {
        answers.push(thread.await.map_err(|error| format!("a writer ended: {error}"))??);
    }
    Ok(answers)
}

/// Of those that append onto one head, one comes first; the others are told so.
pub(super) async fn one_of_many_writers_wins(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    for round in 0..50 {
        let (head, racing) = (writer.head(), store.clone());
        let attempts = at_once(move |n, barrier| {
            let payload = Bytes::from(format!("round {round}, writer {n}"));
            let event = Chain::resume(head).append(EventKind::LOG, payload, round);
            barrier.wait();
            Ok((event.clone(), racing.append(head, event)))
        })
        .await?;
        let won: Vec<&ChainEvent> =
            attempts.iter().filter(|(_, answer)| answer.is_ok()).map(|(event, _)| event).collect();
        same("the number of writers that won", &won.len(), &1)?;
        let after = Head::after(won[0]);
        for (event, answer) in &attempts {
            match answer {
                Ok(head) => same("what the winner is told", head, &after)?,
                Err(AppendError::Conflict { actual }) => same("what the others are told", actual, &after)?,
                Err(error) => {
                    return Err(format!("event {:?}: {error} instead of a conflict", event.payload));
                }
            }
        }
        writer.written.push(won[0].clone());
        writer.go_on(after);
    }
    writer.check(&*store).await
}

/// The chain has each event that was answered with `Ok`, where the answer said, and no other.
pub(super) async fn the_order_of_the_answers_is_the_order_of_the_chain(store: Store) -> Verdict {
    const EACH: usize = 100;
    // Every conflict is another writer's append, so there cannot be more of them.
    const PATIENCE: usize = WRITERS * EACH;
    let writer = Writer::create(&*store, "one")?;
    let (first, racing) = (writer.head(), store.clone());
    let answers = at_once(move |n, barrier| {
        let (mut head, mut taken, mut conflicts) = (first, Vec::new(), 0);
        barrier.wait();
        while taken.len() < EACH {
            let payload = Bytes::from(format!("writer {n}, event {}", taken.len()));
            let event = Chain::resume(head).append(EventKind::LOG, payload, 1);
            match racing.append(head, event.clone()) {
                Ok(after) => {
                    head = after;
                    taken.push((after, event));
                }
                // Otherwise a writer that believes the store tries for ever.
                Err(AppendError::Conflict { actual }) if actual == head => {
                    return Err("a conflict names the head that the writer expected".into());
                }
                Err(AppendError::Conflict { actual }) => {
                    head = actual;
                    conflicts += 1;
                    right(conflicts < PATIENCE, || format!("a writer has had {conflicts} conflicts"))?;
                }
                Err(error) => return Err(format!("append: {error}")),
            }
        }
        Ok(taken)
    })
    .await?;
    let mut written = vec![(first, writer.genesis())];
    written.extend(answers.into_iter().flatten());
    written.sort_by_key(|(head, _)| head.length);
    for (place, (head, event)) in written.iter().enumerate() {
        same("the place that an answer names", &head.length, &(place as u64 + 1))?;
        same("the head that an answer names", head, &Head::after(event))?;
    }
    let read = store.read(writer.id(), EventRange::ALL).await.map_err(|error| format!("read: {error}"))?;
    let written: Vec<_> = written.into_iter().map(|(_, event)| event).collect();
    same_events(&read, &written)?;
    verify(&read).map(drop).map_err(|error| format!("the chain: {error}"))
}

/// Writers of different chains do not meet.
pub(super) async fn writers_of_different_chains_never_conflict(store: Store) -> Verdict {
    let racing = store.clone();
    let writers = at_once(move |n, barrier| {
        barrier.wait();
        let mut writer = Writer::create(&*racing, &format!("writer {n}"))?;
        writer.append_some(&*racing, 200)?;
        Ok(writer)
    })
    .await?;
    for writer in &writers {
        writer.check(&*store).await?;
    }
    same("the number of chains", &store.chains().await.map_err(told)?.len(), &WRITERS)
}

pub(super) async fn one_of_many_creators_wins(store: Store) -> Verdict {
    for round in 0..50 {
        let racing = store.clone();
        let who = format!("chain {round}");
        let genesis = Writer::new(&who).genesis();
        let answers = at_once(move |_, barrier| {
            barrier.wait();
            Ok(racing.create(genesis.clone()))
        })
        .await?;
        let writer = Writer::new(&who);
        same("the number of creators that won", &answers.iter().filter(|answer| answer.is_ok()).count(), &1)?;
        let refused = Err(AppendError::AlreadyExists { chain: writer.id() });
        for answer in answers {
            right(answer == Ok(writer.head()) || answer == refused, || {
                format!("a creator is told {answer:?}")
            })?;
        }
        writer.check(&*store).await?;
    }
    same("the number of chains", &store.chains().await.map_err(told)?.len(), &50)
}

/// Whoever reads while others write sees the chain as it was at some moment, and never an earlier moment than before.
pub(super) async fn readers_see_a_chain_that_only_grows(store: Store) -> Verdict {
    let mut writer = Writer::create(&*store, "one")?;
    let id = writer.id();
    let writing = store.clone();
    let thread = spawn_blocking(move || writer.append_some(&*writing, 3_000).map(|()| writer));
    let mut seen: Vec<ChainEvent> = Vec::new();
    while !thread.is_finished() {
        let head = store.head(id).await.map_err(told)?.ok_or("the chain is gone")?;
        let read = store.read(id, EventRange::ALL).await.map_err(|error| format!("read: {error}"))?;
        let length = read.len() as u64;
        right(length >= head.length, || {
            format!("{length} events, but the head was at {} before", head.length)
        })?;
        right(read.len() >= seen.len(), || format!("{length} events, but there were {} before", seen.len()))?;
        same_events(&read[..seen.len()], &seen)?;
        let after = verify(&read).map_err(|error| format!("what a reader sees: {error}"))?;
        same("the number of events that a reader sees", &length, &after.length)?;
        seen = read;
        tokio::task::yield_now().await;
    }
    let writer = thread.await.map_err(|error| format!("the writer ended: {error}"))??;
    writer.check(&*store).await
}
