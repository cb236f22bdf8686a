//! Keeping chains from growing without end: what a caller decides and in which order, whatever the store.
//!
//! - `policy` says what may go, `prune` lets it go once the chain says so.
//! - `retire` removes the chain of an actor that has ended, against a checkpoint on its parent's.
//! - `budget` warns before a chain is full.

mod budget;
mod policy;
mod prune;
mod retire;

pub use budget::{ChainBudget, ChainTotals, Charge};
pub use policy::PrunePolicy;
pub use prune::{PruneChainError, prune_chain};
pub use retire::{RetireChainError, retire_chain};
