//! The engine, and where compiled components are kept between commands.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use theater_wasm::{ActorEngine, EngineConfig, EngineError};

/// The variable that names the folder for compiled components, or says that there is none.
const VARIABLE: &str = "THEATER_CACHE";

/// What is said when there can be none.
pub(crate) const NO_ENGINE: &str = "could not set up the WebAssembly engine";

/// The value that says so.
const OFF: &str = "off";

/// The engine of this command.
///
/// # Errors
/// If there can be none.
pub(crate) fn engine() -> Result<ActorEngine, EngineError> {
    with_folder(folder(|name| env::var_os(name)))
}

/// A folder that cannot be used costs time and nothing else.
fn with_folder(folder: Option<PathBuf>) -> Result<ActorEngine, EngineError> {
    let mut config = EngineConfig::default();
    config.compile_cache = folder;
    match ActorEngine::new(&config) {
        Err(error) if config.compile_cache.is_some() => {
            tracing::warn!(
                error = theater_core::error::with_causes(&error),
                "components are compiled anew each time; {VARIABLE} names another folder for them, or is `{OFF}`"
            );
            with_folder(None)
        }
        engine => engine,
    }
}

/// Where the caches of this user are, as the platform has it. `None` where that is not known, or it is turned off.
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match variable(VARIABLE) {
        Some(value) if value.is_empty() || value == OFF => None,
        Some(value) => std::path::absolute(value).ok(),
        None if cfg!(windows) => absolute("LOCALAPPDATA").map(|base| base.join("theater")),
        None => absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map(|base| base.join("theater")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(windows))]
    fn the_folder_is_the_users_cache_unless_another_is_named_or_none_is_wanted() {
        let folder = |given: &[(&str, &str)]| {
            let find = |name: &str| given.iter().find(|(known, _)| *known == name);
            folder(|name| find(name).map(|(_, value)| OsString::from(value)))
                .map(|path| path.into_os_string().into_string().unwrap())
        };
        let home = ("HOME", "/home/one");
        assert_eq!(folder(&[home]).as_deref(), Some("/home/one/.cache/theater"));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "/cache")]).as_deref(), Some("/cache/theater"));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "here")]).as_deref(), Some("/home/one/.cache/theater"));
        assert_eq!(folder(&[home, (VARIABLE, "/other")]).as_deref(), Some("/other"));
        assert_eq!(folder(&[home, (VARIABLE, "off")]), None);
        assert_eq!(folder(&[home, (VARIABLE, "")]), None);
        assert_eq!(folder(&[]), None);
    }
}
