//! A damaged folder is repaired to the longest sound beginning of its order, and nothing is deleted.

use theater_chain::jsonl::Reader;
use theater_chain::repair::{
    RepairError, RepairPlan, RepairStep, apply, apply_on, export_rest_on, plan, plan_on,
};
use theater_chain::vfs::Vfs;
use theater_chain::{LogReader, Lsn, OpenError, SegmentedStore, SteppedStore, verify_folder_on};
use theater_testkit::disk::{DiskFault, SimDisk};

use crate::world::{World, actor, files, options};

fn segments(world: &World) -> Vec<String> {
    world.disk.names().into_iter().filter(|name| name.ends_with(".seg")).collect()
}

/// Every file that was there is there still, or its content is set aside.
fn assert_nothing_deleted(before: &[(String, Vec<u8>)], disk: &SimDisk, what: &str) {
    let after = files(disk);
    for (name, content) in before {
        let same = disk.content(name).as_ref() == Some(content);
        let aside = || after.iter().any(|(name, aside)| name.starts_with("damaged/") && aside == content);
        assert!(same || aside(), "{what}: {name} is gone");
    }
}

/// The log holds exactly the beginning that was planned, is sound, and goes on.
fn assert_repaired(world: &World, disk: &SimDisk, last: Lsn, what: &str) {
    let report = verify_folder_on(disk, |_, _| ()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let reader = LogReader::open_on(std::sync::Arc::new(disk.clone())).expect("it verifies");
    let kept: Vec<_> = reader.events(Lsn(1)).map(|event| event.expect("it verifies")).collect();
    assert_eq!(kept, world.events[..usize::try_from(last.0).expect("small")], "{what}");
    assert_eq!(report.last, last, "{what}");
    let opened = SteppedStore::open(std::sync::Arc::new(disk.copy()), options());
    let (_, recovery) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!((recovery.events, &recovery.cut), (last.0, &None), "{what}");
    // No term is used twice; without any header that can be read the log begins anew.
    assert!(recovery.epoch > 2 || last.0 == 0, "{what}: {}", recovery.epoch);
}

fn repair(disk: &SimDisk) -> RepairPlan {
    let plan = plan_on(disk).expect("it can be looked at");
    apply_on(disk, &plan).expect("the disk is well");
    plan
}

#[test]
fn of_a_sound_folder_nothing_is_to_be_repaired() {
    let world = World::lived();
    let before = world.files();
    let plan = repair(&world.disk);
    assert_eq!((plan.damages.len(), plan.steps.len(), plan.losses.len()), (0, 0, 0));
    assert_eq!((plan.last.0, plan.lost), (world.events.len() as u64, 0));
    assert_eq!(world.files(), before);
}

#[test]
fn a_plan_says_what_is_lost_of_whose_chain_and_changes_nothing() {
    let world = World::lived();
    let names = segments(&world);
    // The first event of the second segment, of five.
    world.disk.rot(&names[1], 64 + 200, 1);
    let before = world.files();
    let plan = plan_on(&world.disk).unwrap();
    assert_eq!(world.files(), before);
    let first_lost = u64::from_str_radix(&names[1][4..20], 16).unwrap();
    assert_eq!(plan.last, Lsn(first_lost - 1));
    assert_eq!(plan.lost, world.events.len() as u64 - plan.last.0);
    let kept = usize::try_from(plan.last.0).unwrap();
    for (number, chain) in world.chains.iter().enumerate() {
        let id = chain.head().chain_id;
        let of = |events: &[(Lsn, theater_core::ChainEvent)]| {
            events.iter().filter(|(_, event)| event.header.chain_id == id).count() as u64
        };
        let loss = plan.losses.iter().find(|loss| loss.chain == id).expect("every chain loses something");
        assert_eq!((loss.kept, loss.lost), (of(&world.events[..kept]), of(&world.events[kept..])));
        assert_eq!(loss.actor, Some(actor(number as u8)));
        let damaged = world.events[kept].1.header.chain_id == id;
        assert_eq!(loss.sound, loss.lost - u64::from(damaged));
    }
    let begun = plan.steps.iter().position(|step| matches!(step, RepairStep::Begin { .. })).unwrap();
    assert_eq!(plan.steps.len() - begun > 2, names.len() > 3, "{:?}", plan.steps);
}

#[test]
fn whatever_byte_is_flipped_the_sound_beginning_is_kept_and_nothing_is_deleted() {
    let world = World::lived();
    let sound = files(&world.disk);
    let mut lost = std::collections::BTreeSet::new();
    for (name, content) in &sound {
        let step = if name.starts_with("blobs/") { 9_973 } else { 11 };
        for at in (0..content.len()).step_by(step) {
            let what = format!("{name}, byte {at}");
            let disk = world.disk.copy();
            disk.rot(name, at, 1 << (at % 8));
            let before = files(&disk);
            let plan = repair(&disk);
            assert_nothing_deleted(&before, &disk, &what);
            if plan.damages.is_empty() {
                // A torn end, which the next opening cuts.
                continue;
            }
            assert_repaired(&world, &disk, plan.last, &what);
            assert_eq!(plan.last.0 + plan.lost, world.events.len() as u64, "{what}");
            assert_eq!(name.ends_with(".idx"), plan.lost == 0, "{what}: a sidecar costs no event");
            lost.insert(plan.lost);
        }
    }
    assert!(lost.len() > 10, "{lost:?}");
}

#[test]
fn a_missing_file_costs_what_was_in_it_and_behind_it() {
    for name in World::lived().disk.names() {
        let world = World::lived();
        world.disk.remove(&name).unwrap();
        let before = world.files();
        let plan = repair(&world.disk);
        assert_nothing_deleted(&before, &world.disk, &name);
        if plan.damages.is_empty() {
            // A sidecar, which is made again, or the last segment, of which nothing is left.
            continue;
        }
        assert!(name.ends_with(".seg") || name.starts_with("blobs/"), "{name}");
        assert_repaired(&world, &world.disk, plan.last, &name);
        assert_eq!(plan.last.0 + plan.lost, world.events.len() as u64, "{name}");
    }
}

#[test]
fn a_repair_that_is_interrupted_anywhere_can_be_done_again() {
    let world = World::lived();
    world.settle();
    let names = segments(&world);
    for (file, at) in [(&names[0], 400), (&names[1], 64 + 200), (&names[2], 10)] {
        let damaged = world.disk.copy();
        damaged.rot(file, at, 4);
        let before = files(&damaged);
        let expected = plan_on(&damaged).unwrap();
        let mut interrupted = 0;
        for nth in 1.. {
            let disk = damaged.copy();
            let planned = plan_on(&disk).unwrap();
            let operations = disk.operations();
            // Reading what is planned again comes first.
            disk.inject(DiskFault::Dark { nth });
            let applied = apply_on(&disk, &planned);
            if applied.is_ok() {
                assert!(disk.operations() - operations < nth);
                break;
            }
            disk.crash(nth);
            let what = format!("{file}, operation {nth}");
            assert_nothing_deleted(&before, &disk, &what);
            interrupted += 1;
            let plan = repair(&disk);
            assert!(plan.last <= expected.last, "{what}");
            assert_repaired(&world, &disk, expected.last, &what);
            assert_nothing_deleted(&before, &disk, &what);
        }
        assert!(interrupted > 30, "{interrupted}");
    }
}

#[test]
fn an_interrupted_repair_is_not_opened_with_less_than_it_keeps() {
    let world = World::lived();
    world.settle();
    world.disk.rot(&segments(&world)[1], 64 + 200, 4);
    let planned = plan_on(&world.disk).unwrap();
    let mut opened = 0;
    for nth in 1.. {
        let disk = world.disk.copy();
        disk.inject(DiskFault::Dark { nth });
        let through = apply_on(&disk, &planned).is_ok();
        disk.crash(nth);
        match SteppedStore::open(std::sync::Arc::new(disk.clone()), options()) {
            Ok((_, recovery)) => {
                // Before the first step a segment with a good sidecar is not read.
                let begun = recovery.events == planned.last.0 && recovery.epoch > 2;
                assert!(
                    begun || recovery.events == world.events.len() as u64,
                    "operation {nth}: {recovery:?}"
                );
                opened += 1;
            }
            Err(OpenError::Damaged(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if through {
            break;
        }
    }
    assert!(opened > 0);
}

#[test]
fn a_repaired_log_goes_on_and_is_repaired_a_second_time() {
    let mut world = World::lived();
    for round in 0..3_u8 {
        let names = segments(&world);
        let file = &names[names.len() - 2];
        let content = world.disk.content(file).unwrap();
        world.disk.rot(file, content.len() / 2, 1 << round);
        let before = world.files();
        let plan = repair(&world.disk);
        assert!(!plan.damages.is_empty());
        assert_nothing_deleted(&before, &world.disk, "round");
        world.events.truncate(usize::try_from(plan.last.0).unwrap());
        world.rewind();
        let recovery = world.open();
        assert_eq!(recovery.epoch, 3 + 2 * u32::from(round), "round {round}");
        for _ in 0..8 {
            world.append(0, vec![round; 400]);
        }
        world.close();
        world.open();
        world.append(0, "again");
        world.kill();
        let report = verify_folder_on(&world.disk, |_, _| ()).unwrap();
        assert_eq!(report.events, world.events.len() as u64);
    }
}

#[test]
fn the_sound_rest_behind_the_damage_can_be_saved() {
    let world = World::lived();
    world.disk.rot(&segments(&world)[1], 64 + 200, 1);
    let plan = plan_on(&world.disk).unwrap();
    let mut out = Vec::new();
    let report = export_rest_on(&world.disk, &mut out).unwrap();
    // All but the damaged one.
    let expected = &world.events[usize::try_from(plan.last.0).unwrap() + 1..];
    assert_eq!((report.written, report.nameless, report.unsound), (expected.len() as u64, 0, 1));
    let mut reader = Reader::new(out.as_slice());
    for (_, event) in expected {
        let read = reader.next_event().unwrap().unwrap();
        assert_eq!(&read.event, event);
    }
    assert!(reader.next_event().unwrap().is_none());
}

#[test]
fn what_has_changed_since_it_was_planned_is_not_repaired() {
    let world = World::lived();
    let names = segments(&world);
    world.disk.rot(&names[1], 64 + 200, 1);
    let plan = plan_on(&world.disk).unwrap();
    world.disk.rot(&names[0], 64 + 200, 1);
    let before = world.files();
    let error = apply_on(&world.disk, &plan).unwrap_err();
    assert!(matches!(error, RepairError::Changed), "{error}");
    assert_eq!(world.files(), before);
}

#[test]
fn a_folder_that_a_process_uses_is_not_repaired_and_one_without_a_log_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let error = plan(folder.path()).unwrap_err();
    assert!(matches!(error, RepairError::Open(OpenError::NoLog { .. })), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let (store, _) = SegmentedStore::open(folder.path(), options()).unwrap();
    let planned = plan(folder.path()).unwrap();
    let error = apply(folder.path(), &planned).unwrap_err();
    assert!(matches!(error, RepairError::Open(OpenError::InUse { .. })), "{error}");
    store.close().unwrap();
    apply(folder.path(), &plan(folder.path()).unwrap()).unwrap();
}
