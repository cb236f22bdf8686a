//! What the chains of a run say, on the way out: counted, and written to a file.

use std::collections::HashSet;
use std::io::Write;

use anyhow::Context;
use theater_chain::{ChainReader, jsonl};
use theater_core::event::payload::{self, Genesis, Started};
use theater_core::{ActorId, ChainEvent, ChainId, EventKind, EventRange, Incarnation};

/// Events that are taken from the store at a time.
const PAGE: usize = 1_024;

/// What a run consisted of, by its chains: nothing is missing here even if lifecycle lines were lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Actors that were created, those that did not start included.
    pub(crate) actors: u64,
    /// Lives that ran.
    pub(crate) lives: u64,
    /// Lives after the first.
    pub(crate) restarts: u64,
    /// Events on all chains.
    pub(crate) events: u64,
}

impl Tally {
    /// Reads these chains.
    pub(crate) async fn take(store: &dyn ChainReader, chains: &[ChainId]) -> anyhow::Result<Self> {
        let mut tally = Self::default();
        for chain in chains {
            tally.actors += 1;
            let mut pages = Pages::new(store, *chain);
            while let Some(page) = pages.next().await? {
                page.iter().for_each(|event| tally.count(event));
            }
        }
        Ok(tally)
    }

    fn count(&mut self, event: &ChainEvent) {
        self.events += 1;
        if event.header.kind == EventKind::STARTED {
            self.lives += 1;
            let started = payload::decode::<Started>(&event.payload);
            self.restarts += u64::from(started.is_ok_and(|started| started.incarnation > Incarnation::FIRST));
        }
    }
}

/// The chains of a run: those that began in it, and those of the tree whose root it ran, in the order in which their actors were
/// created: a parent's comes before its children's.
pub(crate) async fn of_run(
    store: &dyn ChainReader,
    before: &HashSet<ChainId>,
    root: Option<ActorId>,
) -> anyhow::Result<Vec<ChainId>> {
    let mut chains = Vec::new();
    let mut actors: HashSet<ActorId> = root.into_iter().collect();
    for chain in store.chains().await.context("could not list the event chains")? {
        let first = store.read(chain, EventRange { from: 0, limit: 1 }).await;
        let first = first.context("could not read the event chains back")?;
        let genesis = first.first().context("a chain has an event")?;
        let genesis: Genesis = payload::decode(&genesis.payload).with_context(|| format!("chain {chain}"))?;
        let of_tree = genesis.parent.is_some_and(|parent| actors.contains(&parent.actor));
        if of_tree || actors.contains(&genesis.actor) || !before.contains(&chain) {
            actors.insert(genesis.actor);
            chains.push(chain);
        }
    }
    Ok(chains)
}

/// Writes chains, in this order.
pub(crate) async fn write(
    store: &dyn ChainReader,
    chains: &[ChainId],
    mut out: impl Write,
) -> anyhow::Result<()> {
    for chain in chains.iter().copied() {
        let mut actor: Option<ActorId> = None;
        let mut pages = Pages::new(store, chain);
        while let Some(page) = pages.next().await? {
            let actor = match actor {
                Some(actor) => actor,
                None => {
                    let first = page.first().context("a page has an event")?;
                    *actor.insert(jsonl::actor_of(first).with_context(|| format!("chain {chain}"))?)
                }
            };
            jsonl::write_events(&mut out, actor, &page)?;
        }
    }
    Ok(())
}

/// The events of a chain, some at a time.
struct Pages<'a> {
    store: &'a dyn ChainReader,
    chain: ChainId,
    from: u64,
}

impl<'a> Pages<'a> {
    fn new(store: &'a dyn ChainReader, chain: ChainId) -> Self {
        Self { store, chain, from: 0 }
    }

    /// The next events, at least one; `None` after the last.
    async fn next(&mut self) -> anyhow::Result<Option<Vec<ChainEvent>>> {
        let page = self
            .store
            .read(self.chain, EventRange { from: self.from, limit: PAGE })
            .await
            .context("could not read the event chains back")?;
        self.from += page.len() as u64;
        Ok((!page.is_empty()).then_some(page))
    }
}

#[cfg(test)]
mod tests {
    use theater_chain::{Chain, ChainStore, MemoryStore, verify_export};
    use theater_core::Bytes;
    use theater_core::event::payload::{Genesis, Origin, encode};

    use super::*;

    /// A store with one actor that lived `lives` times and wrote `logs` events.
    fn store(lives: u64, logs: u64) -> MemoryStore {
        let store = MemoryStore::new();
        let genesis = Genesis {
            actor: ActorId::from_parts(1, [1; 10]),
            nonce: [7; 32],
            name: "one".into(),
            component: String::new(),
            manifest: String::new(),
            parent: None,
            runtime: "test".into(),
            placement: None,
            sources: None,
        };
        let (mut chain, first) = Chain::genesis(encode(&genesis), 1, 1);
        store.create(first).unwrap();
        let mut append = |kind, payload: Bytes| {
            let before = chain.head();
            let event = chain.append(kind, payload, 2);
            store.append(before, event).unwrap();
        };
        for life in 1..=lives {
            let started = Started::new(Incarnation(life), Origin::Init, None);
            append(EventKind::STARTED, encode(&started));
        }
        (0..logs).for_each(|_| append(EventKind::LOG, Bytes::from_static(b"x")));
        store
    }

    #[tokio::test]
    async fn chains_from_before_a_run_belong_to_it_only_with_its_root() {
        let store = store(1, 1);
        let before: HashSet<_> = store.chains().await.unwrap().into_iter().collect();
        assert_eq!(of_run(&store, &before, None).await.unwrap(), []);
        let root = Some(ActorId::from_parts(1, [1; 10]));
        assert_eq!(of_run(&store, &before, root).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_long_chain_is_counted_and_written_whole() {
        let store = store(3, 3_000);
        let expected = Tally { actors: 1, lives: 3, restarts: 2, events: 3_004 };
        let chains = of_run(&store, &HashSet::new(), None).await.unwrap();
        assert_eq!(Tally::take(&store, &chains).await.unwrap(), expected);

        let mut file = Vec::new();
        write(&store, &chains, &mut file).await.unwrap();
        let report = verify_export(&file[..]).unwrap();
        assert_eq!((report.actors, report.events), (1, 3_004));
    }
}
