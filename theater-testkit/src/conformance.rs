//! What a backend has to do, as test cases for anybody's backend.

mod backend;

pub use backend::{Capability, Clock, TestBackend};
