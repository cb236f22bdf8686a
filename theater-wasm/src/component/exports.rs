//! The exports of an actor: which there are, and whether they have the types that the WIT package gives them.

use std::sync::OnceLock;

use theater_core::ComponentErrorKind;
use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Func, Instance, Lift, Lower, TypedFunc,
};

use crate::host::bindings::exports::theater::simple::{message_server_client, supervisor_handlers};
use crate::host::interface_of;
use crate::store::ActorStore;

/// The state that goes in.
pub(crate) type State<'a> = Option<&'a [u8]>;
/// The state that comes out, where there is no answer besides.
pub(crate) type NewState = (Result<(Option<Vec<u8>>,), String>,);
/// The state that comes out with an answer.
pub(crate) type Answer<T> = (Result<(Option<Vec<u8>>, (T,)), String>,);

pub(crate) use crate::host::bindings::theater::simple::types::WitErrorType;
pub(crate) use message_server_client::ChannelAccept;
pub(crate) use supervisor_handlers::WitActorError;

/// An exported function of one instance. What it takes may live shorter than its type says.
pub(crate) struct Export<P, R> {
    function: Func,
    /// wasmtime walks through the whole type to find out that it is this one, which takes longer than some guests do. Most instances are
    /// never called by most of their exports, so that is left to the first call.
    typed: OnceLock<TypedFunc<P, R>>,
}

impl<P, R> std::fmt::Debug for Export<P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Export").field(&self.function).finish()
    }
}

impl<P, R> Export<P, R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    fn new(function: Func) -> Self {
        Self { function, typed: OnceLock::new() }
    }

    /// To be called.
    pub(crate) fn typed(&self, store: &Store<ActorStore>) -> TypedFunc<P, R> {
        let typed = || self.function.typed(store).expect("checked with the first instance of the component");
        *self.typed.get_or_init(typed)
    }
}

macro_rules! exports {
    ($($field:ident: $interface:literal, $name:literal, $params:ty => $result:ty;)*) => {
        /// Where a component's exports are. All but `init` may be missing.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct ExportIndices {
            $(pub(crate) $field: Option<ComponentExportIndex>,)*
        }

        impl ExportIndices {
            /// # Errors
            /// If `init` is missing.
            pub(crate) fn find(component: &Component) -> Result<Self, ComponentErrorKind> {
                let ty = component.component_type();
                let exported: Vec<_> = ty.exports(component.engine()).map(|(name, _)| name).collect();
                let find = |interface: &str, name: &str| {
                    let interface = exported.iter().find(|exported| interface_of(exported) == interface)?;
                    let interface = component.get_export_index(None, interface)?;
                    component.get_export_index(Some(&interface), name)
                };
                let found = Self { $($field: find($interface, $name),)* };
                match found.init {
                    Some(_) => Ok(found),
                    None => Err(missing("theater:simple/actor", "init")),
                }
            }
        }

        /// The exported functions of one instance.
        #[derive(Debug)]
        pub(crate) struct Guest {
            $(pub(crate) $field: Option<Export<$params, $result>>,)*
        }

        impl Guest {
            /// # Errors
            /// If an export is not a function of the expected type.
            pub(crate) fn find(
                store: &mut Store<ActorStore>,
                instance: &Instance,
                exports: &ExportIndices,
                checked: &OnceLock<()>,
            ) -> Result<Self, ComponentErrorKind> {
                // All instances of a component have the same types.
                let check = checked.get().is_none();
                let guest = Self {
                    $($field: match &exports.$field {
                        Some(index) => {
                            let func = instance
                                .get_func(&mut *store, index)
                                .ok_or_else(|| missing($interface, $name))?;
                            if check {
                                func.typed::<$params, $result>(&*store).map_err(|_| missing($interface, $name))?;
                            }
                            Some(Export::new(func))
                        }
                        None => None,
                    },)*
                };
                checked.get_or_init(|| ());
                Ok(guest)
            }
        }
    };
}

exports! {
    init: "theater:simple/actor", "init", (State<'static>, (&'static str,)) => NewState;
    handle_send: "theater:simple/message-server-client", "handle-send", (State<'static>, (&'static [u8],)) => NewState;
    handle_request: "theater:simple/message-server-client", "handle-request",
        (State<'static>, (&'static str, &'static [u8])) => Answer<Option<Vec<u8>>>;
    handle_channel_open: "theater:simple/message-server-client", "handle-channel-open",
        (State<'static>, (&'static str, &'static [u8])) => Answer<ChannelAccept>;
    handle_channel_message: "theater:simple/message-server-client", "handle-channel-message",
        (State<'static>, (&'static str, &'static [u8])) => NewState;
    handle_channel_close: "theater:simple/message-server-client", "handle-channel-close",
        (State<'static>, (&'static str,)) => NewState;
    handle_child_error: "theater:simple/supervisor-handlers", "handle-child-error",
        (State<'static>, (&'static str, WitActorError)) => NewState;
    handle_child_exit: "theater:simple/supervisor-handlers", "handle-child-exit",
        (State<'static>, (&'static str, Option<&'static [u8]>)) => NewState;
    handle_child_external_stop: "theater:simple/supervisor-handlers", "handle-child-external-stop",
        (State<'static>, (&'static str,)) => NewState;
    handle_stdout: "theater:simple/process-handlers", "handle-stdout", (State<'static>, (u64, &'static [u8])) => NewState;
    handle_stderr: "theater:simple/process-handlers", "handle-stderr", (State<'static>, (u64, &'static [u8])) => NewState;
    handle_exit: "theater:simple/process-handlers", "handle-exit", (State<'static>, (u64, i32)) => NewState;
}

fn missing(interface: &'static str, name: &'static str) -> ComponentErrorKind {
    ComponentErrorKind::MissingExport { export: format!("{interface}.{name}") }
}
