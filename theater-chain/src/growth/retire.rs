//! Retiring a chain: its parent's keeps the last head, for good, and only then does it go.

use std::collections::BTreeSet;

use theater_core::event::payload::{self, Anchor, ChildAnchor, ChildRetired, Genesis, PayloadError};
use theater_core::{ChainEvent, ChainId, EventDraft, EventKind, EventRange};

use crate::chain::Head;
use crate::store::{ChainStore, EventStream, Poisoned, ReadError, RetireError};

/// Why a chain was not retired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetireChainError {
    /// It could not be read. Nothing was changed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event that has to be read for this cannot be. Nothing was changed.
    #[error("event {seq}: {source}")]
    Payload {
        /// The event's position.
        seq: u64,
        /// What is wrong.
        source: PayloadError,
    },
    /// The actor has no parent, whose chain could keep the last head.
    #[error("chain {chain} is that of a root: nobody would remember it")]
    Root {
        /// The chain.
        chain: ChainId,
    },
    /// The actor's last life has not ended.
    #[error("the actor of chain {chain} has not ended")]
    NotEnded {
        /// The chain.
        chain: ChainId,
    },
    /// The actor has a child whose chain is kept. It remembers this one, and has to go first.
    #[error("chain {child} of a child is still kept: retire it first")]
    HasChild {
        /// The child's chain.
        child: ChainId,
    },
    /// The parent's chain did not take the last head. Nothing was changed.
    #[error("the parent's chain does not take the last head")]
    Append(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The event that has it may not survive. Nothing was removed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// The store did not remove the chain, which is there as it was. Its parent's chain says otherwise, and that does no harm.
    #[error(transparent)]
    Store(#[from] RetireError),
}

/// Removes the chain of an actor that has ended: appends a [`CHILD_RETIRED`](EventKind::CHILD_RETIRED) event with its last head to the parent's
/// chain, waits until that is durable, and lets the store remove it. So an export without the chain can still be verified.
///
/// `append` appends an event to the chain of the actor's parent, which is given; it is called at most once. Where the chain was retired before,
/// nothing is done. Reads the whole chain.
///
/// # Errors
/// See [`RetireChainError`].
pub async fn retire_chain<F, E>(
    store: &dyn ChainStore,
    chain: ChainId,
    append: impl FnOnce(Anchor, EventDraft) -> F,
) -> Result<Head, RetireChainError>
where
    F: Future<Output = Result<(), E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (life, head) = match Life::read(store, chain).await {
        Err(RetireChainError::Read(ReadError::Retired { .. })) => {
            return store.head(chain).await?.ok_or(ReadError::UnknownChain { chain }.into());
        }
        read => read?,
    };
    let genesis = life.genesis.ok_or(ReadError::UnknownChain { chain })?;
    let parent = genesis.parent.ok_or(RetireChainError::Root { chain })?;
    if !life.ended {
        return Err(RetireChainError::NotEnded { chain });
    }
    for child in life.children {
        match store.read(child, EventRange { from: 0, limit: 0 }).await {
            Err(ReadError::Retired { .. }) => {}
            Ok(_) | Err(ReadError::UnknownChain { .. }) => return Err(RetireChainError::HasChild { child }),
            Err(error) => return Err(error.into()),
        }
    }
    let anchor = Anchor { actor: genesis.actor, chain, length: head.length, head: head.hash };
    let draft = EventDraft::new(EventKind::CHILD_RETIRED, payload::encode(&ChildRetired { anchor }));
    append(parent, draft).await.map_err(|error| RetireChainError::Append(error.into()))?;
    store.until_durable(store.accepted()).await?;
    store.retire(head).await?;
    Ok(head)
}

/// What a chain says of its actor.
#[derive(Default)]
struct Life {
    genesis: Option<Genesis>,
    ended: bool,
    children: BTreeSet<ChainId>,
}

impl Life {
    async fn read(store: &dyn ChainStore, chain: ChainId) -> Result<(Self, Head), RetireChainError> {
        let (mut life, mut head) = (Self::default(), None);
        let mut events = EventStream::oldest_first(store, chain, 0);
        while let Some(event) = events.next().await? {
            let seq = event.header.seq;
            life.take(&event).map_err(|source| RetireChainError::Payload { seq, source })?;
            head = Some(Head::after(&event));
        }
        Ok((life, head.ok_or(ReadError::UnknownChain { chain })?))
    }

    fn take(&mut self, event: &ChainEvent) -> Result<(), PayloadError> {
        match event.header.kind {
            EventKind::GENESIS => self.genesis = Some(payload::decode(&event.payload)?),
            EventKind::STARTED => self.ended = false,
            EventKind::EXITED => self.ended = true,
            EventKind::CHILD_STARTED | EventKind::CHILD_RESTARTED | EventKind::CHILD_EXITED => {
                self.children.insert(payload::decode::<ChildAnchor>(&event.payload)?.anchor.chain);
            }
            _ => {}
        }
        Ok(())
    }
}
