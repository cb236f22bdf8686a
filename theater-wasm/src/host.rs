//! The host interfaces, one file each: what the WIT package says on one side, ours on the other.

pub(crate) mod environment;
pub(crate) mod filesystem;
#[cfg(feature = "http-client")]
pub(crate) mod http_client;
pub(crate) mod message_server;
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
    (filesystem::INTERFACE, HandlerKind::Filesystem),
    #[cfg(feature = "http-client")]
    (http_client::INTERFACE, HandlerKind::HttpClient),
];

/// The interface of types that comes with another one.
pub(crate) const HTTP_TYPES: (&str, HandlerKind) = ("theater:simple/http-types", HandlerKind::HttpClient);

/// How to get a build with a handler that this one lacks.
pub(crate) fn not_built(kind: HandlerKind) -> Option<&'static str> {
    let lacks = kind == HandlerKind::HttpClient && !provides(kind);
    lacks.then_some(
        "it needs the feature `http-client` of theater-wasm, which theater-cli has unless it is built with `--no-default-features`",
    )
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
                import theater:simple/filesystem;
                import theater:simple/http-client;
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
