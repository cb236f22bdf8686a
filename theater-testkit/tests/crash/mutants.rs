//! Wrong variants of the log: each is caught within a bounded number of cases, by the invariant that it breaks.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use theater_chain::Durability;
use theater_chain::flaw::Flaw;

use crate::case::{Case, case, torn_ends};
use crate::check::Check;
use crate::flawed::Wrong;
use crate::world::play;

/// So many cases at most; the property is tried on more in every run.
const BOUND: usize = 2_500;

#[track_caller]
fn caught(durability: Durability, wrong: Wrong, flaws: &[Flaw], check: Check) {
    caught_in(case(durability), wrong, flaws, check);
}

#[track_caller]
fn caught_in(random: impl Strategy<Value = Case>, wrong: Wrong, flaws: &[Flaw], check: Check) {
    let mut runner = TestRunner::deterministic();
    let mut others = Vec::new();
    for number in 1..=BOUND {
        let case = random.new_tree(&mut runner).expect("nothing is rejected").current();
        match play(&case, wrong, flaws) {
            Err(violation) if violation.check == check => {
                println!("{wrong:?} {flaws:?}: case {number}: {violation}");
                return;
            }
            Err(violation) => others.push(violation.check),
            Ok(_) => {}
        }
    }
    others.sort_unstable();
    others.dedup_by_key(|check| *check);
    panic!("{wrong:?} {flaws:?} is not caught by {check:?} in {BOUND} cases; caught by {others:?}");
}

/// One test for each variant.
macro_rules! mutants {
    ($($name:ident: $wrong:ident, [$($flaw:ident),*], $check:ident;)*) => {
        $(
            #[test]
            fn $name() {
                caught(Durability::Full, Wrong::$wrong, &[$(Flaw::$flaw),*], Check::$check);
            }
        )*
    };
}

mutants! {
    a_log_that_does_not_sync_before_it_acknowledges_is_caught: NoSync, [], AheadOfDisk;
    a_log_that_calls_durable_what_is_only_written_is_caught: Nothing, [WrittenIsDurable], AheadOfDisk;
    a_log_that_ignores_a_failed_sync_is_caught: SyncErrorsIgnored, [], AheadOfDisk;
    a_log_that_tries_a_failed_sync_again_is_caught: SyncErrorsRetried, [], AheadOfDisk;
    a_log_that_trusts_what_a_failed_sync_left_is_caught: Nothing, [FailedSyncTrusted], Reopening;
    a_log_that_ignores_a_failed_write_is_caught: WriteErrorsIgnored, [], AheadOfDisk;
    a_log_that_takes_a_short_write_for_whole_is_caught: ShortTakenForWhole, [], AheadOfDisk;
    a_log_that_takes_a_full_disk_for_written_is_caught: FullTakenForWritten, [], AheadOfDisk;
    a_log_that_does_not_sync_its_folder_is_caught: NoFolderSync, [], AheadOfDisk;
    a_log_that_names_a_segment_before_its_content_is_synced_is_caught: SegmentNameFirst, [], FalseAlarm;
    a_log_that_names_a_blob_before_its_content_is_synced_is_caught: BlobNameFirst, [], AheadOfDisk;
    a_log_that_does_not_sync_the_names_of_blobs_is_caught: BlobFolderUnsynced, [], AheadOfDisk;
    a_log_that_writes_a_blob_after_its_record_is_caught: Nothing, [BlobAfterRecord], FalseAlarm;
    a_log_that_trusts_what_a_killed_process_wrote_without_syncing_it_is_caught: RecoveryUnsynced, [FailedSyncTrusted], Reopening;
    a_log_that_leaves_its_torn_end_is_caught: Nothing, [TornEndStays], Reopening;
    a_log_that_cuts_damage_silently_is_caught: Nothing, [DamageCut], Damage;
    a_log_that_does_not_carry_how_far_it_was_durable_is_caught: Nothing, [NothingCarried], Damage;
}

#[test]
fn a_log_with_plain_checksums_that_goes_on_behind_a_torn_end_is_caught() {
    let flaws = [Flaw::SameSegment, Flaw::TornEndStays, Flaw::PlainChecksum, Flaw::AnyOrder];
    caught_in(torn_ends(), Wrong::Nothing, &flaws, Check::NoGhosts);
}

#[test]
fn a_log_that_looks_at_positions_only_and_goes_on_behind_a_torn_end_is_caught() {
    let flaws = [Flaw::SameSegment, Flaw::TornEndStays, Flaw::PlainChecksum];
    caught_in(torn_ends(), Wrong::Nothing, &flaws, Check::NoGhosts);
}

#[test]
fn a_relaxed_log_that_begins_a_segment_before_the_last_one_is_synced_is_caught() {
    caught(Durability::Relaxed, Wrong::Nothing, &[Flaw::SegmentBeforeItsPast], Check::AheadOfDisk);
}

#[test]
fn a_relaxed_log_that_ignores_a_failed_write_is_caught() {
    caught(Durability::Relaxed, Wrong::WriteErrorsIgnored, &[], Check::AheadOfDisk);
}

/// Nothing depends on sidecars: this is no flaw, and the suite does not call it one.
#[test]
fn a_sidecar_that_is_named_before_its_content_is_synced_harms_nobody() {
    let mut runner = TestRunner::deterministic();
    let random = case(Durability::Full);
    for _ in 0..500 {
        let case = random.new_tree(&mut runner).expect("nothing is rejected").current();
        let played = play(&case, Wrong::SidecarNameFirst, &[]);
        assert!(played.is_ok(), "{played:?} {case:#?}");
    }
}
