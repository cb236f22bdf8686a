//! Cases that were faults once, as they shrank; with the wrong variant that brings the fault back, where there is one.

use theater_chain::Durability;
use theater_chain::flaw::Flaw;
use theater_testkit::disk::DiskOperation;

use crate::case::{Case, End, Op, Place, Rot, Size, append};
use crate::check::Check;
use crate::flawed::Wrong;
use crate::world::{play, run};

#[track_caller]
fn holds(case: &Case) {
    if let Err(violation) = run(case) {
        panic!("{violation}");
    }
}

#[track_caller]
fn broken(case: &Case, wrong: Wrong, flaws: &[Flaw], check: Check) {
    let violation = play(case, wrong, flaws).expect_err("the wrong variant is caught");
    assert_eq!(violation.check, check, "{violation}");
}

const POWER: End = End::Power(0);

#[test]
fn an_event_that_is_too_long_for_the_first_segment_is_found_again() {
    let long = Op::Append { chain: 0, size: Size::Bytes(9_000) };
    holds(&Case::of(&[(&[long, Op::Step], End::Kill), (&[append(0), Op::Step], POWER)]));
    holds(&Case::of(&[(&[append(0), Op::Step], End::Kill), (&[long, Op::Step], POWER)]));
}

#[test]
fn a_mark_is_synced_before_the_segment_that_goes_on_from_it() {
    let mut case = Case::of(&[(
        &[append(0), Op::Step, Op::Mark, Op::Fail(DiskOperation::Read, 1), append(0), Op::Step],
        POWER,
    )]);
    case.first_segment = 512;
    holds(&case);
    broken(&case, Wrong::Nothing, &[Flaw::SegmentBeforeItsPast], Check::AheadOfDisk);
}

#[test]
fn a_relaxed_log_syncs_a_segment_before_it_names_the_next() {
    let mut case = Case::of(&[(
        &[append(0), Op::Step, Op::Fail(DiskOperation::Read, 1), append(0), append(0), Op::Step],
        POWER,
    )]);
    (case.first_segment, case.durability) = (512, Durability::Relaxed);
    holds(&case);
    broken(&case, Wrong::Nothing, &[Flaw::SegmentBeforeItsPast], Check::AheadOfDisk);
}

#[test]
fn what_a_process_wrote_whose_sync_failed_is_written_again() {
    let ops = [append(0), Op::Step, append(0), Op::Fail(DiskOperation::Sync, 1), Op::Step];
    let case = Case::of(&[(&ops, End::Kill), (&[], POWER)]);
    holds(&case);
    broken(&case, Wrong::Nothing, &[Flaw::FailedSyncTrusted], Check::Reopening);
}

#[test]
fn a_mark_that_a_failed_close_did_not_sync_is_written_again() {
    let mut caught = 0;
    // How much a failed sync leaves depends on what came before.
    for steps in 1..8 {
        let mut ops = [append(0), Op::Step].repeat(steps);
        ops.push(Op::Fail(DiskOperation::Sync, 1));
        let case = Case::of(&[(&ops, End::Close), (&[], POWER)]);
        // Seen where there is no sidecar to believe instead.
        let without_sidecars = |flaws: &[Flaw]| play(&case, Wrong::SidecarNameFirst, flaws);
        without_sidecars(&[]).expect("no sidecar is needed");
        caught += usize::from(without_sidecars(&[Flaw::FailedSyncTrusted]).is_err());
    }
    assert!(caught > 0, "trusting what a failed sync left is caught");
}

#[test]
fn a_blob_that_another_process_named_and_did_not_sync_is_synced() {
    let blob = Op::Append { chain: 0, size: Size::Blob(0) };
    let before = [append(0), Op::Step, blob, Op::Fail(DiskOperation::Sync, 2), Op::Step];
    let case = Case::of(&[(&before, End::Kill), (&[blob, Op::Step], POWER)]);
    holds(&case);
}

#[test]
fn damage_to_any_byte_of_a_durable_record_is_reported_if_one_record_follows() {
    for byte in 64..280 {
        let mut case = Case::of(&[(&[append(0), Op::Step, append(0), Op::Step], POWER)]);
        // The segment is the only file.
        case.lives[0].rot = Some(Rot { file: 0, place: Place::At(byte), sector: false });
        holds(&case);
        broken(&case, Wrong::Nothing, &[Flaw::DamageCut], Check::Damage);
    }
}
