//! From the settings of a handler to what it grants.

use super::grant::{
    EnvironmentGrant, FilesystemGrant, Grant, HttpClientGrant, ProcessGrant, RandomGrant, TimingGrant,
    WasiGrant,
};
use crate::manifest::HandlerKind;

/// A setting that cannot be: which, and what to write.
pub(crate) struct BadSetting {
    pub(crate) key: &'static str,
    pub(crate) message: String,
}

/// The longest wait that a setting may allow: ten years, in milliseconds.
const LONGEST: u64 = 3_650 * 24 * 3_600_000;

/// The settings of one handler, whose names and types are right.
struct Settings<'a>(&'a toml::Table);

/// What the handler grants.
pub(crate) fn grant(kind: HandlerKind, config: &toml::Table) -> Result<Grant, BadSetting> {
    let settings = Settings(config);
    Ok(match kind {
        HandlerKind::Runtime => Grant::Runtime,
        HandlerKind::Supervisor => Grant::Supervisor,
        HandlerKind::MessageServer => Grant::MessageServer,
        HandlerKind::Store => Grant::Store,
        HandlerKind::HttpFramework => Grant::HttpFramework,
        HandlerKind::Timing => Grant::Timing(timing(&settings)?),
        HandlerKind::Random => Grant::Random(random(&settings)?),
        HandlerKind::Environment => Grant::Environment(environment(&settings)?),
        HandlerKind::Filesystem => Grant::Filesystem(filesystem(&settings)?),
        HandlerKind::HttpClient => Grant::HttpClient(http_client(&settings)?),
        HandlerKind::Process => Grant::Process(process(&settings)?),
        HandlerKind::Wasi => {
            let default = WasiGrant::default();
            let max_sleep = settings.number("max_sleep_duration", LONGEST)?.unwrap_or(default.max_sleep);
            Grant::Wasi(WasiGrant { max_sleep })
        }
    })
}

fn timing(settings: &Settings<'_>) -> Result<TimingGrant, BadSetting> {
    let default = TimingGrant::default();
    let max_sleep = settings.number("max_sleep_duration", LONGEST)?.unwrap_or(default.max_sleep);
    let min_sleep =
        settings.number("min_sleep_duration", LONGEST)?.unwrap_or(default.min_sleep.min(max_sleep));
    if min_sleep > max_sleep {
        let message = format!("must be at most `max_sleep_duration`, which is {max_sleep}");
        return Err(BadSetting { key: "min_sleep_duration", message });
    }
    Ok(TimingGrant { max_sleep, min_sleep })
}

fn random(settings: &Settings<'_>) -> Result<RandomGrant, BadSetting> {
    let default = RandomGrant::default();
    let most = i64::MAX.unsigned_abs();
    let grant = RandomGrant {
        seed: settings.number("seed", most)?,
        max_bytes: settings.number("max_bytes", 1 << 30)?.unwrap_or(default.max_bytes),
        max_int: settings.number("max_int", most)?.unwrap_or(default.max_int),
        allow_crypto_secure: settings.on("allow_crypto_secure"),
    };
    if grant.seed.is_some() && grant.allow_crypto_secure {
        let message = "values from a `seed` are no secret; take one of them out".to_owned();
        return Err(BadSetting { key: "allow_crypto_secure", message });
    }
    Ok(grant)
}

fn environment(settings: &Settings<'_>) -> Result<EnvironmentGrant, BadSetting> {
    Ok(EnvironmentGrant {
        allowed_vars: settings.texts("allowed_vars", variable)?,
        denied_vars: settings.texts("denied_vars", variable)?,
        allowed_prefixes: settings.texts("allowed_prefixes", variable)?,
        allow_list_all: settings.on("allow_list_all"),
    })
}

