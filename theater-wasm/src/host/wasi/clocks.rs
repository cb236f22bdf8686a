//! `wasi:clocks`: the runtime's clock, and one that never goes back.

use theater_core::EventKind;
use wasmtime::component::Linker;
use wasmtime_wasi::HostMonotonicClock;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

use super::define::{define, interface};
use crate::host::services::Refusal;
use crate::store::ActorStore;

const SECOND: u64 = 1_000_000_000;

pub(super) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    let mut wall = interface(linker, "wasi:clocks/wall-clock")?;
    define::<(), (Datetime,)>(&mut wall, "now", |mut store, ()| {
        Box::new(async move { Ok((store.data_mut().wall_clock().await?,)) })
    })?;
    let mut monotonic = interface(linker, "wasi:clocks/monotonic-clock")?;
    define::<(), (u64,)>(&mut monotonic, "now", |mut store, ()| {
        Box::new(async move { Ok((store.data_mut().monotonic_clock().await?,)) })
    })
}

impl ActorStore {
    async fn wall_clock(&mut self) -> wasmtime::Result<Datetime> {
        let now = self.observed(EventKind::WASI_WALL_CLOCK, String::new(), |services| async move {
            services.wasi.ok_or(Refusal::NotGranted)?;
            Ok((services.provider.clock)())
        });
        let nanoseconds: u64 = now.await?.map_err(wasmtime::Error::msg)?;
        // The remainder is below a billion.
        Ok(Datetime { seconds: nanoseconds / SECOND, nanoseconds: (nanoseconds % SECOND) as u32 })
    }

    async fn monotonic_clock(&mut self) -> wasmtime::Result<u64> {
        let latest = self.wasi().latest;
        let now = self.observed(EventKind::WASI_MONOTONIC_CLOCK, String::new(), |services| async move {
            let (_, clock) = services.wasi.ok_or(Refusal::NotGranted)?;
            Ok(clock.now().max(latest))
        });
        let now = now.await?.map_err(wasmtime::Error::msg)?;
        self.wasi().latest = now;
        Ok(now)
    }
}
