//! Components: compiled once, checked, and linked to the host functions that their manifest asks for.

mod cache;
mod exports;

use std::sync::{Arc, OnceLock};

use theater_core::{ComponentErrorKind, HandlerKind, HostLinker, LinkError};
use theater_supervisor::{SupervisorHost, SupervisorHostConfig};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, InstancePre, Linker};

pub(crate) use cache::ComponentCache;
pub(crate) use exports::{
    Answer, ChannelAccept, Export, ExportIndices, Guest, NewState, WitActorError, WitErrorType,
};

use crate::engine::{ActorEngine, Compiled};
use crate::host;
use crate::instance::{ActorInstance, InstantiateError};
use crate::store::ActorStore;

/// A component and the host functions that it will be given: an actor's code before it lives.
///
/// # Examples
/// The seed's own example; the paths are this crate's.
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use theater_core::{ActorHandle, ShutdownReceiver};
/// use theater_supervisor::{SupervisorHost, SupervisorHostConfig};
/// use theater_wasm::ActorComponent;
///
/// let supervisor = SupervisorHost::new(SupervisorHostConfig {});
///
/// let mut actor_component = ActorComponent::dummy();
/// supervisor.setup_host_functions(&mut actor_component).await?;
///
/// let actor_handle = ActorHandle::dummy();
/// # let (controller, shutdown_receiver) = theater_core::ShutdownController::new();
/// # controller.shutdown();
/// # let _ = || {
/// let shutdown_receiver = ShutdownReceiver::dummy();
/// # };
/// supervisor.start(actor_handle, shutdown_receiver).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ActorComponent {
    component: Component,
    places: Option<Arc<Semaphore>>,
    linker: Linker<ActorStore>,
    supervisor: Option<SupervisorHost>,
    /// What was linked.
    linked: Vec<HandlerKind>,
}

impl std::fmt::Debug for ActorComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActorComponent").field("supervisor", &self.supervisor).finish_non_exhaustive()
    }
}

impl ActorComponent {
    /// Compiles a component. It may import `theater:simple/runtime` so far.
    ///
    /// Compiling takes milliseconds to seconds of processor time: in async code, call it on a blocking thread.
    ///
    /// # Errors
    /// If the bytes are not a component that this engine runs.
    pub fn new(engine: &ActorEngine, bytes: &[u8]) -> Result<Self, ComponentErrorKind> {
        Self::of(compile(engine, bytes)?)
    }

    fn of(Compiled { component, places }: Compiled) -> Result<Self, ComponentErrorKind> {
        let mut linker = Linker::new(component.engine());
        linker.allow_shadowing(true);
        host::runtime::add_to_linker(&mut linker)
            .map_err(|error| ComponentErrorKind::Rejected { message: format!("{error:#}") })?;
        Ok(Self { component, places, linker, supervisor: None, linked: Vec::new() })
    }

    /// Gives the component the functions of a handler. What has no functions of its own is nothing.
    ///
    /// # Errors
    /// If the engine refuses them.
    pub(crate) fn link(&mut self, kind: HandlerKind) -> Result<(), LinkError> {
        match kind {
            HandlerKind::Supervisor => self.link_host(SupervisorHost::new(SupervisorHostConfig {})),
            kind => self.add(kind),
        }
    }

    fn add(&mut self, kind: HandlerKind) -> Result<(), LinkError> {
        let Some(interface) = host::INTERFACES.iter().find(|interface| interface.handler == kind) else {
            return Ok(());
        };
        (interface.add)(&self.component, &mut self.linker)
            .map_err(|error| LinkError::new(interface.name, format!("{error:#}")))?;
        self.linked.push(kind);
        Ok(())
    }

    /// Checks imports and exports and prepares everything that can be prepared before there is an actor.
    ///
    /// # Errors
    /// If an import has not been linked, or an export is missing.
    pub fn prepare(&self) -> Result<PreparedComponent, ComponentErrorKind> {
        self.check_imports()?;
        let exports = ExportIndices::find(&self.component)?;
        // All interfaces are there, so what is left are functions that they do not have, or of another type.
        let pre =
            self.linker.instantiate_pre(&self.component).map_err(|error| ComponentErrorKind::Rejected {
                message: format!(
                    "an import has another type than this runtime's WIT packages give it: {error:#}"
                ),
            })?;
        Ok(PreparedComponent {
            pre,
            exports,
            checked: Arc::default(),
            places: self.places.clone(),
            supervisor: self.supervisor.clone(),
        })
    }

