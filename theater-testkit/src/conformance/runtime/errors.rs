//! Errors.

use theater_core::{ActorId, Authority, Bytes, EventDraft, EventKind, EventRange, RestartFrom, StopMode};

use super::support::{Subject, Verdict, ensure, ensure_eq};

pub(super) async fn an_operation_on_nobody_is_an_error_and_no_panic(it: Subject) -> Verdict {
    let root = it.root().await?;
    let nobody = ActorId::from_parts(5, [0x77; 10]);
    for by in [Authority::Operator, Authority::Parent(root), Authority::Parent(nobody)] {
        let runtime = &it.runtime;
        // A panic here is a failure of this case.
        let operations = vec![
            ("info", runtime.info(by, nobody).await.is_err()),
            ("state", runtime.state(by, nobody).await.is_err()),
            ("events", runtime.events(by, nobody, EventRange::ALL).await.is_err()),
            ("restart", runtime.restart(by, nobody, RestartFrom::Initial).await.is_err()),
            ("stop", runtime.stop(by, nobody, StopMode::Infinity).await.is_err()),
            ("halt", runtime.halt(by, nobody, StopMode::Infinity).await.is_err()),
            ("reap", runtime.reap(by, nobody).await.is_err()),
            ("children", runtime.children(nobody).await.is_err()),
            ("record", runtime.record(nobody, EventDraft::new(EventKind::LOG, Bytes::new())).await.is_err()),
            ("spawn", it.start(Some(nobody), "child").await.is_err()),
        ];
        for (operation, refused) in operations {
            ensure!(refused, "{operation} of nobody by {by:?} succeeds");
        }
    }
    Ok(())
}

pub(super) async fn what_cannot_be_started_leaves_everything_as_it_was(it: Subject) -> Verdict {
    let root = it.root().await?;
    let child = it.child(root).await?;
    let before = (it.info(root).await?, it.children(root).await?, it.events(child).await?);
    for words in ["child error", "child trap", "child ignore"] {
        let started = it.start(Some(root), words).await;
        ensure!(started.is_err(), "`{words}` should not start: {started:?}");
    }
    let after = (it.info(root).await?, it.children(root).await?, it.events(child).await?);
    ensure_eq!(after, before, "the parent and its other child");
    Ok(())
}
