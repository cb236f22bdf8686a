//! The contract of a store of chains, for every store that there is.

use std::collections::BTreeSet;
use std::sync::Barrier;

use theater_chain::{AppendError, Chain, ChainStore, Head, MemoryStore, ReadError, verify};
use theater_core::{Bytes, ChainEvent, ChainId, EventHash, EventKind, EventRange};

const THREADS: u64 = 8;

/// Makes one test per part of the contract.
macro_rules! contract {
    ($store:ident, $new:expr, [$($part:ident),* $(,)?]) => {
        mod $store {
            use super::*;
            $(
                #[tokio::test]
                async fn $part() {
                    super::$part(&$new).await;
                }
            )*
        }
    };
}

contract!(
    memory,
    MemoryStore::new(),
    [
        a_chain_reads_back_as_it_was_appended,
        a_chain_is_created_once,
        only_a_first_event_creates_a_chain,
        a_conflict_says_what_the_head_is_and_changes_nothing,
        an_event_that_does_not_follow_the_head_is_refused,
        an_unknown_chain_is_refused,
        a_range_gives_what_is_there,
        chains_are_listed_in_the_order_of_their_creation,
        one_writer_wins_each_head,
        writers_of_different_chains_all_win,
    ]
);

fn event(chain: &mut Chain, text: &'static str) -> ChainEvent {
    chain.append(EventKind::CALL, Bytes::from_static(text.as_bytes()), 2)
}

async fn all(store: &dyn ChainStore, chain: ChainId) -> Vec<ChainEvent> {
    store.read(chain, EventRange::ALL).await.expect("a chain that was created")
}

async fn a_chain_reads_back_as_it_was_appended(store: &dyn ChainStore) {
    let (mut chain, genesis) = Chain::genesis("a".into(), 1, 1);
    let id = genesis.header.chain_id;
    assert_eq!(store.create(genesis.clone()), Ok(chain.head()));
    let mut written = vec![genesis];
    for text in ["one", "", "three"] {
        let before = chain.head();
        let event = event(&mut chain, text);
        assert_eq!(store.append(before, event.clone()), Ok(chain.head()));
        assert_eq!(store.head(id).await, Ok(Some(chain.head())));
        written.push(event);
    }
    assert_eq!(all(store, id).await, written);
}

async fn a_chain_is_created_once(store: &dyn ChainStore) {
    let (mut chain, genesis) = Chain::genesis("a".into(), 1, 1);
    let id = genesis.header.chain_id;
    let head = store.create(genesis.clone()).expect("new");
    let next = event(&mut chain, "kept");
    store.append(head, next).expect("in order");
    assert_eq!(store.create(genesis), Err(AppendError::AlreadyExists { chain: id }));
    assert_eq!(store.head(id).await, Ok(Some(chain.head())), "the second creation changed nothing");
    assert_eq!(store.chains().await.expect("it is in memory"), [id]);
}

async fn only_a_first_event_creates_a_chain(store: &dyn ChainStore) {
    let (mut chain, genesis) = Chain::genesis("a".into(), 1, 1);
    let second = event(&mut chain, "second");
    assert_eq!(store.create(second), Err(AppendError::NotSealedOntoHead { seq: 1 }));
    let mut followed = genesis;
    followed.header.prev = EventHash([1; 32]);
    assert_eq!(store.create(followed), Err(AppendError::NotSealedOntoHead { seq: 0 }));
    assert!(store.chains().await.expect("it is in memory").is_empty());
}

async fn a_conflict_says_what_the_head_is_and_changes_nothing(store: &dyn ChainStore) {
    let (chain, genesis) = Chain::genesis("a".into(), 1, 1);
    let head = store.create(genesis).expect("new");
    let (mut one, mut other) = (chain, chain);
    let first = event(&mut one, "first");
    store.append(head, first).expect("in order");
    let late = event(&mut other, "late");
    assert_eq!(store.append(head, late), Err(AppendError::Conflict { actual: one.head() }));
    // A head that differs in any part is another head.
    let actual = one.head();
    for wrong in [
        Head { length: 1, ..actual },
        Head { hash: EventHash([1; 32]), ..actual },
        Head { epoch: 2, ..actual },
    ] {
        let next = event(&mut one.clone(), "next");
        assert_eq!(store.append(wrong, next), Err(AppendError::Conflict { actual }));
    }
    assert_eq!(store.head(actual.chain_id).await, Ok(Some(actual)));
    assert_eq!(all(store, actual.chain_id).await.len(), 2);
}

