//! Reading a log that another process has, had, or is writing.

use std::sync::Arc;

use proptest::prelude::*;
use theater_chain::vfs::Vfs;
use theater_chain::{
    Chain, ChainReader, ChainStore, LogOptions, LogReader, Lsn, OpenError, ReadError, SegmentedStore,
};
use theater_core::{ChainEvent, EventKind, EventRange};

use crate::world::{World, options};

fn all(reader: &LogReader, from: u64) -> Vec<(Lsn, ChainEvent)> {
    reader.events(Lsn(from)).collect::<Result<_, _>>().expect("a sound log")
}

#[tokio::test]
async fn a_reader_gives_what_was_written_and_changes_nothing() {
    let world = World::lived();
    let before = world.files();
    let reader = LogReader::open_on(world.vfs()).unwrap();
    assert_eq!(all(&reader, 0), world.events);
    assert_eq!(reader.chains().await, Ok(world.chains.iter().map(|chain| chain.head().chain_id).collect()));
    for chain in &world.chains {
        let id = chain.head().chain_id;
        let expected: Vec<_> =
            world.events.iter().filter(|(_, event)| event.header.chain_id == id).cloned().collect();
        assert_eq!(reader.read_places(id, EventRange::ALL), Ok(expected.clone()));
        let events: Vec<_> = expected.into_iter().map(|(_, event)| event).collect();
        assert_eq!(reader.read(id, EventRange::ALL).await.as_ref(), Ok(&events));
        let range = EventRange { from: 1, limit: 2 };
        assert_eq!(reader.read(id, range).await.as_deref(), Ok(&events[range.within(events.len())]));
        assert_eq!(reader.head(id).await.unwrap().map(|head| head.hash), events.last().map(|last| last.hash));
    }
    let (_, other) = Chain::genesis("other".into(), 1, 1);
    let chain = other.header.chain_id;
    assert_eq!(reader.head(chain).await, Ok(None));
    assert_eq!(reader.read(chain, EventRange::ALL).await, Err(ReadError::UnknownChain { chain }));
    assert_eq!(reader.refresh(), Ok(0));
    assert_eq!(world.files(), before);
}

#[test]
fn events_are_read_in_the_order_of_the_store_from_any_place_on() {
    let world = World::lived();
    let reader = LogReader::open_on(world.vfs()).unwrap();
    for from in 0..=world.events.len() as u64 + 2 {
        let expected: Vec<_> = world.events.iter().filter(|(lsn, _)| lsn.0 >= from).cloned().collect();
        assert_eq!(all(&reader, from), expected, "from {from}");
    }
}

#[test]
fn a_reader_describes_what_it_found() {
    let mut world = World::lived();
    let summary = LogReader::open_on(world.vfs()).unwrap().summary();
    assert_eq!((summary.events, summary.chains), (world.events.len() as u64, world.chains.len()));
    assert_eq!((summary.epoch, summary.closed), (2, false));
    assert_eq!((summary.last, summary.durable), (Lsn(summary.events), Lsn(summary.events)));
    assert_eq!((summary.torn, summary.damaged_sidecars.len()), (None, 0));
    world.open();
    world.close();
    assert!(LogReader::open_on(world.vfs()).unwrap().summary().closed);
}

#[test]
fn what_is_appended_is_seen_after_a_refresh_new_segments_and_terms_included() {
    let mut world = World::new();
    let reader = LogReader::open_on(world.vfs()).unwrap();
    let mut following = reader.events(Lsn(1));
    let mut followed = Vec::new();
    world.create();
    for term in 0..4 {
        for round in 0..6 {
            world.append(0, vec![round; 300]);
            let unwritten = world.events.len() - followed.len();
            assert_eq!(reader.refresh(), Ok(0), "nothing was written yet");
            world.step();
            if round % 2 == 0 {
                world.store().mark();
            }
            assert_eq!(reader.refresh(), Ok(unwritten as u64));
            followed.extend(following.by_ref().map(Result::unwrap));
            assert_eq!(followed, world.events);
            assert_eq!(reader.events(Lsn(0)).map(Result::unwrap).collect::<Vec<_>>(), world.events);
        }
        if term % 2 == 0 {
            world.close()
        } else {
            world.kill()
        }
        assert_eq!(reader.refresh(), Ok(0));
        assert_eq!(reader.summary().closed, term % 2 == 0);
        assert_eq!(reader.durable().0, world.events.len() as u64);
        // A process that does nothing leaves an empty segment, which the next one replaces.
        world.open();
        world.close();
        assert_eq!(reader.refresh(), Ok(0));
        world.open();
        assert_eq!(reader.refresh(), Ok(0));
        assert_eq!(reader.summary().epoch, (term + 1) * 2 + 1);
    }
    assert!(reader.summary().segments > 8);
    assert_eq!(reader.summary(), LogReader::open_on(world.vfs()).unwrap().summary());
}

