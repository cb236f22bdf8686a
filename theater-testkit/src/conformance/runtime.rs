//! The cases for `ActorRuntime`, clause by clause of its contract.

mod after_end;
mod authority;
mod capabilities;
mod concurrency;
mod ending;
mod errors;
mod exits;
mod host_functions;
mod identity;
mod isolation;
mod liveness;
mod otp;
mod reading;
mod recording;
mod starting;
mod support;

use std::sync::Arc;

pub use support::Subject;

use super::backend::{Capability, TestBackend};
use super::case::Case;
use super::report::Report;
use super::run::Suite;

fn suite<B: TestBackend>() -> Suite<Subject, Capability> {
    Suite { name: "ActorRuntime", cases: CASES, clock: B::clock(), lacks: Subject::lacks }
}

fn subject<B: TestBackend>(backend: B) -> Subject {
    Subject::new(Arc::new(backend))
}

/// Runs every case of the suite for [`ActorRuntime`](theater_core::ActorRuntime), each on a backend of its own.
///
/// Each case has its own thread and its own tokio runtime, in which `make` is called. A panic is a failure, and so is a
/// case that takes longer than [`CASE_LIMIT`](super::CASE_LIMIT).
pub fn run_conformance<B: TestBackend>(make: impl Fn() -> B + Clone + Send + 'static) -> Report {
    run_conformance_except(make, &[])
}

/// The same without some cases: their names, each with the reason.
///
/// # Panics
/// If a case does not exist, or a reason is empty.
#[track_caller]
pub fn run_conformance_except<B: TestBackend>(
    make: impl Fn() -> B + Clone + Send + 'static,
    skips: &[(&str, &str)],
) -> Report {
    suite::<B>().report(move || subject(make()), skips)
}

/// Runs one case, for a test of its own.
#[doc(hidden)]
#[track_caller]
pub fn run_one<B: TestBackend>(
    name: &str,
    make: impl FnOnce() -> B + Send + 'static,
    skips: &[(&str, &str)],
) {
    suite::<B>().one(name, move || subject(make()), skips);
}

/// Prints what did not pass, and the sum.
#[doc(hidden)]
#[track_caller]
pub fn print_report<B: TestBackend>(make: impl Fn() -> B + Clone + Send + 'static, skips: &[(&str, &str)]) {
    suite::<B>().print(move || subject(make()), skips);
}

/// Makes a test of every case of the suite for [`ActorRuntime`](theater_core::ActorRuntime).
///
/// `conformance_tests!(mine, MyBackend::new())` is a module `mine` with one test for each case, such as
/// `mine::exits::each_end_is_told_exactly_once`, and a test `mine::report`, which runs them once more and prints the cases
/// that were skipped and the sum (`cargo test mine::report -- --nocapture`). Cases can be left out by their names, with a reason:
///
/// ```
/// # mod tests {
/// use theater_testkit::conformance_tests;
/// use theater_testkit::mock::MockBackend;
///
/// conformance_tests!(mock, MockBackend::new());
/// conformance_tests!(
///     most,
///     MockBackend::new(),
///     skip = { "liveness::a_busy_actor_can_be_killed": "shown elsewhere" }
/// );
/// # }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($name:ident, $backend:expr $(,)?) => {
        $crate::conformance_tests!($name, $backend, skip = {});
    };
    ($name:ident, $backend:expr, skip = { $($case:literal: $reason:literal),* $(,)? } $(,)?) => {
        $crate::__runtime_cases! {
            [$crate::__suite_tests]
            { $name, $backend, [$crate::conformance], { $(($case, $reason)),* } }
        }
    };
}

