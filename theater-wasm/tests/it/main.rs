//! What `WasmRuntime` promises, shown with the components of `examples/components`.

mod callbacks;
mod chains;
mod commands;
mod conformance;
mod declared;
mod digests;
mod documents;
mod groups;
mod isolation;
mod limits;
mod liveness;
mod messages;
mod refusals;
mod revive;
mod seed;
mod sources;
mod storm;
mod support;
mod tree;
