//! The host interfaces, one file each: what the WIT package says on one side, ours on the other.

pub(crate) mod message_server;
pub(crate) mod runtime;
pub(crate) mod supervisor;

/// Bindings that wasmtime generates from `wit/`. The WIT files are the only place where signatures are written.
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package theater:host;
            world host {
                import theater:simple/runtime;
                import theater:simple/supervisor;
                import theater:simple/message-server-host;
                export theater:simple/actor;
                export theater:simple/message-server-client;
                export theater:simple/supervisor-handlers;
            }
        ",
        world: "theater:host/host",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// An error as a guest sees it: one text with all its causes.
pub(crate) fn to_guest<T>(result: Result<T, impl std::error::Error>) -> Result<T, String> {
    result.map_err(|error| theater_core::error::with_causes(&error))
}
