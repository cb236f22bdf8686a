//! The interface as it was before July 2025: its `process-config` has no `execution-timeout`. Everything else is the same.

use wasmtime::component::{Component, Linker};

use super::order::{Mode, Order};
use super::spawns_without;
use crate::host::{OfStore, under_both_names};
use crate::store::ActorStore;
use bindings::theater::simple::process;

mod bindings {
    // One package cannot have both forms, so the older one is written here.
    wasmtime::component::bindgen!({
        inline: "
            package theater:simple;

            interface process {
                variant output-mode { raw, line-by-line, json, chunked }
                record process-config {
                    program: string,
                    args: list<string>,
                    cwd: option<string>,
                    env: list<tuple<string, string>>,
                    buffer-size: u32,
                    stdout-mode: output-mode,
                    stderr-mode: output-mode,
                    chunk-size: option<u32>,
                }
                record process-status { pid: u64, running: bool, exit-code: option<s32>, start-time: u64 }
                os-spawn: func(config: process-config) -> result<u64, string>;
                os-write-stdin: func(pid: u64, data: list<u8>) -> result<u32, string>;
                os-status: func(pid: u64) -> result<process-status, string>;
                os-signal: func(pid: u64, signal: u32) -> result<_, string>;
                os-kill: func(pid: u64) -> result<_, string>;
            }

            world june { import process; }
        ",
        world: "theater:simple/june",
        imports: { default: async | trappable },
    });
}

/// Whether a component imports this form of the interface.
pub(super) fn is_meant_by(component: &Component, engine: &wasmtime::Engine) -> bool {
    spawns_without("execution-timeout", component, engine)
}

pub(super) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    under_both_names(linker, super::INTERFACE, |instance| {
        process::add_to_linker_instance::<_, OfStore>(instance, |store| store)
    })
}

super::implement!(process, |_| None);