/// The one list of the cases: the table and the tests are made from it.
#[doc(hidden)]
#[macro_export]
macro_rules! __runtime_cases {
    ([$($callback:tt)*] $arguments:tt) => {
        $($callback)*! {
            $arguments
            identity { "Identity" {
                an_actor_keeps_its_id_and_its_chain_over_restarts []
                incarnations_start_at_one_and_grow_by_one []
                a_start_that_fails_is_a_life_too [FailingStarts ChangingStarts]
                a_restarted_child_keeps_its_parent_and_its_place []
                no_two_actors_have_the_same_id_or_chain []
            } }
            authority { "Authority" {
                a_parent_may_act_on_its_child []
                strangers_are_refused_everything_and_nothing_happens []
                a_grandparent_is_a_stranger []
                a_sibling_and_a_child_are_strangers []
                an_actor_is_not_its_own_child []
                who_is_not_there_and_who_is_not_covered_get_one_answer []
                the_operator_may_act_on_everybody []
                the_operator_is_told_who_is_unknown []
                an_ended_child_is_still_only_its_parents []
            } }
            starting { "Starting" {
                a_start_answers_with_the_running_actor []
                the_child_spec_of_the_request_counts []
                init_begins_with_the_bytes_that_it_is_given []
                the_error_of_init_is_the_answer [FailingStarts]
                a_trap_in_init_is_the_answer [FailingStarts]
                an_init_that_ends_the_actor_is_no_start [FailingStarts]
                a_first_start_that_fails_leaves_no_record [FailingStarts]
                a_start_is_answered_when_init_has_ended [SlowStarts]
                a_start_that_is_given_up_leaves_nothing [SlowStarts]
                nothing_starts_below_who_has_ended []
                a_state_that_is_given_is_in_place []
                without_a_state_to_resume_init_is_called []
                a_restart_begins_with_the_last_good_state []
                a_restart_from_the_beginning_begins_with_the_first_bytes []
                a_restart_that_fails_leaves_the_actor_ended_with_its_state [FailingStarts ChangingStarts]
                an_ended_actor_can_be_started_again []
                who_did_not_run_before_is_not_brought_back []
            } }
            capabilities { "Capabilities" {
                a_child_may_ask_for_what_its_parent_has []
                a_child_that_asks_for_more_is_refused_and_leaves_nothing []
                who_got_less_cannot_give_more []
            } }
            ending { "Ending" {
                a_stop_ends_the_life_and_says_how []
                a_crash_ends_the_life_with_its_reason []
                an_actor_can_end_itself [Completion]
                a_stop_of_who_has_ended_says_how_that_was []
                a_kill_is_a_kill []
                a_kill_does_not_wait_for_the_guest [Busy]
                a_graceful_stop_lets_the_call_end [Busy]
                a_grace_that_is_over_is_a_kill [Busy]
                infinity_waits_for_the_call [Busy]
                every_life_has_one_end_on_the_chain []
                a_stop_returns_when_all_descendants_have_ended []
                children_end_before_their_parent_latest_first []
                children_of_a_crashed_actor_end_too []
                a_restart_ends_the_children_of_the_old_life []
            } }
            after_end { "After the end" {
                info_state_and_events_stay []
                an_ended_child_stays_among_the_children []
                a_reaped_actor_is_gone []
                who_runs_cannot_be_reaped []
                descendants_are_reaped_too []
                only_the_parent_reaps []
            } }
            reading { "Reading" {
                children_are_in_start_order []
                the_children_of_nobody_are_an_error []
                who_has_no_children_has_none []
                a_range_gives_what_is_there_and_no_more []
                the_state_is_that_after_the_last_call_that_succeeded []
                a_busy_actor_is_read_at_once [Busy]
                a_starting_actor_is_read_at_once [SlowStarts]
                a_failed_and_a_stopped_actor_are_read []
            } }
            exits { "Exits" {
                each_end_is_told_exactly_once []
                the_ends_of_one_child_come_in_order []
                an_end_before_anybody_listened_is_kept []
                an_end_is_recorded_before_it_is_told []
                root_actors_end_too []
                only_the_parent_is_told []
                the_exit_of_a_restarted_life_says_that_it_was_ended []
                a_first_start_that_fails_is_no_exit [FailingStarts]
                a_restart_that_fails_is_no_exit [FailingStarts ChangingStarts]
                the_exits_of_nobody_are_over []
                an_exit_is_forgotten_with_its_record []
            } }
            recording { "Recording" {
                what_was_recorded_is_there_at_once []
                records_are_kept_byte_for_byte_and_in_order []
                chains_verify []
                nothing_is_recorded_for_nobody []
                every_life_begins_and_ends_on_the_chain []
                records_at_once_are_all_there []
            } }
            concurrency { "Concurrency" {
                stops_at_once_end_one_life []
                restarts_at_once_leave_one_life []
                a_stop_and_a_restart_at_once_come_after_one_another []
                starts_at_once_below_one_parent_all_count []
                a_slow_start_holds_up_nobody [SlowStarts]
                a_long_stop_holds_up_nobody_else [Busy]
                nothing_outlives_a_tree_that_is_stopped_while_it_grows []
                reads_never_fail_while_lives_change []
            } }
            errors {
                "Errors" {
                    an_operation_on_nobody_is_an_error_and_no_panic []
                    what_cannot_be_started_leaves_everything_as_it_was [FailingStarts]
                }
            }
            host_functions { "Host functions" {
                spawn_starts_a_child [HostFunctions]
                resume_starts_a_child_with_a_state [HostFunctions]
                list_children_lists_those_that_have_not_ended [HostFunctions]
                restart_child_begins_the_next_life [HostFunctions]
                stop_child_ends_a_child_and_one_that_has_ended_is_no_error [HostFunctions]
                get_child_state_reads_the_last_good_state [HostFunctions]
                get_child_events_reads_the_chain [HostFunctions]
                a_start_that_fails_tells_the_real_reason [HostFunctions FailingStarts]
                each_call_is_recorded_before_and_after [HostFunctions]
                a_refusal_is_recorded_too [HostFunctions]
            } }
            isolation { "Isolation" {
                everybody_but_an_own_child_gets_one_answer [HostFunctions]
                a_refusal_touches_nobody [HostFunctions]
                a_child_cannot_reach_its_parent_or_siblings [HostFunctions]
            } }
            liveness { "Liveness" {
                a_busy_actor_can_be_killed [Busy]
                a_busy_actor_does_not_hold_up_its_siblings [Busy]
                a_start_that_hangs_can_be_given_up_and_tried_again [SlowStarts ChangingStarts]
                a_parent_that_names_itself_is_answered [HostFunctions]
                a_parent_can_stop_a_busy_child [HostFunctions Busy]
            } }
            otp { "OTP's rules" {
                a_permanent_child_is_always_started_again []
                a_transient_child_is_started_again_when_it_failed []
                a_transient_child_that_finished_is_left [Completion]
                a_temporary_child_is_never_started_again []
                one_for_one_restarts_one []
                one_for_all_restarts_all_in_order []
                rest_for_one_restarts_those_after_it []
                a_restarted_child_keeps_its_id_and_its_state []
                too_many_restarts_end_the_supervisor_and_all_children []
                a_supervisor_that_ends_stops_its_children_latest_first []
                a_restart_that_fails_is_tried_again [FailingStarts ChangingStarts]
                a_significant_child_that_finishes_ends_the_supervisor [Completion]
                a_terminated_child_stays_down_and_can_be_restarted_and_deleted []
                a_child_is_stopped_within_its_own_grace [Busy]
            } }
        }
    };
}

macro_rules! table {
    ({} $($file:ident { $($clause:literal { $($case:ident [$($need:ident)*])* })* })*) => {
        /// All cases of the suite for [`ActorRuntime`](theater_core::ActorRuntime), in its order.
        pub const CASES: &[Case<Subject>] = &[$($($(
            Case {
                name: concat!(stringify!($file), "::", stringify!($case)),
                clause: $clause,
                needs: &[$(Capability::$need),*],
                run: |it| Box::pin($file::$case(it)),
            },
        )*)*)*];
    };
}

__runtime_cases! { [table] {} }
