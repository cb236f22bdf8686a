//! Runs Theater actors as WebAssembly components on wasmtime. The only crate that names wasmtime.
//!
//! - [`WasmRuntime`] implements [`ActorRuntime`](theater_core::ActorRuntime): start here.
//! - [`ActorEngine`] is the engine, set up for many small actors.
//! - [`ActorComponent`], [`PreparedComponent`], [`ActorInstance`] and [`ActorStore`] are the steps from bytes to a
//!   living guest, for those who embed single parts.
//! - [`ContentStore`] keeps what actors store: [`MemoryContents`], [`FileContents`].
//! - [`FileSource`] takes manifests from a folder, [`FolderContent`] content by its digest, and [`MapFile`] says which local file
//!   stands for a reference.
//!
//! # Features
//! - `https`: `HttpsSource` takes manifests, components and states over `https:` from hosts that are allowed. Off by default.
//! - `process`: actors may run the programs that their manifests name, through `theater:simple/process`. Off by default; on Unix
//!   only, elsewhere it changes nothing. A program is no guest: it may do whatever the user may who runs this process.
//! - `http-client`: the handler of that name, with which actors ask the hosts that their manifests allow. Off by default; without it a
//!   manifest that asks for the handler is refused.
//! - `compile-cache`: `EngineConfig::compile_cache` names a folder in which compiled components are kept for later processes. Off by
//!   default: it brings wasmtime's own cache, and with it zstd.

#![forbid(unsafe_code)]

mod component;
mod content;
mod engine;
mod folder;
mod host;
#[cfg(feature = "http-client")]
mod http;
mod instance;
mod runtime;
mod script;
mod source;
mod store;
#[cfg(any(feature = "https", feature = "http-client"))]
mod tls;

pub use component::{ActorComponent, PreparedComponent};
pub use content::{ContentError, ContentStore, DEFAULT_CONTENT_LIMIT, FileContents, MemoryContents};
pub use engine::{ActorEngine, EngineConfig, EngineError};
pub use instance::{ActorInstance, InstantiateError};
pub use runtime::{
    CheckedActor, GrowthError, LifecycleEvent, LifecycleKind, LifecycleStream, Rerun, RerunError,
    ReviveError, Revived, RevivedActor, RuntimeBuilder, RuntimeConfig, WasmRuntime, Watched,
};
#[cfg(feature = "https")]
pub use source::{AllowedHost, HttpsConfig, HttpsSource, InvalidHost};
pub use source::{FileSource, FolderContent, MapFile};
pub use store::ActorStore;
#[cfg(any(feature = "https", feature = "http-client"))]
pub use tls::{InvalidRoots, TlsRoots};