async fn an_event_that_does_not_follow_the_head_is_refused(store: &dyn ChainStore) {
    let (mut chain, genesis) = Chain::genesis("a".into(), 1, 1);
    let head = store.create(genesis).expect("new");
    let sound = event(&mut chain, "sound");
    let beyond = event(&mut chain, "beyond");
    assert_eq!(store.append(head, beyond), Err(AppendError::NotSealedOntoHead { seq: 2 }));
    let mut elsewhere = sound.clone();
    elsewhere.header.prev = EventHash([1; 32]);
    assert_eq!(store.append(head, elsewhere), Err(AppendError::NotSealedOntoHead { seq: 1 }));
    let mut foreign = sound.clone();
    foreign.header.chain_id = ChainId([1; 32]);
    assert_eq!(store.append(head, foreign), Err(AppendError::NotSealedOntoHead { seq: 1 }));
    assert_eq!(store.head(head.chain_id).await, Ok(Some(head)), "nothing was changed");
    assert!(store.append(head, sound).is_ok());
}

async fn an_unknown_chain_is_refused(store: &dyn ChainStore) {
    let (mut chain, _) = Chain::genesis("a".into(), 1, 1);
    let head = chain.head();
    let id = head.chain_id;
    let next = event(&mut chain, "next");
    assert_eq!(store.append(head, next), Err(AppendError::UnknownChain { chain: id }));
    assert_eq!(store.head(id).await, Ok(None));
    assert_eq!(store.read(id, EventRange::ALL).await, Err(ReadError::UnknownChain { chain: id }));
}

async fn a_range_gives_what_is_there(store: &dyn ChainStore) {
    let (mut chain, genesis) = Chain::genesis("a".into(), 1, 1);
    let id = genesis.header.chain_id;
    store.create(genesis).expect("new");
    for _ in 1..5 {
        let before = chain.head();
        store.append(before, event(&mut chain, "x")).expect("in order");
    }
    for (from, limit, expected) in [
        (0, usize::MAX, 0..5),
        (0, 2, 0..2),
        (3, 1, 3..4),
        (3, 9, 3..5),
        (3, usize::MAX, 3..5),
        (2, 0, 0..0),
        (5, 1, 0..0),
        (u64::MAX, usize::MAX, 0..0),
    ] {
        let read = store.read(id, EventRange { from, limit }).await.expect("known");
        let read: Vec<_> = read.iter().map(|event| event.header.seq).collect();
        assert_eq!(read, expected.collect::<Vec<u64>>(), "from {from}, at most {limit}");
    }
}

async fn chains_are_listed_in_the_order_of_their_creation(store: &dyn ChainStore) {
    let mut created = Vec::new();
    for number in 0..50_u8 {
        let (_, genesis) = Chain::genesis(vec![number].into(), 1, 1);
        created.push(genesis.header.chain_id);
        store.create(genesis).expect("new");
    }
    assert_eq!(store.chains().await.expect("it is in memory"), created);
}

async fn one_writer_wins_each_head(store: &dyn ChainStore) {
    const ROUNDS: u64 = 100;
    let (mut chain, genesis) = Chain::genesis("a".into(), 1, 1);
    let id = genesis.header.chain_id;
    store.create(genesis).expect("new");
    for round in 0..ROUNDS {
        let barrier = Barrier::new(usize::try_from(THREADS).expect("small"));
        let attempts: Vec<_> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..THREADS)
                .map(|writer| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let (before, mut own) = (chain.head(), chain);
                        let event = own.append(EventKind::CALL, format!("{writer} {round}").into(), 2);
                        barrier.wait();
                        (own, store.append(before, event))
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
        });
        let winners: Vec<_> = attempts.iter().filter(|(_, result)| result.is_ok()).collect();
        let [(winner, _)] = winners[..] else { panic!("{} winners in round {round}", winners.len()) };
        chain = *winner;
        for (_, result) in &attempts {
            let told = match result {
                Ok(head) => head,
                Err(AppendError::Conflict { actual }) => actual,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(*told, chain.head(), "all are told the winner's head");
        }
    }
    let events = all(store, id).await;
    assert_eq!(verify(&events), Ok(chain.head()));
    assert_eq!(events.len() as u64, ROUNDS + 1);
}

async fn writers_of_different_chains_all_win(store: &dyn ChainStore) {
    const EVENTS: u64 = 500;
    let heads: Vec<Head> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|writer| {
                scope.spawn(move || {
                    let (mut chain, genesis) = Chain::genesis(writer.to_string().into(), 1, 1);
                    store.create(genesis).expect("new");
                    for time in 0..EVENTS {
                        let before = chain.head();
                        let event = chain.append(EventKind::CALL, Bytes::from_static(b"x"), time);
                        assert_eq!(store.append(before, event), Ok(chain.head()));
                    }
                    chain.head()
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
    });
    for head in &heads {
        let events = all(store, head.chain_id).await;
        assert_eq!(verify(&events).as_ref(), Ok(head));
        assert_eq!(head.length, EVENTS + 1);
    }
    let listed: BTreeSet<_> = store.chains().await.expect("it is in memory").into_iter().collect();
    assert_eq!(listed, heads.iter().map(|head| head.chain_id).collect());
}
