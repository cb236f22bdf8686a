//! Stores that break the contract of `ChainStore` in one thing each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use theater_chain::{
    AppendError, Chain, ChainReader, ChainStore, Durability, Head, Lsn, MemoryStore, Poisoned, PruneError,
    PruneReport, ReadError, RetireError, Tail,
};
use theater_core::{ChainEvent, ChainId, EventHash, EventRange, async_trait};

use crate::backend::lock;

/// One way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// None, to see that nothing else is wrong.
    None,
    LosesAppends,
    IgnoresTheExpectedHead,
    ComparesBeforeItLocks,
    ComparesLengthsOnly,
    SaysAnOldHead,
    NamesTheWritersHeadInAConflict,
    AppendsInSpiteOfAConflict,
    TakesWhatDoesNotFollow,
    BeginsUnknownChains,
    BeginsWithAnyEvent,
    CreatesTwice,
    VerifiesPayloads,
    ReversesEvents,
    ListsChainsByHash,
    ListsChainsLate,
    CutsLongReads,
    CutsLargePayloads,
    RefusesRangesBeyondTheEnd,
    UnknownChainsAreEmpty,
    ConflictsAcrossChains,
    ForgetsTimes,
    CountsRefusals,
    IsDurableLate,
    TellsFollowersOfNothing,
    TakesOtherVersions,
    PrunesOneTooMany,
    PrunesEveryKind,
    CountsNothingThatItPrunes,
    PrunesAnyChain,
    RetiresWhateverTheHead,
    ForgetsRetiredHeads,
    ReadsRetiredChainsAsEmpty,
    GivesRetiredIdsAgain,
}

impl Flaw {
    /// Every flaw, with the clause of the contract that says otherwise.
    pub(crate) const ALL: &'static [(Self, &'static str)] = &[
        (Self::LosesAppends, "Order"),
        (Self::IgnoresTheExpectedHead, "Compare and append"),
        (Self::ComparesBeforeItLocks, "Compare and append"),
        (Self::ComparesLengthsOnly, "Compare and append"),
        (Self::SaysAnOldHead, "Compare and append"),
        (Self::NamesTheWritersHeadInAConflict, "Compare and append"),
        (Self::AppendsInSpiteOfAConflict, "Compare and append"),
        (Self::TakesWhatDoesNotFollow, "Keeping"),
        (Self::BeginsUnknownChains, "Creating"),
        (Self::BeginsWithAnyEvent, "Creating"),
        (Self::CreatesTwice, "Creating"),
        (Self::VerifiesPayloads, "Keeping"),
        (Self::ReversesEvents, "Reading"),
        (Self::ListsChainsByHash, "Listing"),
        (Self::ListsChainsLate, "Listing"),
        (Self::CutsLongReads, "Reading"),
        (Self::CutsLargePayloads, "Reading"),
        (Self::RefusesRangesBeyondTheEnd, "Reading"),
        (Self::UnknownChainsAreEmpty, "Reading"),
        (Self::ConflictsAcrossChains, "Independence"),
        (Self::ForgetsTimes, "Reading"),
        (Self::CountsRefusals, "Durability"),
        (Self::IsDurableLate, "Durability"),
        (Self::TellsFollowersOfNothing, "Following"),
        (Self::TakesOtherVersions, "Keeping"),
        (Self::PrunesOneTooMany, "Removing"),
        (Self::PrunesEveryKind, "Removing"),
        (Self::CountsNothingThatItPrunes, "Removing"),
        (Self::PrunesAnyChain, "Removing"),
        (Self::RetiresWhateverTheHead, "Removing"),
        (Self::ForgetsRetiredHeads, "Removing"),
        (Self::ReadsRetiredChainsAsEmpty, "Removing"),
        (Self::GivesRetiredIdsAgain, "Removing"),
    ];
}

/// A store that is right but for its flaw.
#[derive(Debug)]
pub(crate) struct BrokenStore {
    inner: MemoryStore,
    flaw: Flaw,
    appends: AtomicU64,
    refused: AtomicU64,
    /// The heads as this store believes them, where it does not ask the one inside.
    heads: Mutex<Vec<Head>>,
    /// Below which positions it has pruned.
    pruned: Mutex<Vec<(ChainId, u64)>>,
}

