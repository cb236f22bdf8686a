//! `theater:simple/process`: other programs, as far as the manifest names them.

mod error;
mod folder;
mod june;
mod order;
mod output;
mod pieces;
mod program;
mod programs;

use theater_core::{Bytes, EventKind};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Type};

pub(crate) use error::ProcessRefusal;
pub(crate) use output::{Happened, Happening};
pub(crate) use programs::{Bounds, Happenings, Programs};

use super::record::subject;
use super::services::Refusal;
use crate::store::ActorStore;
use bindings::theater::simple::process as interface;
use order::{Mode, Order};

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/process";

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package theater:host; world process { import theater:simple/process; }",
        world: "theater:host/process",
        imports: { default: async | trappable },
    });
}

/// Gives a component the interface in the form in which it imports it: with `execution-timeout`, or as it was before July 2025.
pub(crate) fn add_to_linker(component: &Component, linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    if june::is_meant_by(component, linker.engine()) {
        return june::add_to_linker(linker);
    }
    super::under_both_names(linker, INTERFACE, |instance| {
        interface::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

/// Whether the component's `os-spawn` takes a record that has no such field. One that does not import it takes any.
fn spawns_without(field: &str, component: &Component, engine: &wasmtime::Engine) -> bool {
    let ty = component.component_type();
    let import = ty
        .imports(engine)
        .find(|(name, _)| super::interface_of(name) == INTERFACE)
        .map(|(_, import)| import.ty);
    let Some(ComponentItem::ComponentInstance(instance)) = import else { return false };
    let spawn = instance.exports(engine).find(|(name, _)| *name == "os-spawn").map(|(_, export)| export.ty);
    let Some(ComponentItem::ComponentFunc(spawn)) = spawn else { return false };
    let config = spawn.params().next().map(|(_, ty)| ty);
    matches!(config, Some(Type::Record(record)) if record.fields().all(|other| other.name != field))
}

/// What the host functions work with, whichever form of the interface a component imports.
impl ActorStore {
    async fn os_spawn_order(&mut self, order: Order) -> wasmtime::Result<Result<u64, String>> {
        let given = Some(order.recorded());
        let subject = subject(&[&order.program]);
        self.effected_at(EventKind::PROCESS_SPAWN, subject, given, |services, seq| async move {
            // Where its start stands on the chain: no other program of this actor has that, in whichever life.
            services.programs()?.start(seq, order, services.now()).await.map(|()| seq)
        })
        .await
    }

    async fn os_write(&mut self, pid: u64, data: Vec<u8>) -> wasmtime::Result<Result<u32, String>> {
        let data = Bytes::from(data);
        let (subject, given) = (subject(&[&pid.to_string()]), Some(data.clone()));
        self.effected(EventKind::PROCESS_WRITE_STDIN, subject, given, |services| async move {
            services.programs()?.write(pid, &data).await
        })
        .await
    }

    /// Whether it runs, what it ended with, and when it was started.
    async fn os_status_of(&mut self, pid: u64) -> wasmtime::Result<Result<Status, String>> {
        let subject = subject(&[&pid.to_string()]);
        self.observed(EventKind::PROCESS_STATUS, subject, |services| async move {
            Ok(services.programs()?.status(pid)?)
        })
        .await
    }

    async fn os_send_signal(&mut self, pid: u64, signal: u32) -> wasmtime::Result<Result<(), String>> {
        let subject = subject(&[&pid.to_string(), &signal.to_string()]);
        self.effected(EventKind::PROCESS_SIGNAL, subject, None, |services| async move {
            Ok(services.programs()?.signal(pid, signal)?)
        })
        .await
    }

    async fn os_kill_program(&mut self, pid: u64) -> wasmtime::Result<Result<(), String>> {
        let subject = subject(&[&pid.to_string()]);
        self.effected(EventKind::PROCESS_KILL, subject, None, |services| async move {
            Ok(services.programs()?.kill(pid)?)
        })
        .await
    }
}

/// Whether it runs, what it ended with, and when it was started in milliseconds since the Unix epoch.
pub(super) type Status = (bool, Option<i32>, u64);

/// Both forms of the interface have these in common, but for the names of their types.
macro_rules! implement {
    ($interface:ident, $timeout:expr) => {
        impl From<$interface::OutputMode> for Mode {
            fn from(mode: $interface::OutputMode) -> Self {
                match mode {
                    $interface::OutputMode::Raw => Self::Raw,
                    $interface::OutputMode::LineByLine => Self::Lines,
                    $interface::OutputMode::Json => Self::Json,
                    $interface::OutputMode::Chunked => Self::Chunked,
                }
            }
        }

        impl $interface::Host for ActorStore {
            async fn os_spawn(
                &mut self,
                config: $interface::ProcessConfig,
            ) -> wasmtime::Result<Result<u64, String>> {
                let timeout: fn(&$interface::ProcessConfig) -> Option<u64> = $timeout;
                let execution_timeout = timeout(&config);
                self.os_spawn_order(Order {
                    program: config.program,
                    args: config.args,
                    cwd: config.cwd,
                    env: config.env,
                    buffer_size: config.buffer_size,
                    stdout: config.stdout_mode.into(),
                    stderr: config.stderr_mode.into(),
                    chunk_size: config.chunk_size,
                    execution_timeout,
                })
                .await
            }

            async fn os_write_stdin(
                &mut self,
                pid: u64,
                data: Vec<u8>,
            ) -> wasmtime::Result<Result<u32, String>> {
                self.os_write(pid, data).await
            }

            async fn os_status(
                &mut self,
                pid: u64,
            ) -> wasmtime::Result<Result<$interface::ProcessStatus, String>> {
                let status = self.os_status_of(pid).await?;
                Ok(status.map(|(running, exit_code, start_time)| $interface::ProcessStatus {
                    pid,
                    running,
                    exit_code,
                    start_time,
                }))
            }

            async fn os_signal(&mut self, pid: u64, signal: u32) -> wasmtime::Result<Result<(), String>> {
                self.os_send_signal(pid, signal).await
            }

            async fn os_kill(&mut self, pid: u64) -> wasmtime::Result<Result<(), String>> {
                self.os_kill_program(pid).await
            }
        }
    };
}
use implement;

implement!(interface, |config| config.execution_timeout);

impl super::services::Services {
    fn programs(&self) -> Result<&Programs, Refusal> {
        self.programs.as_deref().ok_or(Refusal::NotGranted)
    }
}
