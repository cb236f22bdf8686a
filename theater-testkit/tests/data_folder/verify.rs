//! Verifying a data folder.

use std::sync::atomic::{AtomicU64, Ordering};

use theater_chain::vfs::Vfs;
use theater_chain::{
    Chain, ChainErrorKind, ChainStore, FolderDamage, FolderError, FolderReport, LogOptions, LogReader, Lsn,
    OpenError, SegmentedStore, hash, repair, verify_anchor, verify_folder, verify_folder_on,
};
use theater_core::{ChainEvent, EventKind, EventRange};
use theater_testkit::disk::SimDisk;

use crate::world::{World, actor};

fn verify(disk: &SimDisk) -> Result<FolderReport, FolderError> {
    verify_folder_on(disk, |_, _| ())
}

fn damages(disk: &SimDisk) -> Vec<FolderDamage> {
    match verify(disk) {
        Err(FolderError::Damaged { damages, .. }) => damages,
        other => panic!("not damaged: {other:?}"),
    }
}

fn segments(world: &World) -> Vec<String> {
    world.disk.names().into_iter().filter(|name| name.ends_with(".seg")).collect()
}

fn blob(world: &World) -> String {
    world.disk.names().into_iter().find(|name| name.starts_with("blobs/")).expect("it lived")
}

#[test]
fn a_sound_folder_is_described_and_not_changed() {
    let world = World::lived();
    let before = world.files();
    let report = verify(&world.disk).unwrap();
    let last = Lsn(world.events.len() as u64);
    assert_eq!((report.chains, report.events), (world.chains.len(), world.events.len() as u64));
    assert_eq!((report.last, report.durable, report.epoch), (last, last, 2));
    assert_eq!((report.segments, report.blobs), (segments(&world).len(), 1));
    assert_eq!((report.closed, &report.torn, report.time_regressions), (false, &None, 0));
    let bytes: usize =
        before.iter().filter(|(name, _)| !report.leftovers.contains(name)).map(|(_, file)| file.len()).sum();
    assert_eq!(report.bytes, bytes as u64);
    assert_eq!(world.files(), before);
}