impl BrokenStore {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            inner: MemoryStore::new(),
            flaw,
            appends: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            heads: Mutex::default(),
            pruned: Mutex::default(),
        }
    }

    /// Appends whatever the head is, as the next event.
    fn force(&self, mut head: Head, event: &ChainEvent) -> Result<Head, AppendError> {
        loop {
            let sealed =
                Chain::resume(head).append(event.header.kind, event.payload.clone(), event.header.time);
            match self.inner.append(head, sealed) {
                Err(AppendError::Conflict { actual }) => head = actual,
                answer => return answer,
            }
        }
    }

    fn believed(&self, chain: ChainId) -> Option<Head> {
        lock(&self.heads).iter().find(|head| head.chain_id == chain).copied()
    }

    fn believe(&self, head: Head) {
        let mut heads = lock(&self.heads);
        heads.retain(|other| other.chain_id != head.chain_id);
        heads.push(head);
    }
}

#[async_trait]
impl ChainReader for BrokenStore {
    async fn head(&self, chain: ChainId) -> Result<Option<Head>, ReadError> {
        let Some(head) = self.inner.head(chain).await? else { return Ok(None) };
        if self.flaw == Flaw::ForgetsRetiredHeads && !self.inner.chains().await?.contains(&chain) {
            return Ok(None);
        }
        if self.flaw == Flaw::SaysAnOldHead && head.length > 1 {
            let range = EventRange { from: head.length - 2, limit: 1 };
            return Ok(self.inner.read(chain, range).await?.first().map(Head::after));
        }
        Ok(Some(head))
    }

    async fn read(&self, chain: ChainId, range: EventRange) -> Result<Vec<ChainEvent>, ReadError> {
        let mut events = match self.inner.read(chain, range).await {
            Err(ReadError::UnknownChain { .. }) if self.flaw == Flaw::UnknownChainsAreEmpty => {
                return Ok(Vec::new());
            }
            Err(ReadError::Retired { .. }) if self.flaw == Flaw::ReadsRetiredChainsAsEmpty => {
                return Ok(Vec::new());
            }
            answer => answer?,
        };
        match self.flaw {
            Flaw::ReversesEvents => events.reverse(),
            Flaw::CutsLongReads => events.truncate(1_000),
            Flaw::CutsLargePayloads => {
                events.iter_mut().for_each(|event| event.payload.truncate(1 << 20));
            }
            Flaw::RefusesRangesBeyondTheEnd if events.is_empty() && range.limit > 0 => {
                return Err(ReadError::UnknownChain { chain });
            }
            Flaw::PrunesEveryKind => {
                let pruned = lock(&self.pruned);
                let before =
                    pruned.iter().filter(|(pruned, _)| *pruned == chain).map(|(_, before)| *before).max();
                let gone = |event: &&mut ChainEvent| event.header.seq < before.unwrap_or(0);
                events.iter_mut().filter(gone).for_each(|event| event.payload.clear());
            }
            Flaw::ForgetsTimes => {
                events.iter_mut().for_each(|event| event.header.time &= u64::from(u32::MAX))
            }
            _ => {}
        }
        Ok(events)
    }

    async fn chains(&self) -> Result<Vec<ChainId>, ReadError> {
        let mut chains = self.inner.chains().await?;
        if self.flaw == Flaw::ListsChainsByHash {
            chains.sort_by_key(|chain| *chain.as_bytes());
        }
        if self.flaw == Flaw::ListsChainsLate {
            chains.pop();
        }
        Ok(chains)
    }
}

#[async_trait]
impl ChainStore for BrokenStore {
    fn create(&self, mut genesis: ChainEvent) -> Result<Head, AppendError> {
        if self.flaw == Flaw::BeginsWithAnyEvent {
            genesis.header.seq = 0;
            genesis.header.prev = EventHash::ZERO;
        }
        let head = Head::after(&genesis);
        let created = match self.inner.create(genesis) {
            Err(AppendError::AlreadyExists { .. }) if self.flaw == Flaw::CreatesTwice => Ok(head),
            Err(AppendError::AlreadyExists { chain })
                if self.flaw == Flaw::GivesRetiredIdsAgain && self.believed(chain).is_none() =>
            {
                Ok(head)
            }
            answer => answer,
        };
        if let Ok(head) = created {
            self.believe(head);
        }
        created
    }

