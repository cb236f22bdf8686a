//! What a backend has to do, as test cases for anybody's backend.

mod backend;
pub mod source;
pub mod store;
mod verdict;

pub use backend::{Capability, Clock, TestBackend};