    fn check_imports(&self) -> Result<(), ComponentErrorKind> {
        let linked = |name: &str| {
            name == host::runtime::INTERFACE
                || name == "theater:simple/types"
                || host::handler_of(name).is_some_and(|kind| self.linked.contains(&kind))
        };
        let engine = self.component.engine();
        for (import, _) in self.component.component_type().imports(engine) {
            if !linked(host::interface_of(import)) {
                return Err(ComponentErrorKind::UnknownImport {
                    import: import.to_owned(),
                    hint: hint(import),
                });
            }
        }
        Ok(())
    }

    /// A component without imports and exports, for demonstrations.
    ///
    /// # Panics
    /// If no engine can be set up on this machine.
    #[doc(hidden)]
    #[must_use]
    pub fn dummy() -> Self {
        let config = crate::EngineConfig { max_actors: 1, ..crate::EngineConfig::default() };
        let engine = ActorEngine::new(&config).expect("one actor fits on every machine");
        Self::new(&engine, b"\0asm\x0d\0\x01\0").expect("the empty component is a component")
    }
}

fn compile(engine: &ActorEngine, bytes: &[u8]) -> Result<Compiled, ComponentErrorKind> {
    engine.compile(bytes).map_err(|error| ComponentErrorKind::NotAComponent { message: format!("{error:#}") })
}

/// What to do about an import that nothing provides.
pub(crate) fn hint(import: &str) -> String {
    let interface = host::interface_of(import);
    if let Some((feature, kind)) = host::feature_of_import(interface) {
        return format!(
            "build theater-wasm with the feature `{feature}`, and add `[[handlers]]` with `type = \"{}\"` to the manifest",
            kind.name()
        );
    }
    match (host::handler_of(interface), import.split_once('@')) {
        (Some(kind), _) => format!("add `[[handlers]]` with `type = \"{}\"` to the manifest", kind.name()),
        (None, Some((interface, version))) if interface.starts_with("theater:simple/") => {
            format!("this runtime provides theater:simple without a version and as 0.1, not as {version}")
        }
        (None, _) => {
            let provided: Vec<_> = host::INTERFACES.iter().map(|interface| interface.name).collect();
            let provided = provided.join(", ");
            format!(
                "this runtime provides theater:simple/runtime, and where the manifest has their handlers: {provided}"
            )
        }
    }
}

impl HostLinker<SupervisorHost> for ActorComponent {
    fn link_host(&mut self, host: SupervisorHost) -> Result<(), LinkError> {
        self.add(HandlerKind::Supervisor)?;
        self.supervisor = Some(host);
        Ok(())
    }
}

/// A component that is ready to be instantiated, any number of times.
#[derive(Clone)]
pub struct PreparedComponent {
    pre: InstancePre<ActorStore>,
    exports: ExportIndices,
    /// Set when the exports' types have been found to be right.
    checked: Arc<OnceLock<()>>,
    places: Option<Arc<Semaphore>>,
    supervisor: Option<SupervisorHost>,
}

impl std::fmt::Debug for PreparedComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedComponent").field("exports", &self.exports).finish_non_exhaustive()
    }
}

impl PreparedComponent {
    /// Makes an instance for the actor that `store` names. A store without a supervisor host gets the one that was
    /// linked.
    ///
    /// # Errors
    /// If the engine has no room, or the component's start function traps.
    pub async fn instantiate(&self, mut store: ActorStore) -> Result<ActorInstance, InstantiateError> {
        if let (None, Some(host)) = (store.supervisor(), &self.supervisor) {
            store = store.with_supervisor(host.clone());
        }
        let place = match &self.places {
            Some(places) => {
                Some(Arc::clone(places).try_acquire_owned().map_err(|_| InstantiateError::NoLargeRoom)?)
            }
            None => None,
        };
        let mut instance = ActorInstance::new(&self.pre, &self.exports, &self.checked, store).await?;
        instance.place = place;
        Ok(instance)
    }

    pub(crate) fn exports(&self) -> &ExportIndices {
        &self.exports
    }
}
