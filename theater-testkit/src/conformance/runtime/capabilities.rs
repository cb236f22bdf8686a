//! Capabilities.

use theater_core::{ActorError, ActorId};

use super::support::{Failure, Subject, Verdict, ensure_eq};

/// That this start is refused because it asks for too much, and that nobody is there who was not before.
async fn refused(it: &Subject, parent: ActorId, words: &str) -> Verdict {
    let before = it.children(parent).await?;
    match it.start(Some(parent), words).await {
        Err(ActorError::NotGranted(_)) => {}
        other => return Err(format!("a child that is `{words}`: {other:?} instead of NotGranted").into()),
    }
    ensure_eq!(it.children(parent).await?, before, "the children of the parent");
    Ok(())
}

async fn started(it: &Subject, parent: Option<ActorId>, words: &str) -> Result<ActorId, Failure> {
    Ok(it.start(parent, words).await?.id)
}

pub(super) async fn a_child_may_ask_for_what_its_parent_has(it: Subject) -> Verdict {
    let root = started(&it, None, "root infinity may-store may-timing").await?;
    started(&it, Some(root), "all temporary may-store may-timing").await?;
    started(&it, Some(root), "less temporary may-timing").await?;
    started(&it, Some(root), "none temporary").await?;
    Ok(())
}

pub(super) async fn a_child_that_asks_for_more_is_refused_and_leaves_nothing(it: Subject) -> Verdict {
    let root = started(&it, None, "root infinity").await?;
    refused(&it, root, "child temporary may-store").await?;
    let other = started(&it, None, "root infinity may-timing").await?;
    refused(&it, other, "child temporary may-store").await?;
    refused(&it, other, "child temporary may-timing may-store").await
}

pub(super) async fn who_got_less_cannot_give_more(it: Subject) -> Verdict {
    let root = started(&it, None, "root infinity may-store may-timing").await?;
    let child = started(&it, Some(root), "child temporary may-timing").await?;
    refused(&it, child, "grandchild temporary may-store").await?;
    started(&it, Some(child), "grandchild temporary may-timing").await?;
    Ok(())
}
