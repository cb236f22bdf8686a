//! A runtime of one's own: actors that are Rust closures on tokio tasks, supervised like any others.
//!
//! `docs/plug-in-your-own-runtime.md` walks through it. Read it in this order: [`Behaviour`] is what an actor does, `table.rs` has
//! the actors and every step that the contract of [`ActorRuntime`](theater_core::ActorRuntime) wants to be one step, `life.rs` runs
//! one life, and `runtime.rs` puts them together. `tests/conformance.rs` shows that it keeps the contract.

mod behaviour;
mod life;
mod runtime;
mod table;

pub use behaviour::{Behaviour, Init, Step};
pub use runtime::NativeRuntime;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/plug-in-your-own-runtime.md")]
struct PlugInYourOwnRuntime;
