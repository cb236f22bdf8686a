//! What the engine keeps for one life of one actor.

use std::sync::Arc;
use std::time::Duration;

use theater_core::{Bytes, Caller, ChainId, ExitReason, Limits};
use theater_supervisor::SupervisorHost;
use wasmtime::{ResourceLimiter, UpdateDeadline};

use crate::engine::TICK;
use crate::host::services::Services;
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
    messenger: Option<Messenger>,
    services: Option<Arc<Services>>,
    /// What host calls are answered from while a call is run once more.
    pub(crate) script: Option<Script>,
    /// What the script refers to, and which chain is the actor's own.
    pub(crate) history: Option<(Arc<History>, ChainId)>,
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
        self.messenger = Some(messenger);
        self
    }

    /// Gives the actor what the manifest's other handlers grant.
    pub(crate) fn with_services(mut self, services: Option<Arc<Services>>) -> Self {
        self.services = services;
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

    pub(crate) fn messenger(&self) -> Option<&Messenger> {
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

    /// Counts a tick in which the guest ran. The last one interrupts it; any other lets other tasks run first.
    pub(crate) fn on_tick(&mut self) -> UpdateDeadline {
        if self.ticks_left == 0 {
            self.fault = Some(ExitReason::TimedOut { limit: self.limits.call_deadline });
            return UpdateDeadline::Interrupt;
        }
        self.ticks_left -= 1;
        // The built-in yield wakes itself at once and starves tokio's timers while every core spins.
        UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX)
}

impl ResourceLimiter for ActorStore {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired as u64 > self.limits.memory {
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
