//! What a [`ChainStore`] has to do, as test cases for anybody's store.

mod append;
mod read;
mod threads;
mod writer;

use std::sync::Arc;

use theater_chain::ChainStore;

use super::verdict::{Verdict, right, same};

/// The store under test: a new one for each case.
type Store = Arc<dyn ChainStore>;

type Run = fn(Store) -> std::pin::Pin<Box<dyn Future<Output = Verdict> + Send>>;
macro_rules! cases {
    ($($clause:literal: $($file:ident::$case:ident),* $(,)?;)*) => {
        pub const CASES: &[(&str, &str, Run)] = &[$($((stringify!($case), $clause, |s| Box::pin($file::$case(s))),)*)*];
    };
}
cases! {
    "Creating": append::a_chain_begins_with_its_genesis_event, append::a_chain_is_created_once,
        append::only_a_first_event_begins_a_chain, threads::one_of_many_creators_wins,
        append::an_unknown_chain_takes_nothing;
    "Compare and append": append::what_is_sealed_onto_the_head_is_appended,
        append::a_conflict_says_the_head_and_changes_nothing,
        append::an_unclear_attempt_is_found_out_by_the_head, threads::one_of_many_writers_wins;
    "Order": threads::the_order_of_the_answers_is_the_order_of_the_chain;
    "Keeping": append::what_does_not_follow_the_head_is_refused, append::what_was_sealed_wrongly_is_kept_as_it_is,
        append::a_new_term_begins_with_an_event, ;
    "Reading": read::a_new_store_has_no_chains, read::an_unknown_chain_cannot_be_read, read::events_are_read_byte_for_byte,
       read::a_range_gives_what_is_there_and_no_more, read::a_long_chain_is_read_whole_and_in_parts,
       read::large_payloads_are_kept, threads::readers_see_a_chain_that_only_grows;
    "Listing": read::chains_are_listed_in_the_order_of_their_creation;
    "Independence": read::chains_are_independent, threads::writers_of_different_chains_never_conflict;
}
