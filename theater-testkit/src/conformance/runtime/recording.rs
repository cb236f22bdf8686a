//! Recording.

use theater_chain::verify;
use theater_core::{ActorError, ActorId, Authority, Bytes, EventDraft, EventKind, RestartFrom};

use super::support::{Failure, Subject, Verdict, ensure, ensure_eq};

async fn record(it: &Subject, id: ActorId, text: &str) -> Result<theater_core::ChainEvent, Failure> {
    let draft = EventDraft::new(EventKind::LOG, Bytes::copy_from_slice(text.as_bytes()));
    Ok(it.runtime.record(id, draft).await?)
}

pub(super) async fn what_was_recorded_is_there_at_once(it: Subject) -> Verdict {
    let root = it.root().await?;
    for n in 0..20 {
        let event = record(&it, root, &format!("record {n}")).await?;
        let events = it.events(root).await?;
        ensure_eq!(events.last(), Some(&event), "the last event after a record");
    }
    Ok(())
}

pub(super) async fn records_are_kept_byte_for_byte_and_in_order(it: Subject) -> Verdict {
    let root = it.root().await?;
    let before = it.events(root).await?.len();
    let payloads: Vec<_> = (0..40_u8).map(|n| vec![n; usize::from(n) * 7]).collect();
    for payload in &payloads {
        let draft = EventDraft::new(EventKind::LOG, Bytes::copy_from_slice(payload));
        it.runtime.record(root, draft).await?;
    }
    let kept: Vec<_> =
        it.events(root).await?.split_off(before).into_iter().map(|it| it.payload.to_vec()).collect();
    ensure!(kept == payloads, "the payloads come back changed, or in another order");
    Ok(())
}

pub(super) async fn chains_verify(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    it.set_state(child, b"x").await?;
    record(&it, child, "x").await?;
    it.crash(child).await?;
    it.runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await?;
    for id in [root, child] {
        let events = it.events(id).await?;
        let head = verify(&events).map_err(|error| format!("a chain does not verify: {error}"))?;
        ensure_eq!(head.length, events.len() as u64, "the length of the chain");
    }
    Ok(())
}

pub(super) async fn nothing_is_recorded_for_nobody(it: Subject) -> Verdict {
    let nobody = ActorId::from_parts(3, [0x77; 10]);
    match it.runtime.record(nobody, EventDraft::new(EventKind::LOG, Bytes::new())).await {
        Err(ActorError::UnknownActor { id }) if id == nobody => Ok(()),
        other => Err(format!("a record for nobody: {other:?} instead of UnknownActor").into()),
    }
}

pub(super) async fn every_life_begins_and_ends_on_the_chain(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    ensure_eq!(it.lives(child).await?, ["+1"], "the lives on the chain");
    it.crash(child).await?;
    ensure_eq!(it.lives(child).await?, ["+1", "-1"], "the lives on the chain");
    it.runtime.restart(Authority::Operator, child, RestartFrom::LastGood).await?;
    ensure_eq!(it.lives(child).await?, ["+1", "-1", "+2"], "the lives on the chain");
    Ok(())
}

pub(super) async fn records_at_once_are_all_there(it: Subject) -> Verdict {
    let root = it.root().await?;
    let writers: Vec<_> = (0..40)
        .map(|n| {
            let it = it.clone();
            tokio::spawn(async move { record(&it, root, &format!("writer {n}")).await })
        })
        .collect();
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.map_err(|error| error.to_string())??);
    }
    let events = it.events(root).await?;
    verify(&events).map_err(|error| format!("the chain does not verify: {error}"))?;
    for event in written {
        let times = events.iter().filter(|other| **other == event).count();
        ensure_eq!(times, 1, "how often a record is on the chain");
    }
    Ok(())
}
