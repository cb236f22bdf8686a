//! The host interfaces, one file each: what the WIT package says on one side, ours on the other.

pub(crate) mod environment;
pub(crate) mod message_server;
#[cfg(all(unix, feature = "process"))]
pub(crate) mod process;
pub(crate) mod random;
mod record;
pub(crate) mod runtime;
pub(crate) mod services;
pub(crate) mod store;
pub(crate) mod supervisor;
pub(crate) mod timing;

use theater_core::HandlerKind;

/// The interfaces that are given to who asks for them, each with the handler that does.
pub(crate) const INTERFACES: &[(&str, HandlerKind)] = &[
    (supervisor::INTERFACE, HandlerKind::Supervisor),
    (message_server::INTERFACE, HandlerKind::MessageServer),
    (timing::INTERFACE, HandlerKind::Timing),
    (random::INTERFACE, HandlerKind::Random),
    (environment::INTERFACE, HandlerKind::Environment),
    (store::INTERFACE, HandlerKind::Store),
    #[cfg(all(unix, feature = "process"))]
    (process::INTERFACE, HandlerKind::Process),
];

/// The feature with which this runtime would provide a kind of handler.
pub(crate) fn feature_of(kind: HandlerKind) -> Option<&'static str> {
    (kind == HandlerKind::Process && cfg!(unix) && !provides(kind)).then_some("process")
}

/// The same of an interface, and the handler that asks for it.
pub(crate) fn feature_of_import(import: &str) -> Option<(&'static str, HandlerKind)> {
    let kind = HandlerKind::Process;
    let name = import.strip_prefix("theater:simple/").filter(|name| *name == kind.name());
    name.and_then(|_| feature_of(kind)).map(|feature| (feature, kind))
}

/// Whether this runtime provides a kind of handler.
pub(crate) fn provides(kind: HandlerKind) -> bool {
    kind == HandlerKind::Runtime || INTERFACES.iter().any(|(_, provided)| *provided == kind)
}

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
                import theater:simple/timing;
                import theater:simple/random;
                import theater:simple/environment;
                import theater:simple/store;
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
