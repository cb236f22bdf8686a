//! The conformance suite rejects runtimes that break the contract of `ActorRuntime`, each for the clause that it breaks.

mod authority;
mod backend;
mod capabilities;
mod concurrency;
mod data;
mod ending;
mod exits;
mod identity;
mod inner;
mod reading;
mod recording;
mod runtimes;
mod sources;
mod starting;
mod stores;
mod table;
