//! The conformance suite rejects runtimes that break the contract of `ActorRuntime`, each for the clause that it breaks.

mod authority;
mod backend;
mod concurrency;
mod ending;
mod exits;
mod identity;
mod inner;
mod reading;
mod recording;
mod starting;
mod table;