#[test]
fn events_are_pending_until_something_says_that_they_are_durable() {
    let mut world = World::new();
    world.create();
    world.step();
    let reader = LogReader::open_on(world.vfs()).unwrap();
    assert_eq!(
        (reader.durable(), reader.summary().last),
        (Lsn(0), Lsn(1)),
        "synced, but nothing says so yet"
    );
    world.append(0, "more");
    world.step();
    reader.refresh().unwrap();
    assert_eq!(
        (reader.durable(), reader.summary().last),
        (Lsn(1), Lsn(2)),
        "the second says so of the first"
    );
    world.store().mark();
    reader.refresh().unwrap();
    assert_eq!(reader.durable(), Lsn(2));
    world.append(0, "even more");
    world.close();
    reader.refresh().unwrap();
    assert_eq!((reader.durable(), reader.summary().closed), (Lsn(3), true));
}

#[test]
fn a_record_that_is_half_written_is_no_damage_and_is_read_once_it_is_whole() {
    let mut world = World::new();
    world.create();
    world.step();
    let name = "log/0000000000000001.seg";
    let before = world.disk.content(name).unwrap();
    world.append(0, vec![3; 200]);
    world.step();
    let after = world.disk.content(name).unwrap();
    let from = before.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let whole = after.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let file = world.disk.open(name).unwrap();
    for to in from.next_multiple_of(8)..whole {
        file.write_at(&before[from..], from as u64).unwrap();
        file.write_at(&after[from..to], from as u64).unwrap();
        let reader = LogReader::open_on(world.vfs()).unwrap();
        let summary = reader.summary();
        // What is written begins with a mark, of which a half is as good as none.
        let mark = if to >= from.next_multiple_of(8) + 48 { 48 } else { 0 };
        let torn = after[from.next_multiple_of(8) + mark..to].iter().any(|byte| *byte != 0);
        assert_eq!((summary.events, summary.durable.0), (1, u64::from(mark > 0)), "up to {to}");
        assert_eq!(summary.torn.is_some(), torn, "up to {to}");
        assert_eq!(reader.refresh(), Ok(0));
        file.write_at(&after[from..], from as u64).unwrap();
        assert_eq!(reader.refresh(), Ok(1));
        assert_eq!(reader.summary().torn, None);
    }
}

#[test]
fn a_reader_refuses_damage_to_what_was_durable_and_names_it() {
    let world = World::lived();
    let (name, content) = world.files().into_iter().rfind(|(name, _)| name.ends_with(".seg")).unwrap();
    assert!(content.len() > 700);
    world.disk.rot(&name, 100, 1);
    let error = LogReader::open_on(world.vfs()).unwrap_err();
    let OpenError::Damaged(damage) = error else { panic!("{error}") };
    assert_eq!((damage.file, damage.offset), (name, 64));
}

#[test]
fn a_folder_without_a_log_is_refused_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let error = LogReader::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::NoLog { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_reader_follows_a_process_that_writes_as_fast_as_it_can() {
    const EVENTS: u64 = 4_000;
    let folder = tempfile::tempdir().unwrap();
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (32 << 10, 128 << 10);
    let (store, _) = SegmentedStore::open(folder.path(), options).unwrap();
    let writing = std::thread::spawn(move || {
        let (mut chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1);
        store.create(genesis).unwrap();
        for number in 1..EVENTS {
            let before = chain.head();
            let payload = vec![number as u8; (number % 700) as usize];
            store.append(before, chain.append(EventKind::LOG, payload.into(), number)).unwrap();
            if number % 64 == 0 {
                std::thread::yield_now();
            }
        }
        store.close().unwrap();
    });
    let reader = LogReader::open(folder.path()).unwrap();
    let mut following = reader.events(Lsn(1));
    let mut seen = 0;
    let mut verifier = theater_chain::Verifier::new();
    while seen < EVENTS {
        reader.refresh().unwrap();
        for event in following.by_ref() {
            let (lsn, event) = event.unwrap();
            seen += 1;
            assert_eq!(lsn, Lsn(seen));
            verifier.push(&event).unwrap();
        }
        // Whoever comes anew sees no damage either.
        let late = LogReader::open(folder.path()).unwrap().summary();
        assert!(late.last.0 >= seen && late.durable <= late.last, "{late:?} after {seen}");
    }
    writing.join().unwrap();
    reader.refresh().unwrap();
    assert_eq!((reader.summary().closed, reader.durable()), (true, Lsn(EVENTS)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_sees_after_a_crash_what_the_next_process_finds(
        seed in any::<u64>(), sizes in prop::collection::vec((0_usize..900, any::<bool>()), 1..30),
    ) {
        let mut world = World::new();
        world.create();
        for (size, step) in sizes {
            world.append(0, vec![1; size]);
            if step {
                world.step();
            }
        }
        world.store().sync();
        world.store = None;
        world.disk.crash(seed);
        let before = world.files();
        let reader = LogReader::open_on(world.vfs()).unwrap();
        let seen = all(&reader, 0);
        prop_assert_eq!(world.files(), before);
        prop_assert_eq!(&seen[..], &world.events[..seen.len()]);
        let (store, recovery) =
            theater_chain::SteppedStore::open(Arc::new(world.disk.clone()), options()).unwrap();
        prop_assert_eq!(recovery.events, seen.len() as u64);
        prop_assert_eq!(store.durable().unwrap(), reader.summary().last);
        prop_assert_eq!(recovery.cut, reader.summary().torn);
    }
}
