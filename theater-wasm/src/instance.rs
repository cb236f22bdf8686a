//! One instance of an actor's component, and calls into it.

use std::sync::OnceLock;

use theater_core::{ActorExports, ComponentErrorKind, ExitReason, LinkError};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{Store, Trap, WasmBacktrace};

use crate::component::{Export, ExportIndices, Guest};
use crate::store::ActorStore;

/// An instance of an actor's component: code, memory and store of one life.
///
/// A call that did not return to its end poisons the instance, as does a trap: drop it then.
#[derive(Debug)]
pub struct ActorInstance {
    pub(crate) store: Store<ActorStore>,
    pub(crate) guest: Guest,
    /// One of the places outside the pool, held while the instance is there, where the component is too large for the pool.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// What went wrong while an instance was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstantiateError {
    /// All of the engine's places are taken.
    #[error("no room for another actor")]
    NoRoom,
    /// All of the engine's places for large components are taken.
    #[error("no room for another actor with a large component")]
    NoLargeRoom,
    /// An export has another type than it must have.
    #[error(transparent)]
    Component(#[from] ComponentErrorKind),
    /// The component failed while it was instantiated.
    #[error("{0}")]
    Failed(ExitReason),
}

impl ActorInstance {
    pub(crate) async fn new(
        pre: &InstancePre<ActorStore>,
        exports: &ExportIndices,
        checked: &OnceLock<()>,
        data: ActorStore,
    ) -> Result<Self, InstantiateError> {
        let bytes_per_call = usize::try_from(largest_transfer(&data)).unwrap_or(usize::MAX);
        let mut store = Store::new(pre.engine(), data);
        store.limiter(|data| data);
        store.set_hostcall_fuel(bytes_per_call);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().on_tick()));
        store.data_mut().begin_call();
        store.set_epoch_deadline(1);
        let instance = pre.instantiate_async(&mut store).await.map_err(|error| {
            if error.is::<wasmtime::PoolConcurrencyLimitError>() {
                return InstantiateError::NoRoom;
            }
            InstantiateError::Failed(exit_reason(store.data_mut(), &error))
        })?;
        let data = store.data_mut();
        let ended = data.end_output().await;
        ended.map_err(|error| InstantiateError::Failed(exit_reason(data, &error)))?;
        data.instantiated();
        let guest = Guest::find(&mut store, &instance, exports, checked)?;
        Ok(Self { store, guest, place: None })
    }

    /// An export, to be called; `None` where the component has no such one.
    pub(crate) fn export<P, R>(
        &self,
        which: impl FnOnce(&Guest) -> &Option<Export<P, R>>,
    ) -> Option<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        Some(which(&self.guest).as_ref()?.typed(&self.store))
    }

    /// Calls an export within the actor's processor time.
    ///
    /// # Errors
    /// The reason for which this life ends. The instance is poisoned then.
    pub(crate) async fn call<P, R>(&mut self, function: TypedFunc<P, R>, params: P) -> Result<R, ExitReason>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.store.data_mut().begin_call();
        self.store.set_epoch_deadline(1);
        // Pinned where it is made: what is awaited at once is moved first, and what wasmtime makes of a call is large.
        let called = std::pin::pin!(function.call_async(&mut self.store, params)).await;
        let data = self.store.data_mut();
        let called = called.map_err(|error| exit_reason(data, &error));
        // Also of a call that failed: its last words say why.
        let recorded = data.end_output().await.map_err(|error| exit_reason(data, &error));
        called.and_then(|returned| recorded.map(|()| returned))
    }
}

/// The most bytes that one call may hand to the host: a state, and several messages.
fn largest_transfer(data: &ActorStore) -> u64 {
    let limits = data.limits();
    (limits.state + 2 * limits.message).saturating_mul(2).max(1 << 20)
}

fn exit_reason(data: &mut ActorStore, error: &wasmtime::Error) -> ExitReason {
    if let Some(fault) = data.take_fault() {
        return fault;
    }
    let exit = error.downcast_ref::<wasmtime_wasi::I32Exit>();
    let message = match (error.downcast_ref::<Trap>(), exit) {
        (Some(trap), _) => trap.to_string(),
        (_, Some(exit)) => format!(
            "the guest called wasi:cli/exit with code {}; an actor ends itself with theater:simple/runtime.shutdown",
            exit.0
        ),
        _ => error.root_cause().to_string(),
    };
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames).unwrap_or_default();
    let backtrace = frames
        .iter()
        .take(MAX_FRAMES)
        .map(|frame| match (frame.func_name(), frame.module_offset()) {
            (Some(name), _) => format!("{:#}", rustc_demangle::demangle(name)),
            (None, Some(offset)) => format!("<wasm offset {offset:#x}>"),
            (None, None) => "<unknown>".to_owned(),
        })
        .collect();
    ExitReason::Trapped { message, backtrace }
}

/// Frames of a guest's stack that an exit reason keeps, innermost first.
const MAX_FRAMES: usize = 32;

impl ActorExports for ActorInstance {
    fn find_export(&mut self, interface: &str, function: &str) -> Result<bool, LinkError> {
        // Types were checked when the instance was made.
        let guest = &self.guest;
        let found = match (interface, function) {
            ("theater:simple/supervisor-handlers", "handle-child-error") => {
                guest.handle_child_error.is_some()
            }
            ("theater:simple/supervisor-handlers", "handle-child-exit") => guest.handle_child_exit.is_some(),
            ("theater:simple/supervisor-handlers", "handle-child-external-stop") => {
                guest.handle_child_external_stop.is_some()
            }
            _ => return Ok(false),
        };
        Ok(found)
    }
}
