//! What a [`ChainStore`] has to do, as test cases for anybody's store.

mod append;
mod durable;
mod read;
mod remove;
mod threads;
mod writer;

use std::sync::Arc;

use theater_chain::ChainStore;

use super::backend::{Capability, Clock};
use super::case::Case;
use super::report::Report;
use super::run::Suite;
use super::verdict::{Verdict, right, same, told};

/// The store under test: a new one for each case.
pub type Store = Arc<dyn ChainStore>;

fn suite() -> Suite<Store, Capability> {
    Suite { name: "ChainStore", cases: CASES, clock: Clock::Real, lacks: |_, _| None }
}

/// Runs every case of the suite for [`ChainStore`], each on a store of its own.
pub fn run_store_conformance<S: ChainStore>(make: impl Fn() -> S + Clone + Send + 'static) -> Report {
    suite().report(move || Arc::new(make()), &[])
}

/// Runs one case, for a test of its own.
#[doc(hidden)]
#[track_caller]
pub fn run_one<S: ChainStore>(name: &str, make: impl FnOnce() -> S + Send + 'static, skips: &[(&str, &str)]) {
    suite().one(name, move || Arc::new(make()), skips);
}

/// Prints what did not pass, and the sum.
#[doc(hidden)]
#[track_caller]
pub fn print_report<S: ChainStore>(make: impl Fn() -> S + Clone + Send + 'static, skips: &[(&str, &str)]) {
    suite().print(move || Arc::new(make()), skips);
}

/// Makes a test of every case of the suite for [`ChainStore`](theater_chain::ChainStore): see
/// [`conformance_tests!`](crate::conformance_tests).
///
/// ```
/// # mod tests {
/// use theater_chain::MemoryStore;
///
/// theater_testkit::chain_store_tests!(memory, MemoryStore::new());
/// # }
/// ```
#[macro_export]
macro_rules! chain_store_tests {
    ($name:ident, $store:expr $(,)?) => {
        $crate::chain_store_tests!($name, $store, skip = {});
    };
    ($name:ident, $store:expr, skip = { $($case:literal: $reason:literal),* $(,)? } $(,)?) => {
        $crate::__store_cases! {
            [$crate::__suite_tests]
            { $name, $store, [$crate::conformance::store], { $(($case, $reason)),* } }
        }
    };
}

/// The one list of the cases: the table and the tests are made from it.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ([$($callback:tt)*] $arguments:tt) => {
        $($callback)*! {
            $arguments
            append {
                "Creating" {
                    a_chain_begins_with_its_genesis_event []
                    a_chain_is_created_once []
                    only_a_first_event_begins_a_chain []
                    an_unknown_chain_takes_nothing []
                }
                "Compare and append" {
                    what_is_sealed_onto_the_head_is_appended []
                    a_conflict_says_the_head_and_changes_nothing []
                    an_unclear_attempt_is_found_out_by_the_head []
                }
                "Keeping" {
                    what_does_not_follow_the_head_is_refused []
                    what_was_sealed_wrongly_is_kept_as_it_is []
                    a_new_term_begins_with_an_event []
                    what_could_not_be_read_back_is_refused []
                }
            }
            threads {
                "Creating" {
                    one_of_many_creators_wins []
                }
                "Compare and append" {
                    one_of_many_writers_wins []
                }
                "Order" {
                    the_order_of_the_answers_is_the_order_of_the_chain []
                }
                "Reading" {
                    readers_see_a_chain_that_only_grows []
                }
                "Independence" {
                    writers_of_different_chains_never_conflict []
                }
            }
            read {
                "Reading" {
                    a_new_store_has_no_chains []
                    an_unknown_chain_cannot_be_read []
                    events_are_read_byte_for_byte []
                    a_range_gives_what_is_there_and_no_more []
                    a_long_chain_is_read_whole_and_in_parts []
                    large_payloads_are_kept []
                }
                "Listing" {
                    chains_are_listed_in_the_order_of_their_creation []
                }
                "Independence" {
                    chains_are_independent []
                }
            }
            durable {
                "Durability" {
                    every_event_that_is_taken_has_the_next_place []
                    what_was_taken_becomes_durable []
                    there_is_room_again_once_everything_is_durable []
                }
                "Following" {
                    a_follower_hears_every_event_from_then_on []
                    a_follower_that_is_too_slow_is_told_what_it_missed []
                }
            }
            remove {
                "Removing" {
                    pruning_takes_payloads_and_nothing_else []
                    what_a_chain_needs_to_be_understood_is_not_pruned []
                    a_pruned_chain_goes_on_and_verifies []
                    pruned_events_are_read_in_both_directions []
                    pruning_again_finds_nothing_more []
                    a_pruned_event_is_taken_as_it_comes []
                    a_retired_chain_leaves_its_head []
                    a_chain_is_retired_with_its_last_head_only []
                    a_pruned_chain_is_retired_like_any_other []
                }
            }
        }
    };
}

macro_rules! table {
    ({} $($file:ident { $($clause:literal { $($case:ident [$($need:ident)*])* })* })*) => {
        /// All cases of the suite for [`ChainStore`], in its order.
        pub const CASES: &[Case<Store, Capability>] = &[$($($(
            Case {
                name: concat!(stringify!($file), "::", stringify!($case)),
                clause: $clause,
                needs: &[$(Capability::$need),*],
                run: |subject| Box::pin(async move { Ok($file::$case(subject).await?) }),
            },
        )*)*)*];
    };
}

__store_cases! { [table] {} }
