//! Functions that take the places of those that `wasmtime-wasi` links.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower};

use crate::store::ActorStore;

/// The version that `wasmtime-wasi` links. A component that imports another 0.2 gets this one.
const VERSION: &str = "0.2.12";

pub(super) type Answering<'a, T> = Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>;

/// One interface that is linked already.
pub(super) fn interface<'a>(
    linker: &'a mut Linker<ActorStore>,
    name: &str,
) -> wasmtime::Result<LinkerInstance<'a, ActorStore>> {
    linker.instance(&format!("{name}@{VERSION}"))
}

/// Defines a function in place of the one that was linked.
pub(super) fn define<P, R>(
    interface: &mut LinkerInstance<'_, ActorStore>,
    name: &str,
    function: fn(StoreContextMut<'_, ActorStore>, P) -> Answering<'_, R>,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentNamedList + Lower + 'static,
{
    interface.func_wrap_async(name, function)
}
