//! A flipped byte anywhere in a data folder is named, and never read as if it were right.

use std::sync::Arc;

use theater_chain::vfs::Vfs;
use theater_chain::{
    ChainReader, FolderError, FolderReport, OpenError, ReadError, SteppedStore, verify_folder_on,
};
use theater_core::{ChainEvent, EventRange};
use theater_testkit::disk::SimDisk;

use crate::world::{World, options};

fn verify(disk: &SimDisk) -> Result<FolderReport, FolderError> {
    verify_folder_on(disk, |_, _| ())
}

/// The files that a verification names as damaged or torn.
fn named(disk: &SimDisk) -> Vec<String> {
    match verify(disk) {
        Ok(report) => report.torn.into_iter().map(|cut| cut.file).collect(),
        Err(FolderError::Damaged { damages, report }) => {
            let damaged = damages.into_iter().map(|damage| damage.damage.file);
            damaged.chain(report.torn.map(|cut| cut.file)).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

/// Flips these bits of each of these bytes, one after the other, and sees to it that each is named.
fn every_flip_is_named(world: &World, bits: impl Fn(&str, usize) -> Vec<u8>) -> usize {
    let leftovers = verify(&world.disk).expect("nothing is flipped yet").leftovers;
    let mut flips = 0;
    for (name, content) in world.files() {
        for at in 0..content.len() {
            for bits in bits(&name, at) {
                world.disk.rot(&name, at, bits);
                if leftovers.contains(&name) {
                    assert_eq!(named(&world.disk), Vec::<String>::new(), "{name} is no part of the log");
                } else {
                    assert!(named(&world.disk).contains(&name), "{name}, byte {at}, bits {bits:#04x}");
                }
                world.disk.rot(&name, at, bits);
                flips += 1;
            }
        }
    }
    let after = verify(&world.disk).expect("all is flipped back");
    assert_eq!(after.leftovers, leftovers);
    flips
}

/// Every byte of a file that is not a blob, and of a blob one in so many.
fn few_of_a_blob(name: &str, at: usize) -> bool {
    !name.starts_with("blobs/") || at.is_multiple_of(997)
}

#[test]
fn a_flipped_bit_in_any_byte_of_any_file_is_named() {
    let world = World::lived();
    let names = world.disk.names();
    for kind in [".seg", ".idx", "blobs/"] {
        assert!(names.iter().any(|name| name.contains(kind)), "{kind} in {names:?}");
    }
    let one = |name: &str, at| if few_of_a_blob(name, at) { vec![1 << (at % 8)] } else { Vec::new() };
    let flips = every_flip_is_named(&world, one);
    assert!(flips > 7_000, "{flips}");
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_blob_is_named() {
    let mut world = World::new();
    world.create();
    world.append(0, vec![7; (64 << 10) + 1]);
    world.kill();
    let flips = every_flip_is_named(&world, |_, at| vec![1 << (at % 8)]);
    assert!(flips > (64 << 10) + 2_048, "{flips}");
}

#[test]
fn every_bit_of_a_byte_counts() {
    let world = World::lived();
    let some = |name: &str, at: usize| at.is_multiple_of(61) && few_of_a_blob(name, at);
    let flips = every_flip_is_named(&world, |name, at| {
        if some(name, at) { (0..8).map(|bit| 1 << bit).chain([0xff]).collect() } else { Vec::new() }
    });
    assert!(flips > 1_000, "{flips}");
}

#[test]
fn a_flipped_bit_in_a_log_that_was_closed_is_named() {
    let mut world = World::lived();
    world.open();
    world.append(0, "the last");
    world.close();
    assert!(verify(&world.disk).unwrap().closed);
    let one = |name: &str, at| if few_of_a_blob(name, at) { vec![1 << (at % 8)] } else { Vec::new() };
    let flips = every_flip_is_named(&world, one);
    assert!(flips > 7_000, "{flips}");
}

/// What a process that starts on this disk reads of each chain.
async fn read_all(world: &World, store: &SteppedStore) -> Vec<Result<Vec<ChainEvent>, ReadError>> {
    let mut read = Vec::new();
    for chain in &world.chains {
        read.push(store.read(chain.head().chain_id, EventRange::ALL).await);
    }
    read
}

#[tokio::test]
async fn a_process_that_starts_on_a_flipped_bit_refuses_repairs_or_reads_no_wrong_event() {
    let world = World::lived();
    let expected: Vec<Vec<ChainEvent>> = world
        .chains
        .iter()
        .map(|chain| {
            let of = |event: &&ChainEvent| event.header.chain_id == chain.head().chain_id;
            world.events.iter().map(|(_, event)| event).filter(of).cloned().collect()
        })
        .collect();
    let (mut refused, mut cut, mut rebuilt, mut unread) = (0, 0, 0, 0);
    for (name, content) in world.files() {
        let step = if name.starts_with("blobs/") { 4_099 } else { 1 };
        for at in (0..content.len()).step_by(step) {
            let disk = world.disk.copy();
            disk.rot(&name, at, 1 << (at % 8));
            let vfs: Arc<dyn Vfs> = Arc::new(disk);
            let (store, recovery) = match SteppedStore::open(vfs, options()) {
                Ok(opened) => opened,
                Err(OpenError::Damaged(damage)) => {
                    assert_eq!(damage.file, name, "byte {at}");
                    refused += 1;
                    continue;
                }
                Err(error) => panic!("{error}"),
            };
            cut += usize::from(recovery.cut.as_ref().is_some_and(|cut| cut.file == name));
            rebuilt += usize::from(recovery.rebuilt.contains(&name));
            for (read, expected) in read_all(&world, &store).await.into_iter().zip(&expected) {
                match read {
                    Ok(read) if recovery.cut.is_some() => assert_eq!(read, expected[..read.len()]),
                    Ok(read) => assert_eq!(&read, expected, "{name}, byte {at}"),
                    Err(ReadError::Damaged(damage)) => {
                        assert_eq!(damage.file, name, "byte {at}");
                        unread += 1;
                    }
                    // The cut took its first event.
                    Err(ReadError::UnknownChain { .. }) => assert!(recovery.cut.is_some()),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    assert!(
        refused > 500 && cut > 500 && rebuilt > 500 && unread > 500,
        "{refused} {cut} {rebuilt} {unread}"
    );
}
