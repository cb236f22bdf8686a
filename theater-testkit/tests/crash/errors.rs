//! What a store answers once the disk has failed, and while it is full.

use std::sync::Arc;

use theater_chain::{AppendError, Chain, ChainStore, Head, LogOptions, Lsn, SteppedStore};
use theater_core::{ChainEvent, EventKind};
use theater_testkit::disk::{DiskFault, DiskOperation, SimDisk};

use crate::contents::{contents, count, look, once};

fn options() -> LogOptions {
    let mut options = LogOptions::default();
    (options.first_segment, options.largest_segment) = (1 << 10, 4 << 10);
    options.pending = 8 << 10;
    options
}

fn opened(disk: &SimDisk) -> SteppedStore {
    SteppedStore::open(Arc::new(disk.clone()), options()).expect("the disk is sound").0
}

/// A chain with one durable event.
fn begun(store: &mut SteppedStore) -> Chain {
    let (chain, genesis) = Chain::genesis("who I am".into(), store.epoch(), 1);
    store.create(genesis).expect("it is the first");
    assert!(store.step());
    assert_eq!(store.durable(), Ok(Lsn(1)));
    chain
}

fn next(chain: &mut Chain) -> (Head, ChainEvent) {
    let head = chain.head();
    (head, chain.append(EventKind::LOG, vec![7; 100].into(), 2))
}

#[test]
fn a_store_whose_write_or_sync_failed_says_so_on_every_call_for_ever() {
    for operation in [DiskOperation::Write, DiskOperation::Sync] {
        let disk = SimDisk::new();
        let mut store = opened(&disk);
        let mut chain = begun(&mut store);
        let (head, event) = next(&mut chain);
        store.append(head, event).expect("it follows");
        disk.inject(DiskFault::Fail { operation, nth: 1, kind: std::io::ErrorKind::Other });
        assert!(!store.step());
        disk.heal();
        let failed = store.durable().expect_err("the disk failed");
        for _ in 0..3 {
            assert!(!store.step() && !store.sync() && !store.mark());
            assert_eq!(store.durable(), Err(failed.clone()));
            let (head, event) = next(&mut chain.clone());
            assert_eq!(store.append(head, event), Err(AppendError::Poisoned(failed.clone())));
            let (_, genesis) = Chain::genesis("somebody else".into(), 1, 1);
            assert_eq!(store.create(genesis), Err(AppendError::Poisoned(failed.clone())));
            assert_eq!(once(store.until_durable(Lsn(2))), Some(Err(failed.clone())));
            assert_eq!(once(store.until_durable(Lsn(1))), Some(Ok(())), "what was durable stays so");
        }
        assert_eq!(count(&contents(&store).expect("reading goes on")), 2);
        assert_eq!(store.close(), Err(failed));
    }
}

#[test]
fn a_full_disk_holds_the_store_up_and_nothing_is_half_written() {
    let disk = SimDisk::new();
    let mut store = opened(&disk);
    let mut chain = begun(&mut store);
    disk.inject(DiskFault::Room(disk.used()));
    let mut taken = 1;
    loop {
        let (head, event) = next(&mut chain);
        match store.append(head, event) {
            Ok(_) => taken += 1,
            Err(error) => {
                assert_eq!(error, AppendError::Full);
                chain = Chain::resume(head);
                break;
            }
        }
        store.step();
        let (_, found) = look(&disk.synced(), &options()).expect("nothing is half written");
        assert_eq!((Ok(Lsn(found.events)), found.cut), (store.durable(), None));
    }
    let durable = store.durable().expect("a full disk is no failure");
    assert!(durable > Lsn(1) && durable < Lsn(taken), "{durable} of {taken}");
    disk.heal();
    while store.step() {}
    assert_eq!(store.durable(), Ok(Lsn(taken)));
    let (head, event) = next(&mut chain);
    store.append(head, event).expect("there is room again");
    store.close().expect("there is room again");
    let (store, recovery) = look(&disk, &options()).expect("it was closed");
    assert_eq!((recovery.events, recovery.closed), (taken + 1, true));
    assert_eq!(count(&contents(&store).expect("all is there")) as u64, taken + 1);
}