#[test]
fn progress_is_told_up_to_the_last_byte() {
    let world = World::lived();
    let (most, all) = (AtomicU64::new(0), AtomicU64::new(0));
    let report = verify_folder_on(&world.disk, |done, of| {
        assert!(done <= of);
        most.fetch_max(done, Ordering::Relaxed);
        all.store(of, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!((most.into_inner(), all.into_inner()), (report.bytes, report.bytes));
}

#[test]
fn every_damage_is_named_with_its_event_and_its_actor() {
    let world = World::lived();
    let names = segments(&world);
    // A byte of the first payload in the first segment, one in the second segment, one in the blob.
    world.disk.rot(&names[0], 64 + 200, 1);
    world.disk.rot(&names[1], 64 + 200, 1);
    world.disk.rot(&blob(&world), 5, 1);
    let told = verify(&world.disk).unwrap_err().to_string();
    assert!(told.contains(&names[0]) && told.ends_with("and 2 more"), "{told}");
    let damages = damages(&world.disk);
    let files: Vec<_> = damages.iter().map(|damage| damage.damage.file.as_str()).collect();
    assert_eq!(files, [names[0].as_str(), &names[1], &blob(&world)]);
    assert_eq!((damages[0].lsn, damages[0].damage.offset), (Some(Lsn(1)), 64));
    assert_eq!(damages[0].damage.chain, Some(world.chains[0].head().chain_id), "its sidecar knows");
    let second = u64::from_str_radix(&names[1][4..20], 16).unwrap();
    assert_eq!((damages[1].lsn, damages[1].damage.offset), (Some(Lsn(second)), 64));
    assert_eq!((damages[2].lsn, damages[2].actor), (Some(Lsn(12)), Some(actor(1))));
    assert!(damages[2].to_string().contains(&actor(1).to_string()), "{}", damages[2]);
}

#[test]
fn a_missing_file_is_named() {
    for (number, name) in segments(&World::lived()).into_iter().enumerate() {
        let world = World::lived();
        world.disk.remove(&name).unwrap();
        let last = number + 1 == segments(&World::lived()).len();
        match verify(&world.disk) {
            // Without a sidecar, nothing is left of the last one.
            Ok(report) => assert!(last && report.last < Lsn(world.events.len() as u64)),
            Err(FolderError::Damaged { damages, .. }) => {
                assert!(damages.iter().any(|damage| damage.damage.file == name), "{damages:?}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let world = World::lived();
    let name = blob(&world);
    world.disk.remove(&name).unwrap();
    let damages = damages(&world.disk);
    assert_eq!(damages[0].damage.file, name);
    assert_eq!(damages[0].damage.what, "the payload is missing");
}

#[test]
fn a_last_segment_that_was_closed_and_is_missing_is_named_and_not_opened() {
    let mut world = World::lived();
    world.open();
    world.append(0, "the last");
    world.close();
    let name = segments(&world).pop().unwrap();
    world.disk.remove(&name).unwrap();
    assert_eq!(damages(&world.disk)[0].damage.file, name);
    let error = theater_chain::SteppedStore::open(world.vfs(), crate::world::options()).unwrap_err();
    let OpenError::Damaged(damage) = error else { panic!("{error}") };
    assert_eq!(damage.file, name);
}

/// The head of a chain that was remembered is not found in what is on the disk now.
fn assert_only_a_remembered_head_tells(world: &World) {
    let report = verify(&world.disk).expect("a sound log");
    assert!(report.events < world.events.len() as u64);
    let remembered = world.chains[0].head();
    let reader = LogReader::open_on(world.vfs()).expect("a sound log");
    let events = reader.read_places(remembered.chain_id, EventRange::ALL).expect("it began long before");
    let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    assert!(theater_chain::verify(&events).is_ok());
    let error = verify_anchor(&events, remembered.length, remembered.hash).expect_err("it was longer");
    assert!(matches!(error.kind, ChainErrorKind::Cut { .. }), "{error}");
}

#[test]
fn an_end_that_was_removed_whole_is_not_noticed_without_a_remembered_head() {
    let mut world = World::lived();
    world.open();
    world.append(0, "the last");
    world.close();
    let name = segments(&world).pop().unwrap();
    world.disk.remove(&name).unwrap();
    world.disk.remove(&name.replace(".seg", ".idx")).unwrap();
    assert_only_a_remembered_head_tells(&world);
}

#[test]
fn an_older_copy_of_the_folder_is_not_noticed_without_a_remembered_head() {
    let mut world = World::lived();
    let old = world.disk.copy();
    world.open();
    world.append(0, "the last");
    world.close();
    world.disk = old;
    assert_only_a_remembered_head_tells(&world);
}

#[test]
fn files_that_are_no_part_of_the_log_are_listed_and_no_damage() {
    let world = World::lived();
    let before = verify(&world.disk).unwrap().leftovers;
    let orphan = theater_chain::hash::payload_hash(b"nobody names me");
    let strange =
        ["blobs/readme".to_owned(), "log/0000000000000001.seg.tmp".to_owned(), format!("blobs/{orphan}")];
    for name in &strange {
        world.disk.create(name).unwrap().write_at(b"nobody names me", 0).unwrap();
    }
    let leftovers = verify(&world.disk).unwrap().leftovers;
    assert!(strange.iter().all(|name| leftovers.contains(name)), "{leftovers:?}");
    assert_eq!(leftovers.len(), before.len() + strange.len());
}

#[test]
fn a_sidecar_that_is_whole_but_of_another_segment_is_named() {
    let world = World::lived();
    let names = segments(&world);
    let sidecar = |name: &str| name.replace(".seg", ".idx");
    // The segment is changed, and its sidecar made anew by whoever did it.
    let mut other = World::new();
    other.create();
    other.close();
    let foreign = other.disk.content(&sidecar(&names[0])).unwrap();
    world.disk.create(&sidecar(&names[0])).unwrap().write_at(&foreign, 0).unwrap();
    // It belongs to a segment with the same header and another length.
    assert_eq!(damages(&world.disk)[0].damage.file, names[0]);
}

#[test]
fn a_torn_end_is_told_and_no_damage() {
    let mut world = World::lived();
    world.open();
    world.append(0, "the last");
    world.step();
    let name = segments(&world).pop().unwrap();
    let content = world.disk.content(&name).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    world.disk.rot(&name, end - 1, 1);
    let report = verify(&world.disk).unwrap();
    let torn = report.torn.unwrap();
    assert_eq!((torn.file, torn.offset, report.last.0), (name, 64, world.events.len() as u64 - 1));
}

#[test]
fn a_clock_that_was_set_back_is_counted_and_no_damage() {
    let mut world = World::new();
    world.create();
    world.append(0, "now");
    let before = world.chains[0].head();
    let event = world.chains[0].append(EventKind::LOG, "then".into(), 1);
    world.store().append(before, event).unwrap();
    world.close();
    assert_eq!(verify(&world.disk).unwrap().time_regressions, 1);
}

#[test]
fn a_folder_that_is_being_written_to_is_sound_at_every_moment() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (32 << 10, 64 << 10);
    let (store, _) = SegmentedStore::open(folder.path(), options).unwrap();
    let writing = std::thread::spawn(move || {
        let (mut chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1);
        store.create(genesis).unwrap();
        for number in 1..3_000_u64 {
            let before = chain.head();
            let len = if number % 500 == 0 { 70_000 } else { number % 700 };
            let payload = vec![number as u8; usize::try_from(len).unwrap()];
            store.append(before, chain.append(EventKind::LOG, payload.into(), number)).unwrap();
            if number % 64 == 0 {
                std::thread::yield_now();
            }
        }
        store.close().unwrap();
    });
    let mut looks = 0;
    while !writing.is_finished() {
        verify_folder(folder.path(), |_, _| ()).unwrap();
        looks += 1;
    }
    writing.join().unwrap();
    let report = verify_folder(folder.path(), |_, _| ()).unwrap();
    assert_eq!((report.events, report.closed, looks > 0), (3_000, true, true));
}

#[test]
fn a_folder_without_a_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = verify_folder(folder.path(), |_, _| ()).unwrap_err();
    assert!(matches!(error, FolderError::Unreadable(OpenError::NoLog { .. })), "{error}");
}

/// A log with an event that was changed after it was sealed, which stores do not look at: checksums and sidecar fit.
fn with_wrong_event(wrong: impl FnOnce(&mut ChainEvent)) -> World {
    let mut world = World::new();
    world.create();
    world.append(0, "before");
    let before = world.chains[0].head();
    let mut event = world.chains[0].append(EventKind::CALL, "sealed".into(), 3_000);
    wrong(&mut event);
    world.store().append(before, event.clone()).expect("a store does not verify");
    world.events.push((Lsn(3), event));
    world.close();
    world
}

fn seal(event: &mut ChainEvent) {
    event.hash = hash::event_hash(&event.header);
}

#[test]
fn an_event_that_is_not_as_it_was_sealed_is_named_although_every_checksum_fits() {
    type Wrong = fn(&mut ChainEvent);
    let cases: [(&str, Wrong); 6] = [
        ("the payload is not what was sealed", |event| event.payload = "forged".into()),
        ("the header is not what was sealed", |event| event.header.time += 1),
        ("the header is not what was sealed", |event| event.hash.0[0] ^= 1),
        ("epoch 0 after epoch 1", |event| {
            event.header.epoch = 0;
            seal(event);
        }),
        ("the genesis event is the first and only the first", |event| {
            event.header.kind = EventKind::GENESIS;
            seal(event);
        }),
        ("the payload is not what was stored", |event| {
            event.payload = vec![1; 70_000].into();
            event.header.payload_len = 70_000;
            seal(event);
        }),
    ];
    for (what, wrong) in cases {
        let world = with_wrong_event(wrong);
        let damages = damages(&world.disk);
        assert_eq!(damages.len(), 1, "{damages:?}");
        assert_eq!((damages[0].damage.what.as_str(), damages[0].lsn), (what, Some(Lsn(3))));
        assert_eq!(damages[0].actor, Some(actor(0)), "{what}");
        let plan = repair::plan_on(&world.disk).unwrap();
        repair::apply_on(&world.disk, &plan).unwrap();
        assert_eq!(verify(&world.disk).unwrap().last, Lsn(2), "{what}");
    }
}

#[test]
fn a_chain_that_has_not_the_id_of_its_genesis_event_is_named() {
    let mut world = World::new();
    let (_, mut genesis) = Chain::genesis(crate::world::genesis(0), 1, 1);
    genesis.header.chain_id.0[0] ^= 1;
    seal(&mut genesis);
    world.store().create(genesis).unwrap();
    world.close();
    let damages = damages(&world.disk);
    assert_eq!(damages.len(), 1, "{damages:?}");
    assert_eq!(damages[0].damage.what, "the chain's id is not that of its genesis event");
}
