//! `wasi:cli/environment`: the variables that the manifest's handler `environment` grants.

use theater_core::EventKind;
use wasmtime::component::Linker;

use super::define::{define, interface};
use crate::host::services::Refusal;
use crate::store::ActorStore;

type Variables = Vec<(String, String)>;

pub(super) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    let mut environment = interface(linker, "wasi:cli/environment")?;
    define::<(), (Variables,)>(&mut environment, "get-environment", |mut store, ()| {
        Box::new(async move { Ok((store.data_mut().variables().await?,)) })
    })
}

impl ActorStore {
    /// The variables that the manifest names, and with `allow_list_all` those whose beginnings it names as well. That there are none
    /// where it grants none is no news, and not recorded.
    async fn variables(&mut self) -> wasmtime::Result<Variables> {
        if !self.granted.variables {
            return Ok(Vec::new());
        }
        let listed = self.observed(EventKind::WASI_ENVIRONMENT, String::new(), |services| async move {
            let grant = services.environment.as_ref().ok_or(Refusal::NotGranted)?;
            let shown = |name: &String| {
                grant.allows(name) && (grant.allow_list_all || grant.allowed_vars.contains(name))
            };
            let mut room = services.content_limit;
            let fitting = services.provider.environment.iter().filter(|(name, _)| shown(name)).take_while(
                |(name, value)| {
                    let size = (name.len() + value.len()) as u64;
                    room.checked_sub(size).inspect(|left| room = *left).is_some()
                },
            );
            Ok(fitting.map(|(name, value)| (name.clone(), value.clone())).collect::<Variables>())
        });
        listed.await?.map_err(wasmtime::Error::msg)
    }
}