    fn append(&self, expected: Head, event: ChainEvent) -> Result<Head, AppendError> {
        let count = self.appends.fetch_add(1, Ordering::Relaxed);
        match self.flaw {
            Flaw::LosesAppends if count % 7 == 6 => return Ok(Head::after(&event)),
            Flaw::IgnoresTheExpectedHead => return self.force(expected, &event),
            Flaw::ComparesBeforeItLocks => {
                let chain = expected.chain_id;
                let actual = self.believed(chain).ok_or(AppendError::UnknownChain { chain })?;
                if actual != expected {
                    return Err(AppendError::Conflict { actual });
                }
                // Long enough for others to compare as well.
                std::thread::sleep(std::time::Duration::from_micros(200));
                let header = &event.header;
                if (header.seq, header.prev, header.chain_id) != (expected.length, expected.hash, chain) {
                    return Err(AppendError::NotSealedOntoHead { seq: header.seq });
                }
                let after = match self.inner.append(expected, event.clone()) {
                    Err(AppendError::Conflict { actual }) => self.force(actual, &event)?,
                    answer => answer?,
                };
                self.believe(after);
                return Ok(Head::after(&event));
            }
            Flaw::ComparesLengthsOnly => match self.inner.append(expected, event.clone()) {
                Err(AppendError::Conflict { actual }) if actual.length == expected.length => {
                    return self.force(actual, &event);
                }
                answer => return answer,
            },
            Flaw::NamesTheWritersHeadInAConflict => {
                return self.inner.append(expected, event).map_err(|error| match error {
                    AppendError::Conflict { .. } => AppendError::Conflict { actual: expected },
                    other => other,
                });
            }
            Flaw::AppendsInSpiteOfAConflict => {
                let answer = self.inner.append(expected, event.clone());
                if let Err(AppendError::Conflict { actual }) = answer {
                    self.force(actual, &event)?;
                }
                return answer;
            }
            Flaw::TakesWhatDoesNotFollow => match self.inner.append(expected, event.clone()) {
                Err(AppendError::NotSealedOntoHead { .. }) => return self.force(expected, &event),
                answer => return answer,
            },
            Flaw::TakesOtherVersions if theater_chain::hash::check_supported(&event.header).is_err() => {
                return self.force(expected, &event);
            }
            Flaw::BeginsUnknownChains => match self.inner.append(expected, event.clone()) {
                Err(AppendError::UnknownChain { .. }) => {
                    let mut genesis = event;
                    genesis.header.seq = 0;
                    genesis.header.prev = EventHash::ZERO;
                    return self.inner.create(genesis);
                }
                answer => return answer,
            },
            Flaw::VerifiesPayloads
                if theater_chain::hash::payload_hash(&event.payload) != event.header.payload_hash =>
            {
                return Err(AppendError::NotSealedOntoHead { seq: event.header.seq });
            }
            Flaw::ConflictsAcrossChains => {
                // As if there were one head for the whole store: the chain that was written last.
                let last = lock(&self.heads).last().copied();
                if let Some(last) = last.filter(|last| last.chain_id != expected.chain_id) {
                    self.believe(expected);
                    if self.believed(expected.chain_id).is_some() && count % 2 == 1 {
                        return Err(AppendError::Conflict { actual: last });
                    }
                }
            }
            _ => {}
        }
        let appended = self.inner.append(expected, event);
        match appended {
            Ok(head) => self.believe(head),
            Err(_) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
        }
        appended
    }

    fn epoch(&self) -> u32 {
        self.inner.epoch()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn accepted(&self) -> Lsn {
        let accepted = self.inner.accepted();
        if self.flaw == Flaw::CountsRefusals {
            return Lsn(accepted.0 + self.refused.load(Ordering::Relaxed));
        }
        accepted
    }

    fn durable(&self) -> Result<Lsn, Poisoned> {
        if self.flaw == Flaw::IsDurableLate {
            return Ok(Lsn(self.inner.durable()?.0.saturating_sub(1)));
        }
        self.inner.durable()
    }

    async fn until_durable(&self, lsn: Lsn) -> Result<(), Poisoned> {
        self.inner.until_durable(lsn).await
    }

    async fn ready(&self) -> Result<(), Poisoned> {
        self.inner.ready().await
    }

    fn tail(&self) -> Tail {
        if self.flaw == Flaw::TellsFollowersOfNothing {
            // A store that nobody writes to, and that is gone.
            return MemoryStore::new().tail();
        }
        self.inner.tail()
    }

    async fn prune(&self, chain: ChainId, before: u64) -> Result<PruneReport, PruneError> {
        let further = u64::from(self.flaw == Flaw::PrunesOneTooMany);
        let report = match self.inner.prune(chain, before.saturating_add(further)).await {
            Err(PruneError::UnknownChain { .. }) if self.flaw == Flaw::PrunesAnyChain => {
                PruneReport::default()
            }
            answer => answer?,
        };
        lock(&self.pruned).push((chain, before));
        Ok(if self.flaw == Flaw::CountsNothingThatItPrunes { PruneReport::default() } else { report })
    }

    async fn retire(&self, head: Head) -> Result<(), RetireError> {
        let retired = match self.inner.retire(head).await {
            Err(RetireError::Conflict { actual }) if self.flaw == Flaw::RetiresWhateverTheHead => {
                self.inner.retire(actual).await
            }
            answer => answer,
        };
        if retired.is_ok() {
            lock(&self.heads).retain(|believed| believed.chain_id != head.chain_id);
        }
        retired
    }
}
