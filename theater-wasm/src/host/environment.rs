//! `theater:simple/environment`: the variables that the manifest names, and no sign of any other.

use theater_core::{EventKind, capability::EnvironmentGrant};
use wasmtime::component::Linker;

use super::bindings::theater::simple::environment;
use super::record::subject;
use super::services::{Refusal, Services};
use crate::store::ActorStore;

/// The interface, as imports name it.
pub(crate) const INTERFACE: &str = "theater:simple/environment";

pub(crate) fn add_to_linker(linker: &mut Linker<ActorStore>) -> wasmtime::Result<()> {
    super::under_both_names(linker, INTERFACE, |instance| {
        environment::add_to_linker_instance::<_, super::OfStore>(instance, |store| store)
    })
}

fn granted(services: &Services) -> Result<&EnvironmentGrant, Refusal> {
    services.environment.as_ref().ok_or(Refusal::NotGranted)
}

fn variable(services: &Services, name: &str) -> Result<Option<String>, Refusal> {
    let allowed = granted(services)?.allows(name);
    // A value that no record could hold looks like one that is not there.
    let fits = |value: &&String| value.len() as u64 <= services.content_limit;
    Ok(services.provider.environment.get(name).filter(|_| allowed).filter(fits).cloned())
}

impl environment::Host for ActorStore {
    async fn get_var(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let kind = EventKind::ENVIRONMENT_GET_VAR;
        let value = self
            .observed(kind, subject(&[&name]), |services| async move { variable(&services, &name) })
            .await?;
        value.map_err(wasmtime::Error::msg)
    }

    async fn list_vars(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let listed = self.observed(EventKind::ENVIRONMENT_LIST_VARS, String::new(), |services| async move {
            let grant = granted(&services)?;
            if !grant.allow_list_all {
                return Ok(Vec::new());
            }
            let mut room = services.content_limit;
            let all = services.provider.environment.iter().filter(|(name, _)| grant.allows(name));
            let fitting = all.take_while(|(name, value)| {
                let size = (name.len() + value.len()) as u64;
                room.checked_sub(size).inspect(|left| room = *left).is_some()
            });
            Ok(fitting.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>())
        });
        listed.await?.map_err(wasmtime::Error::msg)
    }

    async fn exists(&mut self, name: String) -> wasmtime::Result<bool> {
        let kind = EventKind::ENVIRONMENT_EXISTS;
        let there =
            self.observed(kind, subject(&[&name]), |services| async move {
                Ok(variable(&services, &name)?.is_some())
            })
            .await?;
        there.map_err(wasmtime::Error::msg)
    }
}