fn filesystem(settings: &Settings<'_>) -> Result<FilesystemGrant, BadSetting> {
    let path = settings.0.get("path").and_then(toml::Value::as_str);
    if let Some(message) = path.and_then(folder) {
        return Err(BadSetting { key: "path", message });
    }
    Ok(FilesystemGrant {
        path: path.map(ToOwned::to_owned),
        new_dir: settings.on("new_dir"),
        allowed_commands: settings.texts("allowed_commands", name)?,
    })
}

fn http_client(settings: &Settings<'_>) -> Result<HttpClientGrant, BadSetting> {
    /// In milliseconds.
    const DAY: u64 = 24 * 3_600_000;
    let duration = settings.number("max_request_duration", DAY)?;
    if duration == Some(0) {
        let message = format!("must be a number from 1 to {DAY}");
        return Err(BadSetting { key: "max_request_duration", message });
    }
    let hosts = settings.texts("allowed_hosts", host)?;
    Ok(HttpClientGrant {
        // The spelling that addresses are compared in.
        allowed_hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        max_duration: duration.unwrap_or(HttpClientGrant::default().max_duration),
        max_request: settings.number("max_request_size", 1 << 30)?,
        max_response: settings.number("max_response_size", 1 << 30)?,
    })
}

fn process(settings: &Settings<'_>) -> Result<ProcessGrant, BadSetting> {
    let default = ProcessGrant::default();
    Ok(ProcessGrant {
        max_processes: settings.number("max_processes", 10_000)?.unwrap_or(default.max_processes),
        max_output_buffer: settings
            .number("max_output_buffer", 1 << 30)?
            .unwrap_or(default.max_output_buffer),
        allowed_programs: settings.texts("allowed_programs", program)?,
        allowed_paths: settings.texts("allowed_paths", folder)?,
    })
}

impl Settings<'_> {
    fn number(&self, key: &'static str, most: u64) -> Result<Option<u64>, BadSetting> {
        let Some(value) = self.0.get(key).and_then(toml::Value::as_integer) else { return Ok(None) };
        match u64::try_from(value) {
            Ok(value) if value <= most => Ok(Some(value)),
            _ => Err(BadSetting { key, message: format!("must be a number from 0 to {most}") }),
        }
    }

    fn on(&self, key: &str) -> bool {
        self.0.get(key).and_then(toml::Value::as_bool).unwrap_or(false)
    }

    /// `wrong` says what is wrong with one.
    fn texts(&self, key: &'static str, wrong: fn(&str) -> Option<String>) -> Result<Vec<String>, BadSetting> {
        let values = self.0.get(key).and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<_> = values.iter().filter_map(toml::Value::as_str).map(ToOwned::to_owned).collect();
        match texts.iter().find_map(|text| wrong(text)) {
            Some(message) => Err(BadSetting { key, message }),
            None => Ok(texts),
        }
    }
}

fn name(text: &str) -> Option<String> {
    let wrong = text.is_empty() || text.chars().any(char::is_control);
    wrong.then(|| "each must have a character, and no control characters".to_owned())
}

fn program(text: &str) -> Option<String> {
    let relative = text.contains('/') && !text.starts_with('/');
    let message = || "each must be an absolute path, or a name without `/`".to_owned();
    name(text).or_else(|| relative.then(message))
}

fn host(text: &str) -> Option<String> {
    let good = crate::source::authority(text, 0).is_some_and(|(host, port)| {
        let plain = if port == 0 { host } else { format!("{host}:{port}") };
        plain.eq_ignore_ascii_case(text)
    });
    (!good).then(|| {
        "each must be one host such as `example.org`, or with another port than its scheme's `example.org:8080`; there are no wildcards"
            .to_owned()
    })
}

fn variable(text: &str) -> Option<String> {
    let wrong = text.is_empty() || text.contains(['=', '\0']);
    wrong.then(|| "each must be a name, or its beginning: not empty, without `=`".to_owned())
}

fn folder(path: &str) -> Option<String> {
    let wrong = path.is_empty() || path.contains('\0') || path.split('/').any(|part| part == "..");
    wrong.then(|| "must be the path of a folder without `..` in it".to_owned())
}
