//! Stores that break the contract of `ChainStore` in one thing each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use theater_chain::{
    AppendError, Chain, ChainReader, ChainStore, Durability, Head, Lsn, MemoryStore, Poisoned, PruneError,
    PruneReport, ReadError, RetireError, Tail,
};
use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventRange, async_trait};

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
    PrunesNothing,
    PrunesOneTooMany,
    PrunesWhatIsNeeded,
    ForgetsPrunedLengths,
    MiscountsWhatItPrunes,
    CountsWhatIsGoneAlready,
    RefusesPrunedEvents,
    FillsWhatWasPruned,
    RetiresWithAnyHead,
    ForgetsRetiredHeads,
    ListsRetiredChains,
    RetiredChainsAreEmpty,
    GivesRetiredIdsAgain,
    RefusesToRetireTwice,
    KeepsPrunedChains,
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
        (Self::PrunesNothing, "Removing"),
        (Self::PrunesOneTooMany, "Removing"),
        (Self::PrunesWhatIsNeeded, "Removing"),
        (Self::ForgetsPrunedLengths, "Removing"),
        (Self::MiscountsWhatItPrunes, "Removing"),
        (Self::CountsWhatIsGoneAlready, "Removing"),
        (Self::RefusesPrunedEvents, "Removing"),
        (Self::FillsWhatWasPruned, "Removing"),
        (Self::RetiresWithAnyHead, "Removing"),
        (Self::ForgetsRetiredHeads, "Removing"),
        (Self::ListsRetiredChains, "Removing"),
        (Self::RetiredChainsAreEmpty, "Removing"),
        (Self::GivesRetiredIdsAgain, "Removing"),
        (Self::RefusesToRetireTwice, "Removing"),
        (Self::KeepsPrunedChains, "Removing"),
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
    /// Chains of which something was pruned, and chains that were retired.
    pruned: Mutex<Vec<ChainId>>,
    retired: Mutex<Vec<ChainId>>,
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
            retired: Mutex::default(),
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
        if self.flaw == Flaw::ForgetsRetiredHeads && lock(&self.retired).contains(&chain) {
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
            Err(ReadError::Retired { .. }) if self.flaw == Flaw::RetiredChainsAreEmpty => {
                return Ok(Vec::new());
            }
            answer => answer?,
        };
        let was_pruned = lock(&self.pruned).contains(&chain);
        match self.flaw {
            Flaw::PrunesWhatIsNeeded if was_pruned => {
                for event in events.iter_mut().filter(|event| event.header.kind.keeps_payload()) {
                    event.payload = Bytes::new();
                }
            }
            Flaw::ForgetsPrunedLengths => {
                events.iter_mut().for_each(|event| event.header.payload_len = event.payload.len() as u64);
            }
            Flaw::FillsWhatWasPruned => {
                for event in events.iter_mut().filter(|event| event.is_pruned()) {
                    event.payload = vec![0; event.header.payload_len as usize].into();
                }
            }
            Flaw::ReversesEvents => events.reverse(),
            Flaw::CutsLongReads => events.truncate(1_000),
            Flaw::CutsLargePayloads => {
                events.iter_mut().for_each(|event| event.payload.truncate(1 << 20));
            }
            Flaw::RefusesRangesBeyondTheEnd if events.is_empty() && range.limit > 0 => {
                return Err(ReadError::UnknownChain { chain });
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
        if self.flaw == Flaw::ListsRetiredChains {
            chains.extend(lock(&self.retired).iter());
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
                if self.flaw == Flaw::GivesRetiredIdsAgain && lock(&self.retired).contains(&chain) =>
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
            Flaw::RefusesPrunedEvents if event.is_pruned() => {
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
        let before = match self.flaw {
            Flaw::PrunesNothing => 0,
            Flaw::PrunesOneTooMany => before.saturating_add(1),
            _ => before,
        };
        let mut report = self.inner.prune(chain, before).await?;
        let again = {
            let mut pruned = lock(&self.pruned);
            let again = pruned.contains(&chain);
            pruned.push(chain);
            again
        };
        match self.flaw {
            Flaw::MiscountsWhatItPrunes => report.bytes += report.events * 160,
            Flaw::CountsWhatIsGoneAlready if again => report.events += 1,
            _ => {}
        }
        Ok(report)
    }

    async fn retire(&self, mut head: Head) -> Result<(), RetireError> {
        let chain = head.chain_id;
        if self.flaw == Flaw::RefusesToRetireTwice && lock(&self.retired).contains(&chain) {
            return Err(RetireError::UnknownChain { chain });
        }
        if self.flaw == Flaw::KeepsPrunedChains && lock(&self.pruned).contains(&chain) {
            return Ok(());
        }
        if self.flaw == Flaw::RetiresWithAnyHead {
            head = self.inner.head(chain).await.ok().flatten().unwrap_or(head);
        }
        self.inner.retire(head).await?;
        lock(&self.retired).push(chain);
        Ok(())
    }
}
