//! `wasi:random`: values of the operating system, and a seed that is the actor's own.

use theater_core::{Bytes, EventKind};
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

use super::define::{Answering, define, interface};
use crate::host::record::subject;
use crate::host::services::Refusal;
use crate::store::ActorStore;

/// The most bytes that one call may ask for; `limits.message` bounds them as well.
const MOST: u64 = 1 << 20;

pub(super) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    fn bytes(mut store: StoreContextMut<'_, ActorStore>, (len,): (u64,)) -> Answering<'_, (Vec<u8>,)> {
        Box::new(async move { Ok((store.data_mut().wasi_random(len).await?.into(),)) })
    }
    fn word(mut store: StoreContextMut<'_, ActorStore>, (): ()) -> Answering<'_, (u64,)> {
        Box::new(async move {
            let bytes = store.data_mut().wasi_random(8).await?;
            let word = <[u8; 8]>::try_from(&bytes[..]);
            Ok((u64::from_le_bytes(word.map_err(|_| wasmtime::Error::msg("a record has another length"))?),))
        })
    }
    let mut secure = interface(linker, "wasi:random/random")?;
    define(&mut secure, "get-random-bytes", bytes)?;
    define(&mut secure, "get-random-u64", word)?;
    let mut insecure = interface(linker, "wasi:random/insecure")?;
    define(&mut insecure, "get-insecure-random-bytes", bytes)?;
    define(&mut insecure, "get-insecure-random-u64", word)?;
    let mut seed = interface(linker, "wasi:random/insecure-seed")?;
    define::<(), ((u64, u64),)>(&mut seed, "insecure-seed", |store, ()| {
        let seed = seed_of(store.data());
        Box::new(async move { Ok((seed,)) })
    })
}

/// What a guest begins its hash tables with. It asks for it when it first needs it and keeps it, in an instance that may be
/// gone when a call is run again: so it is the same in all lives of an actor, and not recorded.
fn seed_of(store: &ActorStore) -> (u64, u64) {
    let mut hasher = blake3::Hasher::new_derive_key("theater 2026-11 wasi insecure seed of an actor");
    hasher.update(store.caller().id.to_string().as_bytes());
    super::two_words(&hasher)
}

impl ActorStore {
    async fn wasi_random(&mut self, len: u64) -> wasmtime::Result<Bytes> {
        let subject = subject(&[&len.to_string()]);
        let bytes = self.observed(EventKind::WASI_RANDOM, subject, |services| async move {
            services.wasi.ok_or(Refusal::NotGranted)?;
            let limit = MOST.min(services.content_limit);
            if len > limit {
                return Err(Refusal::TooManyRandom { asked: len, limit });
            }
            // It is at most 1 MiB.
            let mut bytes = vec![0; len as usize];
            getrandom::fill(&mut bytes).map_err(Refusal::NoRandomness)?;
            Ok(Bytes::from(bytes))
        });
        bytes.await?.map_err(wasmtime::Error::msg)
    }
}
