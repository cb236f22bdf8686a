//! What `WasmRuntime` promises, shown with the components of `examples/components`.

mod callbacks;
mod chains;
mod commands;
mod documents;
mod isolation;
mod limits;
mod liveness;
mod messages;
mod refusals;
mod seed;
mod support;
