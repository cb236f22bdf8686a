//! What the engine keeps for one life of one actor.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use theater_core::{Bytes, Caller, ChainId, ExitReason, HandlerKind, Limits, Manifest};
use theater_supervisor::SupervisorHost;
use wasmtime::{ResourceLimiter, UpdateDeadline};

use crate::engine::TICK;
use crate::host::services::Services;
use crate::host::wasi::Wasi;
use crate::runtime::Messenger;
use crate::script::{History, Script};

/// The data of one actor's `wasmtime::Store`: who it is, what it may use, and what its host functions need.
///
/// One store serves one life. A trap poisons it, so a further life gets a new one.
#[derive(Debug)]
pub struct ActorStore {
    caller: Caller,
    limits: Limits,
    ticks_left: u64,
    /// Set where the engine is about to trap for a reason that only we know.
    fault: Option<ExitReason>,
    shutdown: Option<Option<Bytes>>,
    supervisor: Option<SupervisorHost>,
    messenger: Option<Arc<Messenger>>,
    services: Option<Arc<Services>>,
    /// What host calls are answered from while a call is run once more.
    pub(crate) script: Option<Script>,
    /// What the script refers to, and which chain is the actor's own.
    pub(crate) history: Option<(Arc<History>, ChainId)>,
    /// Bytes of all its memories.
    memory: u64,
    /// Made when the guest first uses it. The mutex is never locked: it makes the world `Sync`, which its parts are not.
    pub(crate) wasi: Option<Box<Mutex<Wasi>>>,
    /// While the component is instantiated: how many host functions were recorded so far.
    instantiating: Option<u64>,
    /// What a guest of WASI sees without a record of it. Also known where there are no services.
    pub(crate) granted: Granted,
}

/// What of the outside a manifest grants to guests of WASI.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Granted {
    pub(crate) variables: bool,
    pub(crate) filesystem: bool,
}

impl Granted {
    pub(crate) fn by(manifest: &Manifest) -> Self {
        Self {
            variables: manifest.has_handler(HandlerKind::Environment),
            filesystem: manifest.has_handler(HandlerKind::Filesystem),
        }
    }
}

impl ActorStore {
    /// The data of a life of the actor `caller.id`.
    #[must_use]
    pub fn new(caller: Caller, limits: Limits) -> Self {
        Self {
            caller,
            limits,
            ticks_left: 0,
            fault: None,
            shutdown: None,
            supervisor: None,
            messenger: None,
            services: None,
            script: None,
            history: None,
            memory: 0,
            wasi: None,
            instantiating: Some(0),
            granted: Granted::default(),
        }
    }

    /// Gives the actor the supervision functions of `host`.
    #[must_use]
    pub fn with_supervisor(mut self, host: SupervisorHost) -> Self {
        self.supervisor = Some(host);
        self
    }

    /// Gives the actor a way to send messages.
    pub(crate) fn with_messenger(mut self, messenger: Messenger) -> Self {
        self.messenger = Some(Arc::new(messenger));
        self
    }

    /// Gives the actor what the manifest's other handlers grant.
    pub(crate) fn with_services(mut self, services: Option<Arc<Services>>) -> Self {
        self.services = services;
        self
    }

    /// Says what the manifest grants.
    pub(crate) fn with_granted(mut self, granted: Granted) -> Self {
        self.granted = granted;
        self
    }

    /// Who the actor is, for host functions.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What the actor may use.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn supervisor(&self) -> Option<&SupervisorHost> {
        self.supervisor.as_ref()
    }

    pub(crate) fn messenger(&self) -> Option<&Arc<Messenger>> {
        self.messenger.as_ref()
    }

    pub(crate) fn services(&self) -> Option<&Arc<Services>> {
        self.services.as_ref()
    }

    /// Asks for the end of this life after the current call.
    pub(crate) fn request_shutdown(&mut self, data: Option<Bytes>) {
        self.shutdown = Some(data);
    }

    pub(crate) fn take_shutdown(&mut self) -> Option<Option<Bytes>> {
        self.shutdown.take()
    }

    /// Ends this life with `reason`: host functions return the error, which traps the guest.
    pub(crate) fn fail(&mut self, reason: ExitReason) -> wasmtime::Error {
        let error = wasmtime::Error::msg(reason.to_string());
        self.fault = Some(reason);
        error
    }

    pub(crate) fn take_fault(&mut self) -> Option<ExitReason> {
        self.fault.take()
    }

    /// Gives the guest its processor time for one call.
    pub(crate) fn begin_call(&mut self) {
        self.ticks_left = ticks(self.limits.call_deadline);
    }

    /// The component has been instantiated: what is recorded from now on belongs to calls.
    pub(crate) fn instantiated(&mut self) {
        self.instantiating = None;
    }

    /// The number of the next record, if it belongs to the component's instantiation.
    pub(crate) fn next_of_instantiation(&mut self) -> Option<u64> {
        let number = self.instantiating.as_mut()?;
        *number += 1;
        Some(*number - 1)
    }

    /// Counts processor time that the host spent for the guest, where that can be more than a tick.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.ticks_left = self.ticks_left.saturating_sub(ticks(time).saturating_sub(1));
    }

    /// Counts a tick in which the guest ran. The last one interrupts it; any other lets other tasks run first.
    pub(crate) fn on_tick(&mut self) -> UpdateDeadline {
        if self.ticks_left == 0 {
            self.fault = Some(ExitReason::TimedOut { limit: self.limits.call_deadline });
            return UpdateDeadline::Interrupt;
        }
        self.ticks_left -= 1;
        if let Some(messenger) = &self.messenger {
            messenger.slow_down();
        }
        // The built-in yield wakes itself at once and starves tokio's timers while every core spins.
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    }
}

/// Ticks of a second.
const TICKS: u64 = 1_000_000_000 / TICK.subsec_nanos() as u64;
const _: () = assert!(TICK.as_nanos() * TICKS as u128 == 1_000_000_000);

/// Without a division of 128 bits: every call begins with it.
fn ticks(time: Duration) -> u64 {
    let rest = u64::from(time.subsec_nanos().div_ceil(TICK.subsec_nanos()));
    time.as_secs().saturating_mul(TICKS).saturating_add(rest)
}

impl ResourceLimiter for ActorStore {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Of all memories that the component has.
        self.memory = self.memory.saturating_add(desired.saturating_sub(current) as u64);
        if self.memory > self.limits.memory {
            let limit = self.limits.memory;
            return Err(self.fail(ExitReason::OutOfMemory { limit }));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

/// Elements of one table, the pooling allocator's own limit. A component's functions are a few thousand at most.
const MAX_TABLE_ELEMENTS: usize = 20_000;
