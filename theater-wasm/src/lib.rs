//! Runs Theater actors as WebAssembly components on wasmtime. The only crate that names wasmtime.
//!
//! - [`WasmRuntime`] implements [`ActorRuntime`](theater_core::ActorRuntime): start here.
//! - [`ActorEngine`] is the engine, set up for many small actors.
//! - [`ActorComponent`], [`PreparedComponent`], [`ActorInstance`] and [`ActorStore`] are the steps from bytes to a
//!   living guest, for those who embed single parts.
//! - [`FileSource`] takes manifests from a folder.

#![forbid(unsafe_code)]

mod component;
mod engine;
mod host;
mod instance;
mod runtime;
mod script;
mod source;
mod store;

pub use component::{ActorComponent, PreparedComponent};
pub use engine::{ActorEngine, EngineConfig, EngineError};
pub use instance::{ActorInstance, InstantiateError};
pub use runtime::{
    CheckedActor, GrowthError, LifecycleEvent, LifecycleKind, LifecycleStream, Rerun, RerunError,
    ReviveError, Revived, RevivedActor, RuntimeBuilder, RuntimeConfig, WasmRuntime, Watched,
};
pub use source::FileSource;
pub use store::ActorStore;
