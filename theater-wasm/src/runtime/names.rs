//! Registered names: each is one actor's from its first start until it has ended for good.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Slot;
use theater_core::{ActorError, ActorId, ActorName};

use super::entry::Entry;
use super::{Inner, WasmRuntime};

/// Who has which name.
#[derive(Debug, Default)]
pub(super) struct Names(DashMap<ActorName, ActorId>);

impl Names {
    /// Makes the name this actor's. It may be already.
    ///
    /// # Errors
    /// [`NameTaken`](ActorError::NameTaken) while it is another's.
    pub(super) fn register(&self, name: Option<&ActorName>, actor: ActorId) -> Result<(), ActorError> {
        let Some(name) = name else { return Ok(()) };
        match self.0.entry(name.clone()) {
            Slot::Occupied(taken) if *taken.get() != actor => {
                Err(ActorError::NameTaken { name: name.clone() })
            }
            Slot::Occupied(_) => Ok(()),
            Slot::Vacant(free) => {
                free.insert(actor);
                Ok(())
            }
        }
    }

    /// Frees the name, if it is this actor's.
    pub(super) fn free(&self, name: Option<&ActorName>, actor: ActorId) {
        if let Some(name) = name {
            self.0.remove_if(name, |_, holder| *holder == actor);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<ActorId> {
        self.0.get(name).map(|holder| *holder)
    }
}

impl Inner {
    /// The actor that a guest means: by its id, or by the name that it registers.
    pub(super) fn addressed(&self, text: &str) -> Option<Arc<Entry>> {
        // A name is never an id.
        let id = text.parse().ok().or_else(|| self.names.find(text))?;
        self.find(id)
    }
}

impl WasmRuntime {
    /// The actor that has registered this name: its manifest's `register`. It has it across restarts, until it has ended for good.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(runtime: theater_wasm::WasmRuntime) -> Result<(), theater_core::ActorError> {
    /// if let Some(desk) = runtime.whereis("order-desk") {
    ///     runtime.send(desk, "an order").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn whereis(&self, name: &str) -> Option<ActorId> {
        self.inner.names.find(name)
    }
}
