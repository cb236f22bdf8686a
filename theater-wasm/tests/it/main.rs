//! What `WasmRuntime` promises, shown with the components of `examples/components`.

mod callbacks;
mod capabilities;
mod chains;
mod commands;
mod compatibility;
mod conformance;
mod declared;
mod digests;
mod documents;
mod groups;
mod host_environment;
mod host_filesystem;
#[cfg(feature = "http-client")]
mod host_http_client;
#[cfg(all(unix, feature = "process"))]
mod host_process;
mod host_random;
mod host_replay;
mod host_store;
mod host_support;
mod host_timing;
mod host_wasi;
mod hostile;
#[cfg(feature = "http-client")]
mod http_server;
mod isolation;
mod large_components;
mod limits;
mod liveness;
mod messages;
mod names;
mod refusals;
mod revive;
mod seed;
mod sources;
mod storm;
mod support;
mod tree;
