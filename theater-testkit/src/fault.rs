//! What can go wrong: with the operations of a runtime, and with a store.
//!
//! [`FaultSpec`] is a fault as plain data, for plans that are generated or written down. [`FaultRule`] is one that a test
//! writes, with a predicate where it likes. [`MockRuntime::inject`](crate::MockRuntime::inject) installs either, until its guard
//! is dropped. [`FaultyStore`] does the same for any [`ChainStore`](theater_chain::ChainStore).

mod rule;
mod spec;
mod store;

pub use crate::mock::FaultGuard;
pub use rule::FaultRule;
pub use spec::{FaultKind, FaultSpec, Operation, When};
pub use store::{FaultyStore, StoreFault, StoreGuard};
