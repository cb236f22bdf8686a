//! The host interfaces, one file each: what the WIT package says on one side, ours on the other.

pub(crate) mod environment;
pub(crate) mod filesystem;
#[cfg(feature = "http-client")]
pub(crate) mod http_client;
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
pub(crate) mod wasi;

use theater_core::HandlerKind;
use wasmtime::component::{Component, HasSelf, Linker, LinkerInstance};

use crate::store::ActorStore;

/// An interface that is given to who asks for it.
pub(crate) struct Interface {
    /// As imports name it.
    pub(crate) name: &'static str,
    /// The handler of a manifest that asks for it.
    pub(crate) handler: HandlerKind,
    /// Makes its functions available to a component. Each life brings what answers them in its store.
    pub(crate) add: fn(&Component, &mut Linker<ActorStore>) -> wasmtime::Result<()>,
}

impl Interface {
    const fn new(
        name: &'static str,
        handler: HandlerKind,
        add: fn(&Component, &mut Linker<ActorStore>) -> wasmtime::Result<()>,
    ) -> Self {
        Self { name, handler, add }
    }
}

/// All of them.
pub(crate) const INTERFACES: &[Interface] = &[
    Interface::new(supervisor::INTERFACE, HandlerKind::Supervisor, |_, to| supervisor::add_to_linker(to)),
    Interface::new(message_server::INTERFACE, HandlerKind::MessageServer, |_, to| {
        message_server::add_to_linker(to)
    }),
    Interface::new(timing::INTERFACE, HandlerKind::Timing, |_, to| timing::add_to_linker(to)),
    Interface::new(random::INTERFACE, HandlerKind::Random, |_, to| random::add_to_linker(to)),
    Interface::new(environment::INTERFACE, HandlerKind::Environment, |_, to| environment::add_to_linker(to)),
    Interface::new(store::INTERFACE, HandlerKind::Store, |_, to| store::add_to_linker(to)),
    Interface::new(filesystem::INTERFACE, HandlerKind::Filesystem, |_, to| filesystem::add_to_linker(to)),
    Interface::new(wasi::INTERFACES, HandlerKind::Wasi, |_, to| wasi::add_to_linker(to)),
    #[cfg(all(unix, feature = "process"))]
    Interface::new(process::INTERFACE, HandlerKind::Process, process::add_to_linker),
    #[cfg(feature = "http-client")]
    Interface::new(http_client::INTERFACE, HandlerKind::HttpClient, |_, to| http_client::add_to_linker(to)),
];

/// The interface of types that comes with `http-client`.
const HTTP_TYPES: &str = "theater:simple/http-types";

/// The version under which the WIT package was published. Who depends on the published package imports its interfaces with a version, and
/// who has the package's files without.
const PUBLISHED: &str = "0.1.0";

/// What host functions are given: the store itself.
type OfStore = HasSelf<ActorStore>;

/// Defines an interface by its name alone and by its published version. wasmtime takes that for all of 0.1.
fn under_both_names(
    linker: &mut Linker<ActorStore>,
    interface: &str,
    add: impl Fn(&mut LinkerInstance<'_, ActorStore>) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    add(&mut linker.instance(interface)?)?;
    add(&mut linker.instance(&format!("{interface}@{PUBLISHED}"))?)
}

/// The interface that an import or export of this name is of: without its version, if that is one of 0.1.
pub(crate) fn interface_of(name: &str) -> &str {
    match name.split_once("@0.1.") {
        Some((interface, patch)) if patch.parse::<u64>().is_ok() => interface,
        _ => name,
    }
}

/// The handler that gives what a component imports under this name.
pub(crate) fn handler_of(import: &str) -> Option<HandlerKind> {
    if wasi::provides(import) {
        return Some(HandlerKind::Wasi);
    }
    if import == HTTP_TYPES && provides(HandlerKind::HttpClient) {
        return Some(HandlerKind::HttpClient);
    }
    INTERFACES.iter().find(|interface| interface.name == import).map(|interface| interface.handler)
}

/// The feature with which this runtime would provide a kind of handler.
pub(crate) fn feature_of(kind: HandlerKind) -> Option<&'static str> {
    let feature = match kind {
        HandlerKind::Process if cfg!(unix) => "process",
        HandlerKind::HttpClient => "http-client",
        _ => return None,
    };
    (!provides(kind)).then_some(feature)
}

/// The same of an interface, and the handler that asks for it.
pub(crate) fn feature_of_import(import: &str) -> Option<(&'static str, HandlerKind)> {
    let kind = match import {
        "theater:simple/process" => HandlerKind::Process,
        "theater:simple/http-client" | HTTP_TYPES => HandlerKind::HttpClient,
        _ => return None,
    };
    feature_of(kind).map(|feature| (feature, kind))
}

/// Whether this runtime provides a kind of handler.
pub(crate) fn provides(kind: HandlerKind) -> bool {
    kind == HandlerKind::Runtime || INTERFACES.iter().any(|interface| interface.handler == kind)
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

#[cfg(test)]
mod tests {
    use super::interface_of;

    #[test]
    fn an_interface_has_its_name_alone_or_with_a_version_of_0_1() {
        for (name, interface) in [
            ("theater:simple/timing", "theater:simple/timing"),
            ("theater:simple/timing@0.1.0", "theater:simple/timing"),
            ("theater:simple/timing@0.1.12", "theater:simple/timing"),
            ("theater:simple/timing@0.2.0", "theater:simple/timing@0.2.0"),
            ("theater:simple/timing@0.1.0-rc1", "theater:simple/timing@0.1.0-rc1"),
            ("theater:simple/timing@0.1.", "theater:simple/timing@0.1."),
        ] {
            assert_eq!(interface_of(name), interface);
        }
    }
}
